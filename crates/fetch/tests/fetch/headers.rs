//! The size of heads.

use soku_fetch::{FetchError, Limits};
use soku_testkit::samples::PNG;
use soku_testkit::{Answer, Origin};

use crate::assert_fails;
use crate::bed::{Bed, quick};

fn png() -> Answer {
    Answer::ok("image/png", PNG.bytes)
}

#[tokio::test]
async fn a_hundred_fields_are_borne_and_no_more() {
    let origin = Origin::start().await;
    let with_fields = |count: usize| (2..count).fold(png(), |answer, n| answer.header(&format!("X-{n}"), "1"));
    origin.serve("/100", with_fields(100));
    origin.serve("/101", with_fields(101));

    assert_eq!(Bed::new().bytes(&origin.url("/100")).await, PNG.bytes);
    assert_fails!(Bed::new().failure(&origin.url("/101")).await, FetchError::HeadersTooLarge);
}

#[tokio::test]
async fn a_head_of_64_kib_is_borne_and_no_larger_one() {
    let origin = Origin::start().await;
    let with_head = |bytes: usize| {
        let padding = bytes - png().header("X-Pad", "").wire_head().len();
        png().header("X-Pad", "x".repeat(padding))
    };
    assert_eq!(with_head(65_536).wire_head().len(), 65_536);
    origin.serve("/fits", with_head(65_536));
    origin.serve("/larger", with_head(65_537));

    assert_eq!(Bed::new().bytes(&origin.url("/fits")).await, PNG.bytes);
    assert_fails!(Bed::new().failure(&origin.url("/larger")).await, FetchError::HeadersTooLarge);
    let small = Bed::with(Limits { max_header_bytes: 1000, ..quick() });
    origin.serve("/small", with_head(1001));
    assert_fails!(small.failure(&origin.url("/small")).await, FetchError::HeadersTooLarge);
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let origin = Origin::start().await;
    origin.handle("/fields", |_, mut stream| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Field: and so on\r\n").await.is_ok() {}
    });
    origin.handle("/line", |_, mut stream| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Line: ").await;
        while stream.write_all(b"and so on and on and on").await.is_ok() {}
    });

    for target in ["/fields", "/line"] {
        assert_fails!(Bed::new().failure(&origin.url(target)).await, FetchError::HeadersTooLarge);
    }
}
