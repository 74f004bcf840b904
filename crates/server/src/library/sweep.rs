//! What crashes left behind, removed. Only what no living process owns is touched, so that any number of processes may
//! sweep while others work.

use tracing::{info, warn};

use super::{Inner, Library, LibraryError, blocking};
use crate::id::MediaId;
use crate::store::{DeadRoom, Trace};

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
    /// their spool directories. Also finishes deletions that this process could not finish before.
    ///
    /// # Errors
    /// As the database or the spool fails. A store that fails is no error: see [`Swept::left`].
    pub async fn sweep(&self) -> Result<Swept, LibraryError> {
        let mut swept = Swept::default();
        self.0.finish_own(&mut swept).await?;
        let data = self.0.data.clone();
        let mut rooms = blocking(move || DeadRoom::all(&data)).await??;
        loop {
            // Locking a room and listing it are file system calls; the iterator travels there and back.
            let (next, rest) = blocking(move || (rooms.next(), rooms)).await?;
            rooms = rest;
            match next {
                Some(room) => self.0.sweep_room(room?, &mut swept).await?,
                None => break,
            }
        }
        if swept != Swept::default() {
            let Swept { rooms, claims, objects, left } = swept;
            info!(rooms, claims, objects, left, "Swept what dead processes left behind");
        }
        Ok(swept)
    }
}

impl Inner {
    async fn finish_own(&self, swept: &mut Swept) -> Result<(), LibraryError> {
        let (room, grace) = (self.room.clone(), self.grace);
        let marked = blocking(move || room.marked_gone(grace, TRACES_AT_ONCE)).await??;
        let existing = self.db.which_exist(&marked).await?;
        for id in marked {
            let done = existing.contains(&id) || self.delete_unrecorded(&id, swept).await;
            if done {
                self.room.forget(&Trace::Gone(id))?;
            }
        }
        Ok(())
    }

    async fn sweep_room(&self, mut room: DeadRoom, swept: &mut Swept) -> Result<(), LibraryError> {
        // The claims first: a commit of the dead process that the database has not carried out yet fails from here on,
        // because it asks for its claim. So what has no row now will never have one.
        swept.claims += self.db.release_owner(room.owner()).await?;
        let left_before = swept.left;
        loop {
            let (traces, same) = blocking(move || (room.next_traces(TRACES_AT_ONCE), room)).await?;
            room = same;
            let traces = traces?;
            if traces.is_empty() {
                break;
            }
            let ids: Vec<MediaId> = traces.iter().filter_map(id_of).cloned().collect();
            let existing = self.db.which_exist(&ids).await?;
            let mut done = Vec::new();
            for trace in traces {
                let clear = match &trace {
                    Trace::Spool(id) | Trace::Gone(id) => {
                        existing.contains(id) || self.delete_unrecorded(id, swept).await
                    }
                    Trace::Upload(id) => self.abort_upload(&room, id, swept).await,
                    Trace::Litter(_) => true,
                };
                if clear {
                    done.push(trace);
                }
            }
            room = blocking(move || done.iter().try_for_each(|trace| room.forget(trace)).map(|()| room)).await??;
        }
        if swept.left == left_before {
            blocking(move || room.remove()).await??;
            swept.rooms += 1;
        }
        Ok(())
    }

    /// Whether the object of an id without a row is gone.
    async fn delete_unrecorded(&self, id: &MediaId, swept: &mut Swept) -> bool {
        match self.store.delete_all_of(id).await {
            Ok(existed) => swept.objects += u64::from(existed),
            Err(error) => {
                swept.left += 1;
                let error: &(dyn std::error::Error + 'static) = &error;
                warn!(media.id = %id, error, "Could not delete the unrecorded object of `{id}`");
                return false;
            }
        }
        true
    }

    /// Whether an upload that a dead process ran has ended.
    async fn abort_upload(&self, room: &DeadRoom, id: &MediaId, swept: &mut Swept) -> bool {
        let aborted = match room.read_note(id) {
            Ok(note) => self.store.abort_upload(&note).await.map_err(LibraryError::from),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = aborted {
            swept.left += 1;
            let error: &(dyn std::error::Error + 'static) = &error;
            warn!(media.id = %id, error, "Could not end the upload of `{id}`");
            return false;
        }
        true
    }
}

fn id_of(trace: &Trace) -> Option<&MediaId> {
    match trace {
        Trace::Spool(id) | Trace::Gone(id) => Some(id),
        Trace::Upload(_) | Trace::Litter(_) => None,
    }
}
