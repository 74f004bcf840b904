//! The lock that lets one `serve` work in a data directory; in its file stands who holds it, and where it serves.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tracing::warn;

use super::data::{DataDir, DataDirError, failed, open_lock};

const FILE: &str = "serve.lock";

/// Who looks holds the lock for a moment, and must not keep a server from starting.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Held by the one `serve` of a data directory; dropping it, or dying, lets the next one in.
#[derive(Debug)]
pub struct ServeLock {
    file: File,
}

impl ServeLock {
    /// Takes the lock; waits half a second for it at most.
    ///
    /// # Errors
    /// [`DataDirError::Served`] where another process holds it, with its number if it can be read.
    pub fn take(data: &DataDir) -> Result<ServeLock, DataDirError> {
        let path = data.root().join(FILE);
        let file = open_lock(&path).map_err(failed("open", &path))?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let holder = holder.lines().next().and_then(|line| line.parse::<u32>().ok());
                    let process = holder.map(|number| format!(" (process {number})")).unwrap_or_default();
                    return Err(DataDirError::Served { path: data.root().to_owned(), process });
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
        let mut lock = ServeLock { file };
        lock.note(&format!("{}\n", std::process::id()), true);
        Ok(lock)
    }

    /// Leaves word of how hosted URLs begin, for the command line beside the server.
    pub fn announce(&mut self, public_base: &str) {
        self.note(&format!("{public_base}\n"), false);
    }

    /// The lock is what counts: on a full disk it does without words.
    fn note(&mut self, line: &str, anew: bool) {
        let emptied = if anew { self.file.set_len(0) } else { Ok(()) };
        if let Err(error) = emptied.and_then(|()| self.file.write_all(line.as_bytes())) {
            let error: &(dyn std::error::Error + 'static) = &error;
            warn!(error, "Could not write `{FILE}`: the command line does not know where this server listens");
        }
    }
}

/// How the hosted URLs of the server that runs on this data directory begin; `None` where none runs, or has not said.
#[must_use]
pub fn announced_base(data_dir: &Path) -> Option<String> {
    let path = data_dir.join(FILE);
    // What a dead server wrote is not believed.
    let is_served = match File::open(&path).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        Ok(()) | Err(TryLockError::Error(_)) => false,
    };
    if !is_served {
        return None;
    }
    let text = fs::read_to_string(&path).ok()?;
    let (base, _) = text.split_once('\n')?.1.split_once('\n')?;
    base.starts_with("http").then(|| base.to_owned())
}
