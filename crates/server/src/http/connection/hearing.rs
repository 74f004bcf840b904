//! Whether the client may still be sending: what decides how its connection is closed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
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

    /// The request, with a body that tells when it was heard to its end, and what becomes of the rest of that body.
    pub(super) fn of(&self, request: Request<Incoming>) -> (Request<Body>, Rest) {
        let rest = Rest {
            hearing: self.clone(),
            body: Arc::default(),
            is_small: request.body().size_hint().upper().is_some_and(|most| most <= SMALL_REST_BYTES),
            is_kept_back: request.headers().contains_key(EXPECT),
        };
        if request.body().is_end_stream() {
            self.end();
            return (request.map(Body::new), rest);
        }
        let given_back = Arc::downgrade(&rest.body);
        let heard = |body| Body::new(Heard { body: Some(body), hearing: self.clone(), given_back });
        (request.map(heard), rest)
    }
}

/// The body that the door was given, where it did not hear it to its end.
type Unheard = Mutex<Option<Incoming>>;

/// What is left of a request's body when its answer is there.
pub(super) struct Rest {
    hearing: Hearing,
    body: Arc<Unheard>,
    is_small: bool,
    /// Whether the client keeps it back until it is asked for it (`Expect: 100-continue`, RFC 9110 §10.1.1).
    is_kept_back: bool,
}

impl Rest {
    /// Hears a small rest to its end; where there is more, or it does not come, tells the client that the connection ends
    /// with this answer. A connection that ended without a word would cost the client its next request.
    pub(super) async fn end_with<B>(self, answer: &mut Response<B>) {
        if !self.hearing.is_open() {
            return;
        }
        let rest = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (true, false, Some(mut rest)) = (self.is_small, self.is_kept_back, rest) {
            let hear = async {
                while let Some(Ok(_)) = rest.frame().await {}
                rest.is_end_stream()
            };
            if let Ok(true) = tokio::time::timeout(REST_PATIENCE, hear).await {
                self.hearing.end();
            }
        }
        if self.hearing.is_open() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// The body of a request. Dropped before its end it is given back, as long as somebody waits for it: the HTTP library waits for
/// more of a body that anybody holds.
struct Heard {
    /// There until it is dropped.
    body: Option<Incoming>,
    hearing: Hearing,
    given_back: Weak<Unheard>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(place) = self.given_back.upgrade() {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
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
