//! What the machine says about names: its name servers and its hosts file, read anew when they change.
//!
//! A laptop that changes its network, a container whose hosts file is rewritten: neither needs a restart.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;

use super::cache::Cache;
use super::hosts::Hosts;

pub(super) const REREAD_AFTER: Duration = Duration::from_secs(60);

/// Questions under way on one TCP connection to a name server: the server's patience is the bound, not ours.
const MAX_ACTIVE_REQUESTS: usize = 1_024;

/// Where the machine keeps what it knows about names.
#[derive(Debug, Clone)]
pub(crate) struct SystemFiles {
    pub(crate) resolv_conf: PathBuf,
    pub(crate) hosts: PathBuf,
}

impl Default for SystemFiles {
    fn default() -> SystemFiles {
        SystemFiles { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

pub(crate) struct ResolverSettings {
    /// The name servers to ask; the system's where there are none.
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) timeout: Duration,
    pub(crate) files: SystemFiles,
}

/// The name servers and the hosts file as of at most a minute ago.
pub(super) struct System {
    settings: ResolverSettings,
    state: Mutex<State>,
}

struct State {
    read: Instant,
    resolv_conf: Option<Stamp>,
    client: TokioResolver,
    cache: Cache,
    hosts_file: Option<Stamp>,
    hosts: Arc<Hosts>,
}

/// Tells whether a file changed.
type Stamp = (SystemTime, u64);

impl System {
    pub(super) fn read(settings: ResolverSettings) -> Result<System, NetError> {
        let files = &settings.files;
        let state = State {
            read: Instant::now(),
            resolv_conf: stamp_of(&files.resolv_conf),
            client: client_of(&settings)?,
            cache: Cache::default(),
            hosts_file: stamp_of(&files.hosts),
            hosts: Arc::new(read_hosts(&files.hosts)),
        };
        Ok(System { settings, state: Mutex::new(state) })
    }

    pub(super) fn current(&self) -> (TokioResolver, Cache, Arc<Hosts>) {
        let mut state = self.state();
        if state.read.elapsed() >= REREAD_AFTER {
            state.read = Instant::now();
            self.reread(&mut state);
        }
        (state.client.clone(), state.cache.clone(), Arc::clone(&state.hosts))
    }

    fn reread(&self, state: &mut State) {
        let files = &self.settings.files;
        let hosts_file = stamp_of(&files.hosts);
        if hosts_file != state.hosts_file {
            state.hosts = Arc::new(read_hosts(&files.hosts));
            state.hosts_file = hosts_file;
        }
        let resolv_conf = stamp_of(&files.resolv_conf);
        if self.settings.servers.is_empty() && resolv_conf != state.resolv_conf {
            match client_of(&self.settings) {
                Ok(client) => (state.client, state.cache) = (client, Cache::default()),
                Err(error) => tracing::warn!(%error, "Could not read the system's name servers again"),
            }
            state.resolv_conf = resolv_conf;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the last reading look this much older.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        let mut state = self.state();
        state.read = state.read.checked_sub(by).unwrap();
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read_hosts(path: &Path) -> Hosts {
    fs::read(path).map(|text| Hosts::parse(&String::from_utf8_lossy(&text))).unwrap_or_default()
}

fn client_of(settings: &ResolverSettings) -> Result<TokioResolver, NetError> {
    let servers = if settings.servers.is_empty() {
        system_servers(&settings.files.resolv_conf)
    } else {
        settings.servers.iter().map(|address| name_server(*address)).collect()
    };
    let config = ResolverConfig::from_name_servers(servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    // Half the time a try, so that a second one reaches a server that the first did not.
    options.timeout = settings.timeout / 2;
    options.attempts = 1;
    options.use_hosts_file = ResolveHosts::Never;
    // It would keep answers whole, however many records they have.
    options.cache_size = 0;
    options.max_active_requests = MAX_ACTIVE_REQUESTS;
    builder.build()
}

/// The servers of resolv.conf; without any, the one on this machine, as the C library does it.
pub(super) fn system_servers(resolv_conf: &Path) -> Vec<NameServerConfig> {
    let listed = fs::read(resolv_conf).ok().and_then(|text| parse_resolv_conf(text).ok());
    match listed {
        Some((config, _)) if !config.name_servers().is_empty() => config.name_servers().to_vec(),
        _ => vec![NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))],
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}
