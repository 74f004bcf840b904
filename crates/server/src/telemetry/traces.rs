//! Traces: spans of ours, as OpenTelemetry knows them, on their way to the operator's collector (decision 9).
//!
//! What is traced are the request and its steps, and nothing of what is logged: only fields that a span names leave.

mod export;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor};
use tokio::sync::mpsc;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

pub use export::{Exporter, ExporterError};

/// The target of spans that are steps of a request. The log never has them. `soku_fetch::STEPS` says the same, a crate that
/// this floor does not know; the steps of a fetch would be missing in the traces else.
pub const STEPS: &str = "traces";

/// The name of the span around a request, which the log has too.
pub const REQUEST: &str = "request";

/// The most spans that wait for the collector. A span has a handful of short fields: less than 1 KiB.
const QUEUE: usize = 2048;

/// Where traces go, and what they are filed under.
#[derive(Clone, Debug)]
pub struct TracesSettings {
    /// The URL that takes `POST` requests of OTLP.
    pub endpoint: String,
    /// What opens it.
    pub headers: HeaderMap,
    /// Which part of the requests is traced, from 0 to 1.
    pub ratio: f64,
    pub service_name: String,
    /// What else is said of this server in every trace.
    pub attributes: Vec<(String, String)>,
}

/// Spans that ended, and where they go; [`Exporter::new`] brings them there.
#[derive(Debug)]
pub struct Traces {
    settings: TracesSettings,
    resource: Resource,
    ended: mpsc::Receiver<SpanData>,
    lost: Arc<AtomicU64>,
}

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Whether this process has traces. To ask `span_enabled!` instead would have the layers' filters remember an answer
/// that is none about the span that is made next.
#[must_use]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// From now on.
pub(super) fn turn_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// What turns our spans into traces, and what comes of them.
pub(super) fn layer<S>(settings: &TracesSettings) -> (Box<dyn Layer<S> + Send + Sync>, Traces)
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (queue, ended) = mpsc::channel(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let attributes = settings.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder_empty()
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    // Everything that the library would else take from variables is said here.
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue { queue, lost: Arc::clone(&lost) })
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.ratio))))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource.clone())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("soku"))
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO))
        .boxed();
    (layer, Traces { settings: settings.clone(), resource, ended, lost })
}

/// No line of the log is an event of a trace: it would take along what strangers wrote.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    let is_request = metadata.name() == REQUEST && metadata.target().starts_with("soku_server::");
    metadata.is_span() && (metadata.target() == STEPS || is_request)
}

/// Takes spans as they end, and lets them go where there is no room: nobody ever waits for a collector.
#[derive(Debug)]
struct Queue {
    queue: mpsc::Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        // No word here: this runs inside the log's own machinery. The exporter says it.
        if span.span_context.is_sampled() && self.queue.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
