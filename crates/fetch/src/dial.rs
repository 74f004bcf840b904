//! The one door to the internet: judge, connect, compare the peer, shake hands.
//!
//! Literals and names, first requests and redirects, retries and resumes all come through `Dialer::dial`.
//! Proxies of the environment are never asked: behind one the judge would see only the proxy.

mod connection;
mod race;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hickory_resolver::net::NetError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;
use url::Host;

use crate::address::{Policy, PortVerdict};
use crate::names::{self, NameKind};
use crate::own::OwnAddresses;
use crate::resolve::{self, Answers, DnsFailure, Resolver, ResolverSettings, SystemFiles};
use crate::tls::{RootsError, Tls};
use crate::turns::Turns;
use crate::url::SourceUrl;
pub(crate) use connection::Connection;
use race::Race;

/// How names are asked for and connections are opened. The default is the documented one.
#[derive(Debug, Clone)]
pub struct DialSettings {
    /// The name servers to ask; the system's where the list is empty.
    pub dns_servers: Vec<SocketAddr>,
    /// The file of names that come before any name server.
    pub hosts_file: PathBuf,
    /// How long looking up a name may take in all.
    pub dns_timeout: Duration,
    /// How long connecting may take over all addresses of a name; waiting for a turn is not counted.
    pub connect_timeout: Duration,
    /// How long connecting to one address may take.
    pub attempt_timeout: Duration,
    /// After how long the next address is tried beside one that does not answer (RFC 8305).
    pub stagger: Duration,
    /// How long the TLS handshake may take.
    pub tls_timeout: Duration,
    /// How many connections one address of a source sees at a time; not inside allowed networks.
    pub connections_per_address: usize,
    /// Certificates that are trusted beside the system's.
    #[doc(hidden)]
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for DialSettings {
    fn default() -> DialSettings {
        DialSettings {
            dns_servers: Vec::new(),
            hosts_file: SystemFiles::default().hosts,
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(5),
            stagger: Duration::from_millis(250),
            tls_timeout: Duration::from_secs(10),
            connections_per_address: 32,
            extra_roots: Vec::new(),
        }
    }
}

impl DialSettings {
    /// For tests: also trusts the certificates of this PEM text.
    ///
    /// # Panics
    /// When the text holds something else than certificates.
    #[doc(hidden)]
    #[must_use]
    pub fn trusting(mut self, pem: &str) -> DialSettings {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            self.extra_roots.push(certificate.expect("tests pass certificates"));
        }
        self
    }
}

/// Why a dialer cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialerError {
    /// The kernel does not tell which addresses this machine has.
    #[error("the local network interfaces cannot be read")]
    Interfaces(#[source] io::Error),
    /// The resolver cannot be set up.
    #[error("the resolver cannot be set up")]
    Resolver(#[source] NetError),
    /// TLS cannot be set up.
    #[error("TLS to sources cannot be set up")]
    Tls(#[source] RootsError),
}

/// Why no connection came about.
///
/// What it prints tells a stranger nothing about the inside: no address, no name server. The causes are for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The host is, or leads only to, an address that is not public.
    #[error("the host is not a public address")]
    AddressNotPublic,
    /// The port is not among those that may be dialled.
    #[error("the port is not allowed")]
    PortBlocked,
    /// The name led to no address.
    #[error("the host name could not be resolved")]
    Dns(#[source] DnsFailure),
    /// Every address refused the connection or could not be reached.
    #[error("the host could not be connected to")]
    ConnectFailed(#[source] io::Error),
    /// No address answered in time.
    #[error("the host did not accept a connection in time")]
    ConnectTimeout,
    /// The TLS handshake failed; most often the certificate is not to be trusted.
    #[error("no secure connection could be made")]
    TlsFailed(#[source] io::Error),
    /// The TLS handshake took too long.
    #[error("the secure connection was not made in time")]
    TlsTimeout,
}

/// Opens connections to sources, and to nothing else.
pub struct Dialer {
    policy: Policy,
    settings: DialSettings,
    own: OwnAddresses,
    resolver: Resolver,
    tls: Tls,
    turns: Turns<IpAddr>,
}

impl Dialer {
    /// Reads the interfaces, the name servers and the trusted certificates.
    pub fn new(policy: Policy, settings: DialSettings) -> Result<Dialer, DialerError> {
        let resolver = Resolver::new(ResolverSettings {
            servers: settings.dns_servers.clone(),
            timeout: settings.dns_timeout,
            files: SystemFiles { hosts: settings.hosts_file.clone(), ..SystemFiles::default() },
        })
        .map_err(DialerError::Resolver)?;
        Ok(Dialer {
            own: OwnAddresses::read().map_err(DialerError::Interfaces)?,
            tls: Tls::new(&settings.extra_roots).map_err(DialerError::Tls)?,
            turns: Turns::new(settings.connections_per_address),
            resolver,
            policy,
            settings,
        })
    }

    /// Connects to the host of a URL, if it may be dialled at all.
    ///
    /// The name is looked up once, and only the addresses of that one answer are dialled. Dropping the future stops
    /// everything that is under way. Turns at an address go round between those on whose behalf it is connected to.
    pub(crate) async fn dial(&self, url: &SourceUrl, on_behalf_of: &str) -> Result<Connection, DialError> {
        let answers = self.begin_lookup(url)?;
        let won = Race::new(self, answers, url.port(), on_behalf_of.into()).run().await?;
        if !url.is_https() {
            return Ok(Connection::plain(won.stream, won.turn));
        }
        match timeout(self.settings.tls_timeout, self.tls.connect(url.host(), won.stream)).await {
            Ok(Ok(stream)) => Ok(Connection::tls(stream, won.turn)),
            Ok(Err(error)) => Err(DialError::TlsFailed(error)),
            Err(_) => Err(DialError::TlsTimeout),
        }
    }

    /// Refuses what needs no query: a literal that may not be dialled, an inner name, a port. Then begins to look up.
    fn begin_lookup(&self, url: &SourceUrl) -> Result<Answers, DialError> {
        let port = url.port();
        let name = match url.host() {
            Host::Ipv4(address) => return self.literal(address.into(), port),
            Host::Ipv6(address) => return self.literal(address.into(), port),
            Host::Domain(name) => name,
        };
        if self.policy.has_allow_list() {
            // Which ports are open depends on the addresses; no address opens port 0.
            if port == 0 {
                return Err(DialError::PortBlocked);
            }
        } else {
            match names::kind_of(name) {
                NameKind::Inner => return Err(DialError::AddressNotPublic),
                NameKind::Reserved => return Err(DialError::Dns(DnsFailure::Reserved)),
                NameKind::Public => {}
            }
            if !self.policy.opens_port(port) {
                return Err(DialError::PortBlocked);
            }
        }
        self.resolver.lookup(name).map_err(DialError::Dns)
    }

    fn literal(&self, address: IpAddr, port: u16) -> Result<Answers, DialError> {
        match self.policy.judge_with_port(&self.own.current(), SocketAddr::new(address, port)) {
            PortVerdict::AddressNotPublic => Err(DialError::AddressNotPublic),
            PortVerdict::PortBlocked => Err(DialError::PortBlocked),
            // The race judges it once more, right where it is dialled.
            PortVerdict::Public | PortVerdict::Allowed => Ok(resolve::known([address])),
        }
    }
}

#[cfg(test)]
mod tests;
