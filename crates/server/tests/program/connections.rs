//! Clients that end their half of the connection, or all of it, before they have their answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use soku_testkit::{Answer, Origin, samples};

use crate::program::{PATIENCE, Place, Program};

/// A connection to the program.
fn connect(program: &Program) -> TcpStream {
    let address = program.base.strip_prefix("http://").expect("http");
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// What comes back to a client that sends `bytes` and then ends its half of the connection.
fn half_closed(program: &Program, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(program);
    stream.write_all(bytes).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("an open connection");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it closes in order");
    answer
}

fn post(program: &Program, url: &str) -> Vec<u8> {
    let body = json!({ "url": url }).to_string();
    let (key, length) = (&program.key, body.len());
    format!(
        "POST /v1/media HTTP/1.1\r\nHost: x\r\nsoku-api-key: {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The head and the body of an answer.
fn parts(answer: &[u8]) -> (String, &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    (String::from_utf8_lossy(&answer[..end]).into_owned(), &answer[end + 4..])
}

/// The request's id in the head of an answer.
fn id_of(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    line.expect("every answer has an id").to_owned()
}

/// The lines of the log that have this request's id, once there is one that tells the answer.
fn lines_of(program: &Program, id: &str) -> Vec<Value> {
    program.logged(|line| {
        let of_it = line.to_string().contains(id) && line["message"].as_str()?.contains("answered");
        of_it.then_some(())
    });
    program
        .log()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line.to_string().contains(id))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_half_after_the_request_gets_the_whole_answer() {
    let (place, origin) = (Place::new(), Origin::start().await);
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(30_000_000, 7);
    origin.serve("/film.mp4", Answer::ok("video/mp4", film.clone()));
    let program = place.start();

    let answer = half_closed(&program, &post(&program, &origin.url("/film.mp4")));
    let (head, body) = parts(&answer);
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let body: Value = serde_json::from_slice(body).expect("JSON");
    let path = body["url"].as_str().and_then(|url| url.strip_prefix(&program.base)).expect("a URL of ours").to_owned();

    for (request, status, expected) in [
        (format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ", &film[..]),
        (format!("GET {path} HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 ", &film[..]),
        (format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99\r\n\r\n"), "HTTP/1.1 206 ", &film[..100]),
        (format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ", &[]),
    ] {
        let answer = half_closed(&program, request.as_bytes());

        let (head, body) = parts(&answer);
        assert!(head.starts_with(status), "{head}");
        assert!(body == expected, "{request}: {} of {} bytes", body.len(), expected.len());
        let lines = lines_of(&program, &id_of(&head));
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert_eq!(lines[0]["hung_up"], false, "{}", lines[0]);
    }
    let mut cut = post(&program, &origin.url("/film.mp4"));
    cut.truncate(cut.len() - 1);
    let answer = half_closed(&program, &cut);
    assert!(parts(&answer).0.starts_with("HTTP/1.1 400 "), "{}", answer.escape_ascii());
    let missing = half_closed(&program, b"GET /media/x HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, _) = parts(&missing);
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(lines_of(&program, &id_of(&head)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_at_once_are_all_answered_to_a_client_that_ended_its_half() {
    let place = Place::new();
    let program = place.start();

    let mut requests = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(39);
    requests.push_str("GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = half_closed(&program, requests.as_bytes());

    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 40, "{answer}");
    assert!(answer.ends_with("User-agent: *\nDisallow:\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_its_half_without_a_request_is_closed_at_once() {
    let place = Place::new().with("SOKU_HTTP_REQUEST_TIMEOUT", "10m");
    let program = place.start();

    assert!(half_closed(&program, b"").is_empty());
    assert!(half_closed(&program, b"GET /healthz HT").is_empty());
    // Idle after an answer.
    let mut stream = connect(&program);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    assert_ne!(stream.read(&mut [0; 4096]).expect("it answers"), 0);
    stream.shutdown(Shutdown::Write).expect("an open connection");
    assert_eq!(stream.read(&mut [0; 4096]).expect("it closes in order"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_client_is_gone_runs_to_its_end() {
    let (place, origin) = (Place::new(), Origin::start().await);
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(200_000, 0);
    let slow = Duration::from_millis(300);
    origin.serve("/film.mp4", Answer::ok("video/mp4", film).after(slow));
    let program = place.start();

    let mut stream = connect(&program);
    stream.write_all(&post(&program, &origin.url("/film.mp4"))).expect("it reads");
    origin.until(|seen| seen.requests == 1).await;
    drop(stream);

    let told = program.logged(|line| line["message"].as_str()?.starts_with("POST /v1/media ").then(|| line.clone()));
    assert_eq!(told["client.address"], "127.0.0.1", "{told}");
    assert!(told["duration_ms"].is_number(), "{told}");
    assert_eq!(place.stored_files().len(), 1);
    assert_eq!(program.import(&origin.url("/film.mp4")).await.0, 201);
    assert_eq!(origin.targets().len(), 1, "the second one is a replay");
}

/// A program that has a film of 30 MB, and the film's path.
async fn with_a_film(place: &Place) -> (Program, String) {
    let origin = Origin::start().await;
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(30_000_000, 7);
    origin.serve("/film.mp4", Answer::ok("video/mp4", film));
    let program = place.start();
    let (_, body) = program.import(&origin.url("/film.mp4")).await;
    let path = body["url"].as_str().and_then(|url| url.strip_prefix(&program.base)).expect("a URL of ours").to_owned();
    (program, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_ended_its_half_and_takes_no_byte_is_left() {
    let place = Place::new().with("SOKU_HTTP_SEND_TIMEOUT", "200ms");
    let (program, path) = with_a_film(&place).await;

    let mut stream = connect(&program);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    stream.shutdown(Shutdown::Write).expect("an open connection");

    let told = program.logged(|line| (line["media.id"].is_string() && line["status"] == 200).then(|| line.clone()));
    assert_eq!(told["hung_up"], true, "{told}");
}

/// Reads one whole answer from a connection that stays open, and gives its head.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "cut: {}", answer.escape_ascii());
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("the whole body");
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_connection_of_a_client_that_sends_its_body_behind_the_head() {
    let place = Place::new();
    let program = place.start();
    let mut stream = connect(&program);

    for (nth, (target, status)) in
        [("/v1/media", 401), ("/v1/nothing", 404), ("/media/x/y", 405), ("/v1/media", 401)].into_iter().enumerate()
    {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        // The server has the head, and time to judge it: only then the body comes, in two pieces.
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[b'x'; 10]).expect("it reads");
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[b'x'; 7990]).expect("it reads");

        let head = read_answer(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "request {nth}: {head}");
        assert!(!head.contains("connection: close"), "request {nth}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_its_body_back_is_told_that_the_connection_ends() {
    let place = Place::new();
    let program = place.start();

    for lines in ["Content-Length: 8000\r\n", "Content-Length: 8000\r\nExpect: 100-continue\r\n"] {
        let mut stream = connect(&program);
        stream.write_all(format!("POST /v1/media HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes()).expect("it reads");

        let head = read_answer(&mut stream);
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }
}

/// The kernel may hold some MB of an answer, and says that it takes more only when a third of that is gone: a reader of a few
/// kB/s never got it so far within the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_little_but_steadily_is_served_to_the_end() {
    let place = Place::new().with("SOKU_HTTP_SEND_TIMEOUT", "1s");
    let (program, path) = with_a_film(&place).await;

    let mut stream = connect(&program);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = vec![0; 80 * 20_000];
    for piece in answer.chunks_mut(20_000) {
        stream.read_exact(piece).expect("it sends");
        // 400 kB/s for four seconds: the pace is what is tried.
        std::thread::sleep(Duration::from_millis(50));
    }
    stream.read_to_end(&mut answer).expect("it sends");

    assert_eq!(parts(&answer).1.len(), 30_000_000);
}
