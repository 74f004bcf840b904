//! What is looked at every second, and the table of it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use crate::program::Program;

/// A table longer than this is thinned out.
const MOST_LINES: usize = 240;

#[derive(Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) second: f64,
    pub(super) uploads: f64,
    pub(super) memory_mb: f64,
    pub(super) open_files: f64,
    pub(super) wal_mb: f64,
    pub(super) spool_files: f64,
    pub(super) spool_mb: f64,
}

pub(super) struct Samples {
    server: Arc<Program>,
    started: Instant,
    pub(super) taken: Vec<Sample>,
}

impl Samples {
    pub(super) fn new(server: &Arc<Program>) -> Samples {
        Samples { server: Arc::clone(server), started: Instant::now(), taken: Vec::new() }
    }

    pub(super) fn take(&mut self, uploads: usize) -> Result<()> {
        let sample = self.look(uploads)?;
        self.taken.push(sample);
        Ok(())
    }

    pub(super) fn look(&self, uploads: usize) -> Result<Sample> {
        let data = self.server.data_dir();
        let (spool_files, spool_bytes) = spooled(&data.join("spool"));
        let wal_bytes = std::fs::metadata(data.join("soku.db-wal")).map_or(0, |wal| wal.len());
        Ok(Sample {
            second: self.started.elapsed().as_secs_f64(),
            uploads: uploads as f64,
            memory_mb: self.server.memory_mb("VmRSS")?,
            open_files: self.server.open_files()? as f64,
            wal_mb: wal_bytes as f64 / 1e6,
            spool_files: spool_files as f64,
            spool_mb: spool_bytes as f64 / 1e6,
        })
    }
}

/// The files in the rooms of all processes, and their bytes. What goes while it is counted does not count.
fn spooled(spool: &Path) -> (usize, u64) {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let rooms = entries(spool).filter(|room| room.path().is_dir());
    let files = rooms.flat_map(|room| entries(&room.path()).collect::<Vec<_>>());
    files
        .filter(|file| file.file_name() != "lock")
        .filter_map(|file| file.metadata().ok())
        .fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.len()))
}

/// At most [`MOST_LINES`] of them: the largest of each stretch, because a bound is about the largest.
pub(super) fn thinned(taken: &[Sample]) -> Vec<Sample> {
    let stretch = taken.len().div_ceil(MOST_LINES).max(1);
    let largest = |some: &[Sample]| {
        some.iter().copied().fold(Sample::default(), |most, sample| Sample {
            second: sample.second,
            uploads: sample.uploads,
            memory_mb: most.memory_mb.max(sample.memory_mb),
            open_files: most.open_files.max(sample.open_files),
            wal_mb: most.wal_mb.max(sample.wal_mb),
            spool_files: most.spool_files.max(sample.spool_files),
            spool_mb: most.spool_mb.max(sample.spool_mb),
        })
    };
    taken.chunks(stretch).map(largest).collect()
}

pub(super) fn csv(taken: &[Sample]) -> String {
    let mut text = "second,uploads,memory_mb,open_files,wal_mb,spool_files,spool_mb\n".to_owned();
    for sample in thinned(taken) {
        let Sample { second, uploads, memory_mb, open_files, wal_mb, spool_files, spool_mb } = sample;
        let _ =
            writeln!(text, "{second:.0},{uploads},{memory_mb:.1},{open_files},{wal_mb:.2},{spool_files},{spool_mb:.2}");
    }
    text
}
