//! The head of an answer as it came over the wire.
//!
//! hyper bears malformed header lines by dropping them without a word, which is right for a broken cookie and wrong for
//! a broken length. So what it reads is kept until the head is parsed, and the lines that matter are counted again.

mod mended;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, TRANSFER_ENCODING};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::mended::Mending;

/// A malformed line of one of these is a failure, not something to drop.
const THAT_MATTER: [HeaderName; 5] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, LOCATION];

/// So many bytes may come over the wire for each of the body. A chunk of one byte takes six, one whose size is written
/// out in eight digits thirteen; the parser bears leading zeros without end.
const MOST_FRAMING: u64 = 16;

/// The bytes heard so far, while a head is awaited. Later only their number, against that of the body.
pub(crate) struct Heard {
    bytes: Mutex<Option<Vec<u8>>>,
    most: usize,
    all: AtomicU64,
    of_body: AtomicU64,
}

impl Heard {
    /// Keeps at most so many bytes; a reader that brings more fails.
    pub(crate) fn new(most: usize) -> Arc<Heard> {
        Arc::new(Heard {
            bytes: Mutex::new(Some(Vec::new())),
            most,
            all: AtomicU64::new(0),
            of_body: AtomicU64::new(0),
        })
    }

    /// So many of the bytes were the body's.
    pub(crate) fn was_body(&self, bytes: usize) {
        self.of_body.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Ends the listening and gives what was heard.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.lock().take().unwrap_or_default()
    }

    fn add(&self, bytes: &[u8]) -> io::Result<()> {
        let all = self.all.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        if let Some(heard) = self.lock().as_mut() {
            heard.extend_from_slice(bytes);
            if heard.len() > self.most {
                // The bytes of a body too, where the connection is quicker than whoever waits for the head: their framing.
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too large"));
            }
        } else if all > 2 * self.most as u64 + MOST_FRAMING * self.of_body.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "much framing and little body"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.bytes.lock().expect("nothing panics while it holds this lock")
    }
}

/// A connection that is listened to, and not before something was said on it: hyper takes an answer that is there
/// before the request for a breach of the protocol, but some sources greet everybody with the same one.
pub(crate) struct Tapped<S> {
    stream: S,
    heard: Arc<Heard>,
    has_spoken: bool,
    reader: Option<Waker>,
    mending: Mending,
}

impl<S> Tapped<S> {
    pub(crate) fn new(stream: S, heard: Arc<Heard>) -> Tapped<S> {
        Tapped { stream, heard, has_spoken: false, reader: None, mending: Mending::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.has_spoken {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let Tapped { stream, mending, heard, .. } = &mut *self;
        loop {
            let held = mending.give_back(buf);
            let read_from = buf.filled().len();
            if Pin::new(&mut *stream).poll_read(cx, buf)?.is_pending() {
                if held {
                    mending.take_back(buf);
                }
                return Poll::Pending;
            }
            let is_end = buf.filled().len() == read_from;
            heard.add(&buf.filled()[read_from..])?;
            mending.mend(buf, before, is_end);
            // All that came may be a CR whose next byte decides what it is.
            if is_end || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.has_spoken = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The head that follows so many interim ones, without the body bytes behind it.
pub(crate) fn final_head(heard: &[u8], interim: usize) -> &[u8] {
    let mut rest = heard;
    for _ in 0..interim {
        rest = &rest[head_length(rest)..];
    }
    &rest[..head_length(rest)]
}

/// The length of the first head, its empty line included; everything where it has no end.
fn head_length(bytes: &[u8]) -> usize {
    let mut at = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    while let Some(length) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        let line = &bytes[at..at + length];
        at += length + 1;
        if line.is_empty() || line == b"\r" {
            return at;
        }
    }
    bytes.len()
}

/// Whether the head has a line of a field that matters which did not become a field.
pub(crate) fn lost_a_line_that_matters(head: &[u8], headers: &HeaderMap) -> bool {
    THAT_MATTER.iter().any(|name| {
        let lines = head.split(|&byte| byte == b'\n').enumerate();
        // A first field behind blanks goes on with nothing: it is no line that was folded, but one that is lost.
        let lines = lines.map(|(at, line)| if at == 1 { line.trim_ascii_start() } else { line });
        lines.filter(|line| is_line_of(line, name.as_str())).count() != headers.get_all(name).iter().count()
    })
}

fn is_line_of(line: &[u8], name: &str) -> bool {
    let Some((start, rest)) = line.split_at_checked(name.len()) else { return false };
    start.eq_ignore_ascii_case(name.as_bytes())
        && !rest.first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn interim_heads_and_the_body_are_told_from_the_head() {
        let heard = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\nLink: </x>\n\n\
            HTTP/1.1 200 OK\r\nA: b\r\n \r\nC: d\r\n\r\nContent-Length: 5\r\n\r\n";

        assert_eq!(final_head(heard, 2), b"HTTP/1.1 200 OK\r\nA: b\r\n \r\nC: d\r\n\r\n");
    }

    #[test]
    fn a_head_without_an_end_is_taken_whole() {
        assert_eq!(final_head(b"HTTP/1.1 200 OK\r\nA: b", 0), b"HTTP/1.1 200 OK\r\nA: b");
        assert_eq!(final_head(b"", 3), b"");
    }

    #[test]
    fn a_dropped_line_is_missed_only_where_it_matters() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("5"));
        let lost = |head: &[u8]| lost_a_line_that_matters(head, &headers);

        assert!(!lost(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\x01b\r\nContent-Length-Hint: 3\r\n\r\n"));
        assert!(lost(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\nLocation: /\x01\r\n\r\n"));
        assert!(lost(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length 6\r\n\r\n"));
        assert!(lost(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding\r\n\r\n"));
        assert!(lost(b"HTTP/1.1 200 OK\r\n Content-Length: 5\r\nContent-Length: 5\r\n\r\n"));
        assert!(!lost(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n Content-Length: 5\r\n\r\n"));
    }
}
