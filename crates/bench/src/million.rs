//! A library of a million entries, against the same work on one with next to none: uploads, and deliveries of files that are
//! spread over all of it.

mod library;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::probe;
use crate::program::Program;
use crate::report::{Mark, Row};
use crate::source::{JPEG, Source};

const SIZE: usize = 74_000;
const ENTRIES: usize = 1_000_000;
/// The entries whose files exist; the baseline has no others.
const FILES: usize = 500;
const ROUNDS: usize = 7;
const UPLOADS: usize = 150;

pub(crate) async fn measure(program: &Path) -> Result<Vec<Row>> {
    let source = Source::start(JPEG, SIZE, "image/jpeg").await?;
    let (few, few_paths) = start(program, FILES).await?;
    let (many, many_paths) = start(program, ENTRIES).await?;
    let [mut posts, mut posts_few, mut gets, mut gets_few] = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let first = round * UPLOADS;
        let post_few = probe::uploads(&few, &source, first, UPLOADS).await?;
        let post = probe::uploads(&many, &source, first, UPLOADS).await?;
        let get_few = probe::gets(&few, few_paths.iter().map(String::as_str)).await?;
        let get = probe::gets(&many, many_paths.iter().map(String::as_str)).await?;
        eprintln!(
            "million, round {round}: POST {post:.2} ms, with {FILES} entries {post_few:.2} ms; GET {get:.3} ms, {get_few:.3} ms"
        );
        if round > 0 {
            posts.push(post);
            posts_few.push(post_few);
            gets.push(get * 1e3);
            gets_few.push(get_few * 1e3);
        }
    }
    let row = |work: &str, subject: Vec<f64>, against: Vec<f64>, unit| Row {
        work: format!("{work} with 1,000,000 media entries, one client: median time"),
        baseline: format!("the same with {FILES} entries"),
        subject,
        against,
        unit,
        mark: Mark::AtMost(1.2),
    };
    Ok(vec![
        row("74 kB JPEG by URL", posts, posts_few, "ms"),
        row("`GET` of 74 kB, each another file of all,", gets, gets_few, "µs"),
    ])
}

/// A server over so many entries, and the paths of those that have files.
async fn start(program: &Path, entries: usize) -> Result<(Program, Vec<String>)> {
    let mut server = Program::start(program)?;
    server.stop()?;
    let filling = Instant::now();
    let paths = library::fill(&server.data_dir(), entries, FILES, SIZE).await?;
    let filled = filling.elapsed().as_secs_f64();
    let starting = Instant::now();
    server.start_again()?;
    eprintln!("million: {entries} entries in {filled:.1} s; the start took {:.2} s", starting.elapsed().as_secs_f64());
    Ok((server, paths))
}
