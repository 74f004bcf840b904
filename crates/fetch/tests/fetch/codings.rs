//! Content codings that were not asked for.

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use soku_fetch::{FetchError, FetchJob, Limits, Progress, SourceUrl};
use soku_testkit::samples::SVG;
use soku_testkit::{Answer, Origin, TlsOrigin};
use tokio::io::AsyncWriteExt;

use crate::assert_fails;
use crate::bed::{Bed, accept, noise, quick};

macro_rules! encode {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all($bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }};
}

pub(crate) async fn gzip(bytes: &[u8]) -> Vec<u8> {
    encode!(GzipEncoder, bytes)
}

async fn in_every_coding(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(bytes).await),
        ("X-GZip", gzip(bytes).await),
        ("deflate", encode!(ZlibEncoder, bytes)),
        ("deflate", encode!(DeflateEncoder, bytes)),
        ("br", encode!(BrotliEncoder, bytes)),
        ("zstd", encode!(ZstdEncoder, bytes)),
        ("aws-chunked, gzip", gzip(bytes).await),
        ("gzip, UTF-8", gzip(bytes).await),
    ]
}

fn coded(coding: &str, bytes: Vec<u8>) -> Answer {
    Answer::ok("image/svg+xml", bytes).header("Content-Encoding", coding)
}

/// Report: httpie/cli#1642
#[tokio::test]
async fn case_15_one_coding_that_was_not_asked_for_is_undone() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for original in [SVG.bytes.to_vec(), noise(1), noise(900_000)] {
        for (coding, bytes) in in_every_coding(&original).await {
            origin.serve("/length", coded(coding, bytes.clone()));
            origin.serve("/chunked", coded(coding, bytes.clone()).chunked(997));
            origin.serve("/single-bytes", coded(coding, bytes[..bytes.len().min(300)].to_vec()).chunked(1));
            origin.serve("/close", coded(coding, bytes.clone()).without_length());

            for target in ["/length", "/chunked", "/close"] {
                assert!(bed.bytes(&origin.url(target)).await == original, "{coding} {target} {}", original.len());
            }
            if bytes.len() <= 300 {
                assert!(bed.bytes(&origin.url("/single-bytes")).await == original, "{coding} {}", original.len());
            }
        }
    }
}

#[tokio::test]
async fn the_verdict_sees_decoded_bytes() {
    let origin = Origin::start().await;
    origin.serve("/a", coded("gzip", gzip(SVG.bytes).await));

    let seen = std::sync::Mutex::new(Vec::new());
    let look = |first: &soku_fetch::FirstBytes<'_>| {
        seen.lock().unwrap().push((first.head.to_vec(), first.complete));
        Ok(())
    };
    Bed::new().fetch_with(&origin.url("/a"), &look).await.unwrap();

    assert_eq!(seen.into_inner().unwrap(), [(SVG.bytes.to_vec(), true)]);
}

#[tokio::test]
async fn several_members_of_a_coding_are_one_file() {
    let origin = Origin::start().await;
    let bytes = [gzip(b"first ").await, gzip(b"second").await].concat();
    origin.serve("/a", coded("gzip", bytes));

    assert_eq!(Bed::new().bytes(&origin.url("/a")).await, b"first second");
}

#[tokio::test]
async fn more_than_one_coding_is_unsupported() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    let bytes = gzip(&gzip(SVG.bytes).await).await;
    origin.serve("/list", coded("gzip, gzip", bytes.clone()));
    origin.serve("/lines", coded("br", bytes.clone()).header("Content-Encoding", "identity, gzip"));
    for target in ["/list", "/lines"] {
        assert_fails!(bed.failure(&origin.url(target)).await, FetchError::UnsupportedEncoding);
    }
    for coding in ["gzip, chunked", "gzip", "chunked, identity", "chunked, chunked", "chunked, gzip"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        origin.serve("/transfer", Answer::raw(answer));

        assert_fails!(bed.failure(&origin.url("/transfer")).await, FetchError::UnsupportedEncoding);
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_a_bad_response() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        origin.serve("/a", coded(coding, vec![0xff; 100_000]));

        match bed.failure(&origin.url("/a")).await {
            FetchError::BadResponse { .. } => {}
            other => panic!("{coding}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_coded_body_that_ends_early_is_truncated() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for (coding, bytes) in in_every_coding(&noise(100_000)).await {
        origin.serve("/cut", coded(coding, bytes.clone()).cut_after(50_000));
        origin.serve("/short", coded(coding, bytes[..50_000].to_vec()));
        origin.serve("/last", coded(coding, bytes[..bytes.len() - 1].to_vec()).without_length());

        for target in ["/cut", "/short", "/last"] {
            match bed.failure(&origin.url(target)).await {
                FetchError::Truncated(_) => {}
                other => panic!("{coding} {target}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_coded_body_whose_framing_is_cut_behind_its_end_is_truncated() {
    let tls = TlsOrigin::start().await;
    let bed = Bed::trusting(tls.ca_pem());
    for (coding, bytes) in in_every_coding(SVG.bytes).await {
        tls.serve("/close", coded(coding, bytes.clone()).without_length().without_close_notify());
        let chunked = coded(coding, bytes).chunked(100_000);
        let before_the_last_chunk = chunked.wire_body().len() - 5;
        tls.serve("/chunked", chunked.cut_after(before_the_last_chunk));

        for target in ["/close", "/chunked"] {
            match bed.failure(&tls.url(target)).await {
                FetchError::Truncated(_) => {}
                other => panic!("{coding} {target}: {other:?}"),
            }
        }
    }
}

/// One turned bit ends a stream before its time, and neither brotli nor bare deflate has a checksum to tell.
#[tokio::test]
async fn bytes_behind_the_end_of_a_coded_stream_are_a_bad_response() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for (coding, bytes) in in_every_coding(SVG.bytes).await {
        let whole = [bytes, b"and more".to_vec()].concat();
        origin.serve("/together", coded(coding, whole.clone()));
        origin.serve("/bytes", coded(coding, whole).chunked(1));

        for target in ["/together", "/bytes"] {
            match bed.failure(&origin.url(target)).await {
                FetchError::BadResponse { .. } => {}
                other => panic!("{coding} {target}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn no_bytes_in_any_coding_are_no_bytes() {
    let origin = Origin::start().await;
    let bed = Bed::new();
    for coding in ["identity", "gzip", "deflate", "br", "zstd"] {
        origin.serve("/a", coded(coding, Vec::new()));

        assert_fails!(
            bed.failure(&origin.url("/a")).await,
            FetchError::ContentRefused(refused) if refused.detected_type == "application/x-empty"
        );
    }
}

#[tokio::test]
async fn a_gzip_bomb_stops_at_the_limit() {
    let origin = Origin::start().await;
    let zeros = vec![0; 8 * 1024 * 1024];
    let bombs = in_every_coding(&zeros).await;
    for (coding, bytes) in bombs {
        origin.serve("/bomb", coded(coding, bytes));
        let small = Limits { max_bytes: 3 * 1024 * 1024, ratio: u64::MAX, ..quick() };

        assert_fails!(Bed::new().failure(&origin.url("/bomb")).await, FetchError::CompressionRatio { ratio: 100 });
        assert_fails!(Bed::with(small).failure(&origin.url("/bomb")).await, FetchError::TooLarge { .. });
    }
    // A small file may be of zeros alone.
    origin.serve("/small", coded("gzip", gzip(&zeros[..1024 * 1024]).await));
    assert_eq!(Bed::new().bytes(&origin.url("/small")).await.len(), 1024 * 1024);
}

#[tokio::test]
async fn a_window_larger_than_a_content_coding_may_have_is_refused() {
    let origin = Origin::start().await;
    // A zstd frame header with a window of 128 MiB, then an empty last block; and the sign of a large brotli window.
    let frame = [&0xfd2f_b528_u32.to_le_bytes()[..], &[0x00, 0x88], &[0x01, 0x00, 0x00]].concat();
    origin.serve("/zstd", coded("zstd", frame));
    origin.serve("/brotli", coded("br", vec![0x11, 0x1e, 0, 0, 0]));

    for target in ["/zstd", "/brotli"] {
        assert_fails!(Bed::new().failure(&origin.url(target)).await, FetchError::BadResponse { .. });
    }
}

/// Rule L2, and memory: a window of brotli is up to 16 MiB, and a download may last half an hour.
#[tokio::test(flavor = "multi_thread")]
async fn decoders_with_large_windows_are_few_at_a_time_and_shared_fairly() {
    const PLACES: usize = 16;
    let origin = Origin::start().await;
    let bed = Bed::new();
    let original = noise(900_000);
    let brotli = encode!(BrotliEncoder, &original);
    origin.serve("/stalls", coded("br", brotli.clone()).cut_after(300_000).then_stall());
    origin.serve("/br", coded("br", brotli));
    origin.serve("/zstd", coded("zstd", encode!(ZstdEncoder, &original)));
    origin.serve("/gzip", coded("gzip", gzip(&original).await));
    let stalls = SourceUrl::parse(&origin.url("/stalls")).unwrap();
    let progress: Vec<Progress> = (0..PLACES + 4).map(|_| Progress::new()).collect();
    let begun = || progress.iter().filter(|one| one.received() > 0).count();

    let greedy = futures_util::future::join_all(progress.iter().map(|progress| {
        let (url, spool, verdict) = (&stalls, bed.spool_path(), &accept);
        bed.run(FetchJob { url, on_behalf_of: "greedy", spool, verdict, progress: Some(progress) })
    }));
    let others = async {
        origin.until(|seen| seen.requests == progress.len()).await;
        while begun() < PLACES - 2 {
            tokio::task::yield_now().await;
        }
        // Somebody else's are decoded meanwhile, and so is what needs no large window.
        for target in ["/br", "/zstd", "/gzip"] {
            assert!(bed.bytes(&origin.url(target)).await == original, "{target}");
        }
        assert_eq!(begun(), PLACES - 2, "an eighth stays for others");
    };
    tokio::select! {
        _ = greedy => panic!("they stall"),
        () = others => {}
    }
}
