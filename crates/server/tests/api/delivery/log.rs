//! What the log tells of deliveries.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Hosted;
use crate::support::log::Captured;

#[tokio::test]
async fn a_row_without_its_object_is_the_servers_failure_and_is_logged() {
    let hosted = Hosted::png(300_000).await;
    let id = hosted.path.split('/').nth(2).and_then(soku_server::id::MediaId::parse).expect("an id");
    let key = soku_server::store::ObjectKey::new(id.clone(), "a.png");
    hosted.app.app.api.store.delete(&key).await.expect("the store deletes");

    let log = Captured::start();
    let answer = hosted.get(&[]).await;

    answer.refused(500, "internal_error", "storage_failed");
    let lines = log.lines();
    let loud = lines.iter().find(|line| line["level"] == "ERROR").expect("an error in the log");
    assert!(loud.to_string().contains(id.as_str()), "{loud}");
    assert_eq!(loud["fields"]["request.id"], answer.header("x-request-id"));
    assert!(!String::from_utf8_lossy(&answer.body).contains(id.as_str()), "an inner cause reached the client");
}

/// Asks for the file, reads some bytes of the answer, and closes the connection.
#[expect(clippy::disallowed_methods, reason = "a test's client downloads from its own server")]
async fn take_and_hang_up(hosted: &Hosted, bytes: usize) {
    let mut stream = tokio::net::TcpStream::connect(hosted.app.address).await.expect("the server listens");
    let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", hosted.path);
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    stream.read_exact(&mut vec![0; bytes]).await.expect("the server sends");
}

/// gitroomhq/postiz-app#2000
#[tokio::test]
async fn case_62_a_client_that_hangs_up_leaves_a_line_that_says_so() {
    let hosted = Hosted::png(40 << 20).await;
    let log = Captured::start();

    let whole = hosted.get(&[("range", "bytes=0-99"), ("user-agent", "facebookexternalhit/1.1")]).await;
    take_and_hang_up(&hosted, 100_000).await;

    let cut = log.wait_for(|fields| fields["hung_up"] == true).await;
    let (sent, length) =
        (cut["sent_bytes"].as_u64().expect("a number"), cut["length_bytes"].as_u64().expect("a number"));
    assert!(sent >= 100_000 && sent < length && length == 40 << 20, "{cut}");
    assert_eq!((&cut["status"], &cut["range"]), (&200.into(), &"".into()), "{cut}");
    assert!(hosted.path.contains(cut["media.id"].as_str().expect("an id")), "{cut}");

    let lines = log.lines();
    let of = |id: &str| lines.iter().filter(|line| line["fields"]["request.id"] == id).collect::<Vec<_>>();
    let [line] = of(whole.header("x-request-id"))[..] else { panic!("not one line a request: {lines:#?}") };
    let fields = &line["fields"];
    assert_eq!((&fields["sent_bytes"], &fields["hung_up"]), (&100.into(), &false.into()), "{fields}");
    assert_eq!((&fields["status"], &fields["range"]), (&206.into(), &"0-99".into()), "{fields}");
    assert_eq!(fields["client.user_agent"], "facebookexternalhit/1.1");
    assert!(fields["duration_ms"].is_u64(), "{fields}");
    assert_eq!(of(cut["request.id"].as_str().expect("an id")).len(), 1);
}
