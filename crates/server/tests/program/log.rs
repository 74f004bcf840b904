//! What the log and the disk say, and what they must not.

use std::io::{Read as _, Write as _};

use soku_testkit::{Answer, Origin, samples};

use crate::program::{Place, client};

/// gitroomhq/postiz-app#2000
#[tokio::test(flavor = "multi_thread")]
async fn case_62_a_get_cut_by_the_client_is_a_log_line_that_says_so() {
    let (place, origin) = (Place::new(), Origin::start().await);
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(30_000_000, 0);
    origin.serve("/film.mp4", Answer::ok("video/mp4", film.clone()));
    let program = place.start();
    let (_, body) = program.import(&origin.url("/film.mp4")).await;
    let url = body["url"].as_str().expect("a url").to_owned();
    let id = url.rsplit('/').nth(1).expect("an id").to_owned();

    assert_eq!(program.get(&url).await.1.len(), film.len());
    let address = program.base.strip_prefix("http://").expect("http");
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let path = url.strip_prefix(&program.base).expect("our own URL");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=100-\r\n\r\n").expect("it reads");
    stream.read_exact(&mut [0; 1000]).expect("it answers");
    drop(stream);

    let whole = program.logged(|line| {
        let of_it = line["media.id"] == id.as_str() && line["sent_bytes"] == film.len();
        of_it.then(|| line.clone())
    });
    assert!(whole["request.id"].as_str().is_some_and(|id| id.starts_with("req_")), "{whole}");
    assert!(whole["duration_ms"].is_number(), "{whole}");
    let cut = program.logged(|line| {
        let of_it =
            line["media.id"] == id.as_str() && line["range"].as_str().is_some_and(|range| range.starts_with("100-"));
        of_it.then(|| line.clone())
    });
    assert!(cut["sent_bytes"].as_u64().is_some_and(|sent| sent < film.len() as u64 - 100), "{cut}");
    assert_eq!(cut["hung_up"], true, "{cut}");
    assert_eq!(whole["hung_up"], false, "{whole}");
}

/// Wherever a secret may come in: queries, passwords and fragments of URLs and of redirects, keys, settings. Wherever it may
/// come out: answers, lists, metrics, what commands print, the log at its most talkative, and every file.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_query_is_found_nowhere_on_disk() {
    let origin = Origin::start().await;
    let place = Place::new()
        .with("SOKU_LOG_LEVEL", "trace")
        .with("SOKU_METRICS_LISTEN", "127.0.0.1:0")
        .with("AWS_SECRET_ACCESS_KEY", "tellnobody7")
        .with("AWS_SESSION_TOKEN", "tellnobody8");
    origin.serve("/ok.png?X-Amz-Signature=tellnobody1", Answer::ok("image/png", samples::PNG.bytes));
    origin.serve("/hop?X-Amz-Signature=tellnobody2", Answer::redirect(302, "/gone.png?X-Amz-Signature=tellnobody3"));
    origin.serve("/page?sig=tellnobody9", Answer::ok("text/html", "<html>"));
    origin.serve("/away?sig=tellnobody9", Answer::redirect(302, "http://u:tellnobody9@127.0.0.1/x"));
    let program = place.start();
    let mut said = String::new();
    for (url, status) in [
        (origin.url("/ok.png?X-Amz-Signature=tellnobody1"), 201),
        (origin.url("/ok.png?X-Amz-Signature=tellnobody1"), 201),
        (origin.url("/hop?X-Amz-Signature=tellnobody2"), 500),
        (origin.url("/page?sig=tellnobody9"), 400),
        (origin.url("/away?sig=tellnobody9"), 400),
        ("http://user:tellnobody4@127.0.0.1/a.png".to_owned(), 400),
        ("http://127.0.0.2/a.png?token=tellnobody5#tellnobody6".to_owned(), 400),
        ("ftp://127.0.0.1/tellnobody6?x".to_owned(), 400),
    ] {
        let (answered, body) = program.import(&url).await;
        assert_eq!(answered, status, "{body}");
        said.push_str(&body.to_string());
    }
    let wrong_key = client().post(format!("{}/v1/media", program.base)).header("soku-api-key", "sk_live_tellnobodyA");
    said.push_str(&wrong_key.send().await.expect("an answer").text().await.expect("text"));
    let metrics =
        program.logged(|line| line["message"].as_str()?.strip_prefix("Serving metrics on ").map(str::to_owned));
    said.push_str(&client().get(metrics).send().await.expect("an answer").text().await.expect("text"));
    let lists: [&[&str]; 4] = [
        &["media", "list", "--json"],
        &["key", "list", "--account", "default"],
        &["account", "list"],
        &["config", "print"],
    ];
    for arguments in lists {
        let output = place.tool().command().args(arguments).output().expect("the program starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        said.push_str(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    }
    let key = program.key.clone();
    assert_eq!(program.terminate(), Some(0));
    assert!(said.contains("ok.png") && said.contains("soku_http_requests_total"), "{said}");
    assert!(!said.contains("tellnobody") && !said.contains(&key), "{said}");

    let mut folders = vec![place.folder().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            files += 1;
            let bytes = std::fs::read(entry.path()).expect("a file");
            let contains = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!contains("tellnobody"), "{}", entry.path().display());
            assert!(!contains(&key) || entry.file_name() == "stdout", "the key is in {}", entry.path().display());
        }
    }
    assert!(files > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newline_in_a_url_is_one_log_line() {
    let (place, origin) = (Place::new(), Origin::start().await);
    let program = place.start();

    assert_eq!(program.import(&origin.url("/a%0A%1B[31mforged\u{1b}[0m%0d\n.png")).await.0, 500);

    program.logged(|line| (line["reason"] == "source_status").then_some(()));
    for line in program.log().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON line: {line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_inner_cause_reaches_a_client() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/a.png", Answer::ok("image/png", samples::PNG.bytes));
    let program = place.start();
    // The library's folders become unusable: not even root can make a file inside a file.
    let media = place.data().join("media");
    std::fs::rename(&media, place.data().join("aside")).expect("renamed");
    std::fs::write(&media, "in the way").expect("written");

    let (status, body) = program.import(&origin.url("/a.png")).await;

    assert_eq!(status, 500);
    assert_eq!(body["error"]["details"]["reason"], "storage_failed");
    let text = body.to_string();
    for inner in ["media/", "os error", "directory", place.data().to_str().expect("UTF-8")] {
        assert!(!text.contains(inner), "`{inner}` in {text}");
    }
    let id = body["error"]["requestId"].as_str().expect("an id").to_owned();
    let logged = program.logged(|line| {
        let text = line.to_string();
        (text.contains(&id) && text.to_lowercase().contains("not a directory")).then_some(text)
    });
    assert!(logged.contains("Could not keep media"), "{logged}");
}
