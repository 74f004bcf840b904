//! What clients write: URLs, addresses, ranges, conditions, keys, forwarded addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use soku_fetch::{LocationRefused, MAX_URL_BYTES, Policy, SourceUrl, UrlRefused};
use soku_server::admission::IdempotencyKey;
use soku_server::http::conditions::{Validators, Verdict};
use soku_server::http::range::{MAX_RANGES, Selection, content_range, multipart, select};

/// The first record is a URL, the second a `Location` met there (rules U1 to U3).
pub(crate) fn url(data: &[u8]) {
    let mut parts = super::records(data);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let url = match SourceUrl::parse(text) {
        Ok(url) => url,
        Err(UrlRefused::Invalid | UrlRefused::Credentials) => return,
    };
    assert!(text.len() <= MAX_URL_BYTES);
    sound(&url);
    // Characters that are encoded grow, up to beyond what is taken from a client.
    if url.identity().len() <= MAX_URL_BYTES {
        let again = SourceUrl::parse(url.identity()).expect("what was read once is read again");
        assert_eq!(again.identity(), url.identity(), "and is the same");
    }
    match url.join(parts.next().unwrap_or_default()) {
        Ok(next) => sound(&next),
        Err(LocationRefused::Unreadable | LocationRefused::Scheme | LocationRefused::Credentials) => {}
    }
}

fn sound(url: &SourceUrl) {
    let parsed = url.as_url();
    assert!(matches!(parsed.scheme(), "http" | "https") && parsed.has_host());
    assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none());
    let line = [url.host_header(), url.request_target()].concat();
    assert!(line.bytes().all(|byte| (b'!'..=b'~').contains(&byte)), "{line:?} would break a request");
    assert!(url.request_target().starts_with('/'));
    assert!(!url.redacted().contains(['?', '@', '#']) || parsed.path().contains('@'), "{}", url.redacted());
}

/// An address: 4 or 16 bytes and a port. Nothing outside of what a slow reading of the registries calls public is dialled.
pub(crate) fn address(data: &[u8]) {
    let (ip, rest): (IpAddr, &[u8]) = match data {
        [0, rest @ ..] if rest.len() >= 4 => (Ipv4Addr::new(rest[0], rest[1], rest[2], rest[3]).into(), &rest[4..]),
        [_, rest @ ..] if rest.len() >= 16 => {
            let bytes: [u8; 16] = rest[..16].try_into().expect("sixteen");
            (Ipv6Addr::from(bytes).into(), &rest[16..])
        }
        _ => return,
    };
    let port = match rest {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 443,
    };
    let dials = Policy::default().dials(SocketAddr::new(ip, port));
    let expected = is_public(ip) && [80, 443, 8080, 8443].contains(&port);
    assert_eq!(dials, expected, "{ip} port {port}");
}

/// Bit by bit, as the registries list them: no table of ours, no library's opinion.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4.to_bits()),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let low = u32::try_from(bits & 0xffff_ffff).expect("32 bits");
            let top = |length: u32, value: u128| bits >> (128 - length) == value;
            if top(96, 0xffff) || top(96, 0x0064_ff9b << 64) {
                return is_public_v4(low);
            }
            let global = top(3, 0b001)
                && !top(23, 0x2001_0000 >> 9)
                && !top(32, 0x2001_0db8)
                && !top(16, 0x2002)
                && !top(48, 0x2620_004f_8000)
                && !top(20, 0x0003_fff0);
            let isatap = matches!((bits >> 32) & 0xffff_ffff, 0x0000_5efe | 0x0200_5efe);
            global && (!isatap || is_public_v4(low))
        }
    }
}

fn is_public_v4(bits: u32) -> bool {
    let octets = bits.to_be_bytes();
    let special = match octets {
        [0 | 10 | 127, ..] | [224..=255, ..] => true,
        [100, second, ..] => (64..128).contains(&second),
        [169, 254, ..] | [192, 168, ..] | [198, 18 | 19, ..] => true,
        [172, second, ..] => (16..32).contains(&second),
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [192, 31, 196, _] | [192, 52, 193, _] | [192, 88, 99, _] | [192, 175, 48, _] => true,
        // Azure's wire server.
        [168, 63, 129, 16] => true,
        _ => false,
    };
    !special
}

/// Two bytes of size, then a `Range` header: what is selected lies inside the file and is framed to the byte.
pub(crate) fn range(data: &[u8]) {
    let [high, low, header @ ..] = data else { return };
    let size = u64::from(u16::from_be_bytes([*high, *low]));
    let ranges = match select(header, size) {
        Selection::Whole => return,
        Selection::Unsatisfiable => return assert!(size > 0),
        Selection::One(range) => vec![range],
        Selection::Several(ranges) => ranges,
    };
    assert!((1..=MAX_RANGES).contains(&ranges.len()));
    assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size), "{ranges:?} of {size}");
    let apart = |one: &Range<u64>, other: &Range<u64>| one.end <= other.start || other.end <= one.start;
    for (nth, range) in ranges.iter().enumerate() {
        assert!(ranges[nth + 1..].iter().all(|other| apart(range, other)), "{ranges:?} overlap");
        assert_eq!(content_range(range, size), format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    if ranges.len() > 1 {
        use soku_server::http::range::Piece;
        let body = multipart(&ranges, size, "video/mp4", "boundary");
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len() as u64,
            Piece::File(range) => range.end - range.start,
        };
        assert_eq!(body.pieces.iter().map(length).sum::<u64>(), body.length_bytes);
    }
}

const CONDITIONS: [&str; 5] = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

/// Records that begin with a byte for the header and go on with its value.
pub(crate) fn conditions(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for record in super::records(data).take(20) {
        let [which, value @ ..] = record else { continue };
        let name = HeaderName::from_static(CONDITIONS[usize::from(*which) % CONDITIONS.len()]);
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        headers.append(name, value);
    }
    let file = Validators { etag: b"\"0a\"", modified_unix_s: 1_790_000_000 };
    let verdict = file.judge(&headers);
    let has = |nth: usize| headers.contains_key(CONDITIONS[nth]);
    match verdict {
        Verdict::Failed => assert!(has(0) || has(3)),
        Verdict::NotModified => assert!(has(1) || has(2)),
        Verdict::Proceed => {}
    }
    if headers.is_empty() {
        assert!(verdict == Verdict::Proceed && file.range_counts(&headers));
    }
    // Another file's tag is never this one's.
    if !has(4) {
        assert!(file.range_counts(&headers));
    } else if file.range_counts(&headers) {
        let value = headers[CONDITIONS[4]].as_bytes();
        assert!(value.trim_ascii() == file.etag || value.ends_with(b"GMT") || value.is_ascii(), "{value:?}");
    }
}

/// The value of an `Idempotency-Key` header.
pub(crate) fn idempotency_key(data: &[u8]) {
    let good = (1..=255).contains(&data.len()) && data.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match IdempotencyKey::parse(data) {
        Ok(key) => {
            assert!(good);
            assert_eq!(key.as_str().strip_prefix("caller:").map(str::as_bytes), Some(data), "kept as it was sent");
        }
        Err(_) => assert!(!good),
    }
}

/// Records that are `X-Forwarded-For` lines, or `Forwarded` lines where they begin with `F`.
pub(crate) fn client_address(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for record in super::records(data).take(20) {
        let (name, value) = match record {
            [b'F', rest @ ..] => ("forwarded", rest),
            rest => ("x-forwarded-for", rest),
        };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        headers.append(HeaderName::from_static(name), value);
    }
    let peer: IpAddr = Ipv4Addr::new(10, 0, 0, 1).into();
    let stranger: IpAddr = Ipv4Addr::new(198, 51, 100, 7).into();
    let trusted: [IpNet; 1] = ["10.0.0.0/8".parse().expect("a network")];
    use soku_server::admission::client_address as client;
    assert_eq!(client(stranger, &headers, &trusted), stranger, "a stranger is believed nothing");
    assert_eq!(client(peer, &headers, &[]), peer);
    if headers.is_empty() {
        assert_eq!(client(peer, &headers, &trusted), peer);
    }
    let _ = client(peer, &headers, &trusted);
}
