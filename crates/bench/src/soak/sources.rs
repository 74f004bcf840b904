//! One source with all manners: the first part of a path says what becomes of the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::source::{JPEG, MP4, media};

/// The largest file it has.
pub(super) const LARGEST: usize = 20_000_000;

/// What a source does with a request.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// Sends the whole file.
    Whole,
    /// Ends in the middle; whoever asks for the rest gets it.
    Resumes,
    /// Ends in the middle, every time.
    Dies,
    /// Takes the request and says nothing.
    Silent,
    /// Has no such file.
    Missing,
    /// Has a web page.
    Page,
}

impl Manner {
    const ALL: [(Manner, &str); 6] = [
        (Manner::Whole, "whole"),
        (Manner::Resumes, "resumes"),
        (Manner::Dies, "dies"),
        (Manner::Silent, "silent"),
        (Manner::Missing, "missing"),
        (Manner::Page, "page"),
    ];

    fn name(self) -> &'static str {
        Manner::ALL[self as usize].1
    }
}

/// The source; cheap to clone.
#[derive(Clone)]
pub(super) struct Sources {
    port: u16,
    is_over: Arc<AtomicBool>,
}

struct Bodies {
    jpeg: Bytes,
    mp4: Bytes,
}

impl Sources {
    pub(super) async fn start() -> Result<Sources> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let sources = Sources { port: listener.local_addr()?.port(), is_over: Arc::default() };
        let bodies = Arc::new(Bodies { jpeg: media(JPEG, 1_000_000), mp4: media(MP4, LARGEST) });
        let is_over = Arc::clone(&sources.is_over);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (bodies, is_over) = (Arc::clone(&bodies), Arc::clone(&is_over));
                tokio::spawn(async move {
                    let _ = answer(stream, &bodies, &is_over).await;
                });
            }
        });
        Ok(sources)
    }

    /// The URL of a file of `size` bytes, distinct in `name`: an MP4 from 1 MB on, else a JPEG.
    pub(super) fn url(&self, manner: Manner, size: usize, name: &str) -> String {
        let extension = if size < 1_000_000 { "jpg" } else { "mp4" };
        format!("http://127.0.0.1:{}/{}/{size}/{name}.{extension}", self.port, manner.name())
    }

    /// The silent ones hang up.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

async fn answer(mut stream: TcpStream, bodies: &Bodies, is_over: &AtomicBool) -> std::io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let mut path = request.split(' ').nth(1).unwrap_or_default().split('/').skip(1);
    let (name, size) = (path.next().unwrap_or_default(), path.next().and_then(|size| size.parse().ok()).unwrap_or(0));
    let manner =
        Manner::ALL.into_iter().find(|(_, known)| *known == name).map_or(Manner::Missing, |(manner, _)| manner);
    let is_large = size >= 1_000_000;
    let (body, content_type) = if is_large { (&bodies.mp4, "video/mp4") } else { (&bodies.jpeg, "image/jpeg") };
    let body = body.slice(..size.min(body.len()));
    let rest_from = request
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes="))
        .and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    let whole = format!("200 OK\r\nContent-Type: {content_type}\r\nETag: \"one\"\r\nContent-Length: {size}");
    let half = body.slice(..size / 2);
    let (head, sent) = match manner {
        Manner::Whole => (whole, body),
        Manner::Resumes => match rest_from {
            Some(from) if from < size => {
                let range = format!("Content-Range: bytes {from}-{}/{size}", size - 1);
                let head = format!("206 Partial Content\r\nContent-Type: {content_type}\r\nETag: \"one\"\r\n{range}");
                (format!("{head}\r\nContent-Length: {}", size - from), body.slice(from..))
            }
            _ => (whole, half),
        },
        Manner::Dies => (whole.replace("ETag: \"one\"\r\n", ""), half),
        Manner::Silent => {
            while !is_over.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            return Ok(());
        }
        Manner::Missing => ("404 Not Found\r\nContent-Length: 0".to_owned(), Bytes::new()),
        Manner::Page => {
            let page = Bytes::from_static(b"<!DOCTYPE html><title>Sign in</title><p>Please sign in.");
            (format!("200 OK\r\nContent-Type: text/html\r\nContent-Length: {}", page.len()), page)
        }
    };
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    stream.write_all(&sent).await?;
    stream.shutdown().await
}
