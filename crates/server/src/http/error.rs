//! Refusals and their answers: the one table from what went wrong to status, code and message.
//!
//! A handler returns a [`Refusal`]; the door turns it into the envelope, because only the door knows the request's id.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use soku_api::{ErrorBody, ErrorCode, ErrorDetail, ErrorDetails, Reason};

use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::id::RequestId;

/// The sentence of the user's document for a missing or malformed `url`.
pub const INVALID_URL_MESSAGE: &str = "The 'url' field must be a valid HTTP or HTTPS URL.";

/// Seconds after which a client should try again when the server cannot take work now.
const RETRY_WHEN_UNAVAILABLE: u64 = 5;

/// An answer that is an error: everything of it but the request's id and the time.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
    pub details: Option<Box<ErrorDetails>>,
    /// The status, where it is not the code's.
    pub own_status: Option<StatusCode>,
    /// Headers beside the envelope's own, such as `Allow`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// A refusal without details.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, message: message.into(), details: None, own_status: None, headers: Vec::new() }
    }

    /// A refusal with a reason of the closed list; code and message follow from it.
    #[must_use]
    pub fn because(reason: Reason) -> Refusal {
        Refusal::from(&Failure::from(reason))
    }

    /// 401 with one of the three messages of the contract.
    #[must_use]
    pub fn unauthorized(message: &'static str) -> Refusal {
        Refusal::new(ErrorCode::Unauthorized, message)
    }

    /// 403: the subscription is not live.
    #[must_use]
    pub fn forbidden() -> Refusal {
        Refusal::new(ErrorCode::Forbidden, "An active subscription is required to access the API.")
    }

    /// 404 for a route or a file that is not there; the same words for both, so that nothing can be guessed.
    #[must_use]
    pub fn not_found() -> Refusal {
        Refusal::new(ErrorCode::NotFound, "There is nothing at this address.")
    }

    /// 404 for a part of the Soku API that this server does not have yet.
    #[must_use]
    pub fn not_yet(api: &'static str) -> Refusal {
        Refusal::new(ErrorCode::NotFound, format!("This server has no {api} API yet."))
    }

    /// 405; `allow` lists the methods that the route has.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Refusal {
        let message = format!("This address does not take this method, only {allow}.");
        Refusal::new(ErrorCode::MethodNotAllowed, message).with(ALLOW, HeaderValue::from_static(allow))
    }

    /// 408: the body did not come in time.
    #[must_use]
    pub fn request_timeout() -> Refusal {
        Refusal::new(ErrorCode::RequestTimeout, "The request's body did not arrive in time.")
    }

    /// 412: a precondition does not hold.
    #[must_use]
    pub fn precondition_failed() -> Refusal {
        Refusal::new(ErrorCode::PreconditionFailed, "The file does not match the condition of the request.")
    }

    /// 413: the body is larger than `limit_bytes`.
    #[must_use]
    pub fn payload_too_large(limit_bytes: u64) -> Refusal {
        let message = format!("The request body is larger than {limit_bytes} bytes. Send only the URL of the file.");
        Refusal::new(ErrorCode::PayloadTooLarge, message)
    }

    /// 415: the body is not declared as JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Refusal {
        Refusal::new(ErrorCode::UnsupportedMediaType, "The 'Content-Type' header must be 'application/json'.")
    }

    /// 416: no byte of the file, which has `size_bytes`, is inside the requested range.
    #[must_use]
    pub fn range_not_satisfiable(size_bytes: u64) -> Refusal {
        let refusal = Refusal::new(ErrorCode::RangeNotSatisfiable, "No byte of the file is in the requested range.");
        match HeaderValue::try_from(format!("bytes */{size_bytes}")) {
            Ok(value) => refusal.with(CONTENT_RANGE, value),
            Err(_) => refusal,
        }
    }

    /// 422: the key was used with another payload.
    #[must_use]
    pub fn idempotency_key_reused() -> Refusal {
        let message = "This 'Idempotency-Key' was already used with a different payload.";
        Refusal::new(ErrorCode::IdempotencyKeyReused, message)
    }

    /// 429; one more request passes after `retry_after_seconds`.
    #[must_use]
    pub fn rate_limited(retry_after_seconds: i64) -> Refusal {
        let message = format!("Too many requests. Try again in {retry_after_seconds} seconds.");
        let refusal = Refusal::new(ErrorCode::RateLimitExceeded, message);
        refusal.with(RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// 500 without a reason: a bug of ours, whose cause stays in the log.
    #[must_use]
    pub fn internal() -> Refusal {
        Refusal::new(ErrorCode::InternalError, "Something went wrong on the server.")
    }

    /// 400 for a request that breaks a rule of HTTP itself.
    #[must_use]
    pub fn bad_request(message: &'static str) -> Refusal {
        Refusal::new(ErrorCode::ValidationError, message)
    }

    /// 431: the head of the request has more than `limit_bytes`.
    #[must_use]
    pub fn head_too_large(limit_bytes: usize) -> Refusal {
        let message = format!("The request line and headers are larger than {limit_bytes} bytes.");
        let own_status = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        Refusal { own_status, ..Refusal::new(ErrorCode::ValidationError, message) }
    }

    /// This refusal, naming the part of the request that must change.
    #[must_use]
    pub fn about(mut self, field: &str) -> Refusal {
        self.details.get_or_insert_default().field = Some(field.to_owned());
        self
    }

    /// The refusal that fits a bare error status that some lower part answered; `None` where the status is no error.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Option<Refusal> {
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        Some(match status.as_u16() {
            404 => Refusal::not_found(),
            405 => Refusal::new(ErrorCode::MethodNotAllowed, "This address does not take this method."),
            408 => Refusal::request_timeout(),
            412 => Refusal::precondition_failed(),
            415 => Refusal::unsupported_media_type(),
            status if status < 500 => Refusal::bad_request("The request could not be understood."),
            _ => Refusal::internal(),
        })
    }

    /// This refusal with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Refusal {
        self.headers.push((name, value));
        self
    }

    /// The status that it is sent with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let of_the_code = || StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.own_status.unwrap_or_else(of_the_code)
    }

    /// The reason, where there is one.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.details.as_ref().and_then(|details| details.reason)
    }

    /// The envelope, complete.
    #[must_use]
    pub fn envelope(&self, request_id: &RequestId, now: Timestamp) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                kind: self.code.kind(),
                code: self.code,
                message: self.message.clone().into_owned(),
                timestamp: now.rfc3339(),
                request_id: request_id.as_str().to_owned(),
                details: self.details.as_deref().cloned(),
            },
        }
    }

    /// The whole answer. Errors are never cached.
    #[must_use]
    pub fn render(&self, request_id: &RequestId, now: Timestamp) -> Response {
        let body = serde_json::to_vec(&self.envelope(request_id, now)).expect("the envelope is plain data");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Refusal {
        let reason = failure.reason;
        let details = ErrorDetails {
            field: field_of(reason).map(str::to_owned),
            reason: Some(reason),
            detected_type: failure.detected_type.clone(),
            limit_bytes: failure.limit_bytes,
            source_status: failure.source_status,
            retry_after: failure.retry_after,
        };
        let refusal = Refusal {
            code: reason.code(),
            message: message_of(failure),
            details: Some(Box::new(details)),
            own_status: None,
            headers: Vec::new(),
        };
        if refusal.code == ErrorCode::ServiceUnavailable {
            return refusal.with(RETRY_AFTER, HeaderValue::from(RETRY_WHEN_UNAVAILABLE));
        }
        refusal
    }
}

/// The part of the request that a refused request must change.
fn field_of(reason: Reason) -> Option<&'static str> {
    match (reason, reason.code()) {
        (Reason::InvalidIdempotencyKey, _) => Some("Idempotency-Key"),
        (Reason::InvalidJson, _) => Some("body"),
        (_, ErrorCode::ValidationError) => Some("url"),
        _ => None,
    }
}

/// The sentence for a failure, with the fact that helps most where there is one.
fn message_of(failure: &Failure) -> Cow<'static, str> {
    let sentence = failure.reason.message();
    if let Some(detected) = &failure.detected_type {
        let page = detected == "text/html" || detected == "application/xhtml+xml";
        let help = if page {
            "It leads to a web page; use the direct link to the file."
        } else {
            "Use the direct link to the file."
        };
        return format!("{sentence} The content was detected as '{detected}'. {help}").into();
    }
    if let Some(limit) = failure.limit_bytes {
        return format!("{sentence} The limit is {limit} bytes.").into();
    }
    if let Some(status) = failure.source_status {
        return format!("{sentence} It answered with status {status}.").into();
    }
    sentence.into()
}

impl IntoResponse for Refusal {
    /// A bare status that carries the refusal along; the door replaces it by [`Refusal::render`].
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_code_and_a_sentence() {
        for reason in Reason::ALL {
            let refusal = Refusal::because(*reason);

            assert_eq!(refusal.code, reason.code());
            assert!(refusal.message.ends_with('.'), "{}", refusal.message);
            let unavailable = refusal.code == ErrorCode::ServiceUnavailable;
            assert_eq!(refusal.headers.iter().any(|(name, _)| name == RETRY_AFTER), unavailable);
        }
        for reason in [Reason::InvalidUrl, Reason::MissingField, Reason::InvalidType] {
            assert_eq!(Refusal::because(reason).message, INVALID_URL_MESSAGE);
        }
    }

    #[test]
    fn a_page_is_refused_with_the_sentence_that_helps() {
        let failure = Failure { detected_type: Some("text/html".to_owned()), ..Failure::from(Reason::NotMedia) };

        assert_eq!(
            Refusal::from(&failure).message,
            "The URL does not lead to an image, video or audio file. The content was detected as 'text/html'. \
             It leads to a web page; use the direct link to the file."
        );
    }

    #[test]
    fn every_error_status_has_an_envelope() {
        for status in 400..600 {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(Refusal::for_status(status).is_some());
        }
        assert!(Refusal::for_status(StatusCode::NOT_MODIFIED).is_none());
    }
}
