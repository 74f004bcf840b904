//! `soku serve`: its first start, its neighbours, and its end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::soku::{Running, Soku, transcript};
use crate::source::{Source, fetching_locally};

/// Starts the server on a free port; gives its address.
fn serve(soku: &Soku, flags: &str) -> (Running, String) {
    let mut server = soku.start(&format!("serve --listen 127.0.0.1:0 {flags}"));
    let line = server.says("Listening on http://");
    let address = line.split_once("Listening on http://").unwrap().1;
    let end = address.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap();
    (server, address[..end].to_owned())
}

/// Sends one request and reads the whole answer.
#[expect(clippy::disallowed_methods, reason = "a test speaks to the server as any client")]
fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn upload(address: &str, key: &str, url: &str) -> String {
    let head = format!("POST /v1/media HTTP/1.1\r\ncontent-type: application/json\r\nsoku-api-key: {key}");
    ask(address, &head, &format!("{{\"url\": \"{url}\"}}"))
}

#[test]
fn the_first_start_leaves_one_key_in_a_file_for_this_user_alone() {
    let source = Source::start();
    let soku = fetching_locally();
    let (mut server, address) = serve(&soku, "");
    server.says("Made the first API key, of the account `default`; it is in `");

    let path = soku.path().join("soku-data/first-key");
    let text = std::fs::read_to_string(&path).unwrap();
    let key = text.lines().next().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(text.contains(&format!("\ncurl -X POST http://{address}/v1/media \\\n")), "{text}");
    let answer = upload(&address, key, &source.url("/graphic.png"));
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains(&format!("http://{address}/media/")), "{answer}");

    server.signal(Signal::TERM);
    let said = server.end();
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said}");
    assert!(!said.stderr.contains(key), "{said}");
    let (server, _) = serve(&soku, "");
    server.signal(Signal::TERM);
    assert!(!server.end().stderr.contains("the first API key"));
    assert_eq!(soku.run("key list --account default --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn the_first_key_goes_to_stdout_where_that_is_asked_for() {
    let soku = Soku::new();
    let (mut server, _) = serve(&soku, "--print-key --public-url https://media.mysoku.io");
    server.says("it is shown this once:");
    server.signal(Signal::INT);
    let said = server.end();

    assert_eq!(said.code, 0);
    assert!(!soku.path().join("soku-data/first-key").exists());
    assert!(!said.stderr.contains("sk_live_"), "{said}");
    transcript!(said.stdout, @r#"
    sk_live_[KEY]

    curl -X POST http://127.0.0.1:[PORT]/v1/media \
      -H 'Content-Type: application/json' \
      -H 'soku-api-key: sk_live_[KEY]' \
      -d '{"url": "https://www.rust-lang.org/logos/rust-logo-512x512.png"}'
    "#);
}

#[test]
fn an_account_that_an_import_made_gets_its_first_key_from_the_start() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run_words(&["import", &source.url("/graphic.png")]).succeeds();

    let (mut server, _) = serve(&soku, "");
    server.says("Made the first API key, of the account `default`; it is in `");
    server.signal(Signal::TERM);

    assert_eq!(server.end().code, 0);
    assert_eq!(soku.run("key list --account default --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn case_59_a_start_warns_of_a_public_url_that_no_platform_reaches() {
    let soku = Soku::new();
    let (mut server, _) = serve(&soku, "--log-format text");
    server.says("WARN SOKU_PUBLIC_URL is not set, so hosted URLs begin with http://127.0.0.1:");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);

    let (mut server, _) = serve(&soku, "--log-format text --public-url https://media.mysoku.io");
    server.signal(Signal::TERM);
    server.says("Stopped");
    assert!(!server.end().stderr.contains("SOKU_PUBLIC_URL"));
}

#[test]
fn a_start_logs_the_rules_it_fetches_by_and_every_line_is_json_where_nobody_watches() {
    let soku = Soku::new().variable("SOKU_FETCH_DENY_NETWORKS", "192.0.2.0/24").variable("SOKU_LISTNE", "x");
    let (server, _) = serve(&soku, "--fetch-allow-networks 10.0.0.0/8,fd00::/8");
    server.signal(Signal::TERM);
    let said = server.end();

    let lines: Vec<serde_json::Value> =
        said.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let rules = lines.iter().find(|line| line["allowed_networks"].is_string()).unwrap();
    assert_eq!(rules["allowed_networks"], "10.0.0.0/8, fd00::/8");
    assert_eq!(rules["denied_networks"], "192.0.2.0/24");
    assert!(said.stderr.contains("the variable SOKU_LISTNE is no setting and is ignored; the nearest is SOKU_LISTEN"));
}

#[test]
fn a_start_says_that_its_bucket_does_not_answer_and_serves() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let soku = Soku::new()
        .variable("SOKU_STORAGE_URL", "s3://my-media")
        .variable("SOKU_STORAGE_ENDPOINT", &format!("http://{nobody}"))
        .variable("SOKU_STORAGE_ALLOW_HTTP", "true")
        .variable("AWS_ACCESS_KEY_ID", "AKIA")
        .variable("AWS_SECRET_ACCESS_KEY", "x");
    let (mut server, address) = serve(&soku, "");

    server.says("The storage does not answer: ");
    assert!(ask(&address, "GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200 "));
    server.signal(Signal::TERM);
    let said = server.end();
    assert_eq!(said.code, 0);
    assert!(
        said.stderr.contains("Began a new library in `/") && said.stderr.contains("SOKU_STORAGE_ENDPOINT"),
        "{said}"
    );
}

#[test]
fn a_second_server_on_the_same_data_is_refused_in_words() {
    let soku = Soku::new();
    let (server, address) = serve(&soku, "");

    let second = soku.run("serve --listen 127.0.0.1:0");
    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("is in use by another `soku serve` (process "), "{second}");
    let elsewhere = soku.run(&format!("serve --data-dir other --listen {address}"));
    assert_eq!(elsewhere.code, 1);
    let words = format!(
        "error: could not listen on {address} (another program listens there: SOKU_LISTEN or --listen names another \
         address or port): Address already in use"
    );
    assert!(elsewhere.stderr.contains(&words), "{elsewhere}");
    let metrics = soku.run(&format!("serve --data-dir other --listen 127.0.0.1:0 --metrics-listen {address}"));
    assert!(metrics.stderr.contains("SOKU_METRICS_LISTEN or --metrics-listen names another"), "{metrics}");

    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
}

#[test]
fn the_command_line_works_beside_a_running_server() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run("account create acme").succeeds();
    let (_server, address) = serve(&soku, "");
    let created = soku.run("key create --account acme --json").json();
    let (id, key) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap());

    let answer = upload(&address, key, &source.url("/graphic.png"));
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    // An import of another process, with the same account and URL, joins what is there.
    let imported = soku.run_words(&["import", "--account", "acme", &source.url("/graphic.png")]).json();
    let name = imported["url"].as_str().unwrap().split_once("/media/").unwrap().1.to_owned();
    assert!(answer.contains(&name), "{name} {answer}");
    soku.run("sweep").succeeds();
    let listed = soku.run("media list --account acme --json").json();
    let path = format!("/media/{}/graphic.png", listed[0]["id"].as_str().unwrap());
    let asks = [
        format!("GET {path} HTTP/1.1"),
        format!("HEAD {path} HTTP/1.1"),
        format!("GET {path} HTTP/1.1\r\nif-none-match: *"),
    ];
    let statuses = || asks.each_ref().map(|head| ask(&address, head, "")[9..12].to_owned());
    assert_eq!(statuses(), ["200", "200", "304"]);
    soku.run_words(&["media", "delete", listed[0]["id"].as_str().unwrap()]).succeeds();

    assert_eq!(statuses(), ["404", "404", "404"], "a deleted file is gone at once");
    soku.run_words(&["key", "revoke", id]).succeeds();
    eventually(|| upload(&address, key, &source.url("/graphic.png")).contains("API key revoked"));
}

#[test]
fn the_command_line_beside_a_server_on_a_picked_port_shows_urls_that_work() {
    let source = Source::start();
    let soku = fetching_locally().variable("SOKU_LISTEN", "127.0.0.1:0");
    let (server, address) = serve(&soku, "");

    let imported = soku.run_words(&["import", &source.url("/graphic.png")]);
    assert_eq!(imported.stderr, "");
    let url = imported.json()["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&format!("http://{address}")).unwrap_or_else(|| panic!("{url}"));
    assert!(ask(&address, &format!("GET {path} HTTP/1.1"), "").starts_with("HTTP/1.1 200 "));
    assert_eq!(soku.run("media list --json").json()[0]["url"], url);
    assert!(soku.run(&format!("media show {url}")).succeeds().contains(&url));

    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    let alone = soku.run_words(&["import", &source.url("/graphic.png")]);
    assert!(alone.stderr.starts_with("warning: no server runs in `"), "{alone}");
    assert!(alone.succeeds().contains("http://127.0.0.1:0/media/"));
    assert_eq!(soku.run("media list").stderr, "");
    assert!(soku.run("media list --json").stderr.contains("lead nowhere yet"));

    let (_server, _) = serve(&soku, "--public-url https://media.mysoku.io");
    let url = soku.run("media list --json").json()[0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://media.mysoku.io/media/"), "{url}");
}

/// Asks again and again, because a server may remember a key for a second.
#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stop_waits_for_downloads_and_a_second_signal_does_not() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run("account create acme").succeeds();
    let key = soku.run("key create --account acme").succeeds().trim_end().to_owned();
    let (mut server, address) = serve(&soku, "--http-stop-grace 1h");
    let url = source.url("/slow.mp4");
    let client = std::thread::spawn(move || std::panic::catch_unwind(|| upload(&address, &key, &url)));
    source.until_asked(1);

    server.signal(Signal::TERM);
    server.says("a second signal ends at once");
    server.signal(Signal::TERM);
    let said = server.end();

    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.contains("Got SIGTERM again: ending at once"), "{said}");
    drop(client.join());
}

#[test]
fn a_stop_cuts_what_runs_longer_than_its_grace_with_an_answer() {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run("account create acme").succeeds();
    let key = soku.run("key create --account acme").succeeds().trim_end().to_owned();
    let (server, address) = serve(&soku, "--http-stop-grace 50ms");
    let url = source.url("/slow.mp4");
    let client = std::thread::spawn(move || upload(&address, &key, &url));
    source.until_asked(1);

    server.signal(Signal::TERM);

    assert_eq!(server.end().code, 0);
    let answer = client.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("\"reason\":\"interrupted\""), "{answer}");
}
