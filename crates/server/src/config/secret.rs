//! Values that hide their secrets, and the URLs that settings name.

use std::fmt;

use url::Url;

/// A text that only says itself when asked to.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// The URL of a database, with the password that may be in it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(super) fn new(text: &str) -> DatabaseUrl {
        DatabaseUrl(text.to_owned())
    }

    /// The whole URL.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

/// Where a bucket is: `s3://bucket` or `s3://bucket/prefix`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageUrl(String);

impl StorageUrl {
    pub(super) fn new(bucket: &str, prefix: &str) -> StorageUrl {
        if prefix.is_empty() {
            StorageUrl(format!("s3://{bucket}"))
        } else {
            StorageUrl(format!("s3://{bucket}/{prefix}"))
        }
    }

    /// The URL, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What opens a bucket: the `AWS_` variables, in all the forms that S3 clients know.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials(pub(super) Vec<(String, Secret)>);

impl S3Credentials {
    /// Whether this variable is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// The variables with their values.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect()
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Where something is on the web, the base of hosted URLs say: absolute, http or https, without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct WebUrl(String);

impl WebUrl {
    pub(super) fn new(url: &Url) -> WebUrl {
        WebUrl(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The text that a path is appended to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WebUrl({self})")
    }
}

const HIDDEN: &str = "***";

/// What may be read of a URL's query: parameters of PostgreSQL that hold no secret.
const HARMLESS: [&str; 9] =
    ["application_name", "dbname", "host", "options", "port", "sslcert", "sslmode", "sslrootcert", "user"];

/// A URL with its password and fragment hidden, and every value of its query that is not known to be harmless: people put
/// tokens anywhere. All of it where it was meant to be a URL and is none.
pub(super) fn without_password(text: &str) -> String {
    // An `@` in the path was mostly meant to end a password with a slash in it, or a slash is missing before the host.
    let is_clear = |url: &Url| (url.has_host() || url.scheme() == "sqlite") && !url.path().contains('@');
    let Some(mut url) = Url::parse(text).ok().filter(is_clear) else {
        // Whatever was meant to be a URL and is none may have its password anywhere.
        let is_host_and_port = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
        let may_hide = text.contains(['@', '?', '#', ':']) && !text.split_once(':').is_some_and(is_host_and_port);
        return if may_hide { HIDDEN.to_owned() } else { text.to_owned() };
    };
    // The only user that is a name and not a token by itself.
    let is_token = !url.username().is_empty() && url.password().is_none() && !url.scheme().starts_with("postgres");
    let is_harmless = |name: &str| HARMLESS.contains(&name) || name.starts_with("options[");
    let hides_query = url.query_pairs().any(|(name, _)| !is_harmless(&name));
    if url.password().is_none() && !is_token && !hides_query && url.fragment().is_none() {
        return text.to_owned();
    }
    if is_token {
        url.set_username(HIDDEN).expect("a URL with a user has a host");
    }
    if url.password().is_some() {
        url.set_password(Some(HIDDEN)).expect("a URL with a password has a host");
    }
    if hides_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = pairs
            .into_iter()
            .map(|(name, value)| if is_harmless(&name) { (name, value) } else { (name, HIDDEN.to_owned()) });
        url.query_pairs_mut().clear().extend_pairs(shown.collect::<Vec<_>>());
    }
    if url.fragment().is_some() {
        url.set_fragment(Some(HIDDEN));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (text, shown) in [
            ("postgres://soku:hunter2@db/soku", "postgres://soku:***@db/soku"),
            ("postgres://db/soku?user=a&password=hunter2", "postgres://db/soku?user=a&password=***"),
            ("postgres//soku:hunter2@db", "***"),
            ("soku:hunter2@db", "***"),
            ("postgres://db/soku?sslmode=require&x=hunter2", "postgres://db/soku?sslmode=require&x=***"),
            ("s3://bucket/prefix?sig=hunter2#hunter2", "s3://bucket/prefix?sig=***#***"),
            ("https://hunter2@media.example/", "https://***@media.example/"),
            ("bucket?key=hunter2", "***"),
            ("postgres://soku:hunter2:db/soku", "***"),
            ("postgres:/soku:hunter2/db", "***"),
            ("postgres:hunter2/db", "***"),
            ("/var/lib/soku.db", "/var/lib/soku.db"),
            ("localhost:8080", "localhost:8080"),
            ("postgres:/soku:hunter2@db/soku", "***"),
            ("sqlite:///var/lib/soku.db", "sqlite:///var/lib/soku.db"),
            ("", ""),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }

    #[test]
    fn nothing_prints_a_secret_by_accident() {
        let secret = Secret::new("hunter2");
        let url = DatabaseUrl::new("postgres://soku:hunter2@db/soku");

        assert_eq!(
            format!("{secret:?} {url:?} {url}"),
            "Secret(hidden) DatabaseUrl(postgres://soku:***@db/soku) postgres://soku:***@db/soku"
        );
        assert_eq!(secret.reveal(), "hunter2");
    }
}
