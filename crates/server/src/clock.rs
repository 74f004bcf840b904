//! The one source of the current time, so that tests can hold it still: the wall clock, which somebody may set, and a
//! steady one, which nobody can.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// A moment as milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment moved by `ms` milliseconds, forwards or backwards.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    /// RFC 3339 in UTC with milliseconds and `Z`, for example `2026-02-28T12:00:00.000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        format!("{moment:.3}")
    }

    /// Reads an RFC 3339 moment; `None` where the text is not one.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_millisecond()))
    }
}

/// Where the time comes from: the system, or hands that a test moves.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    Manual(Arc<Hands>),
}

/// What a manual clock shows.
#[derive(Debug)]
pub struct Hands {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Clock {
    /// A clock that stands at `start` until [`Clock::advance_ms`] or [`Clock::set_by_ms`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Clock {
        Clock::Manual(Arc::new(Hands { wall: AtomicI64::new(start.0), steady: AtomicI64::new(0) }))
    }

    /// The current moment as everybody else knows it: for what is shown, stored, or compared with a date from outside.
    /// It may be set at any time, forwards or backwards.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's time")]
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Clock::Manual(hands) => Timestamp(hands.wall.load(Ordering::SeqCst)),
        }
    }

    /// Milliseconds since some beginning, the same for every process since the machine was started, the time that it
    /// slept included: for how long something took or lasts. Nobody can set it.
    #[must_use]
    pub fn steady_ms(&self) -> i64 {
        match self {
            Clock::System => {
                let since_boot = clock_gettime(ClockId::Boottime);
                since_boot.tv_sec.saturating_mul(1_000).saturating_add(since_boot.tv_nsec / 1_000_000)
            }
            Clock::Manual(hands) => hands.steady.load(Ordering::SeqCst),
        }
    }

    /// Lets `ms` milliseconds go by on a manual clock; the system's clock does not move.
    pub fn advance_ms(&self, ms: i64) {
        if let Clock::Manual(hands) = self {
            hands.wall.fetch_add(ms, Ordering::SeqCst);
            hands.steady.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock's wall by `ms` milliseconds, forwards or backwards, while no time goes by.
    pub fn set_by_ms(&self, ms: i64) {
        if let Clock::Manual(hands) = self {
            hands.wall.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_steady_time_goes_on_and_counts_from_the_start_of_the_machine() {
        let first = Clock::System.steady_ms();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let passed = Clock::System.steady_ms() - first;

        assert!((20..60_000).contains(&passed), "{passed} ms");
        assert!(first > 0 && first < Clock::System.now().0 / 2, "{first} ms since the start");
    }

    #[test]
    fn a_timestamp_is_written_with_milliseconds_and_z() {
        assert_eq!(Timestamp(1_772_280_000_000).rfc3339(), "2026-02-28T12:00:00.000Z");
        assert_eq!(Timestamp::parse_rfc3339("2026-02-28T12:00:00Z"), Some(Timestamp(1_772_280_000_000)));
        assert_eq!(Timestamp::parse_rfc3339("tomorrow"), None);
    }
}
