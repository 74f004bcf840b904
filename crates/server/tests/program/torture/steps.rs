//! `kill -9` at every named step of the walk: at the nth call of every kind that an import or a deletion makes.

use std::process::Command;
use std::time::Duration;

use super::injector::{Fault, Injector};
use super::load::{Fate, Work};
use super::{rounds, verdict};
use crate::program::Place;

/// The calls by which an import gets into the library, in the order in which they first come.
const CALLS: [&str; 7] = ["pwrite64", "openat", "write", "fsync", "linkat", "unlink", "writev"];
/// The ones for the gate: the claim, the spool, each sync, the link, the row, the spool file's end, the answer.
const FEW: [(&str, usize); 8] = [
    ("pwrite64", 2),
    ("openat", 1),
    ("fsync", 1),
    ("fsync", 2),
    ("fsync", 3),
    ("linkat", 1),
    ("unlink", 1),
    ("writev", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_step_a_kill_comes_at_row_and_file_are_there_or_neither() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let deepest = rounds("SOKU_TORTURE_STEPS", 0);
    let all = CALLS.iter().flat_map(|call| (1..=deepest).map(|nth| (*call, nth)));
    let steps: Vec<(&str, usize)> = if deepest == 0 { FEW.to_vec() } else { all.collect() };
    let mut reached = 0;
    for (call, nth) in steps {
        let program = place.start();
        // What comes once in a process's life is over before the trap is set.
        let warm = work.new_target(10);
        work.import(&program.base, &program.key, &warm).await.expect("an answer");
        let fault = Fault { call, when: &nth.to_string(), what: "signal=KILL", path: None };
        let Some(injector) = Injector::attach(&place, &program, fault) else { return };
        let targets: Vec<String> = (0..3).map(|n| work.new_target(n * 300_000)).collect();
        let mut answered = 0;
        for target in &targets {
            let asking = work.import(&program.base, &program.key, target);
            match tokio::time::timeout(Duration::from_secs(30), asking).await.expect("an end") {
                Some(_) => answered += 1,
                None => break,
            }
        }
        let killed = injector.detach();
        program.kill();
        reached += usize::from(killed);
        eprintln!("{call} {nth}: {}, {answered} answered", if killed { "killed" } else { "not reached" });

        let program = place.start();
        let targets = [vec![warm], targets].concat();
        let judged = verdict::judge(&place, &program, &work, &targets).await;
        judged.unwrap_or_else(|words| panic!("killed at {call} {nth}: {words}"));
        assert_eq!(program.terminate(), Some(0));
    }
    assert!(reached >= FEW.len(), "the steps were reached: {reached}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_step_a_deletion_is_killed_at_beside_the_server_a_sweep_ends_it() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let deepest = rounds("SOKU_TORTURE_STEPS", 0);
    let calls = ["pwrite64", "openat", "fsync", "unlink", "rmdir"];
    let all = calls.iter().flat_map(|call| (1..=deepest * 2).map(|nth| (*call, nth)));
    // The row before and after its sync, the file, the shard, the mark, the room. An `@` is a place and not a count.
    let few =
        [("pwrite64", 2), ("fsync@soku.db-wal", 1), ("unlink", 3), ("fsync@media", 1), ("unlink", 4), ("rmdir", 1)];
    let steps: Vec<(&str, usize)> = if deepest == 0 { few.to_vec() } else { all.collect() };
    let mut killed = 0;
    for (call, nth) in steps {
        let target = work.new_target(1_000);
        let said = work.import(&program.base, &program.key, &target).await.expect("an answer");
        let path = said.path().expect("201");
        work.fate(&target, Fate::Deleting);
        let id = path.split('/').nth(2).expect("an id").to_owned();
        let (call, file) = call.split_once('@').unwrap_or((call, ""));
        let tool = place.tool().command();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
        if !file.is_empty() {
            let shard = if file == "media" { &id[..2] } else { "" };
            strace.arg("-P").arg(place.data().join(file).join(shard).components().as_path());
        }
        strace.arg(tool.get_program()).args(["media", "delete", &id]);
        let output = strace.env("SOKU_DATA_DIR", place.data()).output().expect("strace starts");
        let ended = output.status.success();
        if ended {
            work.fate(&target, Fate::Deleted { path });
        }
        killed += usize::from(!ended);
        eprintln!("{call} {nth} {file}: {}", if ended { "not reached" } else { "killed" });

        let sweep = place.tool().command().arg("sweep").output().expect("the program starts");
        assert!(sweep.status.success(), "{}", String::from_utf8_lossy(&sweep.stderr));
        let judged = verdict::judge(&place, &program, &work, &[target]).await;
        judged.unwrap_or_else(|words| panic!("killed at {call} {nth}: {words}"));
    }
    assert!(killed >= few.len(), "the steps were reached: {killed}");
}
