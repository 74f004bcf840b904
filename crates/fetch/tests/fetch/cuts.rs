//! A cut at every class of offset, of every framing, with and without the possibility to resume.

use soku_fetch::FetchError;
use soku_testkit::{Answer, Origin};

use crate::bed::{Bed, noise};

const SIZE: usize = 300_000;
const CHUNK: usize = 70_000;

fn answer(framing: &str, resumable: bool) -> Answer {
    let answer = Answer::ok("video/mp4", noise(SIZE));
    let answer = if resumable { answer.header("ETag", "\"v1\"") } else { answer };
    if framing == "chunked" { answer.chunked(CHUNK) } else { answer }
}

/// Offsets on the wire: nothing, in the status line, in the head, between head and body, in and around chunk sizes,
/// around the verdict's and the spool's borders, in the middle, and before the very last byte.
fn offsets(answer: &Answer) -> Vec<usize> {
    let head = answer.wire_head().len();
    let end = head + answer.wire_body().len();
    let in_body =
        [0, 1, 2, 6, 7, 8, 100, CHUNK + 7, CHUNK + 8, CHUNK + 9, CHUNK + 11, 65_536, 65_537, 150_000, 262_144];
    let mut offsets = vec![0, 1, 9, 30, head - 2, head - 1];
    offsets.extend(in_body.map(|offset| head + offset));
    offsets.extend([end - 7, end - 5, end - 4, end - 3, end - 2, end - 1]);
    offsets
}

#[tokio::test]
async fn a_cut_once_anywhere_brings_the_file_all_the_same() {
    let bytes = noise(SIZE);
    for (framing, resumable) in [("length", true), ("length", false), ("chunked", true), ("chunked", false)] {
        let origin = Origin::start().await;
        let bed = Bed::new();
        for offset in offsets(&answer(framing, resumable)) {
            for reset in [false, true] {
                let cut = answer(framing, resumable).cut_at(offset);
                let cut = if reset { cut.reset() } else { cut };
                origin.answer_with("/a", move |request, nth| match (nth, request.range_start()) {
                    (0, _) => cut.clone(),
                    (_, Some(start)) => Answer::part("video/mp4", noise(SIZE), Some(start)).header("ETag", "\"v1\""),
                    (_, None) => answer(framing, resumable),
                });

                let arrived = bed.bytes(&origin.url("/a")).await;

                assert!(arrived == bytes, "{framing}, resumable: {resumable}, cut at {offset}, reset: {reset}");
            }
        }
    }
}

#[tokio::test]
async fn a_cut_body_leaves_nothing() {
    for (framing, resumable) in [("length", true), ("length", false), ("chunked", true), ("chunked", false)] {
        let origin = Origin::start().await;
        let bed = Bed::new();
        for offset in offsets(&answer(framing, resumable)) {
            // The same place of the file each time: a source that resumes says no more than it said before.
            origin.answer_with("/a", move |request, _| match request.range_start() {
                None => answer(framing, resumable).cut_at(offset),
                Some(start) => {
                    Answer::part("video/mp4", noise(SIZE), Some(start)).header("ETag", "\"v1\"").cut_after(0)
                }
            });

            let error = bed.failure(&origin.url("/a")).await;

            let in_head = offset < answer(framing, resumable).wire_head().len();
            match error {
                FetchError::ConnectionLost(_) if in_head => {}
                FetchError::Truncated(_) if !in_head => {}
                other => panic!("{framing}, resumable: {resumable}, cut at {offset}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again() {
    let gone = Origin::start().await;
    let url = gone.url("/a");
    drop(gone);

    match Bed::new().failure(&url).await {
        FetchError::ConnectFailed(_) => {}
        other => panic!("{other:?}"),
    }
}
