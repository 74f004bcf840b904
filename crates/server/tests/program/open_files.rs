//! A server that may open few files: what strangers can take of them, and what is answered when there are none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use soku_testkit::{Answer, Origin, samples};

use crate::program::{PATIENCE, Place, Program};

/// The program under a limit that it cannot raise.
fn limited(files: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_soku")]);
    command
}

/// One connection that stays.
struct Kept(TcpStream);

impl Kept {
    fn open(program: &Program) -> Kept {
        let address = program.base.strip_prefix("http://").expect("http");
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Kept(stream)
    }

    /// The head and the body of the answer to a request.
    fn ask(&mut self, request: &str) -> (String, Vec<u8>) {
        self.0.write_all(request.as_bytes()).expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("it answers");
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("an ASCII head");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.and_then(|length| length.parse().ok()).expect("a length")];
        self.0.read_exact(&mut body).expect("the whole body");
        (head, body)
    }

    fn get(&mut self, path: &str) -> (String, Vec<u8>) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    fn import(&mut self, key: &str, url: &str) -> (String, Value) {
        let body = json!({ "url": url }).to_string();
        let (head, body) = self.ask(&format!(
            "POST /v1/media HTTP/1.1\r\nHost: x\r\nsoku-api-key: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        (head, serde_json::from_slice(&body).expect("JSON"))
    }
}

fn film() -> Vec<u8> {
    let mut film = samples::MP4.bytes.to_vec();
    film.resize(1_000_000, 7);
    film
}

/// The path of the hosted file in a 201.
fn path_of(program: &Program, answer: &(String, Value)) -> String {
    assert!(answer.0.starts_with("HTTP/1.1 201 "), "{answer:?}");
    let url = answer.1["url"].as_str().expect("a url");
    url.strip_prefix(&program.base).expect("a URL of ours").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_leave_files_for_the_work() {
    let place = Place::new().with("SOKU_DOWNLOADS_AT_ONCE", "4").with("SOKU_DOWNLOADS_AT_ONCE_PER_ACCOUNT", "4");
    let place = place.with("SOKU_DATABASE_READERS", "2").with("SOKU_DATABASE_MAX_CONNECTIONS", "1");
    let origin = Origin::start().await;
    origin.serve("/a.mp4", Answer::ok("video/mp4", film()));
    origin.serve("/b.mp4", Answer::ok("video/mp4", film()));
    let program = place.start_as(limited(128));
    let mut kept = Kept::open(&program);
    let path = path_of(&program, &kept.import(&program.key, &origin.url("/a.mp4")));

    let strangers: Vec<Kept> = (0..100).map(|_| Kept::open(&program)).collect();
    // One that came in behind them waits.
    let mut late = Kept::open(&program);
    let waiting = std::thread::spawn(move || late.get("/healthz").0);

    assert_eq!(kept.get(&path).1.len(), film().len());
    path_of(&program, &kept.import(&program.key, &origin.url("/b.mp4")));
    assert!(kept.get("/readyz").0.starts_with("HTTP/1.1 200 "));
    drop(strangers);
    assert!(waiting.join().expect("it is answered").starts_with("HTTP/1.1 200 "));
    let log = program.log();
    assert!(!log.contains("Could not accept"), "{log}");
    assert!(log.contains("of the 4096 connections"), "{log}");
}

#[test]
fn a_limit_that_is_too_low_stops_the_start() {
    let folder = tempfile::tempdir().expect("a directory");

    let mut command = limited(256);
    command.arg("serve").env("SOKU_DATA_DIR", folder.path()).env("SOKU_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    let output = command.output().expect("it starts");

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("the limit on open files is 256") && words.contains("SOKU_DOWNLOADS_AT_ONCE"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_to_open_the_answer_is_not_ready() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/a.mp4", Answer::ok("video/mp4", film()));
    origin.serve("/b.mp4", Answer::ok("video/mp4", film()));
    let program = place.start();
    let mut kept = Kept::open(&program);
    let path = path_of(&program, &kept.import(&program.key, &origin.url("/a.mp4")));
    assert!(kept.get("/readyz").0.starts_with("HTTP/1.1 200 "));

    let before = take_all_files(program.pid());
    let json = |(head, body): (String, Vec<u8>)| (head, serde_json::from_slice::<Value>(&body).expect("an envelope"));
    let unread = json(kept.get(&path));
    let unready = json(kept.get("/readyz"));
    let unmade = kept.import(&program.key, &origin.url("/b.mp4"));
    for (head, body) in [unread, unready, unmade] {
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: "), "{head}{body}");
        assert_eq!(body["error"]["details"]["reason"], "not_ready", "{body}");
    }
    assert!(kept.get("/healthz").0.starts_with("HTTP/1.1 200 "));
    prlimit(Some(program.pid()), Resource::Nofile, before).expect("allowed");

    assert_eq!(kept.get(&path).1.len(), film().len());
    path_of(&program, &kept.import(&program.key, &origin.url("/b.mp4")));
    assert!(kept.get("/readyz").0.starts_with("HTTP/1.1 200 "));
}

/// Lets a process open nothing more; gives the limit that it had.
fn take_all_files(process: Pid) -> Rlimit {
    let is_open = |number: &u64| std::fs::symlink_metadata(format!("/proc/{process}/fd/{number}")).is_ok();
    let first_free = (0..).find(|number| !is_open(number)).expect("there is a free one");
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(first_free), maximum }).expect("allowed")
}
