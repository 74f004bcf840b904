//! MPEG streams without a container of their own: transport streams (ISO/IEC 13818-1 §2.4), program streams (§2.5) and
//! bare MPEG video (ISO/IEC 13818-2 §6.2.2.1). Where a stream says by its own tables that it has sound and nothing else, it
//! is sound; where it says nothing, a film.

use crate::format::{self, Format};

/// The size of a packet, and where its sync byte stands: plain, Blu-ray (a time code in front), with error correction.
const PACKETS: [(usize, usize); 3] = [(188, 0), (192, 4), (204, 0)];
const SYNC: u8 = 0x47;
/// Sync bytes that must be there, and that are looked at.
const FEWEST_PACKETS: usize = 3;
const MOST_PACKETS: usize = 32;

/// The format of an MPEG stream.
pub(super) fn detect(head: &[u8], complete: bool) -> Option<&'static Format> {
    if is_program_stream(head) {
        return Some(if announces_sound_alone(head) { &format::MPEG_AUDIO } else { &format::MPEG });
    }
    if is_video_stream(head) {
        return Some(&format::MPEG);
    }
    let (size, sync_at) =
        PACKETS.into_iter().find(|&(size, sync_at)| is_transport_stream(head, complete, size, sync_at))?;
    let packets = head.chunks_exact(size).filter_map(|packet| packet.get(sync_at..sync_at + PACKET));
    Some(if maps_sound_alone(packets) { &format::MPEG_TS_AUDIO } else { &format::MPEG_TS })
}

/// The system header (§2.5.3.5) behind the first pack header tells how many streams of either kind there are at most.
fn announces_sound_alone(head: &[u8]) -> bool {
    const FURTHEST: usize = 64;
    let start = &head[..head.len().min(FURTHEST)];
    let Some(at) = start.windows(4).position(|code| code == b"\0\0\x01\xbb") else { return false };
    let Some(&[_, _, _, _, _, audio, video]) = head.get(at + 4..).and_then(<[u8]>::first_chunk) else { return false };
    let has_video_packet = || head.windows(4).any(|code| code[..3] == *b"\0\0\x01" && code[3] & 0xf0 == 0xe0);
    audio >> 2 > 0 && video & 0x1f == 0 && !has_video_packet()
}

/// The bytes of a packet without what some carriers add.
const PACKET: usize = 188;
/// Kinds of sound in a program map (§2.4.4.9 table 2-34, ATSC A/53, and what Blu-ray assigns).
const SOUND: [u8; 13] = [0x03, 0x04, 0x0f, 0x11, 0x1c, 0x2d, 0x2e, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87];

/// Whether the first program map lists streams, all of them sound. One that does not lie in a packet whole says nothing.
fn maps_sound_alone<'a>(packets: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut map_id = None;
    for packet in packets {
        let id = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let Some(section) = section(packet) else { continue };
        match (id, map_id) {
            // The program association: pairs of a program's number and the packets of its map
            (0, None) => {
                let programs = section.get(8..).unwrap_or_default().chunks_exact(4);
                map_id = programs
                    .filter(|pair| pair[..2] != [0, 0])
                    .map(|pair| u16::from(pair[2] & 0x1f) << 8 | u16::from(pair[3]))
                    .next();
            }
            (id, Some(map)) if id == map => return lists_sound_alone(section),
            _ => {}
        }
    }
    false
}

/// The section that begins in a packet, without its checksum.
fn section(packet: &[u8]) -> Option<&[u8]> {
    let begins = packet[1] & 0x40 != 0;
    let payload = match packet[3] >> 4 & 3 {
        1 => &packet[4..],
        3 => packet.get(5 + usize::from(packet[4])..)?,
        _ => return None,
    };
    let section = payload.get(1 + usize::from(*payload.first()?)..)?;
    let length = usize::from(section.get(1)? & 0xf) << 8 | usize::from(*section.get(2)?);
    begins.then_some(section.get(..(3 + length).checked_sub(4)?)?)
}

fn lists_sound_alone(map: &[u8]) -> bool {
    let length = |at: usize| Some(usize::from(map.get(at)? & 0xf) << 8 | usize::from(*map.get(at + 1)?));
    let Some(mut at) = length(10).map(|length| 12 + length) else { return false };
    let mut streams = 0;
    while let Some(kind) = map.get(at) {
        if !SOUND.contains(kind) {
            return false;
        }
        streams += 1;
        let Some(length) = length(at + 3) else { return false };
        at += 5 + length;
    }
    streams > 0
}

fn is_transport_stream(head: &[u8], complete: bool, size: usize, sync_at: usize) -> bool {
    let is_short =
        complete && !head.is_empty() && head.len() < size * FEWEST_PACKETS && head.len().is_multiple_of(size);
    if head.len() < size * FEWEST_PACKETS && !is_short {
        return false;
    }
    let headers =
        || head.chunks_exact(size).take(MOST_PACKETS).filter_map(|packet| packet[sync_at..].first_chunk::<4>());
    // Each packet: no error, a payload or an adaptation field. Some header has a byte that no text has.
    headers().all(|&[sync, flags, _, control]| sync == SYNC && flags & 0x80 == 0 && control & 0x30 != 0)
        && headers().any(|&[_, flags, id, control]| [flags, id, control].iter().any(|&byte| byte < 9))
}

/// A pack header, with the marker bits of MPEG-1 or of MPEG-2.
fn is_program_stream(head: &[u8]) -> bool {
    head.strip_prefix(b"\0\0\x01\xba")
        .and_then(<[u8]>::first)
        .is_some_and(|&byte| byte & 0xf1 == 0x21 || byte & 0xc4 == 0x44)
}

/// A sequence header: a size, one of the known shapes and rates, the marker bit.
fn is_video_stream(head: &[u8]) -> bool {
    let Some(fields) = head.strip_prefix(b"\0\0\x01\xb3").and_then(|rest| rest.first_chunk::<7>()) else {
        return false;
    };
    let width = u16::from(fields[0]) << 4 | u16::from(fields[1]) >> 4;
    let height = u16::from(fields[1] & 0xf) << 8 | u16::from(fields[2]);
    let (shape, rate) = (fields[3] >> 4, fields[3] & 0xf);
    width > 0 && height > 0 && (1..=14).contains(&shape) && (1..=8).contains(&rate) && fields[6] & 0x20 != 0
}

#[cfg(test)]
mod tests {
    use super::detect;

    fn packets(size: usize, sync_at: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; size * count];
        for packet in bytes.chunks_exact_mut(size) {
            packet[sync_at..sync_at + 4].copy_from_slice(b"\x47\x40\x00\x10");
        }
        bytes
    }

    #[test]
    fn transport_streams_are_known_by_the_distance_of_their_sync_bytes() {
        for (size, sync_at) in [(188, 0), (192, 4), (204, 0)] {
            let mime = |bytes: &[u8], complete| detect(bytes, complete).map(|format| format.mime);
            let stream = packets(size, sync_at, 5);
            let mut broken = stream.clone();
            broken[size * 2 + sync_at] = 0;

            assert_eq!(mime(&stream, false), Some("video/mp2t"));
            assert_eq!(mime(&stream[..stream.len() - 9], false), Some("video/mp2t"));
            assert_eq!(mime(&stream[..size], true), Some("video/mp2t"));
            assert_eq!(mime(&stream[..size], false), None);
            assert_eq!(mime(&broken, false), None);
        }
    }

    #[test]
    fn words_that_begin_with_the_sync_byte_are_no_stream() {
        let mut words = vec![b'a'; 188 * 8];
        for line in words.chunks_exact_mut(188) {
            line[0] = b'G';
        }

        assert!(detect(&words, true).is_none());
    }

    #[test]
    fn program_streams_and_bare_video_are_known_by_their_headers() {
        let cases: [(&[u8], bool); 6] = [
            (b"\0\0\x01\xba\x21\0\x01\0\x01\x80", true),
            (b"\0\0\x01\xba\x44\0\x04\0\x04\x01", true),
            (b"\0\0\x01\xba\xff\0\x04\0\x04\x01", false),
            (b"\0\0\x01\xb3\x16\x01\x20\x13\xff\xff\xe0\x18", true),
            (b"\0\0\x01\xb3\0\0\0\x13\xff\xff\xe0\x18", false),
            (b"\0\0\x01\xb3\x16\x01\x20\xf3\xff\xff\xe0\x18", false),
        ];

        for (bytes, is_mpeg) in cases {
            assert_eq!(detect(bytes, false).is_some(), is_mpeg, "{}", bytes.escape_ascii());
        }
    }
}
