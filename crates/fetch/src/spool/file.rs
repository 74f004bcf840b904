//! The blocking half of the spool: every call here may wait for the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::FetchError;

/// A spool file and what is known of its bytes. Dropping it removes the file, wherever the drop happens: a fetch that
/// is cancelled in the middle of a write leaves nothing either.
#[derive(Debug)]
pub(super) struct Writing {
    path: Option<PathBuf>,
    kept: PathBuf,
    file: Arc<File>,
    size_bytes: u64,
    hash: Sha256,
}

impl Writing {
    pub(super) fn create(path: PathBuf) -> io::Result<Box<Writing>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Box::new(Writing {
            kept: path.clone(),
            path: Some(path),
            file: Arc::new(file),
            size_bytes: 0,
            hash: Sha256::new(),
        }))
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.hash.update(bytes);
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn start_over(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (&*self.file).rewind()?;
        self.hash = Sha256::new();
        self.size_bytes = 0;
        Ok(())
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    pub(super) fn keep(&mut self) -> PathBuf {
        self.path = None;
        std::mem::take(&mut self.kept)
    }

    pub(super) fn path(&self) -> &Path {
        &self.kept
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn shared_file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "Could not remove a spool file");
        }
    }
}

/// Fails unless a directory's file system has room for so many bytes and keeps the free space that it must.
pub(super) fn check_room(directory: &Path, bytes: u64, min_free_bytes: u64) -> Result<(), FetchError> {
    judge_room(rustix::fs::statvfs(directory), bytes, min_free_bytes)
}

pub(super) fn check_room_of(file: &File, min_free_bytes: u64) -> Result<(), FetchError> {
    judge_room(rustix::fs::fstatvfs(file), 0, min_free_bytes)
}

fn judge_room(
    room: rustix::io::Result<rustix::fs::StatVfs>,
    bytes: u64,
    min_free_bytes: u64,
) -> Result<(), FetchError> {
    let room = room.map_err(|error| FetchError::storage("find room for", error.into()))?;
    let free_bytes = room.f_bavail.saturating_mul(room.f_frsize);
    if free_bytes < min_free_bytes.saturating_add(bytes) { Err(FetchError::StorageFull) } else { Ok(()) }
}
