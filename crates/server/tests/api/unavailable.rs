//! What the server answers when it cannot: no database, no room, no place in the queue, a stop, a bug.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::FutureExt as _;
use soku_server::http::door::Door;
use soku_server::store::Store;
use soku_testkit::{Answer as Source, samples};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use crate::support::answer::is_request_id;
use crate::support::log::Captured;
use crate::support::{Answer, NOON, TestApp};

fn png() -> Source {
    Source::ok("image/png", samples::PNG.bytes)
}

/// Asserts a 503 with its reason and a `Retry-After`.
#[track_caller]
fn assert_unavailable(answer: &Answer, reason: &str) {
    answer.refused(503, "service_unavailable", reason);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}

#[tokio::test]
async fn without_a_database_nothing_is_begun() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());
    app.app.api.db.close().await;

    assert_unavailable(&app.import_path(&key, "/a.png").await, "not_ready");
    assert_unavailable(&app.get("/readyz").await, "not_ready");
    assert_eq!(app.get("/healthz").await.status, 200);
    assert!(app.origin.requests().is_empty());
}

#[tokio::test]
async fn readyz_asks_the_storage_at_most_once_a_second() {
    let app = TestApp::start().await;
    if !matches!(app.app.api.store, Store::Local(_)) {
        return eprintln!("skipped: a bucket cannot be taken away");
    }
    let (media, away) = (app.data.path().join("media"), app.data.path().join("away"));

    assert_eq!(app.get("/readyz").await.status, 200);
    std::fs::rename(&media, &away).expect("a rename");
    assert_eq!(app.get("/readyz").await.status, 200, "the answer of this second");
    app.clock.advance_ms(1_000);
    assert_unavailable(&app.get("/readyz").await, "not_ready");
    std::fs::rename(&away, &media).expect("a rename");
    assert_unavailable(&app.get("/readyz").await, "not_ready");
    app.clock.advance_ms(1_000);
    assert_eq!(app.get("/readyz").await.status, 200);
    std::fs::rename(&media, &away).expect("a rename");
    app.clock.set_by_ms(-3_600_000);
    app.clock.advance_ms(1_000);
    assert_unavailable(&app.get("/readyz").await, "not_ready");
}

#[tokio::test]
async fn a_full_queue_sends_away_but_answers_replays_and_joins() {
    let app = TestApp::with(&[
        ("SOKU_DOWNLOADS_AT_ONCE", "1"),
        ("SOKU_DOWNLOADS_WAITING", "0"),
        ("SOKU_RATE_LIMIT_ENABLED", "false"),
    ])
    .await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());
    app.origin.serve("/b.png", png());
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(200_000, 0);
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    app.origin.handle("/slow.mp4", move |_, mut stream| {
        let (wait, film) = (Arc::clone(&wait), film.clone());
        async move {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {}\r\n\r\n", film.len());
            let _ = stream.write_all(&[head.as_bytes(), &film[..100_000]].concat()).await;
            wait.notified().await;
            let _ = stream.write_all(&film[100_000..]).await;
        }
    });
    let made = app.import_path(&key, "/a.png").await.url();
    let app = Arc::new(app);
    let ask = |path: &'static str| {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_path(&key, path).await })
    };

    let slow = ask("/slow.mp4");
    app.origin.until(|seen| seen.requests == 2).await;
    assert_unavailable(&app.import_path(&key, "/b.png").await, "queue_full");
    assert_eq!(app.import_path(&key, "/a.png").await.url(), made, "a replay needs no turn");
    let joined = ask("/slow.mp4");
    while app.app.api.ingest.under_way() < 2 {
        tokio::task::yield_now().await;
    }

    go.notify_one();

    let (slow, joined) = (slow.await.expect("no panic"), joined.await.expect("no panic"));
    assert_eq!((slow.status, slow.header("idempotent-replayed")), (201, ""));
    assert_eq!((joined.status, joined.header("idempotent-replayed")), (201, "true"));
    assert_eq!(joined.body, slow.body, "a join needs no turn");
    assert_eq!(app.origin.targets().iter().filter(|target| *target == "/b.png").count(), 0);
}

#[tokio::test]
async fn who_waits_for_a_turn_is_told_of_the_stop() {
    let app = TestApp::with(&[("SOKU_DOWNLOADS_AT_ONCE", "1"), ("SOKU_HTTP_STOP_GRACE", "100ms")]).await;
    let key = app.subscribed().await;
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(200_000, 0);
    app.origin.serve("/slow.mp4", Source::ok("video/mp4", film).cut_after(100_000).then_stall());
    app.origin.serve("/b.png", png());
    let app = Arc::new(app);
    let ask = |path: &'static str| {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_path(&key, path).await })
    };
    let slow = ask("/slow.mp4");
    app.origin.until(|seen| seen.requests == 1).await;
    let waiting = ask("/b.png");
    while app.app.api.admission.turns.load() != (1, 1) {
        tokio::task::yield_now().await;
    }

    app.begin_stop();

    assert_unavailable(&waiting.await.expect("no panic"), "shutting_down");
    slow.await.expect("no panic").refused(500, "internal_error", "interrupted");
}

#[tokio::test]
async fn a_disk_that_must_keep_more_free_than_it_has_is_full() {
    let app = TestApp::with(&[("SOKU_STORAGE_MIN_FREE_BYTES", "900TiB")]).await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());

    app.import_path(&key, "/a.png").await.refused(500, "internal_error", "storage_full");

    assert!(app.origin.requests().is_empty(), "nothing was downloaded");
    assert!(app.stored_files().is_empty());
}

#[tokio::test]
async fn a_panic_is_an_envelope_like_any_other() {
    async fn panics() {
        panic!("the inner words stay inside");
    }
    let app = TestApp::start().await;
    let door = Door::new(Router::new().route("/panics", get(panics)), app.clock.clone(), Vec::new());
    let request = http::Request::get("/panics").header("Host", "x").body(Body::empty()).expect("a request");

    let response = door.pass([127, 0, 0, 1].into(), request).await;

    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.expect("a body");
    let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
    let error = answer.refused(500, "internal_error", "");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(error["timestamp"], NOON.rfc3339());
    assert!(!error.to_string().contains("inner words"));
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_answer_has_its_log_line() {
    let app = TestApp::start().await;
    let routes = Router::new().route("/waits", get(std::future::pending::<()>));
    let door = Door::new(routes, app.clock.clone(), Vec::new());
    let request = http::Request::get("/waits").header("Host", "x").body(Body::empty()).expect("a request");
    let log = Captured::start();

    let passing = door.pass([127, 0, 0, 9].into(), request);
    assert!(passing.now_or_never().is_none());

    let lines = log.lines();
    let [line] = &lines[..] else { panic!("not one line a request: {lines:#?}") };
    let fields = &line["fields"];
    assert_eq!(fields["message"], "GET /waits: the connection ended before the answer");
    assert!(is_request_id(fields["request.id"].as_str().expect("an id")), "{fields}");
    assert_eq!(fields["client.address"], "127.0.0.9");
    assert!(fields["duration_ms"].is_u64(), "{fields}");
}
