//! Sources that fail at every class of place, seen from the client: the reason is named, and nothing stays.

use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use soku_testkit::{Answer, Origin};

use super::load::bytes_of;
use crate::program::{Place, client};

/// The file, of no small size and in chunks whose sizes have five digits.
const TARGET: &str = "/0-400000.png";
const CHUNK: usize = 70_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Cut,
    Reset,
    Stall,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    fault: Fault,
    /// Counted from the first byte of the answer.
    offset: usize,
    in_head: bool,
    chunked: bool,
    resumable: bool,
    once: bool,
}

impl Case {
    fn answer(&self, start: Option<usize>) -> Answer {
        let answer = Answer::part("image/png", bytes_of(TARGET), start.filter(|_| self.resumable));
        let answer = if self.resumable { answer.header("ETag", "\"v1\"") } else { answer };
        if self.chunked { answer.chunked(CHUNK) } else { answer }
    }

    fn broken(&self, start: Option<usize>) -> Answer {
        // Where it resumes it brings no byte more.
        let answer = match start.filter(|_| self.resumable) {
            None => self.answer(start).cut_at(self.offset),
            Some(_) => self.answer(start).cut_after(0),
        };
        match self.fault {
            Fault::Cut => answer,
            Fault::Reset => answer.reset(),
            Fault::Stall => answer.then_stall(),
        }
    }

    /// The status and the reason that a client must get.
    fn outcome(&self) -> (u16, &'static str) {
        match (self.fault, self.in_head, self.once) {
            (Fault::Cut | Fault::Reset, _, true) => (201, ""),
            (Fault::Cut | Fault::Reset, true, false) => (500, "connection_lost"),
            (Fault::Cut | Fault::Reset, false, false) => (500, "truncated"),
            (Fault::Stall, true, _) => (500, "first_byte_timeout"),
            (Fault::Stall, false, _) => (500, "body_stalled"),
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (chunked, resumable) in [(false, true), (false, false), (true, true), (true, false)] {
        let whole = Case { fault: Fault::Cut, offset: 0, in_head: true, chunked, resumable, once: false };
        let head = whole.answer(None).wire_head().len();
        let end = head + whole.answer(None).wire_body().len();
        // Nothing, the status line, the head; the border; a chunk size and its end; the middle; the last byte.
        let offsets = [0, 7, head - 1, head, head + 2, head + 6, head + CHUNK + 8, head + 200_000, end - 1];
        for offset in offsets {
            for fault in [Fault::Cut, Fault::Reset, Fault::Stall] {
                for once in [true, false] {
                    // A stall is final.
                    if once && fault == Fault::Stall {
                        continue;
                    }
                    cases.push(Case { fault, offset, in_head: offset < head, chunked, resumable, once });
                }
            }
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_anywhere_gets_its_reason_and_leaves_nothing() {
    let place = Place::new()
        .with("SOKU_RATE_LIMIT_ENABLED", "false")
        .with("SOKU_DOWNLOADS_AT_ONCE_PER_ACCOUNT", "256")
        .with("SOKU_FETCH_IDLE_TIMEOUT", "2s")
        .with("SOKU_FETCH_FIRST_BYTE_TIMEOUT", "2s");
    let (program, origin, client) = (place.start(), Origin::start().await, client());
    let asking = cases().into_iter().enumerate().map(|(nth, case)| {
        let target = format!("/{nth}{TARGET}");
        origin.answer_with(&target, move |request, asked| {
            if asked > 0 && case.once { case.answer(request.range_start()) } else { case.broken(request.range_start()) }
        });
        let (program, client, url) = (&program, &client, origin.url(&target));
        async move {
            let request = client.post(format!("{}/v1/media", program.base)).header("soku-api-key", &program.key);
            let request = request.header("Content-Type", "application/json").body(format!("{{\"url\": \"{url}\"}}"));
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let body: Value = serde_json::from_slice(&answer.bytes().await.expect("a whole answer")).expect("JSON");
            let reason = body["error"]["details"]["reason"].as_str().unwrap_or_default();
            assert_eq!((status, reason), case.outcome(), "{case:?}: {body}");
            if let Some(hosted) = body["url"].as_str() {
                assert!(program.get(hosted).await == (200, bytes_of(TARGET)), "{case:?}");
            }
            usize::from(status == 201)
        }
    });
    let stored: usize = stream::iter(asking).buffer_unordered(64).fold(0, |sum, one| async move { sum + one }).await;

    assert_eq!(place.stored_files().len(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_is_said_and_the_key_is_free() {
    let nobody = Origin::start().await;
    let (port, url) = (nobody.port(), nobody.url("/a.png"));
    drop(nobody);
    let place =
        Place::new().with("SOKU_FETCH_DNS_SERVERS", &format!("127.0.0.1:{port}")).with("SOKU_FETCH_DNS_TIMEOUT", "1s");
    let program = place.start();

    for (url, reason) in [(url.clone(), "connect_failed"), (format!("http://away.test:{port}/a.png"), "dns_failed")] {
        for _ in 0..2 {
            let (status, body) = program.import(&url).await;
            assert_eq!((status, body["error"]["details"]["reason"].as_str()), (500, Some(reason)), "{body}");
        }
    }

    let back = Origin::start_at(([127, 0, 0, 1], port)).await;
    back.serve("/a.png", Answer::ok("image/png", bytes_of(TARGET)));
    assert_eq!(program.import(&url).await.0, 201, "the source came back");
    assert_eq!(place.stored_files().len(), 1);
}
