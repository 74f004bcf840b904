//! Memory: at rest, and with many large downloads at once.

use std::path::Path;

use anyhow::Result;

use crate::http::{Client, hosted_url};
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{MP4, Source};

const DOWNLOADS: usize = 64;
const SIZE: usize = 100_000_000;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let server = Program::start(program)?;
    let idle = server.memory_mb("VmRSS")?;
    eprintln!("memory: idle {idle:.1} MB");

    let source = Source::start(MP4, SIZE, "video/mp4").await?;
    let mut downloads = Vec::new();
    for nth in 0..DOWNLOADS {
        let (address, key, url) = (server.address.clone(), server.key.clone(), source.url(nth, "mp4"));
        downloads
            .push(tokio::spawn(async move { hosted_url(&Client::connect(&address).await?.import(&key, &url).await?) }));
    }
    for download in downloads {
        download.await??;
    }
    let peak = server.memory_mb("VmHWM")?;
    eprintln!("memory: peak with {DOWNLOADS} downloads of 100 MB at once {peak:.1} MB");
    Ok(vec![
        absolute("memory at rest (VmRSS)", idle, 30.0),
        absolute("peak memory, 64 downloads of 100 MB at once (VmHWM)", peak, 150.0),
    ])
}

fn absolute(work: &str, figure: f64, mark: f64) -> Row {
    Row {
        work: work.to_owned(),
        baseline: "–".to_owned(),
        subject: vec![figure],
        against: Vec::new(),
        unit: "MB",
        mark: Mark::Absolute(mark),
    }
}
