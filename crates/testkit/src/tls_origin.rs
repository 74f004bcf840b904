//! The same source behind TLS, with a certificate of its own authority.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::Origin;

/// A source that speaks TLS. It is an [`Origin`] in all else.
pub struct TlsOrigin {
    origin: Origin,
    ca_pem: String,
}

/// What is unusual about a TLS source.
pub struct TlsBuilder {
    address: SocketAddr,
    names: Vec<String>,
    alpn: Vec<Vec<u8>>,
    expired: bool,
    only_tls12: bool,
}

impl TlsOrigin {
    /// Starts a source on 127.0.0.1 whose certificate is good for 127.0.0.1, `localhost` and `source.test`.
    pub async fn start() -> TlsOrigin {
        TlsOrigin::builder().start().await
    }

    /// A source with something unusual about it.
    pub fn builder() -> TlsBuilder {
        TlsBuilder {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            names: ["127.0.0.1", "localhost", "source.test"].map(str::to_owned).to_vec(),
            alpn: Vec::new(),
            expired: false,
            only_tls12: false,
        }
    }

    /// The certificate of the authority, which a client must trust to get through.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

impl Deref for TlsOrigin {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl TlsBuilder {
    /// Listens on another loopback address.
    #[must_use]
    pub fn on(mut self, ip: impl Into<IpAddr>) -> TlsBuilder {
        self.address.set_ip(ip.into());
        self
    }

    /// Listens on this address and port.
    #[must_use]
    pub fn at(mut self, address: impl Into<SocketAddr>) -> TlsBuilder {
        self.address = address.into();
        self
    }

    /// Has a certificate for these names and addresses alone.
    #[must_use]
    pub fn named(mut self, names: &[&str]) -> TlsBuilder {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Prefers these protocols, in this order, where the client offers them.
    #[must_use]
    pub fn prefers(mut self, protocols: &[&str]) -> TlsBuilder {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Has a certificate whose time is over.
    #[must_use]
    pub fn expired(mut self) -> TlsBuilder {
        self.expired = true;
        self
    }

    /// Speaks TLS 1.2 and nothing newer.
    #[must_use]
    pub fn only_tls12(mut self) -> TlsBuilder {
        self.only_tls12 = true;
        self
    }

    /// Starts it.
    pub async fn start(self) -> TlsOrigin {
        let (ca_pem, config) = self.config();
        let origin = Origin::listen(self.address, Some(TlsAcceptor::from(Arc::new(config)))).await;
        TlsOrigin { origin, ca_pem }
    }

    fn config(&self) -> (String, ServerConfig) {
        let mut authority = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().expect("ring makes keys");
        let authority_cert = authority.self_signed(&authority_key).expect("the authority signs itself");
        let issuer = Issuer::new(authority, authority_key);

        let mut leaf = CertificateParams::new(self.names.clone()).expect("tests name valid names");
        if self.expired {
            leaf.not_before = date_time_ymd(2001, 1, 1);
            leaf.not_after = date_time_ymd(2002, 1, 1);
        }
        let leaf_key = KeyPair::generate().expect("ring makes keys");
        let leaf_cert = leaf.signed_by(&leaf_key, &issuer).expect("the authority signs the source's certificate");

        let versions: &[_] = if self.only_tls12 { &[&TLS12] } else { &[&TLS13, &TLS12] };
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("ring speaks these versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf_cert.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            )
            .expect("the key fits the certificate");
        config.alpn_protocols = self.alpn.clone();
        (authority_cert.pem(), config)
    }
}
