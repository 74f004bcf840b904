//! How a claim ends: recorded, failed, given back, or forgotten. Each asks for the fencing number that it was won with.

use futures_util::FutureExt as _;

use super::{Act, ClaimKey, Db, DbError, RecordError, Steps, Tx, Undo, on_tx};
use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::id::OwnerId;
use crate::media::Media;

/// The two statements of a record. They share their numbered values, and the first one decides.
macro_rules! insert_media {
    () => {
        "INSERT INTO media (id, account_id, filename, content_type, disposition, size_bytes, sha256, source_url, created) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM idempotency \
         WHERE account_id = $10 AND endpoint = $11 AND claim_key = $12 AND fence = $13 AND state = 'running'"
    };
}
macro_rules! finish_claim {
    () => {
        "UPDATE idempotency SET state = 'done', media_id = $1, expires = $14, failure = NULL, failed_fence = NULL, \
         watched = FALSE \
         WHERE account_id = $10 AND endpoint = $11 AND claim_key = $12 AND fence = $13 AND state = 'running'"
    };
}
pub(super) const INSERT_MEDIA: &str = insert_media!();
pub(super) const FINISH_CLAIM: &str = finish_claim!();
/// Both at once, as SQLite takes them: each statement more costs a way to the connection's thread and back.
const RECORD: &str = concat!(insert_media!(), "; ", finish_claim!());
const RECORD_AND_COMMIT: &str = concat!(insert_media!(), "; ", finish_claim!(), "; COMMIT");

pub(super) const RELEASE_OWNER: &str = "DELETE FROM idempotency WHERE owner = $1 AND state = 'running'";

pub(super) const PURGE: &str = "DELETE FROM idempotency WHERE state <> 'running' AND expires <= $1 \
    AND (account_id, endpoint, claim_key) IN (SELECT account_id, endpoint, claim_key FROM idempotency \
        WHERE state <> 'running' AND expires <= $1 ORDER BY expires LIMIT $2)";

impl Db {
    /// Records a finished import in one transaction: the media row, and the claim done until `expires`.
    ///
    /// # Errors
    /// [`RecordError::FenceLost`] where the claim is not ours any more; then nothing was written.
    pub async fn record(
        &self,
        media: &Media,
        key: &ClaimKey,
        fence: i64,
        expires: Timestamp,
    ) -> Result<(), RecordError> {
        const OPERATION: &str = "recording a media entry";
        let too_large = |_| DbError::during(OPERATION, sqlx::Error::Encode("the size is beyond BIGINT".into()));
        let size_bytes = i64::try_from(media.size_bytes).map_err(too_large)?;
        let (media, key) = (media.clone(), key.clone());
        let act = Act::durable(OPERATION).in_steps(Steps::FirstDecides).ending_alone();
        let work = self.try_write(act, move |mut tx| {
            async move {
                let texts: &[&'static str] = match tx {
                    Tx::Sqlite(_) => &[RECORD],
                    Tx::SqliteAlone(_) => &[RECORD_AND_COMMIT],
                    Tx::Postgres(_) => &[INSERT_MEDIA, FINISH_CLAIM],
                };
                let mut rows = 0;
                for &sql in texts {
                    rows += on_tx!(tx, conn => sqlx::query(sql)
                        .bind(media.id.as_str())
                        .bind(media.account_id.as_str())
                        .bind(media.filename.as_str())
                        .bind(media.content_type.as_str())
                        .bind(media.disposition.as_str())
                        .bind(size_bytes)
                        .bind(media.sha256.as_str())
                        .bind(media.source_url.as_str())
                        .bind(media.created.0)
                        .bind(key.account_id.as_str())
                        .bind(key.endpoint)
                        .bind(key.key.as_str())
                        .bind(fence)
                        .bind(expires.0)
                        .execute(conn)
                        .await
                        .map(|result| result.rows_affected()))?;
                    if rows == 0 {
                        return Err(Undo::Refused);
                    }
                }
                // SQLite counts the row of the last change once more for `COMMIT`.
                if rows >= 2 { Ok(()) } else { Err(Undo::Overtaken) }
            }
            .boxed()
        });
        work.await?.ok_or(RecordError::FenceLost)
    }

    /// Ends a claim in failure: gone at once where nobody waits, else told to those who watch it until `until`. False
    /// where the claim is not ours any more.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn fail(&self, key: &ClaimKey, fence: i64, failure: &Failure, until: Timestamp) -> Result<bool, DbError> {
        // In this order: a watcher that comes in between is still told.
        const FORGET: &str = "DELETE FROM idempotency WHERE account_id = $1 AND endpoint = $2 AND claim_key = $3 \
            AND fence = $4 AND state = 'running' AND watched = FALSE";
        const TELL: &str = "UPDATE idempotency SET state = 'failed', failure = $5, failed_fence = fence, expires = $6 \
            WHERE account_id = $1 AND endpoint = $2 AND claim_key = $3 AND fence = $4 AND state = 'running'";
        let failure = serde_json::to_string(failure).expect("a failure is plain words and numbers");
        let key = key.clone();
        let work = self.write(Act::passing("ending a claim").in_steps(Steps::Several), move |mut tx| {
            async move {
                let forgotten = on_tx!(tx, conn => sqlx::query(FORGET)
                    .bind(key.account_id.as_str())
                    .bind(key.endpoint)
                    .bind(key.key.as_str())
                    .bind(fence)
                    .execute(conn)
                    .await
                    .map(|result| result.rows_affected()))?;
                if forgotten > 0 {
                    return Ok(forgotten);
                }
                Ok(on_tx!(tx, conn => sqlx::query(TELL)
                    .bind(key.account_id.as_str())
                    .bind(key.endpoint)
                    .bind(key.key)
                    .bind(fence)
                    .bind(failure)
                    .bind(until.0)
                    .execute(conn)
                    .await
                    .map(|result| result.rows_affected()))?)
            }
            .boxed()
        });
        Ok(work.await? > 0)
    }

    /// Gives a claim back as if it had never been. False where it is not ours any more.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn release(&self, key: &ClaimKey, fence: i64) -> Result<bool, DbError> {
        const SQL: &str = "DELETE FROM idempotency WHERE account_id = $1 AND endpoint = $2 AND claim_key = $3 \
            AND fence = $4 AND state = 'running'";
        self.change_claim(Act::passing("giving back a claim"), SQL, key, fence).await
    }

    /// Frees every claim that a dead process still runs, and gives their number.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn release_owner(&self, owner: &OwnerId) -> Result<u64, DbError> {
        let owner = owner.clone();
        self.write(Act::passing("freeing the claims of a dead process"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn =>
                    sqlx::query(RELEASE_OWNER).bind(owner.as_str()).execute(conn).await.map(|result| result.rows_affected()))?)
            }
            .boxed()
        })
        .await
    }

    /// Forgets at most `limit` claims that expired, the oldest first, and gives their number.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn purge(&self, now: Timestamp, limit: u32) -> Result<u64, DbError> {
        // The outer conditions are asked again of a row that was claimed anew meanwhile.
        self.write(Act::passing("forgetting expired claims"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn => sqlx::query(PURGE)
                    .bind(now.0)
                    .bind(i64::from(limit))
                    .execute(conn)
                    .await
                    .map(|result| result.rows_affected()))?)
            }
            .boxed()
        })
        .await
    }
}
