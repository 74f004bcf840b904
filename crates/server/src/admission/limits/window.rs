//! One sliding window: the moments at which requests passed, and what the bounds on them leave. Pure; time is the
//! steady milliseconds of the caller, which never run backwards.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::num::NonZeroU32;

/// The window that a limit is stated for.
pub(super) const MINUTE_MS: i64 = 60_000;
/// The window over which a burst must be paid back.
pub(super) const FIVE_MINUTES_MS: i64 = 300_000;

/// How many requests pass: `limit + burst` in any rolling minute, `5 × limit` in any five of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    limit: NonZeroU32,
    burst: u32,
}

impl Rate {
    /// A rate of `limit` a minute, and `burst` on top as long as five minutes bring no more than `5 × limit`.
    #[must_use]
    pub const fn new(limit: NonZeroU32, burst: u32) -> Rate {
        Rate { limit, burst }
    }

    /// The bounds that make it up. Without a burst the minute alone keeps five of them within `5 × limit`.
    pub(super) fn bounds(self) -> Bounds {
        let five_minutes = self.limit.get().saturating_mul(5);
        let minute = self.limit.get().saturating_add(self.burst).min(five_minutes);
        let minute = Bound { quota: minute, width_ms: MINUTE_MS };
        let five_minutes = (self.burst > 0).then_some(Bound { quota: five_minutes, width_ms: FIVE_MINUTES_MS });
        Bounds { minute, five_minutes }
    }
}

/// At most `quota` requests in any `width_ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bound {
    pub(super) quota: u32,
    pub(super) width_ms: i64,
}

/// What a [`Rate`] demands of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub(super) minute: Bound,
    pub(super) five_minutes: Option<Bound>,
}

impl Bounds {
    pub(super) fn iter(self) -> impl Iterator<Item = Bound> {
        [Some(self.minute), self.five_minutes].into_iter().flatten()
    }
}

/// What a bound, or several together, leave at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    /// Requests that would pass now, one after the other.
    pub(super) remaining: u32,
    /// How long until one more than these would pass, if none is sent meanwhile; 0 where nothing was used.
    pub(super) more_after_ms: i64,
}

impl Standing {
    /// The one that is closer to its end. It is what both together leave: the other does not hold the next one back.
    pub(super) fn tighter(self, other: Standing) -> Standing {
        match self.remaining.cmp(&other.remaining) {
            Ordering::Less => self,
            Ordering::Greater => other,
            Ordering::Equal if self.more_after_ms >= other.more_after_ms => self,
            Ordering::Equal => other,
        }
    }
}

/// The moments, oldest first, at which requests passed.
#[derive(Clone, Default, Debug)]
pub(super) struct Window {
    stamps: VecDeque<i64>,
}

impl Window {
    /// A window that remembers `stamps`, in any order.
    pub(super) fn remembering(mut stamps: Vec<i64>) -> Window {
        stamps.sort_unstable();
        Window { stamps: stamps.into() }
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = i64> + '_ {
        self.stamps.iter().copied()
    }

    /// Whether nothing that happened can matter at `now_ms` any more.
    pub(super) fn is_idle(&self, now_ms: i64) -> bool {
        self.stamps.back().is_none_or(|last| now_ms - last >= FIVE_MINUTES_MS)
    }

    /// Notes a request that passes at `now_ms`, and forgets what no bound looks at any more.
    pub(super) fn charge(&mut self, now_ms: i64) {
        while self.stamps.front().is_some_and(|first| now_ms - first >= FIVE_MINUTES_MS) {
            self.stamps.pop_front();
        }
        self.stamps.push_back(now_ms);
    }

    /// What `bound` leaves at `now_ms`. A stamp counts for as long as less than the width has gone by since.
    pub(super) fn standing(&self, bound: Bound, now_ms: i64) -> Standing {
        let before = self.stamps.partition_point(|stamp| now_ms - stamp >= bound.width_ms);
        let used = self.stamps.len() - before;
        let quota = bound.quota as usize;
        let remaining = quota.saturating_sub(used);
        // One more than `remaining` passes when all but `quota - remaining - 1` of the stamps have left the window.
        let more_after_ms = quota
            .checked_sub(remaining + 1)
            .and_then(|kept| self.stamps.len().checked_sub(kept + 1))
            .and_then(|last_to_leave| self.stamps.get(last_to_leave))
            .map_or(0, |stamp| stamp + bound.width_ms - now_ms);
        Standing { remaining: u32::try_from(remaining).unwrap_or(u32::MAX), more_after_ms }
    }

    /// What all of `bounds` together leave at `now_ms`.
    pub(super) fn standing_of_all(&self, bounds: Bounds, now_ms: i64) -> Standing {
        let minute = self.standing(bounds.minute, now_ms);
        bounds.five_minutes.map_or(minute, |bound| minute.tighter(self.standing(bound, now_ms)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(limit: u32, burst: u32) -> Rate {
        Rate::new(NonZeroU32::new(limit).unwrap(), burst)
    }

    /// The slow and obvious form: every moment a request passed, and a count by hand.
    struct Model {
        passed: Vec<i64>,
    }

    impl Model {
        fn allows(&self, rate: Rate, extra: u32, at_ms: i64) -> bool {
            let within = |width_ms: i64| {
                u32::try_from(self.passed.iter().filter(|stamp| at_ms - **stamp < width_ms).count()).unwrap()
            };
            let minute = within(60_000) + extra <= rate.limit.get() + rate.burst;
            let five = within(300_000) + extra <= 5 * rate.limit.get();
            minute && five
        }

        fn remaining(&self, rate: Rate, at_ms: i64) -> u32 {
            (0..).take_while(|more| self.allows(rate, more + 1, at_ms)).last().map_or(0, |last| last + 1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_judges_as_a_list_of_moments_does(
            limit in 1_u32..12,
            burst in 0_u32..12,
            gaps in prop::collection::vec(prop_oneof![Just(0_i64), 0_i64..500, 0_i64..20_000, Just(59_999), Just(60_000), Just(300_000)], 1..120),
        ) {
            let rate = rate(limit, burst);
            let bounds = rate.bounds();
            let mut window = Window::default();
            let mut model = Model { passed: Vec::new() };
            let mut now_ms = 0;
            for gap in gaps {
                now_ms += gap;
                let before = window.standing_of_all(bounds, now_ms);
                prop_assert_eq!(before.remaining, model.remaining(rate, now_ms));
                prop_assert_eq!(before.remaining > 0, model.allows(rate, 1, now_ms));
                if before.remaining > 0 {
                    window.charge(now_ms);
                    model.passed.push(now_ms);
                }
                let after = window.standing_of_all(bounds, now_ms);
                let one_more = after.remaining + 1;
                prop_assert!(after.more_after_ms > 0);
                prop_assert!(!model.allows(rate, one_more, now_ms + after.more_after_ms - 1), "it could be sooner");
                prop_assert!(model.allows(rate, one_more, now_ms + after.more_after_ms), "it is not true yet");
            }
        }
    }

    #[test]
    fn a_minute_of_burst_is_paid_back_within_five() {
        let bounds = rate(100, 100).bounds();
        let mut window = Window::default();
        let mut passed_by_minute = [0; 6];
        for (minute, passed) in passed_by_minute.iter_mut().enumerate() {
            let now_ms = i64::try_from(minute).unwrap() * MINUTE_MS;
            while window.standing_of_all(bounds, now_ms).remaining > 0 {
                window.charge(now_ms);
                *passed += 1;
            }
        }

        assert_eq!(passed_by_minute, [200, 200, 100, 0, 0, 200]);
    }

    #[test]
    fn what_is_announced_never_exceeds_what_really_passes() {
        let bounds = rate(10, 500).bounds();

        assert_eq!(bounds.minute.quota, 50);
    }

    #[test]
    fn an_unused_window_has_nothing_to_wait_for() {
        let standing = Window::default().standing_of_all(rate(3, 1).bounds(), 17);

        assert_eq!(standing, Standing { remaining: 4, more_after_ms: 0 });
    }

    #[test]
    fn a_tier_that_shrinks_lets_nothing_pass_until_it_fits() {
        let mut window = Window::default();
        for now_ms in 0..8 {
            window.charge(now_ms);
        }

        let standing = window.standing(Bound { quota: 3, width_ms: MINUTE_MS }, 10);

        // Six of the eight stamps, those of 0 to 5 ms, must leave before one request fits.
        assert_eq!(standing, Standing { remaining: 0, more_after_ms: 5 + MINUTE_MS - 10 });
    }
}
