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

/// The base of hosted URLs: absolute, http or https, without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    pub(super) fn new(url: &Url) -> PublicUrl {
        PublicUrl(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The text that `/media/<id>/<filename>` is appended to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicUrl({self})")
    }
}

const HIDDEN: &str = "***";

/// A URL with its password, and whatever a query calls one, hidden; all of it where it has an `@` but is no URL.
pub(super) fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return if text.contains('@') { HIDDEN.to_owned() } else { text.to_owned() };
    };
    if url.cannot_be_a_base() {
        return if text.contains('@') { HIDDEN.to_owned() } else { text.to_owned() };
    }
    let has_secret =
        |name: &str| ["password", "secret", "token", "key"].iter().any(|word| name.to_lowercase().contains(word));
    let query_has_secret = url.query_pairs().any(|(name, _)| has_secret(&name));
    if url.password().is_none() && !query_has_secret {
        return text.to_owned();
    }
    if url.password().is_some() {
        url.set_password(Some(HIDDEN)).expect("a URL with a password has a host");
    }
    if query_has_secret {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = pairs
            .into_iter()
            .map(|(name, value)| if has_secret(&name) { (name, HIDDEN.to_owned()) } else { (name, value) });
        let shown: Vec<(String, String)> = shown.collect();
        url.query_pairs_mut().clear().extend_pairs(shown);
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
