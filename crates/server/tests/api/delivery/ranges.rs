//! Ranges and conditions over the wire.

use super::{Hosted, sha256};

#[tokio::test]
async fn a_range_gives_its_bytes_and_their_place() {
    let hosted = Hosted::png(1_000_000).await;
    let size = hosted.size();

    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, size),
        ("bytes=999999-", size - 1, size),
        ("bytes=-5", size - 5, size),
        ("bytes=-2000000", 0, size),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=500000-99999999999999999999", 500_000, size),
        ("bytes=10-20,15-30", 10, 31),
        ("bytes=5-9,2000000-", 5, 10),
    ] {
        let answer = hosted.get(&[("range", range)]).await;

        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {start}-{}/{size}", end - 1), "{range}");
        assert_eq!(answer.header("content-length"), (end - start).to_string(), "{range}");
        assert_eq!(answer.header("content-type"), "image/png", "{range}");
        assert_eq!(answer.header("etag"), format!("\"{}\"", sha256(&hosted.bytes)), "{range}");
        assert!(answer.body == hosted.bytes[start..end], "{range}");
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts_of_one_body() {
    let hosted = Hosted::png(600_000).await;
    let ranges = [(599_990, 600_000), (0, 10), (100_000, 400_000)];

    let answer = hosted.get(&[("range", "bytes=-10, 0-9 ,100000-399999")]).await;

    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), "");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").expect("parts");
    let mut expected = Vec::new();
    for (start, end) in ranges {
        let head = format!(
            "--{boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes {start}-{}/600000\r\n\r\n",
            end - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&hosted.bytes[start..end]);
        expected.extend_from_slice(b"\r\n");
    }
    expected.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected);
}

#[tokio::test]
async fn a_range_that_cannot_be_read_or_asks_for_too_much_gives_the_whole_file() {
    let hosted = Hosted::png(5_000).await;
    let thousand = format!("bytes={}", (0..1000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(","));
    let nine = "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16";

    for range in [thousand.as_str(), nine, "bytes=0-,0-", "bytes=5-2", "pages=1-2", "bytes", "0-5", "bytes=0-5;6-7"] {
        let answer = hosted.get(&[("range", range)]).await;
        assert_eq!(answer.status, 200, "{range}");
        assert_eq!(answer.header("content-range"), "", "{range}");
        assert!(answer.body == hosted.bytes, "{range}");
    }
    assert_eq!(hosted.get(&[("range", "bytes=0-1"), ("range", "bytes=4-5")]).await.status, 200);
}

#[tokio::test]
async fn a_range_behind_the_end_is_416_and_says_the_size() {
    let hosted = Hosted::png(5_000).await;

    for range in ["bytes=5000-", "bytes=5000-6000", "bytes=-0", "bytes=7000-,8000-9000"] {
        let answer = hosted.get(&[("range", range)]).await;

        answer.refused(416, "range_not_satisfiable", "");
        assert_eq!(answer.header("content-range"), "bytes */5000", "{range}");
    }
}

#[tokio::test]
async fn conditions_decide_before_ranges_do() {
    let hosted = Hosted::png(5_000).await;
    let etag = format!("\"{}\"", sha256(&hosted.bytes));
    let weak = format!("W/{etag}");
    let (etag, weak) = (etag.as_str(), weak.as_str());
    let modified = "Sat, 28 Feb 2026 12:00:00 GMT";
    let before = "Sat, 28 Feb 2026 11:59:59 GMT";
    let range = ("range", "bytes=0-9");
    let outside = ("range", "bytes=9999-");

    for (status, headers) in [
        (304, &[("if-none-match", etag)][..]),
        (304, &[("if-none-match", weak), range]),
        (304, &[("if-none-match", "*"), outside]),
        (304, &[("if-modified-since", modified)]),
        (200, &[("if-modified-since", before)]),
        (206, &[("if-modified-since", before), range]),
        (206, &[("if-none-match", "\"x\""), ("if-modified-since", modified), range]),
        (412, &[("if-match", weak), range]),
        (412, &[("if-unmodified-since", before), outside]),
        (206, &[("if-match", etag), range]),
        (416, &[("if-match", etag), outside]),
        (206, &[("if-range", etag), range]),
        (200, &[("if-range", weak), range]),
        (200, &[("if-range", "\"x\""), outside]),
        (206, &[("if-range", modified), range]),
        (200, &[("if-range", before), range]),
        (200, &[("if-range", etag)]),
    ] {
        let answer = hosted.get(headers).await;

        assert_eq!(answer.status, status, "{headers:?}");
        match status {
            200 => assert!(answer.body == hosted.bytes, "{headers:?}"),
            206 => assert!(answer.body == hosted.bytes[..10], "{headers:?}"),
            304 => {
                assert!(answer.body.is_empty() && answer.header("content-length").is_empty(), "{headers:?}");
                assert_eq!(answer.header("etag"), etag);
                assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            }
            412 => drop(answer.refused(412, "precondition_failed", "")),
            _ => drop(answer.refused(416, "range_not_satisfiable", "")),
        }
    }
}
