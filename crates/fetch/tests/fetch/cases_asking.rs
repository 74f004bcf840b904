//! How the URL reaches the source, and how the source is asked. Numbers are rows of the case list.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use soku_fetch::{DialSettings, FetchError, SourceUrl, UrlRefused};
use soku_testkit::samples::{JPEG, PNG, WEBP};
use soku_testkit::{Answer, DnsServer, Origin, TlsOrigin};

use crate::assert_fails;
use crate::bed::{Bed, USER_AGENT, noise, quick};

fn png() -> Answer {
    Answer::ok("image/png", PNG.bytes)
}

/// Report: discourse/discourse#8818
#[tokio::test]
async fn case_01_a_signed_query_goes_out_byte_for_byte() {
    let origin = Origin::start().await;
    let target = "/k.png?X-Amz-Security-Token=IQo%2Bab%2Fcd%3D%3D&X-Amz-Signature=9f&x=a+b&y=%25%c3%a9&z==";
    origin.answer_all_with(|_, _| Answer::status(403));
    origin.serve(target, png());

    assert_eq!(Bed::new().bytes(&origin.url(target)).await, PNG.bytes);
}

/// Report: directus/directus#14848
#[tokio::test]
async fn case_02_letters_beyond_ascii_are_escaped_as_utf8() {
    let origin = Origin::start().await;
    origin.serve("/2017/02/Sa%C3%BAde.png?q=%C3%BA", png());

    assert_eq!(Bed::new().bytes(&origin.url("/2017/02/Saúde.png?q=ú")).await, PNG.bytes);
}

/// Report: crawler-commons/crawler-commons#263
#[tokio::test]
async fn case_03_a_per_cent_sign_that_starts_no_escape_goes_out_as_it_is() {
    let origin = Origin::start().await;
    origin.serve("/music/90%+of.png", png());

    assert_eq!(Bed::new().bytes(&origin.url("/music/90%+of.png")).await, PNG.bytes);
}

/// Report: dotnet/corefx#32378
#[tokio::test]
async fn case_04_a_fragment_is_not_sent() {
    let origin = Origin::start().await;
    origin.serve("/clip.mp4", png());

    assert_eq!(Bed::new().bytes(&origin.url("/clip.mp4#t=10,20")).await, PNG.bytes);
}

#[tokio::test]
async fn whatever_the_url_parser_leaves_in_a_target_can_be_sent() {
    let origin = Origin::start().await;
    origin.answer_all_with(|_, _| png());
    let bed = Bed::new();
    let every: String = (' '..='~').filter(|&c| !matches!(c, '#' | '?' | '\\' | '/')).collect();

    for target in [format!("/{every}?{every}?/\\"), "//double//slash".to_owned(), "/?".to_owned(), String::new()] {
        let url = SourceUrl::parse(&origin.url(&target)).unwrap();
        bed.bytes(&origin.url(&target)).await;

        assert_eq!(origin.targets().pop().as_deref(), Some(url.request_target()));
    }
}

/// Report: MediaArea/MediaInfoLib#221
#[tokio::test]
async fn case_05_nothing_of_our_own_is_said_to_a_source() {
    let origin = Origin::start().await;
    origin.answer_with("/a.png", |request, _| {
        let said = ["authorization", "referer", "origin", "cookie"].iter().any(|name| request.header(name).is_some());
        if said { Answer::status(400) } else { png() }
    });

    assert_eq!(Bed::new().bytes(&origin.url("/a.png")).await, PNG.bytes);
}

/// Report: wp-property/wp-property#150
#[tokio::test]
async fn case_06_a_password_is_refused_first_and_in_a_location() {
    let origin = Origin::start().await;
    let secret = format!("http://user:p%40ss@{}/private.png", origin.address());
    origin.serve("/moved", Answer::redirect(302, &secret));
    origin.serve("/private.png", png());

    assert_eq!(SourceUrl::parse(&secret), Err(UrlRefused::Credentials));
    let error = Bed::new().failure(&origin.url("/moved")).await;

    assert!(!format!("{error} {error:?}").contains("p%40ss"), "{error:?}");
    assert_fails!(error, FetchError::CredentialsInUrl);
    assert_eq!(origin.targets(), ["/moved"]);
}

/// Report: openzim/sotoki#252
#[tokio::test]
async fn case_25_a_source_learns_product_version_and_contact() {
    let origin = Origin::start().await;
    origin.answer_with("/a.png", |request, _| {
        if request.header("user-agent") == Some(USER_AGENT) { png() } else { Answer::status(403) }
    });

    assert_eq!(Bed::new().bytes(&origin.url("/a.png")).await, PNG.bytes);
}

/// Report: xibosignage/xibo#2736
#[tokio::test]
async fn case_26_one_get_does_everything() {
    let origin = Origin::start().await;
    origin.answer_with("/a.png", |request, _| if request.method == "GET" { png() } else { Answer::status(405) });

    assert_eq!(Bed::new().bytes(&origin.url("/a.png")).await, PNG.bytes);

    assert_eq!(origin.requests().len(), 1);
}

/// Report: kensanata/mastodon-archive#109
#[tokio::test]
async fn case_27_a_short_retry_after_is_waited_for_and_a_long_one_ends_it() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let busy = |status: u16, wait: &str| Answer::status(status).header("Retry-After", wait);
    origin.serve_in_turn("/soon", [busy(429, "1"), png()]);
    origin.serve("/later", busy(429, "3600"));

    let start = Instant::now();
    assert_eq!(bed.bytes(&origin.url("/soon")).await, PNG.bytes);
    assert!(start.elapsed() >= Duration::from_secs(1));

    assert_fails!(
        bed.failure(&origin.url("/later")).await,
        FetchError::SourceStatus { status: 429, retry_after: Some(3600) }
    );
    assert_eq!(origin.targets(), ["/soon", "/soon", "/later"]);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the source tells the real time")]
async fn case_27_a_retry_after_may_be_a_date() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let date = |seconds| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
    let skewed = |seconds| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    origin.serve("/later", Answer::status(503).header("Retry-After", date(100)));
    origin.serve_in_turn("/past", [Answer::status(503).header("Retry-After", skewed(100)), png()]);
    let by_its_own_clock = Answer::status(503).header("Date", skewed(5000)).header("Retry-After", skewed(5060));
    origin.serve("/skewed", by_its_own_clock);

    assert_fails!(
        bed.failure(&origin.url("/later")).await,
        FetchError::SourceStatus { status: 503, retry_after: Some(98..=101) }
    );
    assert_eq!(bed.bytes(&origin.url("/past")).await, PNG.bytes);
    assert_fails!(
        bed.failure(&origin.url("/skewed")).await,
        FetchError::SourceStatus { status: 503, retry_after: Some(60) }
    );
}

#[tokio::test]
async fn case_27_some_statuses_are_tried_again_and_all_others_are_final() {
    for status in [408, 429, 502, 503, 504] {
        let origin = Origin::start().await;
        origin.serve_in_turn("/mended", [Answer::status(status), Answer::status(status), png()]);
        origin.serve("/broken", Answer::status(status));

        assert_eq!(Bed::new().bytes(&origin.url("/mended")).await, PNG.bytes, "{status}");
        let error = Bed::new().failure(&origin.url("/broken")).await;

        assert_fails!(error, FetchError::SourceStatus { status: told, retry_after: None } if told == status);
        assert_eq!(origin.requests().len(), 6, "{status}");
    }
    for status in [201, 202, 204, 205, 300, 304, 305, 400, 401, 403, 404, 410, 416, 418, 451, 500, 501, 505, 599, 999] {
        let origin = Origin::start().await;
        origin.serve("/a", Answer::status(status).header("Location", "/b").without_length());

        assert_fails!(
            Bed::new().failure(&origin.url("/a")).await,
            FetchError::SourceStatus { status: told, .. } if told == status
        );
        assert_eq!(origin.targets(), ["/a"], "{status}");
    }
}

/// Report: winddriver/Delphi-Cross-Socket#201
#[tokio::test]
async fn case_28_a_source_that_closes_after_each_answer_without_saying_so_costs_nothing() {
    let origin = Origin::start().await;
    origin.answer_all_with(|_, _| png().header("Connection", "keep-alive"));
    let bed = Bed::new();

    for n in 0..20 {
        assert_eq!(bed.bytes(&origin.url(&format!("/{n}"))).await, PNG.bytes);
    }

    assert_eq!(origin.connections(), 20);
}

/// Report: JDimproved/JDim#746
#[tokio::test]
async fn case_29_nothing_invites_a_source_to_convert() {
    let origin = Origin::start().await;
    origin.answer_with("/photo", |request, _| {
        let wants_webp = request.header("accept").is_some_and(|accept| accept.contains("image/webp"));
        if wants_webp { Answer::ok("image/webp", WEBP.bytes) } else { Answer::ok("image/jpeg", JPEG.bytes) }
    });

    assert_eq!(Bed::new().bytes(&origin.url("/photo")).await, JPEG.bytes);
}

/// Report: ggml-org/llama.cpp#24783
#[tokio::test]
async fn case_30_a_dead_ipv6_does_not_fail_a_host_whose_ipv4_works() {
    let origin = Origin::start().await;
    let dns = DnsServer::start().await;
    dns.answer("two-roads.example.com", &["::1", "127.0.0.1"]);
    origin.serve("/a.png", png());
    let settings = DialSettings { dns_servers: vec![dns.address()], ..DialSettings::default() };

    let bytes = Bed::dialling(settings, quick()).bytes(&origin.url_as("two-roads.example.com", "/a.png")).await;

    assert_eq!(bytes, PNG.bytes);
}

/// Report: seanmonstar/reqwest#1052
#[tokio::test]
async fn case_31_only_http_1_1_is_offered() {
    let prefers = TlsOrigin::builder().prefers(&["h2", "http/1.1"]).start().await;
    let insists = TlsOrigin::builder().prefers(&["h2"]).start().await;
    let bytes = Bytes::from(noise(100_000));
    prefers.serve("/a", Answer::ok("video/mp4", bytes.clone()));

    assert_eq!(Bed::trusting(prefers.ca_pem()).bytes(&prefers.url("/a")).await, bytes);

    assert_fails!(Bed::trusting(insists.ca_pem()).failure(&insists.url("/a")).await, FetchError::TlsFailed(_));
}
