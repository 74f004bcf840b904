//! The rows: accounts, keys, media, idempotency claims and rate windows, on SQLite or PostgreSQL with one text of SQL.
//!
//! Only this module names `sqlx`. The dialect and its reasons are in `docs/decisions/0001-portable-sql.md`.

mod accounts;
mod claims;
mod error;
mod keys;
mod media;
mod place;
#[cfg(test)]
mod plans;
mod postgres;
mod schema;
mod settle;
mod sqlite;
mod windows;
mod writer;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::accounts::AccountChanges;
pub use self::claims::{ClaimAnswer, ClaimKey, ClaimRequest, ClaimState, KeySource};
pub use self::error::{Cause, DbError, RecordError};
pub use self::keys::{Caller, KeyRow};
pub use self::media::MediaCursor;
use self::place::Place;
pub use self::place::sqlite_url;
use self::postgres::Postgres;
use self::sqlite::Sqlite;

/// Where the database is and how long it may take.
#[derive(Clone)]
pub struct DbSettings {
    /// `sqlite:///path` (see [`sqlite_url`]) or `postgres://…`; may hold a password, so `Debug` hides it.
    pub url: String,
    /// SQLite: connections that read, beside the one that writes.
    pub readers: u32,
    /// PostgreSQL: connections in all.
    pub connections: u32,
    /// SQLite: how long a write waits for another process's write to end.
    pub busy_timeout: Duration,
    /// PostgreSQL: how long one statement may run.
    pub statement_timeout: Duration,
    /// How long to wait for a connection, one of the pool's or a new one.
    pub connect_timeout: Duration,
}

impl DbSettings {
    /// The documented defaults for the database at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> DbSettings {
        DbSettings {
            url: url.into(),
            readers: 4,
            connections: 16,
            busy_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// The documented defaults for a SQLite file.
    #[must_use]
    pub fn sqlite(path: &Path) -> DbSettings {
        DbSettings::new(sqlite_url(path))
    }

    /// The URL without password and parameters, for logs and `config print`.
    #[must_use]
    pub fn redacted_url(&self) -> String {
        place::redacted(&self.url)
    }
}

impl fmt::Debug for DbSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DbSettings")
            .field("url", &self.redacted_url())
            .field("readers", &self.readers)
            .field("connections", &self.connections)
            .field("busy_timeout", &self.busy_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}

/// An open database. Cheap to clone: all clones share its connections.
#[derive(Clone, Debug)]
pub enum Db {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A connection lent to one unit of work; a transaction where the work has several statements.
pub(crate) enum Tx<'c> {
    Sqlite(&'c mut sqlx::SqliteConnection),
    /// The same for work that is alone in its transaction and ends it with its own last text ([`Act::ending_alone`]).
    SqliteAlone(&'c mut sqlx::SqliteConnection),
    Postgres(&'c mut sqlx::PgConnection),
}

/// Runs one expression on whichever connection `$tx` lends.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $run:expr) => {
        match &mut $tx {
            $crate::db::Tx::Sqlite(lent) | $crate::db::Tx::SqliteAlone(lent) => {
                let $conn = &mut **lent;
                $run
            }
            $crate::db::Tx::Postgres(lent) => {
                let $conn = &mut **lent;
                $run
            }
        }
    };
}

/// Reads with one expression on a connection of whichever database is open, within its time limit.
macro_rules! on_reader {
    ($db:expr, $operation:expr, $conn:ident => $run:expr) => {
        match $db {
            $crate::db::Db::Sqlite(sqlite) => match sqlite.reader().await {
                Ok(mut lent) => {
                    let $conn = &mut *lent;
                    $run.await
                }
                Err(error) => Err(error),
            },
            $crate::db::Db::Postgres(postgres) => match postgres.connection().await {
                Ok(mut lent) => {
                    let $conn = &mut *lent;
                    let finished = tokio::time::timeout(postgres.patience(), $run).await;
                    postgres.end_loan(lent, finished)
                }
                Err(error) => Err(error),
            },
        }
        .map_err(|error| $crate::db::DbError::during($operation, error))
    };
}
use on_reader;
use on_tx;

/// What a write is called in errors, and what the database must promise for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    operation: &'static str,
    durability: Durability,
    steps: Steps,
    ends_alone: bool,
}

/// Whether a write must outlive a power cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Durability {
    /// Survives a crash of the process; SQLite may lose it when the power goes.
    Crash,
    /// On disk before the answer.
    PowerCut,
}

/// How a write comes to be all or nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Steps {
    /// One statement: it is by itself.
    One,
    /// Several statements of which any may fail.
    Several,
    /// Several statements, of which only the first can refuse or fail by itself: what makes a later one fail has ended
    /// the transaction of SQLite too. Spares the hottest write a savepoint.
    FirstDecides,
}

impl Act {
    /// One statement whose effect may not be lost.
    pub(crate) const fn durable(operation: &'static str) -> Act {
        Act { operation, durability: Durability::PowerCut, steps: Steps::One, ends_alone: false }
    }

    /// One statement whose effect is of no use after a power cut.
    pub(crate) const fn passing(operation: &'static str) -> Act {
        Act { operation, durability: Durability::Crash, steps: Steps::One, ends_alone: false }
    }

    /// The same in several statements.
    pub(crate) const fn in_steps(self, steps: Steps) -> Act {
        Act { steps, ..self }
    }

    /// The same, whose work sends `COMMIT` along with its last statement when it is alone ([`Tx::SqliteAlone`]): each text
    /// costs a way to the connection's thread and back. On failure it leaves the connection in doubt.
    pub(crate) const fn ending_alone(self) -> Act {
        Act { ends_alone: true, ..self }
    }
}

/// Why a unit of work is undone.
#[derive(Debug)]
pub(crate) enum Undo {
    /// The work found that it must not happen, before it wrote anything; no error of the database.
    Refused,
    /// The same, after it wrote: another transaction came in between. Never on SQLite, where nobody can.
    Overtaken,
    Error(sqlx::Error),
}

impl From<sqlx::Error> for Undo {
    fn from(error: sqlx::Error) -> Undo {
        Undo::Error(error)
    }
}

/// What a unit of work gives back.
pub(crate) type Done<T> = Result<T, Undo>;

impl Db {
    /// Opens the database, makes it where it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// Says in words of an operator what is wrong with the URL, the place, or what is found there.
    pub async fn open(settings: &DbSettings) -> Result<Db, DbError> {
        match Place::parse(&settings.url)? {
            Place::Sqlite(path) => Ok(Db::Sqlite(Sqlite::open(&path, settings).await?)),
            Place::Postgres(place) => Ok(Db::Postgres(Postgres::open(&place, settings).await?)),
        }
    }

    /// Asks whether the database answers.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when it does not, within two seconds at most.
    pub async fn ping(&self) -> Result<(), DbError> {
        const OPERATION: &str = "asking whether it answers";
        const SQL: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM account LIMIT 1) AS one";
        let question = async {
            on_reader!(self, OPERATION, conn => sqlx::query_scalar::<_, i64>(SQL).fetch_one(conn))?;
            match self {
                Db::Sqlite(sqlite) => sqlite.writer.is_alive().then_some(()).ok_or(sqlx::Error::WorkerCrashed),
                Db::Postgres(_) => Ok(()),
            }
            .map_err(|error| DbError::during(OPERATION, error))
        };
        match tokio::time::timeout(Duration::from_secs(2), question).await {
            Ok(answer) => answer,
            Err(_) => Err(DbError::during(OPERATION, sqlx::Error::PoolTimedOut)),
        }
    }

    /// Finishes the writes that wait and closes every connection; later calls fail as unavailable.
    pub async fn close(&self) {
        match self {
            Db::Sqlite(sqlite) => sqlite.close().await,
            Db::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Runs `work` as one atomic unit and answers when it is committed; `None` where the work refused itself.
    pub(crate) async fn try_write<T, F>(&self, act: Act, work: F) -> Result<Option<T>, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(Tx<'t>) -> BoxFuture<'t, Done<T>> + Send + 'static,
    {
        match self {
            Db::Sqlite(sqlite) => sqlite.writer.write(act, work).await,
            Db::Postgres(postgres) => postgres.write(act, work).await,
        }
    }

    /// The same for work that never refuses itself.
    pub(crate) async fn write<T, F>(&self, act: Act, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(Tx<'t>) -> BoxFuture<'t, Done<T>> + Send + 'static,
    {
        self.try_write(act, work).await.map(|done| done.expect("only work that may refuse itself goes by `try_write`"))
    }
}
