//! Names to addresses, without a thread: the hosts file, then name servers, both families asked at once.
//!
//! Nothing is judged here; what comes out is judged where it is dialled. Names are absolute: no search domain is tried.

mod cache;
mod hosts;
mod system;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::stream::FuturesUnordered;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RecordType};

use crate::names;
use cache::Cache;
pub(crate) use system::{ResolverSettings, SystemFiles};

/// The most addresses of one answer that are used.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    V6,
    V4,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Family {
        if address.is_ipv6() { Family::V6 } else { Family::V4 }
    }

    pub(crate) fn other(self) -> Family {
        match self {
            Family::V6 => Family::V4,
            Family::V4 => Family::V6,
        }
    }
}

/// Why a name led to no address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsFailure {
    /// A name that is promised never to exist, like `*.invalid`.
    #[error("the name is reserved and was not asked for")]
    Reserved,
    /// A label is empty or too long, or the whole is.
    #[error("the host is not a domain name")]
    NotADomain,
    /// The name does not exist, or has neither IPv4 nor IPv6 addresses.
    #[error("the name has no address")]
    NoAddress,
    /// No name server answered in time.
    #[error("no name server answered in time")]
    Timeout,
    /// The name servers answered with an error, or could not be reached.
    #[error("the name could not be looked up")]
    Lookup(#[source] NetError),
}

/// What one family's lookup brought.
pub(crate) struct FamilyAnswer {
    pub(crate) family: Family,
    pub(crate) addresses: Result<Vec<IpAddr>, DnsFailure>,
}

/// The lookups of one name, each ending by itself: a lost AAAA answer must not hold up a good A.
pub(crate) type Answers = FuturesUnordered<BoxFuture<'static, FamilyAnswer>>;

/// Answers that are known already.
pub(crate) fn known(addresses: impl IntoIterator<Item = IpAddr>) -> Answers {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    [(Family::V6, v6), (Family::V4, v4)]
        .into_iter()
        .filter(|(_, addresses)| !addresses.is_empty())
        .map(|(family, addresses)| ready(FamilyAnswer { family, addresses: Ok(first_few(addresses)) }).boxed())
        .collect()
}

/// Asks the hosts file and the name servers.
pub(crate) struct Resolver {
    system: system::System,
    timeout: Duration,
}

impl Resolver {
    pub(crate) fn new(settings: ResolverSettings) -> Result<Resolver, NetError> {
        let timeout = settings.timeout;
        Ok(Resolver { system: system::System::read(settings)?, timeout })
    }

    /// Begins to look a name up; `host` is lower-case ASCII, as the URL parser gives it.
    pub(crate) fn lookup(&self, host: &str) -> Result<Answers, DnsFailure> {
        let host = names::without_root(host);
        if names::is_localhost(host) {
            return Ok(known([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]));
        }
        let name = Name::from_labels(host.split('.').map(str::as_bytes)).map_err(|_| DnsFailure::NotADomain)?;
        let (client, cache, hosts) = self.system.current();
        if let Some(addresses) = hosts.addresses_of(host) {
            return Ok(known(addresses.iter().copied()));
        }
        Ok([Family::V6, Family::V4]
            .into_iter()
            .map(|family| {
                let asked = ask(client.clone(), name.clone(), family, self.timeout);
                cached(cache.clone(), host.to_owned(), family, asked).boxed()
            })
            .collect())
    }
}

/// The answer that is known, or the one that `asked` brings.
async fn cached(
    cache: Cache,
    host: String,
    family: Family,
    asked: impl Future<Output = (Result<Vec<IpAddr>, DnsFailure>, Duration)>,
) -> FamilyAnswer {
    if let Some(known) = cache.get(&host, family, Instant::now()) {
        let addresses = if known.is_empty() { Err(DnsFailure::NoAddress) } else { Ok(known) };
        return FamilyAnswer { family, addresses };
    }
    let (addresses, good_for) = asked.await;
    match &addresses {
        Ok(addresses) => cache.put(&host, family, addresses, good_for, Instant::now()),
        Err(DnsFailure::NoAddress) => cache.put(&host, family, &[], good_for, Instant::now()),
        Err(_) => {}
    }
    FamilyAnswer { family, addresses }
}

/// Asks the name servers, and says for how long their answer is good.
async fn ask(
    client: TokioResolver,
    name: Name,
    family: Family,
    limit: Duration,
) -> (Result<Vec<IpAddr>, DnsFailure>, Duration) {
    let kind = match family {
        Family::V6 => RecordType::AAAA,
        Family::V4 => RecordType::A,
    };
    let seconds = |ttl: Option<u32>| Duration::from_secs(ttl.unwrap_or(0).into());
    match tokio::time::timeout(limit, client.lookup(name, kind)).await {
        Err(_) | Ok(Err(NetError::Timeout)) => (Err(DnsFailure::Timeout), Duration::ZERO),
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
            (Err(DnsFailure::NoAddress), seconds(none.negative_ttl))
        }
        Ok(Err(error)) => (Err(DnsFailure::Lookup(error)), Duration::ZERO),
        Ok(Ok(lookup)) => {
            let found = lookup.answers().iter().filter_map(|record| record.data.ip_addr());
            let found = first_few(found.filter(|address| Family::of(*address) == family));
            let good_for = seconds(lookup.answers().iter().map(|record| record.ttl).min());
            (if found.is_empty() { Err(DnsFailure::NoAddress) } else { Ok(found) }, good_for)
        }
    }
}

/// The first addresses of an answer, each once.
fn first_few(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    addresses.into_iter().filter(|address| seen.insert(*address)).take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests;
