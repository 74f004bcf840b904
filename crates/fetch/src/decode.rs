//! Undoing the one content coding that a source may send although it was asked for none.

use std::io;

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, Chain};

use crate::body::{End, WireBody};
use crate::error::FetchError;

/// RFC 9659: the largest window that zstd may have as a content coding, 8 MiB, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a brotli stream begins that wants a window of up to 1 GiB: an extension that RFC 7932 does not know, but the
/// decoder does.
const LARGE_BROTLI_WINDOW: u8 = 0x11;

/// So many gzip members are borne whatever they hold, and one more for each of these bytes. To begin a member costs as much
/// as to decode a kibibyte, and an empty one is twenty bytes.
const FREE_MEMBERS: u64 = 1_000;
const BYTES_A_MEMBER: u64 = 1_024;

/// A content coding that means something to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// Reads the header: `identity`, `aws-chunked`, charsets and whatever else uploaders write there mean nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Coding, FetchError> {
        let mut found = Coding::Identity;
        for token in headers.get_all(CONTENT_ENCODING).iter().flat_map(|v| v.as_bytes().split(|&byte| byte == b',')) {
            let coding = match token.trim_ascii().to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                _ => continue,
            };
            if found != Coding::Identity {
                return Err(FetchError::UnsupportedEncoding);
            }
            found = coding;
        }
        Ok(found)
    }
}

/// The decoded bytes of a body, which stays in reach for its counters.
pub(crate) enum Decoded {
    Identity(Box<WireBody>),
    Gzip(Box<Gzip>),
    Zlib(Box<ZlibDecoder<Peeked>>),
    Deflate(Box<DeflateDecoder<Peeked>>),
    Brotli(Box<BrotliDecoder<WireBody>>),
    Zstd(Box<ZstdDecoder<WireBody>>),
}

type Peeked = Chain<io::Cursor<Vec<u8>>, WireBody>;

impl Decoded {
    /// Prepares the decoder; a coding over no bytes at all is no bytes at all.
    pub(crate) async fn new(coding: Coding, body: WireBody) -> Result<Decoded, FetchError> {
        // Nothing is decoded yet, so the only errors are the body's own.
        Decoded::prepare(coding, body).await.map_err(|error| reading_error(error, End::Unseen))
    }

    async fn prepare(coding: Coding, mut reader: WireBody) -> io::Result<Decoded> {
        if coding == Coding::Identity || reader.fill_buf().await?.is_empty() {
            return Ok(Decoded::Identity(Box::new(reader)));
        }
        Ok(match coding {
            Coding::Identity => Decoded::Identity(Box::new(reader)),
            Coding::Gzip => Decoded::Gzip(Box::new(Gzip { member: Some(GzipDecoder::new(reader)), members: 1 })),
            Coding::Deflate => {
                let mut start = Vec::with_capacity(2);
                while start.len() < 2 && (&mut reader).take(1).read_buf(&mut start).await? > 0 {}
                // The standard means zlib; some servers have always sent the bare stream.
                let zlib = matches!(start[..], [a, b] if a & 0x0f == 8 && u16::from_be_bytes([a, b]) % 31 == 0);
                let reader = io::Cursor::new(start).chain(reader);
                if zlib {
                    Decoded::Zlib(Box::new(ZlibDecoder::new(reader)))
                } else {
                    Decoded::Deflate(Box::new(DeflateDecoder::new(reader)))
                }
            }
            Coding::Brotli if reader.fill_buf().await?[0] & 0x7f == LARGE_BROTLI_WINDOW => {
                return Err(io::Error::other(FetchError::bad_response("a brotli window that no content coding has")));
            }
            Coding::Brotli => Decoded::Brotli(Box::new(BrotliDecoder::new(reader))),
            Coding::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
                let mut decoder = ZstdDecoder::with_params(reader, &window);
                decoder.multiple_members(true);
                Decoded::Zstd(Box::new(decoder))
            }
        })
    }

    /// The coded body.
    pub(crate) fn coded(&self) -> &WireBody {
        match self {
            Decoded::Identity(reader) => reader,
            Decoded::Gzip(decoder) => decoder.member().get_ref(),
            Decoded::Zlib(decoder) => decoder.get_ref().get_ref().1,
            Decoded::Deflate(decoder) => decoder.get_ref().get_ref().1,
            Decoded::Brotli(decoder) => decoder.get_ref(),
            Decoded::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn coded_mut(&mut self) -> &mut WireBody {
        match self {
            Decoded::Identity(reader) => reader,
            Decoded::Gzip(decoder) => decoder.member_mut().get_mut(),
            Decoded::Zlib(decoder) => decoder.get_mut().get_mut().1,
            Decoded::Deflate(decoder) => decoder.get_mut().get_mut().1,
            Decoded::Brotli(decoder) => decoder.get_mut(),
            Decoded::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// Appends up to so many decoded bytes; 0 is the end of both the coded stream and the body that carries it.
    pub(crate) async fn read(&mut self, into: &mut Vec<u8>, most: usize) -> Result<usize, FetchError> {
        let mut target = bytes::BufMut::limit(into, most);
        let read = match self {
            Decoded::Identity(reader) => reader.read_buf(&mut target).await,
            Decoded::Gzip(decoder) => decoder.read(&mut target).await,
            Decoded::Zlib(decoder) => decoder.read_buf(&mut target).await,
            Decoded::Deflate(decoder) => decoder.read_buf(&mut target).await,
            Decoded::Brotli(decoder) => decoder.read_buf(&mut target).await,
            Decoded::Zstd(decoder) => decoder.read_buf(&mut target).await,
        };
        match read {
            Ok(0) => self.check_end().await.map_err(|error| reading_error(error, End::Unseen)),
            Ok(read) => Ok(read),
            Err(error) => Err(reading_error(error, self.coded().end())),
        }
    }

    /// The body ends where the coded stream does. If it does not, the stream ended too early, or something else follows it:
    /// brotli and bare deflate have no checksum to tell one from the other.
    async fn check_end(&mut self) -> io::Result<usize> {
        if self.coded_mut().fill_buf().await?.is_empty() {
            return Ok(0);
        }
        Err(io::Error::other(FetchError::bad_response("bytes behind the end of its content coding")))
    }
}

/// One gzip member after another.
pub(crate) struct Gzip {
    /// Gone for no longer than the next one takes to begin.
    member: Option<GzipDecoder<WireBody>>,
    members: u64,
}

impl Gzip {
    fn member(&self) -> &GzipDecoder<WireBody> {
        self.member.as_ref().expect("there is always a member")
    }

    fn member_mut(&mut self) -> &mut GzipDecoder<WireBody> {
        self.member.as_mut().expect("there is always a member")
    }

    /// Goes on into the next member where one ends before the body does.
    async fn read(&mut self, target: &mut bytes::buf::Limit<&mut Vec<u8>>) -> io::Result<usize> {
        loop {
            let read = self.member_mut().read_buf(target).await?;
            let body = self.member_mut().get_mut();
            if read > 0 || body.fill_buf().await?.is_empty() {
                return Ok(read);
            }
            let most = FREE_MEMBERS + body.taken() / BYTES_A_MEMBER;
            self.members += 1;
            if self.members > most {
                return Err(io::Error::other(FetchError::bad_response("a content coding in far too many pieces")));
            }
            self.member = self.member.take().map(|member| GzipDecoder::new(member.into_inner()));
        }
    }
}

/// An error is either the body's own, or the decoder's opinion of what the body brought: that it is nonsense, or, once
/// its end is known, that something is missing.
fn reading_error(error: io::Error, end: End) -> FetchError {
    match FetchError::unwrap_io(error) {
        Ok(ours) => ours,
        Err(error) if end == End::Seen => FetchError::Truncated(Some(error.into())),
        Err(error) => {
            FetchError::BadResponse { what: "a content coding that cannot be undone", source: Some(error.into()) }
        }
    }
}
