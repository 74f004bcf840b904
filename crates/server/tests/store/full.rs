//! A disk that is full: a tiny one, mounted for a process of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use soku_server::store::{LocalSettings, LocalStore, Store, StoreError};

use crate::bed::{download, enter, meta, objects_in, process_of, variable};

const MOUNT: &str = "mount -t tmpfs -o size=1m,nr_inodes=300 tmpfs \"$SOKU_TEST_DATA\" && exec \"$@\"";

#[test]
fn a_full_disk_is_told_apart_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let inner = process_of("full::on_a_tiny_disk");
    let mut isolated = Command::new("unshare");
    isolated
        .args(["--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    isolated.env("SOKU_TEST_DATA", home.path()).process_group(0);

    let output = isolated.output().unwrap();

    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("unshare failed") || words.contains("permission denied") {
        return eprintln!("skipped: no file system can be mounted here: {words}");
    }
    assert!(output.status.success(), "{words}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the tiny disk was tried");
}

#[tokio::test]
#[ignore = "a process of its own, on a disk of its own"]
async fn on_a_tiny_disk() {
    let path = variable("SOKU_TEST_DATA").unwrap();
    let path = Path::new(&path);
    let (data, room) = enter(path);
    let store = Store::Local(LocalStore::open(&data, room.clone(), &LocalSettings::default()).unwrap());
    let download = download(&room, soku_server::id::MediaId::random(), b"bytes");
    let key = download.key("a.png");
    // On this file system a link needs room as well.
    let ballast = (0..).map(|nth| (nth, File::create_new(path.join(format!("ballast-{nth}")))));
    let (filled, error) = ballast.filter_map(|(nth, made)| made.err().map(|error| (nth, error))).next().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);

    let refused = store.keep(&download, &key, &meta()).await;

    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(objects_in(path), BTreeSet::new());
    for nth in 0..filled {
        std::fs::remove_file(path.join(format!("ballast-{nth}"))).unwrap();
    }
    store.keep(&download, &key, &meta()).await.unwrap().recorded();
    assert_eq!(objects_in(path), BTreeSet::from([key.id().to_string()]));
}
