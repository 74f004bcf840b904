//! Stories of two transactions that meet on PostgreSQL between the statements of one: on SQLite nobody can come between.

use std::time::Duration;

use soku_server::db::{ClaimState, Db, DbSettings, RecordError};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use crate::bed::{self, NOW, key_of, picture, win, wish};

/// A transaction of somebody else, begun and not yet committed.
struct Stranger {
    connection: PgConnection,
    watcher: PgConnection,
    pid: i32,
}

impl Stranger {
    async fn begins(settings: &DbSettings, sql: &'static str) -> Stranger {
        let options: sqlx::postgres::PgConnectOptions = settings.url.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        let watcher = options.connect().await.unwrap();
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        connection.execute(sql).await.unwrap();
        Stranger { connection, watcher, pid }
    }

    /// Waits until that many others wait for it.
    async fn blocks(&mut self, others: i64) {
        const SQL: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))";
        loop {
            let waiting: i64 = sqlx::query_scalar(SQL).bind(self.pid).fetch_one(&mut self.watcher).await.unwrap();
            if waiting == others {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn commits(mut self) {
        self.connection.execute("COMMIT").await.unwrap();
        self.connection.close().await.unwrap();
        self.watcher.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_in_the_middle_of_a_record_wins() {
    bed::in_new_schema(async |settings| {
        let db = Db::open(settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let key = key_of(&account, "k");
        let fence = win(&db, &wish(&key, NOW)).await;
        let media = picture(&account);

        // Not committed yet, so the record's first statement still finds the claim as it was, and its second one waits.
        let mut taker = Stranger::begins(settings, "UPDATE idempotency SET fence = fence + 1, owner = 'taker'").await;
        let recording = tokio::spawn({
            let (db, media, key) = (db.clone(), media.clone(), key.clone());
            async move { db.record(&media, &key, fence, NOW.plus_ms(1000)).await }
        });
        taker.blocks(1).await;
        taker.commits().await;
        let recorded = recording.await.unwrap();

        assert!(matches!(recorded, Err(RecordError::FenceLost)), "{recorded:?}");
        assert_eq!(db.find_media(&media.id).await.unwrap(), None, "its row went with it");
        let state = db.poll(&key, fence).await.unwrap();
        assert_eq!(state, Some(ClaimState::Running { fence: fence + 1, beat: 0 }));
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_won_anew_in_the_middle_of_a_purge_stays() {
    bed::in_new_schema(async |settings| {
        let db = Db::open(settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let key = key_of(&account, "k");
        let fence = win(&db, &wish(&key, NOW)).await;
        db.record(&picture(&account), &key, fence, NOW.plus_ms(1)).await.unwrap();

        let mut claimer = Stranger::begins(
            settings,
            "UPDATE idempotency SET state = 'running', media_id = NULL, fence = fence + 1, expires = 0",
        )
        .await;
        let purging = tokio::spawn({
            let db = db.clone();
            async move { db.purge(NOW.plus_ms(1000), 100).await }
        });
        claimer.blocks(1).await;
        claimer.commits().await;

        assert_eq!(purging.await.unwrap().unwrap(), 0);
        let state = db.poll(&key, fence + 1).await.unwrap();
        assert_eq!(state, Some(ClaimState::Running { fence: fence + 1, beat: 0 }));
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_in_the_middle_of_a_failure_is_told() {
    bed::in_new_schema(async |settings| {
        let db = Db::open(settings).await.unwrap();
        let account = bed::account(&db, "default").await;
        let key = key_of(&account, "k");
        let fence = win(&db, &wish(&key, NOW)).await;
        let failure = soku_server::failure::Failure::from(soku_api::Reason::Truncated);

        let mut watcher = Stranger::begins(settings, "UPDATE idempotency SET watched = TRUE").await;
        let failing = tokio::spawn({
            let (db, key, failure) = (db.clone(), key.clone(), failure.clone());
            async move { db.fail(&key, fence, &failure, NOW.plus_ms(1000)).await }
        });
        watcher.blocks(1).await;
        watcher.commits().await;

        assert!(failing.await.unwrap().unwrap());
        assert_eq!(db.poll(&key, fence).await.unwrap(), Some(ClaimState::Failed { fence, failure }));
        db.close().await;
    })
    .await;
}
