//! The SQLite arm: one file in WAL mode, several connections that read, and one that writes behind the writer task.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};

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
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", "67108864");
        let mut connection = connect_patiently(&writing, settings.busy_timeout)
            .await
            .map_err(|error| DbError::opening(&place, error))?;
        migrate(&mut connection, &place).await?;

        // Readers ask for no journal mode: the file remembers it.
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers.max(1))
            .acquire_timeout(settings.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Sqlite { readers, writer: Writer::start(connection, writing) })
    }

    pub(super) async fn reader(&self) -> Result<PoolConnection<sqlx::Sqlite>, sqlx::Error> {
        self.readers.acquire().await
    }

    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
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

/// Connects, trying again while another process holds the file: SQLite does not wait when it enters WAL mode.
async fn connect_patiently(
    options: &SqliteConnectOptions,
    patience: Duration,
) -> Result<SqliteConnection, sqlx::Error> {
    let deadline = Instant::now() + patience;
    loop {
        match options.connect().await {
            Err(error) if kind(&error) == Kind::Busy && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            finished => return finished,
        }
    }
}

/// Brings the schema up to date in one exclusive transaction, so that two processes never migrate at once.
async fn migrate(connection: &mut SqliteConnection, place: &str) -> Result<(), DbError> {
    const SQL: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
    const OURS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
    let opening = |error| DbError::opening(place, error);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(opening)?;
    let tables: i64 = sqlx::query_scalar(SQL).fetch_one(&mut *transaction).await.map_err(opening)?;
    let ours: i64 = sqlx::query_scalar(OURS).fetch_one(&mut *transaction).await.map_err(opening)?;
    if tables > 0 && ours == 0 {
        return Err(DbError::NotOurs { place: place.to_owned() });
    }
    schema::migrate(&mut *transaction, place).await?;
    transaction.commit().await.map_err(opening)
}
