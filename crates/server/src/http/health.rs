//! What a supervisor and a crawler ask: is it alive, is it ready, may I look.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use soku_api::Reason;
use tracing::error;
use utoipa::ToSchema;

use crate::http::api::Api;
use crate::http::error::Refusal;
use crate::telemetry::Causes;

/// The state of the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or the answer is an error.
    #[schema(example = "ok")]
    status: &'static str,
}

/// 200 while the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", operation_id = "healthz",
    summary = "Whether the process lives",
    responses((status = 200, description = "It lives.", body = Health))
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// 200 when database and storage answer and the server is not stopping.
///
/// # Errors
/// 503 `not_ready` or `shutting_down`; which part is away stays in the log.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "readyz",
    summary = "Whether the server can take work",
    responses(
        (status = 200, description = "Database and storage answer.", body = Health),
        (status = 503, description = "The server cannot take work now.", body = soku_api::ErrorBody)
    )
)]
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Result<Json<Health>, Refusal> {
    if api.is_stopping() {
        return Err(Refusal::because(Reason::ShuttingDown));
    }
    if let Err(cause) = api.db.ping().await {
        error!("The database does not answer: {}", Causes(&cause));
        return Err(Refusal::because(Reason::NotReady));
    }
    if let Err(cause) = api.store.ping().await {
        error!("The storage does not answer: {}", Causes(&cause));
        return Err(Refusal::because(Reason::NotReady));
    }
    Ok(Json(Health { status: "ok" }))
}

/// Forbids nothing: Facebook's fetcher obeys `robots.txt`, and a platform that may not fetch cannot post.
pub(crate) async fn robots() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "User-agent: *\nDisallow:\n").into_response()
}
