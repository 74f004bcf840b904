//! Which bucket, and with whose credentials.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as BucketPath;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

/// What can be set about the S3 store.
#[derive(Clone)]
pub struct S3Settings {
    pub bucket: String,
    /// Before `media/…` in every key; the root of the bucket by default.
    pub prefix: BucketPath,
    /// The server, for a bucket that is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Whether the bucket's name stands in the path (default) or in the host name.
    pub path_style: bool,
    /// Whether an `http://` endpoint may be used.
    pub allow_http: bool,
    /// The `AWS_…` variables as the environment has them: credentials in all their usual forms. Unknown ones are
    /// ignored, what is said above wins.
    pub environment: Vec<(String, String)>,
    /// Memory for whole small objects (up to 256 KiB each).
    pub cache_bytes: usize,
    /// How long a request may wait for its answer, or a body for its next bytes.
    pub timeout: Duration,
    /// How often a request that failed on the way, or with a 5xx, is sent again.
    pub retries: usize,
}

/// Why a storage URL names no bucket.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is not of the form `s3://bucket/prefix`")]
pub struct S3UrlError {
    url: String,
}

impl S3Settings {
    /// The settings of `s3://bucket/prefix`, all others at their defaults.
    ///
    /// # Errors
    /// [`S3UrlError`] where the URL has another form.
    pub fn parse(url: &str) -> Result<S3Settings, S3UrlError> {
        let error = || S3UrlError { url: url.to_owned() };
        let place = url.strip_prefix("s3://").ok_or_else(error)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_bucket = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if bucket.is_empty() || !bucket.bytes().all(is_bucket) || prefix.contains(['?', '#']) {
            return Err(error());
        }
        Ok(S3Settings {
            bucket: bucket.to_owned(),
            prefix: BucketPath::parse(prefix).map_err(|_| error())?,
            endpoint: None,
            region: None,
            path_style: true,
            allow_http: false,
            environment: Vec::new(),
            cache_bytes: 64 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            retries: 3,
        })
    }

    pub(super) fn client(&self) -> object_store::Result<AmazonS3> {
        let known = |(name, value): &(String, String)| {
            let key = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()).ok()?;
            Some((key, value.clone()))
        };
        let builder = self.environment.iter().filter_map(known);
        let mut builder = builder.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        // A body may take as long as its reader: only silence is limited.
        let client = ClientOptions::new().with_timeout_disabled().with_read_timeout(self.timeout);
        builder
            .with_bucket_name(&self.bucket)
            .with_virtual_hosted_style_request(!self.path_style)
            // Not every server has the call that deletes many at once, and one is enough.
            .with_disable_bulk_delete(true)
            .with_client_options(client.with_allow_http(self.allow_http))
            .with_retry(RetryConfig {
                backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
                max_retries: self.retries,
                retry_timeout: self.timeout,
            })
            .build()
    }
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix.as_ref())
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("path_style", &self.path_style)
            .field("environment", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storage_url_names_a_bucket_and_a_prefix() {
        let plain = S3Settings::parse("s3://pictures").unwrap();
        let deep = S3Settings::parse("s3://pictures/soku/prod/").unwrap();

        assert_eq!((plain.bucket.as_str(), plain.prefix.as_ref()), ("pictures", ""));
        assert_eq!((deep.bucket.as_str(), deep.prefix.as_ref()), ("pictures", "soku/prod"));
    }

    #[test]
    fn what_is_no_storage_url_is_refused_and_quoted() {
        for url in [
            "s3://",
            "s3:///a",
            "https://bucket",
            "s3://user:password@bucket",
            "s3://b/a//b",
            "s3://b/../c",
            "s3://b?x",
        ] {
            let error = S3Settings::parse(url).unwrap_err();

            assert!(error.to_string().contains(url), "{url}");
        }
    }

    #[test]
    fn settings_never_print_a_credential() {
        let mut settings = S3Settings::parse("s3://pictures").unwrap();
        settings.environment.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned()));

        let printed = format!("{settings:?}");

        assert!(printed.contains("AWS_SECRET_ACCESS_KEY") && !printed.contains("hunter2"), "{printed}");
    }
}
