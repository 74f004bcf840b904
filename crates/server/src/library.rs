//! What is stored, as a whole: rows and objects found, opened, listed and deleted together.
//!
//! The row is the truth. An object without one is on its way in or out, and [`Library::sweep`] removes it if it stays so.

mod rows;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tracing::warn;

use crate::db::{Db, DbError, MediaCursor};
use crate::id::{AccountId, MediaId};
use crate::media::Media;
use crate::store::{Ballast, DataDir, ObjectKey, Room, RoomError, Store, StoreError, StoredObject, Trace};
use rows::Rows;
pub use sweep::Swept;

/// What can be set about the library.
#[derive(Clone, Debug)]
pub struct LibrarySettings {
    /// How many rows are remembered for delivery.
    pub rows: usize,
    /// For how long: another process may delete a row whose object it cannot reach.
    pub row_life: Duration,
    /// How old a mark of this living process must be before a sweep acts on it: its commit may still be on its way.
    pub grace: Duration,
}

impl Default for LibrarySettings {
    fn default() -> LibrarySettings {
        LibrarySettings { rows: 16_384, row_life: Duration::from_secs(1), grace: Duration::from_secs(60) }
    }
}

/// A failure of the library.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the spool directory failed")]
    Room(#[from] RoomError),
    #[error("a thread of the library panicked")]
    Panicked(#[from] JoinError),
}

/// Everything that is stored; cheap to clone.
#[derive(Clone, Debug)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    store: Store,
    data: DataDir,
    room: Room,
    rows: Rows,
    grace: Duration,
}

impl Library {
    /// The library of these parts.
    #[must_use]
    pub fn new(db: Db, store: Store, data: DataDir, room: Room, settings: &LibrarySettings) -> Library {
        let rows = Rows::new(settings.rows, settings.row_life);
        Library(Arc::new(Inner { db, store, data, room, rows, grace: settings.grace }))
    }

    /// The entry of `id`, from memory where it was asked for within the last second and its object is still there: when
    /// another process has deleted an entry, it is not found any more.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn find(&self, id: &MediaId) -> Result<Option<Arc<Media>>, LibraryError> {
        let (known, seen) = self.0.rows.find(id);
        if let Some(media) = known {
            if self.0.store.surely_has(id) {
                return Ok(Some(media));
            }
            self.0.rows.forget(id);
        }
        let found = self.0.db.find_media(id).await?.map(Arc::new);
        if let Some(media) = &found {
            self.0.rows.remember(media, seen);
        }
        Ok(found)
    }

    /// Opens an entry's object; `None` where another process deleted it a moment ago.
    ///
    /// # Errors
    /// As the store fails; [`StoreError::Missing`] where the row is there and the object is not.
    pub async fn open(&self, media: &Media) -> Result<Option<StoredObject>, LibraryError> {
        match self.0.store.open(&ObjectKey::of(media), media.size_bytes).await {
            Ok(object) => Ok(Some(object)),
            Err(missing @ StoreError::Missing { .. }) => {
                self.0.rows.forget(&media.id);
                if self.0.db.find_media(&media.id).await?.is_none() { Ok(None) } else { Err(missing.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// At most `limit` entries from the newest on, of one account or all.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn list(
        &self,
        account: Option<&AccountId>,
        after: Option<&MediaCursor>,
        limit: u32,
    ) -> Result<Vec<Media>, LibraryError> {
        Ok(self.0.db.list_media(account, after, limit).await?)
    }

    /// Deletes an entry: its row and the keys that made it, then its object. Gives what it was; `None` where there is
    /// none. The URL answers 404 from the moment the row is gone, also where the object cannot be removed yet: then it
    /// is marked for the sweep. On a full disk the ballast makes room for it.
    ///
    /// # Errors
    /// As the database fails, or the spool directory; then nothing was deleted.
    pub async fn delete(&self, id: &MediaId) -> Result<Option<Media>, LibraryError> {
        let (room, marked) = (self.0.room.clone(), id.clone());
        // The mark first: a crash after the row is gone must not forget the object.
        blocking(move || room.mark_gone_durably(&marked)).await??;
        let deleted = match self.0.db.delete_media(id).await {
            Err(DbError::Full { .. }) if self.give_up_ballast().await? => self.0.db.delete_media(id).await,
            outcome => outcome,
        };
        // Whatever the answer was: the row may be gone. After the commit, so that who read it before finds it forgotten.
        self.0.rows.forget(id);
        let deleted = deleted?;
        let outcome = match &deleted {
            Some(media) => self.0.store.delete(&ObjectKey::of(media)).await,
            None => Ok(()),
        };
        match outcome {
            Ok(()) => self.0.room.forget(&Trace::Gone(id.clone()))?,
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                warn!(media.id = %id, error, "Could not delete the object of `{id}`: a sweep tries again");
            }
        }
        self.restore_ballast().await?;
        Ok(deleted)
    }

    async fn give_up_ballast(&self) -> Result<bool, LibraryError> {
        let ballast = Ballast::of(&self.0.data);
        blocking(move || ballast.give_up()).await
    }

    /// Makes the ballast where it is missing and there is room.
    async fn restore_ballast(&self) -> Result<(), LibraryError> {
        let ballast = Ballast::of(&self.0.data);
        blocking(move || ballast.restore()).await
    }
}

/// Runs file system calls where they may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LibraryError> {
    Ok(spawn_blocking(work).await?)
}
