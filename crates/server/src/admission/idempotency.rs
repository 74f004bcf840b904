//! One import per key (contract: idempotency): who makes it, who replays it, and who waits for the one under way, on
//! this process or another. The claim's row is the truth; what is kept in memory only spares asking it.

mod flights;
mod joined;
mod key;
mod lease;
mod reckoning;
#[cfg(test)]
mod tests;
mod ticket;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::flights::{Boarding, Flights, Seat, Stage};
pub use self::joined::{Joined, Outcome};
pub use self::key::{IdempotencyKey, InvalidKey, PayloadHash};
use self::reckoning::Reckoning;
pub use self::ticket::Ticket;
use self::upkeep::{Chore, LOST_ANSWERS};
use crate::admission::Endpoint;
use crate::clock::{Clock, Timestamp};
use crate::db::{ClaimAnswer, ClaimKey, ClaimRequest, Db, DbError, KeySource};
use crate::id::{AccountId, OwnerId};
use crate::media::Media;

/// How long things are remembered and waited for.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencySettings {
    /// How long a caller's key answers with the media that it made.
    pub caller_ttl: Duration,
    /// The same for a derived key.
    pub derived_ttl: Duration,
    /// How often a running import shows that its process lives.
    pub heartbeat: Duration,
    /// After how long without a heartbeat an import on another process counts as dead.
    pub lease: Duration,
    /// How often an import on another process is asked for, at the slowest.
    pub slowest_poll: Duration,
}

impl Default for IdempotencySettings {
    fn default() -> IdempotencySettings {
        IdempotencySettings {
            caller_ttl: Duration::from_hours(24),
            derived_ttl: Duration::from_hours(1),
            heartbeat: Duration::from_secs(5),
            lease: Duration::from_secs(15),
            slowest_poll: Duration::from_millis(500),
        }
    }
}

/// What a request with an idempotency key is.
pub enum Entry {
    /// The first: it makes the import.
    Begin(Ticket),
    /// A replay of an import that came to be.
    AlreadyMade(Media),
    /// A duplicate of one that is under way.
    Join(Joined),
}

/// Why a request may not even wait.
#[derive(Debug, thiserror::Error)]
pub enum EnterRefused {
    #[error("the idempotency key was used with another payload")]
    KeyReused,
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("could not claim the idempotency key")]
    Db(#[from] DbError),
}

/// The imports of one process. Clones are the same room.
#[derive(Clone)]
pub(super) struct Imports {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    reckoning: Reckoning,
    owner: OwnerId,
    settings: IdempotencySettings,
    flights: Arc<Flights>,
    /// Cancelled when nothing new may begin.
    closing: CancellationToken,
    chores: mpsc::UnboundedSender<Chore>,
    lost_answers: Arc<Semaphore>,
}

/// What waits for the upkeep of an [`Imports`].
pub(super) struct Chores(mpsc::UnboundedReceiver<Chore>);

/// What one request wants, in the form in which it can ask again.
#[derive(Clone)]
struct Wish {
    claim: Arc<ClaimKey>,
    source: KeySource,
    payload: PayloadHash,
}

impl Imports {
    /// The room of the process `owner`, and the chores that its upkeep does.
    pub(super) fn new(settings: IdempotencySettings, db: Db, clock: Clock, owner: OwnerId) -> (Imports, Chores) {
        let (chores, inbox) = mpsc::unbounded_channel();
        let shared = Shared {
            db,
            reckoning: Reckoning::new(clock),
            owner,
            settings,
            flights: Arc::default(),
            closing: CancellationToken::new(),
            chores,
            lost_answers: Arc::new(Semaphore::new(LOST_ANSWERS)),
        };
        (Imports { shared: Arc::new(shared) }, Chores(inbox))
    }

    /// Renews, ends and forgets what must be, until `until`, which must come after the last import.
    pub(super) async fn keep_up(&self, chores: Chores, until: &CancellationToken) {
        self.upkeep(chores.0, until).await;
    }

    /// Nothing new begins from here on; what runs goes on, and who waits for another process is sent away.
    pub(super) fn close(&self) {
        self.shared.closing.cancel();
    }

    pub(super) async fn enter(
        &self,
        account: &AccountId,
        endpoint: Endpoint,
        key: &IdempotencyKey,
        payload: PayloadHash,
    ) -> Result<Entry, EnterRefused> {
        let claim = ClaimKey { account_id: account.clone(), endpoint: endpoint.as_str(), key: key.as_str().to_owned() };
        self.ask(Wish { claim: Arc::new(claim), source: key.source(), payload }).await
    }

    /// Finds out what a request is: first among the imports of this process, then by the claim's row.
    async fn ask(&self, wish: Wish) -> Result<Entry, EnterRefused> {
        loop {
            match self.shared.flights.board(&wish.claim, wish.payload) {
                Boarding::First(seat) => {
                    // Most likely a replay: to look needs neither the one that writes nor a task of its own.
                    if self.shared.flights.has_landed(&wish.claim)
                        && let Some((payload_hash, media)) =
                            self.shared.db.find_made(&wish.claim, self.shared.reckoning.now()).await?
                    {
                        return replay(seat, &wish, &payload_hash, media);
                    }
                    return self.claim_apart(seat, wish).await;
                }
                Boarding::Behind(flight) => {
                    let same_payload = flight.payload == wish.payload;
                    match flight.clone().claimed().await {
                        Stage::Running if !same_payload => return Err(EnterRefused::KeyReused),
                        Stage::Made(media) if same_payload => {
                            return Ok(Entry::AlreadyMade(Arc::unwrap_or_clone(media)));
                        }
                        Stage::Running | Stage::Failed(_) if same_payload => {
                            return Ok(Entry::Join(Joined::here(self.clone(), wish, flight)));
                        }
                        Stage::Claiming | Stage::Running | Stage::Made(_) | Stage::Failed(_) | Stage::Vacated => {}
                    }
                }
            }
        }
    }

    /// Claims on a task of its own, so that a caller that stops waiting in the middle leaves no claim that nobody holds.
    async fn claim_apart(&self, seat: Seat, wish: Wish) -> Result<Entry, EnterRefused> {
        let imports = self.clone();
        match tokio::spawn(async move { imports.claim(seat, wish).await }.in_current_span()).await {
            Ok(answer) => answer,
            Err(_runtime_is_ending) => Err(EnterRefused::ShuttingDown),
        }
    }

    async fn claim(&self, seat: Seat, wish: Wish) -> Result<Entry, EnterRefused> {
        let shared = &self.shared;
        let request = self.request(&wish);
        loop {
            let answer = match shared.db.claim(&request).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.disown_later(wish, &error);
                    return Err(error.into());
                }
            };
            match answer {
                ClaimAnswer::Won { fence } if shared.closing.is_cancelled() => {
                    self.give_back(wish.claim, fence).await;
                    return Err(EnterRefused::ShuttingDown);
                }
                ClaimAnswer::Won { fence } => {
                    seat.run();
                    return Ok(Entry::Begin(Ticket::new(self.clone(), wish, fence, seat)));
                }
                // A claim of this process that has no seat here is left over from an attempt whose end could not be
                // written: it holds nobody up.
                ClaimAnswer::Running { owner, fence, .. } if owner == shared.owner => {
                    shared.db.release(&request.key, fence).await?;
                }
                ClaimAnswer::Running { payload_hash, .. } if payload_hash != request.payload_hash => {
                    return Err(EnterRefused::KeyReused);
                }
                // Marked as watched, its failure is kept for this waiter; where it is over already, it is asked anew.
                ClaimAnswer::Running { fence, beat, .. } => {
                    if shared.db.watch(&wish.claim, fence).await? {
                        return Ok(Entry::Join(Joined::elsewhere(self.clone(), wish, fence, beat)));
                    }
                }
                ClaimAnswer::Done { payload_hash, media } => return replay(seat, &wish, &payload_hash, media),
            }
        }
    }

    fn request(&self, wish: &Wish) -> ClaimRequest {
        ClaimRequest {
            key: ClaimKey::clone(&wish.claim),
            source: wish.source,
            payload_hash: wish.payload.hex(),
            owner: self.shared.owner.clone(),
            now: self.shared.reckoning.now(),
        }
    }

    /// Takes a dead import over, if nobody was quicker; on a task of its own, as a claim is made.
    async fn take_over(&self, wish: &Wish, seen_fence: i64, seen_beat: i64) -> Result<Option<Ticket>, DbError> {
        let Boarding::First(seat) = self.shared.flights.board(&wish.claim, wish.payload) else { return Ok(None) };
        let (imports, wish) = (self.clone(), wish.clone());
        let taking = tokio::spawn(
            async move {
                let shared = &imports.shared;
                let fence = shared.db.take_over(&wish.claim, seen_fence, seen_beat, &shared.owner).await?;
                Ok(fence.map(|fence| {
                    seat.run();
                    Ticket::new(imports.clone(), wish, fence, seat)
                }))
            }
            .in_current_span(),
        );
        taking.await.unwrap_or(Ok(None))
    }

    /// Frees a claim under which nothing was begun.
    async fn give_back(&self, claim: Arc<ClaimKey>, fence: i64) {
        if let Err(error) = self.shared.db.release(&claim, fence).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Could not give back a claim; trying again");
            let _ = self.later(Chore::Release { claim, fence });
        }
    }

    /// A claim whose answer was lost may have taken effect.
    fn disown_later(&self, wish: Wish, error: &DbError) {
        let lost = matches!(error, DbError::Unavailable { .. });
        if let (true, Ok(counted)) = (lost, Arc::clone(&self.shared.lost_answers).try_acquire_owned()) {
            let _ = self.later(Chore::Disown { wish, counted });
        }
    }

    /// Leaves a chore to the upkeep; gives it back when there is none any more.
    fn later(&self, chore: Chore) -> Option<Chore> {
        self.shared.chores.send(chore).err().map(|refused| refused.0)
    }
}

/// What was made under the key, if it was made of the same payload.
fn replay(seat: Seat, wish: &Wish, payload_hash: &str, media: Media) -> Result<Entry, EnterRefused> {
    if payload_hash != wish.payload.hex() {
        return Err(EnterRefused::KeyReused);
    }
    seat.end(Stage::Made(Arc::new(media.clone())));
    Ok(Entry::AlreadyMade(media))
}

impl Shared {
    /// Until when a key of `source` answers with what is made now.
    fn remembered_until(&self, source: KeySource) -> Timestamp {
        let ttl = match source {
            KeySource::Caller => self.settings.caller_ttl,
            KeySource::Payload => self.settings.derived_ttl,
        };
        self.reckoning.now().plus_ms(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
    }
}
