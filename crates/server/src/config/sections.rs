//! The sections: every setting's name, type and range. Defaults and meaning stand in `config.default.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use soku_fetch::Networks;

use super::kind::amount::{Bytes, Count, DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND, Span, TIB};
use super::kind::list::{NameServers, NetworkList, Ports};
use super::kind::place::{Database, Directory, Endpoint, Listen, PerhapsListen, Storage, Web};
use super::kind::{Contact, Flag, LogLevels, OneOf, Ratio, Region, ServiceName};
use super::secret::{DatabaseUrl, StorageUrl, WebUrl};
use super::table::section;
use crate::telemetry::Levels;

section! {
    /// What stands at the top, in no section.
    pub(super) Top "" {
        listen: SocketAddr = Listen();
        public_url: Option<WebUrl> = Web("https://media.example.com");
        page_url: Option<WebUrl> = Web("https://www.example.com");
        data_dir: PathBuf = Directory();
        trusted_proxies: Networks = NetworkList();
    }
}

section! {
    /// Where accounts, keys and the library are kept.
    pub DatabaseConfig "database" {
        url: Option<DatabaseUrl> = Database();
        readers: u32 = Count(1, 64);
        max_connections: u32 = Count(1, 1_000);
        busy_timeout: Duration = Span(100, 10 * MINUTE);
        statement_timeout: Duration = Span(100, HOUR);
        connect_timeout: Duration = Span(100, 10 * MINUTE);
    }
}

section! {
    /// Where the files are kept.
    pub StorageConfig "storage" {
        url: Option<StorageUrl> = Storage();
        endpoint: Option<String> = Endpoint();
        region: Option<String> = Region();
        path_style: bool = Flag();
        allow_http: bool = Flag();
        min_free_bytes: u64 = Bytes(0, 1_024 * TIB);
    }
}

section! {
    /// How strangers' URLs are fetched.
    pub FetchConfig "fetch" {
        allow_networks: Networks = NetworkList();
        deny_networks: Networks = NetworkList();
        allow_ports: Vec<u16> = Ports();
        dns_servers: Vec<SocketAddr> = NameServers();
        max_bytes: u64 = Bytes(1, 5 * TIB);
        contact: Option<String> = Contact();
        max_header_bytes: u64 = Bytes(8 * KIB, MIB);
        max_header_fields: u32 = Count(10, 1_000);
        max_interim_responses: u32 = Count(0, 100);
        max_redirects: u32 = Count(0, 50);
        dns_timeout: Duration = Span(10, 5 * MINUTE);
        connect_timeout: Duration = Span(10, 5 * MINUTE);
        connect_attempt_timeout: Duration = Span(10, 5 * MINUTE);
        connect_stagger: Duration = Span(10, MINUTE);
        tls_timeout: Duration = Span(10, 5 * MINUTE);
        first_byte_timeout: Duration = Span(10, HOUR);
        idle_timeout: Duration = Span(10, HOUR);
        total_timeout: Duration = Span(10, 7 * DAY);
        slowest_rate: u64 = Bytes(0, GIB);
        pace_window: Duration = Span(10, HOUR);
        pace_grace: Duration = Span(0, HOUR);
        tries: u32 = Count(1, 100);
        longest_retry_after: Duration = Span(0, HOUR);
        compression_ratio: u32 = Count(1, 100_000);
        connections_per_address: u32 = Count(1, 65_535);
    }
}

section! {
    /// How many downloads run and wait.
    pub DownloadsConfig "downloads" {
        at_once: u32 = Count(1, 65_536);
        at_once_per_account: u32 = Count(1, 65_536);
        waiting: u32 = Count(0, 1_000_000);
        waiting_per_account: u32 = Count(0, 1_000_000);
        longest_wait: Duration = Span(0, DAY);
    }
}

section! {
    /// How many requests pass.
    pub RateLimitConfig "rate_limit" {
        enabled: bool = Flag();
        default_per_minute: u32 = Count(1, 1_000_000);
        default_burst: u32 = Count(0, 1_000_000);
        authenticated_per_minute: u32 = Count(1, 1_000_000);
        authenticated_burst: u32 = Count(0, 1_000_000);
        premium_per_minute: u32 = Count(1, 1_000_000);
        premium_burst: u32 = Count(0, 1_000_000);
        admin_per_minute: u32 = Count(1, 1_000_000);
        admin_burst: u32 = Count(0, 1_000_000);
        media_per_minute: u32 = Count(1, 1_000_000);
        posts_per_minute: u32 = Count(1, 1_000_000);
        templates_per_minute: u32 = Count(1, 1_000_000);
        max_addresses: u32 = Count(1, 10_000_000);
    }
}

section! {
    /// How long answers are remembered, and how processes watch one another.
    pub IdempotencyConfig "idempotency" {
        ttl: Duration = Span(SECOND, 365 * DAY);
        derived_ttl: Duration = Span(SECOND, 365 * DAY);
        lease: Duration = Span(100, HOUR);
        heartbeat: Duration = Span(10, HOUR);
    }
}

section! {
    /// The server's own side of HTTP.
    pub HttpConfig "http" {
        max_body: u64 = Bytes(KIB, 64 * MIB);
        max_head: u64 = Bytes(8 * KIB, MIB);
        request_timeout: Duration = Span(10, HOUR);
        send_timeout: Duration = Span(10, HOUR);
        max_connections: u32 = Count(1, 1_000_000);
        stop_grace: Duration = Span(0, DAY);
    }
}

section! {
    /// Serving the hosted files.
    pub DeliveryConfig "delivery" {
        cache_bytes: u64 = Bytes(0, TIB);
    }
}

section! {
    /// What the process counts about itself.
    pub MetricsConfig "metrics" {
        listen: Option<SocketAddr> = PerhapsListen();
    }
}

section! {
    /// Traces of requests.
    pub TracesConfig "traces" {
        endpoint: Option<WebUrl> = Web("http://127.0.0.1:4318");
        ratio: f64 = Ratio();
        service_name: String = ServiceName();
    }
}

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

section! {
    /// The log.
    pub LogConfig "log" {
        format: LogFormat = OneOf(&[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)]);
        level: Levels = LogLevels();
    }
}
