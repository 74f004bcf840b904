//! A request as the traces have it: the names are those of OpenTelemetry's conventions for HTTP.
//!
//! Neither headers nor queries leave, and no client's address; the path does, cut.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Request};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, error_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::Context;
use super::line::{method_name, route_name};
use crate::telemetry::traces;

const TRACEPARENT: &str = "traceparent";

/// As much of a path as is worth keeping until it is sent.
const LONGEST_PATH: usize = 256;

/// The span of one request, for the log and, where they are wanted, for the traces. At the highest level, so that no
/// choice of what is logged takes the id from the lines that are.
///
/// `traceparent` counts from a trusted proxy alone: from strangers it would mix their traces into ours, and have us
/// trace as much as they like.
pub(super) fn begin(request: &Request<Body>, context: &Context, is_trusted: bool) -> Span {
    if !traces::is_on() {
        return error_span!("request", request.id = %context.request_id);
    }
    let span = error_span!("request", request.id = %context.request_id, otel.kind = "server");
    if is_trusted {
        let parent = TraceContextPropagator::new().extract(&Believed(request.headers()));
        // Fails only where the span is in no trace.
        let _ = span.set_parent(parent);
    }
    let (method, path) = (method_name(request.method()), request.uri().path());
    span.set_attribute("http.request.method", if method == "other" { "_OTHER" } else { method });
    span.set_attribute("url.path", path[..path.floor_char_boundary(LONGEST_PATH)].to_owned());
    let name = match route_name(path) {
        "other" => None,
        // The label of the metrics stands for every file.
        "/media" => Some("/media/{id}/{filename}"),
        route => Some(route),
    };
    if let Some(route) = name {
        span.set_attribute("http.route", route);
    }
    let method = if method == "other" { "HTTP" } else { method };
    let name = name.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    span.context().span().update_name(name);
    span
}

/// What became of it.
pub(super) fn answered(span: &Span, response: &Response) {
    if !traces::is_on() {
        return;
    }
    let status = response.status();
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    let reason = response.extensions().get::<soku_api::Reason>().map(|reason| reason.as_str());
    if status.is_client_error() || status.is_server_error() {
        span.set_attribute("error.type", reason.map_or_else(|| status.as_str().to_owned(), str::to_owned));
    }
    // What the client did wrong is no error of the server's.
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
}

/// Of the headers that belong to a trace the one that is understood, if it is there once.
struct Believed<'a>(&'a HeaderMap);

impl Extractor for Believed<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(TRACEPARENT).iter().filter(|_| key == TRACEPARENT);
        values.next().filter(|_| values.next().is_none())?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
