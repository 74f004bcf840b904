//! The door: every request gets an id here, every answer its headers, every error its envelope, and the log one line.

mod head;
mod line;
mod traced;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Request};
use ipnet::IpNet;
use tower::ServiceExt as _;
use tracing::{Instrument as _, error};

use crate::admission::{Admission, Judged, Subject, client_address, is_trusted};
use crate::clock::Clock;
use crate::http::error::Refusal;
use crate::http::{caller, delivery};
use crate::id::RequestId;
use line::Line;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is known of a request beside its bytes; in the request's extensions.
#[derive(Clone, Debug)]
pub struct Context {
    pub request_id: RequestId,
    /// Where the request comes from, as far as it can be believed (rule K2).
    pub client: IpAddr,
    /// The verdict of the rate limits, once it is spoken: its headers go out with whatever the answer is.
    pub(crate) judged: Arc<OnceLock<Judged>>,
}

/// Put on a response whose own part writes its log line, because it alone knows when the body ends.
#[derive(Clone, Copy, Debug)]
pub struct LogsItself;

/// The door of one server.
pub struct Door {
    router: Router,
    clock: Clock,
    trusted_proxies: Vec<IpNet>,
    max_head_bytes: usize,
    admission: Option<Arc<Admission>>,
}

impl Door {
    /// A door in front of `router`; forwarded addresses are believed from `trusted_proxies` alone.
    #[must_use]
    pub fn new(router: Router, clock: Clock, trusted_proxies: Vec<IpNet>) -> Door {
        Door { router, clock, trusted_proxies, max_head_bytes: usize::MAX, admission: None }
    }

    /// The same, for requests whose head has at most `max_head_bytes`.
    #[must_use]
    pub fn with_max_head(self, max_head_bytes: usize) -> Door {
        Door { max_head_bytes, ..self }
    }

    /// The same, which tells of the limits of `admission` where no handler came to judge by them.
    #[must_use]
    pub fn with_limits(self, admission: Arc<Admission>) -> Door {
        Door { admission: Some(admission), ..self }
    }

    /// Takes one request through the routes and makes the answer complete. Never fails.
    pub async fn pass(&self, peer: IpAddr, mut request: Request<Body>) -> Response {
        let client = client_address(peer, request.headers(), &self.trusted_proxies);
        let context = Context { request_id: RequestId::random(), client, judged: Arc::default() };
        let line = Line::begin(context.clone(), request.method().clone(), request.uri().path().to_owned());
        let span = traced::begin(&request, &context, is_trusted(peer, &self.trusted_proxies));
        request.extensions_mut().insert(context.clone());

        let answer = match head::judge(&request, self.max_head_bytes) {
            Err(refusal) => refusal.render(&context.request_id, self.clock.now()),
            Ok(()) => route(self.router.clone(), &self.clock, &context, request).instrument(span.clone()).await,
        };

        self.tell_limits(&context, &line.path);
        let response = complete(answer, &context, &line.path);
        traced::answered(&span, &response);
        line.answered(&response);
        response
    }

    /// Every answer of the API tells its limits: one that came before the verdict (no host, no database, a bug), those of the
    /// address, uncharged.
    fn tell_limits(&self, context: &Context, path: &str) {
        let is_api = path == "/v1" || path.starts_with("/v1/");
        if let Some(admission) = self.admission.as_ref().filter(|_| is_api && context.judged.get().is_none())
            && let Some(standing) = admission.limits.look(Subject::Address(context.client))
        {
            context.judged.set(standing).ok();
        }
    }
}

async fn route(router: Router, clock: &Clock, context: &Context, request: Request<Body>) -> Response {
    let answer = AssertUnwindSafe(router.oneshot(request)).catch_unwind().await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => {
            error!(request.id = %context.request_id, "A handler panicked: {}", panic_text(panic.as_ref()));
            return Refusal::internal().render(&context.request_id, clock.now());
        }
    };
    let carried = response.extensions().get::<Refusal>().cloned();
    let Some(mut refusal) = carried.or_else(|| Refusal::for_status(response.status())) else {
        return response;
    };
    for (name, value) in response.headers() {
        if name == http::header::ALLOW {
            refusal = refusal.with(name.clone(), value.clone());
        }
    }
    let mut rendered = refusal.render(&context.request_id, clock.now());
    if let Some(reason) = refusal.reason() {
        rendered.extensions_mut().insert(reason);
    }
    if let Some(logs_itself) = response.extensions().get::<LogsItself>() {
        rendered.extensions_mut().insert(*logs_itself);
    }
    keep_headers(&response, &mut rendered);
    rendered
}

/// The file routes set their safety headers before they know whether there will be an error.
fn keep_headers(from: &Response, to: &mut Response) {
    for (name, value) in from.headers() {
        if !to.headers().contains_key(name) && name != http::header::CONTENT_LENGTH {
            to.headers_mut().insert(name.clone(), value.clone());
        }
    }
}

/// Sets what every answer carries.
fn complete(mut response: Response, context: &Context, path: &str) -> Response {
    if let Some(judged) = context.judged.get() {
        caller::set_limit_headers(response.headers_mut(), judged);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if path.starts_with("/media") && !headers.contains_key(delivery::CROSS_ORIGIN_RESOURCE_POLICY) {
        delivery::guard(headers);
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
