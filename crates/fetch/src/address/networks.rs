//! Lists of networks as an operator writes them: comma-separated CIDRs or addresses.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// A list of networks; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Why a list of networks cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworksError {
    /// An entry is neither a network nor an address.
    #[error("`{entry}` is neither a network like 10.1.0.0/16 nor an address")]
    Unreadable {
        /// The entry as it was written.
        entry: String,
    },
    /// The address of a network has bits beyond its prefix: a slip of the pen, and which part is wrong nobody can tell.
    #[error("`{entry}` has bits set beyond its prefix: the network is `{network}`")]
    HostBits {
        /// The entry as it was written.
        entry: String,
        /// The network that contains it.
        network: String,
    },
}

impl Networks {
    /// Reads a comma-separated list; blanks around entries are borne, an empty list is none.
    pub fn parse_list(list: &str) -> Result<Networks, NetworksError> {
        if list.trim().is_empty() {
            return Ok(Networks::default());
        }
        list.split(',').map(|entry| parse_entry(entry.trim())).collect::<Result<_, _>>().map(Networks)
    }

    pub(super) fn of(entries: &[&str]) -> Networks {
        let parsed = entries.iter().map(|entry| parse_entry(entry)).collect::<Result<_, _>>();
        Networks(parsed.expect("the tables of this crate are networks"))
    }

    /// Whether the list names no network.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether the list names this very address, not only a network around it.
    pub(super) fn names_alone(&self, address: IpAddr) -> bool {
        self.0.contains(&IpNet::from(address))
    }

    /// The address family that the list covers whole, by one entry or by several.
    pub(super) fn everything(&self) -> Option<IpNet> {
        IpNet::aggregate(&self.0).into_iter().find(|network| network.prefix_len() == 0)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if network.prefix_len() == network.max_prefix_len() {
                write!(f, "{}", network.addr())?;
            } else {
                write!(f, "{network}")?;
            }
        }
        Ok(())
    }
}

fn parse_entry(entry: &str) -> Result<IpNet, NetworksError> {
    let unreadable = || NetworksError::Unreadable { entry: entry.to_owned() };
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().map_err(|_| unreadable())?;
    let network = match prefix {
        None => IpNet::from(address),
        Some(prefix) => {
            if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unreadable());
            }
            let prefix = prefix.parse().map_err(|_| unreadable())?;
            IpNet::new(address, prefix).map_err(|_| unreadable())?
        }
    };
    if network.addr() != network.network() {
        return Err(NetworksError::HostBits { entry: entry.to_owned(), network: network.trunc().to_string() });
    }
    Ok(unmapped(network))
}

/// `::ffff:10.0.0.0/104` means 10.0.0.0/8: addresses are compared in their canonical form.
fn unmapped(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(v4), prefix @ 96..) if matches!(network, IpNet::V6(_)) => {
            IpNet::V4(Ipv4Net::new(v4, prefix - 96).expect("at most 128 - 96"))
        }
        _ => network,
    }
}
