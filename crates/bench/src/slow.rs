//! Small uploads beside many slow downloads, against the same uploads alone.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::http::Client;
use crate::probe;
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{JPEG, MP4, Source, media};

const SIZE: usize = 74_000;
const SLOW: usize = 64;
const ROUNDS: usize = 5;
const UPLOADS: usize = 200;
/// What a slow source sends, and how often: 64 kB a second.
const PIECE: usize = 16_000;
const PAUSE: Duration = Duration::from_millis(250);
/// More than is sent while the small uploads run.
const SLOW_SIZE: usize = 50_000_000;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let source = Source::start(JPEG, SIZE, "image/jpeg").await?;
    let server = Program::start(program)?;
    let (mut subject, mut against) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let alone = probe::uploads(&server, &source, round * 2 * UPLOADS, UPLOADS).await?;
        let crowd = Crowd::start(&server, round).await?;
        let beside = probe::uploads(&server, &source, (round * 2 + 1) * UPLOADS, UPLOADS).await?;
        crowd.end().await?;
        eprintln!("slow, round {round}: beside {SLOW} slow downloads {beside:.2} ms, alone {alone:.2} ms");
        if round > 0 {
            subject.push(beside);
            against.push(alone);
        }
    }
    Ok(vec![Row {
        work: format!("74 kB JPEG by URL, one client, beside {SLOW} downloads of 64 kB/s: median time"),
        baseline: "the same alone".to_owned(),
        subject,
        against,
        unit: "ms",
        mark: Mark::AtMost(2.0),
    }])
}

/// Downloads that are under way, from sources that send on slowly.
struct Crowd {
    sources: Arc<Sources>,
    downloads: JoinSet<Result<u16>>,
}

struct Sources {
    sending: AtomicUsize,
    is_over: AtomicBool,
}

impl Crowd {
    async fn start(server: &Program, round: usize) -> Result<Crowd> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let sources = Arc::new(Sources { sending: AtomicUsize::new(0), is_over: AtomicBool::new(false) });
        let served = Arc::clone(&sources);
        tokio::spawn(async move {
            let noise = media(MP4, PIECE);
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(trickle(stream, Arc::clone(&served), noise.clone()));
            }
        });
        let mut downloads = JoinSet::new();
        for nth in 0..SLOW {
            let (address, key) = (server.address.clone(), server.key.clone());
            let url = format!("http://127.0.0.1:{port}/{round}-{nth}.mp4");
            downloads.spawn(async move { Ok(Client::connect(&address).await?.import(&key, &url).await?.status) });
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while sources.sending.load(Ordering::Relaxed) < SLOW {
            ensure!(Instant::now() < deadline, "not all slow downloads have begun");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Crowd { sources, downloads })
    }

    /// Breaks all of them off for good, and waits for their answers.
    async fn end(mut self) -> Result<()> {
        let sending = self.sources.sending.load(Ordering::Relaxed);
        ensure!(sending == SLOW, "only {sending} of {SLOW} downloads were still under way");
        self.sources.is_over.store(true, Ordering::Relaxed);
        while let Some(status) = self.downloads.join_next().await {
            let status = status??;
            ensure!(status != 201, "a broken download was answered {status}");
        }
        Ok(())
    }
}

/// Sends piece by piece until it is over; whoever comes then, also to resume, finds nothing.
async fn trickle(mut stream: TcpStream, sources: Arc<Sources>, noise: Bytes) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    if sources.is_over.load(Ordering::Relaxed) {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {SLOW_SIZE}\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&noise).await.is_err() {
        return;
    }
    sources.sending.fetch_add(1, Ordering::Relaxed);
    while !sources.is_over.load(Ordering::Relaxed) {
        tokio::time::sleep(PAUSE).await;
        if stream.write_all(&noise).await.is_err() {
            break;
        }
    }
    sources.sending.fetch_sub(1, Ordering::Relaxed);
}
