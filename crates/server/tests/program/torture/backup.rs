//! Backup and restore, by the very commands of `docs/operations.md`, taken under load and restored elsewhere.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

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

/// Runs commands of the document on other directories, as somebody would who pastes them: without `set -e`.
fn run(commands: &str, data: &Path, backup: &Path) {
    let output = run_with(Path::new("/nowhere"), commands, data, backup);
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The same, with the tools of a directory before all others.
fn run_with(tools: &Path, commands: &str, data: &Path, backup: &Path) -> Output {
    let name = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let script = commands.replace("/var/lib/soku", &name(data)).replace("/backup", &name(backup));
    let program = Path::new(env!("CARGO_BIN_EXE_soku")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("PATH", format!("{}:{}:{path}", name(tools), name(program)));
    shell.output().expect("a shell")
}

/// A directory with a tool of this name that only exits.
fn failing(name: &str, code: u8) -> TempDir {
    let tools = tempfile::tempdir().expect("a directory");
    let tool = tools.path().join(name);
    fs::write(&tool, format!("#!/bin/sh\nexit {code}\n")).expect("written");
    fs::set_permissions(&tool, Permissions::from_mode(0o700)).expect("made executable");
    tools
}

/// The ids of all media that a data directory has rows of.
fn rows(data: &Path) -> BTreeSet<String> {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_soku"));
    let output =
        tool.args(["media", "list", "--json"]).env("SOKU_DATA_DIR", data).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let id = |entry: &serde_json::Value| entry["id"].as_str().expect("an id").to_owned();
    listed.as_array().expect("an array").iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_or_restore_that_fails_half_way_says_so_and_takes_nothing_away() {
    let place = Place::new();
    let work = Work::start().await;
    let program = place.start();
    assert_eq!(work.import(&program.base, &program.key, &work.new_target(1_000)).await.expect("an answer").status, 201);
    let backup = place.folder().join("backup");
    let (taking, restoring) = commands();
    run(&taking, &place.data(), &backup);
    let kept = fs::read(backup.join("soku.db")).expect("the rows");
    assert_eq!(work.import(&program.base, &program.key, &work.new_target(1_000)).await.expect("an answer").status, 201);

    for (tool, code) in [("rsync", 11), ("sqlite3", 1), ("mv", 1)] {
        let output = run_with(failing(tool, code).path(), &taking, &place.data(), &backup);
        assert!(!output.status.success(), "{tool}");
        assert_eq!(fs::read(backup.join("soku.db")).expect("the rows"), kept, "{tool}");
    }
    // Some files were deleted meanwhile: that is no failure.
    assert!(run_with(failing("rsync", 24).path(), &taking, &place.data(), &backup).status.success());
    run(&taking, &place.data(), &backup);

    for (tool, code) in [("cp", 1), ("sqlite3", 1), ("rsync", 11)] {
        let elsewhere = Place::new();
        let output = run_with(failing(tool, code).path(), &restoring, &elsewhere.data(), &backup);
        assert!(!output.status.success(), "{tool}");
        if elsewhere.data().join("soku.db").exists() {
            assert_eq!(rows(&elsewhere.data()), rows(&place.data()), "{tool}");
        }
    }
    let elsewhere = Place::new();
    run(&restoring, &elsewhere.data(), &backup);
    assert_eq!(rows(&elsewhere.data()), rows(&place.data()));
    assert_eq!(elsewhere.stored_files().len(), 2);
    // One that is in use is not written over.
    let output = run_with(Path::new("/nowhere"), &restoring, &place.data(), &backup);
    assert!(!output.status.success());
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
    let (taking, restoring) = commands();
    let (rows, files) = taking.split_at(taking.find("{ rsync").expect("the files come second"));
    let before = work.fates();
    run(rows.trim_end().trim_end_matches("&&"), &place.data(), &backup);
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
