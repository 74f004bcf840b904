//! Rate limits: a table of sliding windows by account, by account and endpoint, and by client address. One short lock
//! a request, never held over an await. What passed is saved every second, so that a restart is no way round.

mod counter;
mod judged;
mod saved;
mod settings;
mod steady;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use counter::Subject;
pub use judged::Judged;
pub use settings::LimitSettings;
pub use window::Rate;

use self::counter::{Block, Counter};
use self::judged::Policy;
use self::steady::Moment;
use self::window::{Bounds, Standing, Window};
use crate::account::Tier;
use crate::admission::Endpoint;
use crate::clock::Clock;

/// Who may knock how often.
pub struct Limits {
    settings: LimitSettings,
    table: Mutex<Table>,
}

struct Table {
    clock: Clock,
    /// When the windows were last looked through for what changed.
    looked: Moment,
    windows: HashMap<Counter, Kept>,
    /// How many of `windows` are addresses.
    addresses: usize,
}

#[derive(Default)]
struct Kept {
    window: Window,
    /// Whether it changed since it was saved.
    dirty: bool,
}

/// One limit that applies to the request at hand.
struct Applied {
    counter: Counter,
    bounds: Bounds,
    /// What the IETF fields call the bound on a minute, and the one on five.
    names: (&'static str, &'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Refused,
}

impl Limits {
    /// An empty table.
    #[must_use]
    pub fn new(settings: LimitSettings, clock: Clock) -> Limits {
        let looked = Moment::of(&clock);
        let table = Table { clock, looked, windows: HashMap::new(), addresses: 0 };
        Limits { settings, table: Mutex::new(table) }
    }

    /// Judges a request, and charges it to every limit that applies if it passes and to none if it does not. `None`
    /// where limits are switched off. With an `endpoint` its own limit of this account applies too, whatever the
    /// answer will be; without one the tier alone is charged.
    #[must_use]
    pub fn judge(&self, subject: Subject<'_>, endpoint: Option<Endpoint>) -> Option<Judged> {
        if !self.settings.enabled {
            return None;
        }
        let mut table = self.table();
        let now = table.now();
        Some(self.judge_at(&mut table, subject, endpoint, now))
    }

    /// How a caller stands, without a charge. `None` where limits are switched off.
    #[must_use]
    pub fn look(&self, subject: Subject<'_>) -> Option<Judged> {
        if !self.settings.enabled {
            return None;
        }
        let table = self.table();
        let now = table.now();
        let applied = self.applied(&table, subject, None);
        Some(table.tell(subject, &applied, Verdict::Allowed, now))
    }

    fn judge_at(&self, table: &mut Table, subject: Subject<'_>, endpoint: Option<Endpoint>, now: Moment) -> Judged {
        let applied = self.applied(table, subject, endpoint);
        let is_full = |limit| table.standing(limit, now).remaining == 0;
        if applied.iter().any(is_full) {
            return table.tell(subject, &applied, Verdict::Refused, now);
        }
        for limit in &applied {
            table.charge(limit, now);
        }
        table.tell(subject, &applied, Verdict::Allowed, now)
    }

    fn applied(&self, table: &Table, subject: Subject<'_>, endpoint: Option<Endpoint>) -> Vec<Applied> {
        let counter = match subject {
            Subject::Address(address) => table.address_counter(Block::of(address), self.settings.max_addresses),
            Subject::Account(account, _) => Counter::Account(account.clone()),
        };
        let tier = subject.tier();
        let mut applied = vec![Applied { counter, bounds: self.settings.tier(tier).bounds(), names: tier_names(tier) }];
        if let (Subject::Account(account, _), Some(endpoint)) = (subject, endpoint) {
            let counter = Counter::Endpoint(endpoint, account.clone());
            let bounds = self.settings.endpoint(endpoint).bounds();
            applied.push(Applied { counter, bounds, names: endpoint_names(endpoint) });
        }
        applied
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn now(&self) -> Moment {
        Moment::of(&self.clock)
    }

    /// The address's own counter, or the one that newcomers share when the table is full.
    fn address_counter(&self, block: Block, max_addresses: usize) -> Counter {
        let own = Counter::Address(block);
        if self.addresses < max_addresses || self.windows.contains_key(&own) { own } else { Counter::Newcomers }
    }

    fn standing(&self, limit: &Applied, now: Moment) -> Standing {
        match self.windows.get(&limit.counter) {
            Some(kept) => kept.window.standing_of_all(limit.bounds, now.steady_ms),
            None => Window::default().standing_of_all(limit.bounds, now.steady_ms),
        }
    }

    fn charge(&mut self, limit: &Applied, now: Moment) {
        let kept = self.windows.entry(limit.counter.clone()).or_insert_with(|| {
            self.addresses += usize::from(matches!(limit.counter, Counter::Address(_)));
            Kept::default()
        });
        kept.window.charge(now.steady_ms);
        kept.dirty = true;
    }

    /// The verdict, and how the limits stand with it.
    fn tell(&self, subject: Subject<'_>, applied: &[Applied], verdict: Verdict, now: Moment) -> Judged {
        let tightest = applied
            .iter()
            .map(|limit| (limit.bounds.minute.quota, self.standing(limit, now)))
            .reduce(|one, other| if one.1.tighter(other.1) == one.1 { one } else { other })
            .expect("a tier applies to every request");
        let policies = applied.iter().flat_map(|limit| self.policies(limit, now)).collect();
        Judged::new(subject.tier(), now.wall.0, tightest, verdict == Verdict::Refused, policies)
    }

    fn policies(&self, limit: &Applied, now: Moment) -> Vec<Policy> {
        let unused = Window::default();
        let window = self.windows.get(&limit.counter).map_or(&unused, |kept| &kept.window);
        let names = [limit.names.0, limit.names.1];
        let of = |(bound, name)| Policy { name, bound, standing: window.standing(bound, now.steady_ms) };
        limit.bounds.iter().zip(names).map(of).collect()
    }
}

/// The names of a tier's policies, over a minute and over five.
fn tier_names(tier: Tier) -> (&'static str, &'static str) {
    match tier {
        Tier::Default => ("default", "default-5min"),
        Tier::Authenticated => ("authenticated", "authenticated-5min"),
        Tier::Premium => ("premium", "premium-5min"),
        Tier::Admin => ("admin", "admin-5min"),
    }
}

/// The same of an endpoint.
fn endpoint_names(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Media => ("media", "media-5min"),
        Endpoint::Posts => ("posts", "posts-5min"),
        Endpoint::Templates => ("templates", "templates-5min"),
    }
}
