//! Many small files by URL, against one thread that writes the same bytes as durably.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::probe::Importer;
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{JPEG, Source, media};

const SIZE: usize = 74_000;
const CLIENTS: usize = 16;
const ROUNDS: usize = 7;
const FILES_SOKU: usize = 2_000;
const FILES_BASELINE: usize = 800;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let source = Source::start(JPEG, SIZE, "image/jpeg").await?;
    let server = Program::start(program)?;
    let importer = Importer::soku(&server);
    let (mut subject, mut against) = (Vec::new(), Vec::new());
    // One round that does not count: caches, the journal and the branch predictors are cold only once.
    for round in 0..=ROUNDS {
        let baseline = one_disk_thread(server.data.path())?;
        let rate = importer.rate(&source, round * FILES_SOKU, FILES_SOKU, CLIENTS).await?;
        eprintln!("small, round {round}: soku {rate:.0} files/s, one disk thread {baseline:.0} files/s");
        if round > 0 {
            subject.push(rate);
            against.push(baseline);
        }
    }
    Ok(vec![Row {
        work: format!("74 kB JPEG by URL, {CLIENTS} clients, distinct URLs"),
        baseline: "one thread: write + fsync + rename + fsync(dir) of the same bytes".to_owned(),
        subject,
        against,
        unit: "files/s",
        mark: Mark::AtLeast(0.6),
    }])
}

fn one_disk_thread(parent: &Path) -> Result<f64> {
    let dir = tempfile::tempdir_in(parent)?;
    let handle = std::fs::File::open(dir.path())?;
    let bytes = media(JPEG, SIZE);
    let started = Instant::now();
    for nth in 0..FILES_BASELINE {
        let temporary = dir.path().join("temporary");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, dir.path().join(format!("{nth}.jpg")))?;
        handle.sync_all()?;
    }
    Ok(FILES_BASELINE as f64 / started.elapsed().as_secs_f64())
}
