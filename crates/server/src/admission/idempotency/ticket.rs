//! The right, and the duty, to make one import: whoever holds the ticket ends it, and all who wait hear how.

use std::sync::Arc;

use soku_api::Reason;

use super::flights::{Seat, Stage};
use super::upkeep::Chore;
use super::{Imports, Wish};
use crate::clock::Timestamp;
use crate::db::{ClaimKey, DbError};
use crate::failure::Failure;
use crate::media::Media;

/// How long a failure stays to be read by those who watch the claim from other processes.
const TOLD_FOR_MS: i64 = 30_000;

/// A claim held under a fencing number, renewed for as long as it is held. Dropped without an end (a panic, a task cut
/// off), the claim is freed and who waits is told `interrupted`.
pub struct Ticket {
    imports: Imports,
    wish: Wish,
    fence: i64,
    /// Taken at the end.
    seat: Option<Seat>,
}

impl Ticket {
    pub(super) fn new(imports: Imports, wish: Wish, fence: i64, seat: Seat) -> Ticket {
        Ticket { imports, wish, fence, seat: Some(seat) }
    }

    /// The claim that [`crate::db::Db::record`] asks for.
    #[must_use]
    pub fn claim(&self) -> &ClaimKey {
        &self.wish.claim
    }

    /// The fencing number that it asks for: where it is not the row's any more, another process has taken over.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Until when the key answers with what is recorded now.
    #[must_use]
    pub fn remembered_until(&self) -> Timestamp {
        self.imports.shared.remembered_until(self.wish.source)
    }

    /// Tells who waits on this process that the import is recorded; who waits elsewhere reads it from the row.
    pub fn complete(mut self, media: &Media) {
        if let Some(seat) = self.seat.take() {
            seat.end(Stage::Made(Arc::new(media.clone())));
        }
    }

    /// Frees the key, and tells all who wait why. Harmless after the claim was lost: nobody else's row is touched.
    pub async fn fail(mut self, failure: Failure) {
        let (claim, fence) = (Arc::clone(&self.wish.claim), self.fence);
        if let Err(error) = self.imports.end_in_failure(&claim, fence, &failure).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "Could not free the claim of a failed import; trying again");
            // Without upkeep the process is at its end, and its lease too.
            let _ = self.imports.later(Chore::End { claim, fence, failure: failure.clone(), seat: None });
        }
        if let Some(seat) = self.seat.take() {
            seat.end(Stage::Failed(failure));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let (claim, fence, failure) = (Arc::clone(&self.wish.claim), self.fence, Failure::from(Reason::Interrupted));
        let chore = Chore::End { claim, fence, failure: failure.clone(), seat: Some(seat) };
        if let Some(Chore::End { seat: Some(seat), .. }) = self.imports.later(chore) {
            seat.end(Stage::Failed(failure));
        }
    }
}

impl Imports {
    /// Writes a failure into the claim's row, if it is still ours.
    pub(super) async fn end_in_failure(&self, claim: &ClaimKey, fence: i64, failure: &Failure) -> Result<(), DbError> {
        let until = self.shared.reckoning.now().plus_ms(TOLD_FOR_MS);
        self.shared.db.fail(claim, fence, failure, until).await.map(drop)
    }
}
