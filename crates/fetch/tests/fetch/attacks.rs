//! Sources that mean harm: work and traffic without a file, and parts of one file in another.

use soku_fetch::{FetchError, Limits};
use soku_testkit::{Answer, Origin, Request};
use tokio::io::AsyncWriteExt;

use crate::assert_fails;
use crate::bed::{Bed, noise, quick};

const TAG: &str = "\"5f3e-186a0\"";
const SIZE: usize = 100_000;

/// On more than one thread, so that the source never lets the reader wait: no clock is looked at as long as it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_size_that_never_ends_is_cut_off() {
    let origin = Origin::start().await;
    for (target, first) in [("/at-once", &b""[..]), ("/later", b"5\r\nhello\r\n")] {
        origin.handle(target, move |_, mut stream| async move {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let zeros = vec![b'0'; 1024 * 1024];
            let _ = stream.write_all(&[head, first].concat()).await;
            while stream.write_all(&zeros).await.is_ok() {}
        });

        assert_fails!(Bed::new().failure(&origin.url(target)).await, FetchError::BadResponse { .. });
    }
}

#[tokio::test]
async fn chunks_as_small_as_they_can_be_are_borne() {
    let origin = Origin::start().await;
    origin.serve("/a", Answer::ok("video/mp4", noise(500_000)).chunked(1));

    assert!(Bed::new().bytes(&origin.url("/a")).await == noise(500_000));
}

#[tokio::test]
async fn members_of_a_coding_that_hold_nothing_are_counted() {
    let origin = Origin::start().await;
    let coded = |members: Vec<u8>| Answer::ok("image/svg+xml", members).header("Content-Encoding", "gzip");
    let (empty, full) = (crate::codings::gzip(b"").await, crate::codings::gzip(&noise(4_000)).await);
    origin.serve("/few", coded([empty.repeat(900), full.clone()].concat()));
    origin.serve("/many", coded(empty.repeat(100_000)));
    origin.serve("/full", coded(full.repeat(1_500)));

    assert!(Bed::new().bytes(&origin.url("/few")).await == noise(4_000));
    assert!(Bed::new().bytes(&origin.url("/full")).await == noise(4_000).repeat(1_500));
    assert_fails!(Bed::new().failure(&origin.url("/many")).await, FetchError::BadResponse { .. });
}

/// A length that the parser drops, because it takes its line for one that goes on, is not the end of the body.
#[tokio::test]
async fn a_length_behind_blanks_is_not_lost() {
    let origin = Origin::start().await;
    origin.serve("/a", Answer::raw("HTTP/1.1 200 OK\r\n Content-Length: 10\r\n\r\nhello"));

    assert_fails!(Bed::new().failure(&origin.url("/a")).await, FetchError::BadResponse { .. });
}

/// A link that leads to another file each time, and a server whose tags are time and size alone.
#[tokio::test]
async fn a_part_of_another_file_is_not_spliced_though_tag_and_size_are_the_same() {
    let (first, second) = (noise(SIZE), vec![7; SIZE]);
    let dated = |answer: Answer| {
        answer.header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT").header("Date", "Wed, 21 Oct 2015 08:00:00 GMT")
    };
    for (name, locations, by_tag) in [
        ("other name", ["/0.bmp", "/1.bmp"], true),
        ("no name", ["/0/", "/1/"], true),
        ("other path by date", ["/0/a.bmp", "/1/a.bmp"], false),
    ] {
        let origin = Origin::start().await;
        let mark = move |answer: Answer| if by_tag { answer.header("ETag", TAG) } else { dated(answer) };
        origin.answer_with("/random", move |_, nth| Answer::redirect(302, locations[nth.min(1)]));
        origin.serve(locations[0], mark(Answer::ok("image/bmp", first.clone())).cut_after(SIZE / 2));
        let whole = second.clone();
        origin.answer_with(locations[1], move |request, _| {
            mark(Answer::part("image/bmp", whole.clone(), request.range_start()))
        });

        assert!(Bed::new().bytes(&origin.url("/random")).await == second, "{name}");
        assert_eq!(origin.requests().last().unwrap().header("range"), None, "{name}: it started over");
    }
}

#[tokio::test]
async fn a_part_of_the_same_file_elsewhere_is_taken() {
    let [front, mirror] = [Origin::start().await, Origin::start().await];
    let (here, there) = (front.url("/12/items/film.mp4"), mirror.url("/3/items/film.mp4?token=1"));
    front.answer_with("/film", move |_, nth| Answer::redirect(302, if nth == 0 { &here } else { &there }));
    let film = || Answer::ok("video/mp4", noise(SIZE)).header("ETag", TAG);
    front.serve("/12/items/film.mp4", film().cut_after(SIZE / 2));
    mirror.answer_with("/3/items/film.mp4?token=1", |request, _| rest(request));

    assert!(Bed::new().bytes(&front.url("/film")).await == noise(SIZE));
    assert_eq!(mirror.requests()[0].header("range"), Some("bytes=50000-"));
}

fn rest(request: &Request) -> Answer {
    Answer::part("video/mp4", noise(SIZE), request.range_start()).header("ETag", TAG)
}

/// The hosts that a source redirects through did not ask for the traffic that its cuts make.
#[tokio::test]
async fn a_source_that_gives_a_byte_a_try_does_not_flood_those_on_the_way() {
    let [front, way] = [Origin::start().await, Origin::start().await];
    let (to, back) = (way.url("/login"), front.url("/film.mp4"));
    front.answer_with("/a", move |_, _| Answer::redirect(302, &to));
    way.answer_with("/login", move |_, _| Answer::redirect(302, &back));
    front.answer_with("/film.mp4", |request, _| rest(request).cut_after(1));
    let bed = Bed::with(Limits { max_redirects: 2, ..quick() });

    assert_fails!(bed.failure(&front.url("/a")).await, FetchError::TooManyRedirects);
    assert_eq!(way.requests().len(), 50);
}
