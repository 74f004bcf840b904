//! A HTTP/1.1 client of a few lines: it must cost next to nothing beside the server that it measures.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The status and the body of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "the client of a benchmark dials the server that it started")]
    pub(crate) async fn connect(address: &str) -> Result<Client> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("could not reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: Vec::with_capacity(4096) })
    }

    /// `POST /v1/media` for one URL.
    pub(crate) async fn import(&mut self, key: &str, url: &str) -> Result<Answer> {
        let body = format!("{{\"url\":\"{url}\"}}");
        let request = format!(
            "POST /v1/media HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nsoku-api-key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ask(&request).await
    }

    /// Sends a request and reads its answer, whose length must be declared.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<Answer> {
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).context("no status in the answer")?;
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse().ok())
            .context("no length in the answer")?;
        while self.buffer.len() < head_end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection in the middle of an answer");
            }
        }
        Ok(Answer { status, body: self.buffer[head_end..head_end + length].to_vec() })
    }
}

/// The `url` of a 201's body.
pub(crate) fn hosted_url(answer: &Answer) -> Result<String> {
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != 201 {
        bail!("the server answered {}: {text}", answer.status);
    }
    let start = text.find("\"url\":\"").context("no url in the answer")? + 7;
    let end = text[start..].find('"').context("no url in the answer")?;
    Ok(text[start..start + end].to_owned())
}
