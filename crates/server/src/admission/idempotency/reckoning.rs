//! The time by which keys are remembered: the wall clock's, except that it follows slowly where that one is set. A key is
//! then neither forgotten at once nor kept for an hour more, and rows of other processes are still read by one time.

use std::sync::{Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};

/// It goes faster or slower than time by so much at most: one part in so many.
const GENTLE: i64 = 8;
/// Where it is further apart from the wall clock than this, which is the longest that a key is remembered, it follows at
/// once: a machine that began in 1970 would never arrive.
const FURTHEST_MS: i64 = 24 * 60 * 60 * 1_000;
/// Closer than this is the same: two clocks are never read in the same moment.
const SAME_MS: u64 = 50;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Reckoning {
    clock: Clock,
    state: Mutex<State>,
}

/// Pure: what both clocks show is an argument.
#[derive(Clone, Copy, Debug)]
struct State {
    /// What must be added to the steady time.
    apart_ms: i64,
    /// Up to when the way to the wall clock is gone.
    gone_to_ms: i64,
}

impl Reckoning {
    pub(super) fn new(clock: Clock) -> Reckoning {
        let state = State::at(clock.now(), clock.steady_ms());
        Reckoning { clock, state: Mutex::new(state) }
    }

    pub(super) fn now(&self) -> Timestamp {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.look(self.clock.now(), self.clock.steady_ms())
    }
}

impl State {
    fn at(wall: Timestamp, steady_ms: i64) -> State {
        State { apart_ms: wall.0.saturating_sub(steady_ms), gone_to_ms: steady_ms }
    }

    fn look(&mut self, wall: Timestamp, steady_ms: i64) -> Timestamp {
        let target_ms = wall.0.saturating_sub(steady_ms);
        let way_ms = target_ms.saturating_sub(self.apart_ms);
        if way_ms.saturating_abs() > FURTHEST_MS {
            *self = State::at(wall, steady_ms);
        } else if way_ms.unsigned_abs() < SAME_MS {
            self.gone_to_ms = steady_ms;
        } else {
            // Whole milliseconds, so that many looks in a short time come as far as one.
            let longest_ms = (steady_ms - self.gone_to_ms) / GENTLE;
            self.apart_ms += way_ms.clamp(-longest_ms, longest_ms);
            self.gone_to_ms += longest_ms * GENTLE;
        }
        Timestamp(steady_ms.saturating_add(self.apart_ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp(1_772_280_000_000);
    const HOUR_MS: i64 = 3_600_000;
    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_clock_that_nobody_sets_is_followed_exactly() {
        let clock = Clock::manual(NOON);
        let reckoning = Reckoning::new(clock.clone());
        for passed_ms in [0, 1, 999, HOUR_MS, 48 * HOUR_MS] {
            clock.advance_ms(passed_ms);
            assert_eq!(reckoning.now(), clock.now());
        }
    }

    #[test]
    fn a_step_is_followed_by_one_part_in_eight_until_it_is_made_up_for() {
        for step_ms in [HOUR_MS, -HOUR_MS] {
            let clock = Clock::manual(NOON);
            let reckoning = Reckoning::new(clock.clone());
            clock.set_by_ms(step_ms);
            assert_eq!(reckoning.now(), NOON, "at first nothing");

            // Looked at often, as by requests, and seldom, as by the upkeep of an idle server.
            for _ in 0..4_000 {
                clock.advance_ms(3);
                let _ = reckoning.now();
            }
            clock.advance_ms(HOUR_MS - 12_000);
            assert_eq!(reckoning.now(), NOON.plus_ms(HOUR_MS + step_ms / GENTLE));
            for _ in 0..7 * 60 {
                clock.advance_ms(MINUTE_MS);
                let _ = reckoning.now();
            }
            assert_eq!(reckoning.now(), clock.now());
            clock.advance_ms(HOUR_MS);
            assert_eq!(reckoning.now(), clock.now());
        }
    }

    #[test]
    fn the_time_before_a_step_does_not_count_towards_it() {
        let clock = Clock::manual(NOON);
        let reckoning = Reckoning::new(clock.clone());
        clock.advance_ms(24 * HOUR_MS);
        let before = reckoning.now();
        clock.set_by_ms(HOUR_MS);

        assert_eq!(reckoning.now(), before);
    }

    #[test]
    fn a_clock_that_was_wrong_by_more_than_a_day_is_right_at_once() {
        let clock = Clock::manual(Timestamp(5_000));
        let reckoning = Reckoning::new(clock.clone());
        for step_ms in [NOON.0, -25 * HOUR_MS] {
            clock.set_by_ms(step_ms);
            assert_eq!(reckoning.now(), clock.now());
        }
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_faster_than_time_and_an_eighth(
            steps in prop::collection::vec((0..600_000_i64, prop_oneof![3 => Just(0), 1 => -HOUR_MS..HOUR_MS]), 1..60),
        ) {
            let clock = Clock::manual(NOON);
            let reckoning = Reckoning::new(clock.clone());
            let (mut known, mut since_known_ms, mut set_by_ms) = (NOON, 0, 0_i64);
            for (passed_ms, step_ms) in steps {
                // As long as it is no more than a day apart from the wall clock.
                let step_ms = if (set_by_ms + step_ms).abs() < 23 * HOUR_MS { step_ms } else { 0 };
                set_by_ms += step_ms;
                clock.set_by_ms(step_ms);
                clock.advance_ms(passed_ms);
                since_known_ms += passed_ms;

                let now = reckoning.now();

                prop_assert!(now >= known);
                // What was left of an eighth at the last look may come on top.
                prop_assert!(now.0 - known.0 <= since_known_ms + since_known_ms / GENTLE + 2);
                (known, since_known_ms) = (now, 0);
            }
        }
    }
}
