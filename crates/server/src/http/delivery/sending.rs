//! A body on its way out, and the one log line that tells what became of it: written when the body is dropped, because
//! only then it is known how much was sent. Sent is what the connection took: a client that leaves when the rest lies in
//! the buffers of the kernel already (128 KiB and what is on its way) cannot be told from one that stayed to the end.

use std::collections::VecDeque;
use std::error::Error;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tracing::{Span, error, info};

use crate::id::RequestId;
use crate::media::Media;
use crate::metrics;
use crate::telemetry::Causes;

/// A part of an answer's body: ready text, or bytes of the file.
pub(super) enum Part<B> {
    Text(Bytes),
    File(B),
}

/// The parts of a body in order, counted as they leave.
pub(super) struct Sending<B> {
    parts: VecDeque<Part<B>>,
    line: Line,
}

/// What the log tells of a delivery.
pub(super) struct Line {
    pub(super) request_id: RequestId,
    pub(super) client: IpAddr,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) media: Arc<Media>,
    pub(super) method: Method,
    pub(super) status: StatusCode,
    /// The bytes that are sent, as a `Range` header would ask for them; empty for the whole file.
    pub(super) range: String,
    pub(super) length_bytes: u64,
    pub(super) started: Instant,
    pub(super) sent_bytes: u64,
    /// The file could not be read to its end: the answer is cut, and not by the client.
    pub(super) is_broken: bool,
    /// In the traces: it lasts as long as the sending, and its request with it.
    pub(super) span: Span,
}

impl<B> Sending<B> {
    /// A body of `parts`, which come to `line.length_bytes`.
    pub(super) fn new(parts: impl IntoIterator<Item = Part<B>>, line: Line) -> Sending<B> {
        Sending { parts: parts.into_iter().collect(), line }
    }
}

impl<B> Body for Sending<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        loop {
            let chunk = match self.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Text(text)) => {
                    let text = std::mem::take(text);
                    self.parts.pop_front();
                    text
                }
                Some(Part::File(body)) => match std::task::ready!(Pin::new(body).poll_frame(context)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(chunk) => chunk,
                        Err(_trailers) => continue,
                    },
                    Some(Err(failure)) => {
                        self.parts.clear();
                        self.line.is_broken = true;
                        error!(request.id = %self.line.request_id, "Could not read media `{}`: {}", self.line.media.id, Causes(&failure));
                        return Poll::Ready(Some(Err(failure)));
                    }
                    None => {
                        self.parts.pop_front();
                        continue;
                    }
                },
            };
            self.line.sent_bytes += chunk.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.line.length_bytes.saturating_sub(self.line.sent_bytes))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Line { method, length_bytes, sent_bytes, .. } = self;
        let media_id = &self.media.id;
        let status = self.status.as_u16();
        let hung_up = !self.is_broken && sent_bytes < length_bytes;
        self.span.record("http.response.body.size", *sent_bytes);
        if hung_up || self.is_broken {
            self.span.record("error.type", if hung_up { "hung_up" } else { "storage_failed" });
        }
        metrics::delivery_ended(*sent_bytes, hung_up || self.is_broken);
        info!(
            request.id = %self.request_id,
            client.address = %self.client,
            client.user_agent = %beginning(self.user_agent.as_ref()).escape_ascii(),
            media.id = %media_id,
            status,
            range = self.range,
            length_bytes,
            sent_bytes,
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            hung_up,
            "{method} media `{media_id}` answered {status}, sent {sent_bytes} of {length_bytes} bytes{}",
            if hung_up { ", then the client hung up" } else { "" },
        );
    }
}

/// As much of a client's own words as is worth a log line.
fn beginning(value: Option<&HeaderValue>) -> &[u8] {
    const MOST_BYTES: usize = 200;
    let bytes = value.map_or(&b""[..], HeaderValue::as_bytes);
    &bytes[..bytes.len().min(MOST_BYTES)]
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use serde_json::Value;

    use super::*;
    use crate::clock::Timestamp;
    use crate::id::{AccountId, MediaId};
    use crate::media::Disposition;

    type Chunk = Result<Frame<Bytes>, io::Error>;

    fn file(chunks: Vec<Chunk>) -> Part<StreamBody<stream::Iter<std::vec::IntoIter<Chunk>>>> {
        Part::File(StreamBody::new(stream::iter(chunks)))
    }

    fn chunk(text: &'static str) -> Chunk {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn media() -> Media {
        Media {
            id: MediaId::from_stored("0a".to_owned()),
            account_id: AccountId::random(),
            filename: "a.png".to_owned(),
            content_type: "image/png".to_owned(),
            disposition: Disposition::Inline,
            size_bytes: 7,
            sha256: "00".repeat(32),
            source_url: "http://source/a.png".to_owned(),
            created: Timestamp(0),
        }
    }

    fn line(length_bytes: u64) -> Line {
        Line {
            request_id: RequestId::from_stored("req_0".to_owned()),
            client: Ipv4Addr::LOCALHOST.into(),
            user_agent: Some(HeaderValue::from_static("bot\t1")),
            media: Arc::new(media()),
            method: Method::GET,
            status: StatusCode::PARTIAL_CONTENT,
            range: "0-6".to_owned(),
            length_bytes,
            sent_bytes: 0,
            started: Instant::now(),
            is_broken: false,
            span: Span::none(),
        }
    }

    /// The log lines that `act` writes, with their fields.
    fn logged(act: impl FnOnce()) -> Vec<Value> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&written);
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || Shared(Arc::clone(&writer))).finish();
        tracing::subscriber::with_default(subscriber, act);
        let written = written.lock().unwrap();
        written
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn poll_once<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<Result<Bytes, B::Error>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("a ready stream is never pending"),
        }
    }

    #[tokio::test]
    async fn the_parts_leave_in_order_and_are_counted() {
        let parts = [
            Part::Text("<".into()),
            file(vec![chunk("ab"), chunk("c")]),
            file(vec![chunk("d")]),
            Part::Text(">".into()),
        ];
        let body = Sending::new(parts, line(6));
        assert_eq!(body.size_hint().exact(), Some(6));

        let bytes = body.collect().await.unwrap().to_bytes();

        assert_eq!(bytes, "<abcd>");
    }

    #[test]
    fn one_line_tells_what_was_sent() {
        let lines = logged(|| {
            let mut body = Sending::new([file(vec![chunk("abcdefg")])], line(7));
            while poll_once(&mut body).is_some() {}
        });

        assert_eq!(lines.len(), 1);
        let fields = &lines[0]["fields"];
        assert_eq!(fields["message"], "GET media `0a` answered 206, sent 7 of 7 bytes");
        assert_eq!((&fields["request.id"], &fields["media.id"]), (&Value::from("req_0"), &Value::from("0a")));
        assert_eq!((&fields["range"], &fields["sent_bytes"]), (&Value::from("0-6"), &Value::from(7)));
        assert_eq!((&fields["client.user_agent"], &fields["hung_up"]), (&Value::from("bot\\t1"), &Value::from(false)));
    }

    #[test]
    fn a_client_that_hangs_up_is_told_of() {
        let lines = logged(|| {
            let mut body = Sending::new([file(vec![chunk("abc"), chunk("defg")])], line(7));
            poll_once(&mut body).unwrap().unwrap();
        });

        assert_eq!(lines.len(), 1);
        assert_eq!(
            lines[0]["fields"]["message"],
            "GET media `0a` answered 206, sent 3 of 7 bytes, then the client hung up"
        );
        assert_eq!(lines[0]["fields"]["hung_up"], true);
    }

    #[test]
    fn a_file_that_breaks_off_is_an_error_and_not_the_clients_fault() {
        let lines = logged(|| {
            let mut body = Sending::new([file(vec![chunk("abc"), Err(io::Error::other("bad sector"))])], line(7));
            poll_once(&mut body).unwrap().unwrap();
            assert!(poll_once(&mut body).unwrap().is_err());
            assert!(poll_once(&mut body).is_none());
        });

        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["level"], "ERROR");
        assert_eq!(lines[0]["fields"]["message"], "Could not read media `0a`: bad sector");
        assert_eq!(lines[1]["fields"]["hung_up"], false);
        assert_eq!(lines[1]["fields"]["sent_bytes"], 3);
    }
}
