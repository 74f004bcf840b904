//! `POST /v1/media`: extract, call, answer.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use soku_api::MediaCreated;
use tracing::{Instrument as _, info_span};

use crate::admission::{Endpoint, IdempotencyKey};
use crate::http::api::Api;
use crate::http::caller;
use crate::http::door::Context;
use crate::http::error::Refusal;
use crate::http::reading;
use crate::ingest::{Import, ImportError, Imported};
use crate::telemetry::traces::STEPS;
use soku_api::Reason;

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Takes in one remote file and answers with its hosted URL, once the file is stored for good.
///
/// # Errors
/// Every refusal of the contract's §1, in the order of its §3.
#[utoipa::path(
    post,
    path = "/v1/media",
    operation_id = "createMedia",
    tag = "media",
    summary = "Upload Remote Media",
    description = "Download a media file from a remote URL and store it in the Soku media library.",
    params(
        ("Idempotency-Key" = Option<String>, Header,
         description = "A unique string to prevent duplicate uploads: 1 to 255 printable ASCII characters. If omitted, \
                        Soku auto-derives a key from your user ID and request payload.",
         example = "post-2026-02-28-banner")
    ),
    request_body(content = soku_api::CreateMedia, content_type = "application/json"),
    responses((status = 201, description = "The file is stored for good under `url`.", body = MediaCreated)),
    security(("apiKey" = []))
)]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let caller = caller::uploader(&api, &context, request.headers(), Endpoint::Media);
    let uploader = caller.instrument(info_span!(target: STEPS, "caller")).await?;
    let (parts, body) = request.into_parts();
    reading::require_json(&parts.headers)?;
    let body = reading::body(&parts.headers, body, api.settings.max_body_bytes, api.settings.request_timeout);
    let body = body.instrument(info_span!(target: STEPS, "reading")).await?;
    let url = reading::source_url(&body)?;
    let key = idempotency_key(&parts.headers)?;

    let import = Import { account: uploader.account.id, url, key, progress: None };
    let imported = api.ingest.import(import).await.map_err(refusal)?;
    Ok(created(&api, &imported))
}

fn idempotency_key(headers: &http::HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let invalid = || Refusal::because(Reason::InvalidIdempotencyKey);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    IdempotencyKey::parse(value.as_bytes()).map(Some).map_err(|_| invalid())
}

/// The refusal that a failed import is answered with.
pub(crate) fn refusal(error: ImportError) -> Refusal {
    match error {
        ImportError::KeyReused => Refusal::idempotency_key_reused(),
        ImportError::Failed(failure) => Refusal::from(&failure),
        ImportError::Broken => Refusal::internal(),
    }
}

fn created(api: &Api, imported: &Imported) -> Response {
    let url = api.hosted_url(&imported.media);
    let body = serde_json::to_vec(&MediaCreated { url: url.clone() }).expect("the answer is plain data");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::from_str(&url) {
        headers.insert(LOCATION, location);
    }
    if imported.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
