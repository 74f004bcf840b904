//! The SQLite arm: one file in WAL mode, several connections that read, and one that writes behind the writer task.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio::time::Instant;

use super::error::{Cause, Kind, kind};
use super::writer::Writer;
use super::{DbError, DbSettings, schema};

/// An open SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    readers: SqlitePool,
    pub(super) writer: Writer,
}

impl Sqlite {
    pub(super) async fn open(path: &Path, settings: &DbSettings) -> Result<Sqlite, DbError> {
        let place = path.display().to_string();
        let file = path.to_owned();
        tokio::task::spawn_blocking(move || create_file(&file)).await.expect("creating a file does not panic")?;

        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(settings.busy_timeout)
            .disable_statement_logging();
        let writing = options
            .clone()
            .busy_timeout(ATTEMPT)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("cache_size", "-16384")
            .pragma("journal_size_limit", "67108864");
        let patience = Patience(settings.busy_timeout);
        let opening = |error| DbError::opening(&place, error);
        let mut connection = connect(&writing, patience).await.map_err(opening)?;
        migrate(&mut connection, patience, &place).await?;

        // Readers ask for no journal mode: the file remembers it.
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers.max(1))
            .acquire_timeout(settings.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Sqlite { readers, writer: Writer::start(connection, writing, patience) })
    }

    pub(super) async fn reader(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        self.readers.acquire().await
    }

    pub(super) async fn close(&self) {
        // The writer last: whoever closes the file last also empties its write-ahead log.
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Makes the file with mode 0600 where there is none; SQLite gives its `-wal` and `-shm` the same mode.
fn create_file(path: &Path) -> Result<(), DbError> {
    if let Some(directory) = path.parent()
        && !directory.is_dir()
    {
        return Err(DbError::DirectoryMissing { path: directory.to_owned() });
    }
    let place = || path.display().to_string();
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(DbError::NotOurs { place: place() });
    }
    match OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Err(DbError::Permission { place: place(), source: Cause::new(sqlx::Error::from(error)) })
        }
        Err(error) => Err(DbError::Open { place: place(), source: Cause::new(sqlx::Error::from(error)) }),
    }
}

/// How long SQLite itself waits for the file before [`Patience`] asks again.
const ATTEMPT: Duration = Duration::from_millis(10);

/// How long a write waits for another process's write. SQLite's own wait looks ten times a second at last, which a busy
/// `serve` can starve, and it does not wait at all when it enters WAL mode: so we ask again ourselves, and often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) Duration);

impl Patience {
    pub(super) fn deadline(self) -> Deadline {
        Deadline(Instant::now() + self.0)
    }
}

/// The end of a wait.
pub(super) struct Deadline(Instant);

impl Deadline {
    /// Sleeps a moment and says true where `attempt` found the file busy and there is time to try again.
    pub(super) async fn allows_another<T>(&self, attempt: &Result<T, sqlx::Error>) -> bool {
        let again = matches!(attempt, Err(error) if kind(error) == Kind::Busy) && Instant::now() < self.0;
        if again {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        again
    }
}

/// Connects as soon as the file is free.
pub(super) async fn connect(
    options: &SqliteConnectOptions,
    patience: Patience,
) -> Result<SqliteConnection, sqlx::Error> {
    let deadline = patience.deadline();
    loop {
        let attempt = options.connect().await;
        if !deadline.allows_another(&attempt).await {
            return attempt;
        }
    }
}

/// Brings the schema up to date; where it is, only looks.
async fn migrate(connection: &mut SqliteConnection, patience: Patience, place: &str) -> Result<(), DbError> {
    if schema::is_current(connection).await {
        return Ok(());
    }
    let deadline = patience.deadline();
    loop {
        let attempt = migrate_alone(connection, place).await;
        if !deadline.allows_another(&attempt).await {
            return attempt.map_err(|error| DbError::opening(place, error))?;
        }
    }
}

/// Migrates in one exclusive transaction, so that two processes never do at once. The outer error is that of getting it.
async fn migrate_alone(connection: &mut SqliteConnection, place: &str) -> Result<Result<(), DbError>, sqlx::Error> {
    const FOREIGN: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND NOT EXISTS \
        (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations')";
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let foreign: i64 = sqlx::query_scalar(FOREIGN).fetch_one(&mut *transaction).await?;
    if foreign > 0 {
        return Ok(Err(DbError::NotOurs { place: place.to_owned() }));
    }
    Ok(match schema::migrate(&mut *transaction, place).await {
        Ok(()) => transaction.commit().await.map_err(|error| DbError::opening(place, error)),
        Err(error) => Err(error),
    })
}
