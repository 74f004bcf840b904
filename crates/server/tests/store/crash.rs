//! A process that is killed at each step of an import and of a deletion, and the sweep of the next one.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Signal, getpid, kill_process};
use soku_server::db::{ClaimAnswer, RecordError};
use soku_server::id::{AccountId, MediaId, OwnerId};
use soku_server::library::{LibrarySettings, Swept};
use soku_server::store::{DataDir, LocalSettings, LocalStore, ObjectKey, Room, Store};

use crate::bed::{Bed, bounded, bytes, download, meta, names_in, process_of, variable};
use crate::library::{NOW, Stacks, claim, claim_key, media, open_db, open_postgres, win};

/// Where the process is killed, in order.
const STEPS: [&str; 8] =
    ["claimed", "half spooled", "spooled", "kept", "recorded", "deletion marked", "row deleted", "object deleted"];
const LEN: usize = 300_000;

/// What is left after the sweep.
struct Aftermath {
    swept: Swept,
    object: bool,
    row: bool,
    claim: ClaimAnswer,
    rooms: BTreeSet<String>,
}

async fn killed_after(step: &str) -> (Aftermath, Bed, MediaId) {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let id = MediaId::random();
    let mut victim = process_of("crash::victim");
    victim.env("SOKU_TEST_DATA", bed.data.root()).env("SOKU_TEST_STEP", step);
    victim.env("SOKU_TEST_ID", id.as_str()).env("SOKU_TEST_ACCOUNT", stacks.account.as_str());
    let output = victim.output().unwrap();
    assert_eq!(output.status.code(), None, "it is killed: {}", String::from_utf8_lossy(&output.stderr));

    let swept = bounded(stacks.library.sweep()).await.unwrap();

    let aftermath = Aftermath {
        swept,
        object: bed.objects().contains(id.as_str()),
        row: stacks.library.find(&id).await.unwrap().is_some(),
        claim: claim(&stacks.db, &claim_key(&stacks.account, "key"), bed.room.owner()).await,
        rooms: names_in(&bed.data.root().join("spool")),
    };
    (aftermath, bed, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_step_a_process_dies_at_the_next_one_finds_row_and_object_or_neither() {
    for step in STEPS {
        let (after, bed, id) = killed_after(step).await;

        let stays = matches!(step, "recorded" | "deletion marked");
        assert_eq!((after.row, after.object), (stays, stays), "after `{step}`");
        assert_eq!(after.rooms, BTreeSet::from([bed.room.owner().to_string()]), "after `{step}`");
        let freed = matches!(step, "claimed" | "half spooled" | "spooled" | "kept");
        let lost = matches!(step, "kept" | "row deleted");
        let expected = Swept { rooms: 1, claims: u64::from(freed), objects: u64::from(lost), left: 0 };
        assert_eq!(after.swept, expected, "after `{step}`");
        match after.claim {
            ClaimAnswer::Done { media, .. } => assert!(stays && media.id == id, "after `{step}`"),
            other => assert!(!stays && matches!(other, ClaimAnswer::Won { .. }), "after `{step}`: {other:?}"),
        }
        if stays {
            assert!(bed.read(&ObjectKey::new(id, "x.mp4"), LEN as u64).await.unwrap() == bytes(LEN), "after `{step}`");
        }
    }
}

#[tokio::test]
#[ignore = "a process of its own, killed at the step that it is told"]
async fn victim() {
    let until = variable("SOKU_TEST_STEP").unwrap();
    let die_after = |step: &str| {
        assert!(STEPS.contains(&step));
        if step == until {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    };
    let data = DataDir::prepare(variable("SOKU_TEST_DATA").unwrap().as_ref()).unwrap();
    let room = Room::enter(&data, OwnerId::random()).unwrap();
    let store = Store::Local(LocalStore::open(&data, room.clone(), &LocalSettings::default()).unwrap());
    let db = open_db(data.root()).await;
    let account = AccountId::from_stored(variable("SOKU_TEST_ACCOUNT").unwrap());
    let id = MediaId::parse(&variable("SOKU_TEST_ID").unwrap()).unwrap();
    let key = claim_key(&account, "key");

    let fence = win(&db, &key, room.owner()).await;
    die_after("claimed");
    if until == "half spooled" {
        let _half = download(&room, id, &bytes(LEN)[..1_000]);
        return die_after("half spooled");
    }
    let spooled = download(&room, id.clone(), &bytes(LEN));
    die_after("spooled");
    let media = media(&account, id.clone(), LEN);
    let kept = store.keep(&spooled, &ObjectKey::of(&media), &meta()).await.unwrap();
    die_after("kept");
    db.record(&media, &key, fence, NOW.plus_ms(1_000)).await.unwrap();
    die_after("recorded");
    kept.recorded();
    drop(spooled);
    // The steps of `Library::delete`, whose marks are its own business.
    fs::write(room.spool_path(&id).with_extension("gone"), "").unwrap();
    die_after("deletion marked");
    db.delete_media(&id).await.unwrap().unwrap();
    die_after("row deleted");
    store.delete(&ObjectKey::of(&media)).await.unwrap();
    die_after("object deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_among_arriving_and_leaving_processes_never_takes_a_room_away() {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let data = bed.data.clone();
    let coming_and_going = tokio::task::spawn_blocking(move || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for nth in 0..100 {
                        let room = Room::enter(&data, OwnerId::random()).unwrap();
                        let path = room.spool_path(&MediaId::random());
                        fs::write(&path, "work").unwrap();
                        if nth % 2 == 0 {
                            fs::remove_file(&path).unwrap();
                        }
                    }
                });
            }
        });
    });

    let mut rooms = 0;
    while !coming_and_going.is_finished() {
        rooms += bounded(stacks.library.sweep()).await.unwrap().rooms;
    }
    coming_and_going.await.unwrap();
    rooms += stacks.library.sweep().await.unwrap().rooms;

    assert!(rooms >= 200, "every room with work in it was swept once: {rooms}");
    assert_eq!(names_in(&bed.data.root().join("spool")).len(), 1);
}

#[tokio::test]
async fn a_room_with_more_traces_than_are_looked_at_together_is_swept_whole() {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let dead = Room::enter(&bed.data, OwnerId::random()).unwrap();
    for _ in 0..600 {
        fs::write(dead.spool_path(&MediaId::random()), "").unwrap();
    }
    fs::write(dead.spool_path(&MediaId::random()).with_file_name("who knows"), "").unwrap();
    drop(dead);

    let swept = bounded(stacks.library.sweep()).await.unwrap();

    assert_eq!(swept, Swept { rooms: 1, ..Swept::default() });
    assert_eq!(names_in(&bed.data.root().join("spool")).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_comes_late_meets_the_sweep_and_row_and_object_stay_together() {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    late_commits_and_sweeps(&bed, &stacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_comes_late_meets_the_sweep_on_postgres_too() {
    let Some(db) = open_postgres().await else { return eprintln!("skipped: SOKU_TEST_POSTGRES_URL names no server") };
    let bed = Bed::on_files();
    let stacks = Stacks::over(db, &bed, &LibrarySettings::default()).await;
    late_commits_and_sweeps(&bed, &stacks).await;
}

async fn late_commits_and_sweeps(bed: &Bed, stacks: &Stacks) {
    let (mut kept_rows, mut lost_rows) = (0, 0);
    for nth in 0..60 {
        // A process dies; what it sent to the database is carried out a moment later.
        let dead = Room::enter(&bed.data, OwnerId::random()).unwrap();
        let store = Store::Local(LocalStore::open(&bed.data, dead.clone(), &LocalSettings::default()).unwrap());
        let key = claim_key(&stacks.account, &format!("late-{nth}"));
        let fence = win(&stacks.db, &key, dead.owner()).await;
        let spooled = download(&dead, MediaId::random(), b"bytes");
        let media = media(&stacks.account, spooled.id.clone(), 5);
        drop(store.keep(&spooled, &ObjectKey::of(&media), &meta()).await.unwrap());
        std::mem::forget(spooled);
        drop((store, dead));
        let (db, row) = (stacks.db.clone(), media.clone());
        let late = tokio::spawn(async move {
            for _ in 0..nth {
                tokio::task::yield_now().await;
            }
            db.record(&row, &key, fence, NOW.plus_ms(1_000)).await
        });

        bounded(stacks.library.sweep()).await.unwrap();
        let recorded = bounded(late).await.unwrap().is_ok();
        bounded(stacks.library.sweep()).await.unwrap();

        let row = stacks.db.find_media(&media.id).await.unwrap().is_some();
        assert_eq!((row, bed.objects().contains(media.id.as_str())), (recorded, recorded), "the {nth}th");
        if recorded { kept_rows += 1 } else { lost_rows += 1 }
    }
    eprintln!("{kept_rows} commits came before the sweep, {lost_rows} after it");
}

#[tokio::test]
async fn a_dead_process_records_nothing_after_its_sweep() {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let dead = Room::enter(&bed.data, OwnerId::random()).unwrap();
    let key = claim_key(&stacks.account, "late");
    let fence = win(&stacks.db, &key, dead.owner()).await;
    let spooled = download(&dead, MediaId::random(), b"bytes");
    let media = media(&stacks.account, spooled.id.clone(), 5);
    std::mem::forget(spooled);
    drop(dead);

    let swept = bounded(stacks.library.sweep()).await.unwrap();
    let recorded = stacks.db.record(&media, &key, fence, NOW.plus_ms(1_000)).await;

    assert_eq!(swept, Swept { rooms: 1, claims: 1, ..Swept::default() });
    assert!(matches!(recorded, Err(RecordError::FenceLost)), "{recorded:?}");
}
