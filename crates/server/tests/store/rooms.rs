//! Rooms of several processes beside each other.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use soku_server::id::{MediaId, OwnerId};
use soku_server::store::{DataDir, DeadRoom, Room};

use crate::bed::{enter, names_in, process_of, variable};

/// The owners of the rooms that are dead now; their locks are given back.
fn dead(data: &DataDir) -> Vec<OwnerId> {
    DeadRoom::all(data).unwrap().map(|room| room.unwrap().owner().clone()).collect()
}

#[test]
fn a_room_is_private_and_gone_when_it_is_left_in_order() {
    let home = tempfile::tempdir().unwrap();
    let (data, room) = enter(home.path());
    let path = room.spool_path(&MediaId::random()).parent().unwrap().to_owned();
    assert_eq!(path, data.root().join("spool").join(room.owner().as_str()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);

    drop(room.clone());
    assert!(path.exists());
    drop(room);

    assert!(!path.exists());
}

#[test]
fn a_room_with_unfinished_work_stays_for_the_sweep() {
    let home = tempfile::tempdir().unwrap();
    let (data, room) = enter(home.path());
    let owner = room.owner().clone();
    fs::write(room.spool_path(&MediaId::random()), "half").unwrap();

    drop(room);

    assert_eq!(dead(&data), [owner]);
}

#[test]
fn a_living_process_keeps_its_room_and_a_killed_one_loses_it() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::prepare(home.path()).unwrap();
    let owner = OwnerId::random();
    let mut living = process_of("rooms::living");
    living.env("SOKU_TEST_DATA", home.path()).env("SOKU_TEST_OWNER", owner.as_str());
    let mut living = Killed(living.stdout(Stdio::null()).spawn().unwrap());
    let entered = home.path().join("entered");
    while !entered.exists() {
        assert!(living.0.try_wait().unwrap().is_none(), "it lives");
        std::thread::yield_now();
    }

    assert_eq!(dead(&data), []);
    living.0.kill().unwrap();
    living.0.wait().unwrap();

    assert_eq!(dead(&data), [owner]);
}

#[test]
#[ignore = "a process of its own, started by other tests"]
fn living() {
    let data = variable("SOKU_TEST_DATA").unwrap();
    let owner = OwnerId::from_stored(variable("SOKU_TEST_OWNER").unwrap());
    let _room = Room::enter(&DataDir::prepare(data.as_ref()).unwrap(), owner).unwrap();
    fs::write(format!("{data}/entered"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_dead_room_is_cleaned_by_one_process_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let (data, room) = enter(home.path());
    fs::write(room.spool_path(&MediaId::random()), "half").unwrap();
    drop(room);

    let cleaned: Vec<DeadRoom> = DeadRoom::all(&data).unwrap().map(Result::unwrap).collect();

    assert_eq!(cleaned.len(), 1);
    assert_eq!(dead(&data), []);
}

#[test]
fn what_is_no_room_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let (data, room) = enter(home.path());
    let spool = data.root().join("spool");
    fs::create_dir(spool.join("lost+found")).unwrap();
    fs::write(spool.join("note.txt"), "").unwrap();

    assert_eq!(dead(&data), []);

    assert_eq!(names_in(&spool).len(), 3);
    assert_eq!(names_in(&spool.join(room.owner().as_str())).len(), 1);
}
