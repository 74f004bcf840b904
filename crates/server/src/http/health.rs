//! What a supervisor and a crawler ask: is it alive, is it ready, may I look.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use soku_api::Reason;
use tokio::net::TcpSocket;
use tokio::sync::Mutex;
use tracing::error;
use utoipa::ToSchema;

use crate::failure::is_out_of_files;
use crate::http::api::Api;
use crate::http::error::Refusal;
use crate::store::Store;
use crate::telemetry::Causes;

/// The state of the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or the answer is an error.
    #[schema(example = "ok")]
    status: &'static str,
}

/// What the storage said when it was last asked. Anybody may ask `/readyz` as often as they like, and a bucket's answer
/// costs its owner money.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Option<Beat>>);

/// The steady moment of a question, and its answer: nothing, or the causes of a failure.
type Beat = (i64, Result<(), String>);

/// How long an answer counts.
const BEAT_MS: i64 = 1_000;

impl Pulse {
    /// Whether the storage answers; asks it where it was not asked within the last second, one question at a time.
    async fn of(&self, store: &Store, now_ms: i64) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = &*last
            && now_ms - at < BEAT_MS
        {
            return answer.clone();
        }
        let answer = store.ping().await.map_err(|cause| Causes(&cause).to_string());
        *last = Some((now_ms, answer.clone()));
        answer
    }
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

/// 200 when database and storage answer, something can be opened, and the server is not stopping.
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
    if let Err(causes) = api.pulse.of(&api.store, api.clock.steady_ms()).await {
        error!("The storage does not answer: {causes}");
        return Err(Refusal::because(Reason::NotReady));
    }
    if let Err(cause) = TcpSocket::new_v4()
        && is_out_of_files(&cause)
    {
        error!("No file or socket can be opened: {cause}");
        return Err(Refusal::because(Reason::NotReady));
    }
    Ok(Json(Health { status: "ok" }))
}

/// Forbids nothing: Facebook's fetcher obeys `robots.txt`, and a platform that may not fetch cannot post.
pub(crate) async fn robots() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "User-agent: *\nDisallow:\n").into_response()
}
