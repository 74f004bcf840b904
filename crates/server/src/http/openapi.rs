//! The OpenAPI 3.1 document, made from the handlers and the tables of errors; `openapi.json` in the repository is its
//! copy, and a test fails when the two differ.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::json;
use soku_api::{ErrorBody, ErrorCode, Reason};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::http::error::Refusal;
use crate::http::{delivery, health, media};
use crate::id::RequestId;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Soku Media API",
        description = "Takes media in by URL, keeps it, and serves it under a hosted URL that every platform accepts.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(media::create, delivery::deliver, health::healthz, health::readyz, document),
    components(schemas(ErrorBody)),
    tags(
        (name = "media", description = "Upload remote media and fetch what was uploaded"),
        (name = "operations", description = "What supervisors and tools ask; no key, no limits")
    ),
    modifiers(&Security, &Errors, &Headers)
)]
struct Document;

/// The whole document as pretty JSON with a final newline.
#[must_use]
pub fn json() -> String {
    let mut text = Document::openapi().to_pretty_json().expect("the document is plain data");
    text.push('\n');
    text
}

static JSON: LazyLock<String> = LazyLock::new(json);

/// The document of this API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    summary = "This document",
    responses((status = 200, description = "The OpenAPI 3.1 document of this server.", content_type = "application/json"))
)]
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], JSON.as_str()).into_response()
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKeyValue::with_description("soku-api-key", "Your Soku API key: `sk_live_` and 32 characters");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// Adds the error answers of each operation, with an example for each code and reason.
struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let refusals = refusals_of(path);
            for operation in operations(item) {
                for refusal in &refusals {
                    add(operation, refusal);
                }
            }
        }
    }
}

/// Every answer with an error that the operations of `path` can make.
fn refusals_of(path: &str) -> Vec<Refusal> {
    let fixed = match path {
        "/v1/media" => vec![
            Refusal::unauthorized("Missing or invalid soku-api-key"),
            Refusal::unauthorized("Invalid API key"),
            Refusal::unauthorized("API key revoked"),
            Refusal::forbidden(),
            Refusal::request_timeout(),
            Refusal::payload_too_large(64 * 1024),
            Refusal::unsupported_media_type(),
            Refusal::idempotency_key_reused(),
            Refusal::rate_limited(17),
            Refusal::internal(),
        ],
        "/media/{id}/{filename}" => vec![
            Refusal::not_found(),
            Refusal::method_not_allowed("GET, HEAD"),
            Refusal::precondition_failed(),
            Refusal::range_not_satisfiable(1_048_576),
            Refusal::because(Reason::StorageFailed),
            Refusal::because(Reason::NotReady),
        ],
        "/readyz" => vec![Refusal::because(Reason::NotReady), Refusal::because(Reason::ShuttingDown)],
        _ => Vec::new(),
    };
    let reasons: &[Reason] = if path == "/v1/media" { Reason::ALL } else { &[] };
    fixed.into_iter().chain(reasons.iter().map(|reason| example_of(*reason))).collect()
}

/// A refusal for `reason` with the facts that come beside it.
fn example_of(reason: Reason) -> Refusal {
    let mut failure = Failure::from(reason);
    match reason {
        Reason::NotMedia => failure.detected_type = Some("text/html".to_owned()),
        Reason::TooLarge => failure.limit_bytes = Some(5 * 1024 * 1024 * 1024),
        Reason::SourceStatus => failure.source_status = Some(404),
        _ => {}
    }
    Refusal::from(&failure)
}

/// Adds `refusal` as an example of its status, making the response where it is the first.
fn add(operation: &mut Operation, refusal: &Refusal) {
    let status = refusal.status().as_u16().to_string();
    let request_id = RequestId::from_stored("req_abc123def456".to_owned());
    let envelope = refusal.envelope(&request_id, Timestamp(1_772_280_000_000));
    let name = refusal.reason().map_or_else(|| slug(refusal), |reason| reason.as_str().to_owned());
    let example = ExampleBuilder::new().summary(refusal.message.clone()).value(Some(json!(envelope))).build();

    let response = operation.responses.responses.entry(status).or_insert_with(|| {
        let schema = Ref::from_schema_name("ErrorBody");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        ResponseBuilder::new()
            .description(format!("`{}`. {}", refusal.code.as_str(), refusal.code.cause()))
            .content("application/json", content)
            .build()
            .into()
    });
    if let RefOr::T(response) = response
        && let Some(RefOr::T(content)) = response.content.get_mut("application/json")
    {
        content.examples.insert(name, RefOr::T(example));
    }
}

fn slug(refusal: &Refusal) -> String {
    match refusal.code {
        ErrorCode::Unauthorized => refusal.message.to_lowercase().replace([' ', '-'], "_"),
        code => code.as_str().to_owned(),
    }
}

/// Adds the headers that every answer carries.
struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let limited = path.starts_with("/v1");
            for operation in operations(item) {
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    let mut add = |name: &str, kind: Type, description: &str| {
                        let schema = ObjectBuilder::new().schema_type(kind).build();
                        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build();
                        response.headers.insert(name.to_owned(), RefOr::T(header));
                    };
                    add("x-request-id", Type::String, "The request's id, as in the error envelope and the log");
                    if limited {
                        for (name, kind, description) in LIMIT_HEADERS {
                            add(name, kind.clone(), description);
                        }
                    }
                    if path.starts_with("/media") {
                        let always = &FILE_HEADERS[..if status.starts_with('2') { FILE_HEADERS.len() } else { 4 }];
                        for (name, description) in always {
                            add(name, Type::String, description);
                        }
                        if status == "206" || status == "416" {
                            add("Content-Range", Type::String, "The range that is sent, or the length of the file");
                        }
                        if status == "405" {
                            add("Allow", Type::String, "The methods that there are");
                        }
                    }
                    if status == "429" || status == "503" {
                        add("Retry-After", Type::Integer, "Whole seconds after which to send the request again");
                    }
                    if limited && status == "201" {
                        add("Location", Type::String, "The hosted URL, as in the body");
                        add(
                            "Idempotent-Replayed",
                            Type::String,
                            "`true` when another request made the file; absent otherwise",
                        );
                    }
                }
            }
        }
    }
}

const LIMIT_HEADERS: [(&str, Type, &str); 6] = [
    ("X-RateLimit-Limit", Type::Integer, "How many requests pass in the window of the limit closest to its end"),
    ("X-RateLimit-Remaining", Type::Integer, "How many more pass now"),
    ("X-RateLimit-Reset", Type::Integer, "Unix seconds at which one more passes"),
    ("X-RateLimit-Tier", Type::String, "`default`, `authenticated`, `premium` or `admin`"),
    ("RateLimit", Type::String, "The same by draft-ietf-httpapi-ratelimit-headers-10"),
    ("RateLimit-Policy", Type::String, "The policies by draft-ietf-httpapi-ratelimit-headers-10"),
];

/// What every answer under `/media` carries (the first four), and what those with a file carry.
const FILE_HEADERS: [(&str, &str); 10] = [
    ("Cache-Control", "For ever, or `no-store` for errors"),
    ("Content-Security-Policy", "Lets a browser show the file and run nothing"),
    ("Cross-Origin-Resource-Policy", "`cross-origin`"),
    ("Access-Control-Allow-Origin", "`*`"),
    ("Content-Length", "Always known"),
    ("Content-Disposition", "`inline`, or `attachment` for what a browser must not show, with the file name"),
    ("ETag", "Strong: the digest of the content"),
    ("Last-Modified", "When the file was stored"),
    ("Accept-Ranges", "`bytes`"),
    ("X-Content-Type-Options", "`nosniff`"),
];

fn operations(item: &mut utoipa::openapi::PathItem) -> impl Iterator<Item = &mut Operation> {
    [item.get.as_mut(), item.head.as_mut(), item.post.as_mut()].into_iter().flatten()
}
