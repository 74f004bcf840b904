//! What the process counts about itself, for Prometheus: every name, label and bucket stands here. The rooms say what
//! happened by one call; nobody else knows how it is written down.
//!
//! One set a process, as a process has one log. Labels have few values, and none that a stranger chooses.

mod process;

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The `Content-Type` of [`render`]: `OpenMetrics` 1.0.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TierLabel {
    tier: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Histograms<RouteLabel>,
    connections: Gauge,
    delivered_bytes: Counter,
    deliveries_cut: Counter,
    rate_limited: Family<TierLabel, Counter>,
    imports: Family<OutcomeLabel, Counter>,
    downloads: Family<OutcomeLabel, Counter>,
    download_duration: Histogram,
    downloaded_bytes: Counter,
    running: Gauge,
    waiting: Gauge,
    under_way: Gauge,
    storage_duration: Histogram,
    storage_errors: Family<OperationLabel, Counter>,
    database_batch: Histogram,
    database_commit: Histogram,
    database_errors: Counter,
    free_bytes: Gauge<f64, AtomicU64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// From a request that is answered from memory to one that waits for half an hour.
fn request_seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 2_700.0])
}

/// From a small file of a near source to the end of the longest fetch.
fn download_seconds() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0])
}

/// From a disk that lies to one that is dying.
fn sync_seconds() -> Histogram {
    Histogram::new([0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0])
}

impl Metrics {
    fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(request_seconds),
            connections: Gauge::default(),
            delivered_bytes: Counter::default(),
            deliveries_cut: Counter::default(),
            rate_limited: Family::default(),
            imports: Family::default(),
            downloads: Family::default(),
            download_duration: download_seconds(),
            downloaded_bytes: Counter::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            under_way: Gauge::default(),
            storage_duration: sync_seconds(),
            storage_errors: Family::default(),
            database_batch: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            database_commit: sync_seconds(),
            database_errors: Counter::default(),
            free_bytes: Gauge::default(),
        };
        metrics.register();
        metrics.begin_at_zero();
        metrics
    }

    /// A series that begins with its first event has no increase then, and an alert would miss just that one.
    fn begin_at_zero(&self) {
        for operation in ["keep", "open", "delete", "ping"] {
            drop(self.storage_errors.get_or_create(&OperationLabel { operation }));
        }
        for (route, method) in [("/readyz", "GET"), ("/v1/media", "POST")] {
            drop(self.requests.get_or_create(&RequestLabels { route, method, status: 503 }));
            drop(self.request_duration.get_or_create(&RouteLabel { route }));
        }
        for outcome in ["made", "replayed", "failed", "key_reused"] {
            drop(self.imports.get_or_create(&OutcomeLabel { outcome }));
        }
        for tier in ["default", "authenticated", "premium", "admin"] {
            drop(self.rate_limited.get_or_create(&TierLabel { tier }));
        }
        drop(self.downloads.get_or_create(&OutcomeLabel { outcome: "stored" }));
    }

    fn register(&mut self) {
        let all = self.registry.sub_registry_with_prefix("soku");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "Which soku this is", version);

        all.register("http_requests", "Requests answered, by route, method and status", self.requests.clone());
        let help = "From the request's head to the answer's head";
        all.register_with_unit("http_request_duration", help, Unit::Seconds, self.request_duration.clone());
        all.register("http_connections", "Connections of clients that are open", self.connections.clone());
        let help = "Bytes of hosted files handed to connections";
        all.register_with_unit("delivered", help, Unit::Bytes, self.delivered_bytes.clone());
        all.register("deliveries_cut", "Deliveries that ended before their last byte", self.deliveries_cut.clone());
        all.register("rate_limited", "Requests answered 429, by tier", self.rate_limited.clone());

        let help = "Uploads by URL, by what came of them: made, replayed, failed, key_reused";
        all.register("imports", help, self.imports.clone());
        let help = "Downloads that ended, by outcome: stored, or the reason of the failure";
        all.register("downloads", help, self.downloads.clone());
        let help = "From asking for a turn to the end of the download";
        all.register_with_unit("download_duration", help, Unit::Seconds, self.download_duration.clone());
        let help = "Bytes of the files that were stored";
        all.register_with_unit("downloaded", help, Unit::Bytes, self.downloaded_bytes.clone());
        all.register("downloads_running", "Downloads that run", self.running.clone());
        all.register("downloads_waiting", "Downloads that wait for their turn", self.waiting.clone());
        all.register("imports_under_way", "Uploads being worked on or waited for", self.under_way.clone());

        let help = "How long it takes to make a file durable in the storage";
        all.register_with_unit("storage_keep_duration", help, Unit::Seconds, self.storage_duration.clone());
        all.register("storage_errors", "Failures of the storage, by operation", self.storage_errors.clone());
        let help = "Free space of the data directory's disk";
        all.register_with_unit("disk_free", help, Unit::Bytes, self.free_bytes.clone());

        all.register("database_batch_writes", "Writes that shared a commit (SQLite)", self.database_batch.clone());
        let help = "How long a durable transaction takes, from its begin to its commit (SQLite)";
        all.register_with_unit("database_commit_duration", help, Unit::Seconds, self.database_commit.clone());
        all.register(
            "database_errors",
            "Failures of the database; the log has each with its cause",
            self.database_errors.clone(),
        );

        self.registry.register_collector(Box::new(process::Process));
    }
}

/// A request was answered. `route` and `method` are of a closed list.
pub fn request_answered(route: &'static str, method: &'static str, status: u16, took: Duration) {
    METRICS.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    METRICS.request_duration.get_or_create(&RouteLabel { route }).observe(took.as_secs_f64());
}

/// The body of a hosted file ended after so many bytes; `cut` when that was not its end.
pub fn delivery_ended(sent_bytes: u64, cut: bool) {
    METRICS.delivered_bytes.inc_by(sent_bytes);
    if cut {
        METRICS.deliveries_cut.inc();
    }
}

/// A request was refused by the rate limits of a tier.
pub fn rate_limited(tier: &'static str) {
    METRICS.rate_limited.get_or_create(&TierLabel { tier }).inc();
}

/// An upload by URL ended: `made`, `replayed`, `failed` or `key_reused`.
pub fn import_ended(outcome: &'static str) {
    METRICS.imports.get_or_create(&OutcomeLabel { outcome }).inc();
}

/// A download ended, its file stored or not: `outcome` is `stored` or the reason of the failure.
pub fn download_ended(outcome: &'static str, took: Duration, stored_bytes: u64) {
    METRICS.downloads.get_or_create(&OutcomeLabel { outcome }).inc();
    METRICS.download_duration.observe(took.as_secs_f64());
    METRICS.downloaded_bytes.inc_by(stored_bytes);
}

/// The storage made a file durable.
pub fn storage_kept(took: Duration) {
    METRICS.storage_duration.observe(took.as_secs_f64());
}

/// The storage failed in an operation.
pub fn storage_failed(operation: &'static str) {
    METRICS.storage_errors.get_or_create(&OperationLabel { operation }).inc();
}

/// SQLite committed so many writes at once.
pub fn database_committed(writes: usize) {
    METRICS.database_batch.observe(f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
}

/// A commit of SQLite that reached the disk took so long.
pub fn database_synced(took: Duration) {
    METRICS.database_commit.observe(took.as_secs_f64());
}

/// The database failed.
pub fn database_failed() {
    METRICS.database_errors.inc();
}

/// A connection of a client, counted as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(());

impl OpenConnection {
    /// Counts one more.
    #[must_use]
    pub fn count() -> OpenConnection {
        METRICS.connections.inc();
        OpenConnection(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        METRICS.connections.dec();
    }
}

/// What is not counted as it happens, but looked at when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Downloads that run.
    pub running: usize,
    /// Downloads that wait.
    pub waiting: usize,
    /// Uploads being worked on or waited for.
    pub under_way: usize,
    /// Free bytes of the data directory's disk, where they can be told.
    pub free_bytes: Option<u64>,
}

/// Everything that was counted so far, as text in the form of [`CONTENT_TYPE`].
#[must_use]
pub fn render(now: &Now) -> String {
    let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    METRICS.running.set(gauge(now.running));
    METRICS.waiting.set(gauge(now.waiting));
    METRICS.under_way.set(gauge(now.under_way));
    #[expect(clippy::cast_precision_loss, reason = "a disk's free space to 53 bits is exact enough")]
    METRICS.free_bytes.set(now.free_bytes.map_or(f64::NAN, |bytes| bytes as f64));
    let mut text = String::new();
    text::encode(&mut text, &METRICS.registry).expect("a text takes what is written to it");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text_under_its_labels() {
        request_answered("/healthz", "GET", 299, Duration::from_millis(3));
        download_ended("made_up_here", Duration::from_secs(2), 7);
        let open = OpenConnection::count();
        let now = Now { running: 3, waiting: 2, under_way: 9, free_bytes: Some(4_096) };

        let text = render(&now);
        drop(open);

        let has = |line: &str| assert!(text.lines().any(|found| found == line), "`{line}` in {text}");
        has(r#"soku_http_requests_total{route="/healthz",method="GET",status="299"} 1"#);
        has(r#"soku_downloads_total{outcome="made_up_here"} 1"#);
        has("soku_downloads_running 3");
        has("soku_downloads_waiting 2");
        has("soku_imports_under_way 9");
        has("soku_disk_free_bytes 4096.0");
        has(&format!(r#"soku_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")));
        has("# EOF");
        assert!(text.contains("process_open_fds ") && text.contains("process_resident_memory_bytes "), "{text}");
    }
}
