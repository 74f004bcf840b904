//! The file that a body is written to: new, private, hashed on the way, and gone unless somebody keeps it.
//!
//! A small body costs one hop to the blocking pool. A large one is written block by block while the next block fills,
//! and is sent to the disk early, so that nobody waits long for the last fsync.

mod file;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::FetchError;
use file::Writing;

/// The size of a block, and of what is small.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;
/// A block may overflow by this much, so that the end of a small body is seen before it is written.
const SLACK_BYTES: usize = 8 * 1024;
/// So much is written before it is sent to the disk.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;

/// A whole body in a file of its own, removed when this is dropped.
#[derive(Debug)]
pub struct Spooled {
    writing: Box<Writing>,
    sha256: [u8; 32],
}

impl Spooled {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.writing.path()
    }

    /// The file, open for reading and writing; its position is at the end.
    pub fn file(&self) -> &File {
        self.writing.file()
    }

    /// How many bytes it has.
    pub fn size_bytes(&self) -> u64 {
        self.writing.size_bytes()
    }

    /// The SHA-256 of its bytes.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Leaves the file where it is.
    pub fn keep(mut self) -> PathBuf {
        self.writing.keep()
    }
}

enum State {
    /// No file yet: everything is in the block.
    Unwritten,
    /// The file is being written, or emptied.
    Busy(JoinHandle<Written>),
    /// The file was taken out and not put back: it is finished, or gone.
    Gone,
}

struct Written {
    writing: io::Result<Box<Writing>>,
    block: Vec<u8>,
}

/// Collects blocks, and writes each while the next is filled.
pub(crate) struct Spool {
    path: PathBuf,
    min_free_bytes: u64,
    block: Vec<u8>,
    state: State,
    unsynced: u64,
    syncing: Option<JoinHandle<Result<(), FetchError>>>,
}

impl Spool {
    /// Nothing is created before the first block is full or the body is whole.
    pub(crate) fn new(path: PathBuf, min_free_bytes: u64) -> Spool {
        Spool { path, min_free_bytes, block: Vec::new(), state: State::Unwritten, unsynced: 0, syncing: None }
    }

    /// Fails where so many more bytes would leave the file system less free space than it keeps.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), FetchError> {
        let directory = self.path.parent().filter(|directory| !directory.as_os_str().is_empty());
        file::check_room(directory.unwrap_or(Path::new(".")), bytes, self.min_free_bytes)
    }

    /// The block that is being filled; while nothing is written it is the whole body so far.
    pub(crate) fn block(&mut self) -> &mut Vec<u8> {
        self.block.reserve_exact((BLOCK_BYTES + SLACK_BYTES).saturating_sub(self.block.len()));
        &mut self.block
    }

    /// How much more the block takes before it wants to be written.
    pub(crate) fn room(&self) -> usize {
        (BLOCK_BYTES + SLACK_BYTES).saturating_sub(self.block.len())
    }

    /// Whether the block must be written before more goes in.
    pub(crate) fn is_full(&self) -> bool {
        self.block.len() > BLOCK_BYTES
    }

    /// Hands the block to the writer as soon as that is done with the one before.
    pub(crate) async fn write_block(&mut self) -> Result<(), FetchError> {
        let (writing, spare) = self.rest().await?;
        let block = std::mem::replace(&mut self.block, spare);
        if let Some(writing) = &writing {
            self.send_to_disk(writing, block.len() as u64).await?;
        }
        let path = self.path.clone();
        self.state = State::Busy(spawn_blocking(move || {
            let written = writing.map_or_else(|| Writing::create(path), Ok).and_then(|mut writing| {
                writing.append(&block)?;
                Ok(writing)
            });
            Written { writing: written, block }
        }));
        Ok(())
    }

    /// Forgets all that came so far: the same file begins again at its first byte.
    pub(crate) async fn start_over(&mut self) -> Result<(), FetchError> {
        self.block.clear();
        self.unsynced = 0;
        let (writing, block) = self.rest().await?;
        self.state = match writing {
            None => State::Unwritten,
            Some(mut writing) => State::Busy(spawn_blocking(move || {
                let writing = writing.start_over().map(|()| writing);
                Written { writing, block }
            })),
        };
        Ok(())
    }

    /// Writes what is left and closes the account.
    pub(crate) async fn finish(mut self) -> Result<Spooled, FetchError> {
        let (writing, _) = self.rest().await?;
        // A sync that failed unnoticed would take the store's own fsync's error with it.
        self.finish_sync().await?;
        let (path, block) = (self.path, self.block);
        let finished = spawn_blocking(move || {
            let mut writing = writing.map_or_else(|| Writing::create(path), Ok)?;
            writing.append(&block)?;
            let sha256 = writing.sha256();
            Ok(Spooled { writing, sha256 })
        });
        joined(finished.await)?.map_err(|error| FetchError::storage("write", error))
    }

    /// Removes what there is, and says so only when it is gone.
    pub(crate) async fn discard(mut self) {
        if let Ok((Some(writing), _)) = self.rest().await {
            let _ = spawn_blocking(move || drop(writing)).await;
        }
    }

    /// Waits for the writer; gives the file, if there is one yet, and a block to reuse.
    async fn rest(&mut self) -> Result<(Option<Box<Writing>>, Vec<u8>), FetchError> {
        match &mut self.state {
            State::Unwritten => Ok((None, Vec::new())),
            State::Busy(writer) => {
                // Only now the state changes: a caller that is cancelled while it waits can come back.
                let written = writer.await;
                self.state = State::Gone;
                let Written { writing, mut block } = joined(written)?;
                block.clear();
                Ok((Some(writing.map_err(|error| FetchError::storage("write", error))?), block))
            }
            State::Gone => Err(FetchError::storage("write", io::Error::other("an earlier write failed"))),
        }
    }

    /// Starts the next sync once enough is written, and waits for the last: a disk slower than the source slows it.
    async fn send_to_disk(&mut self, writing: &Writing, bytes: u64) -> Result<(), FetchError> {
        self.unsynced += bytes;
        if self.unsynced < SYNC_BYTES {
            return Ok(());
        }
        self.unsynced = 0;
        self.finish_sync().await?;
        let (file, min_free_bytes) = (Arc::clone(writing.shared_file()), self.min_free_bytes);
        self.syncing = Some(spawn_blocking(move || {
            file.sync_data().map_err(|error| FetchError::storage("sync", error))?;
            file::check_room_of(&file, min_free_bytes)
        }));
        Ok(())
    }

    async fn finish_sync(&mut self) -> Result<(), FetchError> {
        match self.syncing.take() {
            Some(syncing) => joined(syncing.await)?,
            None => Ok(()),
        }
    }
}

/// The blocking pool gives no answer only when the process is on its way out.
fn joined<T>(answer: Result<T, tokio::task::JoinError>) -> Result<T, FetchError> {
    answer.map_err(|error| FetchError::Storage { operation: "write", source: io::Error::other(error) })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    async fn fill(spool: &mut Spool, bytes: usize) -> Result<(), FetchError> {
        for _ in 0..bytes.div_ceil(BLOCK_BYTES + 1) {
            spool.block().resize(BLOCK_BYTES + 1, 7);
            assert!(spool.is_full());
            spool.write_block().await?;
        }
        Ok(())
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        std::fs::read_dir(directory.path()).unwrap().count()
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_stops_where_the_disk_must_keep_room() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().join("spooled"), u64::MAX);

        let error = fill(&mut spool, 160 * BLOCK_BYTES).await.unwrap_err();

        assert!(matches!(error, FetchError::StorageFull), "{error:?}");
        spool.discard().await;
        assert_eq!(files(&directory), 0);
    }

    #[tokio::test]
    async fn starting_over_forgets_blocks_that_are_written_and_one_that_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().join("spooled"), 0);
        fill(&mut spool, 2 * BLOCK_BYTES).await.unwrap();
        spool.block().extend_from_slice(b"and more");

        spool.start_over().await.unwrap();
        spool.block().extend_from_slice(b"anew");
        let spooled = spool.finish().await.unwrap();

        assert_eq!(std::fs::read(spooled.path()).unwrap(), b"anew");
        assert_eq!(spooled.size_bytes(), 4);
        assert_eq!(spooled.sha256()[..], Sha256::digest(b"anew")[..]);
    }

    #[tokio::test]
    async fn a_write_that_fails_is_told_by_the_next_call_and_by_every_later_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().join("missing").join("spooled"), 0);

        fill(&mut spool, 1).await.unwrap();
        let told = fill(&mut spool, 1).await.unwrap_err();
        let again = spool.start_over().await.unwrap_err();

        assert!(matches!(told, FetchError::Storage { operation: "write", .. }), "{told:?}");
        assert!(matches!(again, FetchError::Storage { .. }), "{again:?}");
    }

    #[tokio::test]
    async fn who_is_cancelled_while_the_disk_is_slow_can_still_discard() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().join("spooled"), 0);
        fill(&mut spool, 1).await.unwrap();

        let _ = futures_util::poll!(Box::pin(fill(&mut spool, BLOCK_BYTES)));
        let _ = futures_util::poll!(Box::pin(spool.start_over()));
        spool.discard().await;

        assert_eq!(files(&directory), 0);
    }
}
