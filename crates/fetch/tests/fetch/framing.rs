//! Framing at its edges, and interim answers.

use std::time::Duration;

use soku_fetch::{DialSettings, FetchError, Limits};
use soku_testkit::samples::PNG;
use soku_testkit::{Answer, Origin, TlsOrigin};

use crate::assert_fails;
use crate::bed::{Bed, quick};

async fn of_raw(answer: impl Into<Vec<u8>>) -> Result<Vec<u8>, FetchError> {
    let origin = Origin::start().await;
    let bed = Bed::new();
    origin.serve("/a", Answer::raw(answer.into()));
    let fetched = bed.fetch(&origin.url("/a")).await?;
    Ok(std::fs::read(fetched.spooled.path()).unwrap())
}

#[tokio::test]
async fn chunks_win_over_a_length() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

    assert_eq!(of_raw(answer).await.unwrap(), b"hello");
}

#[tokio::test]
async fn chunk_extensions_and_trailers_are_borne() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n";

    assert_eq!(of_raw(answer).await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_bad_chunk_is_a_bad_response() {
    for chunks in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloworld\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");

        match of_raw(answer).await {
            Err(FetchError::BadResponse { .. }) => {}
            other => panic!("{chunks}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_head_that_is_none_is_a_bad_response() {
    for head in [
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 2000 High\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "<html>no http</html>\r\n\r\n",
    ] {
        match of_raw(head).await {
            Err(FetchError::BadResponse { .. }) => {}
            other => panic!("{head}: {other:?}"),
        }
    }
    assert_fails!(of_raw("").await, Err(FetchError::ConnectionLost(_)));
}

#[tokio::test]
async fn heads_that_are_only_odd_are_understood() {
    for head in [
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 203 Changed\nContent-Length:5\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, ,\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
    ] {
        assert_eq!(of_raw(format!("{head}hello")).await.unwrap(), b"hello", "{head}");
        assert_eq!(of_raw(format!("{head}hello, and what nobody asked for")).await.unwrap(), b"hello", "{head}");
        assert_fails!(of_raw(format!("{head}hell")).await, Err(FetchError::Truncated(_)));
    }
    assert_eq!(of_raw("HTTP/1.0 200 OK\r\n\r\nhello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn five_interim_answers_are_skipped_and_a_sixth_is_too_much() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 7\r\n\r\n";
    let answer = |count: usize| format!("{}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", interim.repeat(count));

    assert_eq!(of_raw(answer(1)).await.unwrap(), b"hello");
    assert_eq!(of_raw(answer(5)).await.unwrap(), b"hello");
    assert_fails!(of_raw(answer(6)).await, Err(FetchError::HeadersTooLarge));

    let origin = Origin::start().await;
    origin.serve("/endless", Answer::raw("HTTP/1.1 100 Continue\r\n\r\n").endless());
    assert_fails!(Bed::new().failure(&origin.url("/endless")).await, FetchError::HeadersTooLarge);
}

#[tokio::test]
async fn a_switch_of_protocols_is_a_bad_response() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nhello";

    assert_fails!(of_raw(answer).await, Err(FetchError::BadResponse { .. }));
}

/// Some sources greet everybody with the same answer and do not read what is asked.
#[tokio::test]
async fn an_answer_that_comes_before_the_question_is_an_answer() {
    // With TLS 1.2 the server has the last word of the handshake, so that its greeting is there first for certain.
    let origin = TlsOrigin::builder().only_tls12().start().await;
    origin.speak_first(Answer::ok("image/png", PNG.bytes).then_stall());
    let bed = Bed::dialling(DialSettings::default().trusting(origin.ca_pem()), Limits { tries: 1, ..quick() });

    for _ in 0..10 {
        assert_eq!(bed.bytes(&origin.url("/a")).await, PNG.bytes);
    }
}

#[tokio::test]
async fn a_framed_body_ends_without_waiting_for_the_connection() {
    let origin = Origin::start().await;
    origin.serve("/length", Answer::ok("image/png", PNG.bytes).then_stall());
    origin.serve("/chunked", Answer::ok("image/png", PNG.bytes).chunked(100).then_stall());
    origin.serve("/identity", Answer::ok("image/png", PNG.bytes).header("Transfer-Encoding", "identity").then_stall());
    let bed = Bed::with(Limits { idle_timeout: Duration::from_secs(40), ..quick() });

    for target in ["/length", "/chunked", "/identity"] {
        let url = origin.url(target);
        let fetched = tokio::time::timeout(Duration::from_secs(20), bed.bytes(&url)).await;
        assert_eq!(fetched.expect("it ended by its framing"), PNG.bytes);
    }
}
