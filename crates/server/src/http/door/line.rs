//! The log line of a request: told with its answer, or when the request is dropped before there is one.

use std::time::Instant;

use axum::response::Response;
use http::Method;
use tracing::info;

use super::{Context, LogsItself};
use crate::metrics;

/// A request on its way; dropped unanswered, it says so.
pub(super) struct Line {
    pub(super) context: Context,
    pub(super) method: Method,
    pub(super) path: String,
    started: Instant,
    is_answered: bool,
}

impl Line {
    /// The line of a request that comes in now.
    pub(super) fn begin(context: Context, method: Method, path: String) -> Line {
        Line { context, method, path, started: Instant::now(), is_answered: false }
    }

    /// Tells the answer, unless a part of it does so by itself.
    pub(super) fn answered(mut self, response: &Response) {
        self.is_answered = true;
        let route = route_name(&self.path);
        metrics::request_answered(route, method_name(&self.method), response.status().as_u16(), self.started.elapsed());
        if response.extensions().get::<LogsItself>().is_some() {
            return;
        }
        let Line { context, method, path, .. } = &self;
        let status = response.status().as_u16();
        let reason = response.extensions().get::<soku_api::Reason>().map_or("", |reason| reason.as_str());
        info!(
            request.id = %context.request_id,
            client.address = %context.client,
            status,
            reason,
            duration_ms = self.duration_ms(),
            "{method} {path} answered {status}",
        );
    }

    fn duration_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The method as a metric's label: one of a few, whatever a client makes up.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// The route of a path as a metric's label: one of a few, whatever a client asks for.
pub(super) fn route_name(path: &str) -> &'static str {
    const ROUTES: [&str; 9] = [
        "/v1/media",
        "/v1/posts",
        "/v1/templates",
        "/v1/media/render-og",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/robots.txt",
        "/metrics",
    ];
    if path == "/media" || path.starts_with("/media/") {
        return "/media";
    }
    ROUTES.into_iter().find(|route| *route == path).unwrap_or("other")
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let Line { context, method, path, .. } = &*self;
        info!(
            request.id = %context.request_id,
            client.address = %context.client,
            duration_ms = self.duration_ms(),
            "{method} {path}: the connection ended before the answer",
        );
    }
}
