//! A media entry as every floor above the database knows it.

use crate::clock::Timestamp;
use crate::id::{AccountId, MediaId};

/// One stored file: what its row says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    pub id: MediaId,
    pub account_id: AccountId,
    /// The safe file name, decoded: the URL's last segment is its percent-encoded form.
    pub filename: String,
    /// The media type, without parameters.
    pub content_type: String,
    pub disposition: Disposition,
    pub size_bytes: u64,
    /// SHA-256 of the stored bytes, 64 lower-case hex digits.
    pub sha256: String,
    /// Where it came from: scheme, host, port and path only (rule G1).
    pub source_url: String,
    pub created: Timestamp,
}

/// Whether a browser may show the file in place (rule V2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    Inline,
    Attachment,
}

impl Disposition {
    /// As rows and the `Content-Disposition` header spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Disposition::Inline => "inline",
            Disposition::Attachment => "attachment",
        }
    }

    /// The inverse of [`Disposition::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Disposition> {
        [Disposition::Inline, Disposition::Attachment].into_iter().find(|kind| kind.as_str() == text)
    }
}
