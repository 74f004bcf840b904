//! Where the body ends, what is around it, and what happens when it breaks off.

use std::io::Write as _;

use soku_testkit::{Answer as Source, samples};

use super::{Case, assert_same};

/// Bytes of a PNG that is larger than any one buffer.
fn large_png(size: usize) -> Vec<u8> {
    let mut bytes = samples::PNG.bytes.to_vec();
    let mut state = 7_u32;
    bytes.resize_with(size, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes
}

/// guardian/grid#801
#[tokio::test]
async fn case_11_fewer_bytes_than_promised_is_a_failure() {
    let case = Case::new().await;
    case.app.origin.serve("/grey.jpg", Source::ok("image/png", large_png(100_000)).cut_after(60_000));

    case.refused("/grey.jpg", 500, "internal_error", "truncated").await;
}

/// NanoHttpd/nanohttpd#87
#[tokio::test]
async fn case_12_equal_repeated_lengths_are_one() {
    let case = Case::new().await;
    let length = samples::PNG.bytes.len().to_string();
    let twice = |second: &str| Source::ok("image/png", samples::PNG.bytes).header("Content-Length", second);
    case.app.origin.serve("/equal.png", twice(&length));
    case.app.origin.serve("/differing.png", twice("7"));

    assert_same(&case.taken("/equal.png").await.0, samples::PNG);
    case.app.import_path(&case.key, "/differing.png").await.refused(500, "internal_error", "bad_response");
}

/// transloadit/uppy#5305
#[tokio::test]
async fn case_13_a_chunked_body_of_any_length_is_streamed() {
    let case = Case::new().await;
    let body = large_png(40_000_000);
    case.app.origin.serve("/generated.png", Source::ok("image/png", body.clone()).chunked(60_000));

    let (hosted, _) = case.taken("/generated.png").await;

    assert_eq!(hosted.status, 200);
    assert!(hosted.body == body);
}

/// httpie/cli#1642
#[tokio::test]
async fn case_15_a_coding_that_nobody_asked_for_is_decoded() {
    let case = Case::new().await;
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("gzip is on every Debian machine");
    gzip.stdin.take().expect("a pipe").write_all(samples::SVG.bytes).expect("gzip reads");
    let packed = gzip.wait_with_output().expect("gzip ends").stdout;
    case.app.origin.answer_all_with(move |request, _| {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        Source::ok("image/svg+xml", packed.clone()).header("Content-Encoding", "gzip")
    });

    let (hosted, _) = case.taken("/drawing.svg").await;

    assert_same(&hosted, samples::SVG);
    assert_eq!(hosted.header("content-encoding"), "");
}

/// apify/crawlee#976, jeroen/curl#179, rustfs/rustfs#2009
#[tokio::test]
async fn case_16_17_18_an_unknown_coding_means_none() {
    let case = Case::new().await;
    for (path, coding, sample) in [
        ("/a.png", "none", samples::PNG),
        ("/b.mp3", "UTF-8", samples::MP3),
        ("/c.jpg", "aws-chunked", samples::JPEG),
        ("/d.png", "binary", samples::PNG),
        ("/e.png", "", samples::PNG),
        ("/f.png", "identity", samples::PNG),
    ] {
        case.app.origin.serve(path, Source::ok("text/plain", sample.bytes).header("Content-Encoding", coding));
        assert_same(&case.taken(path).await.0, sample);
    }
}

/// hyperium/hyper#2879
#[tokio::test]
async fn case_19_a_malformed_header_line_that_nobody_needs_is_skipped() {
    let case = Case::new().await;
    let answer = Source::ok("image/png", samples::PNG.bytes).header("Set-Cookie", b"___utm=dmo\x01OZ");
    case.app.origin.serve("/a.png", answer);
    let no_colon = Source::ok("image/png", samples::PNG.bytes).raw_header("this is no header\r\n");
    case.app.origin.serve("/b.png", no_colon);

    assert_same(&case.taken("/a.png").await.0, samples::PNG);
    assert_same(&case.taken("/b.png").await.0, samples::PNG);
}

/// renatoathaydes/rawhttp#56
#[tokio::test]
async fn case_20_a_folded_header_line_is_read_as_one() {
    let case = Case::new().await;
    let folded = "Content-Security-Policy: default-src 'self';\r\n  img-src *;\r\n\tmedia-src *\r\n";
    case.app.origin.serve("/a.png", Source::ok("image/png", samples::PNG.bytes).raw_header(folded));

    assert_same(&case.taken("/a.png").await.0, samples::PNG);
}

/// rust-lang/rustup#4710
#[tokio::test]
async fn case_21_a_200_to_a_resume_starts_over() {
    let case = Case::new().await;
    let body = large_png(1_000_000);
    let whole = Source::ok("image/png", body.clone()).header("ETag", "\"v1\"");
    case.app.origin.serve_in_turn("/a.png", [whole.clone().cut_after(600_000), whole]);

    let (hosted, _) = case.taken("/a.png").await;

    assert!(hosted.body == body);
    let requests = case.app.origin.requests();
    assert_eq!(requests[1].header("range"), Some("bytes=600000-"));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
}

/// BitMiracle-AI/Dormice#86
#[tokio::test]
async fn case_22_two_versions_are_never_mixed() {
    let case = Case::new().await;
    let old = large_png(1_000_000);
    let mut new = old.clone();
    new.reverse();
    new[..64].copy_from_slice(&old[..64]);
    for (path, part, total) in [("/etag.png", "\"v2\"", 1_000_000), ("/total.png", "\"v1\"", 1_000_001)] {
        let first = Source::ok("image/png", old.clone()).header("ETag", "\"v1\"").cut_after(600_000);
        let mixed = Source::status(206)
            .header("Content-Type", "image/png")
            .header("Content-Range", format!("bytes 600000-999999/{total}"))
            .header("ETag", part)
            .body(new[600_000..].to_vec());
        let whole = Source::ok("image/png", new.clone()).header("ETag", "\"v2\"");
        case.app.origin.serve_in_turn(path, [first, mixed, whole]);

        let answer = case.app.import_path(&case.key, path).await;

        if answer.status == 201 {
            assert!(case.app.get(&answer.url()).await.body == new, "{path}: two versions were mixed");
        } else {
            assert_eq!(answer.error()["code"], "internal_error");
        }
    }
}

/// bookorbit/bookorbit#858
#[tokio::test]
async fn case_23_a_weak_validator_never_resumes() {
    let case = Case::new().await;
    let body = large_png(400_000);
    let whole = Source::ok("image/png", body.clone()).header("ETag", "W/\"1\"");
    case.app.origin.serve_in_turn("/a.png", [whole.clone().cut_after(200_000), whole]);

    let (hosted, _) = case.taken("/a.png").await;

    assert!(hosted.body == body);
    assert_eq!(case.app.origin.requests()[1].header("range"), None);
}

/// httpie/cli#515
#[tokio::test]
async fn case_24_an_unreadable_content_range_ends_the_resume() {
    let case = Case::new().await;
    let body = large_png(400_000);
    let whole = Source::ok("image/png", body.clone()).header("ETag", "\"v1\"");
    let odd =
        Source::status(206).header("Content-Range", "bytes */").header("ETag", "\"v1\"").body(body[200_000..].to_vec());
    case.app.origin.serve_in_turn("/a.png", [whole.clone().cut_after(200_000), odd, whole]);

    let answer = case.app.import_path(&case.key, "/a.png").await;

    match answer.status {
        201 => assert!(case.app.get(&answer.url()).await.body == body),
        _ => assert_eq!(answer.error()["code"], "internal_error"),
    }
}
