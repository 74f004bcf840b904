//! Backup and restore, by the very commands of `docs/operations.md`, taken under load and restored elsewhere.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::load::{Fate, Load, Work};
use super::random::Random;
use super::verdict;
use crate::program::Place;

const DOCUMENT: &str = include_str!("../../../../../docs/operations.md");

/// The commands of the document: those that back up, and those that restore.
fn commands() -> (String, String) {
    let (_, section) = DOCUMENT.split_once("## Backup and restore").expect("the section");
    let mut blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("an end").to_owned());
    (blocks.next().expect("commands that back up"), blocks.next().expect("commands that restore"))
}

/// Runs commands of the document on other directories.
fn run(commands: &str, data: &Path, backup: &Path) {
    let name = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let script = commands.replace("/var/lib/soku", &name(data)).replace("/backup", &name(backup));
    let program = Path::new(env!("CARGO_BIN_EXE_soku")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).env("PATH", format!("{}:{path}", name(program)));
    let output = shell.output().expect("a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_brings_every_row_its_file_and_every_file_its_row() {
    let place = Place::new().with("SOKU_RATE_LIMIT_ENABLED", "false");
    let work = Work::start().await;
    let program = place.start();
    let doomed = work.new_target(1_000);
    let path = work.import(&program.base, &program.key, &doomed).await.and_then(|said| said.path()).expect("201");
    work.fate(&doomed, Fate::Deleting);
    let load = Load::start(&work, &place, &program, &mut Random::seeded());
    tokio::time::sleep(Duration::from_millis(300)).await;

    let backup = place.folder().join("backup");
    fs::create_dir(&backup).expect("made");
    let (taking, restoring) = commands();
    let (rows, files) = taking.split_at(taking.find("rsync").expect("the files come second"));
    let before = work.fates();
    run(rows, &place.data(), &backup);
    // Between rows and files one goes and one comes.
    let deleted = place.tool().command().args(["media", "delete", &path]).output().expect("the program starts");
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    let late = work.new_target(1_000);
    assert_eq!(work.import(&program.base, &program.key, &late).await.expect("an answer").status, 201);
    run(files, &place.data(), &backup);
    load.end().await;
    program.kill();

    let elsewhere = Place::new()
        .with("SOKU_RATE_LIMIT_ENABLED", "false")
        .with("SOKU_IDEMPOTENCY_LEASE", "2s")
        .with("SOKU_IDEMPOTENCY_HEARTBEAT", "500ms");
    fs::create_dir(elsewhere.data()).expect("made");
    run(&restoring, &elsewhere.data(), &backup);
    fs::copy(place.folder().join("stdout"), elsewhere.folder().join("stdout")).expect("the key");
    let mut kept = 0;
    for (target, fate) in work.fates() {
        // What was so before the backup and is so after it is so in the backup.
        let fate = match (before.get(&target), fate) {
            (Some(then), now) if *then == now => now,
            (Some(_), Fate::Deleted { .. } | Fate::Deleting) => Fate::Deleting,
            _ => Fate::Asked,
        };
        kept += usize::from(matches!(fate, Fate::Stored { .. }));
        work.fate(&target, fate);
    }
    assert!(kept > 5, "there was something to back up");

    let program = elsewhere.start();
    verdict::tidy(&elsewhere, &work).unwrap_or_else(|words| panic!("{words}"));
    verdict::judge(&elsewhere, &program, &work, &[]).await.unwrap_or_else(|words| panic!("{words}"));
}
