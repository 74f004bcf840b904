//! What sources set and get back: the cookies of one import.

use std::time::{Duration, UNIX_EPOCH};

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use soku_fetch::{Cookies, SourceUrl};
use url::Url;

const MOST_COOKIES: usize = 20;
const MOST_BYTES: usize = 8 * 1024;

/// A cookie as a reader of RFC 6265 understands its line: what the jar may hold, but need not.
struct Told {
    host: String,
    https: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    path: String,
    secure: bool,
    removes: bool,
}

impl Told {
    fn read(from: &Url, line: &[u8]) -> Option<Told> {
        let text: String = line.iter().map(|&byte| char::from(byte)).collect();
        let (pair, attributes) = text.split_once(';').unwrap_or((&text, ""));
        let (name, value) = pair.split_once('=')?;
        let attributes: Vec<(String, &str)> = attributes
            .split(';')
            .map(|attribute| attribute.split_once('=').unwrap_or((attribute, "")))
            .map(|(name, value)| (trim(name).to_ascii_lowercase(), trim(value)))
            .collect();
        let last = |name: &str| attributes.iter().rfind(|(known, _)| known == name).map(|&(_, value)| value);
        let beneath = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = last("path").filter(|path| path.starts_with('/') && std::str::from_utf8(&bytes(path)).is_ok());
        let path = path.unwrap_or(if beneath.is_empty() { "/" } else { beneath }).to_owned();
        let told = Told {
            host: from.host_str()?.to_owned(),
            https: from.scheme() == "https",
            name: bytes(trim(name)),
            value: bytes(trim(value)),
            path,
            secure: last("secure").is_some(),
            removes: last("max-age") == Some("0"),
        };
        (!told.name.is_empty() && (told.https || !told.secure)).then_some(told)
    }

    fn belongs_to(&self, url: &Url) -> bool {
        let folder = self.path.strip_suffix('/').unwrap_or(&self.path);
        url.host_str() == Some(&self.host)
            && (url.scheme() == "https" || !self.secure)
            && (url.path() == self.path || url.path().starts_with(&format!("{folder}/")))
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace())
}

/// Back from text that has a character for each byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("one byte")).collect()
}

/// Records that begin with `@` are the URLs of an import, one after the other; those that follow one are the `Set-Cookie` lines
/// of its answer. Nothing goes anywhere but where it came from, and what is sent is bounded (rule H1).
pub(crate) fn cookies(data: &[u8]) {
    let mut jar = Cookies::default();
    let mut told: Vec<Told> = Vec::new();
    let mut here: Option<SourceUrl> = None;
    for record in super::records(data).take(200) {
        if let [b'@', url @ ..] = record {
            judge_near(&jar, &told, here.as_ref());
            here = std::str::from_utf8(url).ok().and_then(|text| SourceUrl::parse(text).ok());
            judge_near(&jar, &told, here.as_ref());
        } else if let (Some(here), Ok(line)) = (&here, HeaderValue::from_bytes(record)) {
            answer(&mut jar, &mut told, here, &line);
            judge(&told, here.as_url(), &sent(&jar, here.as_url()));
        }
    }
    judge_near(&jar, &told, here.as_ref());
}

fn judge_near(jar: &Cookies, told: &[Told], here: Option<&SourceUrl>) {
    for url in here.into_iter().flat_map(|here| near(here.as_url())) {
        judge(told, &url, &sent(jar, &url));
    }
}

/// One line of an answer from `here`.
fn answer(jar: &mut Cookies, told: &mut Vec<Told>, here: &SourceUrl, line: &HeaderValue) {
    let mut encrypted = here.as_url().clone();
    let _ = encrypted.set_scheme("https");
    let before = sent(jar, &encrypted);
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    jar.learn(here, &HeaderMap::from_iter([(SET_COOKIE, line.clone())]), now);
    let after = sent(jar, &encrypted);
    let Some(new) = Told::read(here.as_url(), line.as_bytes()) else {
        return assert_eq!(before, after, "{line:?} is no cookie");
    };
    let size = |told: &Told| told.name.len() + told.value.len();
    let none_is_crowded_out =
        told.len() < MOST_COOKIES && told.iter().map(size).sum::<usize>() + size(&new) <= MOST_BYTES;
    if !new.https && none_is_crowded_out {
        let safe = |name: &[u8], value: &[u8]| {
            told.iter().filter(|old| old.name == name && old.value == value).all(|old| old.secure)
        };
        for (name, value) in &before {
            let is_kept = after.iter().any(|pair| (&pair.0, &pair.1) == (name, value));
            assert!(is_kept || !safe(name, value), "{line:?} over http took a secure cookie's place");
        }
    }
    let same = |old: &Told| (&old.host, &old.name, &old.path) == (&new.host, &new.name, &new.path);
    let may_be_refused = !new.https && told.iter().any(|old| old.secure && old.name == new.name);
    if !may_be_refused {
        told.retain(|old| !same(old));
        let is_plain = !line.as_bytes().contains(&b';') && size(&new) <= MOST_BYTES;
        let arrives = sent(jar, here.as_url()).into_iter().any(|pair| pair == (new.name.clone(), new.value.clone()));
        assert!(arrives || !is_plain, "{line:?} was forgotten");
    }
    if !new.removes {
        told.push(new);
    }
}

/// The pairs that a request for `url` carries.
fn sent(jar: &Cookies, url: &Url) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Ok(url) = SourceUrl::parse(url.as_str()) else { return Vec::new() };
    let Some(header) = jar.header_for(&url) else { return Vec::new() };
    let header = header.as_bytes();
    assert!(header.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f), "{header:?} breaks a request");
    let text: String = header.iter().map(|&byte| char::from(byte)).collect();
    let pairs = text.split("; ").map(|pair| pair.split_once('=').expect("a pair"));
    let pairs: Vec<_> = pairs.map(|(name, value)| (bytes(name), bytes(value))).collect();
    assert!(pairs.len() <= MOST_COOKIES, "{} cookies", pairs.len());
    let size: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= MOST_BYTES, "{size} bytes of cookies");
    pairs
}

/// Each pair was told by this very host, is still what it told last, and may go there.
fn judge(told: &[Told], url: &Url, sent: &[(Vec<u8>, Vec<u8>)]) {
    for (name, value) in sent {
        let from = |told: &&Told| told.name == *name && told.value == *value;
        assert!(
            told.iter().filter(from).any(|told| told.belongs_to(url)),
            "`{}={}` does not belong to {url}",
            name.escape_ascii(),
            value.escape_ascii()
        );
    }
}

/// Where a cookie of `url` may go, and where it must not.
fn near(url: &Url) -> Vec<Url> {
    let mut all = vec![url.clone()];
    for scheme in ["http", "https"] {
        let mut other = url.clone();
        let _ = other.set_scheme(scheme);
        all.push(other);
    }
    let host = url.host_str().unwrap_or_default();
    let parent = host.split_once('.').map_or("example", |(_, parent)| parent);
    for host in [format!("sub.{host}"), format!("not{host}"), format!("{host}."), parent.to_owned()] {
        let mut other = url.clone();
        if other.set_host(Some(&host)).is_ok() {
            all.push(other);
        }
    }
    for path in ["/".to_owned(), format!("{}x", url.path()), format!("{}/x", url.path())] {
        let mut other = url.clone();
        other.set_path(&path);
        all.push(other);
    }
    all
}
