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
        (b"RIFF", b"AVI ") => Some(&format::AVI),
        (b"RIFF", b"RMID") => Some(&format::MIDI),
        // A Video CD's track: an MPEG program stream in sectors
        (b"RIFF", b"CDXA") => Some(&format::MPEG),
        (b"FORM", b"AIFF" | b"AIFC") => Some(&format::AIFF),
        _ => None,
    }
}
