//! What requests are counted by: only what the server itself knows of a caller (rule K3), never a text of theirs.

use std::net::{IpAddr, Ipv6Addr};

use crate::account::Tier;
use crate::admission::Endpoint;
use crate::id::AccountId;

/// Who knocks.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A caller without a valid key, by the address that it comes from.
    Address(IpAddr),
    /// An account, by any of its keys, in the tier that it has now.
    Account(&'a AccountId, Tier),
}

impl Subject<'_> {
    /// The tier that applies.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Subject::Address(_) => Tier::Default,
            Subject::Account(_, tier) => tier,
        }
    }
}

/// One window's name in the table.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Counter {
    /// All requests of an account.
    Account(AccountId),
    /// An account's requests to one endpoint.
    Endpoint(Endpoint, AccountId),
    /// All requests without a valid key from one address.
    Address(Block),
    /// All requests without a valid key from addresses that the table has no room for.
    Newcomers,
}

impl Counter {
    /// As a row spells it.
    pub(super) fn to_key(&self) -> String {
        match self {
            Counter::Account(account) => format!("account/{account}"),
            Counter::Endpoint(endpoint, account) => format!("endpoint/{}/{account}", endpoint.as_str()),
            Counter::Address(Block(address)) => format!("address/{address}"),
            Counter::Newcomers => "newcomers".to_owned(),
        }
    }

    /// The inverse of [`Counter::to_key`]; `None` for a row of a version that counted something else.
    pub(super) fn from_key(key: &str) -> Option<Counter> {
        let Some((kind, rest)) = key.split_once('/') else {
            return (key == "newcomers").then_some(Counter::Newcomers);
        };
        match kind {
            "account" => Some(Counter::Account(AccountId::from_stored(rest.to_owned()))),
            "endpoint" => {
                let (endpoint, account) = rest.split_once('/')?;
                Some(Counter::Endpoint(Endpoint::parse(endpoint)?, AccountId::from_stored(account.to_owned())))
            }
            "address" => Some(Counter::Address(Block::of(rest.parse().ok()?))),
            _ => None,
        }
    }
}

/// The addresses that one customer of a network has: a single IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Block(IpAddr);

impl Block {
    pub(super) fn of(address: IpAddr) -> Block {
        Block(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::of(text.parse().unwrap())
    }

    #[test]
    fn a_whole_ipv6_64_is_one_caller_and_an_ipv4_address_is_one_however_it_is_written() {
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_eq!(block("::ffff:192.0.2.7"), block("192.0.2.7"));
        assert_ne!(block("192.0.2.7"), block("192.0.2.8"));
    }

    #[test]
    fn a_counter_is_read_back_as_it_was_written() {
        let account = AccountId::random();
        let mut counters = vec![
            Counter::Account(account.clone()),
            Counter::Address(block("192.0.2.7")),
            Counter::Address(block("2001:db8:1:2::")),
            Counter::Newcomers,
        ];
        counters.extend(Endpoint::ALL.map(|endpoint| Counter::Endpoint(endpoint, account.clone())));

        for counter in counters {
            assert_eq!(Counter::from_key(&counter.to_key()), Some(counter));
        }
        assert_eq!(Counter::from_key("planet/mars"), None);
        assert_eq!(Counter::from_key("endpoint/unknown/acc_1"), None);
    }
}
