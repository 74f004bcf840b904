//! The one task that writes to SQLite: whatever waits goes into one transaction, so that many small writes share one
//! commit and one fsync; a write that comes alone starts at once.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::error::{Kind, ends_transaction, kind};
use super::sqlite::{Patience, begin, connect};
use super::{Act, DbError, Done, Durability, Steps, Tx, Undo};

/// How many writes may wait; more wait for room.
const QUEUE: usize = 1024;
/// How many writes share a commit at most, so that the first of them is not kept waiting.
const BATCH: usize = 256;

/// The way to the writer task.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// A write that waits: what to do, and whom to tell.
trait Job: Send {
    fn act(&self) -> Act;
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), Undo>>;
    /// Tells the outcome of `run`, now that its effect is durable.
    fn answer(self: Box<Self>);
    /// Tells that the transaction around it failed.
    fn fail(self: Box<Self>, error: Arc<sqlx::Error>);
}

struct Pending<T, F> {
    act: Act,
    work: Option<F>,
    outcome: Option<Option<T>>,
    caller: oneshot::Sender<Result<Option<T>, Arc<sqlx::Error>>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: for<'t> FnOnce(Tx<'t>) -> BoxFuture<'t, Done<T>> + Send,
{
    fn act(&self) -> Act {
        self.act
    }

    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, Result<(), Undo>> {
        async move {
            let work = self.work.take().expect("a job runs once");
            match work(Tx::Sqlite(connection)).await {
                Ok(done) => {
                    self.outcome = Some(Some(done));
                    Ok(())
                }
                Err(undo) => {
                    self.outcome = Some(None);
                    Err(undo)
                }
            }
        }
        .boxed()
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.expect("a job is answered after it ran");
        // A caller that went away does not hear; its write stands all the same.
        let _ = self.caller.send(Ok(outcome));
    }

    fn fail(self: Box<Self>, error: Arc<sqlx::Error>) {
        let _ = self.caller.send(Err(error));
    }
}

impl Writer {
    /// Starts the task on `connection`; `options` make another one when it breaks.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions, patience: Patience) -> Writer {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let task = WriterTask { inbox, options, patience, connection: Some(connection), level: Durability::PowerCut };
        tokio::spawn(task.run());
        Writer { queue }
    }

    pub(super) async fn write<T, F>(&self, act: Act, work: F) -> Result<Option<T>, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(Tx<'t>) -> BoxFuture<'t, Done<T>> + Send + 'static,
    {
        let (caller, outcome) = oneshot::channel();
        let job = Pending { act, work: Some(work), outcome: None, caller };
        let sent = self.queue.send(Message::Write(Box::new(job))).await;
        let outcome = match sent {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(Arc::new(sqlx::Error::WorkerCrashed))),
            Err(_) => Err(Arc::new(sqlx::Error::PoolClosed)),
        };
        outcome.map_err(|error| DbError::during(act.operation, error))
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.queue.is_closed()
    }

    pub(super) async fn close(&self) {
        let (closed, waiting) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = waiting.await;
        }
    }
}

struct WriterTask {
    inbox: mpsc::Receiver<Message>,
    options: SqliteConnectOptions,
    patience: Patience,
    /// `None` after a failure that leaves its state in doubt.
    connection: Option<SqliteConnection>,
    /// What `PRAGMA synchronous` stands at.
    level: Durability,
}

impl WriterTask {
    async fn run(mut self) {
        let mut messages = Vec::new();
        let mut closing = Vec::new();
        while self.inbox.recv_many(&mut messages, BATCH).await > 0 {
            let mut jobs = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Write(job) => jobs.push(job),
                    Message::Close(closed) => {
                        self.inbox.close();
                        closing.push(closed);
                    }
                }
            }
            while !jobs.is_empty() {
                jobs = self.commit(jobs).await;
            }
        }
        if let Some(connection) = self.connection.take() {
            // Best effort: what was answered is committed already.
            let _ = connection.close().await;
        }
        for closed in closing {
            let _ = closed.send(());
        }
    }

    /// Runs the jobs in one transaction and answers them. Gives back those that were not reached because one broke it.
    async fn commit(&mut self, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let level = jobs.iter().map(|job| job.act().durability).max().unwrap_or(Durability::Crash);
        match self.ready(level).await {
            Ok(mut connection) => {
                let (state, left) = transact(&mut connection, self.patience, jobs).await;
                if state == State::Sound {
                    self.connection = Some(connection);
                }
                left
            }
            Err(error) => {
                fail_all(jobs, &Arc::new(error));
                Vec::new()
            }
        }
    }

    /// The connection, made anew where it was given up, at the wanted level of durability.
    async fn ready(&mut self, level: Durability) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.level = Durability::PowerCut;
                connect(&self.options, self.patience).await?
            }
        };
        if self.level != level {
            // Takes effect when the statement is compiled, and only outside a transaction: never by a cached one.
            let sql = match level {
                Durability::Crash => "PRAGMA synchronous = NORMAL",
                Durability::PowerCut => "PRAGMA synchronous = FULL",
            };
            run_raw(&mut connection, sql).await?;
            self.level = level;
        }
        Ok(connection)
    }
}

/// What a batch leaves of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Sound,
    /// Perhaps inside a transaction still: not to be used again.
    Doubtful,
}

/// Runs jobs between one `BEGIN IMMEDIATE` and one `COMMIT`, and answers them after it. Without the driver's guards,
/// which cannot be begun in a loop: a connection whose end is in doubt is dropped instead.
async fn transact(
    connection: &mut SqliteConnection,
    patience: Patience,
    jobs: Vec<Box<dyn Job>>,
) -> (State, Vec<Box<dyn Job>>) {
    if let Err(error) = begin(connection, patience).await {
        // Somebody else's long write is no fault of the connection.
        let state = if kind(&error) == Kind::Busy { State::Sound } else { State::Doubtful };
        fail_all(jobs, &Arc::new(error));
        return (state, Vec::new());
    }
    let mut ran: Vec<(Box<dyn Job>, Option<sqlx::Error>)> = Vec::with_capacity(jobs.len());
    let mut waiting = jobs.into_iter();
    while let Some(mut job) = waiting.next() {
        match isolated(connection, job.as_mut()).await {
            Ok(own) => ran.push((job, own)),
            Err(error) => {
                let error = Arc::new(error);
                job.fail(Arc::clone(&error));
                fail_ran(ran, &error);
                return (State::Doubtful, waiting.collect());
            }
        }
    }
    match run_raw(connection, "COMMIT").await {
        Ok(()) => {
            for (job, own) in ran {
                match own {
                    Some(error) => job.fail(Arc::new(error)),
                    None => job.answer(),
                }
            }
            (State::Sound, Vec::new())
        }
        Err(error) => {
            fail_ran(ran, &Arc::new(error));
            (State::Doubtful, Vec::new())
        }
    }
}

/// Runs one job so that its failure undoes its own effect alone. `Ok(Some)` is its own failure; `Err` is one that may
/// have ended the transaction.
async fn isolated(connection: &mut SqliteConnection, job: &mut dyn Job) -> Result<Option<sqlx::Error>, sqlx::Error> {
    let undone = match job.act().steps {
        // SQLite undoes a failed statement by itself.
        Steps::One => job.run(connection).await.err(),
        Steps::Several => {
            run_raw(connection, "SAVEPOINT job").await?;
            let undone = job.run(connection).await.err();
            match &undone {
                None => run_raw(connection, "RELEASE job").await?,
                Some(Undo::Error(error)) if ends_transaction(error) => {}
                Some(_) => run_raw(connection, "ROLLBACK TO job; RELEASE job").await?,
            }
            undone
        }
    };
    match undone {
        None | Some(Undo::Refused) => Ok(None),
        Some(Undo::Error(error)) if ends_transaction(&error) => Err(error),
        Some(Undo::Error(error)) => Ok(Some(error)),
    }
}

async fn run_raw(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

fn fail_all(jobs: Vec<Box<dyn Job>>, error: &Arc<sqlx::Error>) {
    for job in jobs {
        job.fail(Arc::clone(error));
    }
}

fn fail_ran(ran: Vec<(Box<dyn Job>, Option<sqlx::Error>)>, shared: &Arc<sqlx::Error>) {
    for (job, own) in ran {
        job.fail(own.map_or_else(|| Arc::clone(shared), Arc::new));
    }
}
