//! Rows remembered for a moment, so that a hot file costs no query.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::id::MediaId;
use crate::media::Media;
use crate::store::cache::Cache;

/// A bounded memory of rows.
#[derive(Debug)]
pub(super) struct Rows {
    state: Mutex<State>,
    life: Duration,
}

#[derive(Debug)]
struct State {
    rows: Cache<MediaId, (Arc<Media>, Instant)>,
    /// Counts deletions: a row that was read before one and comes to be remembered after it may be gone.
    deletions: u64,
}

/// When a row was looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    deletions: u64,
    at: Instant,
}

impl Rows {
    pub(super) fn new(most: usize, life: Duration) -> Rows {
        Rows { state: Mutex::new(State { rows: Cache::new(most), deletions: 0 }), life }
    }

    /// The row, if it is remembered and young enough; and the moment, for [`Rows::remember`].
    pub(super) fn find(&self, id: &MediaId) -> (Option<Arc<Media>>, Seen) {
        let mut state = self.lock();
        let seen = Seen { deletions: state.deletions, at: Instant::now() };
        let known = state.rows.get(id).filter(|(_, read)| seen.at.duration_since(*read) < self.life);
        (known.map(|(media, _)| media), seen)
    }

    /// Remembers a row that was read after `seen`. Its life counts from there.
    pub(super) fn remember(&self, media: &Arc<Media>, seen: Seen) {
        let mut state = self.lock();
        if state.deletions == seen.deletions {
            state.rows.insert(media.id.clone(), (Arc::clone(media), seen.at), 1);
        }
    }

    /// Forgets a row, also one that somebody is reading at this moment; called once its deletion is committed.
    pub(super) fn forget(&self, id: &MediaId) {
        let mut state = self.lock();
        state.deletions += 1;
        state.rows.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
