//! Disks that are full, out of inodes, or read-only: tiny ones, mounted for a process of its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::soku::Soku;
use crate::source::{Source, fetching_locally};

/// Runs another test of this file, an ignored one, with a tmpfs of these options as its directory for temporary files.
#[track_caller]
fn on_a_disk(options: &str, inner: &str) {
    on_a_disk_with(options, "", inner);
}

/// The same, the test started by another program.
#[track_caller]
fn on_a_disk_with(options: &str, starter: &str, inner: &str) {
    let home = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {options} tmpfs \"$TMPDIR\" && exec {starter} \"$@\"");
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

/// Whose number 65534 is in every list of users.
const NOBODY: u32 = 65_534;

#[test]
fn somebody_elses_directory_is_told_with_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root gives files away");
    }
    let soku = fetching_locally();
    soku.run("account create default").succeeds();
    let data = soku.path().join("soku-data");
    for path in [soku.path(), &data] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // As root all is open, but what root writes is closed to the owner.
    let said = soku.run("import http://127.0.0.1:1/x.png");
    let words = "warning: this runs as root, and the data directory `./soku-data` belongs to the user `nobody`";
    assert!(said.stderr.contains(words), "{said}");
    assert_eq!(soku.run("account list").stderr, "");

    chown(&data, Some(0), Some(0)).unwrap();
    let program = env!("CARGO_BIN_EXE_soku");
    for line in ["serve --listen 127.0.0.1:0", "account list", "account list --config my.toml"] {
        fs::write(soku.path().join("my.toml"), "").unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]).args(line.split(' '));
        let output = command.current_dir(soku.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        let words = "soku-data` belongs to the user `root`: run this as that user): Permission denied (os error 13)";
        assert!(stderr.contains(words), "{line}: {stderr}");
    }
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
    server.says("Made the first API key");
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
    let ballast = fs::read_dir(soku.path().join("soku-data/soku-ballast")).unwrap();
    assert_eq!(ballast.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>(), 1024 * 1024);
}

#[test]
fn without_an_inode_files_can_be_deleted() {
    on_a_disk("size=32m,nr_inodes=400", "disks::deleting_without_an_inode");
}

#[test]
#[ignore = "a process of its own, on a disk of its own"]
fn deleting_without_an_inode() {
    let source = Source::start();
    let soku = fetching_locally().variable("SOKU_STORAGE_MIN_FREE_BYTES", "0");
    soku.run_words(&["import", &source.url("/graphic.png")]).succeeds();
    let id = soku.run("media list --json").json()[0]["id"].as_str().unwrap().to_owned();
    let filler = |nth: u32| soku.path().join(format!("filler-{nth}"));
    let filled = (0..).find(|nth| File::create(filler(*nth)).is_err()).unwrap();

    soku.run_words(&["media", "delete", &id]).succeeds();

    for nth in filled.. {
        if File::create(filler(nth)).is_err() {
            break;
        }
    }
    let said = soku.run("account list");
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("cannot be opened: its disk has no inodes (too many files) left; free some"),
        "{said}"
    );
    (0..filled).for_each(|nth| fs::remove_file(filler(nth)).unwrap());
    assert_eq!(soku.run("media list --json").json().as_array().unwrap().len(), 0);
}

#[test]
fn a_read_only_disk_is_told() {
    on_a_disk("size=16m", "disks::starting_on_a_read_only_disk");
}

#[test]
#[ignore = "a process of its own, on a disk of its own"]
fn starting_on_a_read_only_disk() {
    let soku = Soku::with_account();
    let disk = std::env::temp_dir();
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(&disk).status().unwrap();
        assert!(done.success());
    };

    remount("remount,ro");

    let said = soku.run("account list");
    assert_eq!(said.code, 1);
    let words = "on a disk that is not read-only: Read-only file system (os error 30)";
    assert!(said.stderr.contains("cannot be opened for writing") && said.stderr.contains(words), "{said}");
    for line in ["serve --listen 127.0.0.1:0", "serve --listen 127.0.0.1:0 --data-dir other"] {
        let said = soku.run(line);
        assert_eq!(said.code, 1);
        assert!(said.stderr.ends_with("`: Read-only file system (os error 30)\n"), "{said}");
    }
    remount("remount,rw");
    assert_eq!(soku.run("account list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn a_data_directory_that_may_not_be_written_is_told() {
    // Root may write everywhere, unless it lays that down.
    on_a_disk_with("size=16m", "setpriv --bounding-set=-all", "disks::starting_without_permission");
}

#[test]
#[ignore = "a process of its own, on a disk of its own"]
fn starting_without_permission() {
    let soku = Soku::with_account();
    let data = soku.path().join("soku-data");
    let allow = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (path, mode, words) in [
        (data.clone(), 0o500, "soku-data` is 500: allow it by `chmod u+rwX`): Permission denied"),
        (data.join("spool"), 0o500, "could not make a spool directory: "),
        (data.join("soku.db"), 0o400, "cannot be opened for writing: it and its directory must belong to the user"),
    ] {
        allow(&path, mode);
        let said = soku.run("serve --listen 127.0.0.1:0");
        assert_eq!(said.code, 1, "{said}");
        assert!(said.stderr.contains(words), "{said}");
        allow(&path, 0o700);
    }
    allow(soku.path(), 0o500);
    let said = soku.run("serve --listen 127.0.0.1:0 --data-dir other");
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains(
            "could not make the directory `other` (the mode of `.` is 500: allow it by `chmod u+rwX`): Permission"
        ),
        "{said}"
    );
    allow(soku.path(), 0o700);
    assert_eq!(soku.run("account list --json").json().as_array().unwrap().len(), 1);
}
