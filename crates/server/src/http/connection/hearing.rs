//! Whether the client may still be sending: what decides how its connection is closed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// A rest of a body that is not larger than this is heard to its end, so that the connection can be kept.
const SMALL_REST_BYTES: u64 = 8 * 1024;
/// For so long. Many clients send a body in a packet of its own, right behind the head.
const REST_PATIENCE: Duration = Duration::from_millis(500);

/// Set by every byte that comes in on a connection, cleared when a request is known to end with it.
#[derive(Clone, Default)]
pub(super) struct Hearing(Arc<State>);

#[derive(Default)]
struct State {
    open: AtomicBool,
    /// The body that the door was given, where it did not hear it to its end.
    unheard: Mutex<Option<Incoming>>,
}

/// What the head of a request tells of its body.
#[derive(Clone, Copy)]
pub(super) struct Announced {
    most_bytes: Option<u64>,
    /// Whether the client keeps it back until it is asked for it (`Expect: 100-continue`, RFC 9110 §10.1.1).
    is_kept_back: bool,
}

impl Announced {
    pub(super) fn by(request: &Request<Incoming>) -> Announced {
        Announced {
            most_bytes: request.body().size_hint().upper(),
            is_kept_back: request.headers().contains_key(EXPECT),
        }
    }
}

impl Hearing {
    pub(super) fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) {
        self.0.open.store(true, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.open.store(false, Ordering::Relaxed);
    }

    fn unheard(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.0.unheard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request, with a body that tells when it was heard to its end.
    pub(super) fn of(&self, request: Request<Incoming>) -> Request<Body> {
        *self.unheard() = None;
        if request.body().is_end_stream() {
            self.end();
            return request.map(Body::new);
        }
        request.map(|body| Body::new(Heard { body: Some(body), hearing: self.clone() }))
    }

    /// Hears a small rest of the body; where there is more, or it does not come, tells the client that the connection ends
    /// with this answer. A connection that ended without a word would cost the client its next request.
    pub(super) async fn end_with<B>(&self, answer: &mut Response<B>, announced: Announced) {
        if !self.is_open() {
            return;
        }
        let is_small = announced.most_bytes.is_some_and(|most| most <= SMALL_REST_BYTES);
        let rest = self.unheard().take();
        if let (true, false, Some(rest)) = (is_small, announced.is_kept_back, rest) {
            let mut rest = Heard { body: Some(rest), hearing: self.clone() };
            let hear = async { while let Some(Ok(_)) = rest.frame().await {} };
            // In vain or not is seen below.
            let _ = tokio::time::timeout(REST_PATIENCE, hear).await;
            // Not given back: as long as somebody holds it, the HTTP library waits for more of it.
            rest.body = None;
        }
        if self.is_open() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// The body of a request; `None` once it is given back.
struct Heard {
    body: Option<Incoming>,
    hearing: Hearing,
}

impl Drop for Heard {
    fn drop(&mut self) {
        *self.hearing.unheard() = self.body.take().filter(|body| !body.is_end_stream());
    }
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(context));
        if frame.is_none() || body.is_end_stream() {
            self.hearing.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
