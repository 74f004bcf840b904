//! Every error leaves in the envelope, every answer has an id, whatever was sent.

use std::time::Duration;

use soku_server::account::{Role, SubscriptionState};
use soku_server::id::ApiKey;
use soku_testkit::{Answer as Source, samples};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::answer::is_request_id;
use crate::support::{Answer, TestApp};

/// Splits a raw HTTP/1.1 answer with a `Content-Length`.
fn parse(raw: &[u8]) -> Answer {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|code| code.parse().ok()).expect("a status");
    let mut headers = reqwest::header::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header line");
        headers.append(
            reqwest::header::HeaderName::try_from(name).expect("a name"),
            value.trim().parse().expect("a value"),
        );
    }
    Answer { status, headers, body: raw[end + 4..].to_vec().into() }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_get_the_envelope() {
    let app = TestApp::start().await;

    app.get("/").await.refused(404, "not_found", "");
    app.get("/v1").await.refused(404, "not_found", "");
    app.get("/v1/nothing").await.refused(404, "not_found", "");
    app.get("/media").await.refused(404, "not_found", "");
    app.get("/media/x").await.refused(404, "not_found", "");
    app.get("/media/x/y/z").await.refused(404, "not_found", "");
    app.get("/%00%ff").await.refused(404, "not_found", "");
    let wrong = app.get("/v1/media").await;
    wrong.refused(405, "method_not_allowed", "");
    assert_eq!(wrong.header("allow"), "POST");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        app.send(app.request(method, "/v1/media")).await.refused(405, "method_not_allowed", "");
        let health = app.send(app.request(method, "/healthz")).await;
        health.refused(405, "method_not_allowed", "");
        assert_eq!(health.header("allow"), "GET,HEAD");
        let file = app.send(app.request(method, "/media/0123456789abcdef0123456789abcdef/a.png")).await;
        file.refused(405, "method_not_allowed", "");
        assert_eq!(file.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn what_is_not_here_is_charged_and_told_its_limits() {
    let app = TestApp::start().await;

    for path in ["/v1/", "/v1/nothing", "/nothing", "//v1/media"] {
        assert_eq!(app.get(path).await.header("x-ratelimit-tier"), "default", "{path}");
    }
    let mut passed = 4;
    while app.send(app.request("POST", "/healthz")).await.status == 405 {
        passed += 1;
    }
    assert_eq!(passed, 35);
    app.get("/nothing").await.refused(429, "rate_limit_exceeded", "");
    assert_eq!(app.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_media_request_without_a_host_is_guarded_too() {
    let app = TestApp::start().await;

    let answer = parse(&app.raw(b"GET /media/x/y HTTP/1.1\r\nConnection: close\r\n\r\n").await);

    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
}

#[tokio::test]
async fn what_is_not_here_yet_says_so() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;

    for (path, word) in [("/v1/posts", "Posts"), ("/v1/templates", "Templates"), ("/v1/media/render-og", "Templates")] {
        let answer = app.send(app.request("POST", path).header("soku-api-key", key.reveal())).await;
        let error = answer.refused(404, "not_found", "");
        assert_eq!(error["message"], format!("This server has no {word} API yet."));
    }
}

#[tokio::test]
async fn every_answer_carries_an_id_of_ours() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes));

    let made =
        app.send(app.import_request(&key, &app.origin.url("/a.png")).header("x-request-id", "req_theirs0000000")).await;
    let hosted = app.get(&made.url()).await;
    let missing = app.get("/media/0123456789abcdef0123456789abcdef/a.png").await;
    let healthy = app.get("/healthz").await;

    for answer in [&made, &hosted, &missing, &healthy] {
        assert!(is_request_id(answer.header("x-request-id")), "{answer:?}");
        assert_ne!(answer.header("x-request-id"), "req_theirs0000000");
    }
}

/// Sends on a connection with room for little, so that the sending succeeds only where the server reads; gives the answer.
async fn sent_slowly(app: &TestApp, bytes: &[u8]) -> Answer {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(8 * 1024).expect("a small buffer");
    let mut stream = socket.connect(app.address).await.expect("the server listens");
    stream.write_all(bytes).await.expect("the server reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("the server answers").expect("the server closes in order");
    parse(&answer)
}

#[tokio::test]
async fn who_sends_far_too_much_still_hears_the_refusal() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let unpaid = app.account(SubscriptionState::Unpaid, None, Role::Member).await.1;
    let waste = "a".repeat(1_000_000);
    let declared = format!("Content-Length: 1000000\r\n\r\n{waste}");
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\nF4240\r\n{waste}\r\n0\r\n\r\n");
    // Told to wait, it sends nothing and is not waited for.
    let expecting = "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n".to_owned();
    let post = |key: &ApiKey, kind: &str| {
        let key = key.reveal();
        format!("POST /v1/media HTTP/1.1\r\nHost: x\r\nsoku-api-key: {key}\r\nContent-Type: {kind}\r\n")
    };

    for rest in [&declared, &chunked, &expecting] {
        for (head, status, code) in [
            (post(&key, "application/json"), 413, "payload_too_large"),
            (post(&key, "image/png"), 415, "unsupported_media_type"),
            (post(&unpaid, "application/json"), 403, "forbidden"),
            ("POST /v1/media HTTP/1.1\r\nHost: x\r\n".to_owned(), 401, "unauthorized"),
            ("POST /nothing HTTP/1.1\r\nHost: x\r\n".to_owned(), 404, "not_found"),
            ("PUT /healthz HTTP/1.1\r\nHost: x\r\n".to_owned(), 405, "method_not_allowed"),
            ("POST /v1/media HTTP/1.1\r\n".to_owned(), 400, "validation_error"),
        ] {
            let answer = sent_slowly(&app, format!("{head}{rest}").as_bytes()).await;

            answer.refused(status, code, "");
            assert_eq!(answer.header("connection"), "close", "{head}");
        }
    }
    while app.get("/v1/nothing").await.status != 429 {}
    let head = "POST /v1/media HTTP/1.1\r\nHost: x\r\n";
    sent_slowly(&app, format!("{head}{declared}").as_bytes()).await.refused(429, "rate_limit_exceeded", "");
    let answer = sent_slowly(&app, format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{declared}").as_bytes()).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_costs_no_connection() {
    let app = TestApp::start().await;

    let refused = "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345".repeat(3);
    let answers = app.raw(format!("{refused}GET /healthz HTTP/1.0\r\n\r\n").as_bytes()).await;

    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 3, "{answers}");
    assert!(answers.contains("HTTP/1.0 200 "), "{answers}");
}

#[tokio::test]
async fn a_body_too_large_is_refused_declared_or_not() {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    let large = format!("{{\"url\": \"{}\"}}", "a".repeat(64 * 1024));

    let post = || {
        app.request("POST", "/v1/media").header("soku-api-key", key.reveal()).header("Content-Type", "application/json")
    };
    app.send(post().body(large.clone())).await.refused(413, "payload_too_large", "");
    let stream = futures_util::stream::iter(
        large.into_bytes().chunks(1000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>(),
    );
    app.send(post().body(reqwest::Body::wrap_stream(stream))).await.refused(413, "payload_too_large", "");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_timeout() {
    let app = TestApp::with(&[("SOKU_HTTP_REQUEST_TIMEOUT", "200ms")]).await;
    let key = app.subscribed().await;

    let head = format!(
        "POST /v1/media HTTP/1.1\r\nHost: x\r\nsoku-api-key: {}\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{{",
        key.reveal()
    );
    let answer = app.raw(head.as_bytes()).await;

    parse(&answer).refused(408, "request_timeout", "");
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let app = TestApp::start().await;
    let ask = async |version: &str, hosts: &[&[u8]]| {
        let mut bytes = format!("GET /healthz HTTP/{version}\r\nConnection: close\r\n").into_bytes();
        for host in hosts {
            bytes.extend([b"Host: ", *host, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        parse(&app.raw(&bytes).await)
    };

    for (version, hosts, words) in [
        ("1.1", &[][..], "is missing"),
        ("1.1", &[&b"a"[..], b"b"], "more than once"),
        ("1.0", &[b"a", b"a"], "more than once"),
        ("1.1", &[b""], "not a host"),
        ("1.1", &[b"a b/c"], "not a host"),
        ("1.1", &[b"\xff"], "not a host"),
        ("1.1", &[b"u@a"], "not a host"),
        ("1.1", &[b"a:b"], "not a host"),
        ("1.1", &[b"a:70000"], "not a host"),
        ("1.1", &[b":80"], "not a host"),
        ("1.1", &[b"[::1"], "not a host"),
        ("1.1", &[b"[x]"], "not a host"),
        ("1.1", &[b"%zz"], "not a host"),
        ("1.0", &[b"a, b"], "not a host"),
    ] {
        let error = ask(version, hosts).await.refused(400, "validation_error", "");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{hosts:?}: {error}");
        assert_eq!(error["details"]["field"], "Host");
    }
    for host in
        ["a", "a:80", "a:", "my_app.internal:8080", "xn--bcher-kva.example.", "127.0.0.1:1", "[::1]:8080", "%C3%BC.de"]
    {
        assert_eq!(ask("1.1", &[host.as_bytes()]).await.status, 200, "{host}");
    }
    assert_eq!(ask("1.0", &[]).await.status, 200);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let app = TestApp::with(&[("SOKU_HTTP_REQUEST_TIMEOUT", "200ms")]).await;

    let half = app.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    let silent = app.raw(b"").await;

    assert!(!half.starts_with(b"HTTP/1.1 200"));
    assert!(silent.is_empty());
}

#[tokio::test]
async fn a_head_is_refused_when_it_is_larger_than_the_limit() {
    let app = TestApp::with(&[("SOKU_HTTP_MAX_HEAD", "20KiB")]).await;
    let head = |target: usize, field: usize| {
        let target = format!("/healthz?{}", "t".repeat(target));
        let field = "f".repeat(field);
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {field}\r\n\r\n").into_bytes()
    };
    let rest = 20 * 1024 - head(0, 0).len();

    for (target, field) in [(0, rest), (rest, 0), (rest / 2, rest / 2)] {
        assert_eq!(parse(&app.raw(&head(target, field)).await).status, 200);
    }
    for (target, field) in [(0, rest + 1), (rest + 1, 0), (rest / 2 + 1, rest / 2 + 1), (10_000, rest)] {
        let answer = parse(&app.raw(&head(target, field)).await);
        let error = answer.refused(431, "validation_error", "");
        assert!(error["message"].as_str().is_some_and(|message| message.contains("20480 bytes")), "{error}");
    }
    // Far beyond it nothing makes a request of it, and so no envelope; but the answer is heard.
    let flood = app.raw(&head(0, 300_000)).await;
    assert!(flood.starts_with(b"HTTP/1.1 431 "), "{}", flood.escape_ascii());
}

#[tokio::test]
async fn health_is_told_without_a_key_and_outside_the_limits() {
    let app = TestApp::start().await;

    for _ in 0..50 {
        assert_eq!(app.get("/healthz").await.status, 200);
    }
    let ready = app.get("/readyz").await;
    let robots = app.get("/robots.txt").await;

    assert_eq!((ready.status, ready.header("x-ratelimit-limit")), (200, ""));
    assert_eq!(robots.body, "User-agent: *\nDisallow:\n");
}
