//! Where a test fetches: a fetcher that calls 127.0.0.1 public, and a spool directory of its own.

use std::io::{Read, Seek};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use soku_fetch::{
    ContentRefused, DialSettings, Dialer, FetchError, FetchJob, Fetched, Fetcher, FirstBytes, Limits, Policy, Progress,
    SourceUrl,
};
use tempfile::TempDir;

/// Longer than any fetch of a test takes; a test that hangs fails here.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const USER_AGENT: &str = "soku/0.1.0 (+https://media.example)";

pub(crate) struct Bed {
    pub(crate) fetcher: Fetcher,
    spool: TempDir,
    count: AtomicUsize,
}

/// The limits of most tests: the documented ones, without pauses between tries and without a claim on the disk.
pub(crate) fn quick() -> Limits {
    Limits { backoff: Duration::from_millis(1), min_free_bytes: 0, ..Limits::default() }
}

pub(crate) fn accept(_: &FirstBytes<'_>) -> Result<(), ContentRefused> {
    Ok(())
}

impl Bed {
    pub(crate) fn new() -> Bed {
        Bed::with(quick())
    }

    pub(crate) fn with(limits: Limits) -> Bed {
        Bed::dialling(DialSettings::default(), limits)
    }

    /// Trusts the authority of a TLS source.
    pub(crate) fn trusting(ca_pem: &str) -> Bed {
        Bed::dialling(DialSettings::default().trusting(ca_pem), quick())
    }

    pub(crate) fn dialling(settings: DialSettings, limits: Limits) -> Bed {
        let dialer = Dialer::new(Policy::loopback(), settings).unwrap();
        Bed {
            fetcher: Fetcher::new(dialer, limits, USER_AGENT.to_owned()),
            spool: tempfile::tempdir().unwrap(),
            count: AtomicUsize::new(0),
        }
    }

    pub(crate) async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.fetch_with(url, &accept).await
    }

    pub(crate) async fn fetch_with(&self, url: &str, verdict: &soku_fetch::Verdict<'_>) -> Result<Fetched, FetchError> {
        let url = SourceUrl::parse(url).unwrap();
        self.run(FetchJob { url: &url, on_behalf_of: "test", spool: self.spool_path(), verdict, progress: None }).await
    }

    pub(crate) async fn fetch_watched(&self, url: &str, progress: &Progress) -> Result<Fetched, FetchError> {
        let url = SourceUrl::parse(url).unwrap();
        self.run(FetchJob {
            url: &url,
            on_behalf_of: "test",
            spool: self.spool_path(),
            verdict: &accept,
            progress: Some(progress),
        })
        .await
    }

    pub(crate) async fn run(&self, job: FetchJob<'_>) -> Result<Fetched, FetchError> {
        let outcome = tokio::time::timeout(PATIENCE, self.fetcher.fetch(job)).await;
        outcome.expect("a fetch ends well before the patience of a test")
    }

    /// Fetches what must arrive, and gives its bytes.
    pub(crate) async fn bytes(&self, url: &str) -> Vec<u8> {
        match self.fetch(url).await {
            Ok(fetched) => fetched.bytes(),
            Err(error) => panic!("{url} was not fetched: {error:?}"),
        }
    }

    /// Fetches what must fail, and gives the reason, once nothing is left of it.
    pub(crate) async fn failure(&self, url: &str) -> FetchError {
        let error = match self.fetch(url).await {
            Ok(fetched) => panic!("{url} was fetched: {} bytes", fetched.spooled.size_bytes()),
            Err(error) => error,
        };
        self.assert_nothing_left();
        error
    }

    pub(crate) fn spool_path(&self) -> PathBuf {
        self.spool.path().join(format!("spooled-{}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.spool.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.files(), Vec::<PathBuf>::new());
    }
}

pub(crate) trait Bytes {
    fn bytes(&self) -> Vec<u8>;
}

impl Bytes for Fetched {
    fn bytes(&self) -> Vec<u8> {
        let mut file = self.spooled.file();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, self.spooled.size_bytes());
        assert_eq!(sha256(&bytes), *self.spooled.sha256(), "the digest is that of the bytes");
        bytes
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// Bytes that look like nothing and differ at every offset, so that a splice in the wrong place shows.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Tests the reason of a failure by its pattern, and prints the failure where it is another.
#[macro_export]
macro_rules! assert_fails {
    ($error:expr, $pattern:pat $(if $guard:expr)?) => {
        match $error {
            $pattern $(if $guard)? => {}
            other => panic!("expected {}, got {other:?}", stringify!($pattern $(if $guard)?)),
        }
    };
}
