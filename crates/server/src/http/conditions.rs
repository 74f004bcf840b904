//! Conditional requests of RFC 9110 §13 for a file that never changes: `If-Match`, `If-Unmodified-Since`,
//! `If-None-Match`, `If-Modified-Since` in the precedence of §13.2.2, and `If-Range`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderName, HeaderValue};

/// What a file is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The strong entity tag, with its quotes.
    pub etag: &'a [u8],
    /// `Last-Modified`, in whole seconds since the Unix epoch.
    pub modified_unix_s: u64,
}

/// What the conditions of a `GET` or `HEAD` ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There are none, or they hold: send the file.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: the client wants another version.
    Failed,
}

impl Validators<'_> {
    /// Judges the conditions of a `GET` or `HEAD`.
    #[must_use]
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let wanted = if headers.contains_key(IF_MATCH) {
            self.any_tag(headers, IF_MATCH, Comparison::Strong)
        } else {
            date(headers, IF_UNMODIFIED_SINCE).is_none_or(|unix_s| self.modified_unix_s <= unix_s)
        };
        if !wanted {
            return Verdict::Failed;
        }
        let known = if headers.contains_key(IF_NONE_MATCH) {
            self.any_tag(headers, IF_NONE_MATCH, Comparison::Weak)
        } else {
            date(headers, IF_MODIFIED_SINCE).is_some_and(|unix_s| self.modified_unix_s <= unix_s)
        };
        if known { Verdict::NotModified } else { Verdict::Proceed }
    }

    /// Whether `Range` counts: there is no `If-Range`, or it names this very version by its strong tag or exact date.
    #[must_use]
    pub fn range_counts(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(IF_RANGE) {
            return true;
        }
        let Some(value) = only(headers, IF_RANGE) else { return false };
        value.as_bytes().trim_ascii() == self.etag || unix_seconds(value) == Some(self.modified_unix_s)
    }

    fn any_tag(&self, headers: &HeaderMap, name: HeaderName, comparison: Comparison) -> bool {
        headers.get_all(name).iter().any(|line| {
            let line = line.as_bytes().trim_ascii();
            line == b"*"
                || Tags(line).any(|tag| tag.opaque == self.etag && (comparison == Comparison::Weak || !tag.is_weak))
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// The entity tags of a list, up to the first that is malformed.
struct Tags<'a>(&'a [u8]);

struct Tag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let text = &self.0[start..];
        let (is_weak, text) = text.strip_prefix(b"W/").map_or((false, text), |rest| (true, rest));
        let inner = text.strip_prefix(b"\"")?;
        let quote = inner.iter().position(|byte| *byte == b'"')?;
        let (opaque, rest) = text.split_at(quote + 2);
        self.0 = rest;
        Some(Tag { is_weak, opaque })
    }
}

/// The value of a header that may come once; `None` where it is missing or doubled.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// A date condition; `None`, as if it were not sent, where it is no date of HTTP.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    only(headers, name).and_then(unix_seconds)
}

fn unix_seconds(value: &HeaderValue) -> Option<u64> {
    let moment = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since_epoch| since_epoch.as_secs())
}

/// A moment as `Last-Modified` writes it.
#[must_use]
pub fn http_date(unix_s: u64) -> String {
    const END_OF_YEAR_9999: u64 = 253_402_300_799;
    let moment: SystemTime = UNIX_EPOCH + Duration::from_secs(unix_s.min(END_OF_YEAR_9999));
    httpdate::fmt_http_date(moment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"abc\"";
    /// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example.
    const MODIFIED: u64 = 784_111_777;
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn file() -> Validators<'static> {
        Validators { etag: ETAG.as_bytes(), modified_unix_s: MODIFIED }
    }

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn each_condition_alone_gives_its_status() {
        use Verdict::{Failed, NotModified, Proceed};
        for (name, value, expected) in [
            (IF_MATCH, "\"abc\"", Proceed),
            (IF_MATCH, "*", Proceed),
            (IF_MATCH, "\"x,y\", \"abc\"", Proceed),
            (IF_MATCH, "W/\"abc\"", Failed),
            (IF_MATCH, "\"abd\"", Failed),
            (IF_MATCH, "abc", Failed),
            (IF_MATCH, "", Failed),
            (IF_UNMODIFIED_SINCE, AT, Proceed),
            (IF_UNMODIFIED_SINCE, AFTER, Proceed),
            (IF_UNMODIFIED_SINCE, BEFORE, Failed),
            (IF_UNMODIFIED_SINCE, "yesterday", Proceed),
            (IF_NONE_MATCH, "\"abc\"", NotModified),
            (IF_NONE_MATCH, "W/\"abc\"", NotModified),
            (IF_NONE_MATCH, " , \"1\" ,W/\"2\",\"abc\"", NotModified),
            (IF_NONE_MATCH, "*", NotModified),
            (IF_NONE_MATCH, "\"ab\", \"abcd\", \"*\"", Proceed),
            (IF_NONE_MATCH, "abc", Proceed),
            (IF_NONE_MATCH, "\"abc", Proceed),
            (IF_NONE_MATCH, "\"x,\"abc\"", Proceed),
            (IF_MODIFIED_SINCE, AT, NotModified),
            (IF_MODIFIED_SINCE, AFTER, NotModified),
            (IF_MODIFIED_SINCE, BEFORE, Proceed),
            (IF_MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            (IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994", NotModified),
            (IF_MODIFIED_SINCE, "0", Proceed),
        ] {
            assert_eq!(file().judge(&headers(&[(name.clone(), value)])), expected, "{name}: {value}");
        }
        assert_eq!(file().judge(&HeaderMap::new()), Proceed);
    }

    #[test]
    fn conditions_are_judged_in_the_order_of_the_rfc() {
        use Verdict::{Failed, NotModified, Proceed};
        for (lines, expected) in [
            // A tag makes its date of no account.
            (&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)][..], Proceed),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AFTER)], Proceed),
            (&[(IF_NONE_MATCH, "\"abc\""), (IF_MODIFIED_SINCE, BEFORE)], NotModified),
            // What must hold comes before what the client knows.
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], Failed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_MODIFIED_SINCE, AFTER)], Failed),
            (&[(IF_MATCH, "\"abc\""), (IF_NONE_MATCH, "\"abc\"")], NotModified),
            // A list may come in several lines, a date may not.
            (&[(IF_NONE_MATCH, "\"1\""), (IF_NONE_MATCH, "\"abc\"")], NotModified),
            (&[(IF_MODIFIED_SINCE, AFTER), (IF_MODIFIED_SINCE, AFTER)], Proceed),
        ] {
            assert_eq!(file().judge(&headers(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_range_counts_only_for_the_very_version() {
        for (value, counts) in [
            ("\"abc\"", true),
            ("W/\"abc\"", false),
            ("\"x\"", false),
            ("*", false),
            ("\"x\", \"abc\"", false),
            (AT, true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
        ] {
            assert_eq!(file().range_counts(&headers(&[(IF_RANGE, value)])), counts, "{value}");
        }
        assert!(file().range_counts(&HeaderMap::new()));
        assert!(!file().range_counts(&headers(&[(IF_RANGE, ETAG), (IF_RANGE, ETAG)])));
    }

    #[test]
    fn a_date_is_written_in_the_one_form_and_never_panics() {
        assert_eq!(http_date(MODIFIED), AT);
        assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn the_tag_is_found_in_any_list_of_tags_and_only_there(
            others in prop::collection::vec(("(W/)?", "\"[!#-+,--~]{0,8}\""), 0..6), place in 0usize..7, weak in any::<bool>(),
        ) {
            let mut tags: Vec<String> = others.into_iter().map(|(weak, tag)| format!("{weak}{tag}"))
                .filter(|tag| !tag.ends_with(ETAG)).collect();
            let without = headers(&[(IF_NONE_MATCH, &tags.join(", "))]);
            let own = if weak { format!("W/{ETAG}") } else { ETAG.to_owned() };
            tags.insert(place.min(tags.len()), own);
            let with = tags.join(",");

            prop_assert_eq!(file().judge(&without), Verdict::Proceed);
            prop_assert_eq!(file().judge(&headers(&[(IF_NONE_MATCH, &with)])), Verdict::NotModified);
            let strong = if weak { Verdict::Failed } else { Verdict::Proceed };
            prop_assert_eq!(file().judge(&headers(&[(IF_MATCH, &with)])), strong);
        }

        #[test]
        fn no_header_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..48)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE] {
                    let headers = HeaderMap::from_iter([(name, value.clone())]);
                    let _ = file().judge(&headers);
                    let _ = file().range_counts(&headers);
                }
            }
        }
    }
}
