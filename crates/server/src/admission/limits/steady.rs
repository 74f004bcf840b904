//! Time that never runs backwards, for windows that are judged while the wall clock may be set.

use std::time::Instant;

use crate::clock::{Clock, Timestamp};

/// Milliseconds since an arbitrary beginning, never fewer than before.
pub(super) struct Steady {
    clock: Clock,
    began: Instant,
    latest_ms: i64,
}

impl Steady {
    pub(super) fn new(clock: Clock) -> Steady {
        Steady { clock, began: Instant::now(), latest_ms: 0 }
    }

    pub(super) fn now(&mut self) -> Moment {
        let wall = self.clock.now();
        let measured_ms = match &self.clock {
            Clock::System => i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX),
            Clock::Manual(_) => wall.0,
        };
        self.latest_ms = self.latest_ms.max(measured_ms);
        Moment { steady_ms: self.latest_ms, wall }
    }
}

/// One moment on both clocks: windows are judged by the steady one, headers and rows speak of the wall's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) steady_ms: i64,
    pub(super) wall: Timestamp,
}

impl Moment {
    /// A stamp as a row keeps it, so that another process, whose steady time began elsewhere, can read it.
    pub(super) fn wall_ms_of(self, stamp_ms: i64) -> i64 {
        self.wall.0.saturating_sub(self.steady_ms - stamp_ms)
    }

    /// A row's stamp on this process's steady time. The wall may have been set back since it was written: what lies in
    /// the future counts as just now, which locks nobody out for longer than the window itself.
    pub(super) fn stamp_of(self, wall_ms: i64) -> i64 {
        self.steady_ms.saturating_sub(self.wall.0.saturating_sub(wall_ms).max(0))
    }
}
