//! `GET` and `HEAD` of hosted URLs: RFC 9110 and the safety headers, over the wire.

use soku_testkit::{Answer as Source, samples};

use crate::support::{Answer, TestApp};

const SAFE_INLINE: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";
const SAFE: &str = "default-src 'none'; sandbox";

async fn stored(path: &str, source: Source) -> (TestApp, Answer) {
    let app = TestApp::start().await;
    let key = app.subscribed().await;
    app.origin.serve(path, source);
    let made = app.import_path(&key, path).await;
    (app, made)
}

async fn png() -> (TestApp, String, &'static [u8]) {
    let (app, made) = stored("/a.png", Source::ok("image/png", samples::PNG.bytes)).await;
    let url = made.url();
    (app, url, samples::PNG.bytes)
}

#[tokio::test]
async fn every_media_answer_carries_the_safety_headers() {
    let (app, url, bytes) = png().await;
    let etag = app.get(&url).await.header("etag").to_owned();
    let get = || app.request("GET", &url);

    let answers = [
        (200, SAFE_INLINE, app.send(get()).await),
        (206, SAFE_INLINE, app.send(get().header("Range", "bytes=0-9")).await),
        (206, SAFE_INLINE, app.send(get().header("Range", "bytes=0-9,20-29")).await),
        (304, SAFE_INLINE, app.send(get().header("If-None-Match", &etag)).await),
        (404, SAFE, app.get("/media/0123456789abcdef0123456789abcdef/a.png").await),
        (404, SAFE, app.get("/media/nonsense").await),
        (405, SAFE, app.send(app.request("POST", &url)).await),
        (412, SAFE, app.send(get().header("If-Match", "\"other\"")).await),
        (416, SAFE, app.send(get().header("Range", format!("bytes={}-", bytes.len()))).await),
    ];

    for (status, policy, answer) in answers {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{status}");
        assert_eq!(answer.header("content-security-policy"), policy, "{status}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{status}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{status}");
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(answer.header("content-encoding"), "");
        if status >= 400 {
            answer.error();
            assert_eq!(answer.header("cache-control"), "no-store", "{status}");
        } else {
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{status}");
            assert_eq!(answer.header("etag"), etag);
        }
    }
}

#[tokio::test]
async fn ranges_are_answered_by_the_book() {
    let (app, url, bytes) = png().await;
    let size = bytes.len();
    let get = |range: &str| app.send(app.request("GET", &url).header("Range", range));

    for (range, start, end) in [
        ("bytes=0-9".to_owned(), 0, 9),
        ("bytes=100-".to_owned(), 100, size - 1),
        ("bytes=-20".to_owned(), size - 20, size - 1),
        (format!("bytes=5-{}", size * 2), 5, size - 1),
        (format!("bytes=-{}", size * 2), 0, size - 1),
    ] {
        let part = get(&range).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {start}-{end}/{size}"));
        assert_eq!(part.header("content-length"), (end - start + 1).to_string());
        assert_eq!(part.body, bytes[start..=end]);
    }
    for ignored in ["lines=0-9", "bytes=9-0", "bytes=", "bytes=a-b", "nonsense"] {
        let whole = get(ignored).await;
        assert_eq!((whole.status, whole.body.len()), (200, size), "{ignored}");
    }
    let beyond = get(&format!("bytes={size}-")).await;
    beyond.refused(416, "range_not_satisfiable", "");
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    let none = get("bytes=-0").await;
    none.refused(416, "range_not_satisfiable", "");
}

#[tokio::test]
async fn several_ranges_come_as_parts_with_a_length() {
    let (app, url, bytes) = png().await;

    let answer = app.send(app.request("GET", &url).header("Range", "bytes=0-9,100-119,-5")).await;

    assert_eq!(answer.status, 206);
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").expect("parts");
    let boundary = format!("--{}", boundary.trim_matches('"'));
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let text = answer.body.escape_ascii().to_string();
    assert_eq!(text.matches(boundary.as_str()).count(), 4);
    for part in [&bytes[..10], &bytes[100..120], &bytes[bytes.len() - 5..]] {
        assert!(answer.body.windows(part.len()).any(|window| window == part));
    }
}

#[tokio::test]
async fn a_thousand_ranges_give_the_whole_file() {
    let (app, url, bytes) = png().await;
    let many = (0..1000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");

    let answer = app.send(app.request("GET", &url).header("Range", format!("bytes={many}"))).await;

    assert_eq!((answer.status, answer.body.len()), (200, bytes.len()));
}

#[tokio::test]
async fn conditions_are_judged_by_the_book() {
    let (app, url, bytes) = png().await;
    let first = app.get(&url).await;
    let (etag, modified) = (first.header("etag").to_owned(), first.header("last-modified").to_owned());
    assert!(etag.starts_with('"') && etag.len() >= 34, "a strong tag: {etag}");
    assert_eq!(modified, "Sat, 28 Feb 2026 12:00:00 GMT");
    let ask = |headers: &[(&'static str, &str)]| {
        let mut request = app.request("GET", &url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.send(request)
    };

    assert_eq!(ask(&[("If-None-Match", &etag)]).await.status, 304);
    assert_eq!(ask(&[("If-None-Match", &format!("W/{etag}"))]).await.status, 304);
    assert_eq!(ask(&[("If-None-Match", "*")]).await.status, 304);
    assert_eq!(ask(&[("If-None-Match", "\"a\", \"b\"")]).await.status, 200);
    assert_eq!(ask(&[("If-Modified-Since", &modified)]).await.status, 304);
    assert_eq!(ask(&[("If-Modified-Since", "Fri, 27 Feb 2026 12:00:00 GMT")]).await.status, 200);
    assert_eq!(ask(&[("If-None-Match", "\"a\""), ("If-Modified-Since", &modified)]).await.status, 200);
    assert_eq!(ask(&[("If-Match", &etag)]).await.status, 200);
    ask(&[("If-Match", &format!("W/{etag}"))]).await.refused(412, "precondition_failed", "");
    ask(&[("If-Unmodified-Since", "Fri, 27 Feb 2026 12:00:00 GMT")]).await.refused(412, "precondition_failed", "");
    let held = ask(&[("Range", "bytes=0-9"), ("If-Range", &etag)]).await;
    assert_eq!((held.status, held.body.len()), (206, 10));
    let dated = ask(&[("Range", "bytes=0-9"), ("If-Range", &modified)]).await;
    assert_eq!(dated.status, 206);
    let changed = ask(&[("Range", "bytes=0-9"), ("If-Range", "\"other\"")]).await;
    assert_eq!((changed.status, changed.body.len()), (200, bytes.len()));
}

#[tokio::test]
async fn head_ignores_a_range() {
    let (app, url, bytes) = png().await;

    let head = app.send(app.request("HEAD", &url).header("Range", "bytes=0-9")).await;

    assert_eq!((head.status, head.header("content-length")), (200, bytes.len().to_string().as_str()));
}

#[tokio::test]
async fn what_could_run_is_a_download() {
    let (app, made) = stored("/d.svg", Source::ok("image/svg+xml", samples::SVG.bytes)).await;
    let svg = app.get(&made.url()).await;
    assert_eq!(svg.header("content-disposition"), "attachment; filename=\"d.svg\"; filename*=UTF-8''d.svg");
    assert_eq!(svg.header("content-security-policy"), SAFE);

    let unknown: &[u8] = &[0x07, 0x00, 0xF1, 0x01, 0x80, 0x99, 0xFE, 0x02].repeat(64);
    let (app, made) = stored("/x.dat", Source::ok("video/x-new", unknown.to_vec())).await;
    let by_header = app.get(&made.url()).await;
    assert_eq!(by_header.header("content-type"), "video/x-new");
    assert!(by_header.header("content-disposition").starts_with("attachment"));
    assert_eq!(by_header.header("content-security-policy"), SAFE);

    let (app, url, _) = png().await;
    assert!(app.get(&url).await.header("content-disposition").starts_with("inline"));
}

#[tokio::test]
async fn a_neighbour_cannot_be_guessed_or_listed() {
    let (app, url, _) = png().await;
    let path = url.strip_prefix(&app.url("")).expect("our own URL");
    let id = path.split('/').nth(2).expect("an id");
    let upper = path.replace(id, &id.to_uppercase());

    let mut bodies = Vec::new();
    for wrong in [
        format!("/media/{id}/b.png"),
        format!("/media/{id}/"),
        format!("/media/{id}"),
        "/media/".to_owned(),
        "/media/0123456789abcdef0123456789abcdef/a.png".to_owned(),
        format!("/media/{id}/..%2f..%2fsoku.db"),
        format!("/media/..%2f{id}/a.png"),
        if upper == path { "/media/A/a.png".to_owned() } else { upper },
    ] {
        let answer = app.get(&wrong).await;
        let mut error = answer.refused(404, "not_found", "");
        error["requestId"] = "".into();
        bodies.push(error);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "all alike: {bodies:?}");
}

#[tokio::test]
async fn a_file_outlives_the_server_that_took_it() {
    let (app, url, bytes) = png().await;
    let path = url.strip_prefix(&app.url("")).expect("our own URL").to_owned();

    let again = TestApp::on(app.stop().await, crate::support::NOON, &[]).await;

    assert_eq!(again.get(&path).await.body, bytes);
}
