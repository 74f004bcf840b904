//! The proofs of the security page that need a whole fetch.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use soku_fetch::{DialSettings, FetchError, SourceUrl};
use soku_testkit::samples::PNG;
use soku_testkit::{Answer, DnsReply, DnsServer, Origin, TlsOrigin};

use crate::assert_fails;
use crate::bed::{Bed, USER_AGENT, noise, quick};

fn png() -> Answer {
    Answer::ok("image/png", PNG.bytes)
}

/// A public and a private source on the same port, and a name server that says which one a name is.
struct TwoSides {
    public: Origin,
    private: Origin,
    dns: DnsServer,
    bed: Bed,
}

impl TwoSides {
    async fn start() -> TwoSides {
        let public = Origin::start().await;
        let private = Origin::start_at((Ipv4Addr::new(127, 0, 0, 2), public.port())).await;
        private.answer_all_with(|_, _| png());
        let dns = DnsServer::start().await;
        let settings = DialSettings { dns_servers: vec![dns.address()], ..DialSettings::default() };
        TwoSides { public, private, dns, bed: Bed::dialling(settings, quick()) }
    }

    fn rebinds(&self, name: &str) -> String {
        let replies = [DnsReply::addresses(&["127.0.0.1"]), DnsReply::addresses(&["127.0.0.2"])];
        self.dns.reply_in_turn(name, replies);
        format!("http://{name}:{}", self.public.port())
    }
}

#[tokio::test]
async fn a_name_that_changes_its_answer_reaches_nothing_private() {
    let sides = TwoSides::start().await;
    sides.public.serve("/", png());
    sides.public.serve("/again", Answer::redirect(302, "/"));
    sides.public.serve("/cut", Answer::ok("video/mp4", noise(1000)).header("ETag", "\"1\"").cut_after(500));
    sides.public.serve("/busy", Answer::status(503));

    // One question a hop: what was judged is what is dialled.
    assert_eq!(sides.bed.bytes(&sides.rebinds("once.example.com")).await, PNG.bytes);
    assert_eq!(sides.dns.count("once.example.com", "A"), 1);

    // Redirects, resumes and further tries ask again, and are judged again.
    for (name, target) in [("a.example.com", "/again"), ("b.example.com", "/cut"), ("c.example.com", "/busy")] {
        let url = sides.rebinds(name) + target;
        assert_fails!(sides.bed.failure(&url).await, FetchError::AddressNotPublic);
        assert_eq!(sides.dns.count(name, "A"), 2);
    }
    assert_eq!(sides.private.connections(), 0);
}

#[tokio::test]
async fn each_hop_is_judged_like_a_first_url() {
    let sides = TwoSides::start().await;
    let port = sides.public.port();
    sides.dns.answer("inside.example.com", &["127.0.0.2"]);
    for host in [
        "127.0.0.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "127.2",
        "127.0.0.2.",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "[64:ff9b::127.0.0.2]",
        "inside.example.com",
        "localhost",
        "metadata.google.internal",
        "redis",
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
    ] {
        for status in [301, 302, 303, 307, 308] {
            sides.public.serve("/moved", Answer::redirect(status, format!("http://{host}:{port}/")));

            match sides.bed.failure(&sides.public.url("/moved")).await {
                FetchError::AddressNotPublic => {}
                other => panic!("{status} to {host}: {other:?}"),
            }
        }
        let first = sides.bed.failure(&format!("http://{host}:{port}/")).await;
        assert_fails!(first, FetchError::AddressNotPublic);
    }
    for (location, reason) in [
        ("http://127.0.0.1:0/".to_owned(), "PortBlocked"),
        (format!("http://u:p@127.0.0.1:{port}/"), "CredentialsInUrl"),
        ("ftp://127.0.0.1/".to_owned(), "RedirectRefused"),
        ("http://nowhere.test/".to_owned(), "DnsFailed"),
    ] {
        sides.public.serve("/moved", Answer::redirect(302, &location));

        let error = sides.bed.failure(&sides.public.url("/moved")).await;

        assert!(format!("{error:?}").starts_with(reason), "{location}: {error:?}");
    }
    assert_eq!(sides.private.connections(), 0);
    assert!(sides.public.targets().iter().all(|target| target == "/moved"));
}

#[tokio::test]
async fn a_long_chain_is_judged_to_its_last_hop() {
    let sides = TwoSides::start().await;
    for n in 0..9 {
        sides.public.serve(&format!("/{n}"), Answer::redirect(302, format!("/{}", n + 1)));
    }
    sides.public.serve("/9", Answer::redirect(302, sides.private.url("/")));

    assert_fails!(sides.bed.failure(&sides.public.url("/0")).await, FetchError::AddressNotPublic);

    assert_eq!(sides.private.connections(), 0);
}

#[tokio::test]
async fn every_request_dials_anew() {
    let origin = Origin::start().await;
    // A source that would gladly serve many requests on one connection.
    origin.serve("/1", Answer::redirect(302, "/2").header("Connection", "keep-alive").keep_open());
    origin.serve_in_turn("/2", [Answer::status(503).keep_open(), png().keep_open()]);
    let bed = Bed::new();

    assert_eq!(bed.bytes(&origin.url("/1")).await, PNG.bytes);
    assert_eq!(bed.bytes(&origin.url("/2")).await, PNG.bytes);

    let seen = tokio::time::timeout(Duration::from_secs(20), origin.until_idle()).await.expect("nothing stays open");
    assert_eq!((seen.connections, seen.requests), (5, 5));
    assert_eq!(seen.most_open, 1);
}

#[tokio::test]
async fn a_redirect_with_an_endless_body_is_followed_at_once() {
    let origin = Origin::start().await;
    let target = Origin::start().await;
    target.serve("/file", png());
    origin.serve("/endless", Answer::redirect(302, target.url("/file")).without_length().body(noise(10_000)).endless());
    let stalling = Answer::redirect(302, target.url("/file")).body(noise(10_000)).cut_after(100).then_stall();
    origin.serve("/stalling", stalling);
    let bed = Bed::new();

    let start = Instant::now();
    assert_eq!(bed.bytes(&origin.url("/endless")).await, PNG.bytes);
    assert_eq!(bed.bytes(&origin.url("/stalling")).await, PNG.bytes);

    assert!(start.elapsed() < Duration::from_secs(20), "no body was waited for");
    tokio::time::timeout(Duration::from_secs(20), origin.until_idle()).await.expect("the redirects were let go");
}

#[tokio::test]
async fn a_source_sees_these_headers_and_no_others() {
    let origin = Origin::start().await;
    origin.serve("/moved?secret=1", Answer::redirect(302, "/file").header("Set-Cookie", "a=1"));
    let cut = Answer::ok("video/mp4", noise(1000)).header("ETag", "\"v1\"").cut_after(400);
    origin.answer_with("/file", move |request, nth| match nth {
        0 => cut.clone(),
        _ => Answer::part("video/mp4", noise(1000), request.range_start()).header("ETag", "\"v1\""),
    });

    assert_eq!(Bed::new().bytes(&origin.url("/moved?secret=1")).await, noise(1000));

    let host = format!("Host: {}", origin.address());
    let agent = format!("User-Agent: {USER_AGENT}");
    let always = [&host[..], &agent, "Accept: */*", "Accept-Encoding: identity"];
    let heads: Vec<Vec<String>> = origin.requests().iter().map(soku_testkit::Request::header_lines).collect();
    let rest = ["Range: bytes=400-", "If-Range: \"v1\""];
    assert_eq!(heads[0], always);
    assert_eq!(heads[1], [&always[..], &["Cookie: a=1"]].concat());
    assert_eq!(heads[2], [&always[..], &["Cookie: a=1"], &rest].concat());
    assert_eq!(heads[3], [&always[..], &["Cookie: a=1"], &rest].concat());
    assert_eq!(heads.len(), 4);
}

#[tokio::test]
async fn the_host_is_named_as_it_was_written_and_its_usual_port_is_not() {
    for (url, host) in [
        ("http://Example.COM/a", "example.com"),
        ("http://example.com:80/a", "example.com"),
        ("https://example.com:443/a", "example.com"),
        ("http://example.com:443/a", "example.com:443"),
        ("http://[2606:4700::1]:8080/a", "[2606:4700::1]:8080"),
        ("http://bücher.example/a", "xn--bcher-kva.example"),
    ] {
        assert_eq!(SourceUrl::parse(url).unwrap().host_header(), host, "{url}");
    }
}

#[tokio::test]
async fn an_unasked_206_is_refused() {
    let origin = Origin::start().await;
    let bytes = noise(1000);
    let part = |range: &str| Answer::status(206).header("Content-Range", range).header("ETag", "\"1\"");
    origin.serve("/part", part("bytes 0-499/1000").body(bytes[..500].to_vec()));
    origin.serve("/whole", part("bytes 0-999/1000").body(bytes.clone()));
    let weak = Answer::ok("video/mp4", bytes.clone()).header("ETag", "W/\"1\"").cut_after(500);
    origin.serve_in_turn("/after-a-cut", [weak, part("bytes 500-999/1000").body(bytes[500..].to_vec())]);

    for target in ["/part", "/whole", "/after-a-cut"] {
        assert_fails!(Bed::new().failure(&origin.url(target)).await, FetchError::BadResponse { .. });
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_on_every_hop() {
    let trusted = TlsOrigin::start().await;
    let misnamed = TlsOrigin::builder().named(&["elsewhere.example"]).start().await;
    let expired = TlsOrigin::builder().expired().start().await;
    let unknown = TlsOrigin::start().await;
    let plain = Origin::start().await;
    let known = [trusted.ca_pem(), misnamed.ca_pem(), expired.ca_pem()].concat();
    let bed = Bed::trusting(&known);
    trusted.serve("/", png());
    assert_eq!(bed.bytes(&trusted.url("/")).await, PNG.bytes);

    for (what, bad) in [("misnamed", &misnamed), ("expired", &expired), ("unknown", &unknown)] {
        bad.serve("/", png());
        plain.serve("/moved", Answer::redirect(302, bad.url("/")));
        trusted.serve("/moved", Answer::redirect(302, bad.url("/")));
        for url in [bad.url("/"), plain.url("/moved"), trusted.url("/moved")] {
            match bed.failure(&url).await {
                FetchError::TlsFailed(_) => {}
                other => panic!("{what}: {other:?}"),
            }
        }
        assert_eq!(bad.requests(), [], "{what}: nothing was asked over a connection that is not trusted");
    }
}
