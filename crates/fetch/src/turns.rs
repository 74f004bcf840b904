//! Turns at what there is only so much of: connections that one source sees (rule L3), memory for decoders. Those who wait
//! stand in line, fairly between those on whose behalf they do (rule L2).
//!
//! Nobody takes all places: an eighth stays for others, so that one account's long downloads do not keep another's first
//! from a source that both use. A place that gets free goes to whoever holds fewest there, and among equals to who came
//! first.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Those on whose behalf something is done.
pub(crate) type Party = Arc<str>;

/// The lines at all places `K` that are in use or waited for; one that nobody wants has no entry.
pub(crate) struct Turns<K: Place> {
    lines: Arc<Lines<K>>,
}

/// What a line is for.
pub(crate) trait Place: Copy + Eq + Hash + Send + Unpin + 'static {}

impl<K: Copy + Eq + Hash + Send + Unpin + 'static> Place for K {}

struct Lines<K> {
    limit: usize,
    /// The most places of one party.
    share: usize,
    lines: Mutex<HashMap<K, Line>>,
}

#[derive(Default)]
struct Line {
    taken: usize,
    held: HashMap<Party, usize>,
    waiting: VecDeque<Waiter>,
    /// The number of the next waiter.
    next: u64,
}

struct Waiter {
    number: u64,
    party: Party,
    call: oneshot::Sender<()>,
}

/// The right to one of the places; dropping it lets the next one in.
pub(crate) struct Turn<K: Place> {
    lines: Arc<Lines<K>>,
    at: K,
    party: Party,
}

/// A place in line. Dropped before its turn came, it is given up.
struct Waiting<K: Place> {
    lines: Arc<Lines<K>>,
    at: K,
    party: Party,
    number: u64,
    called: oneshot::Receiver<()>,
    has_turn: bool,
}

impl<K: Place> Turns<K> {
    /// So many places at each `K`.
    pub(crate) fn new(limit: usize) -> Turns<K> {
        let limit = limit.max(1);
        let share = if limit == 1 { 1 } else { limit - (limit / 8).max(1) };
        Turns { lines: Arc::new(Lines { limit, share, lines: Mutex::default() }) }
    }

    /// Stands in line from now on; the future is done when it is our turn.
    pub(crate) fn wait(&self, at: K, party: &Party) -> impl Future<Output = Turn<K>> + Send + use<K> {
        let (call, called) = oneshot::channel();
        let number = self.lines.at(at, |line| {
            line.next += 1;
            line.waiting.push_back(Waiter { number: line.next, party: Arc::clone(party), call });
            line.next
        });
        let (lines, party) = (Arc::clone(&self.lines), Arc::clone(party));
        let mut waiting = Waiting { lines, at, party, number, called, has_turn: false };
        async move {
            (&mut waiting.called).await.expect("a waiter is called before its line is forgotten");
            waiting.has_turn = true;
            Turn { lines: Arc::clone(&waiting.lines), at, party: Arc::clone(&waiting.party) }
        }
    }

    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        self.lines.lock().len()
    }
}

impl<K: Place> Lines<K> {
    /// Changes one line, calls whoever's turn it is then, and forgets the line if nobody is left.
    fn at<T>(&self, at: K, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.lock();
        let line = lines.entry(at).or_default();
        let changed = change(line);
        while line.call_next(self.limit, self.share) {}
        if line.taken == 0 && line.waiting.is_empty() {
            lines.remove(&at);
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Gives a place to the next waiter, if there is one of each; says whether it did.
    fn call_next(&mut self, limit: usize, share: usize) -> bool {
        let held = |waiter: &Waiter| self.held.get(&waiter.party).copied().unwrap_or(0);
        // The line stands in the order of coming, of which the first among equals is kept.
        let next = (0..self.waiting.len()).min_by_key(|&at| held(&self.waiting[at]));
        let Some(next) = next.filter(|&at| self.taken < limit && held(&self.waiting[at]) < share) else { return false };
        let waiter = self.waiting.remove(next).expect("it was found there");
        self.taken += 1;
        *self.held.entry(Arc::clone(&waiter.party)).or_default() += 1;
        // Who gives up leaves the line under its lock, so there is always somebody who hears.
        if waiter.call.send(()).is_err() {
            self.give_back(&waiter.party);
        }
        true
    }

    fn give_back(&mut self, party: &Party) {
        self.taken -= 1;
        if let Some(held) = self.held.get_mut(party) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(party);
            }
        }
    }
}

impl<K: Place> Drop for Turn<K> {
    fn drop(&mut self) {
        self.lines.at(self.at, |line| line.give_back(&self.party));
    }
}

impl<K: Place> Drop for Waiting<K> {
    fn drop(&mut self) {
        if self.has_turn {
            return;
        }
        self.lines.at(self.at, |line| match self.called.try_recv() {
            Ok(()) => line.give_back(&self.party),
            Err(_) => line.waiting.retain(|waiter| waiter.number != self.number),
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn party(name: &str) -> Party {
        name.into()
    }

    /// Takes places one by one for as long as they come at once.
    fn take_all(turns: &Turns<()>, name: &str) -> Vec<Turn<()>> {
        std::iter::from_fn(|| turns.wait((), &party(name)).now_or_never()).collect()
    }

    #[test]
    fn nobody_takes_all_places_where_there_is_more_than_one() {
        for (all, most) in [(1, 1), (2, 1), (3, 2), (8, 7), (32, 28)] {
            let turns = Turns::new(all);
            let greedy = take_all(&turns, "greedy");
            assert_eq!(greedy.len(), most, "of {all}");
            assert_eq!(take_all(&turns, "other").len(), all - most, "of {all}");
        }
    }

    #[test]
    fn who_holds_fewest_is_next_and_among_equals_who_came_first() {
        let turns = Turns::new(8);
        let mut greedy = take_all(&turns, "greedy");
        let other = take_all(&turns, "other");
        let mut more = Box::pin(turns.wait((), &party("greedy")));
        let mut late = Box::pin(turns.wait((), &party("late")));
        let mut later = Box::pin(turns.wait((), &party("later")));

        greedy.pop();
        let _late = late.as_mut().now_or_never().expect("it holds none and came first");
        assert!(more.as_mut().now_or_never().is_none() && later.as_mut().now_or_never().is_none());
        drop(other);
        let _later = later.as_mut().now_or_never().expect("it holds none");
        greedy.pop();
        more.as_mut().now_or_never().expect("nobody else waits");
    }

    #[test]
    fn whoever_gives_up_leaves_the_line_and_hands_back_what_it_was_given() {
        let turns = Turns::new(1);
        let held = take_all(&turns, "a");
        let gives_up = turns.wait((), &party("b"));
        let called = turns.wait((), &party("c"));
        let last = turns.wait((), &party("d"));

        drop(gives_up);
        drop(held);
        // It was called and did not look.
        drop(called);
        drop(last.now_or_never().expect("nobody is before it"));

        assert_eq!(turns.in_use(), 0);
    }
}
