//! A HTTP/1.1 client of a few lines: it must cost next to nothing beside the server that it measures.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

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
    pub(crate) async fn connect(address: &str) -> Result<Client> {
        let stream = dial(TcpSocket::new_v4()?, address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: Vec::new() })
    }

    /// One of a crowd: from a loopback address of its own, because one address has not enough ports for all of them.
    pub(crate) async fn connect_as(nth: usize, address: &str) -> Result<Client> {
        Ok(Client { stream: dial(one_of_a_crowd(nth)?, address).await?, buffer: Vec::new() })
    }

    /// Frees what the last answer took.
    pub(crate) fn rest(&mut self) {
        self.buffer = Vec::new();
    }

    /// `GET` of a path; the answer must be 200.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n")).await?;
        if answer.status != 200 {
            bail!("GET {path} was answered {}", answer.status);
        }
        Ok(answer.body)
    }

    /// `POST /v1/media` for one URL.
    pub(crate) async fn import(&mut self, key: &str, url: &str) -> Result<Answer> {
        self.ask(&Client::import_request(key, url)).await
    }

    pub(crate) fn import_request(key: &str, url: &str) -> String {
        let body = format!("{{\"url\":\"{url}\"}}");
        format!(
            "POST /v1/media HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nsoku-api-key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends, and waits for nothing.
    pub(crate) async fn send(&mut self, request: &str) -> Result<()> {
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    /// Sends a request and reads its answer, whose length must be declared.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<Answer> {
        self.send(request).await?;
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

#[expect(clippy::disallowed_methods, reason = "the client of a benchmark dials the server that it started")]
pub(crate) async fn dial(socket: TcpSocket, address: &str) -> Result<TcpStream> {
    let to = address.parse().with_context(|| format!("`{address}` is no address"))?;
    socket.connect(to).await.with_context(|| format!("could not reach {address}"))
}

/// A socket bound to one of some loopback addresses.
pub(crate) fn one_of_a_crowd(nth: usize) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(nth % 20).expect("a number below 20") + 2;
    socket.bind((IpAddr::from(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
    Ok(socket)
}

/// The path of a hosted URL.
pub(crate) fn path_of(url: &str) -> Result<&str> {
    let rest = url.strip_prefix("http://").context("a hosted URL begins with http://")?;
    Ok(&rest[rest.find('/').context("a hosted URL has a path")?..])
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
