//! `GET /metrics`, on a listener of its own: what it says is for the operator alone.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::http::api::Api;
use crate::http::door::LogsItself;
use crate::http::error::Refusal;
use crate::metrics::{self, Now};

/// The one route of the listener for metrics.
pub fn routes(api: Arc<Api>) -> Router {
    let nothing = async || Refusal::not_found();
    Router::new().route("/metrics", get(render)).fallback(nothing).with_state(api)
}

/// The counters in the text form of `OpenMetrics`. Asked for every few seconds, so it leaves no log line.
async fn render(State(api): State<Arc<Api>>) -> Response {
    let (running, waiting) = api.admission.turns.load();
    let now = Now { running, waiting, under_way: api.ingest.under_way(), free_bytes: api.store.free_bytes() };
    let mut response = ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&now)).into_response();
    response.extensions_mut().insert(LogsItself);
    response
}
