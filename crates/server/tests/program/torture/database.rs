//! The database in other hands: a write that takes long, a reader that does not end, and a busy command line.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use soku_testkit::{Answer, Origin, samples};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::Notify;

use super::load::{Load, Work, bytes_of};
use super::random::Random;
use super::verdict;
use crate::program::Place;

async fn connect(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.data().join("soku.db"));
    options.busy_timeout(Duration::from_secs(30)).connect().await.expect("a connection")
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_shorter_than_the_patience_only_delays_and_files_go_out_meanwhile() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let first = work.new_target(1_000);
    let path = work.import(&program.base, &program.key, &first).await.and_then(|said| said.path()).expect("201");
    let mut other = connect(&place).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let releasing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        run(&mut other, "COMMIT").await;
        other.close().await.expect("closed");
    });

    let asked = Instant::now();
    let target = work.new_target(1_000);
    let importing = async {
        let said = work.import(&program.base, &program.key, &target).await.expect("an answer");
        assert_eq!(said.status, 201, "{}", said.body);
        assert!(asked.elapsed() > Duration::from_millis(500), "it had to wait: {:?}", asked.elapsed());
    };
    let delivering = async {
        let got = work.get(&format!("{}{path}", program.base)).await;
        assert_eq!(got, Some((200, bytes_of(&first))));
        assert!(asked.elapsed() < Duration::from_millis(900), "it did not wait: {:?}", asked.elapsed());
    };
    tokio::join!(importing, delivering);
    releasing.await.expect("no panic");

    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("{words}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_longer_than_the_patience_is_said_and_everything_works_after_it() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false").with("SOKU_DATABASE_BUSY_TIMEOUT", "200ms");
    let (work, origin) = (Work::start().await, Origin::start().await);
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_source, at_test) = ((Arc::clone(&asked), Arc::clone(&go_on)), (asked, go_on));
    origin.handle("/held.png", move |_, mut stream| {
        let (asked, go_on) = at_source.clone();
        async move {
            asked.notify_one();
            go_on.notified().await;
            let answer = Answer::ok("image/png", samples::PNG.bytes);
            let wire = [answer.wire_head(), answer.wire_body().to_vec()].concat();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &wire).await;
            let _ = tokio::io::AsyncWriteExt::flush(&mut stream).await;
        }
    });
    let program = place.start();
    let (asked, go_on) = at_test;
    let mut other = connect(&place).await;

    // Before the claim: nothing is begun.
    run(&mut other, "BEGIN IMMEDIATE").await;
    let target = work.new_target(1_000);
    let said = work.import(&program.base, &program.key, &target).await.expect("an answer");
    assert_eq!((said.status, said.reason()), (503, "not_ready"), "{}", said.body);
    run(&mut other, "COMMIT").await;

    // Between the claim and the row: the file is there already, and its row cannot be written.
    let url = origin.url("/held.png");
    let importing = program.import(&url);
    let locking = async {
        asked.notified().await;
        run(&mut other, "BEGIN IMMEDIATE").await;
        go_on.notify_one();
    };
    let ((status, body), ()) = tokio::join!(importing, locking);
    assert_eq!((status, body["error"]["details"]["reason"].as_str()), (500, Some("storage_failed")), "{body}");
    run(&mut other, "COMMIT").await;
    other.close().await.expect("closed");

    go_on.notify_one();
    let (status, body) = program.import(&url).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(program.get(body["url"].as_str().expect("a url")).await, (200, samples::PNG.bytes.to_vec()));
    program.kill();
    let program = place.start();
    assert_eq!(place.stored_files().len(), 1, "the file without a row is gone: {:?}", place.stored_files());
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_and_a_busy_command_line_hold_nobody_up() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let mut reader = connect(&place).await;
    run(&mut reader, "BEGIN; SELECT COUNT(*) FROM media").await;
    let until = Arc::new(AtomicBool::new(false));
    let commands: [&[&str]; 4] =
        [&["key", "create", "--account", "default"], &["media", "list", "--json"], &["sweep"], &["account", "list"]];
    let tools = commands.map(|command| {
        let (tool, until) = (place.tool(), Arc::clone(&until));
        tokio::task::spawn_blocking(move || {
            while !until.load(Ordering::Relaxed) {
                let mut one = tool.command();
                let output = one.args(command).stdin(Stdio::null()).output().expect("the program starts");
                assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            }
        })
    });
    let load = Load::start(&work, &place, &program, &mut Random::seeded());
    for _ in 0..20 {
        let target = work.new_target(2_000);
        let said = work.import(&program.base, &program.key, &target).await.expect("an answer");
        assert_eq!(said.status, 201, "{}", said.body);
    }
    load.end().await;
    until.store(true, Ordering::Relaxed);
    for tool in tools {
        tool.await.expect("every command went well");
    }
    run(&mut reader, "COMMIT").await;
    reader.close().await.expect("closed");

    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("{words}"));
}
