//! What the writer promises, seen from inside its transactions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::db::{Db, DbSettings, on_tx};

const ONE: Act = Act::passing("a test");

/// A database with a table that allows each number once, below one hundred.
struct Bench {
    _directory: tempfile::TempDir,
    file: PathBuf,
    db: Db,
}

impl Bench {
    async fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("soku.db");
        let db = Db::open(&DbSettings::sqlite(&file)).await.unwrap();
        let bench = Bench { _directory: directory, file, db };
        bench
            .write(ONE, &["CREATE TABLE number (n BIGINT NOT NULL PRIMARY KEY CHECK (n < 100), filler TEXT)"])
            .await
            .unwrap();
        bench
    }

    /// Runs statements as one write.
    fn spawn(&self, act: Act, statements: &[&'static str]) -> JoinHandle<Result<Option<()>, DbError>> {
        let (db, statements) = (self.db.clone(), statements.to_vec());
        tokio::spawn(async move { db.try_write(act, move |tx| run_each(tx, statements).boxed()).await })
    }

    async fn write(&self, act: Act, statements: &[&'static str]) -> Result<Option<()>, DbError> {
        self.spawn(act, statements).await.unwrap()
    }

    /// Holds the writer inside a transaction until the gate opens, so that later writes gather behind it.
    async fn hold(&self) -> (Arc<Notify>, JoinHandle<Result<Option<()>, DbError>>) {
        let (gate, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (db, inner_gate, inner_entered) = (self.db.clone(), Arc::clone(&gate), Arc::clone(&entered));
        let held = tokio::spawn(async move {
            db.try_write(ONE, move |_| {
                async move {
                    inner_entered.notify_one();
                    inner_gate.notified().await;
                    Ok(())
                }
                .boxed()
            })
            .await
        });
        entered.notified().await;
        (gate, held)
    }

    /// Waits until that many writes wait behind the held one.
    async fn gather(&self, count: usize) {
        let Db::Sqlite(sqlite) = &self.db else { panic!("SQLite was opened") };
        let queue = &sqlite.writer.queue;
        while queue.max_capacity() - queue.capacity() < count {
            tokio::task::yield_now().await;
        }
    }

    /// What a connection of its own reads.
    async fn numbers(&self) -> Vec<i64> {
        let mut connection = SqliteConnectOptions::new().filename(&self.file).connect().await.unwrap();
        let numbers = sqlx::query_scalar("SELECT n FROM number ORDER BY n").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        numbers
    }
}

async fn run_each(mut tx: Tx<'_>, statements: Vec<&'static str>) -> Done<()> {
    for sql in statements {
        if sql == "refuse" {
            return Err(Undo::Refused);
        }
        on_tx!(tx, conn => sqlx::raw_sql(sql).execute(conn).await.map(drop))?;
    }
    Ok(())
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let bench = Bench::new().await;
    let (gate, held) = bench.hold().await;
    let first = bench.spawn(ONE, &["INSERT INTO number VALUES (1, '')"]);
    let second = bench.spawn(ONE, &["INSERT INTO number VALUES (2, '')"]);
    bench.gather(2).await;

    // The third shares their transaction, waits in it, and sees what nobody else may see yet.
    let (inside, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (db, inner_inside, inner_leave) = (bench.db.clone(), Arc::clone(&inside), Arc::clone(&leave));
    let third = tokio::spawn(async move {
        db.write(ONE, move |mut tx| {
            async move {
                inner_inside.notify_one();
                inner_leave.notified().await;
                Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM number").fetch_one(conn).await)?)
            }
            .boxed()
        })
        .await
    });
    bench.gather(3).await;
    gate.notify_one();
    inside.notified().await;

    assert!(bench.numbers().await.is_empty());
    assert!(!first.is_finished() && !second.is_finished(), "nobody is answered before the commit");
    leave.notify_one();

    assert_eq!(third.await.unwrap().unwrap(), 2);
    for write in [held, first, second] {
        write.await.unwrap().unwrap();
    }
    assert_eq!(bench.numbers().await, [1, 2]);
}

#[tokio::test]
async fn one_that_fails_undoes_itself_alone() {
    let bench = Bench::new().await;
    let several = ONE.in_steps(Steps::Several);
    let (gate, held) = bench.hold().await;
    let writes = [
        bench.spawn(several, &["INSERT INTO number VALUES (1, '')", "INSERT INTO number VALUES (2, '')"]),
        bench.spawn(several, &["INSERT INTO number VALUES (3, '')", "INSERT INTO number VALUES (1, '')"]),
        bench.spawn(ONE, &["INSERT INTO number VALUES (4, '')"]),
        bench.spawn(several, &["INSERT INTO number VALUES (5, '')", "refuse"]),
        bench.spawn(several, &["INSERT INTO number VALUES (6, '')", "INSERT INTO number VALUES (7, '')"]),
        bench.spawn(ONE, &["INSERT INTO number VALUES (8, ''), (100, '')"]),
        bench.spawn(ONE, &["INSERT INTO number VALUES (9, '')"]),
    ];
    bench.gather(writes.len()).await;

    gate.notify_one();

    held.await.unwrap().unwrap();
    let mut outcomes = Vec::new();
    for write in writes {
        outcomes.push(match write.await.unwrap() {
            Ok(Some(())) => "done",
            Ok(None) => "refused",
            Err(DbError::Failed { .. }) => "failed",
            Err(other) => panic!("{other:?}"),
        });
    }
    assert_eq!(outcomes, ["done", "failed", "done", "refused", "done", "failed", "done"]);
    assert_eq!(bench.numbers().await, [1, 2, 4, 6, 7, 9]);
}

#[tokio::test]
async fn one_that_breaks_the_transaction_fails_those_before_it_and_none_after() {
    let bench = Bench::new().await;
    // Enough to need new pages, more than the file may grow by.
    const GROW: &str = "INSERT INTO number SELECT 90, hex(zeroblob(4000000))";
    let (gate, held) = bench.hold().await;
    let before = bench.spawn(ONE, &["INSERT INTO number VALUES (1, '')"]);
    let culprit = bench.spawn(ONE, &["PRAGMA max_page_count = 1", GROW]);
    let after = bench.spawn(ONE, &["INSERT INTO number VALUES (2, '')"]);
    bench.gather(3).await;

    gate.notify_one();

    held.await.unwrap().unwrap();
    let (before, culprit) = (before.await.unwrap(), culprit.await.unwrap());
    assert!(matches!(before, Err(DbError::Full { .. })), "{before:?}");
    assert!(matches!(culprit, Err(DbError::Full { .. })), "{culprit:?}");
    after.await.unwrap().unwrap();
    assert_eq!(bench.numbers().await, [2]);
    bench.write(ONE, &[GROW]).await.unwrap();
    assert_eq!(bench.numbers().await, [2, 90], "the connection was made anew");
}

#[tokio::test]
async fn a_durable_write_is_committed_under_full_and_a_passing_one_is_not() {
    let bench = Bench::new().await;
    let level = |act| {
        let db = bench.db.clone();
        async move {
            db.write(act, |mut tx| {
                async move {
                    Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, i64>("SELECT synchronous FROM pragma_synchronous")
                        .fetch_one(conn).await)?)
                }
                .boxed()
            })
            .await
            .unwrap()
        }
    };
    let (durable, passing) = (Act::durable("a test"), Act::passing("a test"));

    for _ in 0..2 {
        assert_eq!(level(durable).await, 2);
        assert_eq!(level(passing).await, 1);
    }

    let (gate, held) = bench.hold().await;
    let together = [passing, durable, passing, durable].map(|act| tokio::spawn(level(act)));
    bench.gather(4).await;
    gate.notify_one();
    held.await.unwrap().unwrap();
    let mut levels = Vec::new();
    for one in together {
        levels.push(one.await.unwrap());
    }
    assert_eq!(levels, [1, 2, 1, 2]);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_made_all_the_same() {
    let bench = Bench::new().await;
    let (gate, held) = bench.hold().await;
    let abandoned = bench.spawn(ONE, &["INSERT INTO number VALUES (1, '')"]);
    bench.gather(1).await;

    abandoned.abort();
    gate.notify_one();

    held.await.unwrap().unwrap();
    bench.write(ONE, &["INSERT INTO number VALUES (2, '')"]).await.unwrap();
    assert_eq!(bench.numbers().await, [1, 2]);
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_are_all_made() {
    let bench = Bench::new().await;
    let (gate, held) = bench.hold().await;
    let writes: Vec<_> =
        (0..QUEUE + BATCH + 7).map(|_| bench.spawn(ONE, &["UPDATE number SET filler = 'more' WHERE n = 0"])).collect();
    bench.gather(QUEUE).await;

    gate.notify_one();

    held.await.unwrap().unwrap();
    let all = async {
        for write in writes {
            write.await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
}
