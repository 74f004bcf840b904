//! The one task that writes to SQLite: whatever waits goes into one transaction, so that many small writes share one
//! commit and one fsync; a write that comes alone starts at once.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::error::{Kind, ends_transaction, kind};
use super::sqlite::{Patience, connect};
use super::{Act, DbError, Done, Durability, Steps, Tx, Undo};
use crate::metrics;

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
    fn run<'c>(&'c mut self, tx: Tx<'c>) -> BoxFuture<'c, Result<(), Undo>>;
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

    fn run<'c>(&'c mut self, tx: Tx<'c>) -> BoxFuture<'c, Result<(), Undo>> {
        async move {
            let work = self.work.take().expect("a job runs once");
            match work(tx).await {
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
        let task = WriterTask { inbox, options, patience, connection: Some(connection) };
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

#[cfg(test)]
mod tests;

struct WriterTask {
    inbox: mpsc::Receiver<Message>,
    options: SqliteConnectOptions,
    patience: Patience,
    /// `None` after a failure that leaves its state in doubt.
    connection: Option<SqliteConnection>,
}

impl WriterTask {
    async fn run(mut self) {
        let mut messages = Vec::new();
        let mut closing = Vec::new();
        while self.inbox.recv_many(&mut messages, BATCH).await > 0 {
            // Apart, so that what need not be on disk waits for no fsync, and those who asked can go on meanwhile.
            let (mut passing, mut durable) = (Vec::new(), Vec::new());
            for message in messages.drain(..) {
                match message {
                    Message::Write(job) => match job.act().durability {
                        Durability::Crash => passing.push(job),
                        Durability::PowerCut => durable.push(job),
                    },
                    Message::Close(closed) => {
                        self.inbox.close();
                        closing.push(closed);
                    }
                }
            }
            self.commit_all(Durability::Crash, passing).await;
            self.commit_all(Durability::PowerCut, durable).await;
        }
        if let Some(connection) = self.connection.take() {
            // Best effort: what was answered is committed already.
            let _ = connection.close().await;
        }
        for closed in closing {
            let _ = closed.send(());
        }
    }

    /// Runs the jobs and answers them, in one transaction unless one of them breaks it for those after it.
    async fn commit_all(&mut self, durability: Durability, mut jobs: Vec<Box<dyn Job>>) {
        while !jobs.is_empty() {
            let connection = match self.connection.take() {
                Some(connection) => Ok(connection),
                None => connect(&self.options, self.patience).await,
            };
            match connection {
                Ok(mut connection) => {
                    let state;
                    (state, jobs) = transact(&mut connection, durability, self.patience, jobs).await;
                    if state == State::Sound {
                        self.connection = Some(connection);
                    }
                }
                Err(error) => fail_all(std::mem::take(&mut jobs), &Arc::new(error)),
            }
        }
    }
}

/// What a batch leaves of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Sound,
    /// Perhaps inside a transaction still: not to be used again.
    Doubtful,
}

/// Runs jobs between one `BEGIN IMMEDIATE` and one `COMMIT`, and answers them after it. Gives back those that were not
/// reached because one before them ended the transaction.
async fn transact(
    connection: &mut SqliteConnection,
    durability: Durability,
    patience: Patience,
    mut jobs: Vec<Box<dyn Job>>,
) -> (State, Vec<Box<dyn Job>>) {
    let begun = Instant::now();
    if let Err(error) = begin(connection, durability, patience).await {
        // Somebody else's long write is no fault of the connection.
        let state = if kind(&error) == Kind::Busy { State::Sound } else { State::Doubtful };
        fail_all(jobs, &Arc::new(error));
        return (state, Vec::new());
    }
    let is_alone = jobs.len() == 1;
    if let Some(job) = jobs.pop_if(|job| job.act().ends_alone && is_alone) {
        return (end_alone(connection, durability, begun, job).await, Vec::new());
    }
    let mut ran: Vec<(Box<dyn Job>, Option<sqlx::Error>)> = Vec::with_capacity(jobs.len());
    let mut waiting = jobs.into_iter();
    let mut mark = Savepoint::None;
    while let Some(mut job) = waiting.next() {
        match isolated(connection, &mut mark, job.as_mut()).await {
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
            count_commit(durability, begun, ran.len());
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

/// Runs a job that is alone in the transaction begun for it, and commits by itself.
async fn end_alone(
    connection: &mut SqliteConnection,
    durability: Durability,
    begun: Instant,
    mut job: Box<dyn Job>,
) -> State {
    let error = match job.run(Tx::SqliteAlone(connection)).await {
        // Who refuses wrote nothing, and committed that.
        Ok(()) | Err(Undo::Refused) => {
            count_commit(durability, begun, 1);
            job.answer();
            return State::Sound;
        }
        Err(Undo::Overtaken) => overtaken(),
        Err(Undo::Error(error)) => error,
    };
    job.fail(Arc::new(error));
    State::Doubtful
}

fn count_commit(durability: Durability, begun: Instant, jobs: usize) {
    metrics::database_committed(jobs);
    if durability == Durability::PowerCut {
        metrics::database_synced(begun.elapsed());
    }
}

/// Cannot be; but if it were, half of the job would be written.
fn overtaken() -> sqlx::Error {
    sqlx::Error::InvalidArgument("overtaken inside an exclusive transaction".into())
}

/// Begins a transaction that may write from its first moment, so that it cannot fail half-way for want of that right.
async fn begin(
    connection: &mut SqliteConnection,
    durability: Durability,
    patience: Patience,
) -> Result<(), sqlx::Error> {
    // The level takes effect when its statement is compiled, so never by a cached one, and only outside a transaction.
    let sql = match durability {
        Durability::Crash => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        Durability::PowerCut => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
    };
    let deadline = patience.deadline();
    loop {
        let attempt = run_raw(connection, sql).await;
        if !deadline.allows_another(&attempt).await {
            return attempt;
        }
    }
}

/// Whether the transaction has a savepoint that belongs to no job any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Savepoint {
    None,
    Left,
}

/// Runs one job so that its failure undoes its own effect alone. `Ok(Some)` is its own failure; `Err` is one that may
/// have ended the transaction.
async fn isolated(
    connection: &mut SqliteConnection,
    mark: &mut Savepoint,
    job: &mut dyn Job,
) -> Result<Option<sqlx::Error>, sqlx::Error> {
    let steps = job.act().steps;
    if steps == Steps::Several {
        // A former savepoint is released together with the next one's start, the last by `COMMIT`: every statement
        // costs a way to the connection's thread and back.
        let sql = match mark {
            Savepoint::None => "SAVEPOINT job",
            Savepoint::Left => "RELEASE job; SAVEPOINT job",
        };
        run_raw(connection, sql).await?;
        *mark = Savepoint::Left;
    }
    let undone = match job.run(Tx::Sqlite(connection)).await {
        Ok(()) => return Ok(None),
        Err(Undo::Refused) => None,
        Err(Undo::Overtaken) => return Err(overtaken()),
        Err(Undo::Error(error)) if ends_transaction(&error) => return Err(error),
        Err(Undo::Error(error)) => Some(error),
    };
    match steps {
        // SQLite undoes a single statement by itself.
        Steps::One | Steps::FirstDecides => {}
        Steps::Several => run_raw(connection, "ROLLBACK TO job").await?,
    }
    Ok(undone)
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
