//! One request on one connection, and the head of its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, DATE, HOST, IF_RANGE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{FetchError, io_cause};
use crate::head::{Heard, Tapped, final_head, lost_a_line_that_matters};
use crate::limits::Limits;
use crate::resume::Rest;
use crate::url::SourceUrl;

/// hyper takes no smaller read buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// What moves bytes between hyper and a connection, of whatever kind that is.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The head of an answer, and the connection that its body comes on. Dropping it closes the connection.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The source's own time.
    pub(crate) date: Option<SystemTime>,
    pub(crate) body: AnswerBody,
}

impl Answer {
    /// When it was answered: by the source's clock if it tells it, else by ours.
    #[expect(clippy::disallowed_methods, reason = "only compared with dates that came from outside")]
    pub(crate) fn answered_at(&self) -> SystemTime {
        self.date.unwrap_or_else(SystemTime::now)
    }
}

/// The frames of a body. It drives its connection itself, so that nothing of a fetch outlives its future.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    driver: Option<Driver>,
    heard: Arc<Heard>,
    // Kept so that hyper does not take the missing sender for a wish to close.
    _sender: http1::SendRequest<Empty<Bytes>>,
}

impl AnswerBody {
    /// The next piece of the body; `None` at its end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FetchError>>> {
        loop {
            let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
            if polled.is_pending() {
                drive(&mut self.driver, cx);
                polled = Pin::new(&mut self.incoming).poll_frame(cx);
            }
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(body_error(error)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.heard.was_body(data.len());
                        return Poll::Ready(Some(Ok(data)));
                    }
                    // Trailers say nothing that we need.
                    Err(_) => {}
                },
            }
        }
    }
}

fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(cx).is_ready()
    {
        // Whatever it ended in, the response or the body has been told.
        *driver = None;
    }
}

/// What one request says beside its URL.
pub(crate) struct Asking<'a> {
    pub(crate) user_agent: &'a HeaderValue,
    pub(crate) cookie: Option<HeaderValue>,
    pub(crate) rest: Option<&'a Rest>,
}

/// Sends one GET and waits for the head of its answer.
pub(crate) async fn send<S>(
    connection: S,
    url: &SourceUrl,
    asking: Asking<'_>,
    limits: &Limits,
) -> Result<Answer, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let interim = Arc::new(AtomicUsize::new(0));
    let mut request = build(url, asking)?;
    let counter = Arc::clone(&interim);
    hyper::ext::on_informational(&mut request, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    tokio::time::timeout(limits.first_byte_timeout, exchange(connection, request, &interim, limits))
        .await
        .unwrap_or(Err(FetchError::FirstByteTimeout))
}

fn build(url: &SourceUrl, asking: Asking<'_>) -> Result<Request<Empty<Bytes>>, FetchError> {
    let mut request = Request::get(url.request_target())
        .header(HOST, url.host_header())
        .header(USER_AGENT, asking.user_agent)
        .header(ACCEPT, "*/*")
        .header(ACCEPT_ENCODING, "identity");
    if let Some(cookie) = asking.cookie {
        request = request.header(COOKIE, cookie);
    }
    if let Some(rest) = asking.rest {
        request = request.header(RANGE, format!("bytes={}-", rest.start)).header(IF_RANGE, &rest.validator);
    }
    request.body(Empty::new()).map_err(|error| FetchError::BadResponse {
        what: "a URL that no request can carry",
        source: Some(error.into()),
    })
}

async fn exchange<S>(
    connection: S,
    request: Request<Empty<Bytes>>,
    interim: &AtomicUsize,
    limits: &Limits,
) -> Result<Answer, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Every interim head may be as large as the final one, and the last read may bring body bytes along.
    let heard = Heard::new((limits.max_interim + 3) * limits.max_header_bytes.max(SMALLEST_BUFFER));
    let tapped = Tapped::new(connection, Arc::clone(&heard));
    let (mut sender, driver) = http1::Builder::new()
        .title_case_headers(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_headers(limits.max_header_fields)
        .max_buf_size(limits.max_header_bytes.max(SMALLEST_BUFFER))
        .handshake::<_, Empty<Bytes>>(TokioIo::new(tapped))
        .await
        .map_err(head_error)?;
    let mut driver: Option<Driver> = Some(Box::pin(driver));
    let answered = {
        let mut sent = pin!(sender.send_request(request));
        poll_fn(|cx| {
            drive(&mut driver, cx);
            if interim.load(Ordering::Relaxed) > limits.max_interim {
                return Poll::Ready(Err(FetchError::HeadersTooLarge));
            }
            sent.as_mut().poll(cx).map_err(head_error)
        })
        .await?
    };
    let (parts, incoming) = answered.into_parts();
    let bytes = heard.take();
    let head = final_head(&bytes, interim.load(Ordering::Relaxed));
    if head.len() > limits.max_header_bytes {
        return Err(FetchError::HeadersTooLarge);
    }
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(FetchError::bad_response("a switch of protocols that nobody asked for"));
    }
    if lost_a_line_that_matters(head, &parts.headers) {
        return Err(FetchError::bad_response("a malformed length, coding or Location"));
    }
    let date = parts.headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    let body = AnswerBody { incoming, driver, heard, _sender: sender };
    Ok(Answer { status: parts.status, headers: parts.headers, date, body })
}

/// What an error before the head is complete means.
fn head_error(error: hyper::Error) -> FetchError {
    if error.is_parse_too_large() {
        FetchError::HeadersTooLarge
    } else if error.is_parse() {
        FetchError::BadResponse { what: "a head that cannot be read", source: Some(error.into()) }
    } else {
        FetchError::ConnectionLost(error.into())
    }
}

/// What an error inside a body means: its framing is wrong, or it ended too early.
fn body_error(error: hyper::Error) -> FetchError {
    use std::io::ErrorKind::{InvalidData, InvalidInput};
    match io_cause(&error).map(std::io::Error::kind) {
        Some(InvalidData | InvalidInput) => {
            FetchError::BadResponse { what: "a body whose framing cannot be read", source: Some(error.into()) }
        }
        _ => FetchError::Truncated(Some(error.into())),
    }
}
