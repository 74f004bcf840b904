//! One client that uploads small files one after another: what a single request costs, against what it must do at least,
//! fetch the bytes and put them on the disk.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::http::Client;
use crate::probe::{self, milliseconds};
use crate::program::Program;
use crate::report::{Mark, Row, median};
use crate::source::{JPEG, Source, media};

const SIZE: usize = 74_000;
const ROUNDS: usize = 5;
const FILES: usize = 200;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let source = Source::start(JPEG, SIZE, "image/jpeg").await?;
    let server = Program::start(program)?;
    let (mut subject, mut against) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (disk, fetched) = (write_durably(server.data.path())?, fetch(&source).await?);
        let took = probe::uploads(&server, &source, round * FILES, FILES).await?;
        let least = disk + fetched;
        eprintln!("one, round {round}: soku {took:.2} ms, disk {disk:.2} ms + GET {fetched:.2} ms");
        if round > 0 {
            subject.push(took);
            against.push(least);
        }
    }
    Ok(vec![Row {
        work: "74 kB JPEG by URL, one client, one after another: median time".to_owned(),
        baseline: "one disk thread's median + a loopback GET's median".to_owned(),
        subject,
        against,
        unit: "ms",
        mark: Mark::AtMost(2.5),
    }])
}

/// The median of write + fsync + rename + fsync(dir), in milliseconds.
fn write_durably(parent: &Path) -> Result<f64> {
    let dir = tempfile::tempdir_in(parent)?;
    let handle = std::fs::File::open(dir.path())?;
    let bytes = media(JPEG, SIZE);
    let mut times = Vec::new();
    for nth in 0..FILES {
        let started = Instant::now();
        let temporary = dir.path().join("temporary");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, dir.path().join(format!("{nth}.jpg")))?;
        handle.sync_all()?;
        times.push(milliseconds(started));
    }
    Ok(median(&times))
}

/// The median of a connection, a request and its whole answer from the source, in milliseconds.
async fn fetch(source: &Source) -> Result<f64> {
    let mut times = Vec::new();
    for nth in 0..FILES {
        let started = Instant::now();
        let mut client = Client::connect(&format!("127.0.0.1:{}", source.port)).await?;
        client.ask(&format!("GET /file-{nth}.jpg HTTP/1.1\r\nHost: bench\r\n\r\n")).await?;
        times.push(milliseconds(started));
    }
    Ok(median(&times))
}
