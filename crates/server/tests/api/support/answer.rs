//! An answer, read whole, with the questions that tests ask of it.

use bytes::Bytes;
use serde_json::Value;

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Answer {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.expect("the answer is complete");
        Answer { status, headers, body }
    }

    /// The one value of a header; empty where it is missing.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().expect("an ASCII header"));
        assert!(values.next().is_none(), "`{name}` stands twice");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body)))
    }

    /// The hosted URL of a 201.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        assert_eq!(self.status, 201, "{}", String::from_utf8_lossy(&self.body));
        let url = self.json()["url"].as_str().expect("a url").to_owned();
        assert_eq!(self.header("location"), url);
        url
    }

    /// The percent-encoded file name at the end of a 201's hosted URL.
    #[track_caller]
    pub(crate) fn name(&self) -> String {
        self.url().rsplit('/').next().expect("a last segment").to_owned()
    }

    /// The inside of the envelope, which must be complete and agree with status and headers.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(body.as_object().expect("an object").len(), 1, "{body}");
        let error = &body["error"];
        let kind = match self.status {
            401 | 403 => "authentication_error",
            400..=499 => "invalid_request_error",
            500..=599 => "api_error",
            status => panic!("{status} is no error: {body}"),
        };
        assert_eq!(error["type"], kind);
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 5), "{body}");
        let timestamp = error["timestamp"].as_str().expect("a timestamp");
        assert!(timestamp.ends_with('Z') && timestamp.len() == "2026-02-28T12:00:00.000Z".len(), "{timestamp}");
        let request_id = error["requestId"].as_str().expect("a request id");
        assert_eq!(request_id, self.header("x-request-id"));
        assert!(is_request_id(request_id), "{request_id}");
        error.clone()
    }

    /// Asserts an error by status, code and reason (empty = none).
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, reason: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let error = self.error();
        assert_eq!(error["code"], code, "{error}");
        let expected = if reason.is_empty() { Value::Null } else { Value::from(reason) };
        assert_eq!(error["details"]["reason"], expected, "{error}");
        error
    }
}

/// `req_` and 12 or more of `[a-z0-9]`.
pub(crate) fn is_request_id(text: &str) -> bool {
    text.strip_prefix("req_").is_some_and(|rest| {
        rest.len() >= 12 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
