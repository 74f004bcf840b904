//! The same request twice: one download, one answer.

use std::sync::Arc;

use soku_server::account::{Role, SubscriptionState};
use soku_testkit::{Answer as Source, samples};
use tokio::sync::Notify;

use crate::support::TestApp;

const HOUR_MS: i64 = 3_600_000;

fn png() -> Source {
    Source::ok("image/png", samples::PNG.bytes)
}

/// A source path that answers only when told to; the notification says that it was asked.
fn held(app: &TestApp, path: &str, body: &'static [u8]) -> (Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&asked), Arc::clone(&go));
    app.origin.handle(path, move |_, mut stream| {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        async move {
            told.notify_one();
            wait.notified().await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n", body.len());
            use tokio::io::AsyncWriteExt as _;
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        }
    });
    (asked, go)
}

#[tokio::test]
async fn a_second_request_gets_the_first_answer_within_the_hour() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());

    let first = app.import_path(&key, "/a.png").await;
    let second = app.import_path(&key, "/a.png#other-fragment").await;
    app.clock.advance_ms(HOUR_MS - 1);
    let late = app.import_path(&key, "/a.png").await;
    app.clock.advance_ms(1);
    let too_late = app.import_path(&key, "/a.png").await;

    assert_eq!(first.header("idempotent-replayed"), "");
    for replay in [&second, &late] {
        assert_eq!(replay.header("idempotent-replayed"), "true");
        assert_eq!(replay.body, first.body);
        assert_eq!(replay.header("location"), first.header("location"));
    }
    assert_ne!(too_late.url(), first.url());
    assert_eq!(app.origin.requests().len(), 2);
}

#[tokio::test]
async fn a_key_of_the_caller_s_own_lives_for_a_day() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());
    let url = app.origin.url("/a.png");

    let first = app.import_as(&key, &url, "k").await;
    app.clock.advance_ms(24 * HOUR_MS - 1);
    let late = app.import_as(&key, &url, "k").await;
    app.clock.advance_ms(1);
    let too_late = app.import_as(&key, &url, "k").await;

    assert_eq!(late.url(), first.url());
    assert_ne!(too_late.url(), first.url());
}

#[tokio::test]
async fn a_clock_that_is_set_by_an_hour_neither_loses_a_key_nor_keeps_it_for_long() {
    for set_by_ms in [HOUR_MS, -HOUR_MS] {
        let app = TestApp::start().await;
        let key = app.subscribed().await;
        app.origin.serve("/a.png", png());

        let first = app.import_path(&key, "/a.png").await;
        app.clock.set_by_ms(set_by_ms);
        let after_the_step = app.import_path(&key, "/a.png").await;
        // Time goes by up to an eighth faster or slower until the step is made up for.
        app.clock.advance_ms(HOUR_MS * 7 / 8);
        let late = app.import_path(&key, "/a.png").await;
        app.clock.advance_ms(HOUR_MS * 3 / 8);
        let too_late = app.import_path(&key, "/a.png").await;

        assert_eq!(after_the_step.url(), first.url(), "set by {set_by_ms} ms");
        assert_eq!(late.url(), first.url(), "set by {set_by_ms} ms");
        assert_ne!(too_late.url(), first.url(), "set by {set_by_ms} ms");
        assert_eq!(app.origin.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_key_with_another_payload_is_refused_also_in_flight() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let (asked, go) = held(&app, "/slow.png", samples::PNG.bytes);
    app.origin.serve("/b.png", png());
    let app = Arc::new(app);

    let running = {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_as(&key, &app.origin.url("/slow.png"), "k").await })
    };
    asked.notified().await;
    let in_flight = app.import_as(&key, &app.origin.url("/b.png"), "k").await;
    go.notify_one();
    assert_eq!(running.await.expect("no panic").status, 201);
    let done = app.import_as(&key, &app.origin.url("/b.png"), "k").await;

    in_flight.refused(422, "idempotency_key_reused", "");
    done.refused(422, "idempotency_key_reused", "");
}

#[tokio::test]
async fn a_failed_attempt_frees_its_key_for_any_payload() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/gone.png", Source::status(404));
    app.origin.serve("/b.png", png());

    app.import_as(&key, &app.origin.url("/gone.png"), "k").await.refused(500, "internal_error", "source_status");
    let other = app.import_as(&key, &app.origin.url("/b.png"), "k").await;

    assert_eq!(other.status, 201);
}

#[tokio::test]
async fn duplicates_in_flight_share_one_download() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let key = app.subscribed().await;
    let (asked, go) = held(&app, "/slow.png", samples::PNG.bytes);
    let app = Arc::new(app);
    let ask = || {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_path(&key, "/slow.png").await })
    };

    let first = ask();
    asked.notified().await;
    let joined: Vec<_> = (0..20).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    go.notify_one();

    let first = first.await.expect("no panic");
    for answer in joined {
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.url(), first.url());
        assert_eq!(answer.header("idempotent-replayed"), "true");
    }
    assert_eq!(app.origin.requests().len(), 1);
}

#[tokio::test]
async fn waiters_get_the_failure_of_the_one_they_waited_for() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let key = app.subscribed().await;
    let (asked, go) = held(&app, "/page.png", samples::HTML.bytes);
    let app = Arc::new(app);
    let ask = || {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_as(&key, &app.origin.url("/page.png"), "k").await })
    };

    let first = ask();
    asked.notified().await;
    let waiter = ask();
    // The waiter's import is under way; one more of the same key, refused for its payload, is behind it in every queue.
    while app.app.api.ingest.under_way() < 2 {
        tokio::task::yield_now().await;
    }
    while app.import_as(&key, &app.origin.url("/other.png"), "k").await.status != 422 {}
    go.notify_one();

    first.await.expect("no panic").refused(400, "validation_error", "not_media");
    waiter.await.expect("no panic").refused(400, "validation_error", "not_media");
    assert_eq!(app.origin.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_download() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let (asked, go) = held(&app, "/slow.png", samples::PNG.bytes);
    let app = Arc::new(app);

    let impatient = {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_path(&key, "/slow.png").await })
    };
    asked.notified().await;
    impatient.abort();
    let _ = impatient.await;
    let retry = {
        let (app, key) = (Arc::clone(&app), key.clone());
        tokio::spawn(async move { app.import_path(&key, "/slow.png").await })
    };
    go.notify_one();

    let answer = retry.await.expect("no panic");
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("idempotent-replayed"), "true");
    assert_eq!(app.origin.requests().len(), 1);
}

#[tokio::test]
async fn no_two_accounts_share_an_entry() {
    let app = TestApp::start().await;
    let (one, other) = (app.subscribed().await, app.subscribed().await);
    app.origin.serve("/a.png", png());
    let url = app.origin.url("/a.png");

    let first = app.import_as(&one, &url, "k").await;
    let second = app.import_as(&other, &url, "k").await;

    assert_ne!(first.url(), second.url());
    assert_eq!(second.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn all_keys_of_an_account_share_its_records() {
    let app = TestApp::start().await;
    let (account, first_key) = app.account(SubscriptionState::Active, None, Role::Member).await;
    let (_, second_key) = app.key_of(&account).await;
    app.origin.serve("/a.png", png());

    let first = app.import_path(&first_key, "/a.png").await;
    let second = app.import_path(&second_key, "/a.png").await;

    assert_eq!(first.url(), second.url());
}

#[tokio::test]
async fn deleting_media_forgets_the_keys_that_made_it() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());
    let first = app.import_path(&key, "/a.png").await;
    let id = first.url().rsplit('/').nth(1).expect("an id").to_owned();

    let id = soku_server::id::MediaId::parse(&id).expect("an id");
    app.app.api.library.delete(&id).await.expect("deleted");

    app.get(&first.url()).await.refused(404, "not_found", "");
    let second = app.import_path(&key, "/a.png").await;
    assert_ne!(second.url(), first.url());
    assert_eq!(second.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", png());
    let url = app.origin.url("/a.png");
    let long = "k".repeat(256);

    for bad in ["", long.as_str(), "caf\u{e9}", "tab\there"] {
        app.import_as(&key, &url, bad).await.refused(400, "validation_error", "invalid_idempotency_key");
    }
    let doubled = app.import_request(&key, &url).header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    app.send(doubled).await.refused(400, "validation_error", "invalid_idempotency_key");
    assert_eq!(app.import_as(&key, &url, &"k".repeat(255)).await.status, 201);
}

/// Rule K4: whatever one account makes, under its own keys or derived ones, another never gets.
#[tokio::test]
async fn no_route_shows_another_accounts_row() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let (first, one) = app.account(SubscriptionState::Active, None, Role::Member).await;
    let (second, other) = app.account(SubscriptionState::Active, None, Role::Member).await;
    app.origin.serve("/slow.png", png().after(std::time::Duration::from_millis(300)));
    app.origin.serve("/a.png", png());
    let app = Arc::new(app);

    let derived = app.import_path(&one, "/a.png").await.url();
    let own = app.import_as(&one, &app.origin.url("/a.png"), "k").await.url();
    let theirs = [app.import_path(&other, "/a.png").await, app.import_as(&other, &app.origin.url("/a.png"), "k").await];
    let in_flight: Vec<_> = [&one, &other]
        .map(|key| {
            let (app, key) = (Arc::clone(&app), key.clone());
            tokio::spawn(async move { app.import_path(&key, "/slow.png").await })
        })
        .into();
    // Both ask the source: neither joined the other.
    app.origin.until(|seen| seen.requests == 6).await;

    let mut urls = vec![derived, own];
    for answer in theirs {
        assert_eq!(answer.header("idempotent-replayed"), "");
        urls.push(answer.url());
    }
    for answer in in_flight {
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.header("idempotent-replayed"), "");
        urls.push(answer.url());
    }
    let unique: std::collections::HashSet<_> = urls.iter().collect();
    assert_eq!(unique.len(), 6, "{urls:?}");
    for account in [&first.id, &second.id] {
        let listed = app.app.api.library.list(Some(account), None, 100).await.expect("a list");
        assert_eq!(listed.len(), 3);
        assert!(listed.iter().all(|media| media.account_id == *account));
    }
}
