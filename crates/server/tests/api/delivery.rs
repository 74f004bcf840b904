//! `GET|HEAD /media/<id>/<filename>`: headers, ranges, conditions, spellings of a name, and what a stranger learns.

mod finding;
mod log;
mod ranges;

use soku_testkit::Answer as Source;
use soku_testkit::samples::{self, JPEG, Sample};

use crate::support::{Answer, NOON, TestApp};

const CSP_INLINE: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";
const CSP_ATTACHMENT: &str = "default-src 'none'; sandbox";

/// A server with one stored file.
struct Hosted {
    app: TestApp,
    /// The path of its URL.
    path: String,
    bytes: Vec<u8>,
}

impl Hosted {
    async fn sample(sample: Sample) -> Hosted {
        Hosted::file(&format!("/{}", sample.name), sample.mime, sample.bytes.to_vec()).await
    }

    /// `size` bytes that are a PNG, each part of them told apart from every other.
    async fn png(size: usize) -> Hosted {
        let mut bytes = samples::PNG.bytes.to_vec();
        for number in 0.. {
            if bytes.len() >= size {
                break;
            }
            bytes.extend_from_slice(format!("{number:x}.").as_bytes());
        }
        bytes.truncate(size);
        Hosted::file("/a.png", "image/png", bytes).await
    }

    async fn file(source: &str, content_type: &str, bytes: Vec<u8>) -> Hosted {
        let app = TestApp::start().await;
        let key = app.subscribed().await;
        app.origin.serve(source, Source::ok(content_type, bytes.clone()));
        let url = app.import_path(&key, source).await.url();
        let path = url.strip_prefix(&app.url("")).expect("our own URL").to_owned();
        Hosted { app, path, bytes }
    }

    async fn ask(&self, method: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_at(&self.path, method, headers).await
    }

    async fn ask_at(&self, path: &str, method: &str, headers: &[(&str, &str)]) -> Answer {
        let request =
            headers.iter().fold(self.app.request(method, path), |request, (name, value)| request.header(*name, *value));
        self.app.send(request).await
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", headers).await
    }

    /// A request line and header lines as they are; the whole answer as it comes.
    async fn raw(&self, request_line: &str, headers: &str) -> Vec<u8> {
        self.app.raw(format!("{request_line}\r\n{headers}\r\n").as_bytes()).await
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[tokio::test]
async fn the_whole_answer_to_a_get_is_as_the_contract_says() {
    let hosted = Hosted::sample(JPEG).await;

    let answer = hosted.get(&[]).await;

    assert_eq!(answer.status, 200);
    assert!(answer.body == hosted.bytes);
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.retain(|line| !line.starts_with("x-request-id: req_") && !line.starts_with("date: "));
    headers.sort();
    assert_eq!(
        headers,
        [
            "accept-ranges: bytes",
            "access-control-allow-origin: *",
            "cache-control: public, max-age=31536000, immutable",
            &format!("content-disposition: {}", soku_media::content_disposition("inline", JPEG.name)),
            &format!("content-length: {}", JPEG.bytes.len()),
            &format!("content-security-policy: {CSP_INLINE}"),
            "content-type: image/jpeg",
            "cross-origin-resource-policy: cross-origin",
            &format!("etag: \"{}\"", sha256(JPEG.bytes)),
            "last-modified: Sat, 28 Feb 2026 12:00:00 GMT",
            "x-content-type-options: nosniff",
        ]
    );
}

#[tokio::test]
async fn after_the_clock_was_set_back_nothing_claims_to_be_of_the_future() {
    let hosted = Hosted::sample(JPEG).await;
    let date = "Sat, 28 Feb 2026 12:00:00 GMT";
    hosted.app.clock.set_by_ms(-3_600_000);

    let answer = hosted.get(&[]).await;
    assert_eq!((answer.status, answer.header("last-modified")), (200, ""));
    let etag = answer.header("etag").to_owned();
    assert_eq!(hosted.get(&[("if-none-match", &etag)]).await.status, 304);
    assert_eq!(
        hosted.get(&[("if-modified-since", date)]).await.status,
        304,
        "who was told before is answered as before"
    );

    hosted.app.clock.set_by_ms(3_600_000);
    assert_eq!(hosted.get(&[]).await.header("last-modified"), date);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[tokio::test]
async fn every_media_answer_carries_the_safety_headers() {
    let hosted = Hosted::png(1000).await;
    let wrong_name = hosted.path.replace("a.png", "b.png");
    let etag = format!("\"{}\"", sha256(&hosted.bytes));

    for (status, method, path, headers) in [
        (200, "GET", hosted.path.as_str(), &[][..]),
        (200, "HEAD", &hosted.path, &[]),
        (206, "GET", &hosted.path, &[("range", "bytes=0-9")]),
        (206, "GET", &hosted.path, &[("range", "bytes=0-9,20-29")]),
        (304, "GET", &hosted.path, &[("if-none-match", etag.as_str())]),
        (404, "GET", &wrong_name, &[]),
        (404, "HEAD", &wrong_name, &[]),
        (404, "GET", "/media/00000000000000000000000000000000/a.png", &[]),
        (404, "GET", "/media/x", &[]),
        (404, "GET", "/media/a/b/c", &[]),
        (405, "POST", &hosted.path, &[]),
        (405, "DELETE", "/media/x", &[]),
        (412, "GET", &hosted.path, &[("if-match", "\"x\"")]),
        (416, "GET", &hosted.path, &[("range", "bytes=1000-")]),
    ] {
        let answer = hosted.ask_at(path, method, &[headers, &[("cookie", "a=b")]].concat()).await;

        let what = format!("{method} {path} {headers:?}");
        assert_eq!(answer.status, status, "{what}");
        let error = status >= 400;
        let csp = if error { CSP_ATTACHMENT } else { CSP_INLINE };
        assert_eq!(answer.header("content-security-policy"), csp, "{what}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{what}");
        let cache = if error { "no-store" } else { "public, max-age=31536000, immutable" };
        assert_eq!(answer.header("cache-control"), cache, "{what}");
        for absent in ["set-cookie", "location", "content-encoding", "transfer-encoding", "vary"] {
            assert_eq!(answer.header(absent), "", "{what}");
        }
        if error && method != "HEAD" {
            answer.error();
        }
        assert_eq!(answer.header("allow"), if status == 405 { "GET, HEAD" } else { "" }, "{what}");
    }
}

#[tokio::test]
async fn what_could_run_is_a_download() {
    let svg = Hosted::sample(samples::SVG).await;
    let unknown: &[u8] = &[0x07, 0x00, 0xF1, 0x01, 0x80, 0x99, 0xFE, 0x02].repeat(64);
    let by_header = Hosted::file("/new.dat", "video/x-new", unknown.to_vec()).await;

    for (hosted, content_type) in [(svg, "image/svg+xml"), (by_header, "video/x-new")] {
        for headers in [&[][..], &[("range", "bytes=0-3")]] {
            let answer = hosted.get(headers).await;

            assert_eq!(answer.header("content-type"), content_type);
            assert!(answer.header("content-disposition").starts_with("attachment;"), "{answer:?}");
            assert_eq!(answer.header("content-security-policy"), CSP_ATTACHMENT);
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body_and_without_ranges() {
    let hosted = Hosted::png(50_000).await;
    let stripped = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id");
        headers
    };

    let get = hosted.get(&[]).await;

    for headers in [
        &[][..],
        &[("range", "bytes=0-9")],
        &[("range", "bytes=99999-")],
        &[("range", "bytes=0-0"), ("if-range", "\"x\"")],
    ] {
        let head = hosted.ask("HEAD", headers).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(stripped(&head), stripped(&get), "{headers:?}");
    }
    let raw = hosted.raw(&format!("HEAD {} HTTP/1.1", hosted.path), "Host: x\r\nConnection: close\r\n").await;
    assert!(raw.ends_with(b"\r\n\r\n"), "a body behind HEAD");
    assert_eq!(hosted.ask("HEAD", &[("if-none-match", "*")]).await.status, 304);
    assert_eq!(hosted.ask("HEAD", &[("if-match", "\"x\"")]).await.status, 412);
}

#[tokio::test]
async fn http_1_0_is_served_with_a_length() {
    let hosted = Hosted::png(300_000).await;

    for headers in ["", "Range: bytes=5-9\r\n", "Range: bytes=0-1,8-9\r\n"] {
        let answer = hosted.raw(&format!("GET {} HTTP/1.0", hosted.path), headers).await;

        let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..head_end]).to_lowercase();
        assert!(head.starts_with("http/1.0 20"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", answer.len() - head_end)), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn a_file_outlives_the_server_that_took_it() {
    let Hosted { app, path, bytes } = Hosted::png(5_000).await;

    let again = TestApp::on(app.stop().await, NOON, &[]).await;

    assert!(again.get(&path).await.body == bytes);
}
