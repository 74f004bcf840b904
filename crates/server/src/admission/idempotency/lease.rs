//! When a claim's owner counts as dead. Pure: the observer's own monotonic time is an argument.

use std::time::{Duration, Instant};

/// What an observer knows of a claim that another process holds.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lease: Duration,
    /// Two looks further apart than this do not prove that nothing happened between them.
    longest_gap: Duration,
    beat: i64,
    unchanged_since: Instant,
    looked: Instant,
}

/// Whether the owner shows a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pulse {
    Alive,
    Dead,
}

impl LeaseWatch {
    /// Begins to watch a claim whose heartbeat counter stands at `beat`. Whoever looks less often than the heart beats, but at
    /// least four times a lease, has looked often enough: the rest of the lease is time for another beat.
    pub(super) fn new(lease: Duration, heartbeat: Duration, beat: i64, now: Instant) -> LeaseWatch {
        LeaseWatch { lease, longest_gap: heartbeat.max(lease / 4), beat, unchanged_since: now, looked: now }
    }

    /// Notes that the counter stands at `beat`. The owner is dead once it stood still for the whole lease under the
    /// observer's eyes. A gap in the looking (the database was away, this process was stopped) starts the wait anew:
    /// whatever stopped the observer may have stopped the owner too, and it must have time to beat again.
    pub(super) fn look(&mut self, beat: i64, now: Instant) -> Pulse {
        if beat != self.beat || now.duration_since(self.looked) > self.longest_gap {
            self.beat = beat;
            self.unchanged_since = now;
        }
        self.looked = now;
        if now.duration_since(self.unchanged_since) >= self.lease { Pulse::Dead } else { Pulse::Alive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const GAP: Duration = Duration::from_secs(5);

    /// What an observer concludes from looks given as (milliseconds, beat).
    fn pulses(looks: &[(u64, i64)]) -> Vec<Pulse> {
        let start = Instant::now();
        let mut watch = LeaseWatch::new(LEASE, GAP, 1, start);
        looks.iter().map(|(at_ms, beat)| watch.look(*beat, start + Duration::from_millis(*at_ms))).collect()
    }

    #[test]
    fn an_owner_is_dead_when_its_counter_stood_still_for_the_whole_lease() {
        let looks: Vec<(u64, i64)> = (1..=30).map(|half_seconds| (half_seconds * 500, 1)).collect();
        let pulses = pulses(&looks);

        assert!(pulses[..29].iter().all(|pulse| *pulse == Pulse::Alive));
        assert_eq!(pulses[29], Pulse::Dead);
    }

    #[test]
    fn a_beat_at_the_last_moment_starts_the_lease_anew() {
        let mut looks: Vec<(u64, i64)> = (1..=29).map(|half_seconds| (half_seconds * 500, 1)).collect();
        looks.extend((30..=58).map(|half_seconds| (half_seconds * 500, 2)));
        looks.push((30_000, 2));
        let pulses = pulses(&looks);

        assert!(pulses[..58].iter().all(|pulse| *pulse == Pulse::Alive));
        assert_eq!(pulses[58], Pulse::Dead, "15 s after the beat was seen");
    }

    #[test]
    fn an_observer_that_did_not_look_gives_the_owner_time_to_beat_again() {
        assert_eq!(pulses(&[(500, 1), (3_600_000, 1), (3_600_500, 1)]), [Pulse::Alive; 3]);
        assert_eq!(pulses(&[(5_000, 1), (10_000, 1), (15_000, 1)]), [Pulse::Alive, Pulse::Alive, Pulse::Dead]);
    }
}
