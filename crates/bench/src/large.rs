//! One large video by URL, against `curl -o` and an fsync of what it wrote.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::http::{Client, hosted_url};
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{MP4, Source};

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (megabytes, rounds) in [(100, 7), (500, 5)] {
        rows.push(one_size(program, megabytes, rounds).await?);
    }
    Ok(rows)
}

async fn one_size(program: &Path, megabytes: usize, rounds: usize) -> Result<Row> {
    let source = Source::start(MP4, megabytes * 1_000_000, "video/mp4").await?;
    let server = Program::start(program)?;
    let mut client = Client::connect(&server.address).await?;
    let (mut subject, mut against) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let baseline = curl(&source.url(round, "mp4"), server.data.path()).await?;
        let started = Instant::now();
        hosted_url(&client.import(&server.key, &source.url(round, "mp4")).await?)?;
        let seconds = started.elapsed().as_secs_f64();
        remove_large_files(&server.data_dir())?;
        eprintln!("large, {megabytes} MB, round {round}: soku {seconds:.3} s, curl + fsync {baseline:.3} s");
        if round > 0 {
            subject.push(seconds * 1000.0);
            against.push(baseline * 1000.0);
        }
    }
    Ok(Row {
        work: format!("{megabytes} MB video by URL, one client"),
        baseline: "`curl -o` + fsync from the same source".to_owned(),
        subject,
        against,
        unit: "ms",
        mark: Mark::AtMost(1.15),
    })
}

async fn curl(url: &str, parent: &Path) -> Result<f64> {
    let path = parent.join("curl.mp4");
    let started = Instant::now();
    let status = tokio::process::Command::new("curl")
        .args(["--silent", "--fail", "--output"])
        .arg(&path)
        .arg(url)
        .stdin(Stdio::null())
        .status()
        .await
        .context("could not start curl")?;
    ensure!(status.success(), "curl ended with {status}");
    std::fs::File::open(&path)?.sync_all()?;
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(seconds)
}

/// Frees the disk between rounds: the rows stay, the bytes are not asked for again.
fn remove_large_files(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        if kind.is_dir() {
            remove_large_files(&entry.path())?;
        } else if kind.len() > 50_000_000 {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
