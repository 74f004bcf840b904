//! Hours of load in minutes: uploads of all kinds, failures, clients and sources that go away, deliveries and deletions at
//! once, as fast as it goes. Nothing may grow: memory, open files, the write-ahead log and the spool are looked at every second.
//!
//! Leaves `soak.csv` and `soak.svg` in the current directory.

mod chart;
mod load;
mod samples;
mod sources;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::program::Program;
use crate::report::{Mark, Row, median};
use load::Load;
use samples::{Sample, Samples};
use sources::Sources;

/// How long it takes as one row of all.
pub(crate) const SHORT: Duration = Duration::from_secs(180);
/// As long as no figure counts yet: caches fill, connections and threads are made as they are needed.
const WARMING: usize = 10;
/// How long what was begun may take to end when no more comes.
const SETTLING: Duration = Duration::from_secs(60);

pub(crate) async fn measure(program: &Path, length: Duration) -> Result<Vec<Row>> {
    let sources = Sources::start().await?;
    let server = Arc::new(Program::start(program)?);
    let load = Load::start(&server, &sources);
    let mut samples = Samples::new(&server);
    let started = Instant::now();
    while started.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(1)).await;
        load.judge()?;
        samples.take(load.uploads())?;
        if samples.taken.len().is_multiple_of(30) {
            eprintln!("soak, {} s: {}", started.elapsed().as_secs(), load.words());
        }
    }
    sources.end();
    let words = load.end().await?;
    let rest = settle(&server, &mut samples).await?;

    let taken = &samples.taken;
    std::fs::write("soak.csv", samples::csv(taken))?;
    std::fs::write("soak.svg", chart::svg(taken))?;
    eprintln!("soak: {words}");
    Ok(rows(taken, &rest, length))
}

/// Waits until nothing is under way, and looks once more.
async fn settle(server: &Program, samples: &mut Samples) -> Result<Sample> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let rest = samples.look(0)?;
        if rest.spool_files == 0.0 || Instant::now() > deadline {
            ensure!(
                server.log()?.lines().all(|line| !line.contains(" ERROR ")),
                "the log has errors:\n{}",
                server.log()?
            );
            return Ok(rest);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn rows(taken: &[Sample], rest: &Sample, length: Duration) -> Vec<Row> {
    let counted = &taken[WARMING.min(taken.len() - 1)..];
    let peak = |of: fn(&Sample) -> f64| counted.iter().map(of).fold(0.0, f64::max);
    let part = counted.len().div_ceil(4);
    let typical = |some: &[Sample], of: fn(&Sample) -> f64| median(&some.iter().map(of).collect::<Vec<_>>());
    let grown = |of: fn(&Sample) -> f64| typical(&counted[counted.len() - part..], of) - typical(&counted[..part], of);
    let uploads = taken.last().map_or(0.0, |sample| sample.uploads);
    let what = format!(
        "{} s of mixed load, {uploads} uploads (as {:.1} hours of one a second)",
        length.as_secs(),
        uploads / 3600.0
    );
    let row = |figure: &str, value: f64, unit: &'static str, mark: f64| Row {
        work: format!("{what}: {figure}"),
        baseline: "–".to_owned(),
        subject: vec![value],
        against: Vec::new(),
        unit,
        mark: Mark::Absolute(mark),
    };
    vec![
        row("memory, peak (VmRSS)", peak(|sample| sample.memory_mb), "MB", 200.0),
        row("memory, last quarter against first", grown(|sample| sample.memory_mb), "MB", 15.0),
        row("open files, peak", peak(|sample| sample.open_files), "files", 200.0),
        row("open files, last quarter against first", grown(|sample| sample.open_files), "files", 5.0),
        row("`soku.db-wal`, peak", peak(|sample| sample.wal_mb), "MB", 64.0),
        row("spool, peak", peak(|sample| sample.spool_mb), "MB", load::MOST_UNDER_WAY_MB),
        row("files left in the spool", rest.spool_files, "files", 0.0),
    ]
}

/// The length that a row's name gives in seconds, as `soak=600`.
pub(crate) fn length(text: &str) -> Result<Duration> {
    let seconds = text.parse().with_context(|| format!("`{text}` is no number of seconds"))?;
    ensure!(seconds >= 30, "a soak of less than 30 seconds shows nothing");
    Ok(Duration::from_secs(seconds))
}
