//! `GET|HEAD /media/<id>/<filename>`: the public files, byte for byte, as every platform's fetcher wants them.
//!
//! No key, no limit, no redirect, no cookie, no content coding, always a length; RFC 9110 for the rest.

mod face;
mod sending;

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    RANGE, USER_AGENT, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use soku_api::Reason;
use tracing::field::Empty;
use tracing::{Instrument as _, error, info_span};

use crate::failure::is_out_of_files;
use crate::http::api::Api;
use crate::http::conditions::{self, Verdict};
use crate::http::door::{Context, LogsItself};
use crate::http::error::Refusal;
use crate::http::range::{self, Piece, Selection};
use crate::id::MediaId;
use crate::library::{Library, LibraryError};
use crate::media::Media;
use crate::store::{ObjectBody, StoreError};
use crate::telemetry::Causes;
use crate::telemetry::traces::STEPS;
use face::Face;
use sending::{Line, Part, Sending};

pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const METHODS: &str = "GET, HEAD";

/// Answers a request for a file.
#[utoipa::path(
    method(get, head), path = "/media/{id}/{filename}", tag = "media", operation_id = "getMedia",
    summary = "Fetch hosted media",
    description = "The stored bytes under their own type, by RFC 9110: ranges and conditions. Public, and not rate limited.",
    params(
        ("id" = String, Path, description = "The id from the hosted URL", example = "f7e8d9c0b3c4d5e6a1b2c3d4e5f60718"),
        ("filename" = String, Path, description = "The name from the hosted URL", example = "product-demo.mp4"),
        ("Range" = Option<String>, Header, description = "One or several byte ranges", example = "bytes=0-1023"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags that the client has")
    ),
    responses(
        (status = 200, description = "The whole file.", content_type = "*/*"),
        (status = 206, description = "The requested range or ranges.", content_type = "*/*"),
        (status = 304, description = "The client's copy is the current one.")
    )
)]
pub async fn deliver(
    State(api): State<Arc<Api>>,
    Extension(context): Extension<Context>,
    request: Request<Body>,
) -> Response {
    let started = Instant::now();
    // Whatever body there is, nobody reads it.
    let (request, _) = request.into_parts();
    match answer(&api, context, &request, started).await {
        Ok(response) => response,
        Err(refusal) => refuse(refusal),
    }
}

/// A refusal with the headers that guard whoever opens it in a browser (rule V3).
fn refuse(refusal: Refusal) -> Response {
    let mut response = refusal.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    guard(headers);
    response
}

/// What every answer under `/media` carries.
pub(super) fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// What is sent of a file.
struct Layout {
    status: StatusCode,
    pieces: Vec<Piece>,
    length_bytes: u64,
}

async fn answer(api: &Api, context: Context, request: &Parts, started: Instant) -> Result<Response, Refusal> {
    let library = &api.library;
    let method = &request.method;
    if method != Method::GET && method != Method::HEAD {
        return Err(Refusal::method_not_allowed(METHODS));
    }
    let media = find(library, &context, request.uri.path()).await?.ok_or_else(Refusal::not_found)?;
    let face = Face::of(&media).map_err(|cause| {
        error!(request.id = %context.request_id, "The row of media `{}` cannot be shown: {cause}", media.id);
        Refusal::internal()
    })?;

    let mut headers = HeaderMap::with_capacity(16);
    guard(&mut headers);
    let mut layout = match face.validators().judge(&request.headers) {
        Verdict::Failed => return Err(Refusal::precondition_failed()),
        Verdict::NotModified => {
            face.describe_shortly(&mut headers);
            Layout { status: StatusCode::NOT_MODIFIED, pieces: Vec::new(), length_bytes: 0 }
        }
        Verdict::Proceed => {
            face.describe(&mut headers, api.clock.now());
            let layout = lay_out(&media, select(request, &face, media.size_bytes), &mut headers)?;
            headers.insert(CONTENT_LENGTH, HeaderValue::from(layout.length_bytes));
            layout
        }
    };
    let is_head = method == Method::HEAD;
    if is_head {
        // What a `GET` could not read is no 200 here either: one byte tells.
        if let Some(Piece::File(whole)) = layout.pieces.first_mut() {
            whole.end = whole.end.min(whole.start + 1);
        }
        layout.length_bytes = 0;
    }

    let range = ranges_of(&layout);
    let opening = open(library, &context, &media, layout.pieces).instrument(info_span!(target: STEPS, "open"));
    let mut parts = opening.await?;
    if is_head {
        parts.clear();
    }
    let line = Line {
        request_id: context.request_id,
        client: context.client,
        user_agent: request.headers.get(USER_AGENT).cloned(),
        media,
        method: method.clone(),
        status: layout.status,
        range,
        length_bytes: layout.length_bytes,
        sent_bytes: 0,
        started,
        is_broken: false,
        span: info_span!(target: STEPS, "send", http.response.body.size = Empty, error.type = Empty),
    };
    let mut response = Response::new(Body::new(Sending::new(parts, line)));
    *response.status_mut() = layout.status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(LogsItself);
    Ok(response)
}

/// The entry under a path. A malformed id, an unknown one, and a name that is not its own are all the same (rule V7).
async fn find(library: &Library, context: &Context, path: &str) -> Result<Option<Arc<Media>>, Refusal> {
    let Some((id, name)) = path.strip_prefix("/media/").and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let Some(id) = MediaId::parse(id) else { return Ok(None) };
    let finding = library.find(&id).instrument(info_span!(target: STEPS, "find"));
    let found = finding.await.map_err(|cause| {
        error!(request.id = %context.request_id, "Could not look up media `{id}`: {}", Causes(&cause));
        Refusal::because(Reason::NotReady)
    })?;
    Ok(found.filter(|media| soku_media::names_match(&media.filename, name.as_bytes())))
}

/// The bytes that the request asks for. Only a `GET` has ranges (RFC 9110 §14.2).
fn select(request: &Parts, face: &Face, size_bytes: u64) -> Selection {
    let headers = &request.headers;
    match conditions::only(headers, RANGE) {
        Some(asked) if request.method == Method::GET && face.validators().range_counts(headers) => {
            range::select(asked.as_bytes(), size_bytes)
        }
        _ => Selection::Whole,
    }
}

fn lay_out(media: &Media, selection: Selection, headers: &mut HeaderMap) -> Result<Layout, Refusal> {
    let size_bytes = media.size_bytes;
    match selection {
        Selection::Unsatisfiable => Err(Refusal::range_not_satisfiable(size_bytes)),
        Selection::Whole => {
            let pieces = vec![Piece::File(0..size_bytes)];
            Ok(Layout { status: StatusCode::OK, pieces, length_bytes: size_bytes })
        }
        Selection::One(range) => {
            headers.insert(CONTENT_RANGE, ascii(range::content_range(&range, size_bytes)));
            let length_bytes = range.end - range.start;
            Ok(Layout { status: StatusCode::PARTIAL_CONTENT, pieces: vec![Piece::File(range)], length_bytes })
        }
        Selection::Several(ranges) => {
            // No file contains its own digest, so this boundary needs no search and is the same on every node.
            let boundary = &media.sha256[..media.sha256.len().min(32)];
            let body = range::multipart(&ranges, size_bytes, &media.content_type, boundary);
            headers.insert(CONTENT_TYPE, ascii(body.content_type));
            let (pieces, length_bytes) = (body.pieces, body.length_bytes);
            Ok(Layout { status: StatusCode::PARTIAL_CONTENT, pieces, length_bytes })
        }
    }
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits, hex digits and punctuation")
}

/// For the log: the parts of the file that are sent, as a `Range` header would ask for them; nothing for all of it.
fn ranges_of(layout: &Layout) -> String {
    let mut text = String::new();
    for piece in &layout.pieces {
        if let (StatusCode::PARTIAL_CONTENT, Piece::File(range)) = (layout.status, piece) {
            let comma = if text.is_empty() { "" } else { "," };
            text.push_str(&format!("{comma}{}-{}", range.start, range.end - 1));
        }
    }
    text
}

/// Opens the object where there is something to send of it, and reads the first bytes: a store that fails is an error
/// as long as no head went out.
async fn open(
    library: &Library,
    context: &Context,
    media: &Media,
    pieces: Vec<Piece>,
) -> Result<Vec<Part<ObjectBody>>, Refusal> {
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let refuse_read = |cause: LibraryError| {
        error!(request.id = %context.request_id, "Could not open media `{}`: {}", media.id, Causes(&cause));
        match cause {
            LibraryError::Db(_) | LibraryError::Store(StoreError::Unavailable { .. }) => {
                Refusal::because(Reason::NotReady)
            }
            cause if is_out_of_files(&cause) => Refusal::because(Reason::NotReady),
            // The row is the truth: a file that it promises and that is not there is the server's failure, not a 404.
            LibraryError::Store(_) | LibraryError::Room(_) | LibraryError::Panicked(_) => {
                Refusal { message: "The file could not be read.".into(), ..Refusal::because(Reason::StorageFailed) }
            }
        }
    };
    let object = library.open(media).await.map_err(refuse_read)?.ok_or_else(Refusal::not_found)?;
    let mut parts = Vec::with_capacity(pieces.len());
    let mut is_first = true;
    for piece in pieces {
        parts.push(match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::File(range) if std::mem::take(&mut is_first) => {
                let body = object.body(range).primed().await;
                Part::File(body.map_err(|cause| refuse_read(cause.into()))?)
            }
            Piece::File(range) => Part::File(object.body(range)),
        });
    }
    Ok(parts)
}
