//! What an operator meets: databases that are damaged, lost or from the future. Each has its word, and nothing is lost.

use std::fs;
use std::path::PathBuf;

use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::soku::{Said, Soku};
use crate::source::{Source, fetching_locally};

/// A library with one file, and its database.
fn with_a_file() -> (Soku, PathBuf) {
    let source = Source::start();
    let soku = fetching_locally();
    soku.run_words(&["import", &source.url("/graphic.png")]).succeeds();
    let database = soku.path().join("soku-data/soku.db");
    (soku, database)
}

/// Asserts that neither the server starts nor a command works, for the reason that `words` tell, and that the database is
/// left as it is.
#[track_caller]
fn assert_refused(soku: &Soku, database: &PathBuf, words: &str) {
    let before = fs::read(database).ok();
    for line in ["serve --listen 127.0.0.1:0", "import http://127.0.0.1:9/x.png", "account list"] {
        let said: Said = soku.run(line);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{line}: {said}");
        assert!(said.stderr.contains(words), "{line}: {said}");
    }
    assert_eq!(fs::read(database).ok(), before);
}

#[test]
fn a_damaged_database_is_called_damaged_and_left_alone() {
    let (soku, database) = with_a_file();
    let sound = fs::read(&database).unwrap();
    let mut garbage = sound.clone();
    garbage[4_096..7_000].fill(0xa5);

    for damaged in [&sound[..50], &sound[..5_000], &sound[..sound.len() - 4_096], &garbage] {
        fs::write(&database, damaged).unwrap();
        assert_refused(&soku, &database, "soku.db` is damaged: restore it from a backup: ");
    }

    fs::write(&database, sound).unwrap();
    assert_eq!(soku.run("media list --json").json().as_array().unwrap().len(), 1);
}

#[test]
fn a_database_that_is_lost_is_not_begun_anew_beside_its_files() {
    let (soku, database) = with_a_file();
    let sound = fs::read(&database).unwrap();

    fs::write(&database, "").unwrap();
    assert_refused(&soku, &database, "soku.db` is missing or empty, but there are files in `");
    fs::remove_file(&database).unwrap();
    let said = soku.run("serve --listen 127.0.0.1:0");
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("restore it from a backup, or move the files away"), "{said}");
    assert!(!database.exists());

    fs::write(&database, sound).unwrap();
    assert_eq!(soku.run("media list --json").json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_of_a_newer_soku_is_left_alone() {
    const FUTURE: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        SELECT 9999, 'of the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    let (soku, database) = tokio::task::spawn_blocking(with_a_file).await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&database).connect().await.unwrap();
    connection.execute(FUTURE).await.unwrap();
    connection.close().await.unwrap();

    assert_refused(&soku, &database, "made by a newer soku: this one knows schema 1; run the newer one, or restore");
}
