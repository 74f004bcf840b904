//! Going on where a cut body ended, and only where it is certain that it is the same body.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

use crate::url::SourceUrl;

/// How much older than the answer a `Last-Modified` must be to be strong (RFC 9110, section 8.8.2.2): with less, the
/// file may have changed twice in the second, or the clocks may differ.
const STRONG_AGE: Duration = Duration::from_secs(60);

/// What a request for the rest of a body says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    pub(crate) start: u64,
    pub(crate) validator: HeaderValue,
}

/// What identifies the body that is being read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Version {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    strong: Option<HeaderName>,
    total: Option<u64>,
}

/// A 206 that goes on exactly where we stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// How many bytes it brings.
    pub(crate) length: u64,
    /// The size of the whole body.
    pub(crate) total: u64,
}

impl Version {
    /// Reads it from an answer that brings the whole body, of this length where the framing says so.
    pub(crate) fn of(headers: &HeaderMap, total: Option<u64>, answered_at: Option<SystemTime>) -> Version {
        let etag = only(headers, ETAG);
        let last_modified = only(headers, LAST_MODIFIED);
        let strong = if etag.as_ref().is_some_and(is_strong_etag) {
            Some(ETAG)
        } else if headers.contains_key(ETAG) {
            // RFC 9110, section 13.1.5: no date in place of a tag that is weak.
            None
        } else if last_modified.as_ref().is_some_and(|value| is_strong_date(value, answered_at)) {
            Some(LAST_MODIFIED)
        } else {
            None
        };
        Version { etag, last_modified, strong, total }
    }

    /// The request that would bring the rest from this byte on, if the version can be told from another.
    pub(crate) fn rest(&self, start: u64) -> Option<Rest> {
        let validator = self.value_of(self.strong.as_ref()?)?;
        (start > 0).then(|| Rest { start, validator: validator.clone() })
    }

    /// Judges a 206: it must start exactly where we stand, in a body of the same size and the same validators.
    pub(crate) fn part(&mut self, headers: &HeaderMap, start: u64) -> Result<Part, &'static str> {
        let range = only(headers, CONTENT_RANGE).ok_or("a 206 without one Content-Range")?;
        let (first, last, total) = parse_content_range(range.as_bytes()).ok_or("an unreadable Content-Range")?;
        if first != start {
            return Err("a part that starts elsewhere than asked");
        }
        if self.total.is_some_and(|known| known != total) {
            return Err("a part of a body of another size");
        }
        for name in [ETAG, LAST_MODIFIED] {
            let (known, told) = (self.value_of(&name), headers.get_all(&name).iter().collect::<Vec<_>>());
            let needed = self.strong.as_ref() == Some(&name);
            if (needed || !told.is_empty()) && known.is_some_and(|known| told != [known]) {
                return Err("a part of another version");
            }
        }
        if headers.get(CONTENT_TYPE).is_some_and(is_several_parts) {
            return Err("several parts instead of one");
        }
        let length = last - first + 1;
        if only(headers, CONTENT_LENGTH).is_some_and(|told| told.as_bytes() != length.to_string().as_bytes()) {
            return Err("a part of another length than its range");
        }
        self.total = Some(total);
        Ok(Part { length, total })
    }

    /// Whether a part from `other` can be of the body that began at `place`. A validator tells the versions of one resource
    /// apart, not resources (RFC 9110, section 8.8): a link that leads to another file each time may find the same tag
    /// there. The same file on another host, or behind another signature, keeps its name and its tag.
    pub(crate) fn holds_at(&self, place: &SourceUrl, other: &SourceUrl) -> bool {
        place.redacted() == other.redacted()
            || self.strong.as_ref() == Some(&ETAG)
                && !place.last_segment().is_empty()
                && place.last_segment() == other.last_segment()
    }

    fn value_of(&self, name: &HeaderName) -> Option<&HeaderValue> {
        if name == ETAG { self.etag.as_ref() } else { self.last_modified.as_ref() }
    }
}

/// The value of a field that is there exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.clone()),
        _ => None,
    }
}

fn is_several_parts(content_type: &HeaderValue) -> bool {
    let start = content_type.as_bytes().trim_ascii_start();
    start.get(..b"multipart/".len()).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

fn is_strong_etag(value: &HeaderValue) -> bool {
    let inner = value.as_bytes().strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.is_some_and(|inner| inner.iter().all(|&byte| byte == 0x21 || byte >= 0x23 && byte != 0x7f))
}

fn is_strong_date(value: &HeaderValue, answered_at: Option<SystemTime>) -> bool {
    let modified = value.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    let (Some(modified), Some(answered_at)) = (modified, answered_at) else { return false };
    answered_at.duration_since(modified).is_ok_and(|age| age >= STRONG_AGE)
}

/// `bytes first-last/total`, and nothing that only looks like it.
fn parse_content_range(value: &[u8]) -> Option<(u64, u64, u64)> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let (unit, range) = text.split_once(' ')?;
    let (span, total) = range.trim().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (unit.eq_ignore_ascii_case("bytes") && first <= last && last < total).then_some((first, last, total))
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const OLD: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn version(fields: &[(HeaderName, &str)]) -> Version {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 08:00:00 GMT").unwrap();
        Version::of(&headers(fields), Some(1000), Some(now))
    }

    #[test]
    fn only_a_strong_validator_resumes() {
        let strong = |fields: &[(HeaderName, &str)]| version(fields).rest(10).map(|rest| rest.validator);

        assert_eq!(strong(&[(ETAG, "\"v1\"")]).unwrap(), "\"v1\"");
        assert_eq!(strong(&[(LAST_MODIFIED, OLD)]).unwrap(), OLD);
        assert_eq!(strong(&[(ETAG, "\"v1\""), (LAST_MODIFIED, OLD)]).unwrap(), "\"v1\"");
        for weak in ["W/\"v1\"", "v1", "\"v\"1\"", "\"", ""] {
            assert_eq!(strong(&[(ETAG, weak)]), None, "{weak}");
            assert_eq!(strong(&[(ETAG, weak), (LAST_MODIFIED, OLD)]), None, "{weak}");
        }
        assert_eq!(strong(&[(ETAG, "\"v1\""), (ETAG, "\"v2\"")]), None);
        assert_eq!(strong(&[(LAST_MODIFIED, "Wed, 21 Oct 2015 07:59:30 GMT")]), None, "changed just now");
        assert_eq!(strong(&[(LAST_MODIFIED, "Wed, 21 Oct 2015 09:00:00 GMT")]), None, "changed in the future");
        assert_eq!(strong(&[(LAST_MODIFIED, "yesterday")]), None);
        assert_eq!(strong(&[]), None);
    }

    #[test]
    fn without_the_sources_own_time_no_date_is_strong() {
        assert_eq!(Version::of(&headers(&[(LAST_MODIFIED, OLD)]), None, None).rest(10), None);
        assert!(Version::of(&headers(&[(LAST_MODIFIED, OLD)]), None, Some(UNIX_EPOCH)).rest(10).is_none());
    }

    #[test]
    fn nothing_received_is_asked_for_anew_and_whole() {
        assert_eq!(version(&[(ETAG, "\"v1\"")]).rest(0), None);
    }

    #[test]
    fn a_part_must_start_where_we_stand_in_a_body_of_the_same_size() {
        let part =
            |range: &str| version(&[(ETAG, "\"v1\"")]).part(&headers(&[(ETAG, "\"v1\""), (CONTENT_RANGE, range)]), 600);

        assert_eq!(part("bytes 600-999/1000"), Ok(Part { length: 400, total: 1000 }));
        assert_eq!(part("Bytes 600-699/1000"), Ok(Part { length: 100, total: 1000 }));
        for wrong in [
            "bytes 599-999/1000",
            "bytes 601-999/1000",
            "bytes 600-999/1001",
            "bytes 600-999/*",
            "bytes */1000",
            "bytes 600-1000/1000",
            "bytes 600-599/1000",
            "bytes=600-999/1000",
            "600-999/1000",
            "bytes +600-999/1000",
            "bytes 600-999/99999999999999999999",
            "bytes 600-",
            "",
        ] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_must_carry_the_validator_and_contradict_none() {
        let range = (CONTENT_RANGE, "bytes 600-999/1000");
        let part = |fields: &[(HeaderName, &str)]| {
            let mut known = version(&[(ETAG, "\"v1\""), (LAST_MODIFIED, OLD)]);
            known.part(&headers(&[fields, std::slice::from_ref(&range)].concat()), 600).is_ok()
        };

        assert!(part(&[(ETAG, "\"v1\"")]));
        assert!(part(&[(ETAG, "\"v1\""), (LAST_MODIFIED, OLD)]));
        assert!(!part(&[]));
        assert!(!part(&[(LAST_MODIFIED, OLD)]));
        assert!(!part(&[(ETAG, "\"v2\"")]));
        assert!(!part(&[(ETAG, "W/\"v1\"")]));
        assert!(!part(&[(ETAG, "\"v1\""), (ETAG, "\"v1\"")]));
        assert!(!part(&[(ETAG, "\"v1\""), (LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:01 GMT")]));
        assert!(!part(&[(ETAG, "\"v1\""), (CONTENT_LENGTH, "399")]));
        assert!(part(&[(ETAG, "\"v1\""), (CONTENT_LENGTH, "400")]));
    }

    #[test]
    fn a_part_tells_the_size_that_chunks_did_not() {
        let mut known = Version::of(&headers(&[(ETAG, "\"v1\"")]), None, None);

        let told = headers(&[(ETAG, "\"v1\""), (CONTENT_RANGE, "bytes 5-9/10")]);
        assert_eq!(known.part(&told, 5), Ok(Part { length: 5, total: 10 }));

        assert!(known.part(&headers(&[(ETAG, "\"v1\""), (CONTENT_RANGE, "bytes 7-9/11")]), 7).is_err());
    }
}
