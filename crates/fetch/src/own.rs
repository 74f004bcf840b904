//! The addresses of this machine: a LAN without NAT has public ones, and they are no source of media.
//!
//! Read from the local interfaces at the start and again when the last reading is a minute old.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::Ipv6Net;

const REREAD_AFTER: Duration = Duration::from_secs(60);

/// The prefix of an IPv6 network on one link.
const ON_LINK_PREFIX: u8 = 64;

/// What the interfaces held when they were last read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    addresses: Vec<IpAddr>,
    on_link: Vec<Ipv6Net>,
}

impl Own {
    pub(crate) fn of(addresses: impl IntoIterator<Item = IpAddr>) -> Own {
        let mut own = Own::default();
        for address in addresses {
            let address = address.to_canonical();
            if let IpAddr::V6(v6) = address {
                own.on_link.push(link_of(v6));
            }
            own.addresses.push(address);
        }
        own
    }

    /// Whether an address is on one of our interfaces, or on the same IPv6 link.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
            || matches!(address, IpAddr::V6(v6) if self.on_link.iter().any(|link| link.contains(&v6)))
    }
}

fn link_of(address: Ipv6Addr) -> Ipv6Net {
    Ipv6Net::new(address, ON_LINK_PREFIX).expect("64 is at most 128").trunc()
}

/// The interfaces, read anew each minute.
pub(crate) struct OwnAddresses {
    last: Mutex<(Instant, Arc<Own>)>,
}

impl OwnAddresses {
    /// Reads the interfaces once.
    pub(crate) fn read() -> io::Result<OwnAddresses> {
        Ok(OwnAddresses { last: Mutex::new((Instant::now(), Arc::new(read_interfaces()?))) })
    }

    /// The addresses as of at most a minute ago; if they cannot be read again, the last ones known.
    pub(crate) fn current(&self) -> Arc<Own> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0.elapsed() >= REREAD_AFTER {
            last.0 = Instant::now();
            match read_interfaces() {
                Ok(own) => last.1 = Arc::new(own),
                Err(error) => tracing::warn!(%error, "Could not read the local interfaces again"),
            }
        }
        Arc::clone(&last.1)
    }

    /// Makes the last reading look this much older.
    #[cfg(test)]
    fn age(&self, by: Duration) {
        let mut last = self.last.lock().unwrap();
        last.0 = last.0.checked_sub(by).unwrap();
        last.1 = Arc::default();
    }
}

fn read_interfaces() -> io::Result<Own> {
    Ok(Own::of(if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interfaces_are_read_at_the_start() {
        let own = OwnAddresses::read().unwrap().current();

        assert!(own.contains("127.0.0.1".parse().unwrap()), "every machine has a loopback interface");
        assert!(!own.contains("127.0.0.2".parse().unwrap()));
    }

    #[test]
    fn the_interfaces_are_read_again_after_a_minute() {
        let addresses = OwnAddresses::read().unwrap();

        addresses.age(REREAD_AFTER / 2);
        assert_eq!(*addresses.current(), Own::default(), "half a minute is no reason to ask the kernel again");

        addresses.age(REREAD_AFTER);
        assert!(addresses.current().contains("127.0.0.1".parse().unwrap()));
    }
}
