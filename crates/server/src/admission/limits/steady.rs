//! Both clocks at once, for windows that are judged while the wall clock may be set.

use crate::clock::{Clock, Timestamp};

/// How far the wall clock may go apart from the steady one until it counts as set.
const SET_MS: u64 = 1_000;

/// One moment on both clocks: windows are judged by the steady one, headers and rows speak of the wall's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) steady_ms: i64,
    pub(super) wall: Timestamp,
}

impl Moment {
    pub(super) fn of(clock: &Clock) -> Moment {
        Moment { steady_ms: clock.steady_ms(), wall: clock.now() }
    }

    /// Whether the wall clock was set between `earlier` and this moment.
    pub(super) fn is_set_since(self, earlier: Moment) -> bool {
        let apart = |moment: Moment| moment.wall.0.saturating_sub(moment.steady_ms);
        apart(self).abs_diff(apart(earlier)) >= SET_MS
    }

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
