//! Whether the client may still be sending: what decides how its connection is closed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

/// A rest of a body that is not larger than this may lie in the HTTP library's buffer: it looks there itself, and keeps the
/// connection if it does.
const SMALL_REST_BYTES: u64 = 8 * 1024;

/// Set by every byte that comes in on a connection, cleared when a request is known to end with it.
#[derive(Clone, Default)]
pub(super) struct Hearing(Arc<AtomicBool>);

impl Hearing {
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The request, with a body that tells when it was heard to its end.
    pub(super) fn of(&self, request: Request<Incoming>) -> Request<Body> {
        if request.body().is_end_stream() {
            self.end();
            return request.map(Body::new);
        }
        request.map(|body| Body::new(Heard { body, hearing: self.clone() }))
    }

    /// Tells the client that the connection ends with this answer, where so much of a body of `size` is unheard that it
    /// does.
    pub(super) fn end_with<B>(&self, answer: &mut Response<B>, size: &SizeHint) {
        if self.is_open() && size.upper().is_none_or(|most| most > SMALL_REST_BYTES) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// The body of a request.
struct Heard {
    body: Incoming,
    hearing: Hearing,
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.hearing.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
