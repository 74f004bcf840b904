//! Every limit ends a fetch with its own reason, and frees its connection and its file.

use std::time::{Duration, Instant};

use soku_fetch::{DialSettings, FetchError, Limits};
use soku_testkit::{Answer, DnsReply, DnsServer, Origin};
use tokio::net::{TcpSocket, TcpStream};

use crate::assert_fails;
use crate::bed::{Bed, noise, quick};

const SHORT: Duration = Duration::from_millis(200);
const MIB: usize = 1024 * 1024;

/// Fetches from a source that breaks one limit; afterwards it holds neither a connection nor a file.
async fn broken(limits: Limits, answer: Answer) -> FetchError {
    let origin = Origin::start().await;
    origin.serve("/a", answer);
    let error = Bed::with(limits).failure(&origin.url("/a")).await;
    tokio::time::timeout(Duration::from_secs(20), origin.until_idle()).await.expect("the connection was closed");
    error
}

fn video(length: usize) -> Answer {
    Answer::ok("video/mp4", noise(length))
}

#[tokio::test]
async fn each_limit_has_a_source_that_breaks_it() {
    let small = Limits { max_bytes: 600_000, ..quick() };
    assert_fails!(broken(small.clone(), video(600_001)).await, FetchError::TooLarge { limit_bytes: 600_000 });
    assert_fails!(broken(small.clone(), video(600_001).chunked(1000)).await, FetchError::TooLarge { .. });
    assert_fails!(broken(small, video(600_001).without_length()).await, FetchError::TooLarge { .. });

    let zeros = crate::codings::gzip(&vec![0; 4 * MIB]).await;
    let bomb = Answer::ok("image/svg+xml", zeros).header("Content-Encoding", "gzip");
    let ratio = Limits { ratio: 50, ratio_free_bytes: 1000, ..quick() };
    assert_fails!(broken(ratio, bomb.clone()).await, FetchError::CompressionRatio { ratio: 50 });
    let decoded = Limits { max_bytes: 600_000, ..quick() };
    assert_fails!(broken(decoded, bomb).await, FetchError::TooLarge { .. });

    let head = Limits { max_header_bytes: 10_000, ..quick() };
    assert_fails!(broken(head, video(1).header("X", "x".repeat(10_000))).await, FetchError::HeadersTooLarge);
    let fields = Limits { max_header_fields: 3, ..quick() };
    assert_fails!(broken(fields, video(1).header("X", "1").header("Y", "1")).await, FetchError::HeadersTooLarge);
    let interim = Limits { max_interim: 0, ..quick() };
    let hints = Answer::raw("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    assert_fails!(broken(interim, hints).await, FetchError::HeadersTooLarge);
    let redirects = Limits { max_redirects: 2, ..quick() };
    assert_fails!(broken(redirects, Answer::redirect(302, "/a")).await, FetchError::TooManyRedirects);

    let tries = Limits { tries: 2, ..quick() };
    assert_fails!(broken(tries, Answer::status(503)).await, FetchError::SourceStatus { status: 503, .. });
    let impatient = Limits { longest_retry_after: Duration::from_secs(1), ..quick() };
    let later = Answer::status(429).header("Retry-After", "2");
    assert_fails!(broken(impatient, later).await, FetchError::SourceStatus { status: 429, retry_after: Some(2) });
}

/// A little of the file an answer, each cut: no answer lasts long enough to be too slow by itself.
#[tokio::test]
async fn a_source_that_is_resumed_again_and_again_is_as_slow_as_all_its_answers_together() {
    let origin = Origin::start().await;
    let bytes = noise(MIB);
    origin.answer_with("/film.mp4", move |request, _| {
        let part = Answer::part("video/mp4", bytes.clone(), request.range_start()).header("ETag", "\"v1\"");
        part.cut_after(200).after(Duration::from_millis(20))
    });
    let bed = Bed::with(Limits { pace_grace: SHORT, pace_window: SHORT, ..quick() });

    assert_fails!(bed.failure(&origin.url("/film.mp4")).await, FetchError::TooSlow);
    assert!(origin.connections() > 2, "it was resumed");
}

#[tokio::test]
async fn each_limit_of_time_has_a_source_that_breaks_it() {
    let first_byte = Limits { first_byte_timeout: SHORT, ..quick() };
    assert_fails!(broken(first_byte.clone(), Answer::raw("").then_stall()).await, FetchError::FirstByteTimeout);
    let trickle = video(1).slowly(1, Duration::from_millis(20));
    assert_fails!(broken(first_byte, trickle).await, FetchError::FirstByteTimeout);

    let idle = Limits { idle_timeout: SHORT, ..quick() };
    assert_fails!(broken(idle.clone(), video(MIB).cut_after(0).then_stall()).await, FetchError::BodyStalled);
    assert_fails!(broken(idle.clone(), video(MIB).cut_after(500_000).then_stall()).await, FetchError::BodyStalled);
    assert_fails!(
        broken(idle, video(MIB).chunked(1000).cut_after(500_000).then_stall()).await,
        FetchError::BodyStalled
    );

    let pace = Limits { pace_grace: SHORT, pace_window: SHORT, ..quick() };
    let slow = video(MIB).slowly(200, Duration::from_millis(10));
    assert_fails!(broken(pace, slow.clone()).await, FetchError::TooSlow);

    let total = Limits { total_timeout: 2 * SHORT, ..quick() };
    assert_fails!(broken(total.clone(), slow).await, FetchError::FetchTimeout);
    let patient = Limits { backoff: Duration::from_secs(60), ..total };
    assert_fails!(broken(patient, Answer::status(503)).await, FetchError::FetchTimeout);
}

#[tokio::test]
async fn each_limit_of_the_dialer_has_a_source_that_breaks_it() {
    let dns = DnsServer::start().await;
    dns.reply("silent.example.com", DnsReply::Silence);
    let servers = vec![dns.address()];
    let bed = Bed::dialling(DialSettings { dns_servers: servers, dns_timeout: SHORT, ..Default::default() }, quick());
    assert_fails!(bed.failure("http://silent.example.com/a").await, FetchError::DnsFailed(_));

    let mute = Origin::start().await;
    let bed = Bed::dialling(DialSettings { tls_timeout: SHORT, ..Default::default() }, quick());
    assert_fails!(bed.failure(&format!("https://{}/a", mute.address())).await, FetchError::TlsTimeout);
    tokio::time::timeout(Duration::from_secs(20), mute.until_idle()).await.expect("the connection was closed");

    let (address, _crowd) = full_listener().await;
    let settings = DialSettings { connect_timeout: SHORT, ..Default::default() };
    let bed = Bed::dialling(settings, quick());
    assert_fails!(bed.failure(&format!("http://{address}/a")).await, FetchError::ConnectTimeout);
}

/// A listener that accepts nobody and whose queue is full: Linux then drops what knocks.
#[expect(clippy::disallowed_methods, reason = "these clients only fill the queue of a listener of our own")]
async fn full_listener() -> (std::net::SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut crowd = Vec::new();
    while let Ok(Ok(client)) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        crowd.push(client);
    }
    (address, (listener, crowd))
}

#[tokio::test]
async fn a_full_disk_is_met_before_the_download() {
    let origin = Origin::start().await;
    origin.serve("/a", video(1000));
    let bed = Bed::with(Limits { min_free_bytes: u64::MAX, ..quick() });

    assert_fails!(bed.failure(&origin.url("/a")).await, FetchError::StorageFull);

    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_declared_length_that_the_disk_cannot_take_is_met_before_the_body() {
    let origin = Origin::start().await;
    let huge = Answer::status(200).without_length().header("Content-Length", (1_u64 << 60).to_string()).then_stall();
    origin.serve("/a", huge);
    let bed = Bed::with(Limits { max_bytes: u64::MAX, ..quick() });

    assert_fails!(bed.failure(&origin.url("/a")).await, FetchError::StorageFull);
}

#[tokio::test]
async fn a_declared_size_above_the_limit_ends_before_the_body() {
    let origin = Origin::start().await;
    origin.serve("/a", video(10_000).cut_after(0).then_stall());
    let bed = Bed::with(Limits { max_bytes: 9_999, idle_timeout: Duration::from_secs(40), ..quick() });

    let start = Instant::now();
    assert_fails!(bed.failure(&origin.url("/a")).await, FetchError::TooLarge { limit_bytes: 9_999 });

    assert!(start.elapsed() < Duration::from_secs(20), "it did not wait for the body");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let origin = Origin::start().await;
    origin.serve("/plain", video(MIB).without_length().endless());
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    origin.handle("/chunked", move |_, mut stream| {
        let chunk = chunk.clone();
        async move {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        }
    });
    let bed = Bed::with(Limits { max_bytes: 20 * MIB as u64, ..quick() });

    for target in ["/plain", "/chunked"] {
        assert_fails!(bed.failure(&origin.url(target)).await, FetchError::TooLarge { .. });
    }
    tokio::time::timeout(Duration::from_secs(20), origin.until_idle()).await.expect("the connections were closed");
}

#[tokio::test]
async fn a_file_exactly_at_the_limit_is_taken() {
    let origin = Origin::start().await;
    origin.serve("/length", video(600_000));
    origin.serve("/chunked", video(600_000).chunked(7_777));
    let bed = Bed::with(Limits { max_bytes: 600_000, ..quick() });

    assert_eq!(bed.bytes(&origin.url("/length")).await.len(), 600_000);
    assert_eq!(bed.bytes(&origin.url("/chunked")).await.len(), 600_000);
}

#[tokio::test]
async fn a_resumed_file_counts_as_one_against_the_limit() {
    let origin = Origin::start().await;
    origin.answer_with("/a", |request, _| match request.range_start() {
        None => video(600_000).without_length().header("Content-Length", "600000").header("ETag", "\"1\"").cut_after(9),
        Some(_) => Answer::status(206)
            .header("ETag", "\"1\"")
            .header("Content-Range", "bytes 9-599999/600000")
            .body(noise(600_000)[9..].to_vec()),
    });

    assert!(Bed::with(Limits { max_bytes: 600_000, ..quick() }).bytes(&origin.url("/a")).await == noise(600_000));
}
