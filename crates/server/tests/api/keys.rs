//! Who may ask: keys, and what becomes of them.

use soku_server::account::{Role, SubscriptionState};
use soku_testkit::{Answer as Source, samples};

use crate::support::TestApp;

#[tokio::test]
async fn each_kind_of_wrong_key_has_its_message() {
    let app = TestApp::start().await;
    let (account, _) = app.account(SubscriptionState::Active, None, Role::Member).await;
    let (id, revoked) = app.key_of(&account).await;
    app.app.api.db.revoke_key(&id, app.clock.now()).await.expect("the key is there");
    let post = || app.request("POST", "/v1/media").header("Content-Type", "application/json").body("{}");
    let unknown = "sk_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    for (request, message) in [
        (post(), "Missing or invalid soku-api-key"),
        (post().header("soku-api-key", ""), "Missing or invalid soku-api-key"),
        (post().header("Authorization", format!("Bearer {}", revoked.reveal())), "Missing or invalid soku-api-key"),
        (post().header("soku-api-key", unknown), "Invalid API key"),
        (post().header("soku-api-key", "x"), "Invalid API key"),
        (post().header("soku-api-key", "' OR 1=1 --"), "Invalid API key"),
        (post().header("soku-api-key", revoked.reveal()), "API key revoked"),
    ] {
        let answer = app.send(request).await;
        let error = answer.refused(401, "unauthorized", "");
        assert_eq!(error["message"], message);
        assert_eq!(answer.header("x-ratelimit-tier"), "default");
    }
}

#[tokio::test]
async fn a_revoked_key_dies_at_once_and_its_siblings_live() {
    let app = TestApp::start().await;
    let (account, sibling) = app.account(SubscriptionState::Active, None, Role::Member).await;
    let (id, key) = app.key_of(&account).await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));
    assert_eq!(app.import_path(&key, "/a.png").await.status, 201);

    app.app.api.db.revoke_key(&id, app.clock.now()).await.expect("the key is there");

    app.import_path(&key, "/a.png").await.refused(401, "unauthorized", "");
    assert_eq!(app.import_path(&sibling, "/a.png").await.status, 201);
}

#[tokio::test]
async fn only_the_digest_of_a_key_is_stored() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let data = app.stop().await;

    let secret = &key.reveal()["sk_live_".len()..];
    for entry in std::fs::read_dir(data.path()).expect("a directory").flatten().filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(entry.path()).expect("a readable file");
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the key stands in {}", entry.path().display());
    }
}
