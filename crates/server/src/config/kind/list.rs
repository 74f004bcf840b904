//! Lists: networks, ports, name servers.

use std::net::{IpAddr, SocketAddr};

use soku_fetch::{Networks, NetworksError};

use crate::config::problem::Unfit;
use crate::config::table::{Kind, Shape};

/// The items of a comma list; empty ones are none.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Networks (CIDR) and single addresses.
pub(in crate::config) struct NetworkList();

impl Shape for NetworkList {
    fn noun(&self) -> &'static str {
        "CIDR,…"
    }
}

impl Kind for NetworkList {
    type Value = Networks;

    fn parse(&self, text: &str) -> Result<Networks, Unfit> {
        Networks::parse_list(text).map_err(|error| {
            let wanted = "networks such as `10.1.0.0/16` or addresses, separated by commas";
            let unfit = Unfit::new(format!("{wanted}: {error}"));
            match error {
                NetworksError::HostBits { network, .. } => unfit.nearest(network),
                NetworksError::Unreadable { .. } => unfit,
            }
        })
    }
}

/// Ports, at least one.
pub(in crate::config) struct Ports();

impl Shape for Ports {
    fn noun(&self) -> &'static str {
        "PORT,…"
    }
}

impl Kind for Ports {
    type Value = Vec<u16>;

    fn parse(&self, text: &str) -> Result<Vec<u16>, Unfit> {
        let port = |item: &str| {
            item.parse::<u16>()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| Unfit::new(format!("ports from 1 to 65535, separated by commas: `{item}` is none")))
        };
        let mut ports = items(text).map(port).collect::<Result<Vec<u16>, Unfit>>()?;
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() {
            return Err(Unfit::new("at least one port").nearest("80,443,8080,8443"));
        }
        Ok(ports)
    }
}

/// Name servers, each an address with or without a port.
pub(in crate::config) struct NameServers();

const DNS_PORT: u16 = 53;

impl Shape for NameServers {
    fn noun(&self) -> &'static str {
        "ADDRESS,…"
    }
}

impl Kind for NameServers {
    type Value = Vec<SocketAddr>;

    fn parse(&self, text: &str) -> Result<Vec<SocketAddr>, Unfit> {
        let server = |item: &str| {
            let bare = item.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(item);
            let address = bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
            address.or_else(|_| item.parse::<SocketAddr>()).ok().filter(|server| server.port() != 0).ok_or_else(|| {
                Unfit::new(format!(
                    "addresses with or without a port, separated by commas, such as `9.9.9.9,[2620:fe::fe]:53`: \
                     `{item}` is none"
                ))
            })
        };
        items(text).map(server).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_network_is_quoted_with_the_one_that_was_meant() {
        assert_eq!(
            NetworkList().parse("10.0.0.0/8, 192.0.2.1 ,fd00::/8").unwrap().to_string(),
            "10.0.0.0/8, 192.0.2.1, fd00::/8"
        );
        assert!(NetworkList().parse("").unwrap().is_empty());

        assert_eq!(NetworkList().parse("10.1.2.3/8").unwrap_err().nearest.as_deref(), Some("10.0.0.0/8"));
        for entry in ["10.0.0.0/33", "intranet", "10.0.0/8", "*", "10.0.0.0-10.0.0.9"] {
            let unfit = NetworkList().parse(&format!("127.0.0.1,{entry}")).unwrap_err();
            assert!(unfit.wanted.contains(&format!("`{entry}`")), "{}", unfit.wanted);
        }
    }

    #[test]
    fn ports_are_sorted_and_never_zero() {
        assert_eq!(Ports().parse("443, 80,443"), Ok(vec![80, 443]));
        for wrong in ["0", "65536", "http", "80;443", ""] {
            assert!(Ports().parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_server_has_port_53_unless_told() {
        let servers = NameServers().parse("9.9.9.9,127.0.0.1:5353,2620:fe::fe,[::1],[::1]:54").unwrap();
        assert_eq!(
            servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["9.9.9.9:53", "127.0.0.1:5353", "[2620:fe::fe]:53", "[::1]:53", "[::1]:54"]
        );
        for wrong in ["dns.example", "9.9.9.9:0", "9.9.9", "9.9.9.9:"] {
            assert!(NameServers().parse(wrong).is_err(), "{wrong}");
        }
    }
}
