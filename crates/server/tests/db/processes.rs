//! Stories of several processes on one SQLite file: the server and the command line, or a server that was killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use soku_server::account::Account;
use soku_server::db::{ClaimAnswer, Db, DbError, DbSettings};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::task::block_in_place;

use crate::bed::{self, NOW, key_of, win, wish};

/// Where the second process finds its part and its database.
const ROLE: &str = "SOKU_TEST_SECOND_PROCESS";
const FILE: &str = "SOKU_TEST_SECOND_PROCESS_FILE";

/// Another process on the same file. Killed where the story drops it.
struct Second {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: Option<ChildStdin>,
}

impl Second {
    fn start(role: &str, file: &Path) -> Second {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::second_process", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let hears = child.stdin.take();
        Second { child, says, hears }
    }

    /// Waits for a line that begins with `word`, and gives its rest.
    fn wait_for(&mut self, word: &str) -> String {
        block_in_place(|| {
            let mut line = String::new();
            loop {
                line.clear();
                assert!(self.says.read_line(&mut line).unwrap() > 0, "it ended without `{word}`");
                // The test harness may have begun the line.
                if let Some((_, rest)) = line.split_once(word) {
                    return rest.trim().to_owned();
                }
            }
        })
    }

    /// Lets it go on, and waits for its end.
    fn finish(mut self) {
        drop(self.hears.take());
        let status = block_in_place(|| self.child.wait()).unwrap();
        assert!(status.success(), "{status}");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn wait_for_the_first_process() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[expect(clippy::disallowed_methods, reason = "the parent process tells the part by the environment")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the second process of the other stories, not one of its own"]
async fn second_process() {
    let (Some(role), Some(file)) = (told(ROLE), told(FILE)) else { return };
    let file = Path::new(&file);
    match role.as_str() {
        "hold the right to write" => {
            let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            connection
                .execute("INSERT INTO rate_window (subject, stamps, newest) VALUES ('held', '[1]', 1)")
                .await
                .unwrap();
            say("held");
            block_in_place(wait_for_the_first_process);
            connection.execute("COMMIT").await.unwrap();
        }
        "claim" => {
            let db = Db::open(&DbSettings::sqlite(file)).await.unwrap();
            say("ready");
            block_in_place(wait_for_the_first_process);
            say(&format!("won {}", claim_all(&db).await));
            db.close().await;
        }
        "write without rest" => {
            let db = Db::open(&DbSettings::sqlite(file)).await.unwrap();
            let account = db.find_account("default").await.unwrap().unwrap();
            let mut writers = tokio::task::JoinSet::new();
            for number in 0..64 {
                let (db, key) = (db.clone(), key_of(&account, &format!("rest/{number}")));
                writers.spawn(async move {
                    loop {
                        let fence = win(&db, &wish(&key, NOW)).await;
                        db.release(&key, fence).await.unwrap();
                    }
                });
            }
            say("writing");
            block_in_place(wait_for_the_first_process);
            writers.shutdown().await;
            db.close().await;
        }
        other => panic!("no such part: {other}"),
    }
}

/// Claims the same keys as every other process, and counts those that were won.
async fn claim_all(db: &Db) -> usize {
    let account = db.find_account("default").await.unwrap().unwrap();
    let mut claims = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (db, key) = (db.clone(), key_of(&account, &number.to_string()));
        claims.spawn(async move { db.claim(&wish(&key, NOW)).await.unwrap() });
    }
    claims.join_all().await.iter().filter(|answer| matches!(answer, ClaimAnswer::Won { .. })).count()
}

/// A database with one account, in a file of its own.
async fn database(change: impl FnOnce(&mut DbSettings)) -> (tempfile::TempDir, std::path::PathBuf, Db, Account) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("soku.db");
    let mut settings = DbSettings::sqlite(&file);
    change(&mut settings);
    let db = Db::open(&settings).await.unwrap();
    let account = bed::account(&db, "default").await;
    (directory, file, db, account)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_another_process_and_reads_do_not() {
    let (_directory, file, db, account) = database(|settings| settings.busy_timeout = Duration::from_secs(60)).await;
    let mut second = Second::start("hold the right to write", &file);
    second.wait_for("held");

    let waiting = tokio::spawn({
        let (db, key) = (db.clone(), key_of(&account, "k"));
        async move { db.claim(&wish(&key, NOW)).await }
    });
    for _ in 0..100 {
        assert_eq!(db.load_windows().await.unwrap(), [], "what is not committed is not read");
    }
    assert!(!waiting.is_finished());
    let late = Db::open(&DbSettings::sqlite(&file)).await.unwrap();
    assert!(late.any_account().await.unwrap(), "the command line opens and reads meanwhile");
    second.finish();

    let answer = waiting.await.unwrap().unwrap();
    assert!(matches!(answer, ClaimAnswer::Won { .. }), "{answer:?}");
    assert_eq!(db.load_windows().await.unwrap(), [("held".to_owned(), vec![1])]);
    late.close().await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_another_process_is_bounded_and_the_next_write_succeeds() {
    let (_directory, file, db, account) = database(|settings| settings.busy_timeout = Duration::from_millis(100)).await;
    let mut second = Second::start("hold the right to write", &file);
    second.wait_for("held");

    let refused = db.claim(&wish(&key_of(&account, "k"), NOW)).await;
    second.finish();
    let answer = db.claim(&wish(&key_of(&account, "k"), NOW)).await;

    assert!(matches!(refused, Err(DbError::Unavailable { .. })), "{refused:?}");
    assert!(matches!(answer, Ok(ClaimAnswer::Won { .. })), "{answer:?}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_inside_a_write_leaves_nothing_of_it() {
    let (_directory, file, db, account) = database(|_| {}).await;
    let mut second = Second::start("hold the right to write", &file);
    second.wait_for("held");

    second.kill();

    win(&db, &wish(&key_of(&account, "k"), NOW)).await;
    assert_eq!(db.load_windows().await.unwrap(), []);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_claim_the_same_keys_each_key_has_one_winner() {
    let (_directory, file, db, _) = database(|_| {}).await;
    let mut second = Second::start("claim", &file);
    second.wait_for("ready");

    drop(second.hears.take());
    let ours = claim_all(&db).await;
    let theirs: usize = second.wait_for("won").parse().unwrap();

    assert_eq!(ours + theirs, 200, "{ours} here, {theirs} there");
    second.finish();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_writes_without_rest_starves_no_other() {
    let (_directory, file, db, account) = database(|_| {}).await;
    let mut second = Second::start("write without rest", &file);
    second.wait_for("writing");

    for number in 0..20 {
        win(&db, &wish(&key_of(&account, &number.to_string()), NOW)).await;
    }

    second.finish();
    db.close().await;
}
