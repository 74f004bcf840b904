//! The imports that this process has under way, each under its claim, so that duplicates on the same process wait on a
//! channel. As many as there are tickets: a caller's keys do not fill it (rule K3).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::key::PayloadHash;
use crate::db::ClaimKey;
use crate::failure::Failure;
use crate::media::Media;

/// How far an import is.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The database is being asked whose it is.
    Claiming,
    /// It is this process's.
    Running,
    /// It came to be.
    Made(Arc<Media>),
    /// It came to nothing, and who waited is told why.
    Failed(Failure),
    /// It was not this process's to make: whoever still wants it asks the database for itself.
    Vacated,
}

/// What is under way under one claim, as duplicates see it.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) payload: PayloadHash,
    pub(super) stage: watch::Receiver<Stage>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Flights {
    by_claim: Mutex<HashMap<Arc<ClaimKey>, Flight>>,
    landed: Mutex<Landed>,
}

/// The claims under which something was made lately: a request under one of them is most likely a replay. A hint and no
/// more, so digests do.
#[derive(Default)]
struct Landed {
    digests: RandomState,
    young: HashSet<u64>,
    old: HashSet<u64>,
}

/// How many claims each half of [`Landed`] holds.
const LANDED: usize = 8_192;

impl Landed {
    fn remember(&mut self, claim: &ClaimKey) {
        if self.young.len() == LANDED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(self.digests.hash_one(claim));
    }

    fn has(&self, claim: &ClaimKey) -> bool {
        let digest = self.digests.hash_one(claim);
        self.young.contains(&digest) || self.old.contains(&digest)
    }
}

/// Who comes first under a claim holds its seat; the others are told what becomes of it. Dropped without an end, the
/// seat is vacated.
pub(super) struct Seat {
    flights: Arc<Flights>,
    claim: Arc<ClaimKey>,
    stage: watch::Sender<Stage>,
    ending: Stage,
}

/// What there is under a claim.
pub(super) enum Boarding {
    First(Seat),
    Behind(Flight),
}

impl Flights {
    /// Takes the seat under `claim` if it is free.
    pub(super) fn board(self: &Arc<Flights>, claim: &Arc<ClaimKey>, payload: PayloadHash) -> Boarding {
        let mut by_claim = self.by_claim.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = by_claim.get(claim) {
            return Boarding::Behind(flight.clone());
        }
        let (sender, stage) = watch::channel(Stage::Claiming);
        by_claim.insert(Arc::clone(claim), Flight { payload, stage });
        Boarding::First(Seat {
            flights: Arc::clone(self),
            claim: Arc::clone(claim),
            stage: sender,
            ending: Stage::Vacated,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.by_claim.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether something was made under the claim lately, as far as is remembered.
    pub(super) fn has_landed(&self, claim: &ClaimKey) -> bool {
        self.landed.lock().unwrap_or_else(PoisonError::into_inner).has(claim)
    }

    fn remove(&self, claim: &ClaimKey) {
        self.by_claim.lock().unwrap_or_else(PoisonError::into_inner).remove(claim);
    }
}

impl Flight {
    /// Waits until it is known whose import it is.
    pub(super) async fn claimed(mut self) -> Stage {
        match self.stage.wait_for(|stage| !matches!(stage, Stage::Claiming)).await {
            Ok(stage) => stage.clone(),
            Err(_sender_dropped) => Stage::Vacated,
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(mut self) -> Stage {
        match self.stage.wait_for(|stage| !matches!(stage, Stage::Claiming | Stage::Running)).await {
            Ok(stage) => stage.clone(),
            Err(_sender_dropped) => Stage::Vacated,
        }
    }
}

impl Seat {
    /// The import is this process's.
    pub(super) fn run(&self) {
        self.stage.send_replace(Stage::Running);
    }

    /// Frees the seat, and tells everybody behind it.
    pub(super) fn end(mut self, stage: Stage) {
        self.ending = stage;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Stage::Made(_) = self.ending {
            self.flights.landed.lock().unwrap_or_else(PoisonError::into_inner).remember(&self.claim);
        }
        // First the way is free for newcomers, then those who waited are told: some of them come again.
        self.flights.remove(&self.claim);
        self.stage.send_replace(std::mem::replace(&mut self.ending, Stage::Vacated));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AccountId;

    #[test]
    fn what_was_made_lately_is_remembered_and_the_memory_is_bounded() {
        let (mut landed, account_id) = (Landed::default(), AccountId::random());
        let claim = |nth: usize| ClaimKey { account_id: account_id.clone(), endpoint: "media", key: nth.to_string() };

        for nth in 0..5 * LANDED {
            assert!(!landed.has(&claim(nth)));
            landed.remember(&claim(nth));
            assert!(landed.young.len() + landed.old.len() <= 2 * LANDED);
        }

        assert!((4 * LANDED..5 * LANDED).all(|nth| landed.has(&claim(nth))));
        assert!(!landed.has(&claim(0)));
    }
}
