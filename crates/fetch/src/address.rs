//! The judge: which socket addresses may be dialled.
//!
//! One pure function over the bytes of an address, never over text. Where the operator's lists are read: `networks.rs`.
//! What the registries reserve: `tables.rs`. The IPv4 address inside an IPv6 one: `embedded.rs`.

mod embedded;
mod networks;
mod tables;

use std::net::{IpAddr, SocketAddr};

pub use networks::{Networks, NetworksError};
pub use tables::Tables;

use crate::own::Own;
pub(crate) use embedded::reached;
use embedded::{Embedded, Wrapping};

/// The ports that may be dialled on public addresses unless the operator says otherwise.
pub const DEFAULT_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// What the operator allows and denies, on top of what is public anyway.
#[derive(Debug, Clone)]
pub struct Policy {
    allow: Networks,
    deny: Networks,
    /// Sorted.
    allow_ports: Vec<u16>,
    tables: Tables,
}

/// Why a policy is refused at the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An allow list that covers a whole address family would switch the judge off.
    #[error("the list of allowed networks covers `{network}`, which is everything: name the networks that are meant")]
    AllowsEverything {
        /// The whole address family.
        network: String,
    },
    /// Port 0 is no port that anything listens on.
    #[error("port 0 cannot be dialled: leave it out of the list of allowed ports")]
    PortZero,
}

/// What the judge says of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Part of the public internet: dialled on the allowed ports.
    Public,
    /// Inside a network that the operator allowed: dialled on every port but 0.
    Allowed,
    /// Never dialled.
    Refused,
}

/// What the judge says of one address and its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortVerdict {
    /// May be dialled as part of the public internet.
    Public,
    /// May be dialled as part of an allowed network.
    Allowed,
    AddressNotPublic,
    PortBlocked,
}

impl Policy {
    /// A policy from the operator's lists; refuses an allow list that allows everything.
    pub fn new(allow: Networks, deny: Networks, allow_ports: Vec<u16>) -> Result<Policy, PolicyError> {
        Policy::with_tables(allow, deny, allow_ports, Tables::default())
    }

    /// As [`Policy::new`], with other tables than the product's: tests on loopback need an address that counts as public.
    #[doc(hidden)]
    pub fn with_tables(
        allow: Networks,
        deny: Networks,
        mut allow_ports: Vec<u16>,
        tables: Tables,
    ) -> Result<Policy, PolicyError> {
        if let Some(everything) = allow.everything() {
            return Err(PolicyError::AllowsEverything { network: everything.to_string() });
        }
        if allow_ports.contains(&0) {
            return Err(PolicyError::PortZero);
        }
        allow_ports.sort_unstable();
        allow_ports.dedup();
        Ok(Policy { allow, deny, allow_ports, tables })
    }

    /// For tests: 127.0.0.1 and ::1 are public (on every port), the rest of 127.0.0.0/8 is not; no lists.
    #[doc(hidden)]
    pub fn loopback() -> Policy {
        let every_port = (1..=u16::MAX).collect();
        Policy::with_tables(Networks::default(), Networks::default(), every_port, Tables::loopback())
            .expect("no list, no port 0")
    }

    /// The networks that may be dialled although they are private.
    pub fn allowed_networks(&self) -> &Networks {
        &self.allow
    }

    /// The networks that are never dialled.
    pub fn denied_networks(&self) -> &Networks {
        &self.deny
    }

    /// The ports that may be dialled on public addresses, sorted.
    pub fn allowed_ports(&self) -> &[u16] {
        &self.allow_ports
    }

    /// Whether an address would be dialled by lists and tables alone. When a source is fetched, this machine's own
    /// addresses are refused on top, unless an allow list names them.
    #[must_use]
    pub fn dials(&self, address: SocketAddr) -> bool {
        match self.judge_with_port(&Own::default(), address) {
            PortVerdict::Public | PortVerdict::Allowed => true,
            PortVerdict::AddressNotPublic | PortVerdict::PortBlocked => false,
        }
    }

    /// Whether any network is allowed beyond the public ones.
    pub(crate) fn has_allow_list(&self) -> bool {
        !self.allow.is_empty()
    }

    /// Whether a public address may be dialled on `port`.
    pub(crate) fn opens_port(&self, port: u16) -> bool {
        self.allow_ports.binary_search(&port).is_ok()
    }

    /// Judges an address: deny list, metadata services, allow list, own addresses, tables, in this order.
    pub(crate) fn judge(&self, own: &Own, address: SocketAddr) -> Verdict {
        if let SocketAddr::V6(v6) = address
            && v6.scope_id() != 0
        {
            return Verdict::Refused;
        }
        let written = address.ip();
        let dialled = written.to_canonical();
        let inside = Embedded::of(dialled);

        if self.deny.contains(written) || self.deny.contains(dialled) || inside.any(|ip| self.deny.contains(ip)) {
            return Verdict::Refused;
        }
        let metadata = &self.tables.metadata;
        if metadata.contains(dialled) || inside.any(|ip| metadata.contains(ip)) {
            return if self.allow.names_alone(dialled) { Verdict::Allowed } else { Verdict::Refused };
        }
        if self.allow.contains(dialled) {
            return Verdict::Allowed;
        }
        if self.tables.called_public.contains(dialled) {
            return Verdict::Public;
        }
        if own.contains(dialled) || inside.any(|ip| own.contains(ip)) {
            return Verdict::Refused;
        }
        if self.is_public(dialled, &inside) { Verdict::Public } else { Verdict::Refused }
    }

    /// Judges an address together with its port: an allowed network opens every port but 0.
    pub(crate) fn judge_with_port(&self, own: &Own, address: SocketAddr) -> PortVerdict {
        match self.judge(own, address) {
            Verdict::Refused => PortVerdict::AddressNotPublic,
            Verdict::Allowed if address.port() != 0 => PortVerdict::Allowed,
            Verdict::Public if self.opens_port(address.port()) => PortVerdict::Public,
            Verdict::Allowed | Verdict::Public => PortVerdict::PortBlocked,
        }
    }

    /// What the tables say, once no list has spoken.
    fn is_public(&self, dialled: IpAddr, inside: &Embedded) -> bool {
        let v4_is_public = |v4| !self.tables.special_v4.contains(IpAddr::V4(v4));
        let v6 = match dialled {
            IpAddr::V4(v4) => return v4_is_public(v4),
            IpAddr::V6(v6) => v6,
        };
        match inside.wrapping() {
            Some((Wrapping::Nat64, v4)) => v4_is_public(v4),
            Some((Wrapping::Isatap, v4)) => self.tables.is_global_unicast(v6) && v4_is_public(v4),
            Some((Wrapping::Other, _)) => false,
            None => self.tables.is_global_unicast(v6),
        }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy::new(Networks::default(), Networks::default(), DEFAULT_PORTS.to_vec()).expect("no list, no port 0")
    }
}

#[cfg(test)]
mod tests;
