//! An answer as bytes on the wire, and how the connection goes on after them.
//!
//! `Answer::ok("image/png", PNG).chunked(1000).cut_after(5000)` reads as what the client will see.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use crate::SourceStream;

#[derive(Clone, Debug)]
enum Framing {
    /// `Content-Length` of the whole body.
    Length,
    /// Chunks of this size.
    Chunked(usize),
    /// No length: the body ends where the connection ends.
    Close,
    /// The bytes are all there is: no header line is added.
    Raw,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Finish,
    WithoutCloseNotify,
    Reset,
    Stall,
    KeepOpen,
    Repeat,
}

/// What a source sends for one request. By default the connection is closed behind it, without a word about that.
#[derive(Clone, Debug)]
pub struct Answer {
    head: Vec<u8>,
    body: Bytes,
    framing: Framing,
    ending: Ending,
    cut_after: Option<usize>,
    pace: Option<(usize, Duration)>,
    delay: Duration,
}

impl Answer {
    /// A status line and no body.
    pub fn status(code: u16) -> Answer {
        Answer {
            head: format!("HTTP/1.1 {code} {}\r\n", reason(code)).into_bytes(),
            body: Bytes::new(),
            framing: Framing::Length,
            ending: Ending::Finish,
            cut_after: None,
            pace: None,
            delay: Duration::ZERO,
        }
    }

    /// `200 OK` with this type, the body and its length.
    pub fn ok(content_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer::status(200).header("Content-Type", content_type).body(body)
    }

    /// A redirect; the location is written as it is.
    pub fn redirect(code: u16, location: impl AsRef<[u8]>) -> Answer {
        Answer::status(code).header("Location", location)
    }

    /// Exactly these bytes.
    pub fn raw(bytes: impl Into<Bytes>) -> Answer {
        Answer { head: Vec::new(), framing: Framing::Raw, ..Answer::status(200).body(bytes) }
    }

    /// What a well-behaved server answers to a request for a range of this body: 206 from the asked offset on, 416
    /// where nothing is there, or 200 with everything if none is asked for.
    pub fn part(content_type: &str, body: impl Into<Bytes>, start: Option<usize>) -> Answer {
        let body: Bytes = body.into();
        match start {
            None => Answer::ok(content_type, body),
            Some(start) if start >= body.len() => {
                Answer::status(416).header("Content-Range", format!("bytes */{}", body.len()))
            }
            Some(start) => Answer::status(206)
                .header("Content-Type", content_type)
                .header("Content-Range", format!("bytes {start}-{}/{}", body.len() - 1, body.len()))
                .body(body.slice(start..)),
        }
    }

    /// Adds a header line; the value is written as it is.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Answer {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Adds raw bytes to the head, line end included.
    #[must_use]
    pub fn raw_header(mut self, line: impl AsRef<[u8]>) -> Answer {
        self.head.extend_from_slice(line.as_ref());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Answer {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks of this size.
    #[must_use]
    pub fn chunked(mut self, size: usize) -> Answer {
        self.framing = Framing::Chunked(size);
        self
    }

    /// Sends no length: the body ends where the connection ends. Also the way to write a `Content-Length` by hand.
    #[must_use]
    pub fn without_length(mut self) -> Answer {
        self.framing = Framing::Close;
        self
    }

    /// Sends only so many bytes of the body as it goes over the wire (chunk sizes count), then ends the connection.
    #[must_use]
    pub fn cut_after(mut self, body_bytes: usize) -> Answer {
        self.cut_after = Some(self.wire_head().len() + body_bytes);
        self
    }

    /// Sends only so many bytes, counted from the first of the status line, then ends the connection.
    #[must_use]
    pub fn cut_at(mut self, wire_bytes: usize) -> Answer {
        self.cut_after = Some(wire_bytes);
        self
    }

    /// Ends with a TCP reset instead of FIN.
    #[must_use]
    pub fn reset(mut self) -> Answer {
        self.ending = Ending::Reset;
        self
    }

    /// Over TLS, ends with FIN but without `close_notify`.
    #[must_use]
    pub fn without_close_notify(mut self) -> Answer {
        self.ending = Ending::WithoutCloseNotify;
        self
    }

    /// Says nothing more after the last byte, and keeps the connection until the peer leaves.
    #[must_use]
    pub fn then_stall(mut self) -> Answer {
        self.ending = Ending::Stall;
        self
    }

    /// Keeps the connection for a next request.
    #[must_use]
    pub fn keep_open(mut self) -> Answer {
        self.ending = Ending::KeepOpen;
        self
    }

    /// Sends the body again and again until the peer leaves; wants `without_length` or a raw answer to make sense.
    #[must_use]
    pub fn endless(mut self) -> Answer {
        self.ending = Ending::Repeat;
        self
    }

    /// Sends so many bytes at a time, with a pause after each piece.
    #[must_use]
    pub fn slowly(mut self, piece: usize, pause: Duration) -> Answer {
        self.pace = Some((piece, pause));
        self
    }

    /// Waits before the first byte.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }

    /// The whole head as it goes over the wire.
    pub fn wire_head(&self) -> Vec<u8> {
        let mut head = self.head.clone();
        match self.framing {
            Framing::Length => head.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes()),
            Framing::Chunked(_) => head.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Close => {}
            Framing::Raw => return head,
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// The whole body as it goes over the wire, chunk sizes included.
    pub fn wire_body(&self) -> Bytes {
        let Framing::Chunked(size) = self.framing else { return self.body.clone() };
        let mut wire = Vec::with_capacity(self.body.len() + 64);
        for chunk in self.body.chunks(size) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        wire.into()
    }

    /// Sends it all; gives the stream back if the connection stays open for another request.
    pub(crate) async fn send(self, mut stream: SourceStream) -> Option<SourceStream> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let mut wire = self.wire_head();
        let body = self.wire_body();
        let cut = self.cut_after.unwrap_or(usize::MAX);
        let head_len = wire.len();
        // One write for what fits, so that no client can rely on where packets end.
        wire.extend_from_slice(&body[..body.len().min(64 * 1024)]);
        wire.truncate(cut);
        let sent = self.write(&mut stream, &wire).await;
        let rest = body.get(64 * 1024..).unwrap_or_default();
        let rest = &rest[..rest.len().min(cut.saturating_sub(head_len + 64 * 1024))];
        if sent.is_err() || self.write(&mut stream, rest).await.is_err() {
            return None;
        }
        match self.ending {
            Ending::Finish => stream.finish().await,
            Ending::WithoutCloseNotify => stream.finish_without_close_notify().await,
            Ending::Reset => stream.reset(),
            Ending::Stall => stream.wait_for_peer().await,
            Ending::KeepOpen => return Some(stream),
            Ending::Repeat => while self.write(&mut stream, &body).await.is_ok() {},
        }
        None
    }

    async fn write(&self, stream: &mut SourceStream, bytes: &[u8]) -> std::io::Result<()> {
        match self.pace {
            None => stream.write_all(bytes).await?,
            Some((piece, pause)) => {
                for part in bytes.chunks(piece) {
                    stream.write_all(part).await?;
                    stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        stream.flush().await
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        404 => "Not Found",
        _ => "Something",
    }
}
