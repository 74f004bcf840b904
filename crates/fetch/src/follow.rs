//! From the requested URL to the answer that is none of the five redirects, one hop at a time.
//!
//! Every hop is dialled and judged as if it were the first, with a connection of its own; no body of a redirect is read.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, info_span};

use crate::STEPS;
use crate::cookies::Cookies;
use crate::dial::Dialer;
use crate::error::FetchError;
use crate::limits::Limits;
use crate::request::{Answer, Asking, send};
use crate::resume::Rest;
use crate::url::SourceUrl;

/// What every request of a fetch is made with.
pub(crate) struct Road<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) limits: &'a Limits,
    pub(crate) user_agent: &'a HeaderValue,
    pub(crate) on_behalf_of: &'a str,
}

/// What a fetch takes along from one request to the next, over all its tries.
#[derive(Default)]
pub(crate) struct Trip {
    cookies: Cookies,
    redirects: usize,
}

/// All tries together follow so many times the redirects that one may: who cuts its answers after each byte makes us come
/// again, and the hosts on the way did not ask for that.
const TRIPS: usize = 50;

impl Road<'_> {
    /// Asks and follows until something other than a redirect comes, and says from where it came.
    pub(crate) async fn follow(
        &self,
        requested: &SourceUrl,
        trip: &mut Trip,
        rest: Option<&Rest>,
    ) -> Result<(SourceUrl, Answer), FetchError> {
        let mut url = requested.clone();
        for _ in 0..=self.limits.max_redirects {
            let hop = info_span!(
                target: STEPS,
                "hop",
                otel.kind = "client",
                http.request.method = "GET",
                server.address = url.as_url().host_str(),
                server.port = url.port(),
                http.response.status_code = Empty,
                otel.status_code = Empty,
                otel.status_description = Empty
            );
            let answer = self.hop(&url, &trip.cookies, rest).instrument(hop.clone()).await;
            match &answer {
                Ok(answer) => {
                    hop.record("http.response.status_code", answer.status.as_u16());
                    if answer.status.is_client_error() || answer.status.is_server_error() {
                        hop.record("otel.status_code", "ERROR");
                    }
                }
                Err(error) => {
                    hop.record("otel.status_description", display(error));
                }
            }
            drop(hop);
            let answer = answer?;
            trip.cookies.learn(&url, &answer.headers, answer.answered_at());
            if !is_redirect(answer.status) {
                return Ok((url, answer));
            }
            trip.redirects += 1;
            if trip.redirects > TRIPS * self.limits.max_redirects {
                break;
            }
            url = next_hop(&url, &answer)?;
        }
        Err(FetchError::TooManyRedirects)
    }

    /// One request on a connection of its own.
    async fn hop(&self, url: &SourceUrl, cookies: &Cookies, rest: Option<&Rest>) -> Result<Answer, FetchError> {
        let connecting = self.dialer.dial(url, self.on_behalf_of);
        let connection = connecting.instrument(info_span!(target: STEPS, "connect")).await?;
        let asking = Asking { user_agent: self.user_agent, cookie: cookies.header_for(url), rest };
        send(connection, url, asking, self.limits).await
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn next_hop(url: &SourceUrl, answer: &Answer) -> Result<SourceUrl, FetchError> {
    let mut locations = answer.headers.get_all(LOCATION).iter();
    match (locations.next(), locations.next()) {
        (Some(location), None) => Ok(url.join(location.as_bytes())?),
        (None, _) => Err(FetchError::bad_response("a redirect without Location")),
        (Some(_), Some(_)) => Err(FetchError::bad_response("a redirect with two Locations")),
    }
}
