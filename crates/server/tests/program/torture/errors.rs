//! A disk that reports errors, or takes its time: never a false 201, nothing left, and the next import goes well.

use std::time::{Duration, Instant};

use super::injector::{Fault, Injector};
use super::load::Work;
use super::verdict;
use crate::program::Place;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_error_at_any_step_is_said_and_leaves_nothing() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let data = place.data();
    let log = data.join("soku.db-wal");
    let log = log.to_str().expect("a path in UTF-8");
    let rooms = std::fs::read_dir(data.join("spool")).expect("the spool");
    let rooms: Vec<_> = rooms.map(|room| room.expect("an entry").path()).collect();
    let [room] = &rooms[..] else { panic!("one process has one room: {rooms:?}") };
    let room = room.to_str().expect("a path in UTF-8");
    let warm = work.new_target(10);
    work.import(&program.base, &program.key, &warm).await.expect("an answer");
    // By an import are synced: the spool file and beside it, on another thread, the room; the shard; and the write-ahead
    // log, by the row. Calls are counted a thread. Where the claim could not be written, nothing was begun.
    let (eio, full) = ("error=EIO", "error=ENOSPC");
    let steps = [
        ("fsync", "1", eio, None, "storage_failed"),
        ("fsync", "2", eio, None, "storage_failed"),
        ("fsync", "1", eio, Some(room), "storage_failed"),
        ("fsync", "1+", eio, None, "storage_failed"),
        ("fsync", "1", eio, Some(log), "storage_failed"),
        ("fsync", "1+", eio, Some(log), "storage_failed"),
        ("linkat", "1", eio, None, "storage_failed"),
        ("pwrite64", "1", eio, Some(log), "not_ready"),
        ("pwrite64", "9", eio, Some(log), "storage_failed"),
        ("pwrite64", "9+", eio, Some(log), "storage_failed"),
        ("fsync", "1", full, None, "storage_full"),
        ("linkat", "1", full, None, "storage_full"),
        ("pwrite64", "1", full, Some(log), "storage_full"),
        ("pwrite64", "9", full, Some(log), "storage_full"),
    ];
    for (call, when, what, path, reason) in steps {
        let fault = Fault { call, when, what, path };
        let Some(injector) = Injector::attach(&place, &program, fault) else { return };
        let target = work.new_target(300_000);
        let said = work.import(&program.base, &program.key, &target).await.expect("an answer");
        assert!(injector.detach(), "{fault:?} came about");

        let status = if reason == "not_ready" { 503 } else { 500 };
        assert_eq!((said.status, said.reason()), (status, reason), "{fault:?}: {}", said.body);
        verdict::tidy(&place, &work).unwrap_or_else(|words| panic!("{fault:?}: {words}"));
        let judged = verdict::judge(&place, &program, &work, &[target]).await;
        judged.unwrap_or_else(|words| panic!("{fault:?}: {words}"));
    }
    program.kill();

    let program = place.start();
    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("at the end: {words}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_makes_answers_late_and_not_wrong() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let fault = Fault { call: "fsync", when: "1+", what: "delay_enter=200000", path: None };
    let Some(injector) = Injector::attach(&place, &program, fault) else { return };

    let asked = Instant::now();
    let targets: Vec<String> = (0..20).map(|_| work.new_target(1000)).collect();
    let asking = targets.iter().map(|target| work.import(&program.base, &program.key, target));
    for said in futures_util::future::join_all(asking).await {
        let said = said.expect("an answer");
        assert_eq!(said.status, 201, "{}", said.body);
    }
    let took = asked.elapsed();
    assert!(injector.detach(), "it was slow");

    // Three syncs one after the other are 0.6 s; twenty imports one after the other would be 12 s.
    assert!(took > Duration::from_millis(600) && took < Duration::from_secs(8), "{took:?}");
    verdict::judge(&place, &program, &work, &[]).await.unwrap_or_else(|words| panic!("{words}"));
}
