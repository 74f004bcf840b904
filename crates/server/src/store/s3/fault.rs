//! What an error of `object_store` means. It keeps status and answer of a failed request in its text alone.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use crate::id::MediaId;
use crate::store::error::StoreError;

/// How `object_store` words a status; nothing of a key or a URL can look like it, for there a blank is `%20`.
const STATUS: &str = "status code: ";
/// Codes by which S3-like servers say that a quota or a disk is full; in an answer's text `<` is always the answer's.
const FULL_CODES: [&str; 4] = [
    "<Code>QuotaExceeded</Code>",
    "<Code>XMinioStorageFull</Code>",
    "<Code>XMinioAdminBucketQuotaExceeded</Code>",
    "<Code>InsufficientStorage</Code>",
];

/// Sorts an error of an operation on the object of `id`.
pub(super) fn classify(operation: String, id: &MediaId, error: object_store::Error) -> StoreError {
    match error {
        // A bucket that is missing answers 404 too, but says so.
        object_store::Error::NotFound { .. }
            if !any_text(&error, |text| text.contains("<Code>NoSuchBucket</Code>")) =>
        {
            StoreError::Missing { id: id.to_string() }
        }
        error => unavailable_or_failed(operation, error),
    }
}

/// Sorts an error of an operation that has no object.
pub(super) fn unavailable_or_failed(operation: String, error: object_store::Error) -> StoreError {
    let status = |code: &str| any_text(&error, |text| text.contains(&format!("{STATUS}{code}")));
    if status("507") || any_text(&error, |text| FULL_CODES.iter().any(|code| text.contains(code))) {
        StoreError::Full { operation, source: error.into() }
    } else if status("5") || status("429") || status("408") || is_skewed(&error) || is_transport(&error) {
        StoreError::Unavailable { operation, source: error.into() }
    } else {
        StoreError::Failed { operation, source: error.into() }
    }
}

/// Whether the clocks of this machine and of the bucket are too far apart for a signature: one of them was set wrong, and
/// will be set right.
fn is_skewed(error: &object_store::Error) -> bool {
    any_text(error, |text| text.contains("<Code>RequestTimeTooSkewed</Code>"))
}

/// Whether no usable answer came at all.
fn is_transport(error: &object_store::Error) -> bool {
    let mut transport = chain(error).filter_map(|error| error.downcast_ref::<HttpError>());
    transport.any(|error| error.kind() != HttpErrorKind::Decode)
}

fn any_text(error: &object_store::Error, matches: impl Fn(&str) -> bool) -> bool {
    chain(error).any(|error| matches(&error.to_string()))
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}
