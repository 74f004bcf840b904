//! Waiting for an import that somebody else makes: on a channel where it is this process's, else by reading its row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use soku_api::Reason;

use super::flights::{Flight, Stage};
use super::lease::{LeaseWatch, Pulse};
use super::ticket::Ticket;
use super::{EnterRefused, Entry, Imports, Wish};
use crate::db::ClaimState;
use crate::failure::Failure;
use crate::media::Media;

/// The first pause between two looks at another process's claim; each is half as long again as the one before.
const QUICKEST_POLL: Duration = Duration::from_millis(20);

/// A duplicate that waits. Dropping it changes nothing for anybody.
pub struct Joined {
    imports: Imports,
    wish: Wish,
    way: Way,
}

/// Where the import is under way.
enum Way {
    Here(Flight),
    Elsewhere { fence: i64, beat: i64 },
}

/// What came of the import that was waited for.
pub enum Outcome {
    Made(Media),
    Failed(Failure),
    /// Who made it is gone, and this one of all who waited makes it now.
    Begin(Ticket),
}

impl Joined {
    pub(super) fn here(imports: Imports, wish: Wish, flight: Flight) -> Joined {
        Joined { imports, wish, way: Way::Here(flight) }
    }

    pub(super) fn elsewhere(imports: Imports, wish: Wish, fence: i64, beat: i64) -> Joined {
        Joined { imports, wish, way: Way::Elsewhere { fence, beat } }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The database is away for longer than a lease, or this server stops while another process makes the import.
    pub async fn outcome(self) -> Result<Outcome, EnterRefused> {
        let Joined { imports, wish, mut way } = self;
        loop {
            let known = match way {
                Way::Here(flight) => match flight.ended().await {
                    Stage::Made(media) => Some(Outcome::Made(Arc::unwrap_or_clone(media))),
                    Stage::Failed(failure) => Some(Outcome::Failed(failure)),
                    Stage::Claiming | Stage::Running | Stage::Vacated => None,
                },
                Way::Elsewhere { fence, beat } => imports.wait_elsewhere(&wish, fence, beat).await?,
            };
            if let Some(outcome) = known {
                return Ok(outcome);
            }
            way = match imports.ask(wish.clone()).await {
                Ok(Entry::Begin(ticket)) => return Ok(Outcome::Begin(ticket)),
                Ok(Entry::AlreadyMade(media)) => return Ok(Outcome::Made(media)),
                Ok(Entry::Join(joined)) => joined.way,
                // The attempt that was waited for is gone, and its key has a new payload since.
                Err(EnterRefused::KeyReused) => return Ok(Outcome::Failed(Reason::Interrupted.into())),
                Err(refused @ (EnterRefused::ShuttingDown | EnterRefused::Db(_))) => return Err(refused),
            };
        }
    }
}

impl Imports {
    /// Waits for the attempt `fence` of another process until it has an outcome for this waiter; `None` where the row
    /// changed in a way that must be asked about anew.
    async fn wait_elsewhere(&self, wish: &Wish, fence: i64, beat: i64) -> Result<Option<Outcome>, EnterRefused> {
        let shared = &self.shared;
        let settings = &shared.settings;
        let started = Instant::now();
        let mut lease = LeaseWatch::new(settings.lease, settings.heartbeat, beat, started);
        let mut last_answer = started;
        // Often enough for the watch to believe its own eyes, however short the lease.
        let slowest_poll = settings.slowest_poll.min(settings.lease / 8);
        let mut pause = QUICKEST_POLL.min(slowest_poll);
        loop {
            tokio::select! {
                () = shared.closing.cancelled() => return Err(EnterRefused::ShuttingDown),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause + pause / 2).min(slowest_poll);
            let state = match shared.db.poll(&wish.claim, fence).await {
                Ok(state) => state,
                Err(error) if last_answer.elapsed() >= settings.lease => return Err(error.into()),
                Err(_passing) => continue,
            };
            last_answer = Instant::now();
            match state {
                Some(ClaimState::Failed { failure, .. }) => return Ok(Some(Outcome::Failed(failure))),
                Some(ClaimState::Running { fence: held_by, beat }) if held_by == fence => {
                    if lease.look(beat, last_answer) == Pulse::Dead {
                        return Ok(self.take_over(wish, fence, beat).await?.map(Outcome::Begin));
                    }
                }
                // Whether what was made or taken over is for the same payload, only claiming tells.
                Some(ClaimState::Running { .. } | ClaimState::Done { .. }) | None => return Ok(None),
            }
        }
    }
}
