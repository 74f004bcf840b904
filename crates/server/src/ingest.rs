//! The one use case behind `POST /v1/media` and `soku import`: admit, fetch, keep, record.
//!
//! Order is everything here (ARCHITECTURE.md): spool, durable object, row, answer. The job belongs to the process and not
//! to the connection that asked for it.

use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use soku_api::Reason;
use soku_fetch::{FetchJob, Fetched, Fetcher, FirstBytes, Progress, SourceUrl};
use soku_media::Typed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, error, info, info_span, warn};

use crate::admission::{Admission, Endpoint, EnterRefused, Entry, IdempotencyKey, Outcome, PayloadHash, Ticket, Turn};
use crate::clock::Clock;
use crate::db::{Db, DbError, RecordError};
use crate::failure::{Failure, is_out_of_files};
use crate::id::{AccountId, MediaId};
use crate::media::{Disposition, Media};
use crate::metrics;
use crate::store::{Kept, ObjectKey, ObjectMeta, Room, Store, StoreError};
use crate::telemetry::Causes;
use crate::telemetry::traces::STEPS;

mod failed;

/// What an import is asked with.
pub struct Import {
    pub account: AccountId,
    pub url: SourceUrl,
    /// The caller's own key; without one it is derived from the account and the payload.
    pub key: Option<IdempotencyKey>,
    /// Told how far the download is.
    pub progress: Option<Arc<Progress>>,
}

/// A media entry that is stored for good.
#[derive(Clone, Debug)]
pub struct Imported {
    pub media: Media,
    /// Whether another request made it.
    pub replayed: bool,
}

/// Why there is none.
#[derive(Debug)]
pub enum ImportError {
    /// The idempotency key was used with another payload.
    KeyReused,
    Failed(Failure),
    /// A bug: the job panicked. The log has the cause.
    Broken,
}

/// The parts that an import passes through, in this order.
pub struct Parts {
    pub clock: Clock,
    pub admission: Arc<Admission>,
    pub fetcher: Fetcher,
    pub room: Room,
    pub store: Store,
    pub db: Db,
}

/// Imports media; cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    parts: Arc<Parts>,
    jobs: TaskTracker,
    interrupt: CancellationToken,
}

/// A file that is kept but not yet recorded.
struct Prepared {
    media: Media,
    kept: Kept,
    key: ObjectKey,
    /// Removed when this is dropped: then the row is committed, or the object is marked.
    _fetched: Fetched,
    _turn: Turn,
}

impl Ingest {
    /// An import line over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Ingest {
        Ingest { parts: Arc::new(parts), jobs: TaskTracker::new(), interrupt: CancellationToken::new() }
    }

    /// Imports one URL, or answers with what the same request made before or is making now.
    ///
    /// Dropping the returned future does not stop the work.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        let (parts, interrupt) = (Arc::clone(&self.parts), self.interrupt.clone());
        // On a task from the first claim on: whoever hangs up, at whatever moment, leaves no claim that nobody works on.
        let job = async move { parts.import(&import, &interrupt).await };
        self.jobs.spawn(job.in_current_span()).await.unwrap_or_else(|panicked| {
            error!("An import panicked: {panicked}");
            Err(ImportError::Broken)
        })
    }

    /// How many requests are being worked on or waited for.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.jobs.len()
    }

    /// Refuses what is not begun, lets what runs go on for at most `grace`, then interrupts the rest.
    pub async fn stop(&self, grace: Duration) {
        self.parts.admission.close();
        self.jobs.close();
        if tokio::time::timeout(grace, self.jobs.wait()).await.is_err() {
            warn!(running = self.jobs.len(), "Downloads still run after the grace period and are interrupted");
            self.interrupt.cancel();
            self.jobs.wait().await;
        }
    }
}

impl Parts {
    async fn import(&self, import: &Import, interrupt: &CancellationToken) -> Result<Imported, ImportError> {
        let ended = self.answer(import, interrupt).await;
        metrics::import_ended(match &ended {
            Ok(imported) if imported.replayed => "replayed",
            Ok(_) => "made",
            Err(ImportError::KeyReused) => "key_reused",
            Err(ImportError::Failed(_) | ImportError::Broken) => "failed",
        });
        ended
    }

    async fn answer(&self, import: &Import, interrupt: &CancellationToken) -> Result<Imported, ImportError> {
        let joined = match self.enter(import).await? {
            Entry::Begin(ticket) => return self.make(import, ticket, interrupt).await,
            Entry::AlreadyMade(media) => return Ok(Imported { media, replayed: true }),
            Entry::Join(joined) => joined,
        };
        match joined.outcome().instrument(info_span!(target: STEPS, "join")).await.map_err(refused)? {
            Outcome::Made(media) => Ok(Imported { media, replayed: true }),
            Outcome::Failed(failure) => Err(ImportError::Failed(failure)),
            Outcome::Begin(ticket) => self.make(import, ticket, interrupt).await,
        }
    }

    async fn enter(&self, import: &Import) -> Result<Entry, ImportError> {
        let payload = PayloadHash::of([("url", import.url.identity().as_bytes())]);
        let derived;
        let key = match &import.key {
            Some(key) => key,
            None => {
                derived = IdempotencyKey::derive(&import.account, &payload);
                &derived
            }
        };
        let entering = self.admission.enter(&import.account, Endpoint::Media, key, payload);
        entering.instrument(info_span!(target: STEPS, "admission")).await.map_err(refused)
    }

    /// Makes the import that `ticket` stands for, and tells all who wait how it ended.
    async fn make(
        &self,
        import: &Import,
        ticket: Ticket,
        interrupt: &CancellationToken,
    ) -> Result<Imported, ImportError> {
        let begun = Instant::now();
        // What is kept is recorded, come what may: an interrupt between the two would answer 500 for a file that is there.
        let prepared = tokio::select! {
            prepared = self.prepare(import) => prepared,
            () = interrupt.cancelled() => Err(Reason::Interrupted.into()),
        };
        let outcome = match prepared {
            Ok(prepared) => step(a_step!("record"), self.record(prepared, &ticket)).await,
            Err(failure) => Err(failure),
        };
        let (ended, stored_bytes) = match &outcome {
            Ok(media) => ("stored", media.size_bytes),
            Err(failure) => (failure.reason.as_str(), 0),
        };
        metrics::download_ended(ended, begun.elapsed(), stored_bytes);
        match outcome {
            Ok(media) => {
                ticket.complete(&media);
                Ok(Imported { media, replayed: false })
            }
            Err(failure) => {
                ticket.fail(failure.clone()).await;
                Err(ImportError::Failed(failure))
            }
        }
    }

    /// Takes a turn, fetches, and keeps the object.
    async fn prepare(&self, import: &Import) -> Result<Prepared, Failure> {
        let turn = async { Ok(self.admission.turns.wait(&import.account).await?) };
        let turn = step(a_step!("turn"), turn).await?;
        let id = MediaId::random();
        let fetched = step(a_step!("fetch"), self.fetch(&id, import)).await?;
        let typed = step(a_step!("type"), exact_type(&fetched)).await?;
        let media = self.describe(id, import, &fetched, &typed);
        let key = ObjectKey::of(&media);
        let kept = step(a_step!("keep"), self.keep(&fetched, &media, &key)).await?;
        Ok(Prepared { media, kept, key, _fetched: fetched, _turn: turn })
    }

    async fn fetch(&self, id: &MediaId, import: &Import) -> Result<Fetched, Failure> {
        let job = FetchJob {
            url: &import.url,
            on_behalf_of: import.account.as_str(),
            spool: self.room.spool_path(id),
            verdict: &first_verdict,
            progress: import.progress.as_deref(),
        };
        self.fetcher.fetch(job).await.map_err(|error| {
            let failure = failed::from_fetch(&error);
            info!(
                reason = failure.reason.as_str(),
                source = import.url.redacted(),
                "A download failed: {}",
                Causes(&error)
            );
            failure
        })
    }

    fn describe(&self, id: MediaId, import: &Import, fetched: &Fetched, typed: &Typed) -> Media {
        let disposition = fetched.content_disposition.as_deref();
        let name = soku_media::choose_name(disposition, import.url.as_url(), fetched.final_url.as_url(), typed);
        Media {
            id,
            account_id: import.account.clone(),
            filename: name.as_str().to_owned(),
            content_type: typed.mime().to_owned(),
            disposition: if typed.is_inline() { Disposition::Inline } else { Disposition::Attachment },
            size_bytes: fetched.spooled.size_bytes(),
            sha256: hex::encode(fetched.spooled.sha256()),
            source_url: import.url.redacted().to_owned(),
            created: self.clock.now(),
        }
    }

    /// Object first, then the row: whatever ends this in between, the object is marked, and the sweep removes it unless
    /// the row came to be after all.
    async fn keep(&self, fetched: &Fetched, media: &Media, key: &ObjectKey) -> Result<Kept, Failure> {
        self.store.keep(&fetched.spooled, key, &ObjectMeta::of(media)).await.map_err(|error| {
            error!(media.id = %media.id, "Could not keep media: {}", Causes(&error));
            Failure::from(match error {
                StoreError::Full { .. } => Reason::StorageFull,
                error if is_out_of_files(&error) => Reason::NotReady,
                _ => Reason::StorageFailed,
            })
        })
    }

    /// Writes the row and ends the claim in one transaction, and settles what becomes of the object.
    async fn record(&self, prepared: Prepared, ticket: &Ticket) -> Result<Media, Failure> {
        let Prepared { media, kept, key, _fetched, _turn } = prepared;
        let until = ticket.remembered_until();
        match self.db.record(&media, ticket.claim(), ticket.fence(), until).await {
            Ok(()) => kept.recorded(),
            Err(RecordError::FenceLost) => {
                warn!(media.id = %media.id, "Another process took the claim over; this download is dropped");
                self.discard(kept, &key).await;
                return Err(Reason::Interrupted.into());
            }
            Err(RecordError::Db(cause)) => {
                error!(media.id = %media.id, "Could not record media: {}", Causes(&cause));
                let full = matches!(cause, DbError::Full { .. });
                let failure = Failure::from(if full { Reason::StorageFull } else { Reason::StorageFailed });
                self.settle(kept, &key, &media.id, ticket, failure).await?;
            }
        }
        info!(
            media.id = %media.id,
            account.id = %media.account_id,
            size_bytes = media.size_bytes,
            content_type = media.content_type,
            source = media.source_url,
            "Stored media `{}`", media.id
        );
        Ok(media)
    }

    /// Finds out whether a row whose commit was not confirmed is there. The claim ends first: that waits for a commit
    /// under way, or makes it lose its fence, so that afterwards the row's absence is final.
    async fn settle(
        &self,
        kept: Kept,
        key: &ObjectKey,
        id: &MediaId,
        ticket: &Ticket,
        failure: Failure,
    ) -> Result<(), Failure> {
        let until = self.clock.now();
        if self.db.fail(ticket.claim(), ticket.fence(), &failure, until).await.is_err() {
            // Nobody knows: the mark that `kept` leaves lets a sweep decide when the database is back.
            return Err(failure);
        }
        match self.db.find_media(id).await {
            Ok(Some(_)) => {
                kept.recorded();
                Ok(())
            }
            Ok(None) => {
                self.discard(kept, key).await;
                Err(failure)
            }
            Err(_) => Err(failure),
        }
    }

    async fn discard(&self, kept: Kept, key: &ObjectKey) {
        match self.store.delete(key).await {
            Ok(()) => kept.nothing_left(),
            Err(error) => {
                error!("Could not remove an unrecorded object; a sweep will: {}", Causes(&error));
            }
        }
    }
}

/// The span of a step that may fail.
macro_rules! a_step {
    ($name:literal) => {
        info_span!(target: STEPS, $name, error.type = Empty, otel.status_code = Empty)
    };
}
use a_step;

/// Takes a step, and has its span say why it failed.
async fn step<T>(span: Span, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let outcome = work.instrument(span.clone()).await;
    if let Err(failure) = &outcome {
        span.record("error.type", failure.reason.as_str());
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

fn refused(error: EnterRefused) -> ImportError {
    match error {
        EnterRefused::KeyReused => ImportError::KeyReused,
        EnterRefused::ShuttingDown => ImportError::Failed(Reason::ShuttingDown.into()),
        EnterRefused::Db(cause) => {
            error!("Could not claim an idempotency key: {}", Causes(&cause));
            let full = matches!(cause, DbError::Full { .. });
            ImportError::Failed(if full { Reason::StorageFull } else { Reason::NotReady }.into())
        }
    }
}

/// Whether the first decoded bytes can be media at all, so that a page is refused before it is loaded.
fn first_verdict(first: &FirstBytes<'_>) -> Result<(), soku_fetch::ContentRefused> {
    let sniffed = soku_media::sniff(first.head, first.complete);
    match soku_media::judge(sniffed, first.content_type) {
        Ok(_) => Ok(()),
        Err(refused) => Err(soku_fetch::ContentRefused { detected_type: refused.detected_type }),
    }
}

/// Files up to this size are read in one go where they lie in the page cache, just written: that costs less than a way to
/// another thread and back.
const READ_IN_PLACE_BYTES: u64 = 256 * 1024;

/// The type of the whole file, read where it lies.
async fn exact_type(fetched: &Fetched) -> Result<Typed, Failure> {
    let size = fetched.spooled.size_bytes();
    let sniffed = if size <= READ_IN_PLACE_BYTES {
        read_back(fetched.spooled.file(), size).and_then(|bytes| soku_media::sniff_file(&mut Cursor::new(bytes), size))
    } else {
        let file = fetched.spooled.file().try_clone();
        let sniffing = tokio::task::spawn_blocking(move || soku_media::sniff_file(&mut file?, size));
        sniffing.await.map_err(io::Error::other).flatten()
    };
    let sniffed = sniffed.map_err(|error| {
        error!("Could not tell the type of a spool file: {}", Causes(&error));
        Failure::from(if is_out_of_files(&error) { Reason::NotReady } else { Reason::StorageFailed })
    })?;
    soku_media::judge(sniffed, fetched.content_type.as_deref())
        .map_err(|refused| Failure { detected_type: Some(refused.detected_type), ..Failure::from(Reason::NotMedia) })
}

fn read_back(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
