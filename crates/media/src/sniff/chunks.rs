//! Formats made of chunks of Electronic Arts' IFF family: RIFF (WAV, AVI, WebP), RF64, AIFF.

use crate::format::{self, Format};

/// The format of a RIFF, RF64 or AIFF file.
pub(super) fn detect(head: &[u8]) -> Option<&'static Format> {
    let outer: &[u8; 4] = head.first_chunk()?;
    let form: &[u8; 4] = head.get(8..)?.first_chunk()?;
    match (outer, form) {
        // WHATWG MIME Sniffing §6.1: the form, then a chunk whose name begins with `VP`
        (b"RIFF", b"WEBP") => head.get(12..14).is_some_and(|chunk| chunk == b"VP").then_some(&format::WEBP),
        // RF64 and BW64: ITU-R BS.2088; RIFX: the same with big-endian numbers
        (b"RIFF" | b"RIFX" | b"RF64" | b"BW64", b"WAVE") => Some(&format::WAV),
        (b"RIFF", b"AVI ") => Some(if is_sound_alone(head) { &format::AVI_AUDIO } else { &format::AVI }),
        (b"RIFF", b"RMID") => Some(&format::MIDI),
        // A Video CD's track: an MPEG program stream in sectors
        (b"RIFF", b"CDXA") => Some(&format::MPEG),
        (b"FORM", b"AIFF" | b"AIFC") => Some(&format::AIFF),
        _ => None,
    }
}

/// Whether the stream headers of an AVI (`strh` in the list `hdrl`) name sound and no film.
fn is_sound_alone(head: &[u8]) -> bool {
    const NAME_AND_SIZE: usize = 8;
    let start = head.windows(4).position(|name| name == b"movi").map_or(head, |at| &head[..at]);
    let mut kinds = start
        .windows(NAME_AND_SIZE + 4)
        .filter(|chunk| chunk.starts_with(b"strh"))
        .map(|chunk| &chunk[NAME_AND_SIZE..])
        .peekable();
    kinds.peek().is_some() && kinds.all(|kind| kind == b"auds")
}
