//! A wall clock that is set by an hour, back and forth, while the program works: by libfaketime, whose hand is a file.
//! What really goes by (`CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`) and the times of files stay what they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use soku_testkit::{Answer, Origin, samples};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Notify;

use crate::program::{Place, Program, client};

const HOUR_S: i64 = 3_600;
/// By how much the wall clock is wrong, one after the other.
const STEPS_S: [i64; 4] = [HOUR_S, -HOUR_S, HOUR_S, 0];

/// The hand of the wall clock.
struct Hand(PathBuf);

impl Hand {
    /// Shows the real time, and `off_by_s` seconds more.
    fn set(&self, off_by_s: i64) {
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{off_by_s:+}\n")).expect("written");
        // Never half.
        fs::rename(&next, &self.0).expect("renamed");
    }

    /// What everybody under it needs.
    fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

fn library() -> PathBuf {
    let places = fs::read_dir("/usr/lib").expect("a directory").flatten().map(|entry| entry.path());
    let mut places = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
    places.find(|library| library.exists()).expect("the package `libfaketime` is installed (scripts/test does so)")
}

/// A place whose programs believe a hand, which is right at first.
fn place() -> (Place, Hand) {
    let mut place = Place::new();
    let hand = Hand(place.folder().join("hand"));
    hand.set(0);
    for (name, value) in hand.environment() {
        place = place.with(name, &value);
    }
    (place, hand)
}

/// A source path that answers only when it is told to; the first notification says that it was asked.
fn held(origin: &Origin, path: &str) -> (Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&asked), Arc::clone(&go));
    origin.handle(path, move |_, mut stream| {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        async move {
            told.notify_one();
            wait.notified().await;
            let answer = Answer::ok("image/png", samples::PNG.bytes);
            let wire = [answer.wire_head(), answer.wire_body().to_vec()].concat();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &wire).await;
        }
    });
    (asked, go)
}

async fn import_as(program: &Program, url: &str, key: Option<&str>) -> (u16, String) {
    let request = client().post(format!("{}/v1/media", program.base)).header("soku-api-key", &program.key);
    let request = request.header("Content-Type", "application/json").body(json!({ "url": url }).to_string());
    let request = if let Some(key) = key { request.header("Idempotency-Key", key) } else { request };
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_slice(&answer.bytes().await.expect("a whole answer")).expect("JSON");
    (status, body["url"].as_str().map_or(body.to_string(), str::to_owned))
}

/// The status of a request without a key, and its `Retry-After` in seconds.
async fn knock(program: &Program) -> (u16, Option<u64>) {
    let answer = client().get(format!("{}/v1/media", program.base)).send().await.expect("an answer");
    let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().expect("text").parse().expect("seconds"));
    (answer.status().as_u16(), wait)
}

fn wall_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "what the program's clock shows is told by the machine's")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since_epoch.as_millis()).expect("a moment")
}

/// The newest request that a saved window knows of, as milliseconds.
async fn newest_saved(data: &Path) -> Option<i64> {
    let options = SqliteConnectOptions::new().filename(data.join("soku.db")).busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.expect("a connection");
    let newest = sqlx::query_scalar("SELECT MAX(newest) FROM rate_window").fetch_one(&mut connection).await;
    connection.close().await.expect("closed");
    newest.expect("a row")
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_their_replays_know_no_step_of_the_clock() {
    let ((place, hand), origin) = (place(), Origin::start().await);
    let (asked, go) = held(&origin, "/held.png");
    origin.serve("/a.png", Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();
    let (a, held) = (origin.url("/a.png"), origin.url("/held.png"));

    let (uploading, setting) = (import_as(&program, &held, None), async {
        asked.notified().await;
        let made = [import_as(&program, &a, None).await, import_as(&program, &a, Some("own")).await];
        for off_by_s in STEPS_S {
            hand.set(off_by_s);
            for (key, (status, url)) in [None, Some("own")].into_iter().zip(&made) {
                assert_eq!(*status, 201);
                assert_eq!(import_as(&program, &a, key).await, (201, url.clone()), "{key:?}, off by {off_by_s} s");
            }
            let (status, bytes) = program.get(&made[0].1).await;
            assert_eq!((status, &bytes[..]), (200, samples::PNG.bytes), "off by {off_by_s} s");
        }
        hand.set(HOUR_S);
        go.notify_one();
    });
    let ((status, url), ()) = tokio::join!(uploading, setting);

    assert_eq!(status, 201);
    hand.set(-HOUR_S);
    assert_eq!(import_as(&program, &held, None).await, (201, url));
    assert_eq!(origin.requests().len(), 3, "one download for each key: {:?}", origin.targets());
    hand.set(0);
    assert_eq!(program.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_neither_open_nor_stay_shut_because_the_clock_was_set() {
    let ((place, hand), began) = (place(), Instant::now());
    let mut program = place.start();
    let mut passed = 0;
    while knock(&program).await.0 != 429 {
        passed += 1;
    }
    assert_eq!(passed, 35);

    for off_by_s in STEPS_S {
        hand.set(off_by_s);
        let (status, wait) = knock(&program).await;
        assert_eq!(status, 429, "off by {off_by_s} s");
        assert!((1..=60).contains(&wait.expect("when to come again")), "{wait:?}, off by {off_by_s} s");

        // What the next process finds is in the reckoning of the clock that it finds.
        loop {
            let apart_ms = newest_saved(&place.data()).await.map_or(i64::MAX, |newest| {
                newest.abs_diff(wall_ms() + off_by_s * 1_000).try_into().expect("not so far apart")
            });
            if apart_ms < 60_000 {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(50), "the windows are saved anew");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        program.kill();
        program = place.start();
        let (status, wait) = knock(&program).await;
        assert_eq!(status, 429, "off by {off_by_s} s, and started anew");
        let left_s = 60_u64.saturating_sub(began.elapsed().as_secs());
        assert!(wait.is_some_and(|wait| wait <= 60 && wait + 5 >= left_s), "{wait:?} of {left_s} s");
    }
    assert!(began.elapsed() < Duration::from_secs(55), "the window of the first request was open all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_its_owners_for_as_long_as_that_one_lives_and_no_longer() {
    let ((place, hand), origin) = (place(), Origin::start().await);
    // The same for both.
    let leases = [("SOKU_IDEMPOTENCY_LEASE", "2s"), ("SOKU_IDEMPOTENCY_HEARTBEAT", "500ms")];
    let place = leases.iter().fold(place, |place, (name, value)| place.with(name, value));
    let program = place.start();
    let import = |url: &str| {
        let mut import = place.tool().command();
        import.args(["import", url]).envs(hand.environment()).stdout(Stdio::piped()).stderr(Stdio::null());
        import.env("SOKU_FETCH_ALLOW_NETWORKS", "127.0.0.1/32").envs(leases);
        import.spawn().expect("the program starts")
    };

    // The owner lives: whatever the clock shows, the other waits for it.
    let (asked, go) = held(&origin, "/held.png");
    let url = origin.url("/held.png");
    let owner = import(&url);
    asked.notified().await;
    let waiting = import_as(&program, &url, None);
    let setting = async {
        for off_by_s in STEPS_S {
            hand.set(off_by_s);
            // For longer than the lease in all.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        go.notify_one();
        tokio::task::spawn_blocking(move || owner.wait_with_output().expect("it ends")).await.expect("no panic")
    };
    let ((status, hosted), output) = tokio::join!(waiting, setting);
    assert_eq!(status, 201, "{hosted}");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), json!({ "url": hosted }).to_string());
    assert_eq!(origin.targets(), ["/held.png"], "one download");

    // It dies, and the clock is set back: nobody waits an hour for it.
    let (asked, go) = held(&origin, "/dies.png");
    let url = origin.url("/dies.png");
    let mut owner = import(&url);
    asked.notified().await;
    let waiting = import_as(&program, &url, None);
    let dying = async {
        while !is_watched(&place.data()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        owner.kill().expect("it lives");
        owner.wait().expect("it ends");
        hand.set(-HOUR_S);
        let died = Instant::now();
        asked.notified().await;
        // Twice: once for the connection of the dead one.
        go.notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
        go.notify_one();
        died.elapsed()
    };
    let ((status, said), took) = tokio::join!(waiting, dying);
    assert_eq!(status, 201, "{said}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// Whether somebody on another process waits for a claim.
fn is_watched(data: &Path) -> bool {
    let sql = "SELECT COUNT(*) FROM idempotency WHERE state = 'running' AND watched";
    let output = Command::new("sqlite3").arg("-readonly").arg(data.join("soku.db")).arg(sql).output();
    String::from_utf8_lossy(&output.expect("sqlite3 starts").stdout).trim() == "1"
}

#[test]
fn the_command_line_tells_what_was_before_whatever_the_clock_shows() {
    let (place, hand) = place();
    let run = |arguments: &[&str]| {
        let output = place.tool().command().args(arguments).envs(hand.environment()).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    run(&["account", "create", "acme"]);
    let key = run(&["key", "create", "--account", "acme", "--json"]);
    let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
    let id = key["id"].as_str().expect("an id");
    run(&["key", "revoke", id]);
    hand.set(-HOUR_S);

    let again = run(&["key", "revoke", id]);

    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("was revoked already"), "{words}");
}
