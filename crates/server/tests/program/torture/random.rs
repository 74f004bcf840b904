//! Chance that can be repeated: the seed is printed, and `SOKU_TORTURE_SEED` gives it back.

use std::time::Duration;

/// A small generator (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// From the environment's seed, else from a new one.
    pub(super) fn seeded() -> Random {
        let seed = std::env::var("SOKU_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
            u64::from(u32::from_le_bytes(bytes))
        });
        eprintln!("SOKU_TORTURE_SEED={seed} repeats these choices");
        Random(seed)
    }

    /// Another one that depends on this one.
    pub(super) fn child(&mut self) -> Random {
        Random(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a usize fits");
        usize::try_from(self.next() % end).expect("it is below a usize")
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }

    pub(super) fn up_to(&mut self, longest: Duration) -> Duration {
        longest * u32::try_from(self.below(1_000)).expect("a small number") / 1_000
    }
}
