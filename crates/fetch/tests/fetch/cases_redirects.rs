//! Redirects. Numbers are rows of the case list.

use soku_fetch::FetchError;
use soku_testkit::samples::PNG;
use soku_testkit::{Answer, Origin, TlsOrigin};

use crate::assert_fails;
use crate::bed::{Bed, Bytes};

fn png() -> Answer {
    Answer::ok("image/png", PNG.bytes)
}

/// Report: sqdshguy/wreq-js#218
#[tokio::test]
async fn case_07_a_location_in_raw_utf8_or_with_blanks_is_followed() {
    let origin = Origin::start().await;
    origin.serve("/a", Answer::redirect(302, "/café.png"));
    origin.serve("/caf%C3%A9.png", Answer::redirect(302, "/my file.png?a b"));
    origin.serve("/my%20file.png?a%20b", png());

    assert_eq!(Bed::new().bytes(&origin.url("/a")).await, PNG.bytes);
}

/// Report: ning/async-http-client#13
#[tokio::test]
async fn case_08_a_relative_location_is_resolved_against_the_url_that_redirected() {
    let origin = Origin::start().await;
    let other = Origin::start().await;
    let bed = Bed::new();
    origin.answer_all_with(|_, _| png());
    other.serve("/c.png", png());
    let absolute = format!("//{}/c.png", other.address());
    for (location, target) in [
        ("moved/here.png", Some("/a/moved/here.png")),
        ("/here.png", Some("/here.png")),
        ("../here.png", Some("/here.png")),
        ("?x=1", Some("/a/b?x=1")),
        ("here.png#part", Some("/a/here.png")),
        (absolute.as_str(), None),
    ] {
        origin.serve("/a/b?q", Answer::redirect(301, location));

        assert_eq!(bed.bytes(&origin.url("/a/b?q")).await, PNG.bytes, "{location}");

        if let Some(target) = target {
            assert_eq!(origin.targets().pop().as_deref(), Some(target), "{location}");
        }
    }
    assert_eq!(other.targets(), ["/c.png"]);
}

/// Report: gaowanliang/OneDriveShareLinkPushAria2#24
#[tokio::test]
async fn case_09_a_cookie_of_the_chain_goes_back_to_its_host_and_dies_with_the_import() {
    let origin = Origin::start().await;
    let elsewhere = Origin::start_on([127, 0, 0, 1]).await;
    let bed = Bed::new();
    let share = Answer::redirect(302, "/stream").header("Set-Cookie", "FedAuth=1; path=/; HttpOnly");
    origin.answer_with(
        "/share",
        move |request, _| {
            if request.header("cookie").is_some() { Answer::status(400) } else { share.clone() }
        },
    );
    origin.answer_with("/stream", |request, _| match request.header("cookie") {
        Some("FedAuth=1") => png(),
        _ => Answer::redirect(302, "/login"),
    });
    origin.serve("/login", Answer::ok("text/html", "<html>"));
    let away = Answer::redirect(302, elsewhere.url_as("127.0.0.1", "/file"));
    origin.serve("/away", away.header("Set-Cookie", "Session=2; path=/away"));
    elsewhere.serve("/file", png());

    assert_eq!(bed.bytes(&origin.url("/share")).await, PNG.bytes);
    assert_eq!(bed.bytes(&origin.url("/share")).await, PNG.bytes, "the next import starts without cookies");
    assert_eq!(bed.bytes(&origin.url("/away")).await, PNG.bytes);

    assert_eq!(elsewhere.requests()[0].header("cookie"), None);
}

#[tokio::test]
async fn case_09_a_secure_cookie_does_not_go_over_http() {
    let tls = TlsOrigin::start().await;
    let plain = Origin::start().await;
    tls.serve(
        "/a",
        Answer::redirect(302, plain.url("/b"))
            .header("Set-Cookie", "secret=1; Secure; Path=/")
            .header("Set-Cookie", "open=2; Path=/"),
    );
    plain.serve("/b", Answer::redirect(302, tls.url("/c")));
    tls.serve("/c", png());

    assert_eq!(Bed::trusting(tls.ca_pem()).bytes(&tls.url("/a")).await, PNG.bytes);

    assert_eq!(plain.requests()[0].header("cookie"), Some("open=2"));
    assert_eq!(tls.requests()[1].header("cookie"), Some("secret=1; open=2"));
}

/// Report: langflow-ai/openrag#702
#[tokio::test]
async fn case_10_the_five_redirects_lead_to_another_host_with_get() {
    let storage = Origin::start().await;
    storage.serve("/x/y?sig=%2B", png());
    for status in [301, 302, 303, 307, 308] {
        let origin = Origin::start().await;
        origin.serve("/share", Answer::redirect(status, storage.url("/x/y?sig=%2B")));

        let fetched = Bed::new().fetch(&origin.url("/share")).await.unwrap();

        assert_eq!(fetched.bytes(), PNG.bytes);
        assert_eq!(fetched.final_url.identity(), storage.url("/x/y?sig=%2B"));
    }
    assert!(storage.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn both_ways_between_http_and_https_are_followed() {
    let tls = TlsOrigin::start().await;
    let plain = Origin::start().await;
    plain.serve("/1", Answer::redirect(301, tls.url("/2")));
    tls.serve("/2", Answer::redirect(301, plain.url("/3")));
    plain.serve("/3", png());

    assert_eq!(Bed::trusting(tls.ca_pem()).bytes(&plain.url("/1")).await, PNG.bytes);
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let origin = Origin::start().await;
    for n in 0..20 {
        origin.serve(&format!("/{n}"), Answer::redirect(302, format!("{}", n + 1)));
    }
    let bed = Bed::new();

    origin.serve("/10", png());
    assert_eq!(bed.bytes(&origin.url("/0")).await, PNG.bytes);

    origin.serve("/10", Answer::redirect(302, "11"));
    origin.serve("/11", png());
    assert_fails!(bed.failure(&origin.url("/0")).await, FetchError::TooManyRedirects);
    assert!(!origin.targets().contains(&"/11".to_owned()));

    origin.serve("/loop", Answer::redirect(302, "/loop"));
    assert_fails!(bed.failure(&origin.url("/loop")).await, FetchError::TooManyRedirects);
}

#[tokio::test]
async fn a_missing_doubled_or_unreadable_location_is_a_bad_response() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for answer in [
        Answer::status(302),
        Answer::redirect(302, "/a").header("Location", "/b"),
        Answer::redirect(302, "/a").header("Location", "/a"),
        Answer::redirect(302, ""),
        Answer::redirect(302, "http://"),
        Answer::redirect(302, "http://[::1"),
        Answer::redirect(302, b"http://h\xff\xff.example/"),
        Answer::redirect(302, "http://127.0.0.1:99999/"),
        Answer::redirect(302, b"/control\x01character"),
    ] {
        origin.serve("/moved", answer.clone());

        match bed.failure(&origin.url("/moved")).await {
            FetchError::BadResponse { .. } => {}
            other => panic!("{answer:?}: {other:?}"),
        }
    }
    assert!(origin.targets().iter().all(|target| target == "/moved"));
}

#[tokio::test]
async fn a_location_that_leaves_http_is_refused() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for location in
        ["ftp://example.com/a", "file:///etc/passwd", "data:image/png;base64,AA==", "javascript:1", "gopher:x"]
    {
        origin.serve("/moved", Answer::redirect(302, location));

        assert_fails!(bed.failure(&origin.url("/moved")).await, FetchError::RedirectRefused);
    }
}

#[tokio::test]
async fn what_only_looks_like_a_redirect_is_not_followed() {
    let origin = Origin::start().await;
    origin.serve("/refresh", png().header("Refresh", "0; url=/b").header("Location", "/b").header("Link", "</b>"));

    assert_eq!(Bed::new().bytes(&origin.url("/refresh")).await, PNG.bytes);

    assert_eq!(origin.targets(), ["/refresh"]);
}
