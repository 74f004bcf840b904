//! The body that is being collected over one or more tries: which version of it, how far, and whether it is wanted.

use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use tracing::{Instrument as _, info_span};

use crate::STEPS;
use crate::body::WireBody;
use crate::decode::{Coding, Decoded};
use crate::error::FetchError;
use crate::fetcher::{FetchJob, Fetched};
use crate::follow::{Road, Trip};
use crate::limits::Limits;
use crate::pace::SharedPace;
use crate::request::{Answer, AnswerBody};
use crate::resume::{Part, Rest, Version};
use crate::retry::{Failed, source_status};
use crate::spool::Spool;
use crate::turns::Turns;
use crate::url::SourceUrl;
use crate::verdict::{ContentRefused, FirstBytes, HEAD_BYTES};

/// The body so far.
pub(crate) struct Download<'a> {
    job: FetchJob<'a>,
    limits: &'a Limits,
    decoders: &'a Turns<()>,
    spool: Spool,
    source: Option<Source>,
    /// Coded bytes of this version that came over the wire.
    reached: u64,
    /// Decoded bytes of it.
    decoded: u64,
    wanted: bool,
    pace: SharedPace,
}

/// The answer that the body began with.
struct Source {
    url: SourceUrl,
    version: Version,
    coding: Coding,
    content_type: Option<Vec<u8>>,
    content_disposition: Option<Vec<u8>>,
}

impl Source {
    /// Judges a part that comes from `url`: whether it is the very rest of this body.
    fn part(&mut self, url: &SourceUrl, headers: &HeaderMap, start: u64) -> Result<Part, &'static str> {
        let part = self.version.part(headers, start)?;
        if !self.version.holds_at(&self.url, url) {
            return Err("a part from another place");
        }
        if !matches!(Coding::of(headers), Ok(Coding::Identity)) {
            return Err("a part with a content coding");
        }
        declared_length(headers).map_err(|_| "a part with a transfer coding")?;
        Ok(part)
    }
}

impl<'a> Download<'a> {
    /// Nothing yet; fails where there is no room for anything.
    pub(crate) fn new(
        job: FetchJob<'a>,
        limits: &'a Limits,
        decoders: &'a Turns<()>,
    ) -> Result<Download<'a>, FetchError> {
        let spool = Spool::new(job.spool.clone(), limits.min_free_bytes);
        spool.check_room(0)?;
        let pace = SharedPace::new(limits);
        Ok(Download { job, limits, decoders, spool, source: None, reached: 0, decoded: 0, wanted: false, pace })
    }

    /// How many bytes of the body came over the wire.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// One try: asks for the whole body, or for the rest of it where that is safe, and collects what comes.
    pub(crate) async fn go_on(&mut self, road: &Road<'_>, trip: &mut Trip) -> Result<(), Failed> {
        let rest = self.source.as_ref().filter(|source| source.coding == Coding::Identity);
        let rest = rest.and_then(|source| source.version.rest(self.reached));
        let asked = Instant::now();
        let (url, answer) = road.follow(self.job.url, trip, rest.as_ref()).await?;
        // Once a body has begun its source is waited for in its heads too. The pauses between tries are not its own: it
        // asked for them honestly, or they are ours.
        if self.source.is_some() && !self.pace.keeps_up(asked.elapsed(), 0) {
            return Err(FetchError::TooSlow.into());
        }
        self.take(url, answer, rest.as_ref()).await
    }

    /// Takes the answer to a question for the whole body, or for its rest.
    pub(crate) async fn take(&mut self, url: SourceUrl, answer: Answer, rest: Option<&Rest>) -> Result<(), Failed> {
        match (answer.status, rest) {
            (StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION, _) => self.begin(url, answer).await,
            (StatusCode::PARTIAL_CONTENT, Some(_)) => self.resume(&url, answer).await,
            (StatusCode::PARTIAL_CONTENT, None) => Err(FetchError::bad_response("a part that nobody asked for").into()),
            // The source has no rest, though what came had no end.
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => {
                self.source = None;
                Err(FetchError::Truncated(None).into())
            }
            _ => Err(source_status(answer.status, &answer.headers, answer.answered_at()).into()),
        }
    }

    /// The whole body begins, for the first time or anew.
    async fn begin(&mut self, url: SourceUrl, answer: Answer) -> Result<(), Failed> {
        let headers = &answer.headers;
        let length = declared_length(headers)?;
        let coding = Coding::of(headers)?;
        if length.is_some_and(|length| length > self.limits.max_bytes) {
            return Err(FetchError::TooLarge { limit_bytes: self.limits.max_bytes }.into());
        }
        self.spool.start_over().await?;
        self.spool.check_room(length.unwrap_or(0))?;
        (self.reached, self.decoded, self.wanted) = (0, 0, false);
        if let Some(progress) = self.job.progress {
            progress.set_received(0);
            progress.set_expected(length);
        }
        self.source = Some(Source {
            url,
            version: Version::of(headers, length, answer.date),
            coding,
            content_type: bytes_of(headers, CONTENT_TYPE),
            content_disposition: bytes_of(headers, CONTENT_DISPOSITION),
        });
        self.collect(answer.body, length, coding).instrument(info_span!(target: STEPS, "body")).await?;
        Ok(())
    }

    /// A part comes that was asked for; if it is not the very rest of this body, the body starts over.
    async fn resume(&mut self, url: &SourceUrl, answer: Answer) -> Result<(), Failed> {
        let source = self.source.as_mut().expect("a rest is asked for only of a body that began");
        let part = match source.part(url, &answer.headers, self.reached) {
            Ok(part) => part,
            Err(what) => {
                self.source = None;
                return Err(Failed::again(FetchError::bad_response(what)));
            }
        };
        if part.total > self.limits.max_bytes {
            return Err(FetchError::TooLarge { limit_bytes: self.limits.max_bytes }.into());
        }
        if let Some(progress) = self.job.progress {
            progress.set_expected(Some(part.total));
        }
        let rest = self.collect(answer.body, Some(part.length), Coding::Identity);
        rest.instrument(info_span!(target: STEPS, "body")).await?;
        if self.reached < part.total { Err(FetchError::Truncated(None).into()) } else { Ok(()) }
    }

    /// Reads one answer's body to its end, and asks whether it is wanted as soon as that can be told.
    async fn collect(&mut self, body: AnswerBody, length: Option<u64>, coding: Coding) -> Result<(), FetchError> {
        let before = self.reached;
        let wire = WireBody::new(body, length, self.limits, self.pace.clone());
        // While it waits nothing is read, so neither silence nor pace is held against the source.
        let _turn = match coding {
            Coding::Brotli | Coding::Zstd => Some(self.decoders.wait((), &self.job.on_behalf_of.into()).await),
            Coding::Identity | Coding::Gzip | Coding::Deflate => None,
        };
        let mut decoded = Decoded::new(coding, wire).await?;
        loop {
            let most = self.spool.room();
            let read = decoded.read(self.spool.block(), most).await;
            self.reached = before + decoded.coded().received();
            if let Some(progress) = self.job.progress {
                progress.set_received(self.reached);
            }
            let read = read?;
            self.decoded += read as u64;
            self.check_decoded(coding, before + decoded.coded().taken())?;
            if !self.wanted && (read == 0 || self.decoded > HEAD_BYTES as u64) {
                self.ask_whether_wanted()?;
            }
            if read == 0 {
                return Ok(());
            }
            if self.spool.is_full() {
                self.spool.write_block().await?;
            }
        }
    }

    fn check_decoded(&self, coding: Coding, taken: u64) -> Result<(), FetchError> {
        if self.decoded > self.limits.max_bytes {
            return Err(FetchError::TooLarge { limit_bytes: self.limits.max_bytes });
        }
        let free = self.limits.ratio_free_bytes;
        if coding != Coding::Identity && self.decoded > free && self.decoded / self.limits.ratio > taken {
            return Err(FetchError::CompressionRatio { ratio: self.limits.ratio });
        }
        Ok(())
    }

    /// Everything so far is in the spool's first block.
    fn ask_whether_wanted(&mut self) -> Result<(), FetchError> {
        if self.decoded == 0 {
            let detected_type = "application/x-empty".to_owned();
            return Err(FetchError::ContentRefused(ContentRefused { detected_type }));
        }
        let block = &*self.spool.block();
        let first_bytes = FirstBytes {
            head: &block[..block.len().min(HEAD_BYTES)],
            content_type: self.source.as_ref().and_then(|source| source.content_type.as_deref()),
            complete: block.len() <= HEAD_BYTES,
        };
        (self.job.verdict)(&first_bytes).map_err(FetchError::ContentRefused)?;
        self.wanted = true;
        Ok(())
    }

    /// The body will not be whole: removes what there is of it.
    pub(crate) async fn discard(self) {
        self.spool.discard().await;
    }

    /// The body is whole.
    pub(crate) async fn finish(self) -> Result<Fetched, FetchError> {
        let source = self.source.expect("a body that is whole began");
        Ok(Fetched {
            spooled: self.spool.finish().await?,
            final_url: source.url,
            content_type: source.content_type,
            content_disposition: source.content_disposition,
        })
    }
}

/// The length that the framing declares. Chunks win over a length; any other transfer coding cannot be undone.
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, FetchError> {
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let mut codings = lines
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty() && !token.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => {
            // hyper refuses lengths that differ, so the first of the list speaks for all.
            let first = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.split(',').next());
            Ok(first.and_then(|length| length.trim().parse().ok()))
        }
        (Some(only), None) if only.eq_ignore_ascii_case(b"chunked") && ends_in_chunked(headers) => Ok(None),
        _ => Err(FetchError::UnsupportedEncoding),
    }
}

/// Only then hyper reads chunks.
fn ends_in_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let last = last.and_then(|value| value.as_bytes().rsplit(|&byte| byte == b',').next());
    last.is_some_and(|token| token.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

fn bytes_of(headers: &HeaderMap, name: HeaderName) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}
