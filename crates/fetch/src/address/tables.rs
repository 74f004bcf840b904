//! What the special-purpose address registries reserve (RFC 6890 and its successors), and the metadata services.
//!
//! "Globally reachable" rows are refused as well: none of them hosts media.

use std::net::{IpAddr, Ipv6Addr};

use super::Networks;

/// The networks that are never dialled unless an operator allows them.
#[derive(Debug, Clone)]
pub struct Tables {
    pub(super) metadata: Networks,
    pub(super) special_v4: Networks,
    unicast_v6: Networks,
    special_v6: Networks,
    /// Addresses that tests call public although they are not; empty in the product.
    pub(super) called_public: Networks,
}

/// Cloud metadata and credential services: a network that was allowed does not include them.
const METADATA: [&str; 9] = [
    "169.254.169.254", // AWS, Azure, Google, most others
    "169.254.170.2",   // AWS ECS
    "169.254.170.23",  // AWS EKS
    "100.100.100.200", // Alibaba
    "192.0.0.192",     // Oracle
    "168.63.129.16",   // Azure's wire server, a public number
    "fd00:ec2::254",   // AWS
    "fd00:ec2::23",    // AWS EKS
    "fd20:ce::254",    // Google
];

pub(super) const SPECIAL_V4: [&str; 19] = [
    "0.0.0.0/8",       // RFC 1122, "this network"
    "10.0.0.0/8",      // RFC 1918
    "100.64.0.0/10",   // RFC 6598, carrier-grade NAT
    "127.0.0.0/8",     // RFC 1122, loopback
    "169.254.0.0/16",  // RFC 3927, link local
    "172.16.0.0/12",   // RFC 1918
    "192.0.0.0/24",    // RFC 6890, protocol assignments
    "192.0.2.0/24",    // RFC 5737, documentation
    "192.31.196.0/24", // RFC 7535, AS112
    "192.52.193.0/24", // RFC 7450, AMT
    "192.88.99.0/24",  // RFC 7526, 6to4 relays
    "192.168.0.0/16",  // RFC 1918
    "192.175.48.0/24", // RFC 7534, AS112
    "198.18.0.0/15",   // RFC 2544, benchmarking
    "198.51.100.0/24", // RFC 5737, documentation
    "203.0.113.0/24",  // RFC 5737, documentation
    "224.0.0.0/4",     // RFC 5771, multicast
    "240.0.0.0/4",     // RFC 1112, reserved
    "255.255.255.255", // RFC 919, broadcast
];

/// Only this can be dialled in IPv6 (RFC 4291); what lies outside needs no row.
const UNICAST_V6: &str = "2000::/3";

pub(super) const SPECIAL_V6: [&str; 5] = [
    "2001::/23",         // RFC 2928: Teredo, benchmarking, ORCHID, anycasts
    "2001:db8::/32",     // RFC 3849, documentation
    "2002::/16",         // RFC 3056, 6to4
    "2620:4f:8000::/48", // RFC 7534, AS112
    "3fff::/20",         // RFC 9637, documentation
];

impl Tables {
    /// For tests: 127.0.0.1 and ::1 count as public, every other loopback address does not.
    #[doc(hidden)]
    pub fn loopback() -> Tables {
        Tables { called_public: Networks::of(&["127.0.0.1", "::1"]), ..Tables::default() }
    }

    /// For tests: also calls these addresses public.
    #[doc(hidden)]
    pub fn calling_public(self, networks: Networks) -> Tables {
        Tables { called_public: networks, ..self }
    }

    pub(super) fn is_global_unicast(&self, address: Ipv6Addr) -> bool {
        let address = IpAddr::V6(address);
        self.unicast_v6.contains(address) && !self.special_v6.contains(address)
    }
}

impl Default for Tables {
    fn default() -> Tables {
        Tables {
            metadata: Networks::of(&METADATA),
            special_v4: Networks::of(&SPECIAL_V4),
            unicast_v6: Networks::of(&[UNICAST_V6]),
            special_v6: Networks::of(&SPECIAL_V6),
            called_public: Networks::default(),
        }
    }
}
