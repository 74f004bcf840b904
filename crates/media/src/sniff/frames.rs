//! Sound that is nothing but frames: MP3 and its elders (ISO/IEC 11172-3 §2.4.2.3; WHATWG MIME Sniffing §6.2.2), AAC in
//! ADTS (ISO/IEC 13818-7 §6.2), AC-3 (ATSC A/52 §5.3, annex E). One header is a matter of chance; two in the right distance are not.

use super::window::Window;
use crate::format::{self, Format};

/// How far into a file the first whole frame is looked for, and how many frames in a row then count as proof.
const MOST_JUNK: usize = 4096;
const FRAMES_BEHIND_JUNK: usize = 5;
/// Tags in a row that are skipped.
const MOST_TAGS: usize = 8;

/// A kind of frame: the length of one from its header, and whether two headers belong to one stream.
struct Framing {
    format: &'static Format,
    length: fn(&[u8]) -> Option<usize>,
    same_stream: fn(&[u8], &[u8]) -> bool,
}

const FRAMINGS: [Framing; 4] = [
    // Version, layer and sample rate stay; bit rate and padding may change.
    Framing {
        format: &format::MP3,
        length: mp3_frame,
        same_stream: |a, b| a[1] & 0xfe == b[1] & 0xfe && a[2] & 0xc == b[2] & 0xc,
    },
    // All of the fixed header but the private bits.
    Framing {
        format: &format::AAC,
        length: adts_frame,
        same_stream: |a, b| a[1] == b[1] && a[2] & 0xfd == b[2] & 0xfd,
    },
    // Sample rate and bit rate stay; at 44.1 kHz every other frame is two bytes longer.
    Framing { format: &format::AC3, length: ac3_frame, same_stream: |a, b| a[4] & 0xfe == b[4] & 0xfe && a[5] == b[5] },
    Framing {
        format: &format::EAC3,
        length: eac3_frame,
        same_stream: |a, b| a[4] & 0xf0 == b[4] & 0xf0 && a[5] >> 3 == b[5] >> 3,
    },
];

/// Sound that begins with two frames, or is one whole frame.
pub(super) fn detect(bytes: &[u8], complete: bool) -> Option<&'static Format> {
    FRAMINGS.iter().find(|framing| frames_in_a_row(framing, bytes, 2, complete) == 2).map(|framing| framing.format)
}

/// MP3 or AAC behind junk, as recordings of a radio stream begin: many frames in a row.
pub(super) fn detect_after_junk(bytes: &[u8]) -> Option<&'static Format> {
    let mut rest = &bytes[..bytes.len().min(MOST_JUNK)];
    let mut at = 0;
    while let Some(sync) = rest.iter().position(|&byte| byte == 0xff) {
        at += sync;
        let is_proof = |framing: &&Framing| {
            frames_in_a_row(framing, &bytes[at..], FRAMES_BEHIND_JUNK, false) == FRAMES_BEHIND_JUNK
        };
        if let Some(framing) = FRAMINGS[..2].iter().find(is_proof) {
            return Some(framing.format);
        }
        at += 1;
        rest = &rest[sync + 1..];
    }
    None
}

/// Counts frames of one stream up to `most`. In a complete file the end may stand for the last of them.
fn frames_in_a_row(framing: &Framing, bytes: &[u8], most: usize, complete: bool) -> usize {
    let mut at = 0;
    for count in 0..most {
        let Some(frame) = bytes.get(at..) else { return count };
        if complete && frame.is_empty() && count > 0 {
            return most;
        }
        let Some(length) = (framing.length)(frame) else { return count };
        if at > 0 && !(framing.same_stream)(bytes, frame) {
            return count;
        }
        at += length;
    }
    most
}

/// The length of an MPEG audio frame; none in "free format", which says nothing of its length.
fn mp3_frame(header: &[u8]) -> Option<usize> {
    const V1_L1: [usize; 14] = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
    const V1_L2: [usize; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const V1_L3: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_L1: [usize; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
    const V2_L23: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const RATES: [usize; 3] = [44_100, 48_000, 32_000];

    let &[sync, kind, rates, modes] = header.first_chunk::<4>()?;
    let is_frame = sync == 0xff && kind & 0xe0 == 0xe0 && modes & 3 != 2;
    let bit_rate = usize::from(rates >> 4).checked_sub(1)?;
    let rate = RATES.get(usize::from(rates >> 2 & 3))?;
    let padding = usize::from(rates >> 1 & 1);
    let (version_1, rate) = match kind >> 3 & 3 {
        3 => (true, *rate),
        2 => (false, rate / 2),
        0 => (false, rate / 4),
        _ => return None,
    };
    let (rates, slots, slot_bytes) = match (kind >> 1 & 3, version_1) {
        (3, true) => (&V1_L1, 12, 4),
        (3, false) => (&V2_L1, 12, 4),
        (2, true) => (&V1_L2, 144, 1),
        (2, false) => (&V2_L23, 144, 1),
        (1, true) => (&V1_L3, 144, 1),
        (1, false) => (&V2_L23, 72, 1),
        _ => return None,
    };
    let kbits = rates.get(bit_rate)?;
    is_frame.then_some((slots * kbits * 1000 / rate + padding) * slot_bytes)
}

/// The length of an ADTS frame.
fn adts_frame(header: &[u8]) -> Option<usize> {
    const SAMPLE_RATES: u8 = 13;
    let header = header.first_chunk::<7>()?;
    let length = usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5]) >> 5;
    let is_frame = header[0] == 0xff && header[1] & 0xf6 == 0xf0 && header[2] >> 2 & 0xf < SAMPLE_RATES;
    (is_frame && length > header.len()).then_some(length)
}

/// The length of an AC-3 frame.
fn ac3_frame(header: &[u8]) -> Option<usize> {
    const KBITS: [usize; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let header = header.first_chunk::<6>()?;
    let code = usize::from(header[4] & 0x3f);
    let kbits = KBITS.get(code / 2)?;
    let words = match header[4] >> 6 {
        0 => kbits * 2,
        1 => kbits * 96_000 / 44_100 + code % 2,
        2 => kbits * 3,
        _ => return None,
    };
    let is_frame = header[..2] == *b"\x0b\x77" && header[5] >> 3 <= 8;
    is_frame.then_some(words * 2)
}

/// The length of an E-AC-3 frame (ATSC A/52 annex E.1.3).
fn eac3_frame(header: &[u8]) -> Option<usize> {
    const RESERVED: u8 = 0xc0;
    let header = header.first_chunk::<6>()?;
    let words = usize::from(header[2] & 7) << 8 | usize::from(header[3]);
    let is_frame =
        header[..2] == *b"\x0b\x77" && header[2] & RESERVED != RESERVED && (11..=16).contains(&(header[5] >> 3));
    (is_frame && words >= 2).then_some((words + 1) * 2)
}

/// Where the ID3 tags (id3.org, version 2.4 §3.1) at the begin of the file end. A tag whose size is no valid number ends
/// with its header.
pub(super) fn id3_end(window: &mut Window<'_>) -> Option<u64> {
    const HEADER_BYTES: u64 = 10;
    const FOOTER: u8 = 0x10;
    let mut end = 0;
    for _ in 0..MOST_TAGS {
        let Some(header) = window.array::<10>(end) else { break };
        let [b'I', b'D', b'3', version, revision, flags, size @ ..] = header else { break };
        if version > 0x0f || revision == 0xff {
            break;
        }
        let is_valid = size.iter().all(|&byte| byte < 0x80);
        let size = size.iter().fold(0u64, |size, &byte| size << 7 | u64::from(byte & 0x7f));
        let footer = if flags & FOOTER == 0 { 0 } else { HEADER_BYTES };
        end += HEADER_BYTES + if is_valid { size + footer } else { 0 };
    }
    (end > 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::{ac3_frame, adts_frame, detect, detect_after_junk, eac3_frame, mp3_frame};

    #[test]
    fn the_length_of_a_frame_follows_from_its_header() {
        // 128 kbit/s at 44.1 kHz, padded; 32 kbit/s at 22.05 kHz; layer II; layer I
        assert_eq!(mp3_frame(b"\xff\xfb\x92\x64"), Some(418));
        assert_eq!(mp3_frame(b"\xff\xf3\x40\xc4"), Some(104));
        assert_eq!(mp3_frame(b"\xff\xfd\x84\x04"), Some(384));
        assert_eq!(mp3_frame(b"\xff\xff\xc4\x04"), Some(384));
        assert_eq!(adts_frame(b"\xff\xf1\x50\x80\x2e\x7f\xfc"), Some(371));
        assert_eq!(ac3_frame(b"\x0b\x77\0\0\x1c\x40"), Some(1536));
        assert_eq!(eac3_frame(b"\x0b\x77\x02\xff\x3f\x86"), Some(1536));
    }

    #[test]
    fn reserved_fields_are_no_frame() {
        for header in [
            *b"\xff\xeb\x92\x64",
            *b"\xff\xf9\x92\x64",
            *b"\xff\xfb\xf2\x64",
            *b"\xff\xfb\x02\x64",
            *b"\xff\xfb\x9e\x64",
            *b"\xff\xfb\x92\x66",
        ] {
            assert_eq!(mp3_frame(&header), None, "{header:x?}");
        }
        assert_eq!(adts_frame(b"\xff\xf1\x7c\x80\x2e\x7f\xfc"), None);
        assert_eq!(adts_frame(b"\xff\xf1\x50\x80\0\x1f\xfc"), None);
    }

    #[test]
    fn two_frames_of_one_stream_are_sound_and_one_alone_is_not() {
        let frame = [b"\xff\xfb\x90\x64".as_slice(), &[0; 413]].concat();
        let other_rate = [b"\xff\xfb\x94\x64".as_slice(), &[0; 400]].concat();
        let mime = |bytes: &[u8], complete| detect(bytes, complete).map(|format| format.mime);

        assert_eq!(mime(&frame.repeat(2), false), Some("audio/mpeg"));
        assert_eq!(mime(&frame, true), Some("audio/mpeg"));
        assert_eq!(mime(&frame, false), None);
        assert_eq!(mime(&frame[..400], true), None);
        assert_eq!(mime(&[frame.clone(), other_rate].concat(), false), None);
    }

    #[test]
    fn a_recording_that_begins_in_mid_frame_is_sound() {
        let frame = [b"\xff\xfb\x90\x64".as_slice(), &[0; 413]].concat();
        let mime = |bytes: &[u8]| detect_after_junk(bytes).map(|format| format.mime);

        assert_eq!(mime(&[vec![7; 300], frame.repeat(6)].concat()), Some("audio/mpeg"));
        assert_eq!(mime(&[vec![7; 300], frame.repeat(3)].concat()), None);
        assert_eq!(mime(&[vec![7; 9000], frame.repeat(6)].concat()), None);
    }
}
