//! What admission does beside the requests: windows are saved every second, claims renewed, and old rows forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Admission;
use super::idempotency::Chores;
use crate::db::Db;

/// A crash forgets at most this much of the windows.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Rows of windows that nobody will ask for are dropped after so many saves.
const SAVES_PER_SWEEP: u32 = 60;

/// The one task beside an [`Admission`].
pub struct Upkeep {
    admission: Arc<Admission>,
    chores: Chores,
    db: Db,
}

impl Upkeep {
    pub(super) fn new(admission: Arc<Admission>, chores: Chores, db: Db) -> Upkeep {
        Upkeep { admission, chores, db }
    }

    /// Runs until `until`, which must come after the last import has ended or was cut off and before the database is
    /// closed; then saves the windows a last time and frees what is left.
    pub async fn run(self, until: CancellationToken) {
        let Upkeep { admission, chores, db } = self;
        tokio::join!(admission.imports.keep_up(chores, &until), save_windows(&admission, &db, &until));
    }
}

async fn save_windows(admission: &Admission, db: &Db, until: &CancellationToken) {
    let mut failing = false;
    for saves in 1_u32.. {
        let stopping = tokio::select! {
            () = until.cancelled() => true,
            () = tokio::time::sleep(SAVE_EVERY) => false,
        };
        let mut saved = admission.limits.save(db).await;
        if saved.is_ok() && saves.is_multiple_of(SAVES_PER_SWEEP) {
            saved = admission.limits.drop_idle_rows(db).await;
        }
        if let Err(error) = &saved
            && !failing
        {
            // Once, and not every second for as long as the database is away.
            tracing::warn!(error = error as &dyn std::error::Error, "Could not save the rate limits; trying again");
        }
        failing = saved.is_err();
        if stopping {
            return;
        }
    }
}
