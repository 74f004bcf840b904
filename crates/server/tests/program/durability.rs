//! The order that durability rests on, read from a trace of the system calls: file synced, linked, directory synced,
//! database synced, and only then the answer.

use std::process::Command;

use soku_testkit::{Answer, Origin, samples};

use crate::program::Place;

/// The first line at or behind `from` for which `is_it` holds.
#[track_caller]
fn find(trace: &[&str], from: usize, what: &str, is_it: impl Fn(&str) -> bool) -> usize {
    let found = trace[from..].iter().position(|line| is_it(line));
    from + found.unwrap_or_else(|| panic!("no {what} behind line {from} of the trace:\n{}", trace.join("\n")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_after_every_sync() {
    let (place, origin) = (Place::new(), Origin::start().await);
    origin.serve("/a.png", Answer::ok("image/png", samples::PNG.bytes));
    let trace_file = place.folder().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-s", "64", "-e"])
        .arg("trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,write,writev,sendto,sendmsg,pwrite64")
        .arg("-o")
        .arg(&trace_file)
        .arg(env!("CARGO_BIN_EXE_soku"));
    let program = place.start_as(strace);

    let (status, body) = program.import(&origin.url("/a.png")).await;
    assert_eq!(status, 201, "{body}");
    let url = body["url"].as_str().expect("a url").to_owned();
    let id = url.rsplit('/').nth(1).expect("an id");
    // strace passes its own end on only when the program has ended: then the trace is complete.
    program.terminate();

    let text = std::fs::read_to_string(&trace_file).expect("a trace");
    let lines: Vec<&str> = text.lines().collect();
    let shard = format!("media/{}", &id[..2]);
    let is_sync = |line: &str| line.contains(" fsync(") || line.contains(" fdatasync(");
    let file = find(&lines, 0, "sync of the file", |line| is_sync(line) && line.contains(id));
    let link = find(&lines, file, "link into the library", |line| {
        (line.contains(" link(") || line.contains(" linkat(")) && line.contains(&shard)
    });
    let directory =
        find(&lines, link, "sync of the directory", |line| is_sync(line) && line.contains(&format!("{shard}>")));
    let row = find(&lines, directory, "sync of the database", |line| is_sync(line) && line.contains("soku.db"));
    find(&lines, row, "answer", |line| line.contains("HTTP/1.1 201"));
    assert!(
        !lines[..row].iter().any(|line| line.contains("HTTP/1.1 201")),
        "the answer came before the database was synced"
    );
}
