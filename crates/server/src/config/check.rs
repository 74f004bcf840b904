//! What no setting can know by itself: values that do not go together, and a public URL that the world cannot reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use soku_fetch::Policy;
use url::{Host, Url};

use super::kind::amount::span;
use super::layers::{Environment, Layers};
use super::problem::Problem;
use super::secret::{S3Credentials, Secret};
use super::{Config, FetchConfig, SETTINGS};

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// All that opens a bucket, each by the variables that it takes; where none is set the machine is asked for its role.
const CREDENTIALS: [&[&str]; 6] = [
    &[ACCESS_KEY_ID, SECRET_ACCESS_KEY],
    &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
    &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    &["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    &["AWS_METADATA_ENDPOINT"],
    &["AWS_SKIP_SIGNATURE"],
];

/// What opens the bucket, if there is anything.
pub(super) fn s3_credentials(environment: &Environment) -> Option<S3Credentials> {
    let variables: Vec<(String, Secret)> =
        environment.starting_with("AWS_").map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
    (!variables.is_empty()).then_some(S3Credentials(variables))
}

/// Values that are right each by itself, but not together.
pub(super) fn clashes(config: &Config, layers: &Layers, environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut clash = |name: &'static str, why: String| {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("clashes name settings");
        let (text, origin) = layers.in_force(setting);
        problems.push(Problem::Clash { name, value: setting.shown(text), origin: origin.clone(), why });
    };

    if config.idempotency.heartbeat * 2 > config.idempotency.lease {
        let lease_ms = u64::try_from(config.idempotency.lease.as_millis()).unwrap_or(u64::MAX);
        let why = format!(
            "must be at most half of `idempotency.lease`, which is {}; the nearest right one is `{}`",
            span(lease_ms),
            span(lease_ms / 2)
        );
        clash("idempotency.heartbeat", why);
    }
    let FetchConfig { allow_networks, deny_networks, allow_ports, .. } = &config.fetch;
    if let Err(refused) = Policy::new(allow_networks.clone(), deny_networks.clone(), allow_ports.clone()) {
        clash("fetch.allow_networks", refused.to_string());
    }
    for network in config.trusted_proxies.iter() {
        if network.prefix_len() == 0 {
            clash("trusted_proxies", format!("`{network}` would believe everybody: name the proxies' networks"));
        }
    }
    let is_plain = |endpoint: &String| endpoint.to_ascii_lowercase().starts_with("http://");
    if config.storage.url.is_some()
        && config.storage.endpoint.as_ref().is_some_and(is_plain)
        && !config.storage.allow_http
    {
        clash(
            "storage.endpoint",
            "http:// sends the files in clear: use https://, or set `storage.allow_http`".to_owned(),
        );
    }
    if config.storage.url.is_some() {
        let halves = [ACCESS_KEY_ID, SECRET_ACCESS_KEY].map(|name| (name, environment.text(name).is_some()));
        if let [(set, true), (missing, false)] | [(missing, false), (set, true)] = halves {
            clash("storage.url", format!("{set} is set without {missing}: set both, or neither"));
        }
    }
    if let (Some(_), Err(why)) = (&config.traces.endpoint, config.otel.headers()) {
        clash("traces.endpoint", why);
    }
    problems
}

/// The base of the URLs at which a server answers that listens there.
#[must_use]
pub fn base_of(listened: SocketAddr) -> String {
    // Nothing can be reached at an unspecified address, but what listens there listens on loopback too.
    let address = match listened.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(address, listened.port()))
}

impl Config {
    /// What is odd about the hosted URLs of a server that listens on `listened`, a sentence each.
    #[must_use]
    pub fn warnings(&self, listened: SocketAddr) -> Vec<String> {
        let base = self.public_base(listened);
        let of_public_url = self.public_warning(&base).into_iter().chain(self.site_warning(&base));
        of_public_url.chain(self.credentials_warning()).collect()
    }

    /// One sentence where nothing opens the bucket, unless the machine itself may.
    fn credentials_warning(&self) -> Option<String> {
        let url = self.storage.url.as_ref()?;
        let has = |name: &&str| self.s3_credentials.as_ref().is_some_and(|credentials| credentials.has(name));
        (!CREDENTIALS.iter().any(|needed| needed.iter().all(has))).then(|| {
            format!(
                "SOKU_STORAGE_URL is {}, but {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY} are not set (and no file such as \
                 ~/.aws/credentials is read): only a machine of Amazon's with a role of its own opens the bucket \
                 without them",
                url.as_str()
            )
        })
    }

    /// One sentence where no platform can fetch from hosted URLs that begin with `base`.
    fn public_warning(&self, base: &str) -> Option<String> {
        const MEND: &str = "set it to an https:// URL that the internet can reach";
        if self.public_url.is_none() {
            return Some(format!(
                "SOKU_PUBLIC_URL is not set, so hosted URLs begin with {base}, where no platform can fetch from: {MEND}"
            ));
        }
        let url = Url::parse(base).expect("a public URL is read as a URL");
        if is_local(&url) {
            return Some(format!("SOKU_PUBLIC_URL is {base}, where no platform can fetch from: {MEND}"));
        }
        (url.scheme() != "https").then(|| {
            format!("SOKU_PUBLIC_URL is {base}, without https, where most platforms refuse to fetch from: {MEND}")
        })
    }
}

/// Whether a URL's host is only known nearby.
fn is_local(url: &Url) -> bool {
    const NEARBY: [&str; 8] = [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "fe80::/10",
    ];
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.contains('.')
                || [".localhost", ".local", ".internal", ".home.arpa", ".test", ".example", ".invalid"]
                    .iter()
                    .any(|ending| name.ends_with(ending))
        }
        Some(Host::Ipv4(ip)) => is_nearby(IpAddr::V4(ip), &NEARBY),
        Some(Host::Ipv6(ip)) => is_nearby(IpAddr::V6(ip).to_canonical(), &NEARBY),
    }
}

fn is_nearby(ip: IpAddr, nearby: &[&str]) -> bool {
    let contains = |network: &&str| network.parse::<IpNet>().is_ok_and(|network| network.contains(&ip));
    ip.is_unspecified() || ip.is_loopback() || nearby.iter().any(contains)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn warning(public_url: &str) -> Option<String> {
        let environment = Environment::default().with("SOKU_PUBLIC_URL", public_url).with("SOKU_DATA_DIR", "/nowhere");
        let loaded = Config::load(&Flags::default(), &environment).unwrap();
        loaded.config.warnings(loaded.config.listen).pop()
    }

    #[test]
    fn case_59_a_public_url_that_no_platform_reaches_is_warned_of() {
        assert_eq!(warning("https://media.example.com"), None);
        assert_eq!(warning("https://[2600::1]/soku"), None);
        for local in [
            "https://localhost",
            "https://media",
            "https://nas.local",
            "https://10.1.2.3",
            "https://127.0.0.1:8443",
            "https://[::1]",
            "https://[fd00::1]",
            "https://[::ffff:192.168.0.1]",
            "https://169.254.1.1",
            "https://0.0.0.0",
        ] {
            assert!(warning(local).is_some_and(|warning| warning.contains("no platform can fetch")), "{local}");
        }
        assert!(warning("http://media.example.com").unwrap().contains("without https"));
        assert!(warning("").unwrap().contains("not set, so hosted URLs begin with http://127.0.0.1:8080"));
    }

    #[test]
    fn the_base_of_a_server_that_listens_everywhere_is_one_that_answers() {
        assert_eq!(base_of("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(base_of("[::]:8080".parse().unwrap()), "http://[::1]:8080");
        assert_eq!(base_of("192.0.2.1:8080".parse().unwrap()), "http://192.0.2.1:8080");
    }
}
