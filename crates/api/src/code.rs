//! The closed lists of error types and codes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The family of an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// 401 and 403.
    AuthenticationError,
    /// Every other 4xx.
    InvalidRequestError,
    /// 5xx.
    ApiError,
}

/// What went wrong. Never renamed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    ValidationError,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    IdempotencyKeyReused,
    RateLimitExceeded,
    InternalError,
    ServiceUnavailable,
}

impl ErrorCode {
    pub const ALL: [ErrorCode; 14] = [
        ErrorCode::ValidationError,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::RequestTimeout,
        ErrorCode::PreconditionFailed,
        ErrorCode::PayloadTooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::RangeNotSatisfiable,
        ErrorCode::IdempotencyKeyReused,
        ErrorCode::RateLimitExceeded,
        ErrorCode::InternalError,
        ErrorCode::ServiceUnavailable,
    ];

    /// The one status that this code is sent with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::ValidationError => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::RequestTimeout => 408,
            ErrorCode::PreconditionFailed => 412,
            ErrorCode::PayloadTooLarge => 413,
            ErrorCode::UnsupportedMediaType => 415,
            ErrorCode::RangeNotSatisfiable => 416,
            ErrorCode::IdempotencyKeyReused => 422,
            ErrorCode::RateLimitExceeded => 429,
            ErrorCode::InternalError => 500,
            ErrorCode::ServiceUnavailable => 503,
        }
    }

    /// The family, by status: 401 and 403, other 4xx, 5xx.
    #[must_use]
    pub fn kind(self) -> ErrorType {
        match self.status() {
            401 | 403 => ErrorType::AuthenticationError,
            500.. => ErrorType::ApiError,
            _ => ErrorType::InvalidRequestError,
        }
    }

    /// As JSON spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::ValidationError => "validation_error",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::MethodNotAllowed => "method_not_allowed",
            ErrorCode::RequestTimeout => "request_timeout",
            ErrorCode::PreconditionFailed => "precondition_failed",
            ErrorCode::PayloadTooLarge => "payload_too_large",
            ErrorCode::UnsupportedMediaType => "unsupported_media_type",
            ErrorCode::RangeNotSatisfiable => "range_not_satisfiable",
            ErrorCode::IdempotencyKeyReused => "idempotency_key_reused",
            ErrorCode::RateLimitExceeded => "rate_limit_exceeded",
            ErrorCode::InternalError => "internal_error",
            ErrorCode::ServiceUnavailable => "service_unavailable",
        }
    }

    /// What brings this answer about.
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            ErrorCode::ValidationError => "The request can never succeed as it is; `details.reason` says why.",
            ErrorCode::Unauthorized => "The `soku-api-key` header is missing, unknown or revoked.",
            ErrorCode::Forbidden => "The account's subscription is not active.",
            ErrorCode::NotFound => "There is no such route, or no such file under this id and name.",
            ErrorCode::MethodNotAllowed => "The route exists but not for this method; `Allow` lists those that do.",
            ErrorCode::RequestTimeout => "The request's body did not arrive in time.",
            ErrorCode::PreconditionFailed => "`If-Match` or `If-Unmodified-Since` does not hold for the file.",
            ErrorCode::PayloadTooLarge => "The request's body is larger than 64 KiB (or the configured limit).",
            ErrorCode::UnsupportedMediaType => "The request's `Content-Type` is not `application/json`.",
            ErrorCode::RangeNotSatisfiable => "No byte of the file lies inside the requested `Range`.",
            ErrorCode::IdempotencyKeyReused => "The `Idempotency-Key` was already used with another payload.",
            ErrorCode::RateLimitExceeded => "More requests than the tier or the endpoint allows in its window.",
            ErrorCode::InternalError => "The download or the store failed; `details.reason` says which step.",
            ErrorCode::ServiceUnavailable => "The server cannot take work now. Nothing was begun.",
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn mend(self) -> &'static str {
        match self {
            ErrorCode::ValidationError => "Change the request as the message says.",
            ErrorCode::Unauthorized => "Send a valid key in `soku-api-key`; make one with `soku key create`.",
            ErrorCode::Forbidden => "Renew the subscription (`soku account set NAME --subscription active`).",
            ErrorCode::NotFound => "Check the path. Media are found only under the exact URL that was answered.",
            ErrorCode::MethodNotAllowed => "Use one of the methods in `Allow`.",
            ErrorCode::RequestTimeout => "Send the whole body at once.",
            ErrorCode::PreconditionFailed => "Drop the condition, or fetch the current `ETag` first.",
            ErrorCode::PayloadTooLarge => "Send only `{\"url\": …}`: the server downloads the file itself.",
            ErrorCode::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            ErrorCode::RangeNotSatisfiable => "Ask for bytes inside the length that `Content-Range` names.",
            ErrorCode::IdempotencyKeyReused => "Use a new key for a new payload.",
            ErrorCode::RateLimitExceeded => "Wait as many seconds as `Retry-After` says, then send it again.",
            ErrorCode::InternalError => "See the reason; where it is passing, send the same request again.",
            ErrorCode::ServiceUnavailable => "Send the same request again after `Retry-After` seconds.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_spelt_as_serde_spells_it() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("a code is a string"), code.as_str());
        }
    }

    #[test]
    fn the_type_follows_the_status() {
        assert_eq!(ErrorCode::Unauthorized.kind(), ErrorType::AuthenticationError);
        assert_eq!(ErrorCode::Forbidden.kind(), ErrorType::AuthenticationError);
        assert_eq!(ErrorCode::RateLimitExceeded.kind(), ErrorType::InvalidRequestError);
        assert_eq!(ErrorCode::ServiceUnavailable.kind(), ErrorType::ApiError);
    }
}
