//! From the configuration's sections to the settings of each part.

use std::num::NonZeroU32;

use soku_fetch::{DialSettings, Dialer, DialerError, Fetcher, Limits, Policy, PolicyError};

use super::Outside;
use crate::admission::{AdmissionSettings, IdempotencySettings, LimitSettings, Rate, TurnSettings};
use crate::config::{Config, S3Credentials};
use crate::db::DbError;
use crate::http::api::ApiSettings;
use crate::http::connection::ConnectionSettings;
use crate::library::LibraryError;
use crate::store::{
    DataDir, DataDirError, LocalSettings, LocalStore, Room, RoomError, S3Settings, S3Store, S3UrlError, Store,
    StoreError,
};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("could not use the data directory")]
    DataDir(#[from] DataDirError),
    #[error("could not make a spool directory")]
    Room(#[from] RoomError),
    #[error("could not open the database")]
    Db(#[from] DbError),
    #[error("could not open the storage")]
    Store(#[from] StoreError),
    #[error("could not read the storage URL")]
    StorageUrl(#[from] S3UrlError),
    #[error("could not clear what an earlier process left")]
    Sweep(#[from] LibraryError),
    #[error("could not use the network lists")]
    Policy(#[from] PolicyError),
    #[error("could not prepare to fetch")]
    Dialer(#[from] DialerError),
}

pub(super) fn store(config: &Config, data: &DataDir, room: Room) -> Result<Store, StartError> {
    let section = &config.storage;
    let cache_bytes = usize::try_from(config.delivery.cache_bytes).unwrap_or(usize::MAX);
    let Some(url) = &section.url else {
        return Ok(Store::Local(LocalStore::open(data, room, &LocalSettings { cache_bytes })?));
    };
    let mut settings = S3Settings::parse(url.as_str())?;
    settings.endpoint.clone_from(&section.endpoint);
    settings.region.clone_from(&section.region);
    settings.path_style = section.path_style;
    settings.allow_http = section.allow_http;
    settings.cache_bytes = cache_bytes;
    settings.environment = config.s3_credentials.as_ref().map(S3Credentials::variables).unwrap_or_default();
    Ok(Store::S3(S3Store::open(&settings, room)?))
}

pub(super) fn admission(config: &Config) -> AdmissionSettings {
    let limits = &config.rate_limit;
    let rate = |per_minute: u32, burst: u32| Rate::new(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN), burst);
    let idempotency = &config.idempotency;
    let downloads = &config.downloads;
    AdmissionSettings {
        limits: LimitSettings {
            enabled: limits.enabled,
            default: rate(limits.default_per_minute, limits.default_burst),
            authenticated: rate(limits.authenticated_per_minute, limits.authenticated_burst),
            premium: rate(limits.premium_per_minute, limits.premium_burst),
            admin: rate(limits.admin_per_minute, limits.admin_burst),
            media: rate(limits.media_per_minute, 0),
            posts: rate(limits.posts_per_minute, 0),
            templates: rate(limits.templates_per_minute, 0),
            max_addresses: limits.max_addresses as usize,
        },
        turns: TurnSettings {
            running: downloads.at_once as usize,
            running_per_account: downloads.at_once_per_account as usize,
            waiting: downloads.waiting as usize,
            waiting_per_account: downloads.waiting_per_account as usize,
            longest_wait: downloads.longest_wait,
        },
        idempotency: IdempotencySettings {
            caller_ttl: idempotency.ttl,
            derived_ttl: idempotency.derived_ttl,
            heartbeat: idempotency.heartbeat,
            lease: idempotency.lease,
            ..IdempotencySettings::default()
        },
    }
}

pub(super) fn fetcher(config: &Config, public_base: &str) -> Result<Fetcher, StartError> {
    let section = &config.fetch;
    let policy =
        Policy::new(section.allow_networks.clone(), section.deny_networks.clone(), section.allow_ports.clone())?;
    let contact = section.contact.as_deref().unwrap_or(public_base);
    let user_agent = format!("soku/{} (+{contact})", env!("CARGO_PKG_VERSION"));
    Ok(Fetcher::new(Dialer::new(policy, dial(config))?, limits(config), user_agent))
}

fn dial(config: &Config) -> DialSettings {
    let section = &config.fetch;
    DialSettings {
        dns_servers: section.dns_servers.clone(),
        dns_timeout: section.dns_timeout,
        connect_timeout: section.connect_timeout,
        attempt_timeout: section.connect_attempt_timeout,
        stagger: section.connect_stagger,
        tls_timeout: section.tls_timeout,
        connections_per_address: section.connections_per_address as usize,
        ..DialSettings::default()
    }
}

fn limits(config: &Config) -> Limits {
    let section = &config.fetch;
    Limits {
        max_bytes: section.max_bytes,
        min_free_bytes: config.storage.min_free_bytes,
        max_header_bytes: usize::try_from(section.max_header_bytes).unwrap_or(usize::MAX),
        max_header_fields: section.max_header_fields as usize,
        max_interim: section.max_interim_responses as usize,
        max_redirects: section.max_redirects as usize,
        first_byte_timeout: section.first_byte_timeout,
        idle_timeout: section.idle_timeout,
        total_timeout: section.total_timeout,
        slowest_bytes_per_second: section.slowest_rate,
        pace_window: section.pace_window,
        pace_grace: section.pace_grace,
        tries: section.tries,
        longest_retry_after: section.longest_retry_after,
        ratio: u64::from(section.compression_ratio),
        ..Limits::default()
    }
}

pub(super) fn api(config: &Config, public_base: String) -> ApiSettings {
    ApiSettings {
        public_base,
        max_body_bytes: usize::try_from(config.http.max_body).unwrap_or(usize::MAX),
        request_timeout: config.http.request_timeout,
    }
}

pub(super) fn outside(config: &Config) -> Outside {
    let section = &config.http;
    Outside {
        trusted_proxies: config.trusted_proxies.iter().copied().collect(),
        connection: ConnectionSettings {
            max_head_bytes: usize::try_from(section.max_head).unwrap_or(usize::MAX),
            head_timeout: section.request_timeout,
            send_timeout: section.send_timeout,
            max_connections: section.max_connections as usize,
        },
        stop_grace: section.stop_grace,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn same(documented: impl Debug, by_itself: impl Debug) {
        assert_eq!(format!("{documented:#?}"), format!("{by_itself:#?}"));
    }

    #[test]
    fn the_default_document_says_what_every_room_does_by_itself() {
        let config = Config::default();

        same(limits(&config), Limits::default());
        same(dial(&config), DialSettings::default());
        same(admission(&config), AdmissionSettings::default());
        same(&config.fetch.allow_ports[..], Policy::default().allowed_ports());
        assert_eq!(config.delivery.cache_bytes, LocalSettings::default().cache_bytes as u64);
    }
}
