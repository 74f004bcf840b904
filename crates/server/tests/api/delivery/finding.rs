//! Which paths lead to a file, and what the others tell a stranger.

use soku_server::id::MediaId;
use soku_server::store::ObjectKey;
use soku_testkit::samples::JPEG;

use super::Hosted;

#[tokio::test]
async fn every_equivalent_spelling_of_the_name_finds_the_file() {
    let hosted = Hosted::file("/%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F+.jpg", JPEG.mime, JPEG.bytes.to_vec()).await;
    let (folder, name) = hosted.path.rsplit_once('/').expect("a last segment");
    assert_eq!(name, "%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F%2B.jpg");

    for (status, spelling) in [
        (200, name),
        (200, "%c3%9cn%c3%afcode%20%e5%86%99%e7%9c%9f%2b.jpg"),
        (200, "Ünïcode%20写真+.jpg"),
        (200, "U\u{308}ni\u{308}code%20写真%2B.jpg"),
        (200, "%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F%2B%2E%6A%70%67"),
        (200, "%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F%2B.jpg?utm_source=x"),
        (404, "%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F%20.jpg"),
        (404, "%C3%9Cn%C3%AFcode%2520%E5%86%99%E7%9C%9F%2B.jpg"),
        (404, "%C3%9Cn%C3%AFcode%20%E5%86%99%E7%9C%9F%2B.JPG"),
        (404, "unicode.jpg"),
        (404, ""),
    ] {
        let answer = hosted.raw(&format!("GET {folder}/{spelling} HTTP/1.1"), "Host: x\r\nConnection: close\r\n").await;

        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(expected.as_bytes()), "{spelling}: {}", String::from_utf8_lossy(&answer[..60]));
        assert_eq!(answer.ends_with(JPEG.bytes), status == 200, "{spelling}");
    }
}

#[tokio::test]
async fn a_neighbour_cannot_be_guessed_or_listed() {
    let hosted = Hosted::png(1_000).await;
    let (folder, name) = hosted.path.rsplit_once('/').expect("a last segment");
    let id = folder.rsplit('/').next().expect("an id");
    assert_eq!(id.len(), 32, "128 bits in hex: {id}");
    let other = format!("{:032x}", u128::from_str_radix(id, 16).expect("hex") ^ 1);

    let mut answers = Vec::new();
    for path in [
        format!("/media/{other}/{name}"),
        format!("{folder}/b.png"),
        format!("{folder}/a.pn"),
        format!("{folder}/a.png/"),
        format!("{folder}/x%2F..%2Fa.png"),
        format!("/media/{}/{name}", id.to_uppercase()),
        format!("/media/{}/{name}", &id[..8]),
        format!("/media/%2e%2e/{name}"),
        format!("{folder}/"),
        folder.to_owned(),
        format!("/media/{id}%2F{name}"),
        "/media/".to_owned(),
        "/media".to_owned(),
    ] {
        let answer =
            hosted.app.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        let text = String::from_utf8(answer).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        let mut error: serde_json::Value = serde_json::from_str(body).expect("an envelope");
        error["error"]["requestId"].take();
        answers.push(error);
    }

    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[tokio::test]
async fn a_lost_file_is_the_same_failure_for_head_as_for_get() {
    for len in [1_000, 1024 * 1024] {
        let hosted = Hosted::png(len).await;
        let api = &hosted.app.app.api;
        let id = MediaId::parse(hosted.path.split('/').nth(2).expect("an id")).expect("an id");
        let media = api.db.find_media(&id).await.expect("a database").expect("a row");
        api.store.delete(&ObjectKey::of(&media)).await.expect("a store");

        let [get, head] = ["GET", "HEAD"].map(|method| hosted.app.request(method, &hosted.path));
        let (get, head) = (hosted.app.send(get).await, hosted.app.send(head).await);

        get.refused(500, "internal_error", "storage_failed");
        assert_eq!(head.status, 500, "{len}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert!(head.body.is_empty());
    }
}
