//! The fair queue for downloads (rule L2): so many run at once, in all and for one account; whoever comes later waits,
//! and every turn that frees goes to the next account round the circle. Knows nothing of what is done in a turn.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use soku_api::Reason;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::id::AccountId;

/// How many downloads run and wait.
#[derive(Clone, Copy, Debug)]
pub struct TurnSettings {
    pub running: usize,
    pub running_per_account: usize,
    pub waiting: usize,
    pub waiting_per_account: usize,
    /// After this a waiter gives up.
    pub longest_wait: Duration,
}

impl Default for TurnSettings {
    fn default() -> TurnSettings {
        TurnSettings {
            running: 256,
            running_per_account: 32,
            waiting: 1024,
            waiting_per_account: 256,
            longest_wait: Duration::from_mins(10),
        }
    }
}

/// Why nobody's turn came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTurn {
    #[error("too many downloads are waiting, or this one waited too long")]
    QueueFull,
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl From<NoTurn> for Failure {
    fn from(refused: NoTurn) -> Failure {
        Failure::from(match refused {
            NoTurn::QueueFull => Reason::QueueFull,
            NoTurn::ShuttingDown => Reason::ShuttingDown,
        })
    }
}

/// The queue. Clones are the same queue.
#[derive(Clone)]
pub struct Turns {
    settings: TurnSettings,
    queue: Arc<Mutex<Queue>>,
}

/// One running download's place; dropping it frees the place for the next.
pub struct Turn {
    turns: Turns,
    account: AccountId,
}

/// Invariant: while a place is free for it, nobody waits.
#[derive(Default)]
struct Queue {
    running: usize,
    waiting: usize,
    lanes: HashMap<AccountId, Lane>,
    /// The accounts that have somebody waiting and may run one more, each once, the next one first.
    circle: VecDeque<AccountId>,
    next_ticket: u64,
    closed: bool,
}

/// What one account has in the queue; gone when it has nothing.
#[derive(Default)]
struct Lane {
    running: usize,
    waiters: VecDeque<Waiter>,
    in_circle: bool,
}

struct Waiter {
    ticket: u64,
    called: oneshot::Sender<Turn>,
}

impl Turns {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: TurnSettings) -> Turns {
        Turns { settings, queue: Arc::default() }
    }

    /// Waits until it is `account`'s turn. Dropping the future gives up the place in the queue.
    ///
    /// # Errors
    /// The queue is full, the wait was too long, or [`Turns::close`] was called.
    pub async fn wait(&self, account: &AccountId) -> Result<Turn, NoTurn> {
        let Some(mut place) = self.enter(account)? else { return Ok(self.turn(account)) };
        match tokio::time::timeout(self.settings.longest_wait, &mut place.called).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_closed)) => Err(NoTurn::ShuttingDown),
            Err(_elapsed) => Err(NoTurn::QueueFull),
        }
    }

    /// Sends everybody who waits away with [`NoTurn::ShuttingDown`], and whoever comes later. Turns that run go on.
    pub fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.waiting = 0;
        queue.circle.clear();
        queue.lanes.retain(|_, lane| {
            // Dropping its sender is what tells the waiter.
            lane.waiters.clear();
            lane.in_circle = false;
            lane.running > 0
        });
    }

    /// How many run and how many wait, for whoever watches the server.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.running, queue.waiting)
    }

    /// A place in the queue, or `None` where the turn came at once and is counted already.
    fn enter(&self, account: &AccountId) -> Result<Option<Place>, NoTurn> {
        let settings = &self.settings;
        let mut queue = self.queue();
        let queue = &mut *queue;
        if queue.closed {
            return Err(NoTurn::ShuttingDown);
        }
        let lane = queue.lanes.entry(account.clone()).or_default();
        if queue.running < settings.running && lane.running < settings.running_per_account {
            queue.running += 1;
            lane.running += 1;
            return Ok(None);
        }
        if queue.waiting >= settings.waiting || lane.waiters.len() >= settings.waiting_per_account {
            queue.forget_if_empty(account);
            return Err(NoTurn::QueueFull);
        }
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        let (sender, called) = oneshot::channel();
        lane.waiters.push_back(Waiter { ticket, called: sender });
        queue.waiting += 1;
        queue.join_circle(account, settings);
        Ok(Some(Place { turns: self.clone(), account: account.clone(), ticket, called }))
    }

    /// Takes a place back, and calls whoever is next.
    fn free(&self, account: &AccountId) {
        let mut called = Vec::new();
        {
            let mut queue = self.queue();
            queue.running -= 1;
            if let Some(lane) = queue.lanes.get_mut(account) {
                lane.running -= 1;
            }
            queue.join_circle(account, &self.settings);
            queue.forget_if_empty(account);
            while let Some(next) = queue.call_next(&self.settings) {
                called.push(next);
            }
        }
        for (account, waiter) in called {
            // One who gave up in this very moment hands the turn back, whose drop calls the next.
            drop(waiter.called.send(self.turn(&account)));
        }
    }

    /// Gives up a place in the queue, if it was not called already.
    fn leave(&self, account: &AccountId, ticket: u64) {
        let mut queue = self.queue();
        let Some(lane) = queue.lanes.get_mut(account) else { return };
        let Some(position) = lane.waiters.iter().position(|waiter| waiter.ticket == ticket) else { return };
        lane.waiters.remove(position);
        let leaves_circle = lane.waiters.is_empty() && std::mem::take(&mut lane.in_circle);
        queue.waiting -= 1;
        if leaves_circle {
            queue.circle.retain(|waiting| waiting != account);
        }
        queue.forget_if_empty(account);
    }

    fn turn(&self, account: &AccountId) -> Turn {
        Turn { turns: self.clone(), account: account.clone() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Puts the account at the end of the circle if it has somebody waiting and may run one more.
    fn join_circle(&mut self, account: &AccountId, settings: &TurnSettings) {
        let Some(lane) = self.lanes.get_mut(account) else { return };
        if !lane.in_circle && !lane.waiters.is_empty() && lane.running < settings.running_per_account {
            lane.in_circle = true;
            self.circle.push_back(account.clone());
        }
    }

    /// Counts the next waiter as running and takes it out of the queue; `None` when none can run.
    fn call_next(&mut self, settings: &TurnSettings) -> Option<(AccountId, Waiter)> {
        while self.running < settings.running {
            let account = self.circle.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&account) else { continue };
            lane.in_circle = false;
            let Some(waiter) = lane.waiters.pop_front() else { continue };
            lane.running += 1;
            self.running += 1;
            self.waiting -= 1;
            self.join_circle(&account, settings);
            return Some((account, waiter));
        }
        None
    }

    fn forget_if_empty(&mut self, account: &AccountId) {
        if self.lanes.get(account).is_some_and(|lane| lane.running == 0 && lane.waiters.is_empty()) {
            self.lanes.remove(account);
        }
    }
}

/// A waiter's hold on its place: dropped before the call, it leaves the queue; dropped after, the turn in the channel
/// goes with it and frees itself.
struct Place {
    turns: Turns,
    account: AccountId,
    ticket: u64,
    called: oneshot::Receiver<Turn>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.leave(&self.account, self.ticket);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.free(&self.account);
    }
}
