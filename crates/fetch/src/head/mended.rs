//! Bytes in a head that the parser gives up on, although it drops all other lines that it cannot read: NUL, and a CR that
//! ends no line. Each becomes another control character, so that its line is dropped like those.

use tokio::io::ReadBuf;

/// A control character that makes a line malformed and nothing else.
const MALFORMED: u8 = 0x01;

/// How much of a status line tells an interim answer: `HTTP/1.1 1`.
const STATUS_AT: usize = 9;

/// Follows the heads on a connection as their bytes come by, until the final one is over.
#[derive(Default)]
pub(super) struct Mending {
    place: Place,
    is_interim: bool,
    /// Bytes of the current line so far.
    line_bytes: usize,
    /// A CR came last, and what follows it has not come yet: it is held back.
    holds_cr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Place {
    /// Empty lines may stand before a head.
    #[default]
    BeforeHead,
    StatusLine,
    Fields,
    /// What follows is the body, and nobody's to change.
    Body,
}

impl Mending {
    /// Puts a CR that was held back into `buf`, in front of what is read next; says whether it did.
    pub(super) fn give_back(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let gives = self.holds_cr && buf.remaining() > 1;
        if gives {
            buf.put_slice(b"\r");
            self.holds_cr = false;
        }
        gives
    }

    /// Takes it out again, because nothing was read.
    pub(super) fn take_back(&mut self, buf: &mut ReadBuf<'_>) {
        buf.set_filled(buf.filled().len() - 1);
        self.holds_cr = true;
    }

    /// Mends what is in `buf` behind `from`. `is_end` says that nothing more comes.
    pub(super) fn mend(&mut self, buf: &mut ReadBuf<'_>, from: usize, is_end: bool) {
        let bytes = &mut buf.filled_mut()[from..];
        for at in 0..bytes.len() {
            if self.place == Place::Body {
                return;
            }
            match (bytes[at], bytes.get(at + 1)) {
                (b'\n', _) => self.end_line(),
                (b'\r', Some(b'\n')) => {}
                (b'\r', None) if !is_end => {
                    self.holds_cr = true;
                    buf.set_filled(from + at);
                    return;
                }
                (byte, _) => {
                    if matches!(byte, b'\r' | 0) {
                        bytes[at] = MALFORMED;
                    }
                    self.add(byte);
                }
            }
        }
    }

    fn add(&mut self, byte: u8) {
        if self.place == Place::BeforeHead {
            (self.place, self.is_interim) = (Place::StatusLine, false);
        }
        if self.place == Place::StatusLine && self.line_bytes == STATUS_AT {
            self.is_interim = byte == b'1';
        }
        self.line_bytes += 1;
    }

    fn end_line(&mut self) {
        self.place = match self.place {
            Place::StatusLine => Place::Fields,
            Place::Fields if self.line_bytes == 0 && self.is_interim => Place::BeforeHead,
            Place::Fields if self.line_bytes == 0 => Place::Body,
            place => place,
        };
        self.line_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a parser reads of `pieces`, each of which comes in one read.
    fn read(pieces: &[&[u8]]) -> Vec<u8> {
        let mut mending = Mending::default();
        let mut all = Vec::new();
        for piece in pieces.iter().chain([&&b""[..]]) {
            let mut space = [0; 256];
            let mut buf = ReadBuf::new(&mut space);
            mending.give_back(&mut buf);
            buf.put_slice(piece);
            mending.mend(&mut buf, 0, piece.is_empty());
            all.extend_from_slice(buf.filled());
        }
        all
    }

    #[test]
    fn what_no_line_may_hold_is_mended_up_to_the_body_and_not_in_it() {
        let wire = b"\r\nHTTP/1.1 103 Early\r\nA: \0\r\n\r\nHTTP/1.1 200 OK\nB: x\ry\r\r\n\0: c\r\n\r\n\0\r\r\n\r\n\0";
        let mended =
            b"\r\nHTTP/1.1 103 Early\r\nA: \x01\r\n\r\nHTTP/1.1 200 OK\nB: x\x01y\x01\r\n\x01: c\r\n\r\n\0\r\r\n\r\n\0";

        assert_eq!(read(&[wire]), mended);
        for at in 0..wire.len() {
            assert_eq!(read(&[&wire[..at], &wire[at..]]), mended, "cut at {at}");
        }
        assert_eq!(read(&wire.chunks(1).collect::<Vec<_>>()), mended);
    }
}
