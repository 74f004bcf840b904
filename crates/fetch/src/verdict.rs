//! The question that a caller answers about the first bytes of a body, before the rest of it is loaded.

/// How many decoded bytes a verdict sees at most.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What is known when the first bytes are there.
#[derive(Clone, Copy, Debug)]
pub struct FirstBytes<'a> {
    /// The first decoded bytes: 64 KiB, or the whole file if it is smaller.
    pub head: &'a [u8],
    /// The source's `Content-Type`, as sent.
    pub content_type: Option<&'a [u8]>,
    /// Whether the head is the whole file.
    pub complete: bool,
}

/// The caller does not want this content.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the content is `{}`", self.detected_type.escape_debug())]
pub struct ContentRefused {
    /// What the bytes are, as a MIME type.
    pub detected_type: String,
}

/// Looks at the first bytes and says whether the rest is wanted.
pub type Verdict<'a> = dyn Fn(&FirstBytes<'_>) -> Result<(), ContentRefused> + Send + Sync + 'a;
