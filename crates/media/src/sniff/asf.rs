//! Windows Media (Advanced Systems Format): the stream properties in its header tell sound from film.

use super::window::Window;
use crate::format::{self, Format};

const HEADER: &[u8; 16] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
const STREAM: &[u8; 16] = b"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65";
const SOUND: &[u8; 16] = b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
const FILM: &[u8; 16] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
const MOST_OBJECTS: usize = 128;

/// The format of a Windows Media file.
pub(super) fn detect(window: &mut Window<'_>) -> Option<&'static Format> {
    const FIRST_OBJECT: u64 = 30;
    const OBJECT_HEAD: u64 = 24;
    if !window.head().starts_with(HEADER) {
        return None;
    }
    let end = u64::from_le_bytes(window.array(16)?);
    let (mut sound, mut film) = (false, false);
    let mut at = FIRST_OBJECT;
    for _ in 0..MOST_OBJECTS {
        if at >= end {
            break;
        }
        let Some(kind) = window.array::<16>(at) else { break };
        let Some(size) = window.array(at + 16).map(u64::from_le_bytes) else { break };
        if kind == *STREAM {
            let stream = window.array::<16>(at + OBJECT_HEAD);
            sound |= stream.as_ref() == Some(SOUND);
            film |= stream.as_ref() == Some(FILM);
        }
        match at.checked_add(size.max(OBJECT_HEAD)) {
            Some(next) if next < u64::MAX - 64 => at = next,
            Some(_) | None => break,
        }
    }
    Some(if sound && !film { &format::WMA } else { &format::WMV })
}
