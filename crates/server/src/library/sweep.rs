//! What crashes left behind, removed. Only what no living process owns is touched, so that any number of processes may
//! sweep while others work.

use tracing::{info, warn};

use super::{Inner, Library, LibraryError, blocking};
use crate::db::DbError;
use crate::id::MediaId;
use crate::store::{DeadRoom, StoreError, Trace};

/// How many traces are looked at together.
const TRACES_AT_ONCE: usize = 256;

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Swept {
    /// Rooms of dead processes that were cleaned and removed.
    pub rooms: u64,
    /// Claims of dead processes that were freed.
    pub claims: u64,
    /// Objects without a row that were deleted.
    pub objects: u64,
    /// Traces that stay, because the store failed: the next sweep tries again.
    pub left: u64,
}

impl Library {
    /// Clears what dead processes left: frees their claims, deletes objects that have no row, ends uploads, removes
    /// their spool directories. Also finishes deletions that this process could not finish before, and makes the ballast.
    ///
    /// # Errors
    /// As the database or the spool fails. A store that fails is no error: see [`Swept::left`].
    pub async fn sweep(&self) -> Result<Swept, LibraryError> {
        match self.sweep_once().await {
            Err(LibraryError::Db(DbError::Full { .. })) if self.give_up_ballast().await? => self.sweep_once().await,
            outcome => outcome,
        }
    }

    async fn sweep_once(&self) -> Result<Swept, LibraryError> {
        let mut sweep = Sweep { library: &self.0, swept: Swept::default(), store: Reach::Unknown };
        sweep.finish_own().await?;
        let data = self.0.data.clone();
        let mut rooms = blocking(move || DeadRoom::all(&data)).await??;
        loop {
            // Locking a room and listing it are file system calls; the iterator travels there and back.
            let (next, rest) = blocking(move || (rooms.next(), rooms)).await?;
            rooms = rest;
            match next {
                Some(room) => sweep.clean(room?).await?,
                None => break,
            }
        }
        self.restore_ballast().await?;
        let swept = sweep.swept;
        if swept != Swept::default() {
            let Swept { rooms, claims, objects, left } = swept;
            info!(rooms, claims, objects, left, "Swept what dead processes left behind");
        }
        Ok(swept)
    }
}

/// A sweep on its way.
struct Sweep<'a> {
    library: &'a Inner,
    swept: Swept,
    store: Reach,
}

/// Whether the store was found to be away. Then it is not asked again and again, each time until its time is up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Unknown,
    Away,
}

impl Sweep<'_> {
    async fn finish_own(&mut self) -> Result<(), LibraryError> {
        let marked = self.library.room.marked_gone(self.library.grace, TRACES_AT_ONCE);
        let existing = self.library.db.which_exist(&marked).await?;
        for id in marked {
            if existing.contains(&id) || self.delete_unrecorded(&id).await {
                self.library.room.forget(&Trace::Gone(id))?;
            }
        }
        Ok(())
    }

    async fn clean(&mut self, mut room: DeadRoom) -> Result<(), LibraryError> {
        // The claims first: a commit of the dead process that the database has not carried out yet fails from here on,
        // because it asks for its claim. So what has no row now will never have one.
        self.swept.claims += self.library.db.release_owner(room.owner()).await?;
        let left_before = self.swept.left;
        loop {
            let (traces, same) = blocking(move || (room.next_traces(TRACES_AT_ONCE), room)).await?;
            room = same;
            let traces = traces?;
            if traces.is_empty() {
                break;
            }
            let ids: Vec<MediaId> = traces.iter().filter_map(id_of).cloned().collect();
            let existing = self.library.db.which_exist(&ids).await?;
            let mut done = Vec::new();
            for trace in traces {
                let clear = match &trace {
                    Trace::Spool(id) | Trace::Gone(id) => existing.contains(id) || self.delete_unrecorded(id).await,
                    Trace::Upload(id) => self.abort_upload(&room, id).await,
                    Trace::Litter(_) => true,
                };
                if clear {
                    done.push(trace);
                }
            }
            room = blocking(move || done.iter().try_for_each(|trace| room.forget(trace)).map(|()| room)).await??;
        }
        if self.swept.left == left_before {
            blocking(move || room.remove()).await??;
            self.swept.rooms += 1;
        }
        Ok(())
    }

    /// Whether the object of an id without a row is gone.
    async fn delete_unrecorded(&mut self, id: &MediaId) -> bool {
        if self.store == Reach::Away {
            self.swept.left += 1;
            return false;
        }
        match self.library.store.delete_all_of(id).await {
            Ok(existed) => {
                self.swept.objects += u64::from(existed);
                true
            }
            Err(error) => self.leave(id, error),
        }
    }

    /// Whether an upload that a dead process ran has ended.
    async fn abort_upload(&mut self, room: &DeadRoom, id: &MediaId) -> bool {
        if self.store == Reach::Away {
            self.swept.left += 1;
            return false;
        }
        let ended = match room.read_note(id) {
            Ok(note) => self.library.store.abort_upload(&note).await.map_err(LibraryError::from),
            Err(error) => Err(error.into()),
        };
        match ended {
            Ok(()) => true,
            Err(error) => self.leave(id, error),
        }
    }

    /// Lets a trace stay for the next sweep.
    fn leave(&mut self, id: &MediaId, error: impl Into<LibraryError>) -> bool {
        let error = error.into();
        if matches!(error, LibraryError::Store(StoreError::Unavailable { .. })) {
            self.store = Reach::Away;
        }
        self.swept.left += 1;
        let error: &(dyn std::error::Error + 'static) = &error;
        warn!(media.id = %id, error, "Could not clear what is left of `{id}`: the next sweep tries again");
        false
    }
}

fn id_of(trace: &Trace) -> Option<&MediaId> {
    match trace {
        Trace::Spool(id) | Trace::Gone(id) => Some(id),
        Trace::Upload(_) | Trace::Litter(_) => None,
    }
}
