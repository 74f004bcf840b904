//! The cookies of one import: share links of the big drives lead through a host that sets one and expects it back.
//!
//! They go back to the very host that set them (`Domain` is ignored, `Path` and `Secure` are respected) and die with
//! the import.

use std::time::SystemTime;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::url::SourceUrl;

const MOST_COOKIES: usize = 20;
const MOST_BYTES: usize = 8 * 1024;

struct Cookie {
    host: String,
    path: String,
    secure: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Cookie {
    fn size(&self) -> usize {
        self.name.len() + self.value.len()
    }

    fn goes_to(&self, url: &SourceUrl) -> bool {
        url.as_url().host_str() == Some(self.host.as_str())
            && (url.is_https() || !self.secure)
            && self.covers(url.as_url().path())
    }

    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str())
            .is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'))
    }

    /// Whether another one, set over http, would take this one's place (RFC 6265bis: «leave secure cookies alone»).
    fn is_safe_from(&self, other: &Cookie) -> bool {
        self.secure && (&self.host, &self.name) == (&other.host, &other.name) && self.covers(&other.path)
    }
}

/// What the hosts of one import have set so far.
#[derive(Default)]
pub struct Cookies(Vec<Cookie>);

impl Cookies {
    /// Takes what an answer sets. `now` is the source's own time where it tells it.
    pub fn learn(&mut self, url: &SourceUrl, headers: &HeaderMap, now: SystemTime) {
        for line in headers.get_all(SET_COOKIE) {
            let Some((cookie, alive)) = parse(url, line.as_bytes(), now) else { continue };
            if !url.is_https() && self.0.iter().any(|old| old.is_safe_from(&cookie)) {
                continue;
            }
            self.0.retain(|old| (&old.host, &old.path, &old.name) != (&cookie.host, &cookie.path, &cookie.name));
            if alive && cookie.size() <= MOST_BYTES {
                self.0.push(cookie);
            }
            // The oldest go first: the last ones set are what the next hop asks for.
            while self.0.len() > MOST_COOKIES || self.0.iter().map(Cookie::size).sum::<usize>() > MOST_BYTES {
                self.0.remove(0);
            }
        }
    }

    /// The `Cookie` header for a request, if any cookie belongs to it.
    pub fn header_for(&self, url: &SourceUrl) -> Option<HeaderValue> {
        let mut fitting: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.goes_to(url)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<Vec<u8>> =
            fitting.iter().map(|cookie| [&cookie.name[..], b"=", &cookie.value[..]].concat()).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok() }
    }
}

/// RFC 6265, section 5.2; the flag says whether the cookie is still alive or asks for its own removal.
fn parse(url: &SourceUrl, line: &[u8], now: SystemTime) -> Option<(Cookie, bool)> {
    let mut parts = line.split(|&byte| byte == b';');
    let (name, value) = split_at_equals(parts.next()?)?;
    if name.is_empty() {
        return None;
    }
    let mut cookie = Cookie {
        host: url.as_url().host_str()?.to_owned(),
        path: default_path(url.as_url().path()),
        secure: false,
        name: name.to_vec(),
        value: value.to_vec(),
    };
    let mut dies: Option<bool> = None;
    let mut dies_by_age: Option<bool> = None;
    for part in parts {
        let (attribute, value) = split_at_equals(part).unwrap_or((part.trim_ascii(), b""));
        let value = std::str::from_utf8(value).unwrap_or("");
        match attribute.to_ascii_lowercase().as_slice() {
            b"path" if value.starts_with('/') => cookie.path = value.to_owned(),
            b"path" => cookie.path = default_path(url.as_url().path()),
            b"secure" => cookie.secure = true,
            b"max-age" => dies_by_age = value.parse::<i64>().ok().map(|seconds| seconds <= 0).or(dies_by_age),
            b"expires" => dies = httpdate::parse_http_date(value).ok().map(|end| end <= now).or(dies),
            _ => {}
        }
    }
    if cookie.secure && !url.is_https() {
        return None;
    }
    let dead = dies_by_age.or(dies).unwrap_or(false);
    Some((cookie, !dead))
}

fn split_at_equals(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|&byte| byte == b'=')?;
    Some((part[..at].trim_ascii(), part[at + 1..].trim_ascii()))
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn url(text: &str) -> SourceUrl {
        SourceUrl::parse(text).unwrap()
    }

    fn jar(from: &str, lines: &[&str]) -> Cookies {
        let mut jar = Cookies::default();
        learn(&mut jar, from, lines);
        jar
    }

    fn learn(jar: &mut Cookies, from: &str, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        jar.learn(&url(from), &headers, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    }

    fn sent(jar: &Cookies, to: &str) -> Option<String> {
        jar.header_for(&url(to)).map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_cookie_goes_back_to_the_very_host_that_set_it_whatever_its_domain_says() {
        let jar = jar("https://a.example.com/x", &["FedAuth=1; path=/; domain=example.com; HttpOnly"]);

        assert_eq!(sent(&jar, "https://a.example.com/y").as_deref(), Some("FedAuth=1"));
        assert_eq!(sent(&jar, "https://b.example.com/y"), None);
        assert_eq!(sent(&jar, "https://example.com/y"), None);
    }

    #[test]
    fn a_path_is_respected_at_its_segment_borders() {
        let jar = jar("https://h.example/s/t", &["a=1; Path=/files", "b=2", "c=3; Path=nonsense"]);

        assert_eq!(sent(&jar, "https://h.example/files").as_deref(), Some("a=1"));
        assert_eq!(sent(&jar, "https://h.example/files/x").as_deref(), Some("a=1"));
        assert_eq!(sent(&jar, "https://h.example/filesystem"), None);
        assert_eq!(sent(&jar, "https://h.example/s/other").as_deref(), Some("b=2; c=3"));
    }

    #[test]
    fn a_secure_cookie_goes_over_https_alone_and_is_not_taken_from_http() {
        let safe = jar("https://h.example/", &["a=1; Secure"]);

        assert_eq!(sent(&safe, "https://h.example/").as_deref(), Some("a=1"));
        assert_eq!(sent(&safe, "http://h.example/"), None);
        assert_eq!(sent(&jar("http://h.example/", &["a=1; Secure"]), "https://h.example/"), None);
    }

    #[test]
    fn what_was_set_securely_is_neither_replaced_nor_removed_nor_shadowed_over_http() {
        let mut jar = jar("https://h.example/", &["a=good; Secure; Path=/d"]);
        for line in ["a=evil; Path=/d", "a=; Path=/d; Max-Age=0", "a=evil; Path=/d/e"] {
            learn(&mut jar, "http://h.example/", &[line]);
            assert_eq!(sent(&jar, "https://h.example/d/e").as_deref(), Some("a=good"), "{line}");
            assert_eq!(sent(&jar, "http://h.example/d/e"), None, "{line}");
        }

        learn(&mut jar, "http://h.example/", &["a=other; Path=/", "b=own; Path=/d"]);
        assert_eq!(sent(&jar, "http://h.example/d").as_deref(), Some("b=own; a=other"));
        learn(&mut jar, "https://h.example/", &["a=new; Path=/d"]);
        assert_eq!(sent(&jar, "https://h.example/d").as_deref(), Some("b=own; a=new; a=other"));
    }

    #[test]
    fn the_longer_path_comes_first_and_a_new_value_replaces_the_old_one() {
        let jar = jar("https://h.example/d/e", &["n=old; Path=/", "m=deep; Path=/d", "n=new; Path=/"]);

        assert_eq!(sent(&jar, "https://h.example/d/f").as_deref(), Some("m=deep; n=new"));
    }

    #[test]
    fn an_age_or_date_that_is_over_removes_the_cookie() {
        let past = "Thu, 01 Jan 1970 00:00:00 GMT";

        assert_eq!(sent(&jar("https://h.example/", &["a=1", "a=; Max-Age=0"]), "https://h.example/"), None);
        assert_eq!(
            sent(&jar("https://h.example/", &["a=1", &format!("a=; Expires={past}")]), "https://h.example/"),
            None
        );
        let kept = jar("https://h.example/", &[&format!("a=1; Max-Age=60; Expires={past}")]);
        assert_eq!(sent(&kept, "https://h.example/").as_deref(), Some("a=1"), "Max-Age wins over Expires");
    }

    #[test]
    fn a_source_cannot_fill_the_next_request_with_cookies() {
        let many: Vec<String> = (0..50).map(|n| format!("c{n}=1")).collect();
        let many = jar("https://h.example/", &many.iter().map(String::as_str).collect::<Vec<_>>());
        let header = sent(&many, "https://h.example/").unwrap();
        assert_eq!(header.split("; ").count(), 20);
        assert!(header.ends_with("c49=1"), "the last ones set stay");

        let big = "x".repeat(5000);
        let big = jar("https://h.example/", &[&format!("a={big}"), &format!("b={big}")]);
        assert!(sent(&big, "https://h.example/").unwrap().starts_with("b="));

        let huge = "x".repeat(9000);
        assert_eq!(sent(&jar("https://h.example/", &[&format!("a={huge}")]), "https://h.example/"), None);
    }

    #[test]
    fn what_is_no_cookie_is_passed_over() {
        assert_eq!(sent(&jar("https://h.example/", &["", "=x", "novalue", ";Path=/"]), "https://h.example/"), None);
    }
}
