//! What is worth another try, when, and how often.

use std::io;
use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::error::{FetchError, io_cause};
use crate::limits::Limits;

/// The longest wait that is passed on, in seconds: a year. A source that says more, or a number that no client's arithmetic
/// holds, means «never» as much.
const LONGEST_TOLD_S: u64 = 365 * 24 * 60 * 60;

/// A try that brought no file.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: FetchError,
    pub(crate) worth_another_try: bool,
}

impl Failed {
    /// The source may well do better if it is asked anew, whatever its fault is called.
    pub(crate) fn again(error: FetchError) -> Failed {
        Failed { error, worth_another_try: true }
    }
}

impl From<FetchError> for Failed {
    fn from(error: FetchError) -> Failed {
        let worth_another_try = match &error {
            FetchError::ConnectionLost(_) | FetchError::Truncated(_) => true,
            FetchError::ConnectFailed(cause) => io_cause(cause).is_some_and(|cause| {
                matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
            }),
            FetchError::SourceStatus { status, .. } => matches!(status, 408 | 429 | 502 | 503 | 504),
            FetchError::AddressNotPublic
            | FetchError::PortBlocked
            | FetchError::CredentialsInUrl
            | FetchError::RedirectRefused
            | FetchError::ContentRefused(_)
            | FetchError::TooLarge { .. }
            | FetchError::DnsFailed(_)
            | FetchError::ConnectTimeout
            | FetchError::TlsFailed(_)
            | FetchError::TlsTimeout
            | FetchError::FirstByteTimeout
            | FetchError::TooManyRedirects
            | FetchError::HeadersTooLarge
            | FetchError::BadResponse { .. }
            | FetchError::UnsupportedEncoding
            | FetchError::CompressionRatio { .. }
            | FetchError::BodyStalled
            | FetchError::TooSlow
            | FetchError::FetchTimeout
            | FetchError::StorageFull
            | FetchError::Storage { .. } => false,
        };
        Failed { error, worth_another_try }
    }
}

/// Counts the tries in a row that brought no byte beyond the furthest point so far.
pub(crate) struct Tries<'a> {
    limits: &'a Limits,
    furthest: u64,
    fruitless: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Tries<'a> {
        Tries { limits, furthest: 0, fruitless: 0 }
    }

    /// How long to wait before another try, or the error that the fetch ends in.
    pub(crate) fn after(&mut self, failed: Failed, reached: u64) -> Result<Duration, FetchError> {
        if reached > self.furthest {
            self.furthest = reached;
            self.fruitless = 0;
        } else {
            self.fruitless += 1;
        }
        if !failed.worth_another_try || self.fruitless >= self.limits.tries {
            return Err(failed.error);
        }
        if let FetchError::SourceStatus { retry_after: Some(seconds), .. } = failed.error {
            let wait = Duration::from_secs(seconds);
            return if wait > self.limits.longest_retry_after { Err(failed.error) } else { Ok(wait) };
        }
        Ok(self.limits.backoff * 2u32.saturating_pow(self.fruitless.saturating_sub(1)))
    }
}

/// The error of a final status, with the source's `Retry-After` in seconds from when it answered,
/// a year at most.
pub(crate) fn source_status(status: StatusCode, headers: &HeaderMap, answered_at: SystemTime) -> FetchError {
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| {
        let text = value.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(text.parse().unwrap_or(LONGEST_TOLD_S).min(LONGEST_TOLD_S));
        }
        let at = httpdate::parse_http_date(text).ok()?;
        let wait = at.duration_since(answered_at).unwrap_or_default();
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).min(LONGEST_TOLD_S))
    });
    FetchError::SourceStatus { status: status.as_u16(), retry_after }
}
