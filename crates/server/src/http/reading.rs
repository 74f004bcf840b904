//! From the bytes of a request to what they mean: after this nobody validates again.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use soku_api::Reason;
use soku_fetch::{SourceUrl, UrlRefused};

use crate::http::error::Refusal;

/// Refuses a request whose body is not declared as JSON; parameters such as `charset` do not matter.
///
/// # Errors
/// 415 where `Content-Type` is missing, doubled or anything but `application/json`.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::unsupported_media_type());
    };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") { Ok(()) } else { Err(Refusal::unsupported_media_type()) }
}

/// Reads a whole body of at most `limit_bytes` within `patience`.
///
/// # Errors
/// 413 when it is declared or turns out larger, 408 when it does not arrive in time, 400 when it breaks off.
pub(crate) async fn body(
    headers: &HeaderMap,
    body: Body,
    limit_bytes: usize,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::payload_too_large(limit_bytes as u64);
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit_bytes as u64) {
        return Err(too_large());
    }
    let read = tokio::time::timeout(patience, Limited::new(body, limit_bytes).collect());
    match read.await {
        Err(_elapsed) => Err(Refusal::request_timeout()),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => Err(Refusal::because(Reason::InvalidJson)),
    }
}

/// The `url` of a `CreateMedia` body.
///
/// # Errors
/// 400 with `invalid_json`, `missing_field`, `invalid_type`, `invalid_url` or `credentials_in_url`.
pub(crate) fn source_url(body: &[u8]) -> Result<SourceUrl, Refusal> {
    // What is ignored of it must be text, too, and no deeper than what is read.
    let text = std::str::from_utf8(body).ok().filter(|text| !is_too_deep(text));
    let object = text.and_then(|text| serde_json::from_str(text).ok());
    let Object { url } = object.ok_or_else(|| Refusal::because(Reason::InvalidJson))?;
    match url {
        None => Err(Refusal::because(Reason::MissingField)),
        Some(Value::String(text)) => SourceUrl::parse(&text).map_err(|refused| match refused {
            UrlRefused::Invalid => Refusal::because(Reason::InvalidUrl),
            UrlRefused::Credentials => Refusal::because(Reason::CredentialsInUrl),
        }),
        Some(_) => Err(Refusal::because(Reason::InvalidType)),
    }
}

/// How deep arrays and objects may stand in one another: as deep as the JSON library reads what it keeps.
const DEEPEST: usize = 127;

/// Whether the brackets outside strings are deeper than that. Of what is no JSON it may say anything.
fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// A JSON object in which no field stands twice: parsers disagree on which one counts (RFC 8259 §4).
struct Object {
    url: Option<Value>,
}

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOfEach;

        impl<'de> Visitor<'de> for OneOfEach {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let (mut names, mut url) = (HashSet::new(), None);
                while let Some(name) = access.next_key::<String>()? {
                    if name == "url" {
                        url = Some(access.next_value()?);
                    } else {
                        access.next_value::<IgnoredAny>()?;
                    }
                    if !names.insert(name) {
                        return Err(A::Error::custom("a field stands twice"));
                    }
                }
                Ok(Object { url })
            }
        }

        deserializer.deserialize_map(OneOfEach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(body: &[u8]) -> Reason {
        source_url(body).expect_err("refused").reason().expect("a reason")
    }

    #[test]
    fn only_an_object_with_one_url_string_is_taken() {
        assert!(source_url(br#"{"url": "https://example.com/a.mp4", "later": [1, {"x": null}]}"#).is_ok());
        assert!(source_url(br#"{"url": "https://example.com/a.mp4", "later": [1e999, "\ud800"]}"#).is_ok());
        for body in [
            &b""[..],
            b"null",
            b"[]",
            b"\"https://example.com/\"",
            b"{\"url\": \"https://example.com/\"} x",
            b"{\"url\": \"https://a.example/\", \"url\": \"https://b.example/\"}",
            b"{\"url\": \"\xff\"}",
            b"{\"url\": \"https://example.com/\", \"later\": \"\xff\"}",
            b"{\"url\": \"https://example.com/\", \"later\": 1, \"later\": 2}",
            b"{\"url\": \"\\ud800\"}",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(reason(body), Reason::InvalidJson, "{}", body.escape_ascii());
        }
        for name in ["url", "later"] {
            let deep =
                |depth: usize| format!("{{\"{name}\": {}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
            assert_eq!(reason(&deep(30_000)), Reason::InvalidJson);
            assert_eq!(reason(&deep(127)), Reason::InvalidJson);
            assert_ne!(reason(&deep(126)), Reason::InvalidJson);
        }
        let brackets = format!(r#"{{"url": "https://example.com/a.mp4", "later": "\"{}"}}"#, "[".repeat(4000));
        assert!(source_url(brackets.as_bytes()).is_ok(), "no depth inside a string");
        let number = format!(r#"{{"url": "https://example.com/a.mp4", "later": {}}}"#, "9".repeat(5000));
        assert!(source_url(number.as_bytes()).is_ok());
        assert_eq!(reason(b"{}"), Reason::MissingField);
        assert_eq!(reason(b"{\"URL\": \"https://example.com/\"}"), Reason::MissingField);
        for body in [&br#"{"url": null}"#[..], br#"{"url": 1}"#, br#"{"url": ["https://example.com/"]}"#] {
            assert_eq!(reason(body), Reason::InvalidType);
        }
        for body in [&br#"{"url": ""}"#[..], br#"{"url": "ftp://example.com/a"}"#, br#"{"url": "/a.png"}"#] {
            assert_eq!(reason(body), Reason::InvalidUrl);
        }
        assert_eq!(reason(br#"{"url": "https://u:p@example.com/"}"#), Reason::CredentialsInUrl);
    }

    #[test]
    fn only_json_is_taken() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, http::HeaderValue::from_static(value));
            }
            require_json(&headers).is_ok()
        };

        assert!(with(&["application/json"]));
        assert!(with(&["Application/JSON; charset=utf-8"]));
        assert!(!with(&[]));
        assert!(!with(&["application/json", "application/json"]));
        assert!(!with(&["text/plain"]));
        assert!(!with(&["application/jsonp"]));
    }
}
