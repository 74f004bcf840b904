//! What runs beside the imports: the heartbeat that renews their claims, the ends that could not be written at once,
//! and the forgetting of what expired.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use super::flights::{Boarding, Seat, Stage};
use super::{Imports, Wish};
use crate::db::{ClaimAnswer, ClaimKey, DbError};
use crate::failure::Failure;

/// How often expired claims are forgotten, and how many at once.
const PURGE_EVERY: Duration = Duration::from_mins(1);
const PURGED_AT_ONCE: u32 = 500;
/// How long to wait before a chore that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How many lost answers are kept to be asked about: one who makes up keys while the database is away must not fill
/// the memory. The next use of a key that was let go frees it just as well.
pub(super) const LOST_ANSWERS: usize = 1_000;

/// A write that must happen although nobody waits for it.
pub(super) enum Chore {
    /// An import came to nothing. The seat, where it is still held, is freed after the claim.
    End { claim: Arc<ClaimKey>, fence: i64, failure: Failure, seat: Option<Seat> },
    /// A claim was won, and nothing was begun.
    Release { claim: Arc<ClaimKey>, fence: i64 },
    /// The answer to a claim was lost: it may be won.
    Disown { wish: Wish, counted: OwnedSemaphorePermit },
}

impl Imports {
    /// Does all of it until `until`, which must come after the last import; frees then what this process still holds.
    pub(super) async fn upkeep(&self, inbox: mpsc::UnboundedReceiver<Chore>, until: &CancellationToken) {
        tokio::join!(self.beats(until), self.purges(until), self.chores(inbox, until));
        if let Err(error) = self.shared.db.release_owner(&self.shared.owner).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "Could not free the claims of this process; they free themselves with their lease");
        }
    }

    async fn beats(&self, until: &CancellationToken) {
        let shared = &self.shared;
        while pause(shared.settings.heartbeat, until).await {
            if shared.flights.len() == 0 {
                continue;
            }
            if let Err(error) = shared.db.beat(&shared.owner).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "Could not renew the running imports");
            }
        }
    }

    async fn purges(&self, until: &CancellationToken) {
        while pause(PURGE_EVERY, until).await {
            loop {
                match self.shared.db.purge(self.shared.reckoning.now(), PURGED_AT_ONCE).await {
                    Ok(forgotten) if forgotten >= u64::from(PURGED_AT_ONCE) => {}
                    Ok(_all) => break,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "Could not forget expired keys");
                        break;
                    }
                }
            }
        }
    }

    async fn chores(&self, mut inbox: mpsc::UnboundedReceiver<Chore>, until: &CancellationToken) {
        let mut undone = VecDeque::new();
        loop {
            let retrying = !undone.is_empty();
            tokio::select! {
                biased;
                Some(chore) = inbox.recv() => undone.extend(self.try_chore(chore).await),
                true = pause(TRY_AGAIN, until), if retrying => self.try_again(&mut undone).await,
                () = until.cancelled() => break,
            }
        }
        inbox.close();
        while let Ok(chore) = inbox.try_recv() {
            undone.push_back(chore);
        }
        self.try_again(&mut undone).await;
    }

    /// Works them off, up to the first that the database does not take: it is still away, and each try is a long wait.
    async fn try_again(&self, undone: &mut VecDeque<Chore>) {
        while let Some(chore) = undone.pop_front() {
            if let Some(chore) = self.try_chore(chore).await {
                undone.push_front(chore);
                return;
            }
        }
    }

    /// Tries it once, and gives it back where another try may help.
    async fn try_chore(&self, chore: Chore) -> Option<Chore> {
        let (tried, again) = match chore {
            Chore::End { claim, fence, failure, seat } => {
                let tried = self.end_in_failure(&claim, fence, &failure).await;
                if let Some(seat) = seat {
                    seat.end(Stage::Failed(failure.clone()));
                }
                (tried, Chore::End { claim, fence, failure, seat: None })
            }
            Chore::Release { claim, fence } => {
                let tried = self.shared.db.release(&claim, fence).await.map(drop);
                (tried, Chore::Release { claim, fence })
            }
            Chore::Disown { wish, counted } => {
                let tried = self.disown(&wish).await;
                (tried, Chore::Disown { wish, counted })
            }
        };
        match tried {
            Ok(()) => None,
            Err(DbError::Unavailable { .. } | DbError::Full { .. }) => Some(again),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "Could not free a claim of this process; its key waits until this process stops"
                );
                None
            }
        }
    }

    /// Frees the claim of `wish` if it is this process's and nobody here knows of it.
    pub(super) async fn disown(&self, wish: &Wish) -> Result<(), DbError> {
        let shared = &self.shared;
        // Whoever has the seat meanwhile has dealt with it.
        let Boarding::First(_seat) = shared.flights.board(&wish.claim, wish.payload) else { return Ok(()) };
        match shared.db.claim(&self.request(wish)).await? {
            ClaimAnswer::Won { fence } => shared.db.release(&wish.claim, fence).await.map(drop),
            ClaimAnswer::Running { owner, fence, .. } if owner == shared.owner => {
                shared.db.release(&wish.claim, fence).await.map(drop)
            }
            ClaimAnswer::Running { .. } | ClaimAnswer::Done { .. } => Ok(()),
        }
    }
}

/// Sleeps for `period`; false where `until` came first.
async fn pause(period: Duration, until: &CancellationToken) -> bool {
    tokio::select! {
        () = until.cancelled() => false,
        () = tokio::time::sleep(period) => true,
    }
}
