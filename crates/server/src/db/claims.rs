//! Idempotency claims: who may make the media entry of a key, and what the others wait for.
//!
//! A claim is a lease. Its fencing number changes hands with it, its beat shows that the holder lives.

use futures_util::FutureExt as _;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::error::Cause;
use super::media::{MediaRow, media_columns};
use super::{Act, Db, DbError, Tx, on_reader, on_tx};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::id::{AccountId, OwnerId};
use crate::media::Media;

/// How often a claim looks again when the row in its way goes while it looks.
const ROUNDS: usize = 16;
/// What asking for a claim is called in errors.
const READING: &str = "reading a claim";

/// What a claim is for: account × endpoint × key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClaimKey {
    pub account_id: AccountId,
    pub endpoint: &'static str,
    /// The caller's key, or the one derived from its payload.
    pub key: String,
}

/// Where a key comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeySource {
    /// The `Idempotency-Key` header.
    Caller,
    /// The account and the parsed payload.
    Payload,
}

/// A wish to be the one who makes the media entry of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimRequest {
    pub key: ClaimKey,
    pub source: KeySource,
    pub payload_hash: String,
    /// This process.
    pub owner: OwnerId,
    pub now: Timestamp,
}

/// What became of a [`ClaimRequest`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimAnswer {
    /// The claim is ours under this fencing number.
    Won { fence: i64 },
    /// Somebody is at it.
    Running { payload_hash: String, owner: OwnerId, fence: i64, beat: i64 },
    /// It is done, and still remembered.
    Done { payload_hash: String, media: Media },
}

/// What a waiter sees of the attempt that it joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimState {
    /// Still going on. A lease whose fence and beat stand still for long is dead.
    Running {
        fence: i64,
        beat: i64,
    },
    Done {
        media: Media,
    },
    /// The attempt joined, or one that took its place, failed.
    Failed {
        fence: i64,
        failure: Failure,
    },
}

#[derive(FromRow)]
struct ClaimRow {
    payload_hash: String,
    state: String,
    owner: String,
    fence: i64,
    beat: i64,
    failure: Option<String>,
    failed_fence: Option<i64>,
    expires: i64,
}

/// A claim, and the media entry that it made, if it is done.
struct Found {
    claim: ClaimRow,
    media: Option<MediaRow>,
}

impl<'r, R> FromRow<'r, R> for Found
where
    R: Row,
    ClaimRow: FromRow<'r, R>,
    MediaRow: FromRow<'r, R>,
    for<'name> &'name str: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Found, sqlx::Error> {
        let made: Option<String> = row.try_get("id")?;
        let media = made.is_some().then(|| MediaRow::from_row(row)).transpose()?;
        Ok(Found { claim: ClaimRow::from_row(row)?, media })
    }
}

/// A claim's first fencing number: random, so that a row made anew never repeats one that a stranded process still holds.
fn first_fence() -> i64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    // Half of the range is left for take-overs to count up in.
    i64::from_le_bytes(bytes) & (i64::MAX >> 1)
}

pub(super) const TAKE_OVER: &str = "UPDATE idempotency SET owner = $6, fence = fence + 1, beat = beat + 1 \
    WHERE account_id = $1 AND endpoint = $2 AND claim_key = $3 AND state = 'running' \
    AND fence = $4 AND beat = $5 RETURNING fence";

pub(super) const BEAT: &str = "UPDATE idempotency SET beat = beat + 1 WHERE owner = $1 AND state = 'running'";

/// A claim and what it made in one question: a replay asks nothing else. A media entry is found only where it is the
/// claim's own account's (rule K4).
pub(super) const FIND: &str = concat!(
    "SELECT payload_hash, state, owner, fence, beat, failure, failed_fence, expires, ",
    media_columns!(),
    " FROM idempotency LEFT JOIN media ON media.id = idempotency.media_id AND media.account_id = idempotency.account_id \
     WHERE idempotency.account_id = $1 AND endpoint = $2 AND claim_key = $3"
);

macro_rules! insert_claim {
    () => {
        // A failure still being told stays beside the new attempt, which then owes its own to the same waiters.
        "INSERT INTO idempotency (account_id, endpoint, claim_key, explicit, payload_hash, state, \
            media_id, owner, fence, beat, watched, failure, failed_fence, expires) \
        VALUES ($1, $2, $3, $4, $5, 'running', NULL, $6, $7, 0, FALSE, NULL, NULL, 0) \
        ON CONFLICT (account_id, endpoint, claim_key) DO UPDATE SET explicit = excluded.explicit, \
            payload_hash = excluded.payload_hash, state = 'running', media_id = NULL, owner = excluded.owner, \
            fence = idempotency.fence + 1, beat = idempotency.beat + 1, \
            watched = (idempotency.state = 'failed' AND idempotency.expires > $8), expires = 0 \
        WHERE idempotency.state = 'failed' OR (idempotency.state = 'done' AND idempotency.expires <= $8) \
        RETURNING fence"
    };
}
const INSERT: &str = insert_claim!();
const INSERT_AND_COMMIT: &str = concat!(insert_claim!(), "; COMMIT");

impl Db {
    /// Claims a key, or says who has it. Expired and failed claims are taken over.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimAnswer, DbError> {
        const OPERATION: &str = "claiming an idempotency key";
        for _ in 0..ROUNDS {
            let wish = request.clone();
            let fence = first_fence();
            let won = self
                .write(Act::passing(OPERATION).ending_alone(), move |mut tx| {
                    async move {
                        let sql = if let Tx::SqliteAlone(_) = tx { INSERT_AND_COMMIT } else { INSERT };
                        // To the end of the text: one row ends the first statement only.
                        let fences = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(sql)
                            .bind(wish.key.account_id.as_str())
                            .bind(wish.key.endpoint)
                            .bind(wish.key.key)
                            .bind(wish.source == KeySource::Caller)
                            .bind(wish.payload_hash)
                            .bind(wish.owner.as_str())
                            .bind(fence)
                            .bind(wish.now.0)
                            .fetch_all(conn)
                            .await)?;
                        Ok(fences.into_iter().next())
                    }
                    .boxed()
                })
                .await?;
            if let Some(fence) = won {
                return Ok(ClaimAnswer::Won { fence });
            }
            if let Some(answer) = self.who_has(&request.key, request.now).await? {
                return Ok(answer);
            }
        }
        Err(DbError::during(OPERATION, sqlx::Error::PoolTimedOut))
    }

    /// What was made under a key that is still remembered, with the hash of its payload; nothing is written.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn find_made(&self, key: &ClaimKey, now: Timestamp) -> Result<Option<(String, Media)>, DbError> {
        Ok(match self.who_has(key, now).await? {
            Some(ClaimAnswer::Done { payload_hash, media }) => Some((payload_hash, media)),
            Some(ClaimAnswer::Won { .. } | ClaimAnswer::Running { .. }) | None => None,
        })
    }

    /// The holder of a claim, or what came of it; `None` where it is free.
    async fn who_has(&self, key: &ClaimKey, now: Timestamp) -> Result<Option<ClaimAnswer>, DbError> {
        let Some((claim, media)) = self.find_claim(key).await? else { return Ok(None) };
        Ok(match claim.state.as_str() {
            "running" => Some(ClaimAnswer::Running {
                payload_hash: claim.payload_hash,
                owner: OwnerId::from_stored(claim.owner),
                fence: claim.fence,
                beat: claim.beat,
            }),
            "done" if claim.expires > now.0 => {
                media.map(|media| ClaimAnswer::Done { payload_hash: claim.payload_hash, media })
            }
            _ => None,
        })
    }

    /// Takes a dead lease over: ours under a new fencing number, unless it has moved since it was seen.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn take_over(
        &self,
        key: &ClaimKey,
        seen_fence: i64,
        seen_beat: i64,
        new_owner: &OwnerId,
    ) -> Result<Option<i64>, DbError> {
        let (key, owner) = (key.clone(), new_owner.clone());
        self.write(Act::passing("taking over a claim"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(TAKE_OVER)
                    .bind(key.account_id.as_str())
                    .bind(key.endpoint)
                    .bind(key.key)
                    .bind(seen_fence)
                    .bind(seen_beat)
                    .bind(owner.as_str())
                    .fetch_optional(conn)
                    .await)?)
            }
            .boxed()
        })
        .await
    }

    /// Marks a running claim as waited for, so that its failure is kept for the waiter. False where that attempt is over.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn watch(&self, key: &ClaimKey, fence: i64) -> Result<bool, DbError> {
        const SQL: &str = "UPDATE idempotency SET watched = TRUE \
            WHERE account_id = $1 AND endpoint = $2 AND claim_key = $3 AND state = 'running' AND fence = $4";
        self.change_claim(Act::passing("watching a claim"), SQL, key, fence).await
    }

    /// Runs one statement on the claim under that fencing number (`$1` to `$4`); says whether there was one.
    pub(super) async fn change_claim(
        &self,
        act: Act,
        sql: &'static str,
        key: &ClaimKey,
        fence: i64,
    ) -> Result<bool, DbError> {
        let key = key.clone();
        let work = self.write(act, move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn => sqlx::query(sql)
                    .bind(key.account_id.as_str())
                    .bind(key.endpoint)
                    .bind(key.key)
                    .bind(fence)
                    .execute(conn)
                    .await
                    .map(|result| result.rows_affected()))?)
            }
            .boxed()
        });
        Ok(work.await? > 0)
    }

    /// What became of the attempt `joined_fence`, for one who watches it; `None` where the claim is free.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn poll(&self, key: &ClaimKey, joined_fence: i64) -> Result<Option<ClaimState>, DbError> {
        let Some((claim, media)) = self.find_claim(key).await? else { return Ok(None) };
        if claim.state == "done" {
            return Ok(media.map(|media| ClaimState::Done { media }));
        }
        if let (Some(fence), Some(failure)) = (claim.failed_fence, &claim.failure)
            && fence >= joined_fence
        {
            let failure = serde_json::from_str(failure).map_err(|_| Cause::unreadable("idempotency.failure"));
            let failure = failure.map_err(|error| DbError::during(READING, error))?;
            return Ok(Some(ClaimState::Failed { fence, failure }));
        }
        Ok((claim.state == "running").then_some(ClaimState::Running { fence: claim.fence, beat: claim.beat }))
    }

    /// Shows that this process lives: one statement renews every claim it runs. Gives their number.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn beat(&self, owner: &OwnerId) -> Result<u64, DbError> {
        let owner = owner.clone();
        self.write(Act::passing("renewing claims"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn =>
                    sqlx::query(BEAT).bind(owner.as_str()).execute(conn).await.map(|result| result.rows_affected()))?)
            }
            .boxed()
        })
        .await
    }

    async fn find_claim(&self, key: &ClaimKey) -> Result<Option<(ClaimRow, Option<Media>)>, DbError> {
        let found = on_reader!(self, READING, conn => sqlx::query_as::<_, Found>(FIND)
            .bind(key.account_id.as_str())
            .bind(key.endpoint)
            .bind(key.key.as_str())
            .fetch_optional(conn))?;
        let Some(Found { claim, media }) = found else { return Ok(None) };
        let media = media.map(Media::try_from).transpose().map_err(|error| DbError::during(READING, error))?;
        Ok(Some((claim, media)))
    }
}
