//! A body as it comes over the wire: counted, timed, and ended where its framing says.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::error::FetchError;
use crate::limits::Limits;
use crate::pace::SharedPace;
use crate::request::AnswerBody;

/// Whether a reader of a body has been told that nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Seen,
    Unseen,
}

/// The coded bytes of one answer. Its errors are [`FetchError`]s inside `io::Error`s.
pub(crate) struct WireBody {
    body: AnswerBody,
    chunk: Bytes,
    received: u64,
    /// How many bytes there must be, where that is known.
    length: Option<u64>,
    limit_bytes: u64,
    end: End,
    clock: WaitingClock,
}

impl WireBody {
    pub(crate) fn new(body: AnswerBody, length: Option<u64>, limits: &Limits, pace: SharedPace) -> WireBody {
        WireBody {
            body,
            chunk: Bytes::new(),
            received: 0,
            length,
            limit_bytes: limits.max_bytes,
            end: End::Unseen,
            clock: WaitingClock::new(limits, pace),
        }
    }

    /// Bytes of this answer's body that came over the wire.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Bytes that a decoder has taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.received - self.chunk.len() as u64
    }

    /// Whether a decoder knows by now that this is all.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FetchError>> {
        if !self.chunk.is_empty() || self.length == Some(self.received) {
            return Poll::Ready(Ok(()));
        }
        let Poll::Ready(next) = self.body.poll_data(cx) else {
            return self.clock.poll_too_long(cx).map(Err);
        };
        let Some(chunk) = next.transpose()? else {
            // Framing that hyper checks never ends so; a length beside an ignored coding may.
            return Poll::Ready(if self.length.is_some() { Err(FetchError::Truncated(None)) } else { Ok(()) });
        };
        self.chunk = chunk;
        if let Some(length) = self.length {
            // What comes behind the declared end belongs to nobody.
            self.chunk.truncate(usize::try_from(length - self.received).unwrap_or(usize::MAX));
        }
        self.received += self.chunk.len() as u64;
        if self.received > self.limit_bytes {
            return Poll::Ready(Err(FetchError::TooLarge { limit_bytes: self.limit_bytes }));
        }
        if !self.clock.progress(self.chunk.len() as u64) {
            return Poll::Ready(Err(FetchError::TooSlow));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for WireBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(cx)).map_err(io::Error::other)?;
        if this.chunk.is_empty() {
            this.end = End::Seen;
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.chunk.advance(amount);
        if self.chunk.is_empty() {
            // Even an empty piece would keep hyper from reading into the same memory again.
            self.chunk = Bytes::new();
        }
    }
}

impl AsyncRead for WireBody {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = available.len().min(buf.remaining());
        buf.put_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

/// Measures the time that is spent waiting for the source, and nothing else.
struct WaitingClock {
    idle: Duration,
    pace: SharedPace,
    since: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl WaitingClock {
    fn new(limits: &Limits, pace: SharedPace) -> WaitingClock {
        let alarm = Box::pin(tokio::time::sleep(limits.idle_timeout));
        WaitingClock { idle: limits.idle_timeout, pace, since: None, alarm }
    }

    /// Nothing came: starts or goes on waiting, and is ready when that has been too long.
    fn poll_too_long(&mut self, cx: &mut Context<'_>) -> Poll<FetchError> {
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            self.alarm.as_mut().reset(now + self.idle);
        }
        self.alarm.as_mut().poll(cx).map(|()| FetchError::BodyStalled)
    }

    /// Something came; false when it comes too slowly.
    fn progress(&mut self, bytes: u64) -> bool {
        let waited = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.pace.keeps_up(waited, bytes)
    }
}
