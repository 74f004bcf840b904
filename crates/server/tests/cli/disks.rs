//! Disks that are full, out of inodes, or read-only: tiny ones, mounted for a process of its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::source::{Source, fetching_locally};

/// Runs another test of this file, an ignored one, with a tmpfs of these options as its directory for temporary files.
#[track_caller]
fn on_a_disk(options: &str, inner: &str) {
    let home = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {options} tmpfs \"$TMPDIR\" && exec \"$@\"");
    let mut isolated = Command::new("unshare");
    isolated.args(["--map-root-user", "--mount", "sh", "-c", &mount, "sh"]).arg(std::env::current_exe().unwrap());
    isolated.args(["--exact", inner, "--ignored", "--nocapture"]).env("TMPDIR", home.path());

    let output = isolated.output().unwrap();

    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("unshare failed") || words.contains("permission denied") {
        return eprintln!("skipped: no file system can be mounted here: {words}");
    }
    assert!(output.status.success(), "{}{words}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the disk was tried");
}

/// Writes to a file until nothing more goes in.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let error = (0..).find_map(|_| file.write_all(&[b'x'; 4_096]).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn on_a_full_disk_files_can_be_deleted() {
    on_a_disk("size=16m", "disks::deleting_on_a_full_disk");
}

#[test]
#[ignore = "a process of its own, on a disk of its own"]
fn deleting_on_a_full_disk() {
    let source = Source::start();
    let soku = fetching_locally().variable("SOKU_STORAGE_MIN_FREE_BYTES", "0");
    for name in ["/graphic.png", "/again.png", "/photo.jpg?signature=hunter2"] {
        soku.run_words(&["import", &source.url(name)]).succeeds();
    }
    let listed = soku.run("media list --json").json();
    let ids: Vec<&str> = (0..3).map(|nth| listed[nth]["id"].as_str().unwrap()).collect();
    let filler = soku.path().join("filler");

    let refill = || {
        fs::remove_file(&filler).unwrap();
        soku.run("sweep").succeeds();
        fill(&filler);
    };

    // Beside a server, and then without one, when SQLite must make its log anew.
    let mut server = soku.start("serve --listen 127.0.0.1:0");
    server.says("Listening on http://");
    fill(&filler);
    soku.run_words(&["media", "delete", ids[0]]).succeeds();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    for id in &ids[1..] {
        refill();
        soku.run_words(&["media", "delete", id]).succeeds();
    }

    refill();
    let mut server = soku.start("serve --listen 127.0.0.1:0");
    server.says("Listening on http://");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code, 0);
    assert_eq!(soku.run("media list --json").json().as_array().unwrap().len(), 0);

    fs::remove_file(&filler).unwrap();
    soku.run("sweep").succeeds();
    assert_eq!(fs::metadata(soku.path().join("soku-data/soku-ballast")).unwrap().len(), 1024 * 1024);
}
