//! The address that a request really comes from (rule K2): the socket's peer, or what trusted proxies say of it.

use std::net::{IpAddr, SocketAddr};

use ::http::HeaderMap;
use ipnet::IpNet;

/// The address to count a caller by. Headers are believed only as far as trusted proxies wrote them: they are read from
/// the right, and the first address that is not a trusted proxy's is the caller's. A value that is no address ends the
/// reading at the proxy that let it through. Where `X-Forwarded-For` and `Forwarded` are both there and differ, one of
/// them was not written by the proxy and nobody can say which, so neither is believed.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let by_x_forwarded_for = x_forwarded_for(headers).map(|hops| walk(peer, hops, trusted));
    let by_forwarded = forwarded(headers).map(|hops| walk(peer, hops, trusted));
    match (by_x_forwarded_for, by_forwarded) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Whether what this peer writes into headers is believed. An IPv4 address is the same in its IPv6 form.
#[must_use]
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
}

/// Follows the hops, the nearest last, for as long as each was written by a trusted proxy.
fn walk(peer: IpAddr, hops: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer;
    for hop in hops.into_iter().rev() {
        let (true, Some(further)) = (is_trusted(address, trusted), hop) else { break };
        address = further;
    }
    address
}

/// Every hop of `X-Forwarded-For`, the nearest last; `None` without the header.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = None;
    for line in headers.get_all("x-forwarded-for") {
        let elements = line.as_bytes().split(|byte| *byte == b',');
        hops.get_or_insert_with(Vec::new).extend(elements.map(|element| node_address(element.trim_ascii())));
    }
    hops
}

/// Every hop of `Forwarded` (RFC 7239), the nearest last; `None` without the header.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = None;
    for line in headers.get_all("forwarded") {
        let elements = split_unquoted(line.as_bytes(), b',');
        hops.get_or_insert_with(Vec::new).extend(elements.into_iter().map(forwarded_for));
    }
    hops
}

/// The `for` of one element; `None` where there is not exactly one, or it names no address.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut address = None;
    for pair in split_unquoted(element, b';') {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"for") {
            let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            if address.replace(node_address(unquoted.unwrap_or(value))?).is_some() {
                return None;
            }
        }
    }
    address
}

/// Splits at `separator`, but not inside double quotes.
fn split_unquoted(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (position, byte) in text.iter().enumerate() {
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(&text[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn node_address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    let bracketed = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed
        .map_or_else(|| node.parse().ok(), |inner| inner.parse().ok().map(IpAddr::V6))
        .or_else(|| node.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderName, HeaderValue};

    use super::*;

    const CLIENT: &str = "198.51.100.9";
    const PROXY: &str = "10.0.0.1";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The address found for a request from `peer` with these header lines, where `10.0.0.0/8` and `fd00::/8` are trusted.
    fn found(peer: &str, lines: &[(&'static str, &str)]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_address(address(peer), &headers, &trusted)
    }

    #[test]
    fn a_forged_forwarded_header_changes_nothing() {
        let stranger = "203.0.113.5";
        for forged in [("x-forwarded-for", CLIENT), ("forwarded", "for=198.51.100.9")] {
            assert_eq!(found(stranger, &[forged]), address(stranger), "nobody believes a peer that is not trusted");
        }

        let appended = [("x-forwarded-for", "127.0.0.1, 192.0.2.66, 198.51.100.9")];
        assert_eq!(found(PROXY, &appended), address(CLIENT), "only what the trusted proxy appended counts");

        let claims_to_be_the_proxy = [("x-forwarded-for", "192.0.2.66, 198.51.100.9, 10.0.0.7")];
        assert_eq!(found(PROXY, &claims_to_be_the_proxy), address(CLIENT));

        let both = [("x-forwarded-for", CLIENT), ("forwarded", "for=192.0.2.66")];
        assert_eq!(found(PROXY, &both), address(PROXY), "of two that differ, neither is believed");
        let no_proxies = HeaderMap::from_iter([(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_static("192.0.2.66"),
        )]);
        assert_eq!(client_address(address(PROXY), &no_proxies, &[]), address(PROXY), "by default nobody is trusted");
    }

    #[test]
    fn a_value_that_is_no_address_ends_at_the_proxy_that_let_it_through() {
        let hostile = [
            "",
            " ",
            ",",
            "unknown",
            "_hidden",
            "198.51.100.9%eth0",
            "fe80::1%25eth0",
            "1.2.3",
            "0x7f.1",
            "é",
            "198.51.100.9 198.51.100.10",
            "[198.51.100.9]",
            "[::1",
            "198.51.100.9:port",
            "198.51.100.9:99999",
        ];
        for value in hostile {
            assert_eq!(found(PROXY, &[("x-forwarded-for", value)]), address(PROXY), "{value:?}");
            let behind_another = format!("{value}, 10.0.0.2");
            assert_eq!(found(PROXY, &[("x-forwarded-for", &behind_another)]), address("10.0.0.2"), "{value:?}");
        }
        for value in ["for", "for=", "by=10.0.0.1", "for=\"", "for=a;for=198.51.100.9", "for=192.0.2.1;for=192.0.2.2"] {
            assert_eq!(found(PROXY, &[("forwarded", value)]), address(PROXY), "{value:?}");
        }
    }

    #[test]
    fn several_proxies_and_several_lines_are_read_as_one_list() {
        let lines = [("x-forwarded-for", "192.0.2.66, 198.51.100.9"), ("x-forwarded-for", "10.9.9.9 , fd00::3")];

        assert_eq!(found(PROXY, &lines), address(CLIENT));
    }

    #[test]
    fn a_request_that_began_inside_the_trusted_networks_is_its_first_hops() {
        assert_eq!(found(PROXY, &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]), address("10.0.0.3"));
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for written in ["198.51.100.9", "198.51.100.9:4711", "::ffff:198.51.100.9", "[::ffff:198.51.100.9]:80"] {
            assert_eq!(found(PROXY, &[("x-forwarded-for", written)]), address(CLIENT), "{written}");
        }
        for element in [
            "for=198.51.100.9",
            "For=\"198.51.100.9:4711\";proto=https;by=10.0.0.1",
            "host=\"a,b;for=192.0.2.66\";for=198.51.100.9",
            "host=\"\\\",for=192.0.2.66\" ; for=198.51.100.9",
            "for=192.0.2.66, for=\"[::ffff:198.51.100.9]:1\"",
        ] {
            assert_eq!(found(PROXY, &[("forwarded", element)]), address(CLIENT), "{element}");
        }
        assert_eq!(found("::ffff:10.0.0.1", &[("x-forwarded-for", "2001:db8::9")]), address("2001:db8::9"));
        assert_eq!(found(PROXY, &[("forwarded", "for=\"[2001:db8::9]\"")]), address("2001:db8::9"));
    }
}
