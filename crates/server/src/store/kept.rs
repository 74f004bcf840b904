//! The time between an object and its row.

use tracing::warn;

use super::room::Room;
use crate::id::MediaId;

/// An object that has no row yet.
///
/// Dropped before [`Kept::recorded`], it leaves a mark in the room, and a later sweep deletes the object unless the row
/// came to be after all. So an import may fail, be cancelled or not know how its commit ended, and nothing is lost or
/// left behind.
#[derive(Debug)]
#[must_use = "dropping it marks the object for the sweep"]
pub struct Kept {
    room: Room,
    id: MediaId,
    settled: bool,
}

impl Kept {
    pub(super) fn unsettled(room: Room, id: MediaId) -> Kept {
        Kept { room, id, settled: false }
    }

    /// The row is committed: the object stays.
    pub fn recorded(mut self) {
        self.settled = true;
    }

    /// No object came to be, or it is deleted already.
    pub fn nothing_left(mut self) {
        self.settled = true;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.settled
            && let Err(error) = self.room.mark_gone(&self.id)
        {
            let error: &(dyn std::error::Error + 'static) = &error;
            warn!(media.id = %self.id, error, "Could not mark the unrecorded object of `{}` for the sweep", self.id);
        }
    }
}
