//! Bringing spans to the collector by OTLP over HTTP: in batches, patiently while it is away, and never for long at a
//! stop. Its troubles are told once, and so is their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use reqwest::redirect::Policy;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{QUEUE, Traces};
use crate::telemetry::Causes;

/// The most spans in one message.
const BATCH: usize = 512;

/// How long the first span of a message waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// How long the collector may take to answer one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it is left alone after it did not take one, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long a stop waits for it.
const LAST: Duration = Duration::from_secs(3);

/// As much of its answer as is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Why traces cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[error(
    "TLS to the collector of traces `{endpoint}` cannot be set up: install the system's certificates \
     (`ca-certificates`), or name them by SSL_CERT_FILE"
)]
pub struct ExporterError {
    endpoint: String,
    #[source]
    source: reqwest::Error,
}

/// Why the collector did not take a message.
#[derive(Debug, thiserror::Error)]
enum Untaken {
    /// It may take it later.
    #[error("it could not be asked")]
    Away(#[source] reqwest::Error),
    #[error("it answered {0}")]
    Busy(u16),
    /// It never will.
    #[error("it answered {0}")]
    Refused(u16),
}

/// Brings spans to the collector.
pub struct Exporter {
    client: reqwest::Client,
    endpoint: String,
    resource: ResourceAttributesWithSchema,
    ended: mpsc::Receiver<SpanData>,
    lost: Arc<AtomicU64>,
    /// What is being sent, and what is gathered for the next message: neither is forgotten when a stop comes in between.
    message: Option<Message>,
    batch: Vec<SpanData>,
    trouble: Trouble,
}

/// Spans on their way.
#[derive(Clone)]
struct Message {
    bytes: Bytes,
    spans: usize,
}

/// What was told of the collector's troubles, since it took the last message.
#[derive(Default)]
struct Trouble {
    is_told: bool,
    lost: u64,
}

impl Exporter {
    /// An exporter that has not begun.
    ///
    /// # Errors
    /// [`ExporterError`] where TLS cannot be set up.
    pub fn new(traces: Traces) -> Result<Exporter, ExporterError> {
        let Traces { settings, resource, ended, lost } = traces;
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("soku/", env!("CARGO_PKG_VERSION")))
            .default_headers(settings.headers)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1);
        if settings.endpoint.starts_with("http://") {
            // Else a machine without certificates could not send what needs none.
            client = client.tls_certs_only([]);
        }
        let failed = |source: reqwest::Error| ExporterError {
            endpoint: settings.endpoint.clone(),
            source: source.without_url(),
        };
        Ok(Exporter {
            client: client.build().map_err(failed)?,
            endpoint: settings.endpoint,
            resource: (&resource).into(),
            ended,
            lost,
            message: None,
            batch: Vec::new(),
            trouble: Trouble::default(),
        })
    }

    /// Sends what ends until `stop`, then what is left, as far as that goes in a moment.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.go_on() => {}
            () = stop.cancelled() => {}
        }
        let _ = timeout(LAST, self.finish()).await;
        while let Ok(span) = self.ended.try_recv() {
            self.batch.push(span);
        }
        let left = self.batch.len() + self.message.as_ref().map_or(0, |message| message.spans);
        if left > 0 {
            warn!("The collector of traces did not take the last {left} spans");
        }
    }

    async fn go_on(&mut self) {
        loop {
            self.gather().await;
            let (mut pause, longest) = PAUSES;
            while !self.deliver().await {
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }

    /// Waits for a span, and a little for others.
    async fn gather(&mut self) {
        if self.batch.is_empty() {
            self.ended.recv_many(&mut self.batch, BATCH).await;
        }
        let until = Instant::now() + LINGER;
        while let Some(room @ 1..) = BATCH.checked_sub(self.batch.len()) {
            match timeout_at(until, self.ended.recv_many(&mut self.batch, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Sends everything once, and stops where it is not taken.
    async fn finish(&mut self) {
        loop {
            if !self.deliver().await {
                return;
            }
            while self.batch.len() < BATCH
                && let Ok(span) = self.ended.try_recv()
            {
                self.batch.push(span);
            }
            if self.batch.is_empty() {
                return;
            }
        }
    }

    /// Tries once to send what is to be sent. False where it is worth another try.
    async fn deliver(&mut self) -> bool {
        if self.message.is_none() && !self.batch.is_empty() {
            self.message = Some(self.encoded());
        }
        let Some(message) = self.message.clone() else { return true };
        let outcome = self.send(message.bytes).await;
        let lost = self.lost.swap(0, Ordering::Relaxed);
        match outcome {
            Ok(rejected) => self.trouble.end(lost + rejected),
            Err(why @ Untaken::Refused(_)) => self.trouble.tell(&why, lost + message.spans as u64),
            Err(why @ (Untaken::Away(_) | Untaken::Busy(_))) => {
                self.trouble.tell(&why, lost);
                return false;
            }
        }
        self.message = None;
        true
    }

    fn encoded(&mut self) -> Message {
        let batch = std::mem::take(&mut self.batch);
        let spans = batch.len();
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        Message { bytes: ExportTraceServiceRequest { resource_spans }.encode_to_vec().into(), spans }
    }

    /// Sends one message; gives how many of its spans the collector rejected.
    async fn send(&self, body: Bytes) -> Result<u64, Untaken> {
        let away = |error: reqwest::Error| Untaken::Away(error.without_url());
        let request = self.client.post(&self.endpoint);
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")).body(body);
        let mut answer = request.send().await.map_err(away)?;
        match answer.status().as_u16() {
            200..300 => {
                // Read to its end, so that the next message finds the connection open.
                let mut said = Vec::new();
                while said.len() < LONGEST_ANSWER
                    && let Some(chunk) = answer.chunk().await.map_err(away)?
                {
                    said.extend_from_slice(&chunk);
                }
                let rejected = ExportTraceServiceResponse::decode(&*said).ok().and_then(|said| said.partial_success);
                Ok(rejected.map_or(0, |rejected| u64::try_from(rejected.rejected_spans).unwrap_or(0)))
            }
            // Those that the protocol calls worth another try, and the one that a proxy says.
            status @ (408 | 429 | 502 | 503 | 504) => Err(Untaken::Busy(status)),
            status => Err(Untaken::Refused(status)),
        }
    }
}

impl Trouble {
    fn tell(&mut self, why: &Untaken, lost: u64) {
        if !self.is_told {
            self.is_told = true;
            warn!(
                "The collector of traces does not take them: {}: look at SOKU_TRACES_ENDPOINT, at the headers in \
                 OTEL_EXPORTER_OTLP_HEADERS and at its own log; requests do not suffer",
                Causes(why)
            );
        }
        self.lose(lost);
    }

    fn lose(&mut self, lost: u64) {
        if lost > 0 && self.lost == 0 {
            warn!("Spans are lost: the collector refused them, or more than {QUEUE} waited for it");
        }
        self.lost += lost;
    }

    fn end(&mut self, lost: u64) {
        self.lose(lost);
        if self.is_told || self.lost > 0 {
            info!("The collector of traces takes them again; {} spans were lost", self.lost);
        }
        *self = Trouble::default();
    }
}
