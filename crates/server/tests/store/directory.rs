//! The data directory: whose it is, and that one `serve` works in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use soku_server::id::OwnerId;
use soku_server::store::{DataDir, DataDirError, Room, ServeLock};

use crate::bed::{names_in, process_of, variable};

#[test]
fn a_missing_data_directory_is_made_for_this_user_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/data");

    let data = DataDir::prepare(&path).unwrap();
    DataDir::prepare(&path).unwrap();

    assert_eq!(data.root(), path.canonicalize().unwrap());
    for made in [path.clone(), path.join("spool")] {
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700, "{made:?}");
    }
    assert_eq!(fs::read_to_string(path.join("soku-data")).unwrap(), "soku data directory, layout 1\n");
}

#[test]
fn a_directory_of_somebody_elses_is_refused_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "").unwrap();

    let error = DataDir::prepare(home.path()).unwrap_err();

    assert!(matches!(error, DataDirError::NotOurs { .. }));
    let words = error.to_string();
    assert!(words.contains("thesis.tex") && words.contains(home.path().to_str().unwrap()), "{words}");
    assert_eq!(names_in(home.path()).len(), 1);
}

#[test]
fn a_settings_file_and_what_a_mount_brings_may_be_there_first() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("soku.toml"), "").unwrap();
    fs::write(home.path().join(".gitkeep"), "").unwrap();
    fs::create_dir(home.path().join("lost+found")).unwrap();

    DataDir::prepare(home.path()).unwrap();
}

#[test]
fn a_backup_may_be_brought_back_into_a_new_directory() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("soku.db"), "").unwrap();
    fs::create_dir_all(home.path().join("media/0f")).unwrap();
    fs::write(home.path().join("media").join(format!("{}.try", OwnerId::random())), "").unwrap();
    fs::create_dir_all(home.path().join("spool").join(OwnerId::random().as_str())).unwrap();

    DataDir::prepare(home.path()).unwrap();
}

#[test]
fn a_mark_that_a_crash_left_half_written_is_written_anew_and_its_draft_is_gone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".soku-data"), "soku data dir").unwrap();

    DataDir::prepare(home.path()).unwrap();

    assert_eq!(names_in(home.path()), BTreeSet::from(["soku-data".to_owned(), "spool".to_owned()]));
    DataDir::prepare(home.path()).unwrap();
}

#[test]
fn a_media_directory_of_somebody_elses_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("media/Films")).unwrap();

    let error = DataDir::prepare(home.path()).unwrap_err();

    assert!(matches!(error, DataDirError::NotOurs { .. }), "{error}");
}

#[test]
fn a_directory_of_a_newer_soku_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("soku-data"), "soku data directory, layout 2\n").unwrap();

    let error = DataDir::prepare(home.path()).unwrap_err();

    assert!(matches!(error, DataDirError::Newer { .. }), "{error}");
}

#[test]
fn a_path_that_is_a_file_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    fs::write(&path, "").unwrap();

    let error = DataDir::prepare(&path).unwrap_err();

    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn many_processes_prepare_one_directory_at_once() {
    let home = tempfile::tempdir().unwrap();

    let all = || {
        std::thread::scope(|scope| {
            let prepare = || DataDir::prepare(home.path()).map(drop);
            let running: Vec<_> = (0..8).map(|_| scope.spawn(prepare)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<()>, _>>()
        })
    };

    all().unwrap();
}

#[test]
fn a_second_serve_is_refused_with_the_directory_and_the_process() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::prepare(home.path()).unwrap();
    let first = ServeLock::take(&data).unwrap();

    let second = process_of("directory::serving").env("SOKU_TEST_DATA", home.path()).output().unwrap();

    let words = String::from_utf8_lossy(&second.stderr);
    assert!(words.contains(&format!("process {}", std::process::id())), "{words}");
    assert!(words.contains(data.root().to_str().unwrap()), "{words}");
    drop(first);
    assert!(process_of("directory::serving").env("SOKU_TEST_DATA", home.path()).status().unwrap().success());
}

#[test]
#[ignore = "a process of its own, started by other tests"]
fn serving() {
    let data = DataDir::prepare(variable("SOKU_TEST_DATA").unwrap().as_ref()).unwrap();
    match ServeLock::take(&data) {
        Ok(_) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_room_without_its_spool_directory_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::prepare(home.path()).unwrap();
    fs::remove_dir(home.path().join("spool")).unwrap();

    let error = Room::enter(&data, OwnerId::random()).unwrap_err();

    assert!(error.to_string().contains("spool"), "{error}");
}
