//! TLS to a source: version 1.2 or 1.3, HTTP/1.1 alone, certificate and name always verified. No switch for less.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::names::without_root;

/// Why the certificates to trust could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The system names a certificate store (perhaps by `SSL_CERT_FILE`) that gives no certificate.
    #[error("no trusted certificate could be read")]
    Unreadable(#[source] rustls_native_certs::Error),
    /// The cryptography does not speak the wanted TLS versions.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Opens the TLS layer of a connection.
pub(crate) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// Trusts the system's certificates, the built-in set where the system has none, and `extra` ones besides.
    pub(crate) fn new(extra: &[CertificateDer<'static>]) -> Result<Tls, RootsError> {
        let mut roots = system_roots()?;
        roots.add_parsable_certificates(extra.iter().cloned());
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(RootsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would not show its certificate again, and lets a source tell imports apart.
        config.resumption = Resumption::disabled();
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Shakes hands as a client of `host`: the name, or for a literal the address, must be in the certificate.
    pub(crate) async fn connect(&self, host: Host<&str>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(server_name(&host)?, stream).await
    }
}

fn server_name(host: &Host<&str>) -> io::Result<ServerName<'static>> {
    match *host {
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(address))),
        Host::Domain(name) => ServerName::try_from(without_root(name).to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error)),
    }
}

fn system_roots() -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    let mut found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        for error in found.errors {
            tracing::warn!(%error, "Some of the system's trusted certificates could not be read");
        }
        return Ok(roots);
    }
    if !found.errors.is_empty() {
        return Err(RootsError::Unreadable(found.errors.swap_remove(0)));
    }
    tracing::info!("The system has no trusted certificates: using the built-in set");
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}
