//! Whether a body comes fast enough. Pure: time is what the caller says it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::limits::Limits;

/// Samples in a window; the window is measured that exactly.
const STEPS: u32 = 30;

/// Measures a body over a sliding window of the time that was spent waiting for it.
///
/// Waiting alone counts: a source is not to blame while our own disk is busy.
pub(crate) struct Pace {
    bytes_per_second: u64,
    window: Duration,
    grace: Duration,
    total: u64,
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Pace {
        Pace {
            bytes_per_second: limits.slowest_bytes_per_second,
            window: limits.pace_window,
            grace: limits.pace_grace,
            total: 0,
            samples: VecDeque::new(),
        }
    }

    /// Takes bytes that came when so much time had been spent waiting; false when that is too slow.
    pub(crate) fn keeps_up(&mut self, waited: Duration, bytes: u64) -> bool {
        self.total += bytes;
        if waited < self.grace {
            return true;
        }
        if self.samples.back().is_none_or(|&(at, _)| waited - at >= self.window / STEPS) {
            self.samples.push_back((waited, self.total));
        }
        while self.samples.get(1).is_some_and(|&(at, _)| waited - at >= self.window) {
            self.samples.pop_front();
        }
        let Some(&(at, total)) = self.samples.front() else { return true };
        let span = waited - at;
        span < self.window || (self.total - total) as f64 >= self.bytes_per_second as f64 * span.as_secs_f64()
    }
}

/// The pace of one download over all its tries: a source that is cut, or cuts, and goes on elsewhere is as slow as all its
/// answers together. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedPace(Arc<Mutex<(Pace, Duration)>>);

impl SharedPace {
    pub(crate) fn new(limits: &Limits) -> SharedPace {
        SharedPace(Arc::new(Mutex::new((Pace::new(limits), Duration::ZERO))))
    }

    /// Takes bytes that came after so much more waiting; false when that is too slow.
    pub(crate) fn keeps_up(&self, waited: Duration, bytes: u64) -> bool {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pace, total) = &mut *shared;
        *total += waited;
        pace.keeps_up(*total, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(&Limits { slowest_bytes_per_second: 1000, ..Limits::default() })
    }

    /// Feeds so many bytes each second and says in which second it was too slow.
    fn too_slow_at(mut pace: Pace, seconds: u32, bytes: impl Fn(u32) -> u64) -> Option<u32> {
        (0..seconds).find(|&second| !pace.keeps_up(SECOND * second, bytes(second)))
    }

    #[test]
    fn a_body_at_the_limit_is_borne_for_ever() {
        assert_eq!(too_slow_at(pace(), 1800, |_| 1000), None);
    }

    #[test]
    fn a_body_below_the_limit_ends_when_its_first_window_after_the_grace_is_over() {
        assert_eq!(too_slow_at(pace(), 1800, |_| 990), Some(60));
    }

    #[test]
    fn a_slow_start_is_forgiven() {
        assert_eq!(too_slow_at(pace(), 1800, |second| if second < 30 { 1 } else { 1000 }), None);
    }

    #[test]
    fn a_fast_past_does_not_pay_for_a_slow_present() {
        let slow = too_slow_at(pace(), 1800, |second| if second < 100 { 1_000_000 } else { 10 });

        assert!(slow.is_some_and(|second| (129..=131).contains(&second)), "{slow:?}");
    }

    #[test]
    fn bursts_are_averaged_over_the_window() {
        assert_eq!(too_slow_at(pace(), 1800, |second| if second % 10 == 0 { 11_000 } else { 0 }), None);
    }

    #[test]
    fn memory_is_bounded_however_often_bytes_come() {
        let mut pace = pace();
        for millisecond in 0..200_000 {
            assert!(pace.keeps_up(Duration::from_millis(millisecond), 10));
        }
        assert!(pace.samples.len() <= STEPS as usize + 2, "{}", pace.samples.len());
    }
}
