//! Directories made durable: one `fsync` for all who wait for it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A directory whose `fsync` is shared.
///
/// A call is served by the first `fsync` that begins after the call did, which therefore covers every entry the caller
/// made before it. So one alone begins at once, and those who come while one runs share the next.
#[derive(Debug)]
pub(super) struct SharedDir {
    dir: File,
    state: Mutex<State>,
    turned: Condvar,
}

/// Numbers of calls of `fsync`, which never overlap.
#[derive(Default, Debug)]
struct State {
    begun: u64,
    ended: u64,
    /// The last that failed. Errors may be reported once only, so a later success proves nothing to those before it.
    failed: u64,
    errno: i32,
}

impl SharedDir {
    pub(super) fn open(path: &Path) -> io::Result<SharedDir> {
        Ok(SharedDir { dir: File::open(path)?, state: Mutex::default(), turned: Condvar::new() })
    }

    /// Blocks until every entry that was made before this call is durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = state.begun + 1;
        while state.ended < mine {
            if state.begun == state.ended {
                state.begun += 1;
                drop(state);
                let outcome = self.dir.sync_all();
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.ended = state.begun;
                if let Err(error) = outcome {
                    state.failed = state.ended;
                    state.errno = error.raw_os_error().unwrap_or_default();
                }
                self.turned.notify_all();
            } else {
                state = self.turned.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        if state.failed >= mine { Err(io::Error::from_raw_os_error(state.errno)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_waiter_of_a_shared_sync_is_served_by_one_that_began_after_it() {
        let home = tempfile::tempdir().unwrap();
        let shared = Arc::new(SharedDir::open(home.path()).unwrap());

        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let begun_before = shared.state.lock().unwrap().begun;
                        shared.sync().unwrap();
                        assert!(shared.state.lock().unwrap().ended > begun_before);
                    }
                });
            }
        });

        let state = shared.state.lock().unwrap();
        assert_eq!(state.begun, state.ended);
        assert!(state.ended <= 320);
    }
}
