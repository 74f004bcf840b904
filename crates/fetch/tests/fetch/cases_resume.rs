//! Resuming and partial answers. Numbers are rows of the case list.

use soku_fetch::FetchError;
use soku_testkit::{Answer, Origin, Request};

use crate::assert_fails;
use crate::bed::{Bed, Bytes, noise};

const SIZE: usize = 1_000_000;
const CUT: usize = 600_000;

fn whole() -> Answer {
    Answer::status(200).header("ETag", "\"v1\"").header("Content-Type", "video/mp4").body(noise(SIZE))
}

fn cut() -> Answer {
    whole().cut_after(CUT)
}

fn rest_of(request: &Request) -> Answer {
    Answer::part("video/mp4", noise(SIZE), request.range_start()).header("ETag", "\"v1\"")
}

#[tokio::test]
async fn a_cut_source_with_a_strong_validator_is_asked_for_the_rest() {
    let origin = Origin::start().await;
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let dated = move |answer: Answer| {
        answer.header("Last-Modified", date).header("Date", "Wed, 21 Oct 2015 08:00:00 GMT").header("X-Id", "1")
    };
    origin.answer_with("/tagged", |request, nth| if nth == 0 { cut() } else { rest_of(request) });
    origin.answer_with("/dated", move |request, nth| {
        let first = Answer::ok("video/mp4", noise(SIZE)).cut_after(CUT);
        dated(if nth == 0 { first } else { Answer::part("video/mp4", noise(SIZE), request.range_start()) })
    });

    assert!(Bed::new().bytes(&origin.url("/tagged")).await == noise(SIZE));
    assert!(Bed::new().bytes(&origin.url("/dated")).await == noise(SIZE));

    let requests = origin.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[1].header("range"), Some("bytes=600000-"));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
    assert_eq!(requests[3].header("if-range"), Some(date));
}

#[tokio::test]
async fn a_resume_goes_from_the_requested_url_through_its_redirects() {
    let origin = Origin::start().await;
    let storage = Origin::start().await;
    let base = storage.url("");
    origin.answer_with("/share", move |_, nth| Answer::redirect(302, format!("{base}/signed?{nth}")));
    storage.serve("/signed?0", cut());
    storage.answer_with("/signed?1", |request, _| rest_of(request));

    let fetched = Bed::new().fetch(&origin.url("/share")).await.unwrap();

    assert!(fetched.bytes() == noise(SIZE));
    assert_eq!(storage.targets(), ["/signed?0", "/signed?1"]);
    assert_eq!(origin.requests()[1].header("range"), Some("bytes=600000-"));
}

/// Report: rust-lang/rustup#4710
#[tokio::test]
async fn case_21_a_200_starts_over_from_zero() {
    let origin = Origin::start().await;
    let other = Answer::ok("video/mp4", [noise(300_000), noise(SIZE)].concat());
    let shorter = Answer::ok("video/mp4", noise(1000));
    origin.serve_in_turn("/same", [cut(), whole()]);
    origin.serve_in_turn("/other", [cut(), other]);
    origin.serve_in_turn("/shorter", [cut(), shorter]);
    let bed = Bed::new();

    assert!(bed.bytes(&origin.url("/same")).await == noise(SIZE));
    assert!(bed.bytes(&origin.url("/other")).await == [noise(300_000), noise(SIZE)].concat());
    assert!(bed.bytes(&origin.url("/shorter")).await == noise(1000));
}

#[tokio::test]
async fn case_21_whoever_starts_over_is_judged_anew() {
    let origin = Origin::start().await;
    let page = Answer::ok("text/html", format!("<html>{}", "x".repeat(100_000)));
    origin.serve_in_turn("/a", [cut(), page]);
    let bed = Bed::new();
    let no_pages = |first: &soku_fetch::FirstBytes<'_>| match first.head {
        [b'<', ..] => Err(soku_fetch::ContentRefused { detected_type: "text/html".to_owned() }),
        _ => Ok(()),
    };

    let error = bed.fetch_with(&origin.url("/a"), &no_pages).await.unwrap_err();

    assert_fails!(error, FetchError::ContentRefused(refused) if refused.detected_type == "text/html");
    bed.assert_nothing_left();
}

/// A first answer that is cut, then a part that does not fit, then the whole file: it must start over. And where the
/// source goes on so, it must fail.
async fn never_spliced(name: &str, wrong: impl Fn(usize) -> Answer) {
    let origin = Origin::start().await;
    let wrong = wrong(CUT);
    origin.serve_in_turn("/mended", [cut(), wrong.clone(), whole()]);
    origin.serve_in_turn("/broken", [cut(), wrong]);

    assert!(Bed::new().bytes(&origin.url("/mended")).await == noise(SIZE), "{name}");
    assert_eq!(origin.requests()[2].header("range"), None, "{name}");

    match Bed::new().failure(&origin.url("/broken")).await {
        FetchError::BadResponse { .. } => {}
        other => panic!("{name}: {other:?}"),
    }
}

fn part(range: &str, etag: Option<&str>, body: Vec<u8>) -> Answer {
    let answer = Answer::status(206).header("Content-Range", range).body(body);
    match etag {
        Some(etag) => answer.header("ETag", etag),
        None => answer,
    }
}

/// Report: BitMiracle-AI/Dormice#86
#[tokio::test]
async fn case_22_a_part_of_another_version_or_size_is_never_spliced() {
    let rest = || noise(SIZE)[CUT..].to_vec();
    never_spliced("other tag", |_| part("bytes 600000-999999/1000000", Some("\"v2\""), rest())).await;
    never_spliced("weak tag", |_| part("bytes 600000-999999/1000000", Some("W/\"v1\""), rest())).await;
    never_spliced("no tag", |_| part("bytes 600000-999999/1000000", None, rest())).await;
    never_spliced("other total", |_| part("bytes 600000-999999/1000001", Some("\"v1\""), rest())).await;
    never_spliced("unknown total", |_| part("bytes 600000-999999/*", Some("\"v1\""), rest())).await;
    never_spliced("other start", |_| part("bytes 599999-999999/1000000", Some("\"v1\""), rest())).await;
    never_spliced("other length", |_| part("bytes 600000-999999/1000000", Some("\"v1\""), noise(399_999))).await;
    let coded = || part("bytes 600000-999999/1000000", Some("\"v1\""), rest()).header("Content-Encoding", "gzip");
    never_spliced("coded", |_| coded()).await;
    let gathered = || part("bytes 600000-999999/1000000", Some("\"v1\""), rest());
    never_spliced("several parts", |_| gathered().header("Content-Type", "Multipart/ByteRanges; boundary=x")).await;
    never_spliced("coded for transfer", |_| gathered().header("Transfer-Encoding", "gzip")).await;
}

/// Report: bookorbit/bookorbit#858
#[tokio::test]
async fn case_23_a_weak_tag_is_not_resumed_by() {
    let origin = Origin::start().await;
    let weak = |answer: Answer| answer.header("ETag", "W/\"1\"");
    let first = weak(Answer::ok("video/mp4", noise(SIZE))).cut_after(CUT);
    origin.serve_in_turn("/a", [first, weak(Answer::ok("video/mp4", noise(SIZE)))]);

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests()[1].header("range"), None);
    assert_eq!(origin.requests()[1].header("if-range"), None);
}

#[tokio::test]
async fn case_23_a_date_does_not_stand_in_for_a_weak_tag() {
    let origin = Origin::start().await;
    let first = Answer::ok("video/mp4", noise(SIZE))
        .header("ETag", "W/\"1\"")
        .header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        .header("Date", "Wed, 21 Oct 2015 08:00:00 GMT");
    origin.serve_in_turn("/a", [first.clone().cut_after(CUT), first]);

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests()[1].header("range"), None);
}

/// Report: httpie/cli#515
#[tokio::test]
async fn case_24_an_unreadable_content_range_ends_the_resume() {
    let rest = || noise(SIZE)[CUT..].to_vec();
    for range in ["bytes=600000-999999/1000000", "600000-999999", "bytes 600000-", "", "bytes 999999-600000/1000000"] {
        never_spliced(range, |_| part(range, Some("\"v1\""), rest())).await;
    }
    never_spliced("none", |_| Answer::status(206).header("ETag", "\"v1\"").body(rest())).await;
}

#[tokio::test]
async fn a_part_shorter_than_asked_is_asked_on() {
    let origin = Origin::start().await;
    origin.answer_with("/a", |request, _| match request.range_start() {
        None => cut(),
        Some(start) => {
            let end = (start + 100_000).min(SIZE);
            part(&format!("bytes {start}-{}/{SIZE}", end - 1), Some("\"v1\""), noise(SIZE)[start..end].to_vec())
        }
    });

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests().len(), 5);
}

#[tokio::test]
async fn a_range_that_cannot_be_satisfied_starts_over() {
    let origin = Origin::start().await;
    origin.serve_in_turn("/a", [cut(), Answer::status(416), whole()]);

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests()[2].header("range"), None);
}

#[tokio::test]
async fn tries_that_bring_something_go_on_and_three_that_bring_nothing_end_it() {
    let origin = Origin::start().await;
    // Ten thousand bytes a try, more than three tries in all.
    origin.answer_with("/slow-progress", |request, _| {
        let cut = |answer: Answer| answer.header("ETag", "\"v1\"").cut_after(10_000);
        cut(Answer::part("video/mp4", noise(100_000), request.range_start()))
    });
    origin.answer_with("/no-progress", |request, _| match request.range_start() {
        None => cut(),
        Some(_) => rest_of(request).cut_after(0),
    });
    origin.serve("/restarts", Answer::ok("video/mp4", noise(SIZE)).cut_after(CUT));

    assert!(Bed::new().bytes(&origin.url("/slow-progress")).await == noise(100_000));
    assert_eq!(origin.requests().len(), 10);

    assert_fails!(Bed::new().failure(&origin.url("/no-progress")).await, FetchError::Truncated(_));
    assert_eq!(origin.requests().len(), 10 + 4, "one that brought bytes, three that did not");

    assert_fails!(Bed::new().failure(&origin.url("/restarts")).await, FetchError::Truncated(_));
    assert_eq!(origin.requests().len(), 14 + 4);
}

#[tokio::test]
async fn a_byte_of_progress_forgives_the_tries_before_it() {
    let origin = Origin::start().await;
    origin.answer_with("/a", |request, nth| match nth % 3 {
        2 if nth < 10 => rest_of(request).cut_after(1000 * nth),
        2 => rest_of(request),
        _ => Answer::status(503),
    });

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests().len(), 12, "never three in a row that brought nothing");
}

#[tokio::test]
async fn a_coded_body_is_not_resumed_inside() {
    let origin = Origin::start().await;
    let coded = crate::codings::gzip(&noise(SIZE)).await;
    let answer =
        move || Answer::ok("image/svg+xml", coded.clone()).header("Content-Encoding", "gzip").header("ETag", "\"v1\"");
    origin.serve_in_turn("/a", [answer().cut_after(CUT), answer()]);

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests()[1].header("range"), None);
}

#[tokio::test]
async fn a_busy_answer_to_a_resume_does_not_lose_what_is_there() {
    let origin = Origin::start().await;
    origin.answer_with("/a", |request, nth| match nth {
        0 => cut(),
        1 => Answer::status(503),
        _ => rest_of(request),
    });

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(SIZE));

    assert_eq!(origin.requests()[2].header("range"), Some("bytes=600000-"));
}
