//! The imports that this process has under way, each under its claim, so that duplicates on the same process wait on a
//! channel. As many as there are tickets: a caller's keys do not fill it (rule K3).

use std::collections::HashMap;
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
        // First the way is free for newcomers, then those who waited are told: some of them come again.
        self.flights.remove(&self.claim);
        self.stage.send_replace(std::mem::replace(&mut self.ending, Stage::Vacated));
    }
}
