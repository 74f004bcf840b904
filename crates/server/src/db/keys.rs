//! API keys in rows: a digest each, never the key.

use futures_util::FutureExt as _;
use sqlx::FromRow;

use super::accounts::{AccountRow, account_columns};
use super::{Act, Db, DbError, on_reader, on_tx};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::id::{AccountId, KeyDigest, KeyId};

/// What is known of a key, but for its digest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRow {
    pub id: KeyId,
    pub account_id: AccountId,
    pub label: String,
    /// `sk_live_abc…xyz`, for lists.
    pub preview: String,
    pub created: Timestamp,
    /// Since when it is refused.
    pub revoked: Option<Timestamp>,
}

/// Whoever sent a key that exists, revoked or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub account: Account,
    pub key: KeyRow,
}

#[derive(FromRow)]
struct StoredKey {
    key_id: String,
    key_account_id: String,
    label: String,
    preview: String,
    key_created: i64,
    revoked: Option<i64>,
}

impl From<StoredKey> for KeyRow {
    fn from(row: StoredKey) -> KeyRow {
        KeyRow {
            id: KeyId::from_stored(row.key_id),
            account_id: AccountId::from_stored(row.key_account_id),
            label: row.label,
            preview: row.preview,
            created: Timestamp(row.key_created),
            revoked: row.revoked.map(Timestamp),
        }
    }
}

#[derive(FromRow)]
struct CallerRow {
    #[sqlx(flatten)]
    account: AccountRow,
    #[sqlx(flatten)]
    key: StoredKey,
}

macro_rules! key_columns {
    () => {
        "api_key.id AS key_id, api_key.account_id AS key_account_id, api_key.label, api_key.preview, \
         api_key.created AS key_created, api_key.revoked"
    };
}

pub(super) const FIND_CALLER: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", ",
    key_columns!(),
    " FROM api_key JOIN account ON account.id = api_key.account_id WHERE api_key.digest = $1"
);

impl Db {
    /// Adds a key.
    ///
    /// # Errors
    /// [`DbError::AlreadyExists`] where id or digest is known, which random ones never are.
    pub async fn insert_key(&self, key: &KeyRow, digest: &KeyDigest) -> Result<(), DbError> {
        const SQL: &str = "INSERT INTO api_key (id, account_id, digest, label, preview, created, revoked) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let (key, digest) = (key.clone(), digest.hex());
        let work = self.write(Act::durable("adding a key"), move |mut tx| {
            async move {
                on_tx!(tx, conn => sqlx::query(SQL)
                    .bind(key.id.as_str())
                    .bind(key.account_id.as_str())
                    .bind(digest)
                    .bind(key.label)
                    .bind(key.preview)
                    .bind(key.created.0)
                    .bind(key.revoked.map(|moment| moment.0))
                    .execute(conn)
                    .await
                    .map(drop))?;
                Ok(())
            }
            .boxed()
        });
        work.await.map_err(|error| DbError::unless_exists("key", error))
    }

    /// Who sent the key with this digest: one query by the unique index, whatever the key is (rule K1).
    ///
    /// # Errors
    /// As the database fails.
    pub async fn find_caller(&self, digest: &KeyDigest) -> Result<Option<Caller>, DbError> {
        const OPERATION: &str = "looking up a key";
        let row = on_reader!(self, OPERATION, conn =>
            sqlx::query_as::<_, CallerRow>(FIND_CALLER).bind(digest.hex()).fetch_optional(conn))?;
        let Some(row) = row else { return Ok(None) };
        let account = Account::try_from(row.account).map_err(|error| DbError::during(OPERATION, error))?;
        Ok(Some(Caller { account, key: row.key.into() }))
    }

    /// Every key of an account, revoked ones too, oldest first.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn list_keys(&self, account: &AccountId) -> Result<Vec<KeyRow>, DbError> {
        const SQL: &str =
            concat!("SELECT ", key_columns!(), " FROM api_key WHERE account_id = $1 ORDER BY created, id");
        let rows = on_reader!(self, "listing keys", conn =>
            sqlx::query_as::<_, StoredKey>(SQL).bind(account.as_str()).fetch_all(conn))?;
        Ok(rows.into_iter().map(KeyRow::from).collect())
    }

    /// Marks a key as revoked, once: a second time changes nothing. `None` where there is no such key.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn revoke_key(&self, id: &KeyId, now: Timestamp) -> Result<Option<KeyRow>, DbError> {
        const SQL: &str =
            concat!("UPDATE api_key SET revoked = COALESCE(revoked, $2) WHERE id = $1 RETURNING ", key_columns!());
        let id = id.clone();
        let work = self.write(Act::durable("revoking a key"), move |mut tx| {
            async move {
                Ok(on_tx!(tx, conn =>
                    sqlx::query_as::<_, StoredKey>(SQL).bind(id.as_str()).bind(now.0).fetch_optional(conn).await)?)
            }
            .boxed()
        });
        Ok(work.await?.map(KeyRow::from))
    }
}
