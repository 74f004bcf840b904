//! How a body is sent: letters with numbers, `c100 g2 p7 x9`, each with a default, so that any line is a plan.
//!
//! Framing: `c` chunks of so many bytes, `e` the end of the connection, else a length. Coding: `g` gzip and `s` zstd, of so
//! many members, `z` zlib, `d` bare deflate, `b` brotli. The file: what follows the line, then `n` bytes of noise and `o` of
//! zeros; with `r` what follows is coded already, with `f` framed already. In pieces: of `p` bytes, or uneven ones of the seed
//! `q`. Oddities: `u` zeros before a chunk's size, `a` bytes of extension, `h` trailers, `m` bytes behind the message; `k`
//! keeps the connection open. Damage: `x` turns a bit, `t` cuts after so many bytes, `y` and `w` declare more or fewer bytes,
//! `j` bytes follow the coded stream.

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use tokio::io::AsyncWriteExt as _;

/// The most chunks, or pieces: each is a step.
const MOST_STEPS: usize = 4_000;
const MOST_MADE: usize = 400_000;
/// hyper's limit of all extensions of a body.
const MOST_EXTENSION_BYTES: usize = 16 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    Length,
    Chunks(usize),
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zlib,
    Deflate,
    Brotli,
    Zstd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    File,
    Coded,
    Framed,
}

#[derive(Debug)]
pub(super) struct Plan<'a> {
    framing: Framing,
    pub(super) coding: Coding,
    members: usize,
    given: Given,
    rest: &'a [u8],
    noise: usize,
    zeros: usize,
    size_zeros: usize,
    extension: usize,
    trailers: usize,
    behind: usize,
    stays_open: bool,
    turned_bit: Option<usize>,
    cut: Option<usize>,
    declared_more: usize,
    declared_fewer: usize,
    junk: usize,
    piece: usize,
    seed: Option<u64>,
}

/// What went over the wire, and what is known of it.
pub(super) struct Sent {
    pub(super) wire: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) stays_open: bool,
    /// The file, where it is known.
    pub(super) payload: Option<Vec<u8>>,
    /// The coded file before it was damaged.
    pub(super) coded: Vec<u8>,
    pub(super) ends_of_members: Vec<usize>,
    /// What is inside of the framing as it was sent; nothing where that is cut or cannot be read.
    pub(super) unframed: Option<Vec<u8>>,
    /// Nothing is wrong with it.
    pub(super) is_sound: bool,
}

impl<'a> Plan<'a> {
    pub(super) fn read(data: &'a [u8]) -> Plan<'a> {
        let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
        let mut plan = Plan {
            framing: Framing::Length,
            coding: Coding::Identity,
            members: 1,
            given: Given::File,
            rest: data.get(end + 1..).unwrap_or_default(),
            noise: 0,
            zeros: 0,
            size_zeros: 0,
            extension: 0,
            trailers: 0,
            behind: 0,
            stays_open: false,
            turned_bit: None,
            cut: None,
            declared_more: 0,
            declared_fewer: 0,
            junk: 0,
            piece: 0,
            seed: None,
        };
        let mut line = data[..end].iter().copied().peekable();
        while let Some(letter) = line.next() {
            let mut number = 0_usize;
            while let Some(digit) = line.next_if(u8::is_ascii_digit) {
                number = (number * 10 + usize::from(digit - b'0')).min(MOST_MADE);
            }
            plan.set(letter, number);
        }
        plan
    }

    fn set(&mut self, letter: u8, number: usize) {
        match letter {
            b'c' => self.framing = Framing::Chunks(if number == 0 { MOST_MADE } else { number }),
            b'e' => self.framing = Framing::Close,
            b'g' => (self.coding, self.members) = (Coding::Gzip, number.clamp(1, 4)),
            b's' => (self.coding, self.members) = (Coding::Zstd, number.clamp(1, 4)),
            b'z' => (self.coding, self.members) = (Coding::Zlib, 1),
            b'd' => (self.coding, self.members) = (Coding::Deflate, 1),
            b'b' => (self.coding, self.members) = (Coding::Brotli, 1),
            b'r' => self.given = Given::Coded,
            b'f' => self.given = Given::Framed,
            b'n' => self.noise = number,
            b'o' => self.zeros = number,
            b'u' => self.size_zeros = number.min(32),
            b'a' => self.extension = number.min(64),
            b'h' => self.trailers = number.min(50),
            b'm' => self.behind = number.min(1_000),
            b'k' => self.stays_open = true,
            b'x' => self.turned_bit = Some(number),
            b't' => self.cut = Some(number),
            b'y' => self.declared_more = number,
            b'w' => self.declared_fewer = number,
            b'j' => self.junk = number.min(1_000),
            b'p' => self.piece = number,
            b'q' => self.seed = Some(number as u64 | 1 << 40),
            _ => {}
        }
    }

    /// Whether nothing of the file can be made smaller.
    pub(super) fn is_noise(&self) -> bool {
        self.rest.is_empty() && self.zeros == 0
    }

    pub(super) fn content_encoding(&self) -> &'static str {
        match self.coding {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Zlib | Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// So many bytes at a time, of what is left.
    pub(super) fn pieces<'b>(&self, wire: &'b [u8]) -> Vec<&'b [u8]> {
        let least = wire.len() / MOST_STEPS + 1;
        let mut seed = self.seed;
        let mut pieces = Vec::new();
        let mut rest = wire;
        while !rest.is_empty() {
            let size = match &mut seed {
                Some(seed) => least + usize::try_from(next(seed) >> 54).expect("ten bits"),
                None if self.piece == 0 => rest.len(),
                None => self.piece.max(least),
            };
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    pub(super) async fn send(&self) -> Sent {
        let payload = match self.given {
            Given::File => Some([self.rest, &noise(self.noise), &vec![0; self.zeros]].concat()),
            Given::Coded | Given::Framed => None,
        };
        let (coded, ends_of_members) = match &payload {
            Some(payload) => self.encode(payload).await,
            None => (self.rest.to_vec(), Vec::new()),
        };
        let junk = if self.coding == Coding::Identity { 0 } else { self.junk };
        let carried = [&coded[..], &vec![b'j'; junk]].concat();
        let mut body = match self.given {
            Given::File | Given::Coded => self.frame(&carried),
            Given::Framed => carried.clone(),
        };
        let mut is_sound = self.given == Given::File && junk == 0;
        if let Some(bit) = self.turned_bit.filter(|_| !body.is_empty()) {
            let bit = bit % (8 * body.len());
            body[bit / 8] ^= 1 << (bit % 8);
            is_sound = false;
        }
        if let Some(cut) = self.cut.filter(|&cut| cut < body.len()) {
            body.truncate(cut);
            is_sound = false;
        }
        let declared = (carried.len() + self.declared_more).saturating_sub(self.declared_fewer);
        let (field, unframed) = match self.framing {
            Framing::Length => {
                is_sound &= declared == carried.len();
                (format!("Content-Length: {declared}\r\n"), body.get(..declared).map(<[u8]>::to_vec))
            }
            Framing::Chunks(size) => {
                let chunks = carried.len() / size.max(1) + 2;
                is_sound &= chunks * (self.extension + 1) < MOST_EXTENSION_BYTES;
                ("Transfer-Encoding: chunked\r\n".to_owned(), unchunk(&body))
            }
            Framing::Close => {
                is_sound &= !self.stays_open;
                (String::new(), (!self.stays_open).then(|| body.clone()))
            }
        };
        // Behind a length that is too long it would be the body.
        if self.framing != Framing::Close && is_sound {
            body.extend(std::iter::repeat_n(b'm', self.behind));
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {}\r\n{field}\r\n", self.content_encoding());
        let wire = [head.as_bytes(), &body].concat();
        let (framing, stays_open) = (self.framing, self.stays_open);
        Sent { wire, framing, stays_open, payload, coded, ends_of_members, unframed, is_sound }
    }

    /// The coded file, and where its members end.
    async fn encode(&self, payload: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for member in payload.chunks((payload.len() / self.members + 1).max(1)) {
            all.extend(encode(self.coding, member).await);
            ends.push(all.len());
        }
        (all, ends)
    }

    fn frame(&self, carried: &[u8]) -> Vec<u8> {
        let Framing::Chunks(size) = self.framing else { return carried.to_vec() };
        let extension = if self.extension == 0 { String::new() } else { format!(";{}", "a".repeat(self.extension)) };
        let zeros = "0".repeat(self.size_zeros);
        let mut wire = Vec::new();
        for chunk in carried.chunks(size.max(carried.len() / MOST_STEPS + 1)) {
            let length = chunk.len();
            let line = if self.size_zeros == 0 { format!("{length:x}") } else { format!("{zeros}{length:X}") };
            wire.extend_from_slice(format!("{line}{extension}\r\n").as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(format!("0{zeros}{extension}\r\n").as_bytes());
        for nth in 0..self.trailers {
            wire.extend_from_slice(format!("X-Trailer-{nth}: 0\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire
    }
}

async fn encode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    macro_rules! with {
        ($encoder:expr) => {{
            let mut encoder = $encoder;
            encoder.write_all(bytes).await.expect("memory can be written");
            encoder.shutdown().await.expect("memory can be written");
            encoder.into_inner()
        }};
    }
    let fast = Level::Fastest;
    match coding {
        Coding::Identity => bytes.to_vec(),
        Coding::Gzip => with!(GzipEncoder::with_quality(Vec::new(), fast)),
        Coding::Zlib => with!(ZlibEncoder::with_quality(Vec::new(), fast)),
        Coding::Deflate => with!(DeflateEncoder::with_quality(Vec::new(), fast)),
        Coding::Brotli => with!(BrotliEncoder::with_quality(Vec::new(), fast)),
        Coding::Zstd => {
            with!(ZstdEncoder::with_quality_and_params(Vec::new(), fast, &[CParameter::checksum_flag(true)]))
        }
    }
}

/// What chunks carry, read with more patience than hyper has: whatever that makes of them is this.
fn unchunk(mut wire: &[u8]) -> Option<Vec<u8>> {
    let mut carried = Vec::new();
    loop {
        let digits = wire.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = usize::from_str_radix(std::str::from_utf8(&wire[..digits]).ok()?, 16).ok()?;
        wire = behind(&wire[digits..], b"\r\n")?;
        if size == 0 {
            behind(wire, b"\r\n").filter(|_| wire.starts_with(b"\r\n")).or_else(|| behind(wire, b"\r\n\r\n"))?;
            return Some(carried);
        }
        carried.extend_from_slice(wire.get(..size)?);
        wire = wire[size..].strip_prefix(b"\r\n")?;
    }
}

fn behind<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    bytes.windows(mark.len()).position(|window| window == mark).map(|at| &bytes[at + mark.len()..])
}

/// Bytes that no coding makes smaller and that differ at every offset.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(|| next(&mut state).to_le_bytes()).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// Xorshift.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
