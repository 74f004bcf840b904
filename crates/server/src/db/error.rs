//! How the database fails, in the words of an operator: no statement, no bound value, no connection string.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::metrics;

/// A failure of the database. `sqlx` stays behind [`Cause`].
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database URL `{url}` cannot be used: {problem}")]
    Url { url: String, problem: String },
    #[error(
        "the directory `{path}` for the database does not exist: make it, or name another place by SOKU_DATABASE_URL"
    )]
    DirectoryMissing { path: PathBuf },
    #[error(
        "the database `{place}` cannot be opened for writing: it and its directory must belong to the user that runs \
         soku, on a disk that is not read-only"
    )]
    Permission {
        place: String,
        #[source]
        source: Cause,
    },
    #[error("`{place}` is not a database of soku: move it away, or name another by SOKU_DATABASE_URL")]
    NotOurs { place: String },
    #[error("the database `{place}` is damaged: restore it from a backup")]
    Damaged {
        place: String,
        #[source]
        source: Cause,
    },
    #[error(
        "the database `{place}` has schema {found}, made by a newer soku: this one knows schema {known}; run the newer one, or restore the backup from before the upgrade"
    )]
    NewerSchema { place: String, found: i64, known: i64 },
    #[error("the database `{place}` cannot be opened: its disk has no {what} left; free some")]
    NoRoom {
        place: String,
        what: &'static str,
        #[source]
        source: Cause,
    },
    #[error("could not open the database `{place}`")]
    Open {
        place: String,
        #[source]
        source: Cause,
    },
    #[error("the {what} exists already")]
    AlreadyExists { what: &'static str },
    /// Away, busy for too long, or closed: worth another try later.
    #[error("the database is not available while {operation}")]
    Unavailable {
        operation: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the disk of the database is full while {operation}: free some space")]
    Full {
        operation: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the database failed while {operation}")]
    Failed {
        operation: &'static str,
        #[source]
        source: Cause,
    },
}

/// Why a finished import could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody else holds the claim now; nothing was written.
    #[error("the claim belongs to somebody else by now")]
    FenceLost,
    #[error("could not record the media entry")]
    Db(#[from] DbError),
}

/// What lies under a [`DbError`]: its chain can be printed, its type is nobody's business.
pub struct Cause(Arc<sqlx::Error>);

impl Cause {
    pub(super) fn new(error: impl Into<Arc<sqlx::Error>>) -> Cause {
        Cause(error.into())
    }

    /// A value in a row that no version of this program writes.
    pub(super) fn unreadable(column: &'static str) -> sqlx::Error {
        sqlx::Error::Decode(format!("column `{column}` holds what this program does not know").into())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            // The driver's own sentences repeat the source that follows in the chain, or speak of a network.
            sqlx::Error::Io(error) => write!(formatter, "{error}"),
            sqlx::Error::Database(error) => match error.code() {
                Some(code) => write!(formatter, "{} (code {code})", error.message()),
                None => formatter.write_str(error.message()),
            },
            other => write!(formatter, "{other}"),
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not derived: PostgreSQL's error quotes the values of the row in its detail.
        write!(formatter, "Cause({self})")
    }
}

impl StdError for Cause {}

/// What an error means for whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Unavailable,
    /// Another connection holds the SQLite file for longer than the wait allows.
    Busy,
    Full,
    Damaged,
    NotADatabase,
    Permission,
    /// Refused by a rule of the schema: the statement did nothing, the transaction around it is sound.
    Constraint,
    Other,
}

/// Sorts an error of either database.
pub(super) fn kind(error: &sqlx::Error) -> Kind {
    match error {
        // `Protocol`: the other end is no server, or stopped being one in mid-sentence.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Kind::Unavailable,
        sqlx::Error::Database(error) => match error.code() {
            Some(code) if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() => sqlite_kind(&code),
            Some(code) => postgres_kind(&code),
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// By the primary result code, the low byte of the extended one (<https://www.sqlite.org/rescode.html>).
fn sqlite_kind(code: &str) -> Kind {
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        5 | 6 => Kind::Busy,            // BUSY, LOCKED
        9 | 14 => Kind::Unavailable,    // INTERRUPT, CANTOPEN
        3 | 8 | 23 => Kind::Permission, // PERM, READONLY, AUTH
        11 => Kind::Damaged,            // CORRUPT
        13 => Kind::Full,
        19 => Kind::Constraint,
        26 => Kind::NotADatabase,
        _ => Kind::Other,
    }
}

/// Whether SQLite may have rolled back the whole transaction and not only the statement: full disks, broken files and
/// interrupts do (<https://www.sqlite.org/lang_transaction.html>).
pub(super) fn ends_transaction(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
            !matches!(code & 0xff, 1 | 18 | 19 | 20 | 25) // ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE
        }
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn postgres_kind(code: &str) -> Kind {
    match code {
        "53100" => Kind::Full,
        "XX001" | "XX002" => Kind::Damaged,
        // Rolled back in favour of another; a lock or an idle limit ran out; a standby, or a fail-over under way.
        "40001" | "40P01" | "55P03" | "25P03" | "25006" => Kind::Unavailable,
        _ => match code.get(..2).unwrap_or_default() {
            // Connection, resources, operator (with `57014`, the statement's limit), authorisation, no such database.
            "08" | "53" | "57" | "28" | "3D" => Kind::Unavailable,
            "23" => Kind::Constraint,
            _ => Kind::Other,
        },
    }
}

impl DbError {
    /// The error of an operation that met `error`.
    pub(super) fn during(operation: &'static str, error: impl Into<Arc<sqlx::Error>>) -> DbError {
        let source = Cause::new(error);
        let kind = kind(&source.0);
        // A row that exists already is mostly an answer, and no failure of the database.
        if kind != Kind::Constraint {
            metrics::database_failed();
        }
        match kind {
            Kind::Unavailable | Kind::Busy => DbError::Unavailable { operation, source },
            Kind::Full => DbError::Full { operation, source },
            Kind::Damaged | Kind::NotADatabase | Kind::Permission | Kind::Constraint | Kind::Other => {
                DbError::Failed { operation, source }
            }
        }
    }

    /// The same, where a doubled `what` is an answer and not a failure.
    pub(super) fn unless_exists(what: &'static str, error: DbError) -> DbError {
        match error {
            DbError::Failed { source, .. } if source.is_doubled() => DbError::AlreadyExists { what },
            other => other,
        }
    }

    /// The error of opening `place`.
    pub(super) fn opening(place: &str, error: sqlx::Error) -> DbError {
        let place = place.to_owned();
        let source = Cause::new(error);
        match kind(&source.0) {
            Kind::NotADatabase => DbError::NotOurs { place },
            Kind::Damaged => DbError::Damaged { place, source },
            Kind::Permission => DbError::Permission { place, source },
            Kind::Unavailable | Kind::Busy | Kind::Full | Kind::Constraint | Kind::Other => match lacking(&place) {
                Some(what) => DbError::NoRoom { place, what, source },
                None => DbError::Open { place, source },
            },
        }
    }
}

/// What the disk of a SQLite file has none of, and SQLite does not name.
fn lacking(place: &str) -> Option<&'static str> {
    let disk = rustix::fs::statvfs(Path::new(place).parent()?).ok()?;
    // Some file systems count no inodes at all.
    let inodes = (disk.f_files > 0 && disk.f_favail == 0).then_some("inodes (too many files)");
    inodes.or((disk.f_bavail == 0).then_some("space"))
}

impl Cause {
    fn is_doubled(&self) -> bool {
        self.0.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }
}
