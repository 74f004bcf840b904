//! A URL that strangers gave us, parsed once by the WHATWG URL Standard.
//!
//! Everything later (host, port, request target, name) is read from this one result; no text of the
//! caller's is looked at again. Which addresses may be dialled is decided elsewhere (`address.rs`).

use std::fmt;

use percent_encoding::percent_encode_byte;
use url::{Host, Position, Url};

/// The longest URL that is taken, in bytes as it was written.
pub const MAX_URL_BYTES: usize = 8_192;

/// The longest URL after parsing: percent-encoding triples a byte, and relative redirects add up.
const MAX_PARSED_BYTES: usize = 4 * MAX_URL_BYTES;

/// An absolute `http` or `https` URL with a host, without user info and without fragment.
///
/// `Display` and `Debug` print [`SourceUrl::redacted`]: queries carry signatures.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl(Url);

/// Why a text is no URL to fetch from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// Too long, no URL, not `http` or `https`, without a host, or with a zone id.
    #[error("not a valid HTTP or HTTPS URL")]
    Invalid,
    /// The URL carries a user name or a password.
    #[error("the URL carries a user name or a password")]
    Credentials,
}

/// Why a `Location` is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationRefused {
    /// Empty, too long, or nothing that the URL parser can make sense of.
    #[error("the location cannot be read")]
    Unreadable,
    /// It leads away from `http` and `https`.
    #[error("the location is neither HTTP nor HTTPS")]
    Scheme,
    /// It carries a user name or a password.
    #[error("the location carries a user name or a password")]
    Credentials,
}

/// What keeps a parsed URL from being a source, in the order of the checks.
enum Unfit {
    Scheme,
    Unreadable,
    Credentials,
}

impl SourceUrl {
    /// Parses what a caller sent: length, then syntax, then scheme and host, then user info.
    pub fn parse(text: &str) -> Result<SourceUrl, UrlRefused> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlRefused::Invalid);
        }
        let url = Url::parse(text).map_err(|_| UrlRefused::Invalid)?;
        SourceUrl::from_url(url).map_err(|unfit| match unfit {
            Unfit::Scheme | Unfit::Unreadable => UrlRefused::Invalid,
            Unfit::Credentials => UrlRefused::Credentials,
        })
    }

    /// Resolves the value of a `Location` field against this URL, by the same rules as a first URL.
    ///
    /// Raw UTF-8 and blanks are understood. Bytes that are no UTF-8 (Latin-1, mostly) are percent-encoded one by one,
    /// which is what the server meant in a path or query; in a host they make the location unreadable.
    pub fn join(&self, location: &[u8]) -> Result<SourceUrl, LocationRefused> {
        if location.len() > MAX_URL_BYTES || location.trim_ascii().is_empty() {
            return Err(LocationRefused::Unreadable);
        }
        let readable = match std::str::from_utf8(location) {
            Ok(text) => text.into(),
            Err(_) => escape_beyond_ascii(location),
        };
        let url = self.0.join(&readable).map_err(|_| LocationRefused::Unreadable)?;
        SourceUrl::from_url(url).map_err(|unfit| match unfit {
            Unfit::Scheme => LocationRefused::Scheme,
            Unfit::Unreadable => LocationRefused::Unreadable,
            Unfit::Credentials => LocationRefused::Credentials,
        })
    }

    fn from_url(mut url: Url) -> Result<SourceUrl, Unfit> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Unfit::Scheme);
        }
        let has_host = match url.host() {
            Some(Host::Domain(name)) => name.bytes().any(|byte| byte != b'.'),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            None => false,
        };
        if !has_host {
            return Err(Unfit::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some_and(|password| !password.is_empty()) {
            return Err(Unfit::Credentials);
        }
        // What is left of an empty user info (`http://:@host/`) must not reach the host header.
        url.set_password(None).map_err(|()| Unfit::Unreadable)?;
        url.set_fragment(None);
        if url.as_str().len() > MAX_PARSED_BYTES {
            return Err(Unfit::Unreadable);
        }
        Ok(SourceUrl(url))
    }

    /// The parsed URL, for what is not offered here.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The host: a name in lower-case ASCII, or an address.
    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("from_url takes no URL without a host")
    }

    /// The port that is dialled: the one written, or the scheme's.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().expect("http and https have a default port")
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Scheme, host, port and path: what may be logged and stored.
    pub fn redacted(&self) -> &str {
        &self.0[..Position::AfterPath]
    }

    /// What the path calls the file: its last segment, which may be empty.
    pub(crate) fn last_segment(&self) -> &str {
        self.0.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default()
    }

    /// The whole URL without its fragment: secret (queries carry signatures), only to be hashed.
    pub fn identity(&self) -> &str {
        self.0.as_str()
    }

    /// The value of the `Host` field: the host, and the port where it is not the scheme's own.
    pub fn host_header(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query, byte for byte as the URL parser gave them: what stands in the request line.
    pub fn request_target(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }
}

fn escape_beyond_ascii(location: &[u8]) -> std::borrow::Cow<'static, str> {
    let mut text = String::with_capacity(location.len() + 32);
    for &byte in location {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push_str(percent_encode_byte(byte));
        }
    }
    text.into()
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.redacted())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({})", self.redacted())
    }
}

#[cfg(test)]
mod tests;
