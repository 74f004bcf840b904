//! Windows that outlive the process: what changed is saved every second and at the stop, and taken up at the start.

use super::counter::Counter;
use super::window::{FIVE_MINUTES_MS, Window};
use super::{Kept, Limits};
use crate::db::{Db, DbError};

impl Limits {
    /// Takes up what an earlier process saved.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn load(&self, db: &Db) -> Result<(), DbError> {
        if !self.settings.enabled {
            return Ok(());
        }
        let rows = db.load_windows().await?;
        let mut table = self.table();
        let now = table.now();
        for (key, stamps) in rows {
            let Some(counter) = Counter::from_key(&key) else { continue };
            let window = Window::remembering(stamps.into_iter().map(|stamp| now.stamp_of(stamp)).collect());
            if !window.is_idle(now.steady_ms) {
                table.addresses += usize::from(matches!(counter, Counter::Address(_)));
                table.windows.insert(counter, Kept { window, dirty: false });
            }
        }
        Ok(())
    }

    /// Saves what changed since the last time, and forgets whoever has been silent for so long that nothing of it
    /// counts any more.
    ///
    /// # Errors
    /// The database could not be written; what was not saved is tried again the next time.
    pub async fn save(&self, db: &Db) -> Result<(), DbError> {
        let changed = self.take_changed();
        let rows = changed.iter().map(|(counter, stamps)| (counter.to_key(), stamps.clone())).collect();
        if let Err(error) = db.save_windows(rows).await {
            self.mark_changed(changed.iter().map(|(counter, _)| counter));
            return Err(error);
        }
        Ok(())
    }

    /// Drops the rows of whoever has been silent for so long.
    ///
    /// # Errors
    /// The database could not be written.
    pub async fn drop_idle_rows(&self, db: &Db) -> Result<(), DbError> {
        let now = self.table().now();
        db.drop_windows(now.wall.plus_ms(-FIVE_MINUTES_MS)).await.map(drop)
    }

    /// The windows that changed since this was last called, as rows have them, and all of them where the wall clock was
    /// set: what a row says is of use to the next process only by the clock that it finds. Forgets the idle ones on the
    /// way.
    pub(super) fn take_changed(&self) -> Vec<(Counter, Vec<i64>)> {
        let mut table = self.table();
        let now = table.now();
        let is_set = now.is_set_since(std::mem::replace(&mut table.looked, now));
        let mut changed = Vec::new();
        let mut addresses = 0;
        table.windows.retain(|counter, kept| {
            let idle = kept.window.is_idle(now.steady_ms);
            if (std::mem::take(&mut kept.dirty) || is_set) && !idle {
                let stamps = kept.window.stamps().map(|stamp| now.wall_ms_of(stamp)).collect();
                changed.push((counter.clone(), stamps));
            }
            addresses += usize::from(!idle && matches!(counter, Counter::Address(_)));
            !idle
        });
        table.addresses = addresses;
        changed
    }

    fn mark_changed<'a>(&self, counters: impl Iterator<Item = &'a Counter>) {
        let mut table = self.table();
        for counter in counters {
            if let Some(kept) = table.windows.get_mut(counter) {
                kept.dirty = true;
            }
        }
    }
}
