//! Objects as files: what lies where, with which mode, and what reads do when the disk is not in the page cache.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use http_body_util::BodyExt as _;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{Advice, fadvise};
use soku_server::id::{MediaId, OwnerId};
use soku_server::store::{LocalSettings, LocalStore, ObjectKey, Room, Store, StoreError};

use crate::bed::{Bed, bounded, bytes, download, meta};

fn path_of(bed: &Bed, key: &ObjectKey) -> PathBuf {
    let id = key.id().as_str();
    bed.data.root().join("media").join(&id[..2]).join(id)
}

#[tokio::test]
async fn the_file_name_never_reaches_the_file_system() {
    let bed = Bed::on_files();
    let download = bed.download(b"bytes");
    let key = ObjectKey::new(download.id.clone(), "../../../../etc/passwd");

    bed.store.keep(&download, &key, &meta()).await.unwrap().recorded();

    assert_eq!(bed.objects(), BTreeSet::from([download.id.to_string()]));
    assert_eq!(bed.read(&key, 5).await.unwrap(), "bytes");
}

#[tokio::test]
async fn an_object_is_the_spool_file_itself_and_private() {
    let bed = Bed::on_files();
    let download = bed.download(&bytes(100));
    let key = download.key("a.png");

    bed.store.keep(&download, &key, &meta()).await.unwrap().recorded();

    let (object, spool) = (fs::metadata(path_of(&bed, &key)).unwrap(), fs::metadata(&download.path).unwrap());
    assert_eq!(object.ino(), spool.ino());
    assert_eq!(object.permissions().mode() & 0o777, 0o600);
    let shard = fs::metadata(path_of(&bed, &key).parent().unwrap()).unwrap();
    assert_eq!(shard.permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_trial_link_that_a_crash_left_is_gone_with_the_next_start() {
    let bed = Bed::on_files();
    let left = bed.data.root().join("media").join(format!("{}.try", MediaId::random()));
    fs::write(&left, "").unwrap();

    LocalStore::open(&bed.data, bed.room.clone(), &LocalSettings::default()).unwrap();

    assert!(!left.exists());
    assert_eq!(bed.objects(), BTreeSet::new());
}

#[tokio::test]
async fn an_object_is_never_overwritten() {
    let bed = Bed::on_files();
    let key = bed.keep(b"first").await;
    let other = Room::enter(&bed.data, OwnerId::random()).unwrap();
    let second = download(&other, key.id().clone(), b"other");

    let outcome = bed.store.keep(&second, &key, &meta()).await;

    assert!(matches!(outcome, Err(StoreError::Failed { .. })));
    assert_eq!(bed.read(&key, 5).await.unwrap(), "first");
}

#[tokio::test]
async fn keeping_the_same_file_again_is_no_error() {
    let bed = Bed::on_files();
    let download = bed.download(b"bytes");
    let key = download.key("a.png");

    bed.store.keep(&download, &key, &meta()).await.unwrap().recorded();
    bed.store.keep(&download, &key, &meta()).await.unwrap().recorded();

    assert_eq!(bed.read(&key, 5).await.unwrap(), "bytes");
}

#[tokio::test]
async fn a_keep_whose_spool_file_is_gone_fails_and_leaves_nothing() {
    let bed = Bed::on_files();
    let download = bed.download(b"bytes");
    fs::remove_file(&download.path).unwrap();

    let outcome = bed.store.keep(&download, &download.key("a.png"), &meta()).await;

    assert!(matches!(outcome, Err(StoreError::Failed { .. })));
    assert_eq!((bed.objects(), bed.traces()), (BTreeSet::new(), BTreeSet::new()));
}

#[tokio::test]
async fn a_shard_that_was_tidied_away_is_made_again() {
    let bed = Bed::on_files();
    let download = bed.download(b"bytes");
    let key = download.key("a.png");
    fs::remove_dir(path_of(&bed, &key).parent().unwrap()).unwrap();

    bed.store.keep(&download, &key, &meta()).await.unwrap().recorded();

    assert_eq!(bed.read(&key, 5).await.unwrap(), "bytes");
}

#[tokio::test]
async fn a_row_whose_id_is_none_reaches_no_file() {
    let bed = Bed::on_files();
    let key = ObjectKey::new(MediaId::from_stored("../../soku-data".to_owned()), "a.png");
    let download = bed.download(b"bytes");

    assert!(matches!(bed.store.keep(&download, &key, &meta()).await, Err(StoreError::Failed { .. })));
    assert!(matches!(bed.store.open(&key, 10).await, Err(StoreError::Failed { .. })));
    assert!(matches!(bed.store.delete(&key).await, Err(StoreError::Failed { .. })));
    assert!(bed.data.root().join("soku-data").exists() && !bed.data.root().join("soku-data.gone").exists());
}

#[tokio::test]
async fn a_media_directory_on_another_file_system_is_refused_at_the_start() {
    let bed = Bed::on_files();
    let media = bed.data.root().join("media");
    fs::remove_dir_all(&media).unwrap();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &media).unwrap();

    let outcome = LocalStore::open(&bed.data, bed.room.clone(), &LocalSettings::default());

    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("one file system"), "{error}");
    assert_eq!(bed.traces(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_body_equals_an_uncached_one() {
    let bed = Bed::on_files();
    let uncached = LocalSettings { cache_bytes: 0 };
    let uncached = Store::Local(LocalStore::open(&bed.data, bed.room.clone(), &uncached).unwrap());
    let mut objects = Vec::new();
    for len in [1, 4_096, 100_000, 262_144, 262_145, 1_000_000] {
        let content = bytes(len);
        let key = bed.keep(&content).await;
        bed.read(&key, len as u64).await.unwrap();
        let remembered = bed.store.open(&key, len as u64).await.unwrap();
        objects.push((content, remembered, uncached.open(&key, len as u64).await.unwrap()));
    }
    let reader = tokio::runtime::Handle::current();

    let ranges = (0..objects.len(), 0..=1_000_000_usize, 0..=1_000_000_usize);
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(Config::with_cases(200)).run(&ranges, |(which, one, other)| {
            let (content, remembered, uncached) = &objects[which];
            let range = one.min(other).min(content.len())..one.max(other).min(content.len());
            let wire = range.start as u64..range.end as u64;
            let read = |object: &soku_server::store::StoredObject| {
                reader.block_on(object.body(wire.clone()).collect()).unwrap().to_bytes()
            };

            assert!(read(remembered) == content[range.clone()]);
            assert!(read(uncached) == content[range]);
            Ok(())
        })
    });

    outcome.unwrap();
}

#[tokio::test]
async fn what_is_not_in_the_page_cache_is_read_from_the_disk() {
    let bed = Bed::on_files();
    let content = bytes(3 * 1024 * 1024);
    let key = bed.keep(&content).await;
    let forget = |offset, len| {
        let file = File::open(path_of(&bed, &key)).unwrap();
        fadvise(&file, offset, std::num::NonZeroU64::new(len), Advice::DontNeed).unwrap();
    };

    for (offset, len) in [(0, 3 * 1024 * 1024), (1024 * 1024, 512 * 1024), (4096, 4096)] {
        bed.read(&key, content.len() as u64).await.unwrap();
        forget(offset, len);

        assert!(bounded(bed.read(&key, content.len() as u64)).await.unwrap() == content, "{offset} and {len} on");
    }
}

#[tokio::test]
async fn an_object_that_shrinks_while_it_is_read_is_an_error() {
    let bed = Bed::on_files();
    let key = bed.keep(&bytes(1024 * 1024)).await;
    let object = bed.store.open(&key, 1024 * 1024).await.unwrap();
    let mut body = object.body(0..1024 * 1024);
    body.frame().await.unwrap().unwrap();
    OpenOptions::new().write(true).open(path_of(&bed, &key)).unwrap().set_len(300_000).unwrap();

    let outcome = bounded(body.collect()).await;

    assert!(matches!(outcome, Err(StoreError::Failed { .. })));
}

#[tokio::test]
async fn an_open_object_is_read_to_its_end_although_it_is_deleted() {
    let bed = Bed::on_files();
    let content = bytes(1024 * 1024);
    let key = bed.keep(&content).await;
    let object = bed.store.open(&key, content.len() as u64).await.unwrap();

    bed.store.delete(&key).await.unwrap();

    assert!(object.body(0..content.len() as u64).collect().await.unwrap().to_bytes() == content);
}
