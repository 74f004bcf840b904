//! How far a running fetch is, for whoever watches it from another task.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that a fetch keeps up to date.
#[derive(Debug, Default)]
pub struct Progress {
    received: AtomicU64,
    expected: AtomicU64,
}

impl Progress {
    /// Nothing received, nothing known.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// Bytes of the body so far, as they come over the wire. It falls when a fetch starts over.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How many bytes the body has, where the source said so.
    pub fn expected(&self) -> Option<u64> {
        Some(self.expected.load(Ordering::Relaxed)).filter(|&bytes| bytes > 0)
    }

    pub(crate) fn set_received(&self, bytes: u64) {
        self.received.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_expected(&self, bytes: Option<u64>) {
        self.expected.store(bytes.unwrap_or(0), Ordering::Relaxed);
    }
}
