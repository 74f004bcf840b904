//! What a database URL names, and how much of it may be shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use url::Url;

use super::DbError;

/// What a path keeps unescaped inside a `sqlite://` URL.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters of a PostgreSQL URL that the driver knows; it would log an unknown one with its value.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// A parsed database URL.
#[derive(Debug)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(PostgresPlace),
}

/// A PostgreSQL URL and the part of it that may be shown.
pub(super) struct PostgresPlace {
    pub(super) secret: Url,
    pub(super) shown: String,
}

impl std::fmt::Debug for PostgresPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// The URL of a SQLite file; every path has one.
#[must_use]
pub fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", percent_encode(path.as_os_str().as_bytes(), IN_PATH))
}

/// `url` without password and parameters; only its scheme where it cannot be taken apart safely.
pub(super) fn redacted(url: &str) -> String {
    match Place::parse(url) {
        Ok(Place::Sqlite(_)) => url.to_owned(),
        Ok(Place::Postgres(place)) => place.shown,
        Err(_) => scheme_only(url),
    }
}

fn scheme_only(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) if scheme.len() <= 16 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{scheme}://…")
        }
        _ => "…".to_owned(),
    }
}

impl Place {
    pub(super) fn parse(url: &str) -> Result<Place, DbError> {
        let refuse = |problem: &str| DbError::Url { url: scheme_only(url), problem: problem.to_owned() };
        match url.split_once("://") {
            Some(("sqlite", path)) => sqlite_path(path).map(Place::Sqlite).map_err(|problem| refuse(&problem)),
            Some(("postgres" | "postgresql", _)) => {
                postgres_place(url).map(Place::Postgres).map_err(|problem| refuse(&problem))
            }
            _ => Err(refuse("it must begin with `sqlite://` or `postgres://`")),
        }
    }
}

fn sqlite_path(path: &str) -> Result<PathBuf, String> {
    if path.contains('?') || path.contains('#') {
        return Err("a SQLite path takes no parameters; write `?` as `%3F` and `#` as `%23`".to_owned());
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if bytes.is_empty() || bytes.ends_with(b"/") || bytes.contains(&0) {
        return Err("it names no file".to_owned());
    }
    // Absolute, so that no name can look like one of SQLite's `file:` URLs.
    std::path::absolute(Path::new(OsStr::from_bytes(&bytes))).map_err(|_| "its path cannot be made absolute".to_owned())
}

fn postgres_place(text: &str) -> Result<PostgresPlace, String> {
    const ENCODE: &str = "it cannot be read; in a password, percent-encode everything but letters and digits";
    let url = Url::parse(text).map_err(|_| ENCODE.to_owned())?;
    // An unescaped `/`, `?` or `#` in a password ends the host early and turns its rest into something shown.
    let after_host = &url[url::Position::BeforePath..];
    if url.fragment().is_some() || after_host.contains('@') {
        return Err(ENCODE.to_owned());
    }
    let is_known = |key: &str| PARAMETERS.contains(&key) || (key.starts_with("options[") && key.ends_with(']'));
    if let Some((unknown, _)) = url.query_pairs().find(|(key, _)| !is_known(key)) {
        return Err(format!("it has an unknown parameter `{}`", unknown.escape_debug()));
    }
    let mut shown = url.clone();
    shown.set_query(None);
    if url.password().is_some() {
        shown.set_password(None).map_err(|()| ENCODE.to_owned())?;
    }
    Ok(PostgresPlace { secret: url, shown: shown.into() })
}
