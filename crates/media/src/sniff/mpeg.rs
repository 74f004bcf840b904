//! MPEG streams without a container of their own: transport streams (ISO/IEC 13818-1 §2.4), program streams (§2.5) and
//! bare MPEG video (ISO/IEC 13818-2 §6.2.2.1). Sound alone in one of them has no media type of its own, so its name stays
//! that of the container.

use crate::format::{self, Format};

/// The size of a packet, and where its sync byte stands: plain, Blu-ray (a time code in front), with error correction.
const PACKETS: [(usize, usize); 3] = [(188, 0), (192, 4), (204, 0)];
const SYNC: u8 = 0x47;
/// Sync bytes that must be there, and that are looked at.
const FEWEST_PACKETS: usize = 3;
const MOST_PACKETS: usize = 32;

/// The format of an MPEG stream.
pub(super) fn detect(head: &[u8], complete: bool) -> Option<&'static Format> {
    if is_program_stream(head) || is_video_stream(head) {
        return Some(&format::MPEG);
    }
    PACKETS
        .iter()
        .any(|&(size, sync_at)| is_transport_stream(head, complete, size, sync_at))
        .then_some(&format::MPEG_TS)
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
