//! One fetch: try after try, until the whole body is in the spool or there is no point in another.

use std::path::PathBuf;

use http::HeaderValue;
use tokio::time::timeout;

use crate::cookies::Cookies;
use crate::dial::Dialer;
use crate::download::Download;
use crate::error::FetchError;
use crate::follow::Road;
use crate::limits::Limits;
use crate::progress::Progress;
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
        match timeout(self.limits.total_timeout, self.try_until_whole(url, on_behalf_of, &mut download)).await {
            Ok(Ok(())) => download.finish().await,
            Ok(Err(error)) => {
                download.discard().await;
                Err(error)
            }
            Err(_) => {
                download.discard().await;
                Err(FetchError::FetchTimeout)
            }
        }
    }

    async fn try_until_whole(
        &self,
        url: &SourceUrl,
        on_behalf_of: &str,
        download: &mut Download<'_>,
    ) -> Result<(), FetchError> {
        let road = Road { dialer: &self.dialer, limits: &self.limits, user_agent: &self.user_agent, on_behalf_of };
        let mut cookies = Cookies::default();
        let mut tries = Tries::new(&self.limits);
        loop {
            let Err(failed) = download.go_on(&road, &mut cookies).await else { return Ok(()) };
            tracing::debug!(url = %url, reached = download.reached(), error = %failed.error, "A try brought no file");
            let pause = tries.after(failed, download.reached())?;
            tokio::time::sleep(pause).await;
        }
    }
}
