//! Where a body ends, and header lines that browsers bear. Numbers are rows of the case list.

use soku_fetch::FetchError;
use soku_testkit::samples::{JPEG, MP3, PNG};
use soku_testkit::{Answer, Origin, TlsOrigin};

use crate::assert_fails;
use crate::bed::{Bed, noise};

/// Report: guardian/grid#801
#[tokio::test]
async fn case_11_fewer_bytes_than_promised_are_no_file() {
    let origin = Origin::start().await;
    origin.serve("/a.jpg", Answer::ok("image/jpeg", noise(100_000)).cut_after(60_000));

    assert_fails!(Bed::new().failure(&origin.url("/a.jpg")).await, FetchError::Truncated(_));
}

/// Report: NanoHttpd/nanohttpd#87
#[tokio::test]
async fn case_12_equal_lengths_are_one_and_differing_ones_a_failure() {
    let origin = Origin::start().await;
    let bytes = noise(84_878);
    let lengths = |values: &[&str]| {
        let answer = Answer::ok("image/jpeg", bytes.clone()).without_length();
        values.iter().fold(answer, |answer, value| answer.header("Content-Length", value))
    };
    origin.serve("/twice", lengths(&["84878", "84878"]));
    origin.serve("/list", lengths(&["84878, 84878"]));
    origin.serve("/differing", lengths(&["84878", "84879"]));
    origin.serve("/differing-list", lengths(&["84878, 1"]));
    let bed = Bed::new();

    assert!(bed.bytes(&origin.url("/twice")).await == bytes);
    assert!(bed.bytes(&origin.url("/list")).await == bytes);
    assert_fails!(bed.failure(&origin.url("/differing")).await, FetchError::BadResponse { .. });
    assert_fails!(bed.failure(&origin.url("/differing-list")).await, FetchError::BadResponse { .. });
}

/// Report: seanmonstar/reqwest#2802
#[tokio::test]
async fn case_14_a_missing_close_notify_matters_only_where_nothing_else_ends_the_body() {
    for origin in [TlsOrigin::start().await, TlsOrigin::builder().only_tls12().start().await] {
        let bed = Bed::trusting(origin.ca_pem());
        let whole = Answer::ok("image/png", noise(50_000));
        origin.serve("/length", whole.clone().without_close_notify());
        origin.serve("/chunked", whole.clone().chunked(1000).without_close_notify());
        origin.serve("/close", whole.clone().without_length().without_close_notify());
        origin.serve("/said", whole.without_length());

        assert!(bed.bytes(&origin.url("/length")).await == noise(50_000));
        assert!(bed.bytes(&origin.url("/chunked")).await == noise(50_000));
        assert!(bed.bytes(&origin.url("/said")).await == noise(50_000));
        assert_fails!(bed.failure(&origin.url("/close")).await, FetchError::Truncated(_));
    }
}

/// Reports: apify/crawlee#976, jeroen/curl#179, rustfs/rustfs#2009
#[tokio::test]
async fn case_16_17_18_a_coding_that_is_none_means_nothing() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for (coding, bytes) in [
        ("none", PNG.bytes),
        ("binary", PNG.bytes),
        ("UTF-8", MP3.bytes),
        ("aws-chunked", JPEG.bytes),
        ("", PNG.bytes),
        ("identity", PNG.bytes),
        (", ,identity, AWS-chunked,utf-8 ,", PNG.bytes),
    ] {
        origin.serve("/a", Answer::ok("image/png", bytes).header("Content-Encoding", coding));

        assert_eq!(bed.bytes(&origin.url("/a")).await, bytes, "{coding}");
    }
}

/// Report: hyperium/hyper#2879
#[tokio::test]
async fn case_19_a_malformed_line_that_nobody_needs_is_skipped() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for line in [
        &b"Set-Cookie: ___utm=dmo\x01OZ\r\n"[..],
        b"no colon at all\r\n",
        b": no name\r\n",
        b"X y: blank in the name\r\n",
        b"X-Empty:\r\n",
        b"X-Latin: \xe9\xff\r\n",
        b"Content-Lengthy: 3\x01\r\n",
        b"X-Nul: a\0b\r\n",
        b"\0: c\r\n",
        b"X-Cr: a\rContent-Length: 3\r\n",
        b"X-Cr: a\r\r\n",
        b"X-Folded: a\r\n \0b\r\n",
    ] {
        origin.serve("/a.png", Answer::ok("image/png", PNG.bytes).raw_header(line));

        assert_eq!(bed.bytes(&origin.url("/a.png")).await, PNG.bytes, "{}", line.escape_ascii());
    }
}

#[tokio::test]
async fn case_19_a_malformed_length_coding_or_location_is_a_failure() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for line in [
        &b"Content-Length: 5\x01\r\n"[..],
        b"Content-Length\r\n",
        b"Content-Length: five\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\x01\r\n",
        b"Content-Encoding: gzip\x01\r\n",
        b"content-encoding@: gzip\r\n",
        b"Content-Length: 5\0\r\n",
        b"Content-Length: 5\r6\r\n",
        b"Transfer-Encoding: \rchunked\r\n",
    ] {
        origin.serve("/a.png", Answer::ok("image/png", PNG.bytes).without_length().raw_header(line));

        match bed.failure(&origin.url("/a.png")).await {
            FetchError::BadResponse { .. } => {}
            other => panic!("{}: {other:?}", line.escape_ascii()),
        }
    }
}

/// Report: renatoathaydes/rawhttp#56
#[tokio::test]
async fn case_20_folded_lines_are_read_as_one() {
    let origin = Origin::start().await;
    let folded = "Content-Security-Policy:\r\n  default-src 'none';\r\n\timg-src *\r\n";
    let disposition = "Content-Disposition: attachment;\r\n filename=\"a.png\"\r\n";
    let answer = Answer::status(200).raw_header(folded).raw_header(disposition).body(PNG.bytes);
    origin.serve("/a.png", answer.without_length().raw_header(format!("Content-Length:\r\n {}\r\n", PNG.bytes.len())));

    let fetched = Bed::new().fetch(&origin.url("/a.png")).await.unwrap();

    let disposition = String::from_utf8(fetched.content_disposition.unwrap()).unwrap();
    assert_eq!(disposition.split_whitespace().collect::<Vec<_>>(), ["attachment;", "filename=\"a.png\""]);
    assert_eq!(fetched.spooled.size_bytes(), PNG.bytes.len() as u64);
}
