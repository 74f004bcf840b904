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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::AccountId;
    use crate::media::Disposition;

    const LONG: Duration = Duration::from_secs(3_600);

    fn row() -> Arc<Media> {
        Arc::new(Media {
            id: MediaId::random(),
            account_id: AccountId::random(),
            filename: "a.png".to_owned(),
            content_type: "image/png".to_owned(),
            disposition: Disposition::Inline,
            size_bytes: 1,
            sha256: "ab".repeat(32),
            source_url: "https://example.com/a.png".to_owned(),
            created: Timestamp(0),
        })
    }

    #[test]
    fn a_row_is_remembered_until_it_is_forgotten() {
        let (rows, media) = (Rows::new(10, LONG), row());

        rows.remember(&media, rows.find(&media.id).1);
        assert_eq!(rows.find(&media.id).0, Some(Arc::clone(&media)));

        rows.forget(&media.id);
        assert_eq!(rows.find(&media.id).0, None);
    }

    #[test]
    fn a_row_that_was_read_before_a_deletion_is_not_remembered_after_it() {
        let (rows, media) = (Rows::new(10, LONG), row());
        let (_, seen) = rows.find(&media.id);

        rows.forget(&media.id);
        rows.remember(&media, seen);

        assert_eq!(rows.find(&media.id).0, None);
    }

    #[test]
    fn the_life_of_a_row_counts_from_the_question_and_not_from_the_answer() {
        let (rows, media) = (Rows::new(10, Duration::from_millis(20)), row());
        let (_, seen) = rows.find(&media.id);

        std::thread::sleep(Duration::from_millis(20));
        rows.remember(&media, seen);

        assert_eq!(rows.find(&media.id).0, None);
    }
}
