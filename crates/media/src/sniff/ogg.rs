//! Ogg (RFC 3533): the first pages say which codecs are in it, and so whether it is sound or film (RFC 5334).

use crate::format::{self, Format};

const BEGINS_A_STREAM: u8 = 2;
/// Streams that one file has at most, for us: more are not looked at.
const MOST_STREAMS: usize = 32;

/// The first bytes of a film codec's first packet.
const FILMS: &[&[u8]] =
    &[b"\x80theora", b"BBCD\0", b"OVP80\x01", b"\x01video\0\0\0", b"\x7fVP9", b"\x80daala", b"KW-DIRAC"];

/// The format of an Ogg file.
pub(super) fn detect(head: &[u8]) -> Option<&'static Format> {
    if !head.starts_with(b"OggS\0") {
        return None;
    }
    let is_film = first_packets(head).any(|packet| FILMS.iter().any(|film| packet.starts_with(film)));
    Some(if is_film { &format::OGV } else { &format::OGG })
}

/// What the first page of each stream holds. They all come before any other page (RFC 3533 §4).
fn first_packets(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let page = rest.strip_prefix(b"OggS\0")?;
        let segments = usize::from(*page.get(21)?);
        let lengths = page.get(22..22 + segments)?;
        let size: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        let body = &page[22 + segments..];
        rest = body.get(size..).unwrap_or_default();
        (page[0] & BEGINS_A_STREAM != 0).then(|| &body[..size.min(body.len())])
    })
    .take(MOST_STREAMS)
}
