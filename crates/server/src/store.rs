//! Durable bytes: keep what lies in the spool, read ranges of it, delete it.
//!
//! Two arms behind one closed enum, files beside the spool ([`LocalStore`]) or an S3 bucket ([`S3Store`]). Nobody above
//! this file names either, a path, or an I/O error. The rows that say what is kept are the database's business.

mod ballast;
mod body;
mod buffer;
pub(crate) mod cache;
mod data;
mod error;
mod kept;
mod key;
mod local;
mod room;
mod s3;
mod serve_lock;
mod sync;

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use soku_fetch::Spooled;

pub use ballast::Ballast;
pub use body::{ObjectBody, StoredObject};
pub use data::{DataDir, DataDirError};
pub use error::{Cause, StoreError};
pub use kept::Kept;
pub use key::{KeyRefused, ObjectKey, ObjectMeta};
pub use local::{LocalSettings, LocalStore};
pub use room::{DeadRoom, Room, RoomError, Trace};
pub use s3::{S3Settings, S3Store, S3UrlError};
pub use serve_lock::{ServeLock, announced_base};

use crate::id::MediaId;
use crate::metrics;

/// A finished download: a file in this process's [`Room`] whose name is the media id.
#[derive(Clone, Copy, Debug)]
pub struct Spool<'a> {
    pub path: &'a Path,
    pub file: &'a File,
    pub size_bytes: u64,
}

/// Where objects are kept; cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    Local(LocalStore),
    S3(S3Store),
}

impl<'a> From<&'a Spooled> for Spool<'a> {
    fn from(spooled: &'a Spooled) -> Spool<'a> {
        Spool { path: spooled.path(), file: spooled.file(), size_bytes: spooled.size_bytes() }
    }
}

impl Store {
    /// Makes the spool file a durable object. Many at once overlap; one alone waits for nobody.
    ///
    /// Call [`Kept::recorded`] once the row is committed. Dropped before that, whatever the reason, the object stays
    /// marked for the sweep, which deletes it unless a row exists after all.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Unavailable`] or [`StoreError::Failed`]; nothing is left behind, or it is
    /// marked for the sweep.
    pub async fn keep(
        &self,
        spool: impl Into<Spool<'_>>,
        key: &ObjectKey,
        meta: &ObjectMeta,
    ) -> Result<Kept, StoreError> {
        let (spool, begun) = (spool.into(), Instant::now());
        let kept = match self {
            Store::Local(store) => store.keep(spool, key).await,
            Store::S3(store) => store.keep(spool, key, meta).await,
        };
        if kept.is_ok() {
            metrics::storage_kept(begun.elapsed());
        }
        counted("keep", kept)
    }

    /// Opens an object of `size_bytes` bytes for reading.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it is gone; else as [`Store::keep`].
    pub async fn open(&self, key: &ObjectKey, size_bytes: u64) -> Result<StoredObject, StoreError> {
        let outcome = match self {
            Store::Local(store) => store.open_object(key, size_bytes).await,
            Store::S3(store) => store.open_object(key, size_bytes).await,
        };
        counted("open", outcome)
    }

    /// Deletes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let outcome = match self {
            Store::Local(store) => store.delete(key.id()).await.map(drop),
            Store::S3(store) => store.delete(key).await,
        };
        counted("delete", outcome)
    }

    /// Deletes whatever is kept under an id, for those who no longer know the file name; says whether there was any.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_all_of(&self, id: &MediaId) -> Result<bool, StoreError> {
        let outcome = match self {
            Store::Local(store) => store.delete(id).await,
            Store::S3(store) => store.delete_all_of(id).await,
        };
        counted("delete", outcome)
    }

    /// Ends a multipart upload that a dead process left half done; `note` is what it wrote down in its room.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn abort_upload(&self, note: &str) -> Result<(), StoreError> {
        match self {
            // The process used a bucket before; its configuration is gone, and so is the way to reach it.
            Store::Local(_) => Ok(()),
            Store::S3(store) => store.abort_upload(note).await,
        }
    }

    /// Whether objects can be kept and read now.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let outcome = match self {
            Store::Local(store) => store.ping().await,
            Store::S3(store) => store.ping().await,
        };
        counted("ping", outcome)
    }

    /// The free space of the disk on which spool and files lie, in bytes, where it can be told.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        match self {
            Store::Local(store) => store.room().free_bytes(),
            Store::S3(store) => store.room().free_bytes(),
        }
    }

    /// Whether the object of `id` is certainly there: one system call on files. A bucket cannot be looked at so cheaply,
    /// so there nothing is certain.
    pub(crate) fn surely_has(&self, id: &MediaId) -> bool {
        match self {
            Store::Local(store) => store.has(id),
            Store::S3(_) => false,
        }
    }
}

/// Counts an operation that failed.
fn counted<T>(operation: &'static str, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    outcome.inspect_err(|_| metrics::storage_failed(operation))
}
