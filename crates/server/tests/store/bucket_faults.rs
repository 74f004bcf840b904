//! Buckets that fail: a scripted server stands for what a real one does on its bad days.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use soku_server::library::{LibrarySettings, Swept};
use soku_server::store::{Kept, S3Settings, StoreError};
use soku_testkit::{Answer, Origin, Request};

use crate::bed::{Bed, bounded, bytes, meta, process_of, variable};
use crate::library::Stacks;

const MIB: usize = 1024 * 1024;
const UPLOAD: &str = "<InitiateMultipartUploadResult><UploadId>up-1</UploadId></InitiateMultipartUploadResult>";

fn settings_of(endpoint: &str) -> S3Settings {
    let mut settings = S3Settings::parse("s3://bucket").unwrap();
    settings.endpoint = Some(endpoint.to_owned());
    settings.allow_http = true;
    settings.retries = 0;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        settings.environment.push((name.to_owned(), "s3cr3t".to_owned()));
    }
    settings
}

async fn bucket_that(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> (Origin, Bed) {
    let origin = Origin::start().await;
    origin.answer_all_with(move |request, nth| {
        let answer = answer(request, nth);
        match request.method.as_str() {
            // What is uploaded is read and thrown away, so that no reset overtakes the answer.
            "PUT" => answer.header("Connection", "close").then_stall(),
            // May be cut already, at a byte that counts from the start of the head.
            "GET" if request.header("range").is_some() => answer,
            _ => answer.header("Connection", "close"),
        }
    });
    let bed = Bed::on_bucket(&settings_of(&origin.url("")));
    (origin, bed)
}

async fn keep_on(bed: &Bed, len: usize) -> Result<(), StoreError> {
    let download = bed.download(&bytes(len));
    bounded(bed.store.keep(&download, &download.key("a.mp4"), &meta())).await.map(Kept::recorded)
}

fn code(status: u16, code: &str) -> Answer {
    Answer::status(status).body(format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"))
}

#[tokio::test]
async fn a_full_bucket_is_told_apart() {
    for (status, word) in [(507, "InsufficientStorage"), (403, "QuotaExceeded"), (507, "XMinioStorageFull")] {
        let (_origin, bed) = bucket_that(move |_, _| code(status, word)).await;

        let outcome = keep_on(&bed, 100).await;

        assert!(matches!(outcome, Err(StoreError::Full { .. })), "{status} {word}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_overloaded_or_away_is_told_apart() {
    // The last one: this machine's clock was set, and its signatures are of another time.
    let away = [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests"), (403, "RequestTimeTooSkewed")];
    for (status, word) in away {
        let (_origin, bed) = bucket_that(move |_, _| code(status, word)).await;

        let outcome = keep_on(&bed, 100).await;

        assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{status} {word}: {outcome:?}");
    }
    let (origin, bed) = bucket_that(|_, _| Answer::status(200)).await;
    drop(origin);

    let outcome = keep_on(&bed, 100).await;

    assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "nobody listens: {outcome:?}");
}

#[tokio::test]
async fn a_bucket_that_says_nothing_is_given_up() {
    let origin = Origin::start().await;
    origin.answer_all_with(|_, _| Answer::raw("").then_stall());
    let mut settings = settings_of(&origin.url(""));
    settings.timeout = Duration::from_millis(300);
    let bed = Bed::on_bucket(&settings);

    let outcome = keep_on(&bed, 100).await;

    assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_refusal_is_a_failure_that_names_no_credential() {
    let (_origin, bed) = bucket_that(|_, _| code(403, "AccessDenied")).await;

    let outcome = keep_on(&bed, 100).await;

    let Err(error @ StoreError::Failed { .. }) = outcome else { panic!("{outcome:?}") };
    let words = format!("{error:?} {}", soku_server::telemetry::Causes(&error));
    assert!(words.contains("AccessDenied") && !words.contains("s3cr3t"), "{words}");
    assert!(!format!("{:?}", bed.store).contains("s3cr3t"));
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_object() {
    for (word, missing) in [("NoSuchKey", true), ("NoSuchBucket", false)] {
        let (_origin, bed) = bucket_that(move |_, _| code(404, word)).await;
        let key = bed.download(b"").key("a.png");

        let error = bounded(bed.store.open(&key, 10)).await.map(drop).unwrap_err();

        assert_eq!(matches!(error, StoreError::Missing { .. }), missing, "{word}: {error:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_part_fails_is_aborted_and_marked() {
    let (origin, bed) = bucket_that(|request, _| match request.method.as_str() {
        "POST" => Answer::ok("application/xml", UPLOAD),
        "DELETE" => Answer::status(204),
        _ => code(400, "InvalidPart"),
    })
    .await;
    let download = bed.download(&bytes(9 * MIB));

    let outcome = bounded(bed.store.keep(&download, &download.key("a.mp4"), &meta())).await;

    assert!(matches!(outcome, Err(StoreError::Failed { .. })), "{outcome:?}");
    let aborted = |request: &Request| request.method == "DELETE" && request.target.ends_with("?uploadId=up-1");
    assert!(origin.requests().iter().any(aborted), "{:?}", origin.targets());
    assert_eq!(bed.traces(), BTreeSet::from([download.id.to_string(), format!("{}.gone", download.id)]));
}

#[tokio::test]
async fn a_bucket_that_hangs_up_on_a_slow_reader_is_asked_for_the_rest() {
    let content = bytes(MIB);
    let served = content.clone();
    let (origin, bed) = bucket_that(move |request, nth| {
        let answer = rest_of(&served, request);
        if nth < 3 { answer.cut_after(200_000) } else { answer }
    })
    .await;
    let key = bed.download(b"").key("a.mp4");

    let read = bounded(bed.read(&key, MIB as u64)).await.unwrap();

    assert!(read == content);
    let starts: Vec<usize> = origin.requests().iter().map(|request| asked_range(request).0).collect();
    assert_eq!(starts, [0, 200_000, 400_000, 600_000]);
}

#[tokio::test]
async fn a_bucket_that_brings_nothing_more_is_an_error() {
    let (origin, bed) = bucket_that(move |request, nth| {
        let answer = rest_of(&[0; MIB], request);
        answer.cut_after(if nth == 0 { 1_000 } else { 0 })
    })
    .await;
    let key = bed.download(b"").key("a.mp4");

    let outcome = bounded(bed.read(&key, MIB as u64)).await;

    assert!(outcome.is_err());
    assert_eq!(origin.requests().len(), 2);
}

/// The right answer to a request for a range.
fn rest_of(object: &[u8], request: &Request) -> Answer {
    let (start, end) = asked_range(request);
    Answer::status(206)
        .header("Connection", "close")
        .header("ETag", "\"one\"")
        .header("Last-Modified", "Sat, 28 Feb 2026 12:00:00 GMT")
        .header("Content-Range", format!("bytes {start}-{end}/{}", object.len()))
        .body(object[start..=end].to_vec())
}

fn asked_range(request: &Request) -> (usize, usize) {
    let (start, end) = request.header("range").unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    (start.parse().unwrap(), end.parse().unwrap())
}

#[tokio::test]
async fn a_sweep_that_cannot_reach_the_bucket_leaves_everything_for_the_next_one() {
    let works = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let (origin, bed) = bucket_that(move |request, _| match (switch.load(Ordering::SeqCst), request.method.as_str()) {
        (false, _) => code(503, "SlowDown"),
        (true, "GET") => Answer::ok("application/xml", "<ListBucketResult></ListBucketResult>"),
        (true, _) => Answer::status(204),
    })
    .await;
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let (_, dead) = crate::bed::enter(bed.home.path());
    for _ in 0..3 {
        std::mem::forget(crate::bed::download(&dead, soku_server::id::MediaId::random(), b"half"));
    }
    drop(dead);

    let first = bounded(stacks.library.sweep()).await.unwrap();
    let asked = origin.requests().len();
    works.store(true, Ordering::SeqCst);
    let second = bounded(stacks.library.sweep()).await.unwrap();

    assert_eq!((first, asked), (Swept { left: 3, ..Swept::default() }, 1));
    assert_eq!(second, Swept { rooms: 1, ..Swept::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upload_of_a_killed_process_is_aborted_by_the_next_one() {
    let (origin, bed) = bucket_that(|request, _| match request.method.as_str() {
        "POST" => Answer::ok("application/xml", UPLOAD),
        "PUT" => Answer::raw(""),
        "GET" => Answer::ok("application/xml", "<ListBucketResult></ListBucketResult>"),
        _ => Answer::status(204),
    })
    .await;
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let mut victim = process_of("bucket_faults::uploading");
    victim.env("SOKU_TEST_DATA", bed.home.path()).env("SOKU_TEST_ENDPOINT", origin.url(""));
    let mut victim = victim.spawn().unwrap();
    bounded(origin.until(|seen| seen.requests >= 2)).await;
    victim.kill().unwrap();
    victim.wait().unwrap();

    let swept = bounded(stacks.library.sweep()).await.unwrap();

    assert_eq!(swept, Swept { rooms: 1, ..Swept::default() });
    let aborted = |request: &Request| request.method == "DELETE" && request.target.ends_with("?uploadId=up-1");
    assert!(origin.requests().iter().any(aborted), "{:?}", origin.targets());
}

#[tokio::test]
#[ignore = "a process of its own, killed in the middle of an upload"]
async fn uploading() {
    crate::bed::install_tls();
    let (_, room) = crate::bed::enter(variable("SOKU_TEST_DATA").unwrap().as_ref());
    let settings = settings_of(&variable("SOKU_TEST_ENDPOINT").unwrap());
    let store = soku_server::store::S3Store::open(&settings, room.clone()).unwrap();
    let store = soku_server::store::Store::S3(store);
    let download = crate::bed::download(&room, soku_server::id::MediaId::random(), &bytes(9 * MIB));
    let _ = store.keep(&download, &download.key("a.mp4"), &meta()).await;
}
