//! Strangers' bytes in a real browser: nothing runs, and nothing is taken for a page (rules V1 to V3).
//!
//! Needs Chromium, so these tests run where they are asked for: `scripts/test browser`.

use std::process::Command;

use soku_testkit::{Answer, Origin, samples};

use crate::netns::world::on_loopback_alone;
use crate::program::{Place, Program};

/// What a page looks like that wants to run, with the address that it would call. Each way calls by a name of its own.
fn page(beacon: &str) -> String {
    format!(
        "<html><body><b id=sniffed>sniffed</b><script>fetch('{beacon}/by-script')</script>\
         <img src='{beacon}/by-image'><img src=x: onerror=\"fetch('{beacon}/by-error')\">\
         <svg xmlns='http://www.w3.org/2000/svg' onload=\"fetch('{beacon}/by-svg')\"><script>fetch('{beacon}/by-svg-script')\
         </script></svg><iframe src='{beacon}/by-frame'></iframe><link rel=stylesheet href='{beacon}/by-style'>\
         <meta http-equiv=refresh content='0;url={beacon}/by-refresh'></body></html>"
    )
}

/// A file that a source serves, and whether soku is to take it.
struct Hostile {
    name: String,
    content_type: &'static str,
    bytes: Vec<u8>,
}

fn hostile(name: &str, content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Hostile {
    Hostile { name: name.to_owned(), content_type, bytes: bytes.into() }
}

/// Files that are media and something else.
fn polyglots(beacon: &str) -> Vec<Hostile> {
    let page = page(beacon);
    let script = format!("fetch('{beacon}/by-media-script')");
    let mut files = Vec::new();
    for sample in samples::MEDIA {
        // A page behind the media, under a name and a type that ask for it to be shown as one.
        let name = format!("{}.html", sample.name);
        files.push(hostile(&name, "text/html", [sample.bytes, page.as_bytes()].concat()));
    }
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' onload=\"{script}\"><script>{script}</script>\
         <foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><img src='{beacon}/by-foreign'/></body></foreignObject>\
         <image href='{beacon}/by-svg-image'/></svg>"
    );
    files.push(hostile("vector.svg", "image/svg+xml", svg));
    // A picture that is a script too: the size of the picture opens a comment that the script closes.
    let gif = [b"GIF89a/*\x01\x00\x00\x00\x00\x00", &samples::GIF.bytes[13..], b"*/=1;", script.as_bytes()].concat();
    files.push(hostile("both.gif", "image/gif", gif));
    let bmp = [b"BM/*\x00\x00".as_slice(), &samples::BMP.bytes[6..], b"*/=1;", script.as_bytes()].concat();
    files.push(hostile("both.bmp", "image/bmp", bmp));
    let mp3 = [b"ID3\x03\x00\x00\x00\x00\x08\x00TXXX", page.as_bytes(), samples::MP3.bytes].concat();
    files.push(hostile("tagged.mp3", "audio/mpeg", mp3));
    // Nobody knows these bytes; they come as what their header says, if at all.
    let unknown = [&[0x91, 0x00, 0xfe, 0x03, 0x88, 0x1f][..], &[0; 700], page.as_bytes()].concat();
    files.push(hostile("unknown.xyz", "image/x-unheard-of", unknown.clone()));
    files.push(hostile("unknown.htm", "video/x-unheard-of", unknown));
    for (name, encoded) in [
        ("utf16le.png", page.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ("utf16be.png", [0xfeff_u16].into_iter().chain(page.encode_utf16()).flat_map(u16::to_be_bytes).collect()),
        ("plain.png", page.clone().into_bytes()),
        ("late.png", [b" ".repeat(1500), page.clone().into_bytes()].concat()),
    ] {
        files.push(hostile(name, "image/png", encoded));
    }
    files
}

/// Opens an address in the browser and gives what the page has become after everything on it had its time; nothing where
/// the browser never comes to an end, as it does for a download and for some sound.
fn open(url: &str) -> Option<String> {
    let profile = tempfile::tempdir().expect("a directory");
    let output = Command::new("timeout")
        .args(["--kill-after=5", "25", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"])
        .args(["--autoplay-policy=no-user-gesture-required", "--timeout=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .expect("timeout of coreutils");
    const TIME_IS_UP: i32 = 124;
    if output.status.code() == Some(TIME_IS_UP) {
        return None;
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chromium at {url} ({}) says: {complaint}", output.status);
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Takes every file in; gives the hosted URLs of those that are media.
async fn taken_in(program: &Program, source: &Origin, files: Vec<Hostile>) -> Vec<String> {
    let mut urls = Vec::new();
    for file in files {
        let target = format!("/{}", file.name);
        source.serve(&target, Answer::ok(file.content_type, file.bytes));
        let (status, body) = program.import(&source.url(&target)).await;
        match status {
            201 => urls.push(body["url"].as_str().expect("a url").to_owned()),
            _ => assert_eq!(
                (status, &body["error"]["details"]["reason"]),
                (400, &"not_media".into()),
                "{target}: {body}"
            ),
        }
    }
    urls
}

#[test]
#[ignore = "needs Chromium: scripts/test browser"]
fn no_stored_file_runs_in_a_browser_wherever_it_is_put() {
    on_loopback_alone(async || {
        let (source, beacon, site) = (Origin::start().await, Origin::start().await, Origin::start().await);
        let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
        let program = place.start();
        let beacon_url = beacon.url("").trim_end_matches('/').to_owned();
        beacon.answer_all_with(|_, _| Answer::ok("text/plain", "heard").header("Access-Control-Allow-Origin", "*"));
        let urls = taken_in(&program, &source, polyglots(&beacon_url)).await;
        assert!(urls.len() > samples::MEDIA.len(), "every sample is media whatever stands behind it: {}", urls.len());

        // A site that puts strangers' media in every place where it might run.
        for some in urls.chunks(8) {
            let mut embeds = String::new();
            for url in some {
                embeds.push_str(&format!(
                    "<iframe src='{url}'></iframe><object data='{url}'></object><embed src='{url}'>\
                     <script src='{url}'></script><link rel=stylesheet href='{url}'><img src='{url}'>"
                ));
            }
            site.serve("/", Answer::ok("text/html", format!("<html><body>{embeds}<i id=end></i></body></html>")));
            let shown = open(&site.url("/")).expect("the site itself has an end");
            assert!(shown.contains("id=\"end\""), "the site itself was shown: {}", &shown[..shown.len().min(500)]);
            assert_eq!(beacon.targets(), Vec::<String>::new(), "something ran of {some:?}");
        }
        let log = program.log();
        for url in &urls {
            let id = url.rsplit('/').nth(1).expect("an id");
            let fetched = log.matches(&format!("GET media `{id}` answered 2")).count();
            assert!(fetched >= 2, "the browser fetched {url} {fetched} times, which proves nothing");
        }

        // Opened by themselves, none becomes a page.
        let unusual =
            ["vector", "both", "unknown", "tagged.mp3", "graphic.png", "film.mp4", "photo.jpg", "animation.gif"];
        let mut seen = 0;
        for url in urls.iter().filter(|url| unusual.iter().any(|name| url.contains(name))) {
            if let Some(shown) = open(url) {
                assert!(!shown.contains("id=\"sniffed\""), "{url} was taken for a page: {shown}");
                seen += 1;
            }
            assert_eq!(beacon.targets(), Vec::<String>::new(), "{url} ran");
        }
        assert!(seen >= 4, "only {seen} were shown at all");
    });
}

/// The same page from a server without our headers does run: what the other test does not see, it could have seen.
#[test]
#[ignore = "needs Chromium: scripts/test browser"]
fn the_same_page_runs_where_nothing_forbids_it() {
    on_loopback_alone(async || {
        let (beacon, careless) = (Origin::start().await, Origin::start().await);
        let beacon_url = beacon.url("").trim_end_matches('/').to_owned();
        beacon.answer_all_with(|_, _| Answer::ok("text/plain", "heard").header("Access-Control-Allow-Origin", "*"));
        careless.serve("/page", Answer::ok("text/html", page(&beacon_url).replace("<meta http-equiv", "<meta x")));
        let script = format!("fetch('{beacon_url}/by-media-script')");
        let gif =
            [b"GIF89a/*\x01\x00\x00\x00\x00\x00", &samples::GIF.bytes[13..], b"*/=1;", script.as_bytes()].concat();
        careless.serve("/script", Answer::ok("text/javascript; charset=windows-1252", gif));
        careless.serve("/site", Answer::ok("text/html", "<script src=/script></script>"));

        let shown = open(&careless.url("/page")).expect("the page has an end");
        assert!(shown.contains("id=\"sniffed\""), "{shown}");
        for way in ["/by-script", "/by-image", "/by-error", "/by-svg", "/by-svg-script", "/by-frame", "/by-style"] {
            assert!(beacon.targets().iter().any(|target| target == way), "{way} in {:?}", beacon.targets());
        }
        open(&careless.url("/site"));
        assert!(beacon.targets().iter().any(|target| target == "/by-media-script"), "{:?}", beacon.targets());
    });
}
