//! The ISO Base Media File Format (ISO/IEC 14496-12) and QuickTime: MP4, 3GP, M4A, MOV, AVIF, HEIC, JPEG 2000. All brands
//! count, unknown boxes are walked over, and the track list tells sound from film wherever it stands.

mod brands;

use super::window::Window;
use crate::format::{self, Format};

/// Boxes of one parent that are looked at.
const MOST_BOXES: usize = 512;
/// The first byte of a first box that is smaller than 144 MiB. Text has none so small.
const SMALL_BOX: std::ops::RangeInclusive<u8> = 0..=8;

/// First boxes of a QuickTime file without `ftyp` (QuickTime File Format, "File Type Compatibility": older files lack it).
const QUICKTIME_FIRST: [&[u8; 4]; 6] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
/// Boxes that show that what stands around them is a film, though its first box is unknown.
const TELLING: [&[u8; 4]; 6] = [b"moov", b"mdat", b"moof", b"sidx", b"styp", b"emsg"];

/// A file whose first box is of a usual size.
pub(super) fn detect(window: &mut Window<'_>) -> Option<&'static Format> {
    let first = *window.head().first()?;
    if SMALL_BOX.contains(&first) { walk(window) } else { None }
}

/// A file whose first box is so large that its size looks like a letter: only after it is known to be no text.
pub(super) fn detect_after_a_large_first_box(window: &mut Window<'_>) -> Option<&'static Format> {
    let first = *window.head().first()?;
    if SMALL_BOX.contains(&first) { None } else { walk(window) }
}

fn walk(window: &mut Window<'_>) -> Option<&'static Format> {
    let first = box_at(window, 0)?;
    let mut by_brand = jpeg_2000(window, &first)?;
    let mut tells = false;
    let mut sound_only = false;
    let mut next = Some(first.clone());
    for _ in 0..MOST_BOXES {
        let Some(current) = next else { break };
        match &current.kind {
            b"ftyp" | b"styp" if by_brand.is_none() => {
                let format = brands::read(window, &current);
                if format.is_some_and(|format| format.mime.starts_with("image/")) {
                    return format;
                }
                by_brand = format;
            }
            b"moov" => {
                tells = true;
                sound_only = is_sound_only(window, &current);
                break;
            }
            kind => tells |= TELLING.contains(&kind),
        }
        next = current.end.and_then(|end| box_at(window, end));
    }
    let format = match by_brand {
        Some(format) => format,
        None if QUICKTIME_FIRST.contains(&&first.kind) => &format::QUICKTIME,
        None if tells => &format::MP4,
        None => return None,
    };
    Some(if sound_only { as_sound(format) } else { format })
}

/// A container with sound only is sound. There is no name for sound in QuickTime of its own: it is read as its
/// offspring, MP4, is.
fn as_sound(format: &'static Format) -> &'static Format {
    match format.mime {
        "video/3gpp" => &format::THREE_GP_AUDIO,
        "video/3gpp2" => &format::THREE_G2_AUDIO,
        "video/mp4" | "video/quicktime" => &format::M4A,
        _ => format,
    }
}

/// The JPEG 2000 family begins with a signature box (ISO/IEC 15444-1 annex I.5.1), then its brand decides. `None` means
/// that the signature is there and broken.
fn jpeg_2000(window: &mut Window<'_>, first: &BoxHead) -> Option<Option<&'static Format>> {
    if &first.kind != b"jP  " {
        return Some(None);
    }
    (window.array(first.body) == Some(*b"\r\n\x87\n")).then_some(())?;
    let brand = first.end.and_then(|end| box_at(window, end)).filter(|second| &second.kind == b"ftyp");
    Some(brand.and_then(|brand| brands::read(window, &brand)).or(Some(&format::JP2)))
}

/// Whether the track list names sound, and no film (handler types, ISO/IEC 14496-12 §8.4.3).
fn is_sound_only(window: &mut Window<'_>, moov: &BoxHead) -> bool {
    let (mut sound, mut film) = (false, false);
    let mut at = moov.body;
    for _ in 0..MOST_BOXES {
        let Some(track) = find(window, at, moov.end, b"trak") else { break };
        let handler = find(window, track.body, track.end, b"mdia")
            .and_then(|media| find(window, media.body, media.end, b"hdlr"))
            .and_then(|handler| window.array::<4>(handler.body.checked_add(8)?));
        sound |= handler.as_ref() == Some(b"soun");
        film |= matches!(handler.as_ref(), Some(b"vide" | b"pict" | b"auxv"));
        let Some(end) = track.end else { break };
        at = end;
    }
    sound && !film
}

/// A box: its type, and where its content begins and, unless it goes to the end of the file, ends.
#[derive(Clone)]
struct BoxHead {
    kind: [u8; 4],
    body: u64,
    end: Option<u64>,
}

/// The first box of this kind among those that follow each other from `at` on.
fn find(window: &mut Window<'_>, mut at: u64, end: Option<u64>, kind: &[u8; 4]) -> Option<BoxHead> {
    for _ in 0..MOST_BOXES {
        if end.is_some_and(|end| at >= end) {
            return None;
        }
        let found = box_at(window, at)?;
        if &found.kind == kind {
            return Some(found);
        }
        at = found.end?;
    }
    None
}

/// A box with a sane size and a type of printable letters (§4.2; QuickTime's may begin with ©).
fn box_at(window: &mut Window<'_>, at: u64) -> Option<BoxHead> {
    const LARGE: u64 = 1;
    const TO_THE_END: u64 = 0;
    let head: [u8; 8] = window.array(at)?;
    let [s0, s1, s2, s3, kind @ ..] = head;
    let is_type = kind.iter().all(|&byte| (0x20..0x7f).contains(&byte) || byte == 0xa9);
    let (size, head_size) = match u64::from(u32::from_be_bytes([s0, s1, s2, s3])) {
        LARGE => (u64::from_be_bytes(window.array(at.checked_add(8)?)?), 16),
        size => (size, 8),
    };
    let body = at.checked_add(head_size)?;
    let end = match size {
        TO_THE_END if head_size == 8 => None,
        size if size >= head_size => Some(at.checked_add(size)?),
        _ => return None,
    };
    is_type.then_some(BoxHead { kind, body, end })
}
