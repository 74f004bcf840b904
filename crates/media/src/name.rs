//! The name of a hosted file (contract §5, rules F1 to F3): chosen from what the source says, made safe, and carried in
//! URLs and headers. It never becomes a path: only a key and a URL are made of it.

mod disposition;
mod extension;
mod safe;
mod segment;

use std::borrow::Cow;
use std::fmt;

use url::Url;

pub use self::disposition::content_disposition;
pub use self::segment::{encode_segment, names_match};
use crate::verdict::Typed;

/// The longest name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 120;

/// The name when the source gives none.
const NAMELESS: &str = "media";

/// A safe file name: NFC, at most [`MAX_NAME_BYTES`], no path, with an extension that fits the type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> String {
        name.0
    }
}

/// Chooses the name of a file: the `Content-Disposition` of the answer, else the last path segment of the URL that was
/// asked for, else that of the URL that answered, else `media`.
#[must_use]
pub fn choose_name(disposition: Option<&[u8]>, requested: &Url, final_url: &Url, typed: &Typed) -> FileName {
    let given = disposition.into_iter().flat_map(disposition::names);
    let stated = [requested, final_url].into_iter().filter_map(last_segment);
    let harmless = given.chain(stated).map(|name| safe::clean(&name)).find(|name| !name.is_empty());
    let fitting = extension::fit(harmless.as_deref().unwrap_or(NAMELESS), typed);
    FileName(fitting)
}

/// The last path segment, percent-decoded once.
fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let bytes: Cow<'_, [u8]> = percent_encoding::percent_decode_str(segment).into();
    Some(text(&bytes))
}

/// Bytes as UTF-8 if they are that, else as Latin-1.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin_1(bytes), str::to_owned)
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
