//! A little of the disk, kept so that a full one can be made room on: to delete, SQLite must write first.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::data::DataDir;

const FILE: &str = "soku-ballast";

/// Opening the database takes about 100 KiB (the index of its log), a deletion less than that.
const SIZE_BYTES: usize = 1024 * 1024;
/// With less free space than this, whatever failed or is about to write may have failed for want of it.
const NEEDED_BYTES: u64 = 512 * 1024;
/// From so much free space on it is made again.
const PLENTY_BYTES: u64 = 4 * 1024 * 1024;

/// The file that is given up on a full disk, and made again when there is room.
#[derive(Clone, Debug)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// That of a data directory.
    #[must_use]
    pub fn of(data: &DataDir) -> Ballast {
        Ballast { path: data.root().join(FILE) }
    }

    /// Gives it up where the disk has hardly any space left; says whether it did. Blocks.
    pub fn ease(&self) -> bool {
        self.free_bytes().is_some_and(|free| free < NEEDED_BYTES) && self.give_up()
    }

    /// Gives it up; says whether there was one. Blocks.
    pub(crate) fn give_up(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Makes it where it is missing and there is room. Best effort: without it all else works. Blocks.
    pub(crate) fn restore(&self) {
        let is_whole = fs::metadata(&self.path).is_ok_and(|found| found.len() == SIZE_BYTES as u64);
        if is_whole || self.free_bytes().is_none_or(|free| free < PLENTY_BYTES) {
            return;
        }
        if self.make().is_err() {
            self.give_up();
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut bytes = vec![0; SIZE_BYTES];
        // Nothing that a file system could compress or leave out.
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?.write_all(&bytes)
    }

    fn free_bytes(&self) -> Option<u64> {
        super::room::free_bytes(self.path.parent().unwrap_or(Path::new("/")))
    }
}
