//! Files of every size arrive whole, hashed, private, and are gone unless kept.

use std::os::unix::fs::PermissionsExt;

use soku_fetch::Progress;
use soku_testkit::{Answer, Origin, TlsOrigin};

use crate::bed::{Bed, Bytes, noise, sha256};

const KIB: usize = 1024;

#[tokio::test]
async fn files_of_every_size_arrive_whole() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let sizes = [1, 2, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 264 * KIB];
    for size in sizes.into_iter().chain([300 * KIB, 512 * KIB, 1024 * KIB, 3 * 1024 * KIB + 17]) {
        let bytes = noise(size);
        origin.serve("/length", Answer::ok("video/mp4", bytes.clone()));
        origin.serve("/chunked", Answer::ok("video/mp4", bytes.clone()).chunked(10_000));
        origin.serve("/close", Answer::ok("video/mp4", bytes.clone()).without_length());

        for target in ["/length", "/chunked", "/close"] {
            assert!(bed.bytes(&origin.url(target)).await == bytes, "{size} bytes of {target}");
        }
    }
}

#[tokio::test]
async fn a_fetched_file_is_private_and_goes_with_its_handle_unless_it_is_kept() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    origin.serve("/a", Answer::ok("image/png", noise(1000)));

    let fetched = bed.fetch(&origin.url("/a")).await.unwrap();
    let mode = fetched.spooled.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(fetched);
    bed.assert_nothing_left();

    let kept = bed.fetch(&origin.url("/a")).await.unwrap().spooled.keep();
    assert_eq!(std::fs::read(kept).unwrap(), noise(1000));
}

#[tokio::test]
async fn what_the_source_said_comes_along() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let named = Answer::ok("image/png; q=1", noise(10)).header("Content-Disposition", b"attachment; filename=\"\xfc\"");
    origin.serve("/named", named);
    origin.serve("/moved", Answer::redirect(302, "/named?x"));
    origin.serve("/named?x", Answer::ok("image/gif", noise(10)));
    origin.serve("/silent", Answer::status(200).body(noise(10)));

    let fetched = bed.fetch(&origin.url("/named")).await.unwrap();
    assert_eq!(fetched.content_type.as_deref(), Some(&b"image/png; q=1"[..]));
    assert_eq!(fetched.content_disposition.as_deref(), Some(&b"attachment; filename=\"\xfc\""[..]));
    let fetched = bed.fetch(&origin.url("/moved")).await.unwrap();
    assert_eq!(fetched.final_url.identity(), origin.url("/named?x"));
    let fetched = bed.fetch(&origin.url("/silent")).await.unwrap();
    assert_eq!((fetched.content_type, fetched.content_disposition), (None, None));
}

#[tokio::test]
async fn a_file_arrives_over_tls() {
    let origin = TlsOrigin::start().await;
    let bed = Bed::trusting(origin.ca_pem());
    let bytes = noise(700_000);
    origin.serve("/a", Answer::ok("video/mp4", bytes.clone()));

    assert!(bed.bytes(&origin.url("/a")).await == bytes);
}

#[tokio::test]
async fn whoever_watches_sees_how_far_it_is() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let bytes = noise(100_000);
    origin.serve("/a", Answer::ok("video/mp4", bytes.clone()));
    let progress = Progress::new();
    assert_eq!((progress.received(), progress.expected()), (0, None));

    let fetched = bed.fetch_watched(&origin.url("/a"), &progress).await.unwrap();

    assert_eq!((progress.received(), progress.expected()), (100_000, Some(100_000)));
    assert_eq!(*fetched.spooled.sha256(), sha256(&bytes));
    assert_eq!(fetched.bytes(), bytes);
}
