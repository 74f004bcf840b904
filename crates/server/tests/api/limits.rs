//! The rate limits as a client sees them.

use soku_server::account::{Role, SubscriptionState};

use crate::support::TestApp;

/// How many of `requests` pass before the first 429.
async fn passed(app: &TestApp, build: impl Fn() -> reqwest::RequestBuilder, requests: usize) -> usize {
    for nth in 0..requests {
        if app.send(build()).await.status == 429 {
            return nth;
        }
    }
    requests
}

#[tokio::test]
async fn each_tier_lets_its_limit_and_burst_through() {
    for (state, role, tier, expected) in [
        (SubscriptionState::Unpaid, Role::Member, "authenticated", 90),
        (SubscriptionState::Active, Role::Member, "premium", 200),
        (SubscriptionState::Active, Role::Admin, "admin", 700),
    ] {
        let app = TestApp::start().await;
        let (_, key) = app.account(state, None, role).await;
        let build = || app.request("GET", "/v1/nothing").header("soku-api-key", key.reveal());

        let first = app.send(build()).await;
        assert_eq!(first.header("x-ratelimit-tier"), tier);
        assert_eq!(first.header("x-ratelimit-limit"), expected.to_string());
        assert_eq!(first.header("x-ratelimit-remaining"), (expected - 1).to_string());
        assert_eq!(passed(&app, build, 1000).await, expected - 1, "{tier}");
    }
}

#[tokio::test]
async fn a_caller_without_a_valid_key_is_counted_by_address() {
    let app = TestApp::with(&[("SOKU_TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    let from = |address: &'static str| {
        let app = &app;
        move || app.request("GET", "/v1/nothing").header("X-Forwarded-For", address)
    };

    assert_eq!(passed(&app, from("203.0.113.7"), 100).await, 35);
    assert_eq!(passed(&app, from("203.0.113.8"), 100).await, 35);
    assert_eq!(passed(&app, from("2001:db8:1:2::1"), 100).await, 35);
    assert_eq!(passed(&app, from("2001:db8:1:2:ffff::9"), 100).await, 0, "one /64 is one caller");
    let unknown = || from("203.0.113.7")().header("soku-api-key", "sk_live_unknown");
    assert_eq!(passed(&app, unknown, 10).await, 0, "an invalid key is counted by address too");
}

#[tokio::test]
async fn a_forged_forwarded_header_changes_nothing() {
    let app = TestApp::start().await;
    let mut count = 0;
    for nth in 0..60 {
        let forged = app.request("GET", "/v1/nothing").header("X-Forwarded-For", format!("203.0.113.{nth}"));
        count += usize::from(app.send(forged).await.status != 429);
    }
    assert_eq!(count, 35);
}

#[tokio::test]
async fn a_valid_key_never_touches_the_address_counter() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    assert_eq!(passed(&app, || app.request("GET", "/v1/nothing"), 100).await, 35);

    let with_key = app.send(app.request("GET", "/v1/nothing").header("soku-api-key", key.reveal())).await;

    with_key.refused(404, "not_found", "");
}

#[tokio::test]
async fn the_endpoint_has_a_limit_of_its_own() {
    let app = TestApp::start().await;
    let (account, key) = app.account(SubscriptionState::Active, None, Role::Member).await;
    let (_, sibling) = app.key_of(&account).await;
    let post = |key: &soku_server::id::ApiKey| app.import_request(key, "nonsense");

    assert_eq!(passed(&app, || post(&key), 100).await, 30);
    assert_eq!(passed(&app, || post(&sibling), 100).await, 0, "keys of one account share its counters");
    let templates = |path: &'static str| {
        let (app, key) = (&app, &key);
        move || app.request("POST", path).header("soku-api-key", key.reveal())
    };
    assert_eq!(passed(&app, templates("/v1/templates"), 12).await, 12);
    assert_eq!(passed(&app, templates("/v1/media/render-og"), 100).await, 8, "the alias shares the counter");
}

#[tokio::test]
async fn a_retry_after_is_neither_too_short_nor_too_long() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let post = || app.import_request(&key, "nonsense");
    assert_eq!(passed(&app, post, 100).await, 30);
    app.clock.advance_ms(20_500);

    let refused = app.send(post()).await;
    refused.refused(429, "rate_limit_exceeded", "");
    let wait: i64 = refused.header("retry-after").parse().expect("whole seconds");
    assert_eq!(wait, 40, "39.5 s are left of the minute");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().expect("Unix seconds");
    assert_eq!(reset, crate::support::NOON.0 / 1000 + 60);
    app.clock.advance_ms((wait - 1) * 1000 - 600);
    app.send(post()).await.refused(429, "rate_limit_exceeded", "");
    app.clock.advance_ms(1600);
    app.send(post()).await.refused(400, "validation_error", "invalid_url");
}

#[tokio::test]
async fn every_answer_of_the_api_tells_its_limits() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;

    let good = app.send(app.import_request(&key, "nonsense")).await;
    let unauthorized = app.send(app.request("POST", "/v1/media")).await;
    let wrong_method = app.send(app.request("GET", "/v1/media").header("soku-api-key", key.reveal())).await;

    for answer in [&good, &unauthorized, &wrong_method] {
        for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-tier"] {
            assert!(!answer.header(name).is_empty(), "{name}: {answer:?}");
        }
        assert!(answer.header("ratelimit").contains("r="), "{answer:?}");
        assert!(answer.header("ratelimit-policy").contains("q="), "{answer:?}");
    }
    assert_eq!(good.header("x-ratelimit-limit"), "30", "the endpoint is closer to its end than the tier");
    assert_eq!(good.header("x-ratelimit-remaining"), "29");
}

#[tokio::test]
async fn an_answer_without_a_verdict_tells_how_the_address_stands() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.get("/v1/nothing").await;

    let no_host = app.raw(b"POST /v1/media HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    let no_host = String::from_utf8_lossy(&no_host).into_owned();
    app.app.api.db.close().await;
    let no_database = app.import(&key, "http://127.0.0.1/a.png").await;

    assert!(no_host.starts_with("HTTP/1.1 400 ") && no_host.contains("x-ratelimit-remaining: 34\r\n"), "{no_host}");
    no_database.refused(503, "service_unavailable", "not_ready");
    assert_eq!(no_database.header("x-ratelimit-tier"), "default");
    assert_eq!(no_database.header("x-ratelimit-limit"), "35");
    assert_eq!(no_database.header("x-ratelimit-remaining"), "34", "neither of the two was charged");
    assert!(no_database.header("ratelimit").contains("r=34"), "{no_database:?}");
    assert!(no_database.header("ratelimit-policy").contains("q="), "{no_database:?}");
}

#[tokio::test]
async fn switched_off_limits_say_and_refuse_nothing() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;

    let answer = app.get("/v1/nothing").await;

    for name in ["x-ratelimit-limit", "x-ratelimit-tier", "ratelimit", "ratelimit-policy"] {
        assert_eq!(answer.header(name), "");
    }
    assert_eq!(passed(&app, || app.request("GET", "/v1/nothing"), 60).await, 60);
}

#[tokio::test]
async fn a_restart_is_no_way_round_the_limits() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    assert_eq!(passed(&app, || app.import_request(&key, "nonsense"), 100).await, 30);

    let now = app.clock.now().plus_ms(1000);
    let again = TestApp::on(app.stop().await, now, &[]).await;

    again.send(again.import_request(&key, "nonsense")).await.refused(429, "rate_limit_exceeded", "");
}

#[tokio::test]
async fn changed_numbers_are_kept() {
    let app = TestApp::with(&[
        ("SOKU_RATE_LIMIT_DEFAULT_PER_MINUTE", "3"),
        ("SOKU_RATE_LIMIT_DEFAULT_BURST", "1"),
        ("SOKU_RATE_LIMIT_MEDIA_PER_MINUTE", "2"),
    ])
    .await;
    let key = app.subscribed().await;

    assert_eq!(passed(&app, || app.request("GET", "/v1/nothing"), 10).await, 4);
    assert_eq!(passed(&app, || app.import_request(&key, "nonsense"), 10).await, 2);
}
