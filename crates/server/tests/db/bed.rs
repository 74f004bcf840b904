//! What a story runs on: an empty database of its own, and the rows that most stories begin with.

use std::future::Future;
use std::str::FromStr as _;
use std::time::Duration;

use soku_server::account::{Account, Role, Subscription, SubscriptionState};
use soku_server::clock::Timestamp;
use soku_server::db::{ClaimAnswer, ClaimKey, ClaimRequest, Db, DbSettings, KeySource};
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

/// Declares each story as two tests, `name::on_sqlite` and `name::on_postgres`.
macro_rules! on_both {
    ($(async fn $name:ident($bed:ident: &Bed) $body:block)*) => {
        $(
            async fn $name($bed: &$crate::bed::Bed) $body

            mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    $crate::bed::tell_on_sqlite(super::$name).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    $crate::bed::tell_on_postgres(super::$name).await;
                }
            }
        )*
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
    in_new_schema(async |settings| {
        let bed = Bed { db: Db::open(settings).await.unwrap(), settings: settings.clone() };
        story(&bed).await;
        bed.db.close().await;
    })
    .await;
}

/// Gives settings that lead to an empty schema, and removes it afterwards; does nothing where there is no server.
pub(crate) async fn in_new_schema(story: impl AsyncFnOnce(&DbSettings)) {
    let Some(server) = postgres_server() else {
        eprintln!("skipped: SOKU_TEST_POSTGRES_URL names no server");
        return;
    };
    let schema = format!("story_{}", MediaId::random());
    let joint = if server.contains('?') { '&' } else { '?' };
    let mut settings = DbSettings::new(format!("{server}{joint}options[search_path]={schema}"));
    settings.connections = 8;
    execute(&server, format!("CREATE SCHEMA {schema}")).await;

    bounded(story(&settings)).await;

    execute(&server, format!("DROP SCHEMA {schema} CASCADE")).await;
}

/// Runs one statement by a connection of its own, past everything that is tested.
async fn execute(url: &str, sql: String) {
    let sql = sqlx::AssertSqlSafe(sql);
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::sqlite::SqliteConnectOptions::from_str(url).unwrap().connect().await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::postgres::PgConnectOptions::from_str(url).unwrap().connect().await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn bounded(story: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, story).await.expect("the story ends in time");
}

#[expect(clippy::disallowed_methods, reason = "which server the tests may use is told by the environment alone")]
pub(crate) fn postgres_server() -> Option<String> {
    std::env::var("SOKU_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

impl Bed {
    /// Runs one statement past the program, as an operator might.
    pub(crate) async fn raw(&self, sql: &str) {
        execute(&self.settings.url, sql.to_owned()).await;
    }

    /// A further way to the same database, as another process has it.
    pub(crate) async fn another(&self) -> Db {
        Db::open(&self.settings).await.unwrap()
    }

    /// An account with a live subscription.
    pub(crate) async fn account(&self, name: &str) -> Account {
        account(&self.db, name).await
    }

    /// Records `media` under a key of its own.
    pub(crate) async fn record(&self, account: &Account, media: &Media) {
        let key = key_of(account, media.id.as_str());
        let fence = win(&self.db, &wish(&key, NOW)).await;
        self.db.record(media, &key, fence, NOW.plus_ms(1000)).await.unwrap();
    }
}

/// Adds an account with a live subscription.
pub(crate) async fn account(db: &Db, name: &str) -> Account {
    let account = Account {
        id: AccountId::random(),
        name: name.to_owned(),
        subscription: Subscription { state: SubscriptionState::Active, period_end: None },
        role: Role::Member,
        created: NOW,
    };
    db.insert_account(&account).await.unwrap();
    account
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

/// Claims what must be free.
pub(crate) async fn win(db: &Db, wish: &ClaimRequest) -> i64 {
    match db.claim(wish).await.unwrap() {
        ClaimAnswer::Won { fence } => fence,
        other @ (ClaimAnswer::Running { .. } | ClaimAnswer::Done { .. }) => {
            panic!("{:?} is not free: {other:?}", wish.key)
        }
    }
}
