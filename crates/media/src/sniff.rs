//! The media type of a file by its bytes: the WHATWG MIME Sniffing Standard's rules for pictures, sound and films (§6.1,
//! §6.2), and the containers it does not know. [`sniff`] sees the first bytes and decides whether it is media at all;
//! [`sniff_file`] sees the whole file and may name the type more exactly (tracks listed at the end), never otherwise.

mod asf;
mod chunks;
mod codestream;
mod ebml;
mod encoding;
mod frames;
mod isobmff;
mod magic;
mod markup;
mod mpeg;
mod ogg;
mod playlist;
mod text;
mod window;

use std::io::{self, Read, Seek, SeekFrom};

use self::window::Window;
use crate::format::{self, Format};

/// How many of the first bytes are looked at to decide whether a file is media.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sniffed {
    /// A picture, film or sound.
    Media(&'static Format),
    /// Something else, by the type that people know it by.
    NotMedia(&'static str),
    /// No detector knows.
    Unknown,
}

/// Judges a file by its first bytes; of more than [`HEAD_BYTES`] only so many count. `complete` says that there are no
/// further ones.
#[must_use]
pub fn sniff(head: &[u8], complete: bool) -> Sniffed {
    let (head, complete) = if head.len() > HEAD_BYTES { (&head[..HEAD_BYTES], false) } else { (head, complete) };
    inspect(&mut Window::of_head(head, complete))
}

/// Judges a whole file of `size` bytes: as [`sniff`] judges its head, with bounded looks at what lies further on.
///
/// # Errors
/// If the file cannot be read.
pub fn sniff_file<R: Read + Seek>(file: &mut R, size: u64) -> io::Result<Sniffed> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let mut window = Window::of_file(&head, size, file);
    let sniffed = inspect(&mut window);
    window.finish()?;
    Ok(sniffed)
}

/// The order is: what cannot be text by its first bytes, then text, then what text could be mistaken for.
fn inspect(window: &mut Window<'_>) -> Sniffed {
    let head = window.head();
    if head.is_empty() {
        return Sniffed::NotMedia("application/x-empty");
    }
    if let Some(text) = encoding::with_byte_order_mark(head) {
        return text::judge(&text);
    }
    if let Some(format) = signed(window) {
        return Sniffed::Media(format);
    }
    if let Some(mime) = magic::refused(head) {
        return Sniffed::NotMedia(mime);
    }
    if let Some(format) = framed(window) {
        return Sniffed::Media(format);
    }
    if let Some(text) = encoding::without_byte_order_mark(head) {
        return text::judge(&text);
    }
    if let Some(mime) = text::beginning(head) {
        return Sniffed::NotMedia(mime);
    }
    if let Some(format) = unsigned(window) {
        return Sniffed::Media(format);
    }
    magic::refused_late(head).map_or(Sniffed::Unknown, Sniffed::NotMedia)
}

/// Formats that begin with a signature of their own.
fn signed(window: &mut Window<'_>) -> Option<&'static Format> {
    let head = window.head();
    magic::media(head)
        .or_else(|| chunks::detect(head))
        .or_else(|| ogg::detect(head))
        .or_else(|| ebml::detect(window))
        .or_else(|| asf::detect(window))
        .or_else(|| behind_id3(window))
        .or_else(|| isobmff::detect(window))
}

/// Formats whose only signature is that their frames or packets follow each other.
fn framed(window: &Window<'_>) -> Option<&'static Format> {
    let (head, complete) = (window.head(), window.is_complete());
    mpeg::detect(head, complete).or_else(|| frames::detect(head, complete))
}

/// Formats that begin so plainly that text could too.
fn unsigned(window: &mut Window<'_>) -> Option<&'static Format> {
    let head = window.head();
    codestream::detect(head)
        .or_else(|| isobmff::detect_after_a_large_first_box(window))
        .or_else(|| frames::detect_after_junk(head))
}

/// MP3 behind an ID3 tag, whatever size the tag has or claims (contract §5), unless another kind of sound that we know
/// follows it.
fn behind_id3(window: &mut Window<'_>) -> Option<&'static Format> {
    let end_of_tags = frames::id3_end(window)?;
    let rest = window.piece(end_of_tags);
    let other = magic::media(&rest)
        .or_else(|| chunks::detect(&rest))
        .or_else(|| ogg::detect(&rest))
        .or_else(|| frames::detect(&rest, false))
        .filter(|format| format.mime.starts_with("audio/"));
    Some(other.unwrap_or(&format::MP3))
}
