//! One fetch: try after try, until the whole body is in the spool or there is no point in another.

use std::path::PathBuf;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, info_span};

use crate::STEPS;
use crate::dial::Dialer;
use crate::download::Download;
use crate::error::FetchError;
use crate::follow::{Road, Trip};
use crate::limits::Limits;
use crate::progress::Progress;
use crate::request::{Asking, send};
use crate::retry::Tries;
use crate::spool::Spooled;
use crate::turns::Turns;
use crate::url::SourceUrl;
use crate::verdict::Verdict;

/// Decoders with a large window at a time. Brotli's may be 16 MiB with its tables on top (RFC 7932), zstd's 8 MiB (RFC
/// 9659): together they stay below 400 MiB, however many downloads there are.
const LARGE_DECODERS: usize = 16;

/// Downloads what strangers' URLs lead to, within limits.
pub struct Fetcher {
    dialer: Dialer,
    limits: Limits,
    user_agent: HeaderValue,
    decoders: Turns<()>,
}

/// One file to fetch.
#[derive(Clone)]
pub struct FetchJob<'a> {
    /// Where it is.
    pub url: &'a SourceUrl,
    /// Who wants it: sources' places are shared fairly between these names, which mean nothing else.
    pub on_behalf_of: &'a str,
    /// The file to create; its directory exists, the file does not.
    pub spool: PathBuf,
    /// Whether the content is wanted, decided on its first bytes.
    pub verdict: &'a Verdict<'a>,
    /// Where to say how far it is.
    pub progress: Option<&'a Progress>,
}

/// A file that was fetched whole.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes.
    pub spooled: Spooled,
    /// The URL that they came from, after redirects.
    pub final_url: SourceUrl,
    /// The source's `Content-Type`, as sent.
    pub content_type: Option<Vec<u8>>,
    /// The source's `Content-Disposition`, as sent.
    pub content_disposition: Option<Vec<u8>>,
}

impl Fetcher {
    /// A fetcher that introduces itself as `user_agent`; what no header may carry in it is left out.
    pub fn new(dialer: Dialer, limits: Limits, mut user_agent: String) -> Fetcher {
        user_agent.retain(|c| matches!(c, ' '..='~'));
        let user_agent = HeaderValue::try_from(user_agent).expect("printable ASCII is a header value");
        Fetcher { dialer, limits, user_agent, decoders: Turns::new(LARGE_DECODERS) }
    }

    /// The limits that every fetch keeps to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Fetches one file. Dropping the future ends it, closes its connection and leaves no file.
    pub async fn fetch(&self, job: FetchJob<'_>) -> Result<Fetched, FetchError> {
        let (url, on_behalf_of) = (job.url, job.on_behalf_of);
        let mut download = Download::new(job, &self.limits, &self.decoders)?;
        let tries = self.try_until_whole(url, on_behalf_of, &mut download);
        let outcome = timeout(self.limits.total_timeout, tries).await;
        end(download, outcome).await
    }

    /// Fetches over a connection that is there already: one question and one answer, neither followed nor tried again. For
    /// tests, whose connections need not be sockets.
    pub async fn fetch_over<S>(&self, connection: S, job: FetchJob<'_>) -> Result<Fetched, FetchError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let url = job.url;
        let mut download = Download::new(job, &self.limits, &self.decoders)?;
        let asking = Asking { user_agent: &self.user_agent, cookie: None, rest: None };
        let one_try = async {
            let answer = send(connection, url, asking, &self.limits).await?;
            download.take(url.clone(), answer, None).await.map_err(|failed| failed.error)
        };
        let outcome = timeout(self.limits.total_timeout, one_try).await;
        end(download, outcome).await
    }

    async fn try_until_whole(
        &self,
        url: &SourceUrl,
        on_behalf_of: &str,
        download: &mut Download<'_>,
    ) -> Result<(), FetchError> {
        let road = Road { dialer: &self.dialer, limits: &self.limits, user_agent: &self.user_agent, on_behalf_of };
        let mut trip = Trip::default();
        let mut tries = Tries::new(&self.limits);
        let mut number = 0_u64;
        loop {
            number += 1;
            let span = info_span!(
                target: STEPS,
                "try",
                soku.try.number = number,
                soku.try.from_byte = download.reached(),
                otel.status_description = Empty
            );
            let tried = download.go_on(&road, &mut trip).instrument(span.clone()).await;
            let Err(failed) = tried else { return Ok(()) };
            span.record("otel.status_description", display(&failed.error));
            drop(span);
            tracing::debug!(url = %url, reached = download.reached(), error = %failed.error, "A try brought no file");
            let pause = tries.after(failed, download.reached())?;
            tokio::time::sleep(pause).await;
        }
    }
}

/// Keeps what is whole, and leaves nothing of anything else.
async fn end(download: Download<'_>, outcome: Result<Result<(), FetchError>, Elapsed>) -> Result<Fetched, FetchError> {
    match outcome.unwrap_or(Err(FetchError::FetchTimeout)) {
        Ok(()) => download.finish().await,
        Err(error) => {
            download.discard().await;
            Err(error)
        }
    }
}
