//! What a story runs on: an empty database of its own, and the rows that most stories begin with.

use std::future::Future;
use std::str::FromStr as _;
use std::time::Duration;

use soku_server::account::{Account, Role, Subscription, SubscriptionState};
use soku_server::clock::Timestamp;
use soku_server::db::{ClaimKey, ClaimRequest, Db, DbSettings, KeySource};
use soku_server::id::{AccountId, MediaId, OwnerId};
use soku_server::media::{Disposition, Media};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

/// The moment at which every story begins.
pub(crate) const NOW: Timestamp = Timestamp(1_772_280_000_000);
/// No story may last longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A database of the story's own.
pub(crate) struct Bed {
    pub(crate) db: Db,
    pub(crate) settings: DbSettings,
}

/// Declares a story as two tests.
macro_rules! on_both {
    ($(async fn $name:ident($bed:ident: &Bed) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn story($bed: &$crate::bed::Bed) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                $crate::bed::tell_on_sqlite(story).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                $crate::bed::tell_on_postgres(story).await;
            }
        })*
    };
}
pub(crate) use on_both;

pub(crate) async fn tell_on_sqlite(story: impl AsyncFnOnce(&Bed)) {
    let directory = tempfile::tempdir().unwrap();
    let settings = DbSettings::sqlite(&directory.path().join("soku.db"));
    let bed = Bed { db: Db::open(&settings).await.unwrap(), settings };

    bounded(story(&bed)).await;

    bed.db.close().await;
}

pub(crate) async fn tell_on_postgres(story: impl AsyncFnOnce(&Bed)) {
    let Some(server) = postgres_server() else {
        eprintln!("skipped: SOKU_TEST_POSTGRES_URL names no server");
        return;
    };
    let options = sqlx::postgres::PgConnectOptions::from_str(&server).unwrap();
    let mut connection = options.connect().await.unwrap();
    let schema = format!("story_{}", MediaId::random());
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let joint = if server.contains('?') { '&' } else { '?' };
    let mut settings = DbSettings::new(format!("{server}{joint}options[search_path]={schema}"));
    settings.connections = 8;
    let bed = Bed { db: Db::open(&settings).await.unwrap(), settings };

    bounded(story(&bed)).await;

    bed.db.close().await;
    connection.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
    connection.close().await.unwrap();
}

async fn bounded(story: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, story).await.expect("the story ends in time");
}

#[expect(clippy::disallowed_methods, reason = "which server the tests may use is told by the environment alone")]
pub(crate) fn postgres_server() -> Option<String> {
    std::env::var("SOKU_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

impl Bed {
    /// A further way to the same database, as another process has it.
    pub(crate) async fn another(&self) -> Db {
        Db::open(&self.settings).await.unwrap()
    }

    /// An account with a live subscription.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let account = Account {
            id: AccountId::random(),
            name: name.to_owned(),
            subscription: Subscription { state: SubscriptionState::Active, period_end: None },
            role: Role::Member,
            created: NOW,
        };
        self.db.insert_account(&account).await.unwrap();
        account
    }
}

/// A media entry of `account`, not in any row yet.
pub(crate) fn picture(account: &Account) -> Media {
    Media {
        id: MediaId::random(),
        account_id: account.id.clone(),
        filename: "Ünïcode 写真.jpg".to_owned(),
        content_type: "image/jpeg".to_owned(),
        disposition: Disposition::Inline,
        size_bytes: 123_456,
        sha256: "ab".repeat(32),
        source_url: "https://example.com/a.jpg".to_owned(),
        created: NOW,
    }
}

/// The claim of `account` on `key`.
pub(crate) fn key_of(account: &Account, key: &str) -> ClaimKey {
    ClaimKey { account_id: account.id.clone(), endpoint: "POST /v1/media", key: key.to_owned() }
}

/// A wish for `key` by a process of its own.
pub(crate) fn wish(key: &ClaimKey, now: Timestamp) -> ClaimRequest {
    ClaimRequest {
        key: key.clone(),
        source: KeySource::Caller,
        payload_hash: "hash of the payload".to_owned(),
        owner: OwnerId::random(),
        now,
    }
}
