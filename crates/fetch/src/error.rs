//! Why a fetch failed. What of it a client sees, and with which status, is not decided here.

use std::error::Error;
use std::io;

use crate::dial::DialError;
use crate::url::LocationRefused;
use crate::verdict::ContentRefused;

/// A cause from below, for the log alone.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The reasons, one for each word of the contract's closed list.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The host is not public, or resolves to nothing public.
    #[error("the host is not a public address")]
    AddressNotPublic,
    /// The port is not among those that may be dialled.
    #[error("the port may not be dialled")]
    PortBlocked,
    /// A `Location` carries a user name or password.
    #[error("the source redirects to a URL with credentials")]
    CredentialsInUrl,
    /// A `Location` leaves http and https.
    #[error("the source redirects to another scheme than http and https")]
    RedirectRefused,
    /// The verdict on the first bytes was no.
    #[error("the content is not wanted")]
    ContentRefused(#[source] ContentRefused),
    /// Declared, on the wire or decoded, it is larger than the limit.
    #[error("the file is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The name could not be resolved.
    #[error("could not resolve the host's name")]
    DnsFailed(#[source] DialError),
    /// No address accepted a connection.
    #[error("could not connect to the source")]
    ConnectFailed(#[source] DialError),
    /// No address answered in time.
    #[error("the source did not accept a connection in time")]
    ConnectTimeout,
    /// The certificate, the name or the handshake was wrong.
    #[error("could not agree on TLS with the source")]
    TlsFailed(#[source] DialError),
    /// The handshake took too long.
    #[error("the source did not finish the TLS handshake in time")]
    TlsTimeout,
    /// The head of the answer took too long.
    #[error("the source did not answer in time")]
    FirstByteTimeout,
    /// The connection ended before a full head.
    #[error("the source closed the connection before it answered")]
    ConnectionLost(#[source] Cause),
    /// The final status is none that brings a file.
    #[error("the source answered {status}")]
    SourceStatus {
        /// The status.
        status: u16,
        /// The source's `Retry-After` in whole seconds.
        retry_after: Option<u64>,
    },
    /// The chain of redirects is too long.
    #[error("the source redirects too often")]
    TooManyRedirects,
    /// Too many bytes, fields or interim answers in the head.
    #[error("the head of the source's answer is too large")]
    HeadersTooLarge,
    /// The answer breaks the protocol.
    #[error("the source's answer has {what}")]
    BadResponse {
        /// What is wrong with it.
        what: &'static str,
        /// The cause, where a library found it.
        #[source]
        source: Option<Cause>,
    },
    /// More than one content coding, or a transfer coding beside chunks.
    #[error("the source's answer has codings that cannot be undone")]
    UnsupportedEncoding,
    /// Decoding makes far more of it than a file has.
    #[error("the source's answer unfolds to more than {ratio} times its size")]
    CompressionRatio {
        /// The limit.
        ratio: u64,
    },
    /// The body is shorter than its framing says.
    #[error("the source's answer ended early")]
    Truncated(#[source] Option<Cause>),
    /// Nothing came for too long.
    #[error("the source stopped sending")]
    BodyStalled,
    /// It comes more slowly than is worth waiting for.
    #[error("the source sends too slowly")]
    TooSlow,
    /// All of it together took too long.
    #[error("the fetch took too long")]
    FetchTimeout,
    /// The spool's file system is full, or as full as it may become.
    #[error("the spool's file system is full")]
    StorageFull,
    /// The spool file could not be written.
    #[error("could not {operation} the spool file")]
    Storage {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    pub(crate) fn bad_response(what: &'static str) -> FetchError {
        FetchError::BadResponse { what, source: None }
    }

    /// A full disk is its own reason, whichever call met it.
    pub(crate) fn storage(operation: &'static str, source: io::Error) -> FetchError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::StorageFull,
            _ => FetchError::Storage { operation, source },
        }
    }

    /// Errors travel through readers as `io::Error`; this takes ours out again, and gives what is not ours back.
    pub(crate) fn unwrap_io(error: io::Error) -> Result<FetchError, io::Error> {
        error.downcast::<FetchError>()
    }
}

impl From<DialError> for FetchError {
    fn from(error: DialError) -> FetchError {
        match error {
            DialError::AddressNotPublic => FetchError::AddressNotPublic,
            DialError::PortBlocked => FetchError::PortBlocked,
            DialError::Dns { .. } => FetchError::DnsFailed(error),
            DialError::ConnectFailed { .. } => FetchError::ConnectFailed(error),
            DialError::ConnectTimeout => FetchError::ConnectTimeout,
            DialError::TlsFailed { .. } => FetchError::TlsFailed(error),
            DialError::TlsTimeout => FetchError::TlsTimeout,
        }
    }
}

impl From<LocationRefused> for FetchError {
    fn from(refused: LocationRefused) -> FetchError {
        match refused {
            LocationRefused::Unreadable => FetchError::bad_response("a Location that is no URL"),
            LocationRefused::Scheme => FetchError::RedirectRefused,
            LocationRefused::Credentials => FetchError::CredentialsInUrl,
        }
    }
}

/// The innermost `io::Error` of a chain of causes.
pub(crate) fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    let mut found = None;
    while let Some(current) = next {
        found = current.downcast_ref::<io::Error>().or(found);
        next = current.source();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_its_own_reason_whichever_call_meets_it() {
        for full in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            assert!(matches!(FetchError::storage("write", full.into()), FetchError::StorageFull), "{full:?}");
        }
        let broken = FetchError::storage("sync", rustix::io::Errno::IO.into());
        assert_eq!(broken.to_string(), "could not sync the spool file");
        assert!(broken.source().is_some_and(|source| !broken.to_string().contains(&source.to_string())));
    }
}
