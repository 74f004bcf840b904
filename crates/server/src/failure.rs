//! Why an import did not come to be, in the words of the API's closed list: the one form in which a failure travels
//! from the room where it happened to all who waited for it, on this node or another.

use std::error::Error;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use soku_api::Reason;

/// A failed import. Carries nothing that a client may not see; the cause stays in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub reason: Reason,
    /// With [`Reason::NotMedia`]: what the bytes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_type: Option<String>,
    /// With [`Reason::TooLarge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// With [`Reason::SourceStatus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_status: Option<u16>,
    /// Whole seconds after which the source asked to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Failure {
        Failure { reason, detected_type: None, limit_bytes: None, source_status: None, retry_after: None }
    }
}

/// Whether `error` came about because this process or this machine may open no more files and sockets: neither the source
/// nor the storage is at fault, and it passes.
#[must_use]
pub fn is_out_of_files(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if matches!(io.and_then(Errno::from_io_error), Some(Errno::MFILE | Errno::NFILE)) {
            return true;
        }
        cause = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open")]
    struct Outer(#[source] io::Error);

    #[test]
    fn to_be_out_of_files_is_seen_under_every_cause() {
        assert!(is_out_of_files(&io::Error::from(Errno::MFILE)));
        assert!(is_out_of_files(&Outer(Errno::NFILE.into())));
        assert!(is_out_of_files(&Outer(io::Error::other(Outer(Errno::MFILE.into())))));
        assert!(is_out_of_files(&Outer(io::Error::other(io::Error::from(Errno::MFILE)))));
        assert!(!is_out_of_files(&Outer(Errno::NOENT.into())));
    }
}
