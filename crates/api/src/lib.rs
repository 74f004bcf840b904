//! What crosses the wire of the Soku Media API: requests, answers, and the closed lists of codes and reasons.
//!
//! Nothing here does anything; the server and the document are both made from these types.

mod code;
mod reason;

pub use code::{ErrorCode, ErrorType};
pub use reason::Reason;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `POST /v1/media`. Unknown fields are ignored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"url": "https://example.com/videos/product-demo.mp4"}))]
pub struct CreateMedia {
    /// The publicly accessible URL of the media file to upload. Must be a valid HTTP or HTTPS URL.
    #[schema(format = "uri", max_length = 8192)]
    pub url: String,
}

/// The answer of `POST /v1/media`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"url": "https://storage.mysoku.io/media/f7e8d9c0b3c4d5e6a1b2c3d4e5f60718/product-demo.mp4"}))]
pub struct MediaCreated {
    /// The Soku-hosted URL of the uploaded media file. Use this URL in the mediaUrls, videoUrl, or imageUrls fields
    /// when creating posts.
    #[schema(format = "uri")]
    pub url: String,
}

/// The envelope of every error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What went wrong, for programs (`type`, `code`, `details`) and for people (`message`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// The family of the error.
    #[serde(rename = "type")]
    pub kind: ErrorType,
    /// The error, from a closed list that is never renamed.
    pub code: ErrorCode,
    /// One sentence for people; it may change.
    pub message: String,
    /// When the server answered: RFC 3339, UTC, milliseconds.
    #[schema(format = "date-time", example = "2026-02-28T12:00:00.000Z")]
    pub timestamp: String,
    /// The request's id, also in the `x-request-id` header and in the server's log.
    #[schema(example = "req_abc123def456")]
    pub request_id: String,
    /// More facts, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
}

/// The facts beside a code. Every field is optional.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// The field of the request that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why, from a closed list that is never renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// With `not_media`: what the bytes are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_type: Option<String>,
    /// With `too_large`: the limit in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// With `source_status`: the status that the source answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_status: Option<u16>,
    /// In how many whole seconds the source asked to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}
