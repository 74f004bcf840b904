//! A little of the disk, kept so that a full one can be made room on: to delete, SQLite must write first.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use super::data::DataDir;

const DIRECTORY: &str = "soku-ballast";

/// Several, because a disk may also be out of inodes: opening takes six, deleting one of them again.
const FILES: usize = 8;
/// In all 1 MiB: opening the database takes about 100 KiB (the index of its log), a deletion less than that.
const FILE_BYTES: usize = 128 * 1024;

/// With less room than this, whatever failed or is about to write may have failed for want of it.
const NEEDED: Space = Space { bytes: 512 * 1024, inodes: 8 };
/// From so much room on it is made again.
const PLENTY: Space = Space { bytes: 4 * 1024 * 1024, inodes: 64 };

/// What is given up on a full disk, and made again when there is room.
#[derive(Clone, Debug)]
pub struct Ballast {
    path: PathBuf,
}

/// What a disk has left.
#[derive(Clone, Copy, Debug)]
struct Space {
    bytes: u64,
    inodes: u64,
}

impl Space {
    fn is_below(self, other: Space) -> bool {
        self.bytes < other.bytes || self.inodes < other.inodes
    }
}

impl Ballast {
    /// That of a data directory.
    #[must_use]
    pub fn of(data: &DataDir) -> Ballast {
        Ballast { path: data.root().join(DIRECTORY) }
    }

    /// Gives it up where the disk has hardly any room left; says whether it did. Blocks.
    pub fn ease(&self) -> bool {
        self.left().is_some_and(|left| left.is_below(NEEDED)) && self.give_up()
    }

    /// Gives it up; says whether there was one. Blocks.
    pub(crate) fn give_up(&self) -> bool {
        fs::remove_dir_all(&self.path).is_ok()
    }

    /// Makes it where it is missing and there is room. Best effort: without it all else works. Blocks.
    pub(crate) fn restore(&self) {
        if self.is_whole() || self.left().is_none_or(|left| left.is_below(PLENTY)) {
            return;
        }
        if self.make().is_err() {
            self.give_up();
        }
    }

    /// The last file is the last to be written.
    fn is_whole(&self) -> bool {
        fs::metadata(self.file(FILES)).is_ok_and(|found| found.len() == FILE_BYTES as u64)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let mut bytes = vec![0; FILE_BYTES];
        for nth in 1..=FILES {
            // Nothing that a file system could compress or leave out.
            getrandom::fill(&mut bytes).map_err(io::Error::other)?;
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.file(nth))?;
            file.write_all(&bytes)?;
        }
        Ok(())
    }

    fn file(&self, nth: usize) -> PathBuf {
        self.path.join(nth.to_string())
    }

    fn left(&self) -> Option<Space> {
        let disk = rustix::fs::statvfs(self.path.parent()?).ok()?;
        // Some file systems count no inodes at all.
        let inodes = if disk.f_files == 0 { u64::MAX } else { disk.f_favail };
        Some(Space { bytes: disk.f_bavail.saturating_mul(disk.f_frsize), inodes })
    }
}
