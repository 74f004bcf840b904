//! What of HTTP's own rules the library lets through: a head that is too large, and a missing, doubled or invalid `Host`.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::{Request, Version};

use crate::http::error::Refusal;

/// Refuses a request by its head.
///
/// # Errors
/// 431 where the head has more than `max_bytes`, 400 for its `Host`.
pub(super) fn judge<B>(request: &Request<B>, max_bytes: usize) -> Result<(), Refusal> {
    if size_bytes(request) > max_bytes {
        return Err(Refusal::head_too_large(max_bytes));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => Ok(()),
        (None, _) => Err(refuse_host("The 'Host' header is missing.")),
        (Some(_), Some(_)) => Err(refuse_host("The 'Host' header is sent more than once.")),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(refuse_host("The value of the 'Host' header is not a host.")),
    }
}

/// No reason of the closed list is about a header like this one: the field says it.
fn refuse_host(message: &'static str) -> Refusal {
    Refusal::bad_request(message).about("Host")
}

/// The head as it is usually written.
fn size_bytes<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let prefix = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let first_line = request.method().as_str().len() + prefix + authority + path + "  HTTP/1.1\r\n".len();
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    first_line + lines.sum::<usize>() + "\r\n".len()
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9112 §3.2), the host not being empty: the address of every request here has
/// one (RFC 9110 §4.2.1).
fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (is_host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else { return false };
        (address.parse::<Ipv6Addr>().is_ok(), rest)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_name(name), port)
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty() || (digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        }
        None => port.is_empty(),
    };
    is_host && is_port
}

/// `reg-name` (RFC 3986 §3.2.2), which an IPv4 address is too.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let is_right = match byte {
            b'%' => {
                bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte),
        };
        if !is_right {
            return false;
        }
    }
    !name.is_empty()
}
