//! A source of files on this machine, and the program set up to fetch from it.

use std::time::Duration;

use soku_testkit::{Answer, Origin, samples};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

use crate::soku::Soku;

/// A running source. Its files: `/photo.jpg`, `/graphic.png`, `/again.png`, `/page` (no media), and `/slow.mp4`, which
/// never ends.
pub(crate) struct Source {
    runtime: Runtime,
    origin: Origin,
}

impl Source {
    pub(crate) fn start() -> Source {
        let runtime = Runtime::new().unwrap();
        let origin = runtime.block_on(Origin::start());
        origin.serve("/photo.jpg?signature=hunter2", Answer::ok("image/jpeg", samples::JPEG.bytes));
        origin.serve("/graphic.png", Answer::ok("image/png", samples::PNG.bytes));
        origin.serve("/again.png", Answer::ok("image/png", samples::PNG.bytes));
        origin.serve("/page", Answer::ok("text/html", "<!doctype html><title>Share</title>"));
        origin.handle("/slow.mp4", |_, mut stream| async move {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 100000000\r\n\r\n";
            let _ = stream.write_all(head).await;
            let _ = stream.write_all(&samples::MP4.bytes[..1_000]).await;
            stream.wait_for_peer().await;
        });
        Source { runtime, origin }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        self.origin.url(target)
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.origin.targets()
    }

    /// Waits until somebody asked for so many files.
    pub(crate) fn until_asked(&self, times: usize) {
        let asked = self.origin.until(|seen| seen.requests >= times);
        let waited = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), asked).await });
        waited.expect("nobody asked the source");
    }
}

/// The program with leave to fetch from this machine.
pub(crate) fn fetching_locally() -> Soku {
    Soku::new().variable("SOKU_FETCH_ALLOW_NETWORKS", "127.0.0.1/32")
}
