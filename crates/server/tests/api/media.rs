//! `POST /v1/media`: the user's document row by row, and what is wrong with a request.

use soku_server::account::{Role, SubscriptionState};
use soku_testkit::{Answer as Source, samples};

use crate::support::{NOON, TestApp};

#[tokio::test]
async fn a_file_is_taken_in_and_served_under_its_hosted_url() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/videos/product-demo.mp4", Source::ok("video/mp4", samples::MP4.bytes));

    let made = app.import_path(&key, "/videos/product-demo.mp4").await;
    let hosted = app.get(&made.url()).await;

    assert_eq!(made.header("content-type"), "application/json");
    assert_eq!(made.header("idempotent-replayed"), "");
    assert_eq!(made.json().as_object().expect("an object").len(), 1);
    let url = made.url();
    let rest = url.strip_prefix(&app.url("/media/")).expect("the public base");
    let (id, name) = rest.split_once('/').expect("id and name");
    assert!(id.len() >= 24 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{id}");
    assert_eq!(name, "product-demo.mp4");
    assert_eq!(hosted.body, samples::MP4.bytes);
}

#[tokio::test]
async fn the_hosted_url_begins_with_the_public_url() {
    let app = TestApp::with(&[("SOKU_PUBLIC_URL", "https://storage.example.org/")]).await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));

    let url = app.import_path(&key, "/a.png").await.url();

    let path = url.strip_prefix("https://storage.example.org").expect("the public base");
    assert!(path.starts_with("/media/"), "{path}");
    assert_eq!(app.get(path).await.status, 200);
}

#[tokio::test]
async fn the_document_s_error_rows_come_out_as_written() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let (_, unpaid) = app.account(SubscriptionState::Unpaid, None, Role::Member).await;
    app.origin.serve("/gone.png", Source::status(404));

    let invalid = app.import(&key, "not a url").await;
    let error = invalid.refused(400, "validation_error", "invalid_url");
    assert_eq!(error["message"], "The 'url' field must be a valid HTTP or HTTPS URL.");
    assert_eq!(error["details"]["field"], "url");
    assert_eq!(error["timestamp"], "2026-02-28T12:00:00.000Z");

    let unauthorized = app.send(app.request("POST", "/v1/media").header("Content-Type", "application/json")).await;
    let error = unauthorized.refused(401, "unauthorized", "");
    assert_eq!(error["message"], "Missing or invalid soku-api-key");

    let forbidden = app.import_path(&unpaid, "/a.png").await;
    let error = forbidden.refused(403, "forbidden", "");
    assert_eq!(error["message"], "An active subscription is required to access the API.");

    let failed = app.import_path(&key, "/gone.png").await;
    let error = failed.refused(500, "internal_error", "source_status");
    assert_eq!(error["details"]["sourceStatus"], 404);

    // What is left of the 30 a minute that the endpoint gives: the two above counted.
    let mut last = app.import(&key, "not a url").await;
    for _ in 0..40 {
        if last.status == 429 {
            break;
        }
        last = app.import(&key, "not a url").await;
    }
    last.refused(429, "rate_limit_exceeded", "");
    assert!(!last.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_what_it_should_be_is_told_why() {
    let app = TestApp::with(&[("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let key = app.subscribed().await;
    let post = |body: Vec<u8>| {
        let request = app.request("POST", "/v1/media").header("soku-api-key", key.reveal());
        request.header("Content-Type", "application/json").body(body)
    };

    for (body, reason) in [
        (&b""[..], "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"{\"url\": \"http://a.example/\", \"url\": \"http://b.example/\"}", "invalid_json"),
        (b"{\"url\": \"\xff\xfe\"}", "invalid_json"),
        (b"{}", "missing_field"),
        (b"{\"url\": 7}", "invalid_type"),
        (b"{\"url\": null}", "invalid_type"),
        (b"{\"url\": \"\"}", "invalid_url"),
        (b"{\"url\": \"ftp://example.com/a.png\"}", "invalid_url"),
        (b"{\"url\": \"http://\"}", "invalid_url"),
        (b"{\"url\": \"http://[fe80::1%25eth0]/a.png\"}", "invalid_url"),
        (b"{\"url\": \"javascript:alert(1)\"}", "invalid_url"),
    ] {
        let answer = app.send(post(body.to_vec())).await;
        let error = answer.refused(400, "validation_error", reason);
        if reason != "invalid_json" {
            assert_eq!(error["message"], "The 'url' field must be a valid HTTP or HTTPS URL.");
        }
    }
    let long = format!("{{\"url\": \"http://example.com/{}\"}}", "a".repeat(8192));
    app.send(post(long.into_bytes())).await.refused(400, "validation_error", "invalid_url");
    let untyped = app.request("POST", "/v1/media").header("soku-api-key", key.reveal()).body("{}");
    app.send(untyped).await.refused(415, "unsupported_media_type", "");
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));

    let body = serde_json::json!({"url": app.origin.url("/a.png"), "tags": ["later"], "folder": {"id": 1}});
    let request = app.request("POST", "/v1/media").header("soku-api-key", key.reveal());
    let answer =
        app.send(request.header("Content-Type", "application/json; charset=utf-8").body(body.to_string())).await;

    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn what_can_never_succeed_is_a_400() {
    let app = TestApp::with(&[("SOKU_FETCH_MAX_BYTES", "1000"), ("SOKU_RATE_LIMIT_ENABLED", "false")]).await;
    let key = app.subscribed().await;
    app.origin.serve("/large.png", Source::ok("image/png", samples::PNG.bytes));
    app.origin.serve("/ftp", Source::redirect(302, "ftp://127.0.0.1/a.png"));
    app.origin.serve("/inside", Source::redirect(302, "http://127.0.0.2/a.png"));
    app.origin.serve("/empty.png", Source::ok("image/png", ""));

    for (url, reason) in [
        ("http://127.0.0.2/a.png".to_owned(), "address_not_public"),
        ("http://10.0.0.1/a.png".to_owned(), "address_not_public"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "address_not_public"),
        ("http://[::1]/a.png".to_owned(), "address_not_public"),
        ("http://2130706434/a.png".to_owned(), "address_not_public"),
        ("http://127.0.0.1:0/a.png".to_owned(), "port_blocked"),
        ("http://93.184.216.34:22/a.png".to_owned(), "port_blocked"),
        (app.origin.url("/inside"), "address_not_public"),
        (app.origin.url("/ftp"), "redirect_refused"),
        (app.origin.url("/empty.png"), "not_media"),
    ] {
        let error = app.import(&key, &url).await.refused(400, "validation_error", reason);
        assert_eq!(error["details"]["field"], "url");
    }
    let error = app.import(&key, &app.origin.url("/large.png")).await.refused(400, "validation_error", "too_large");
    assert_eq!(error["details"]["limitBytes"], 1000);
    assert!(app.stored_files().is_empty());
}

#[tokio::test]
async fn a_failed_source_leaves_nothing_and_may_be_tried_again() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let answers = [Source::status(500), Source::ok("image/png", samples::PNG.bytes)];
    app.origin.serve_in_turn("/a.png", answers);

    let failed = app.import_path(&key, "/a.png").await;
    failed.refused(500, "internal_error", "source_status");
    assert!(app.stored_files().is_empty());

    let made = app.import_path(&key, "/a.png").await;
    assert_eq!(made.header("idempotent-replayed"), "");
    assert_eq!(app.get(&made.url()).await.status, 200);
}

#[tokio::test]
async fn a_subscription_whose_period_ended_is_forbidden() {
    let app = TestApp::start().await;
    let (_, key) = app.account(SubscriptionState::Trialing, Some(NOON.plus_ms(1000)), Role::Member).await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));

    assert_eq!(app.import_path(&key, "/a.png").await.status, 201);
    app.clock.advance_ms(1000);
    let late = app.import_path(&key, "/a.png").await;

    late.refused(403, "forbidden", "");
    assert_eq!(late.header("x-ratelimit-tier"), "authenticated");
}

#[tokio::test]
async fn a_stored_file_leaves_no_spool_file() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));

    let url = app.import_path(&key, "/a.png").await.url();

    let id = url.rsplit('/').nth(1).expect("an id").to_owned();
    let files = app.stored_files();
    if std::env::var("SOKU_TEST_PAIR").is_ok_and(|pair| pair.ends_with("s3")) {
        assert!(files.is_empty(), "{files:?}");
    } else {
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(files[0].ends_with(&id) && files[0].starts_with(app.data.path().join("media")), "{files:?}");
    }
}
