//! WebM and Matroska (RFC 8794, RFC 9559): the document type tells them apart, the track list tells sound from film.

use super::window::Window;
use crate::format::{self, Format};

const DOC_TYPE: u32 = 0x4282;
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const TRACK_TYPE: u32 = 0x83;
const VIDEO: u8 = 1;
const AUDIO: u8 = 2;
/// Elements of one parent that are looked at.
const MOST_ELEMENTS: usize = 256;

/// The format of a WebM or Matroska file.
pub(super) fn detect(window: &mut Window<'_>) -> Option<&'static Format> {
    if !window.head().starts_with(b"\x1a\x45\xdf\xa3") {
        return None;
    }
    let header = element_at(window, 0)?;
    let (film, sound) = match doc_type(window, &header).as_slice() {
        b"webm" => (&format::WEBM, &format::WEBM_AUDIO),
        // Nothing said means Matroska (RFC 8794 §11.2.5 asks for it, writers forget it).
        b"matroska" | b"" => (&format::MATROSKA, &format::MATROSKA_AUDIO),
        _ => return None,
    };
    Some(if is_sound_only(window, header.end) { sound } else { film })
}

fn doc_type(window: &mut Window<'_>, header: &Element) -> Vec<u8> {
    const LONGEST: usize = 16;
    let Some(found) = find(window, header.body, header.end, DOC_TYPE) else { return Vec::new() };
    let length = found.end.map_or(0, |end| end - found.body);
    let mut name = window.up_to(found.body, usize::try_from(length).map_or(LONGEST, |length| length.min(LONGEST)));
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// Whether the track list is in reach and names sound, and no film.
fn is_sound_only(window: &mut Window<'_>, header_end: Option<u64>) -> bool {
    let kinds = header_end.and_then(|end| {
        let segment = find(window, end, None, SEGMENT)?;
        let tracks = find(window, segment.body, segment.end, TRACKS)?;
        Some(track_kinds(window, &tracks))
    });
    kinds.is_some_and(|kinds| kinds.contains(&AUDIO) && !kinds.contains(&VIDEO))
}

fn track_kinds(window: &mut Window<'_>, tracks: &Element) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut at = tracks.body;
    for _ in 0..MOST_ELEMENTS {
        let Some(track) = find(window, at, tracks.end, TRACK_ENTRY) else { break };
        let kind = find(window, track.body, track.end, TRACK_TYPE).and_then(|kind| {
            let last = kind.end?.checked_sub(1).filter(|&last| last >= kind.body)?;
            window.array::<1>(last)
        });
        kinds.extend(kind.into_iter().flatten());
        let Some(end) = track.end else { break };
        at = end;
    }
    kinds
}

/// An element: where its content begins and, unless its size is unknown (RFC 8794 §6.2), ends.
struct Element {
    id: u32,
    body: u64,
    end: Option<u64>,
}

/// The first element of this kind among those that follow each other from `at` on.
fn find(window: &mut Window<'_>, mut at: u64, end: Option<u64>, id: u32) -> Option<Element> {
    for _ in 0..MOST_ELEMENTS {
        if end.is_some_and(|end| at >= end) {
            return None;
        }
        let element = element_at(window, at)?;
        if element.id == id {
            return Some(element);
        }
        at = element.end?;
    }
    None
}

fn element_at(window: &mut Window<'_>, at: u64) -> Option<Element> {
    let bytes = window.up_to(at, 12);
    let id_length = length_of_number(*bytes.first()?, 4)?;
    let id = bytes.get(..id_length)?.iter().fold(0u32, |id, &byte| id << 8 | u32::from(byte));
    let size_bytes = &bytes[id_length..];
    let size_length = length_of_number(*size_bytes.first()?, 8)?;
    let marked = size_bytes.get(..size_length)?.iter().fold(0u64, |size, &byte| size << 8 | u64::from(byte));
    let mask = (1u64 << (7 * size_length)) - 1;
    let size = marked & mask;
    let body = at.checked_add((id_length + size_length) as u64)?;
    let end = if size == mask { None } else { Some(body.checked_add(size)?) };
    Some(Element { id, body, end })
}

/// How many bytes a variable-length number has (RFC 8794 §4): one more than its first byte has leading zeros.
fn length_of_number(first: u8, most: usize) -> Option<usize> {
    let length = first.leading_zeros() as usize + 1;
    (length <= most).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::detect;
    use crate::format;
    use crate::sniff::window::Window;

    /// A header of this document type, and a segment of unknown size that holds these bytes.
    fn file(doc_type: &[u8], segment: &[u8]) -> Vec<u8> {
        let inner = [b"\x42\x82", [0x80 | u8::try_from(doc_type.len()).unwrap()].as_slice(), doc_type].concat();
        let size = [0x80 | u8::try_from(inner.len()).unwrap()];
        let segment_head = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
        [b"\x1a\x45\xdf\xa3".as_slice(), &size, &inner, segment_head, segment].concat()
    }

    fn mime(bytes: &[u8]) -> Option<&'static str> {
        detect(&mut Window::of_head(bytes, false)).map(|format| format.mime)
    }

    #[test]
    fn the_track_list_of_a_live_stream_tells_sound_from_film() {
        let sound = b"\x16\x54\xae\x6b\x85\xae\x83\x83\x81\x02";
        let both = b"\x16\x54\xae\x6b\x8a\xae\x83\x83\x81\x02\xae\x83\x83\x81\x01";
        let film_late = b"\xec\x82\0\0\x16\x54\xae\x6b\x85\xae\x83\x83\x81\x01";

        assert_eq!(mime(&file(b"webm", sound)), Some("audio/webm"));
        assert_eq!(mime(&file(b"webm", both)), Some("video/webm"));
        assert_eq!(mime(&file(b"matroska", sound)), Some("audio/matroska"));
        assert_eq!(mime(&file(b"matroska", film_late)), Some("video/matroska"));
    }

    #[test]
    fn without_a_track_list_in_reach_it_is_a_film() {
        assert_eq!(mime(&file(b"webm", b"")), Some("video/webm"));
        assert_eq!(
            mime(&file(b"webm", b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0")),
            Some("video/webm")
        );
    }

    #[test]
    fn another_document_type_is_unknown() {
        assert_eq!(mime(&file(b"mydata", b"")), None);
        assert_eq!(mime(&file(b"webm\0\0", b"")), Some(format::WEBM.mime));
    }
}
