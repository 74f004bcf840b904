//! The library over a real database: found, opened, deleted, and the moment in which a row is remembered.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use soku_server::account::{Account, Role, Subscription, SubscriptionState};
use soku_server::clock::Timestamp;
use soku_server::db::{ClaimAnswer, ClaimKey, ClaimRequest, Db, DbSettings, KeySource};
use soku_server::id::{AccountId, MediaId, OwnerId};
use soku_server::library::{Library, LibraryError, LibrarySettings, Swept};
use soku_server::media::{Disposition, Media};
use soku_server::store::{Kept, LocalSettings, LocalStore, ObjectKey, Store, StoreError};
use sqlx::{Connection as _, Executor as _};

use crate::bed::{Bed, bytes, enter, meta, on_both, variable};

pub(crate) const NOW: Timestamp = Timestamp(1_772_280_000_000);

/// A library with one account in its database.
pub(crate) struct Stacks {
    pub(crate) library: Library,
    pub(crate) db: Db,
    pub(crate) account: AccountId,
}

impl Stacks {
    pub(crate) async fn on(bed: &Bed, settings: &LibrarySettings) -> Stacks {
        Stacks::over(open_db(bed.data.root()).await, bed, settings).await
    }

    pub(crate) async fn over(db: Db, bed: &Bed, settings: &LibrarySettings) -> Stacks {
        let account = Account {
            id: AccountId::random(),
            name: "default".to_owned(),
            subscription: Subscription { state: SubscriptionState::Active, period_end: None },
            role: Role::Member,
            created: NOW,
        };
        db.insert_account(&account).await.unwrap();
        let library = Library::new(db.clone(), bed.store.clone(), bed.data.clone(), bed.room.clone(), settings);
        Stacks { library, db, account: account.id }
    }

    /// Imports these bytes from the claim to the row.
    pub(crate) async fn import(&self, bed: &Bed, content: &[u8]) -> Media {
        let (media, kept) = self.record(bed, content).await;
        kept.recorded();
        media
    }

    /// The same, where nobody has said yet that the row is there.
    async fn record(&self, bed: &Bed, content: &[u8]) -> (Media, Kept) {
        let download = bed.download(content);
        let media = media(&self.account, download.id.clone(), content.len());
        let key = claim_key(&self.account, download.id.as_str());
        let fence = win(&self.db, &key, bed.room.owner()).await;
        let kept = bed.store.keep(&download, &ObjectKey::of(&media), &meta()).await.unwrap();
        self.db.record(&media, &key, fence, NOW.plus_ms(1_000)).await.unwrap();
        (media, kept)
    }

    /// Keeps these bytes, and leaves them without a row.
    async fn lose(&self, bed: &Bed, content: &[u8]) -> Media {
        let download = bed.download(content);
        let lost = media(&self.account, download.id.clone(), content.len());
        drop(bed.store.keep(&download, &ObjectKey::of(&lost), &meta()).await.unwrap());
        lost
    }
}

pub(crate) async fn open_db(data: &std::path::Path) -> Db {
    Db::open(&DbSettings::sqlite(&data.join("soku.db"))).await.unwrap()
}

/// A database of the story's own on the server that the environment names.
pub(crate) async fn open_postgres() -> Option<Db> {
    let server = variable("SOKU_TEST_POSTGRES_URL")?;
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    let schema = format!("story_{}", MediaId::random());
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    connection.close().await.unwrap();
    let joint = if server.contains('?') { '&' } else { '?' };
    Some(Db::open(&DbSettings::new(format!("{server}{joint}options[search_path]={schema}"))).await.unwrap())
}

pub(crate) fn media(account: &AccountId, id: MediaId, len: usize) -> Media {
    Media {
        id,
        account_id: account.clone(),
        filename: "Ünïcode 写真.mp4".to_owned(),
        content_type: "video/mp4".to_owned(),
        disposition: Disposition::Inline,
        size_bytes: len as u64,
        sha256: "ab".repeat(32),
        source_url: "https://example.com/a.mp4".to_owned(),
        created: NOW,
    }
}

pub(crate) fn claim_key(account: &AccountId, key: &str) -> ClaimKey {
    ClaimKey { account_id: account.clone(), endpoint: "POST /v1/media", key: key.to_owned() }
}

pub(crate) async fn claim(db: &Db, key: &ClaimKey, owner: &OwnerId) -> ClaimAnswer {
    let request = ClaimRequest {
        key: key.clone(),
        source: KeySource::Caller,
        payload_hash: "hash".to_owned(),
        owner: owner.clone(),
        now: NOW,
    };
    db.claim(&request).await.unwrap()
}

pub(crate) async fn win(db: &Db, key: &ClaimKey, owner: &OwnerId) -> i64 {
    match claim(db, key, owner).await {
        ClaimAnswer::Won { fence } => fence,
        other => panic!("the claim is free, not {other:?}"),
    }
}

/// A library with nothing in its memory, on the same database and store.
async fn library_of_another_process(bed: &Bed) -> Library {
    let (data, room) = enter(bed.data.root());
    let store = match &bed.store {
        Store::Local(_) => Store::Local(LocalStore::open(&data, room.clone(), &LocalSettings::default()).unwrap()),
        Store::S3(store) => Store::S3(store.clone()),
    };
    Library::new(open_db(data.root()).await, store, data, room, &LibrarySettings::default())
}

on_both! {
    async fn an_entry_is_found_and_opened_until_it_is_deleted(bed: &Bed) {
        let stacks = Stacks::on(bed, &LibrarySettings::default()).await;
        let content = bytes(1_000);
        let media = stacks.import(bed, &content).await;
        assert_eq!(stacks.library.find(&media.id).await.unwrap().as_deref(), Some(&media));
        let object = stacks.library.open(&media).await.unwrap().unwrap();
        assert!(object.body(0..1_000).collect().await.unwrap().to_bytes() == content);

        let deleted = stacks.library.delete(&media.id).await.unwrap();

        assert_eq!(deleted, Some(media.clone()));
        assert_eq!(stacks.library.find(&media.id).await.unwrap(), None);
        assert!(stacks.library.open(&media).await.unwrap().is_none());
        assert_eq!(stacks.library.delete(&media.id).await.unwrap(), None);
        assert_eq!(bed.traces(), BTreeSet::new());
        assert!(matches!(bed.store.open(&ObjectKey::of(&media), 1_000).await, Err(StoreError::Missing { .. })));
        let key = claim_key(&stacks.account, media.id.as_str());
        assert!(matches!(claim(&stacks.db, &key, bed.room.owner()).await, ClaimAnswer::Won { .. }));
    }

    async fn a_deletion_by_another_process_is_seen_at_once(bed: &Bed) {
        let settings = LibrarySettings { row_life: Duration::from_hours(1), ..LibrarySettings::default() };
        let here = Stacks::on(bed, &settings).await;
        let there = library_of_another_process(bed).await;

        for len in [1_000, 1024 * 1024] {
            let media = here.import(bed, &bytes(len)).await;
            // Whatever can be remembered of it is.
            here.library.find(&media.id).await.unwrap().unwrap();
            let object = here.library.open(&media).await.unwrap().unwrap();
            object.body(0..media.size_bytes).collect().await.unwrap();

            there.delete(&media.id).await.unwrap().unwrap();

            assert_eq!(here.library.find(&media.id).await.unwrap(), None);
        }
    }

    async fn a_sweep_leaves_living_work_alone(bed: &Bed) {
        let stacks = Stacks::on(bed, &LibrarySettings::default()).await;
        let recorded = stacks.import(bed, &bytes(100)).await;
        let running = bed.download(&bytes(200));
        let key = claim_key(&stacks.account, "running");
        let fence = win(&stacks.db, &key, bed.room.owner()).await;
        let media = media(&stacks.account, running.id.clone(), 200);
        let kept = bed.store.keep(&running, &ObjectKey::of(&media), &meta()).await.unwrap();

        let swept = stacks.library.sweep().await.unwrap();

        assert_eq!(swept, Swept::default());
        stacks.db.record(&media, &key, fence, NOW.plus_ms(1)).await.unwrap();
        kept.recorded();
        for entry in [recorded, media] {
            assert!(stacks.library.open(&entry).await.unwrap().is_some());
        }
    }

    async fn what_this_process_left_unrecorded_goes_after_the_grace_time(bed: &Bed) {
        let patient = Stacks::on(bed, &LibrarySettings::default()).await;
        let hasty = LibrarySettings { grace: Duration::ZERO, ..LibrarySettings::default() };
        let hasty = Library::new(patient.db.clone(), bed.store.clone(), bed.data.clone(), bed.room.clone(), &hasty);
        let (recorded, kept) = patient.record(bed, &bytes(100)).await;
        // Its commit went through, but the process never heard of it.
        drop(kept);
        let lost = patient.lose(bed, &bytes(200)).await;

        assert_eq!(patient.library.sweep().await.unwrap(), Swept::default());
        let swept = hasty.sweep().await.unwrap();

        assert_eq!(swept, Swept { objects: 1, ..Swept::default() });
        assert_eq!(bed.traces(), BTreeSet::new());
        assert!(bed.read(&ObjectKey::of(&recorded), 100).await.is_ok());
        assert!(bed.read(&ObjectKey::of(&lost), 200).await.is_err());
    }

    async fn a_clock_that_is_set_makes_no_mark_older_or_younger(bed: &Bed) {
        let patient = Stacks::on(bed, &LibrarySettings::default()).await;
        let hasty = LibrarySettings { grace: Duration::ZERO, ..LibrarySettings::default() };
        let hasty = Library::new(patient.db.clone(), bed.store.clone(), bed.data.clone(), bed.room.clone(), &hasty);
        let lost = patient.lose(bed, &bytes(200)).await;
        let mark = File::open(bed.room.spool_path(&lost.id).with_extension("gone")).unwrap();
        let made = mark.metadata().unwrap().modified().unwrap();

        // As a step forward makes it look.
        mark.set_modified(made - Duration::from_hours(1)).unwrap();
        assert_eq!(patient.library.sweep().await.unwrap(), Swept::default());
        assert!(bed.read(&ObjectKey::of(&lost), 200).await.is_ok());

        // As a step back does.
        mark.set_modified(made + Duration::from_hours(1)).unwrap();
        assert_eq!(hasty.sweep().await.unwrap(), Swept { objects: 1, ..Swept::default() });
        assert!(bed.read(&ObjectKey::of(&lost), 200).await.is_err());
        assert_eq!(bed.traces(), BTreeSet::new());
    }
}

#[tokio::test]
async fn a_row_that_another_process_deleted_without_its_object_is_forgotten_in_time() {
    let bed = Bed::on_files();
    let settings = LibrarySettings { row_life: Duration::from_millis(50), ..LibrarySettings::default() };
    let stacks = Stacks::on(&bed, &settings).await;
    let media = stacks.import(&bed, &bytes(100)).await;
    stacks.library.find(&media.id).await.unwrap().unwrap();
    let other = open_db(bed.data.root()).await;

    other.delete_media(&media.id).await.unwrap();
    tokio::time::sleep(settings.row_life).await;

    assert_eq!(stacks.library.find(&media.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_remembered_row_costs_no_query() {
    let bed = Bed::on_files();
    let settings = LibrarySettings { row_life: Duration::from_secs(60), ..LibrarySettings::default() };
    let stacks = Stacks::on(&bed, &settings).await;
    let media = stacks.import(&bed, &bytes(100)).await;
    let first = stacks.library.find(&media.id).await.unwrap().unwrap();

    stacks.db.close().await;

    assert!(Arc::ptr_eq(&first, &stacks.library.find(&media.id).await.unwrap().unwrap()));
    assert!(stacks.library.find(&MediaId::random()).await.is_err(), "what is not remembered is asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_entry_is_never_found_again_by_those_who_read_it_meanwhile() {
    let bed = Bed::on_files();
    let settings = LibrarySettings { row_life: Duration::from_secs(60), ..LibrarySettings::default() };
    let stacks = Stacks::on(&bed, &settings).await;

    for _ in 0..30 {
        let media = stacks.import(&bed, &bytes(10)).await;
        let (library, id) = (stacks.library.clone(), media.id.clone());
        let reader = tokio::spawn(async move { while library.find(&id).await.unwrap().is_some() {} });
        stacks.library.find(&media.id).await.unwrap().unwrap();

        stacks.library.delete(&media.id).await.unwrap();

        assert_eq!(stacks.library.find(&media.id).await.unwrap(), None);
        crate::bed::bounded(reader).await.unwrap();
        assert_eq!(stacks.library.find(&media.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_row_whose_object_is_lost_is_an_error_and_no_404() {
    let bed = Bed::on_files();
    let stacks = Stacks::on(&bed, &LibrarySettings::default()).await;
    let media = stacks.import(&bed, &bytes(100)).await;
    bed.store.delete(&ObjectKey::of(&media)).await.unwrap();

    let outcome = stacks.library.open(&media).await;

    assert!(matches!(outcome, Err(LibraryError::Store(StoreError::Missing { .. }))));
}
