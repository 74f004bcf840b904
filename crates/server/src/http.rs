//! The street: every route on one screen, and the door that every request passes.

pub mod api;
pub mod caller;
pub mod conditions;
pub mod connection;
pub mod delivery;
pub mod door;
pub mod error;
pub mod health;
pub mod media;
pub mod metrics;
pub mod openapi;
pub mod range;
pub mod reading;

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get, post};
use http::Request;
use soku_api::ErrorCode;

use crate::admission::Endpoint;
use crate::http::api::Api;
use crate::http::door::Context;
use crate::http::error::Refusal;

/// Every route of the server. What is not here is 404, and every error leaves through the door's envelope.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/media", post(media::create).fallback(only_post))
        .route("/v1/posts", post(posts).fallback(only_post))
        .route("/v1/templates", post(templates).fallback(only_post))
        .route("/v1/media/render-og", post(templates).fallback(only_post))
        .route("/media", any(delivery::deliver))
        .route("/media/", any(delivery::deliver))
        .route("/media/{*path}", any(delivery::deliver))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::document))
        .route("/robots.txt", get(health::robots))
        .fallback(nothing)
        .method_not_allowed_fallback(no_such_method)
        .with_state(api)
}

/// `POST /v1/posts`: not here yet, but limited and charged as it will be.
async fn posts(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    caller::anyone(&api, &context, request.headers(), Some(Endpoint::Posts)).await?;
    Err(Refusal::not_yet("Posts"))
}

/// `POST /v1/templates` and its alias: not here yet, but limited and charged as they will be, on one counter.
async fn templates(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    caller::anyone(&api, &context, request.headers(), Some(Endpoint::Templates)).await?;
    Err(Refusal::not_yet("Templates"))
}

async fn only_post(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    caller::anyone(&api, &context, request.headers(), None).await?;
    Err(Refusal::method_not_allowed("POST"))
}

/// Whatever is not here needs no key and is charged to whatever tier applies; so is a wrong method.
async fn nothing(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    caller::anyone(&api, &context, request.headers(), None).await?;
    Err(Refusal::not_found())
}

async fn no_such_method(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    caller::anyone(&api, &context, request.headers(), None).await?;
    Err(Refusal::new(ErrorCode::MethodNotAllowed, "This address does not take this method."))
}
