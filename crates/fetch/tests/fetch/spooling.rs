//! The verdict, the spool file, and what is left when somebody loses interest.

use std::sync::Mutex;
use std::time::Duration;

use soku_fetch::{ContentRefused, FetchError, FetchJob, FirstBytes, Limits, SourceUrl};
use soku_testkit::{Answer, Origin};

use crate::assert_fails;
use crate::bed::{Bed, accept, noise, quick};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn the_verdict_sees_the_first_64_kib_once_or_the_whole_of_a_smaller_file() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for (size, head, complete) in [
        (1, 1, true),
        (65_535, 65_535, true),
        (65_536, 65_536, true),
        (65_537, 65_536, false),
        (1_000_000, 65_536, false),
    ] {
        origin.serve("/a", Answer::ok("video/mp4; x", noise(size)).chunked(1000));
        let seen = Mutex::new(Vec::new());
        let look = |first: &FirstBytes<'_>| {
            let content_type = first.content_type.unwrap().to_vec();
            seen.lock().unwrap().push((first.head.to_vec(), content_type, first.complete));
            Ok(())
        };

        bed.fetch_with(&origin.url("/a"), &look).await.unwrap();

        let expected = (noise(size)[..head].to_vec(), b"video/mp4; x".to_vec(), complete);
        assert!(seen.into_inner().unwrap() == [expected], "{size}");
    }
}

#[tokio::test]
async fn a_page_is_refused_before_the_rest_of_it_is_loaded() {
    let origin = Origin::start().await;
    origin.serve("/a", Answer::ok("text/html", noise(10 * MIB)).cut_after(70_000).then_stall());
    let bed = Bed::with(Limits { idle_timeout: Duration::from_secs(50), ..quick() });
    let refuse = |_: &FirstBytes<'_>| Err(ContentRefused { detected_type: "text/html".to_owned() });

    let error = tokio::time::timeout(Duration::from_secs(20), bed.fetch_with(&origin.url("/a"), &refuse)).await;

    let error = error.expect("the rest was not waited for").unwrap_err();
    assert_fails!(error, FetchError::ContentRefused(refused) if refused.detected_type == "text/html");
    bed.assert_nothing_left();
}

#[tokio::test]
async fn an_empty_body_is_refused_as_what_it_is() {
    let origin = Origin::start().await;
    origin.serve("/length", Answer::ok("image/png", ""));
    origin.serve("/chunked", Answer::ok("image/png", "").chunked(1));
    origin.serve("/close", Answer::ok("image/png", "").without_length());

    for target in ["/length", "/chunked", "/close"] {
        assert_fails!(
            Bed::new().failure(&origin.url(target)).await,
            FetchError::ContentRefused(refused) if refused.detected_type == "application/x-empty"
        );
    }
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_neither_a_file_nor_a_connection() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    origin.serve("/head", Answer::raw("").then_stall());
    origin.serve("/small", Answer::ok("video/mp4", noise(100_000)).cut_after(10_000).then_stall());
    origin.serve("/large", Answer::ok("video/mp4", noise(MIB)).without_length().endless());
    for target in ["/head", "/small", "/large"] {
        let url = SourceUrl::parse(&origin.url(target)).unwrap();
        for patience in [0, 1, 5, 20, 60] {
            let job =
                FetchJob { url: &url, on_behalf_of: "test", spool: bed.spool_path(), verdict: &accept, progress: None };

            let outcome = tokio::time::timeout(Duration::from_millis(patience), bed.fetcher.fetch(job)).await;

            assert!(outcome.is_err(), "nothing here ends by itself");
        }
    }
    tokio::time::timeout(Duration::from_secs(20), origin.until_idle()).await.expect("the connections were closed");
    // A write that was under way ends first; its file goes with it.
    tokio::time::timeout(Duration::from_secs(20), async {
        while !bed.files().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the files were removed");
}

#[tokio::test]
async fn a_file_that_is_there_already_is_neither_written_nor_removed() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    origin.serve("/small", Answer::ok("video/mp4", noise(1000)));
    origin.serve("/large", Answer::ok("video/mp4", noise(MIB)));
    for target in ["/small", "/large"] {
        let spool = bed.spool_path();
        std::fs::write(&spool, "somebody else's").unwrap();
        let url = SourceUrl::parse(&origin.url(target)).unwrap();

        let job = FetchJob { url: &url, on_behalf_of: "test", spool: spool.clone(), verdict: &accept, progress: None };
        assert_fails!(bed.run(job).await.unwrap_err(), FetchError::Storage { .. });

        assert_eq!(std::fs::read_to_string(spool).unwrap(), "somebody else's");
    }
}

#[tokio::test]
async fn a_spool_directory_that_is_missing_is_an_error_of_our_own() {
    let bed = Bed::new();
    let url = SourceUrl::parse("http://127.0.0.1:9/a").unwrap();
    let spool = bed.spool_path().join("missing").join("spooled");

    let error = bed
        .run(FetchJob { url: &url, on_behalf_of: "test", spool, verdict: &accept, progress: None })
        .await
        .unwrap_err();

    assert_fails!(error, FetchError::Storage { .. });
}

#[tokio::test]
async fn large_files_pass_through_early_syncs() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let bytes = noise(40 * MIB);
    origin.serve("/a", Answer::ok("video/mp4", bytes.clone()));
    origin.serve_in_turn(
        "/again",
        [Answer::ok("video/mp4", bytes.clone()).cut_after(35 * MIB), Answer::ok("video/mp4", bytes.clone())],
    );

    assert!(bed.bytes(&origin.url("/a")).await == bytes);
    assert!(bed.bytes(&origin.url("/again")).await == bytes);
}

#[test]
fn a_fetch_can_be_moved_between_threads() {
    fn can_be_moved<T: Send>(_: &T) {}
    let bed = Bed::new();
    let url = SourceUrl::parse("http://127.0.0.1:9/a").unwrap();
    let job = FetchJob { url: &url, on_behalf_of: "test", spool: bed.spool_path(), verdict: &accept, progress: None };

    can_be_moved(&bed.fetcher.fetch(job));
}
