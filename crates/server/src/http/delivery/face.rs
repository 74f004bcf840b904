//! What a file shows of itself: the headers of every answer about it.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, InvalidHeaderValue,
    LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue};

use crate::clock::Timestamp;
use crate::http::conditions::{self, Validators};
use crate::media::{Disposition, Media};

/// A hosted URL stands for the same bytes for ever.
const CACHE_FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A browser that opens a video shows it in a page of its own making: with less than this it would refuse to play it.
const CSP_INLINE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
);
const CSP_ATTACHMENT: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// The headers of a file that do not depend on what is asked of it. Made once, then only copied by reference.
#[derive(Debug)]
pub(super) struct Face {
    etag: HeaderValue,
    last_modified: HeaderValue,
    modified_unix_s: u64,
    content_type: HeaderValue,
    content_disposition: HeaderValue,
    content_security_policy: HeaderValue,
}

impl Face {
    /// The face of a media entry; fails only for a row that this program did not write.
    pub(super) fn of(media: &Media) -> Result<Face, InvalidHeaderValue> {
        let modified_unix_s = u64::try_from(media.created.0 / 1000).unwrap_or(0);
        let disposition = soku_media::content_disposition(media.disposition.as_str(), &media.filename);
        Ok(Face {
            etag: HeaderValue::try_from(format!("\"{}\"", media.sha256))?,
            last_modified: HeaderValue::try_from(conditions::http_date(modified_unix_s))?,
            modified_unix_s,
            content_type: HeaderValue::from_str(&media.content_type)?,
            content_disposition: HeaderValue::try_from(disposition)?,
            content_security_policy: match media.disposition {
                Disposition::Inline => CSP_INLINE,
                Disposition::Attachment => CSP_ATTACHMENT,
            },
        })
    }

    /// What conditional requests are judged by.
    pub(super) fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_bytes(), modified_unix_s: self.modified_unix_s }
    }

    /// The headers of a 200 or 206 that goes out at `now`, but for the length and what a range changes.
    pub(super) fn describe(&self, headers: &mut HeaderMap, now: Timestamp) {
        self.describe_shortly(headers);
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert(CONTENT_DISPOSITION, self.content_disposition.clone());
        // Never later than the answer itself (RFC 9110 §8.8.2.1), as it would be after the clock was set back.
        if now.0.div_euclid(1000) >= i64::try_from(self.modified_unix_s).unwrap_or(i64::MAX) {
            headers.insert(LAST_MODIFIED, self.last_modified.clone());
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }

    /// The headers of a 304: those that guide caches and guard browsers.
    pub(super) fn describe_shortly(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.etag.clone());
        headers.insert(CACHE_CONTROL, CACHE_FOR_EVER);
        headers.insert(CONTENT_SECURITY_POLICY, self.content_security_policy.clone());
    }
}
