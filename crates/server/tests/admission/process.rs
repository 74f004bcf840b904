//! One process of a story: its own way to the database, its admission, and the task beside it.

use std::sync::Arc;
use std::time::Duration;

use soku_api::Reason;
use soku_server::account::Account;
use soku_server::admission::{
    Admission, AdmissionSettings, Endpoint, EnterRefused, Entry, IdempotencyKey, IdempotencySettings, Joined, Outcome,
    PayloadHash, Ticket,
};
use soku_server::clock::Clock;
use soku_server::db::{Db, RecordError};
use soku_server::failure::Failure;
use soku_server::id::OwnerId;
use soku_server::media::Media;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, NOW, picture};

pub(crate) const CAT: &str = "https://example.com/cat.jpg";
pub(crate) const DOG: &str = "https://example.com/dog.jpg";

pub(crate) struct Process {
    pub(crate) db: Db,
    pub(crate) admission: Arc<Admission>,
    pub(crate) owner: OwnerId,
    pub(crate) clock: Clock,
    until: CancellationToken,
    upkeep: JoinHandle<()>,
}

impl Process {
    /// A process with leases so long that no story sees one end.
    pub(crate) async fn start(bed: &Bed) -> Process {
        let lease = Duration::from_secs(3_600);
        Process::with(bed, IdempotencySettings { lease, ..quick() }, Clock::manual(NOW)).await
    }

    pub(crate) async fn with(bed: &Bed, idempotency: IdempotencySettings, clock: Clock) -> Process {
        let db = bed.another().await;
        let settings = AdmissionSettings { idempotency, ..AdmissionSettings::default() };
        let owner = OwnerId::random();
        let (admission, upkeep) = Admission::open(settings, db.clone(), clock.clone(), owner.clone()).await.unwrap();
        let until = CancellationToken::new();
        let upkeep = tokio::spawn(upkeep.run(until.clone()));
        Process { db, admission, owner, clock, until, upkeep }
    }

    /// As the program stops when it is asked to.
    pub(crate) async fn stop(self) {
        self.admission.close();
        self.until.cancel();
        self.upkeep.await.unwrap();
        self.db.close().await;
    }

    /// As the program stops when the power goes: nothing is written any more.
    pub(crate) async fn die(self) {
        self.upkeep.abort();
        assert!(self.upkeep.await.unwrap_err().is_cancelled());
        self.db.close().await;
    }

    pub(crate) async fn enter(&self, account: &Account, key: &str, url: &str) -> Result<Entry, EnterRefused> {
        let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
        self.admission.enter(&account.id, Endpoint::Media, &key, payload(url)).await
    }

    /// Enters without a key of the caller's.
    pub(crate) async fn enter_keyless(&self, account: &Account, url: &str) -> Result<Entry, EnterRefused> {
        let key = IdempotencyKey::derive(&account.id, &payload(url));
        self.admission.enter(&account.id, Endpoint::Media, &key, payload(url)).await
    }

    pub(crate) async fn begin(&self, account: &Account, key: &str, url: &str) -> Ticket {
        begun(self.enter(account, key, url).await)
    }

    pub(crate) async fn join(&self, account: &Account, key: &str, url: &str) -> Joined {
        match self.enter(account, key, url).await {
            Ok(Entry::Join(joined)) => joined,
            other => panic!("did not join: {}", name(&other)),
        }
    }

    /// What ingest does once the object is kept.
    pub(crate) async fn record(&self, account: &Account, ticket: &Ticket) -> Result<Media, RecordError> {
        let media = picture(account);
        let until = ticket.remembered_until();
        self.db.record(&media, ticket.claim(), ticket.fence(), until).await?;
        Ok(media)
    }

    pub(crate) async fn finish(&self, account: &Account, ticket: Ticket) -> Media {
        let media = self.record(account, &ticket).await.unwrap();
        ticket.complete(&media);
        media
    }
}

/// Heartbeats and polls so frequent that no story waits for them.
pub(crate) fn quick() -> IdempotencySettings {
    IdempotencySettings {
        heartbeat: Duration::from_millis(100),
        slowest_poll: Duration::from_millis(40),
        ..IdempotencySettings::default()
    }
}

pub(crate) fn payload(url: &str) -> PayloadHash {
    PayloadHash::of([("url", url.as_bytes())])
}

pub(crate) fn begun(entered: Result<Entry, EnterRefused>) -> Ticket {
    match entered {
        Ok(Entry::Begin(ticket)) => ticket,
        other => panic!("did not begin: {}", name(&other)),
    }
}

pub(crate) fn already_made(entered: Result<Entry, EnterRefused>) -> Media {
    match entered {
        Ok(Entry::AlreadyMade(media)) => media,
        other => panic!("was no replay: {}", name(&other)),
    }
}

pub(crate) fn is_key_reused(entered: &Result<Entry, EnterRefused>) -> bool {
    matches!(entered, Err(EnterRefused::KeyReused))
}

pub(crate) fn is_shutting_down(entered: &Result<Entry, EnterRefused>) -> bool {
    matches!(entered, Err(EnterRefused::ShuttingDown))
}

fn name(entered: &Result<Entry, EnterRefused>) -> String {
    match entered {
        Ok(Entry::Begin(_)) => "begins".to_owned(),
        Ok(Entry::AlreadyMade(media)) => format!("replays {}", media.id),
        Ok(Entry::Join(_)) => "joins".to_owned(),
        Err(refused) => format!("{refused:?}"),
    }
}

/// The media that a waiter was told of.
pub(crate) fn made(outcome: Result<Outcome, EnterRefused>) -> Media {
    match outcome {
        Ok(Outcome::Made(media)) => media,
        Ok(Outcome::Failed(failure)) => panic!("failed: {failure:?}"),
        Ok(Outcome::Begin(_)) => panic!("took over"),
        Err(refused) => panic!("{refused:?}"),
    }
}

/// The failure that a waiter was told of.
pub(crate) fn failed(outcome: Result<Outcome, EnterRefused>) -> Failure {
    match outcome {
        Ok(Outcome::Failed(failure)) => failure,
        Ok(Outcome::Made(media)) => panic!("made {}", media.id),
        Ok(Outcome::Begin(_)) => panic!("took over"),
        Err(refused) => panic!("{refused:?}"),
    }
}

/// A failure with everything in it that a waiter must be told.
pub(crate) fn gone() -> Failure {
    Failure { source_status: Some(410), ..Failure::from(Reason::SourceStatus) }
}
