//! From what went wrong in the fetch to the closed list: one line each.

use soku_api::Reason;
use soku_fetch::FetchError;

use crate::failure::{Failure, is_out_of_files};

/// The failure that a client sees for `error`; its cause stays behind.
pub(super) fn from_fetch(error: &FetchError) -> Failure {
    let reason = match error {
        error if is_out_of_files(error) => Reason::NotReady,
        FetchError::AddressNotPublic => Reason::AddressNotPublic,
        FetchError::PortBlocked => Reason::PortBlocked,
        FetchError::CredentialsInUrl => Reason::CredentialsInUrl,
        FetchError::RedirectRefused => Reason::RedirectRefused,
        FetchError::ContentRefused(_) => Reason::NotMedia,
        FetchError::TooLarge { .. } => Reason::TooLarge,
        FetchError::DnsFailed { .. } => Reason::DnsFailed,
        FetchError::ConnectFailed { .. } => Reason::ConnectFailed,
        FetchError::ConnectTimeout => Reason::ConnectTimeout,
        FetchError::TlsFailed { .. } => Reason::TlsFailed,
        FetchError::TlsTimeout => Reason::TlsTimeout,
        FetchError::FirstByteTimeout => Reason::FirstByteTimeout,
        FetchError::ConnectionLost { .. } => Reason::ConnectionLost,
        FetchError::SourceStatus { .. } => Reason::SourceStatus,
        FetchError::TooManyRedirects => Reason::TooManyRedirects,
        FetchError::HeadersTooLarge => Reason::HeadersTooLarge,
        FetchError::BadResponse { .. } => Reason::BadResponse,
        FetchError::UnsupportedEncoding => Reason::UnsupportedEncoding,
        FetchError::CompressionRatio { .. } => Reason::CompressionRatio,
        FetchError::Truncated(_) => Reason::Truncated,
        FetchError::BodyStalled => Reason::BodyStalled,
        FetchError::TooSlow => Reason::TooSlow,
        FetchError::FetchTimeout => Reason::FetchTimeout,
        FetchError::StorageFull => Reason::StorageFull,
        FetchError::Storage { .. } => Reason::StorageFailed,
    };
    let mut failure = Failure::from(reason);
    match error {
        FetchError::ContentRefused(refused) => failure.detected_type = Some(refused.detected_type.clone()),
        FetchError::TooLarge { limit_bytes } => failure.limit_bytes = Some(*limit_bytes),
        FetchError::SourceStatus { status, retry_after } => {
            failure.source_status = Some(*status);
            failure.retry_after = *retry_after;
        }
        _ => {}
    }
    failure
}
