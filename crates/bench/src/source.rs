//! The source that the measured server downloads from: bytes from memory, one thread's worth of work.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves one body under every path, on a loopback port of its own, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) port: u16,
}

impl Source {
    /// Starts serving a body of `size` bytes that begins like `magic`'s type.
    pub(crate) async fn start(magic: &'static [u8], size: usize, content_type: &'static str) -> Result<Source> {
        Source::serve(media(magic, size), size, content_type).await
    }

    /// As [`Source::start`], for a body that is too large to be held: its first MB again and again.
    pub(crate) async fn start_repeating(
        magic: &'static [u8],
        size: usize,
        content_type: &'static str,
    ) -> Result<Source> {
        Source::serve(media(magic, 1_000_000), size, content_type).await
    }

    async fn serve(body: Bytes, size: usize, content_type: &'static str) -> Result<Source> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\n\r\n");
        let head = Arc::new(head.into_bytes());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&head), body.clone(), size));
            }
        });
        Ok(Source { port })
    }

    /// The URL of the nth file: all alike in bytes, each distinct in name.
    pub(crate) fn url(&self, nth: usize, extension: &str) -> String {
        format!("http://127.0.0.1:{}/file-{nth}.{extension}", self.port)
    }
}

async fn answer(mut stream: TcpStream, head: Arc<Vec<u8>>, body: Bytes, size: usize) {
    let mut request = [0_u8; 2048];
    let mut length = 0;
    while !request[..length].windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut request[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return,
        }
    }
    let _ = stream.set_nodelay(true);
    let sent = async {
        if size <= 1024 * 1024 {
            let mut whole = Vec::with_capacity(head.len() + body.len());
            whole.extend_from_slice(&head);
            whole.extend_from_slice(&body);
            stream.write_all(&whole).await?;
        } else {
            stream.write_all(&head).await?;
            let mut left = size;
            while left > 0 {
                let piece = body.len().min(left);
                stream.write_all(&body[..piece]).await?;
                left -= piece;
            }
        }
        stream.shutdown().await
    };
    let _ = sent.await;
}

/// `size` bytes of a file whose first are `magic`, then noise that no file system can shrink.
pub(crate) fn media(magic: &[u8], size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(size + 8);
    bytes.extend_from_slice(magic);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

/// The beginning of a JPEG.
pub(crate) const JPEG: &[u8] = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00";

/// The beginning of an MP4: `ftyp`, then a media box that reaches to the end of the file.
pub(crate) const MP4: &[u8] = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42\x00\x00\x00\x00mdat";
