//! On loopback `127.0.0.1` and `::1` play the public internet, `127.0.0.2` the private side (`Policy::loopback`).

use soku_testkit::{DnsReply, DnsServer, Origin};

use super::*;
use crate::address::{Networks, Tables};

mod encrypted;
mod environment;
mod names;
mod racing;
mod refusals;
mod turns;

/// Longer than anything here takes, shorter than a patient person.
const PATIENCE: Duration = Duration::from_secs(20);

/// A dialer and the name server that it asks.
struct Bed {
    dns: DnsServer,
    dialer: Dialer,
}

impl Bed {
    async fn new() -> Bed {
        Bed::with(Policy::loopback(), |_| {}).await
    }

    async fn with(policy: Policy, change: impl FnOnce(&mut DialSettings)) -> Bed {
        let dns = DnsServer::start().await;
        let mut settings = DialSettings { dns_servers: vec![dns.address()], ..DialSettings::default() };
        change(&mut settings);
        Bed { dialer: Dialer::new(policy, settings).unwrap(), dns }
    }

    async fn dial(&self, url: &str) -> Result<Connection, DialError> {
        self.dial_for("somebody", url).await
    }

    async fn dial_for(&self, party: &str, url: &str) -> Result<Connection, DialError> {
        let url = SourceUrl::parse(url).unwrap();
        timeout(PATIENCE, self.dialer.dial(&url, party)).await.expect("dialling ends by itself")
    }

    /// The address that a URL led to.
    async fn peer(&self, url: &str) -> SocketAddr {
        let connection = self.dial(url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        connection.tcp().peer_addr().unwrap()
    }

    async fn refusal(&self, url: &str) -> DialError {
        match self.dial(url).await {
            Ok(connection) => panic!("{url} led to {:?}", connection.tcp().peer_addr()),
            Err(error) => error,
        }
    }
}

fn networks(list: &str) -> Networks {
    Networks::parse_list(list).unwrap()
}

/// A source on 127.0.0.1, and one on the private side at the same port.
async fn both_sides() -> (Origin, Origin) {
    loop {
        let public = Origin::start().await;
        let address = SocketAddr::from(([127, 0, 0, 2], public.port()));
        // Another test may hold the port there.
        if tokio::net::TcpListener::bind(address).await.is_ok() {
            return (public, Origin::start_at(address).await);
        }
    }
}
