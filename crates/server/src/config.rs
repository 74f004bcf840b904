//! The configuration: every setting by flag over `SOKU_` variable over file over default, checked as a whole before
//! anything starts. Read by `app` and `cli` alone, which hand it down in pieces.
//!
//! The table of settings is in `config/sections.rs`, their defaults and meaning in `config.default.toml`.

mod check;
mod document;
mod kind;
mod layers;
mod nearest;
mod otel;
mod pieces;
mod print;
mod problem;
mod secret;
mod sections;
mod site;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;

use soku_fetch::Networks;

pub use check::base_of;
pub use document::DEFAULT_DOCUMENT;
pub use layers::{Environment, Flags, Layers};
pub use nearest::nearest;
pub use otel::Otel;
pub use problem::{ConfigError, Origin, Problem};
pub use secret::{DatabaseUrl, S3Credentials, Secret, StorageUrl, WebUrl};
use sections::Top;
pub use sections::{
    DatabaseConfig, DeliveryConfig, DownloadsConfig, FetchConfig, HttpConfig, IdempotencyConfig, LogConfig, LogFormat,
    MetricsConfig, RateLimitConfig, StorageConfig, TracesConfig,
};
pub use table::{SETTINGS, Setting};

use crate::telemetry::Levels;

/// Every setting, read and checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Option<WebUrl>,
    pub page_url: Option<WebUrl>,
    pub data_dir: PathBuf,
    pub trusted_proxies: Networks,
    pub database: DatabaseConfig,
    pub storage: StorageConfig,
    /// From the `AWS_` variables: no setting, so that no file of ours holds them.
    pub s3_credentials: Option<S3Credentials>,
    pub fetch: FetchConfig,
    pub downloads: DownloadsConfig,
    pub rate_limit: RateLimitConfig,
    pub idempotency: IdempotencyConfig,
    pub http: HttpConfig,
    pub delivery: DeliveryConfig,
    pub metrics: MetricsConfig,
    pub traces: TracesConfig,
    /// From the `OTEL_` variables: the headers open the collector, and are no setting as the bucket's keys are none.
    pub otel: Otel,
    pub log: LogConfig,
}

/// A configuration together with how it came about.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// What is odd but stops nothing, a sentence each.
    pub warnings: Vec<String>,
    /// Where each value came from.
    pub layers: Layers,
}

impl Loaded {
    /// Where the value of a setting came from.
    #[must_use]
    pub fn origin_of(&self, name: &str) -> &Origin {
        &self.layers.get(name).origin
    }

    /// The log level that somebody chose, if somebody did.
    #[must_use]
    pub fn chosen_log_level(&self) -> Option<&Levels> {
        (*self.origin_of("log.level") != Origin::Default).then_some(&self.config.log.level)
    }
}

impl Config {
    /// Reads all sources and checks the whole; reports everything that is wrong at once.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Loaded, ConfigError> {
        let (layers, mut problems, warnings) = Layers::laid(flags, environment);
        let mut reading = layers::Reading { layers: &layers, problems: Vec::new() };
        let config = Config::read(&mut reading);
        problems.append(&mut reading.problems);
        if let Some(mut config) = config {
            config.s3_credentials = check::s3_credentials(environment);
            config.otel = Otel::of(environment);
            problems.extend(check::clashes(&config, &layers, environment));
            if problems.is_empty() {
                return Ok(Loaded { config, warnings, layers });
            }
        }
        Err(ConfigError { problems, warnings })
    }

    fn read(reading: &mut layers::Reading<'_>) -> Option<Config> {
        // Every section is read before the first `?`, so that all problems are found.
        let top = Top::read(reading);
        let database = DatabaseConfig::read(reading);
        let storage = StorageConfig::read(reading);
        let fetch = FetchConfig::read(reading);
        let downloads = DownloadsConfig::read(reading);
        let rate_limit = RateLimitConfig::read(reading);
        let idempotency = IdempotencyConfig::read(reading);
        let http = HttpConfig::read(reading);
        let delivery = DeliveryConfig::read(reading);
        let metrics = MetricsConfig::read(reading);
        let traces = TracesConfig::read(reading);
        let log = LogConfig::read(reading);
        let Top { listen, public_url, page_url, data_dir, trusted_proxies } = top?;
        Some(Config {
            listen,
            public_url,
            page_url,
            data_dir,
            trusted_proxies,
            database: database?,
            storage: storage?,
            s3_credentials: None,
            fetch: fetch?,
            downloads: downloads?,
            rate_limit: rate_limit?,
            idempotency: idempotency?,
            http: http?,
            delivery: delivery?,
            metrics: metrics?,
            traces: traces?,
            otel: Otel::default(),
            log: log?,
        })
    }

    /// The base of hosted URLs, without a slash at its end, for a server that listens on `listened`.
    #[must_use]
    pub fn public_base(&self, listened: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().to_owned(),
            None => base_of(listened),
        }
    }
}

impl Default for Config {
    /// The default document's.
    fn default() -> Config {
        let layers = Layers::defaults();
        let mut reading = layers::Reading { layers: &layers, problems: Vec::new() };
        Config::read(&mut reading).expect("the default document is right: a test reads it")
    }
}

/// The declarations of all sections, in the order of the default document.
fn declared() -> [&'static [table::Declared]; 12] {
    [
        Top::DECLARED,
        DatabaseConfig::DECLARED,
        StorageConfig::DECLARED,
        FetchConfig::DECLARED,
        DownloadsConfig::DECLARED,
        RateLimitConfig::DECLARED,
        IdempotencyConfig::DECLARED,
        HttpConfig::DECLARED,
        DeliveryConfig::DECLARED,
        MetricsConfig::DECLARED,
        TracesConfig::DECLARED,
        LogConfig::DECLARED,
    ]
}

#[cfg(test)]
mod tests;
