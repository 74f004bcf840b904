//! The IPv4 addresses that lie inside an IPv6 address.
//!
//! Mapped addresses (`::ffff:0:0/96`) are not seen here: they are IPv4 once canonical.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an IPv4 address is wrapped, which decides how the whole is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// `64:ff9b::/96` (RFC 6052): reaches the IPv4 inside, and only that counts.
    Nat64,
    /// An interface id of 0000:5efe or 0200:5efe (RFC 5214): both addresses count.
    Isatap,
    /// 6to4, Teredo, IPv4-compatible, IPv4-translated, local NAT64: refused whatever is inside.
    Other,
}

/// What an address wraps; the deny list and the metadata list look at all of it.
pub(super) struct Embedded {
    wrapping: Option<(Wrapping, Ipv4Addr)>,
    /// Local-use NAT64 (RFC 8215) puts the address where the operator's prefix length says: three places are looked at.
    elsewhere: [Option<Ipv4Addr>; 3],
}

impl Embedded {
    /// What the canonical form of an address wraps.
    pub(super) fn of(address: IpAddr) -> Embedded {
        match address {
            IpAddr::V4(_) => Embedded { wrapping: None, elsewhere: [None; 3] },
            IpAddr::V6(v6) => Embedded { wrapping: wrapping_of(v6), elsewhere: local_nat64(v6) },
        }
    }

    pub(super) fn wrapping(&self) -> Option<(Wrapping, Ipv4Addr)> {
        self.wrapping
    }

    /// Whether any wrapped address meets `test`.
    pub(super) fn any(&self, test: impl Fn(IpAddr) -> bool) -> bool {
        let first = self.wrapping.map(|(_, v4)| v4);
        self.elsewhere.into_iter().chain([first]).flatten().any(|v4| test(IpAddr::V4(v4)))
    }
}

/// The IPv4 address that a connection to `address` reaches, where that is another one (NAT64).
pub(crate) fn reached(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    match Embedded::of(address).wrapping {
        Some((Wrapping::Nat64, v4)) => IpAddr::V4(v4),
        Some((Wrapping::Isatap | Wrapping::Other, _)) | None => address,
    }
}

fn wrapping_of(address: Ipv6Addr) -> Option<(Wrapping, Ipv4Addr)> {
    let groups = address.segments();
    let from = |index: usize| v4(groups[index], groups[index + 1]);
    match groups {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some((Wrapping::Nat64, from(6))),
        [0x64, 0xff9b, 1, ..] => Some((Wrapping::Other, from(6))),
        // `::` and `::1` are of this form too; both are refused either way.
        [0, 0, 0, 0, 0, 0, _, _] => Some((Wrapping::Other, from(6))),
        [0, 0, 0, 0, 0xffff, 0, _, _] => Some((Wrapping::Other, from(6))),
        [0x2002, ..] => Some((Wrapping::Other, from(1))),
        // Teredo: the client's address, every bit turned.
        [0x2001, 0, ..] => Some((Wrapping::Other, v4(!groups[6], !groups[7]))),
        [_, _, _, _, 0x0000 | 0x0200, 0x5efe, _, _] => Some((Wrapping::Isatap, from(6))),
        _ => None,
    }
}

fn local_nat64(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let [0, 0x64, 0xff, 0x9b, 0, 1, b6, b7, _, b9, b10, b11, b12, ..] = address.octets() else {
        return [None; 3];
    };
    // RFC 6052 §2.2 with prefixes of 48, 56 and 64 bits; the byte at 64 to 71 stays empty.
    [
        Some(Ipv4Addr::new(b6, b7, b9, b10)),
        Some(Ipv4Addr::new(b7, b9, b10, b11)),
        Some(Ipv4Addr::new(b9, b10, b11, b12)),
    ]
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}
