//! TLS: who is trusted, and for what.

use soku_testkit::TlsOrigin;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

async fn bed_trusting(origin: &TlsOrigin) -> Bed {
    let pem = origin.ca_pem().to_owned();
    Bed::with(Policy::loopback(), |settings| *settings = settings.clone().trusting(&pem)).await
}

#[tokio::test]
async fn a_good_certificate_lets_names_and_literals_through() {
    let origin = TlsOrigin::builder().named(&["127.0.0.1", "files.example.com"]).start().await;
    let bed = bed_trusting(&origin).await;
    bed.dns.answer("files.example.com", &["127.0.0.1"]);

    for host in ["127.0.0.1", "files.example.com", "files.example.com."] {
        let connection = bed.dial(&format!("https://{host}:{}/", origin.port())).await.unwrap();
        assert!(connection.session().is_some(), "{host}");
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_on_names_and_on_literals() {
    let for_another = TlsOrigin::builder().named(&["other.example.com"]).start().await;
    let for_another_address = TlsOrigin::builder().named(&["127.0.0.9"]).start().await;
    let expired = TlsOrigin::builder().named(&["127.0.0.1", "files.example.com"]).expired().start().await;
    for origin in [&for_another, &for_another_address, &expired] {
        let bed = bed_trusting(origin).await;
        bed.dns.answer("files.example.com", &["127.0.0.1"]);
        for host in ["127.0.0.1", "files.example.com"] {
            let refusal = bed.refusal(&format!("https://{host}:{}/", origin.port())).await;
            assert!(matches!(refusal, DialError::TlsFailed(_)), "{host}: {refusal:?}");
        }
        assert_eq!(origin.requests().len(), 0);
    }

    let unknown = TlsOrigin::start().await;
    let refusal = Bed::new().await.refusal(&format!("https://127.0.0.1:{}/", unknown.port())).await;
    assert!(matches!(refusal, DialError::TlsFailed(_)), "{refusal:?}");
}

#[tokio::test]
async fn case_31_only_http_1_1_is_offered() {
    let origin = TlsOrigin::builder().prefers(&["h2", "http/1.1"]).start().await;
    let bed = bed_trusting(&origin).await;

    let connection = bed.dial(&format!("https://127.0.0.1:{}/", origin.port())).await.unwrap();

    assert_eq!(connection.session().unwrap().alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn tls_1_2_will_do_and_1_3_is_preferred() {
    let old = TlsOrigin::builder().only_tls12().start().await;
    let new = TlsOrigin::start().await;
    for (origin, version) in [(&old, rustls::ProtocolVersion::TLSv1_2), (&new, rustls::ProtocolVersion::TLSv1_3)] {
        let bed = bed_trusting(origin).await;
        let connection = bed.dial(&format!("https://127.0.0.1:{}/", origin.port())).await.unwrap();
        assert_eq!(connection.session().unwrap().protocol_version(), Some(version));
    }
}

#[tokio::test]
async fn no_session_is_resumed() {
    let origin = TlsOrigin::start().await;
    let bed = bed_trusting(&origin).await;
    let url = format!("https://127.0.0.1:{}/", origin.port());
    for _ in 0..2 {
        let mut connection = bed.dial(&url).await.unwrap();
        // Tickets come with the first bytes that are read.
        tokio::io::AsyncWriteExt::write_all(&mut connection, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        connection.read_u8().await.unwrap();
        assert_eq!(connection.session().unwrap().handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_shake_hands_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bed = Bed::with(Policy::loopback(), |settings| settings.tls_timeout = Duration::from_millis(100)).await;

    let refusal = bed.refusal(&format!("https://{}/", listener.local_addr().unwrap())).await;

    assert!(matches!(refusal, DialError::TlsTimeout), "{refusal:?}");
}

#[tokio::test]
async fn a_peer_without_tls_is_not_spoken_to_in_the_clear() {
    let bed = Bed::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (refusal, first) = tokio::join!(bed.refusal(&url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap()
    });

    assert_eq!(first, 0x16, "a TLS handshake record and nothing else");
    assert!(matches!(refusal, DialError::TlsFailed(_)), "{refusal:?}");
}
