//! What platforms do with the hosted URL.

use soku_testkit::{Answer as Source, samples};

use super::Case;

/// A case with one stored PNG of `size` bytes; its URL and its bytes.
async fn stored(size: usize) -> (Case, String, Vec<u8>) {
    let case = Case::new().await;
    let mut bytes = samples::PNG.bytes.to_vec();
    bytes.resize(size.max(bytes.len()), 0xA5);
    case.app.origin.serve("/a.png", Source::ok("image/png", bytes.clone()));
    let url = case.app.import_path(&case.key, "/a.png").await.url();
    (case, url, bytes)
}

/// serverpod/relic#175
#[tokio::test]
async fn case_60_head_tells_what_get_gives() {
    let (case, url, bytes) = stored(1_500_000).await;

    let head = case.app.send(case.app.request("HEAD", &url)).await;
    let get = case.app.get(&url).await;

    assert_eq!(head.header("content-length"), bytes.len().to_string());
    assert!(head.body.is_empty());
    for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert!(!get.header(name).is_empty(), "{name}");
    }
}

/// weserv/images#439
#[tokio::test]
async fn case_61_nobody_is_turned_away_by_a_header() {
    let (case, url, bytes) = stored(5_000).await;
    let path = url.strip_prefix(&case.app.url("")).expect("our own URL");

    for lines in
        ["User-Agent: facebookexternalhit/1.1\r\n", "Accept: text/html\r\n", "", "User-Agent: \r\nCookie: a=b\r\n"]
    {
        let answer = case
            .app
            .raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        assert!(answer.ends_with(&bytes));
    }
}

/// gitroomhq/postiz-app#1900
#[tokio::test]
async fn case_63_a_hundred_gets_at_once_are_alike() {
    let (case, url, bytes) = stored(300_000).await;
    let case = std::sync::Arc::new(case);

    let gets = (0..100).map(|_| {
        let (case, url) = (std::sync::Arc::clone(&case), url.clone());
        tokio::spawn(async move { case.app.get(&url).await })
    });
    let answers: Vec<_> = gets.collect();

    let mut etags = std::collections::HashSet::new();
    for answer in answers {
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.status, 200);
        assert!(answer.body == bytes);
        etags.insert(answer.header("etag").to_owned());
    }
    assert_eq!(etags.len(), 1);
}

/// inovector/mixpost#197
#[tokio::test]
async fn case_64_every_kind_of_client_gets_the_same_bytes() {
    let (case, url, bytes) = stored(300_000).await;
    let path = url.strip_prefix(&case.app.url("")).expect("our own URL");

    let old = case.app.raw(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await;
    let closed = case.app.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
    let mut parts = Vec::new();
    for start in (0..bytes.len()).step_by(70_000) {
        let end = (start + 69_999).min(bytes.len() - 1);
        let part = case.app.send(case.app.request("GET", &url).header("Range", format!("bytes={start}-{end}"))).await;
        assert_eq!(part.status, 206);
        parts.extend_from_slice(&part.body);
    }

    assert!(old.ends_with(&bytes) && closed.ends_with(&bytes));
    assert!(parts == bytes);
}

/// gitroomhq/postiz-app#1659
#[tokio::test]
async fn case_66_delivery_has_a_length_and_is_never_chunked() {
    let (case, url, bytes) = stored(5_000_000).await;

    let answer = case.app.get(&url).await;

    assert_eq!(answer.header("content-length"), bytes.len().to_string());
    assert_eq!(answer.header("transfer-encoding"), "");
    assert!(answer.body == bytes);
}

/// directus/directus#15703
#[tokio::test]
async fn case_67_a_key_of_the_callers_own_always_fetches_anew() {
    let case = Case::new().await;
    let (old, new) = (samples::PNG, samples::JPEG);
    let answers = [Source::ok("image/png", old.bytes), Source::ok("image/jpeg", new.bytes)];
    case.app.origin.serve_in_turn("/latest", answers.clone());
    case.app.origin.serve_in_turn("/derived", answers);
    let url = case.app.origin.url("/latest");

    let first = case.app.import_as(&case.key, &url, "monday").await;
    let second = case.app.import_as(&case.key, &url, "tuesday").await;
    let derived = case.app.import_path(&case.key, "/derived").await;
    let again = case.app.import_path(&case.key, "/derived").await;

    assert_eq!(case.app.get(&first.url()).await.body, old.bytes);
    assert_eq!(case.app.get(&second.url()).await.body, new.bytes);
    assert_eq!(second.header("idempotent-replayed"), "");
    assert_eq!(again.url(), derived.url());
    assert_eq!(again.header("idempotent-replayed"), "true");
}
