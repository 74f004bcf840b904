//! Stories of opening, closing and losing a database.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use soku_server::db::{Db, DbError, DbSettings, sqlite_url};

use crate::bed::{self, NOW, on_both, wish};

on_both! {
    async fn what_was_written_is_there_after_a_restart(bed: &Bed) {
        let account = bed.account("default").await;
        bed.db.close().await;

        let reopened = bed.another().await;

        assert_eq!(reopened.find_account("default").await.unwrap(), Some(account));
        reopened.close().await;
    }

    async fn an_open_database_answers_and_a_closed_one_is_unavailable(bed: &Bed) {
        let account = bed.account("default").await;
        bed.db.ping().await.unwrap();

        bed.db.close().await;

        let asked = bed.db.ping().await;
        let read = bed.db.find_account("default").await;
        let written = bed.db.claim(&wish(&bed::key_of(&account, "k"), NOW)).await;
        assert!(matches!(asked, Err(DbError::Unavailable { .. })), "{asked:?}");
        assert!(matches!(read, Err(DbError::Unavailable { .. })), "{read:?}");
        assert!(matches!(written, Err(DbError::Unavailable { .. })), "{written:?}");
        bed.db.close().await;
    }

    async fn closing_finishes_the_writes_that_wait(bed: &Bed) {
        let account = bed.account("default").await;
        let mut claims = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (db, key) = (bed.db.clone(), bed::key_of(&account, &number.to_string()));
            claims.spawn(async move { db.claim(&wish(&key, NOW)).await });
        }

        bed.db.close().await;

        let answers = claims.join_all().await;
        let reopened = bed.another().await;
        for (number, answer) in answers.iter().enumerate() {
            if let Err(error) = answer {
                assert!(matches!(error, DbError::Unavailable { .. }), "{number}: {error:?}");
            }
        }
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        let mut free = 0;
        for number in 0..100 {
            let key = bed::key_of(&account, &number.to_string());
            free += usize::from(reopened.poll(&key, 0).await.unwrap().is_none());
        }
        assert!(100 - free >= won, "{won} were told that they won, {free} of 100 are free");
        reopened.close().await;
    }

    async fn a_schema_of_a_newer_program_is_left_alone(bed: &Bed) {
        bed.raw("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
            SELECT 9999, 'of the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1").await;

        let opened = Db::open(&bed.settings).await;

        let Err(DbError::NewerSchema { found, known, .. }) = &opened else { panic!("{opened:?}") };
        assert_eq!((*found, *known), (9999, 1));
    }

    async fn a_schema_that_somebody_changed_is_left_alone(bed: &Bed) {
        bed.raw("UPDATE _sqlx_migrations SET version = 0 WHERE version = 1").await;

        let opened = Db::open(&bed.settings).await;

        assert!(matches!(opened, Err(DbError::NotOurs { .. })), "{opened:?}");
    }

    async fn rows_that_no_program_of_ours_wrote_are_an_error_and_no_panic(bed: &Bed) {
        bed.account("default").await;
        bed.raw("INSERT INTO rate_window (subject, stamps, newest) VALUES ('a', 'no list', 1)").await;

        let loaded = bed.db.load_windows().await;

        assert!(matches!(loaded, Err(DbError::Failed { .. })), "{loaded:?}");
    }
}

/// Opens one new database from several tasks at once.
async fn open_at_once(settings: &DbSettings) {
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let settings = settings.clone();
        opening.spawn(async move { Db::open(&settings).await });
    }
    for opened in opening.join_all().await {
        let db = opened.unwrap();
        db.ping().await.unwrap();
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_open_a_new_sqlite_file_at_once_all_find_the_schema() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..5 {
        open_at_once(&DbSettings::sqlite(&directory.path().join(number.to_string()))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_open_a_new_postgres_schema_at_once_all_find_it_complete() {
    bed::in_new_schema(async |settings| open_at_once(settings).await).await;
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&DbSettings::sqlite(&directory.path().join("soku.db"))).await.unwrap();
    db.save_windows(vec![("a".to_owned(), vec![1])]).await.unwrap();

    let mut modes: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    modes.sort();

    let expected = ["soku.db", "soku.db-shm", "soku.db-wal"].map(|name| (name.to_owned(), 0o600));
    assert_eq!(modes, expected);
    db.close().await;
}

#[tokio::test]
async fn a_file_with_an_odd_name_is_opened_under_that_very_name() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a b", "100%", "%41", "what?mode=memory", "a#b", "file:x", "ünï 写真", "a:b@c"] {
        let path = directory.path().join(name);
        let settings = DbSettings::sqlite(&path);

        let db = Db::open(&settings).await.unwrap();

        assert!(path.is_file(), "{name}: {}", settings.url);
        db.close().await;
    }
}

/// What opening the SQLite file at `path` fails with.
async fn refusal(path: &Path) -> DbError {
    let opened = tokio::time::timeout(Duration::from_secs(30), Db::open(&DbSettings::sqlite(path))).await;
    opened.expect("opening ends").err().unwrap_or_else(|| panic!("`{}` was opened", path.display()))
}

#[tokio::test]
async fn each_wrong_place_is_refused_with_its_own_word() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("text"), "This is no database, and it is longer than the header of one. ".repeat(20)).unwrap();
    fs::DirBuilder::new().mode(0o700).create(at("directory")).unwrap();

    let missing = refusal(&at("nowhere/soku.db")).await;
    assert!(matches!(&missing, DbError::DirectoryMissing { path } if *path == at("nowhere")), "{missing:?}");
    let text = refusal(&at("text")).await;
    assert!(matches!(text, DbError::NotOurs { .. }), "{text:?}");
    let folder = refusal(&at("directory")).await;
    assert!(matches!(folder, DbError::NotOurs { .. }), "{folder:?}");
    let forbidden = refusal(Path::new("/sys/soku-cannot-write-here.db")).await;
    assert!(matches!(forbidden, DbError::Permission { .. }), "{forbidden:?}");

    assert!(fs::read_to_string(at("text")).unwrap().starts_with("This is no database"), "it was left as it was");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("theirs.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut theirs = options.connect().await.unwrap();
    theirs.execute("CREATE TABLE account (id TEXT)").await.unwrap();

    let refused = refusal(&path).await;

    assert!(matches!(refused, DbError::NotOurs { .. }), "{refused:?}");
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master").fetch_one(&mut theirs).await.unwrap();
    assert_eq!(tables, 1);
    theirs.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("soku.db");
    Db::open(&DbSettings::sqlite(&path)).await.unwrap().close().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(&path, bytes).unwrap();

    let refused = refusal(&path).await;

    assert!(matches!(refused, DbError::Damaged { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused() {
    for url in ["", "soku.db", "/var/lib/soku.db", "mysql://h/db", "sqlite://", "sqlite:///", "sqlite:///a?mode=memory"]
    {
        let opened = Db::open(&DbSettings::new(url)).await;
        assert!(matches!(opened, Err(DbError::Url { .. })), "{url}: {opened:?}");
    }
}

#[test]
fn the_url_of_a_path_is_the_documented_one() {
    assert_eq!(sqlite_url(Path::new("/var/lib/soku/soku.db")), "sqlite:///var/lib/soku/soku.db");
    assert_eq!(sqlite_url(Path::new("./soku-data/a b.db")), "sqlite://./soku-data/a%20b.db");
}
