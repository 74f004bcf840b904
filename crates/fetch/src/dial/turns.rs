//! Turns at an address: one source sees a bounded number of our connections, and the rest wait in line.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The lines at all addresses that are in use or waited for; an address nobody wants has no entry.
pub(super) struct Turns {
    limit: usize,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines(Mutex<HashMap<IpAddr, Line>>);

struct Line {
    places: Arc<Semaphore>,
    /// Those who hold a turn or wait for one.
    interested: usize,
}

/// The right to one connection to an address; dropping it lets the next one in.
pub(super) struct Turn {
    // Dropped in this order: the place is free before the line may go.
    _place: OwnedSemaphorePermit,
    _interest: Interest,
}

struct Interest {
    address: IpAddr,
    lines: Arc<Lines>,
}

impl Turns {
    pub(super) fn new(limit: usize) -> Turns {
        Turns { limit: limit.max(1), lines: Arc::default() }
    }

    /// Stands in line at an address from now on; the future is done when it is our turn.
    pub(super) fn wait(&self, address: IpAddr) -> impl Future<Output = Turn> + Send + use<> {
        let places = {
            let mut lines = self.lines.lock();
            let line = lines
                .entry(address)
                .or_insert_with(|| Line { places: Arc::new(Semaphore::new(self.limit)), interested: 0 });
            line.interested += 1;
            Arc::clone(&line.places)
        };
        let interest = Interest { address, lines: Arc::clone(&self.lines) };
        async move {
            let place = places.acquire_owned().await.expect("the semaphore is never closed");
            Turn { _place: place, _interest: interest }
        }
    }

    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        self.lines.lock().len()
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.address) {
            line.interested -= 1;
            if line.interested == 0 {
                lines.remove(&self.address);
            }
        }
    }
}
