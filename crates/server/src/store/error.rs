//! How the store fails, in the words of those who must act on it.

use std::error::Error as StdError;
use std::io;

/// A failure of the store. Which library or system call it was stays in the chain of sources.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the bucket's quota is used up.
    #[error("no space is left to {operation}")]
    Full { operation: String, source: Cause },
    /// Away or overloaded: worth another try later.
    #[error("the store could not be reached to {operation}")]
    Unavailable { operation: String, source: Cause },
    /// The row says that it exists, the store says that it does not.
    #[error("no object is kept for media `{id}`")]
    Missing { id: String },
    #[error("could not {operation}")]
    Failed { operation: String, source: Cause },
}

/// What lies under a [`StoreError`].
pub type Cause = Box<dyn StdError + Send + Sync>;

impl StoreError {
    /// Sorts an I/O error of the local store.
    pub(super) fn io(operation: impl Into<String>, error: io::Error) -> StoreError {
        let operation = operation.into();
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            StoreError::Full { operation, source: error.into() }
        } else {
            StoreError::Failed { operation, source: error.into() }
        }
    }

    pub(super) fn failed(operation: impl Into<String>, source: impl Into<Cause>) -> StoreError {
        StoreError::Failed { operation: operation.into(), source: source.into() }
    }
}
