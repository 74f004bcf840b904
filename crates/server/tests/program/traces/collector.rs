//! A collector of traces on loopback, which answers as it is told and reads what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode as SpanStatus};
use prost::Message as _;
use tokio::net::TcpListener;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Takes,
    /// Takes the message, and rejects this many of its spans.
    Rejects(i64),
    Says(StatusCode),
    /// Sends the message elsewhere on itself.
    Redirects,
    /// Never answers.
    Hangs,
}

/// What one message was.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    told: Mutex<Vec<Told>>,
}

impl Collector {
    pub(crate) async fn start(mood: Mood) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared { mood: Mutex::new(mood), told: Mutex::default() });
        let routes = Router::new().route("/{*path}", post(take)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Collector { url, shared }
    }

    pub(crate) fn feel(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    /// Every message that it was sent, whatever it answered.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.shared.told.lock().expect("no panic").clone()
    }

    /// Every span that it was sent, by its id.
    pub(crate) fn spans(&self) -> BTreeMap<Vec<u8>, Span> {
        let told = self.told();
        let messages = told.iter().map(|told| ExportTraceServiceRequest::decode(&*told.bytes).expect("protobuf"));
        let resources = messages.flat_map(|message| message.resource_spans);
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        spans.map(|span| (span.span_id.clone(), span)).collect()
    }
}

async fn take(State(shared): State<Arc<Shared>>, uri: http::Uri, headers: HeaderMap, bytes: Bytes) -> Response {
    let told = Told { path: uri.path().to_owned(), headers, bytes };
    shared.told.lock().expect("no panic").push(told);
    let mood = *shared.mood.lock().expect("no panic");
    match mood {
        Mood::Takes => ExportTraceServiceResponse::default().encode_to_vec().into_response(),
        Mood::Rejects(rejected_spans) => {
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message: String::new() });
            ExportTraceServiceResponse { partial_success }.encode_to_vec().into_response()
        }
        Mood::Says(status) => status.into_response(),
        Mood::Redirects => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Mood::Hangs => std::future::pending().await,
    }
}

/// The value of an attribute, as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match &found.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text.clone()),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        other => panic!("an attribute of another kind: {other:?}"),
    }
}

/// A span and all below it, a line each, in the order of their beginnings, with these attributes where there are any.
pub(crate) fn tree(spans: &BTreeMap<Vec<u8>, Span>, top: &Span, shown: &[&str]) -> String {
    let mut text = String::new();
    draw(spans, top, shown, 0, &mut text);
    text
}

fn draw(spans: &BTreeMap<Vec<u8>, Span>, span: &Span, shown: &[&str], depth: usize, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
    text.push_str(&span.name);
    match span.kind() {
        SpanKind::Internal => {}
        kind => text.push_str(&format!(" {}", kind.as_str_name())),
    }
    for name in shown {
        if let Some(value) = attribute(&span.attributes, name) {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    if span.status.as_ref().is_some_and(|status| status.code() == SpanStatus::Error) {
        text.push_str(" failed");
    }
    text.push('\n');
    let mut below: Vec<&Span> = spans.values().filter(|other| other.parent_span_id == span.span_id).collect();
    below.sort_by_key(|span| span.start_time_unix_nano);
    for span in below {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        draw(spans, span, shown, depth + 1, text);
    }
}
