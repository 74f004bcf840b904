//! Whether bytes are text, in any encoding: marked by a byte order mark, 8-bit (WHATWG MIME Sniffing §7.2), or UTF-16 or
//! UTF-32 without a mark, which browsers and XML readers understand all the same (rule V1).

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Text, as far as its markup can be read.
pub(super) struct Text<'a> {
    /// Bytes that agree with ASCII wherever the text does.
    pub(super) letters: Cow<'a, [u8]>,
    /// Whether a letter has more than one byte even in ASCII.
    pub(super) is_wide: bool,
}

/// The order and width of the units of a wide encoding.
#[derive(Clone, Copy)]
enum Wide {
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

impl Wide {
    fn unit_bytes(self) -> usize {
        match self {
            Wide::Utf16Le | Wide::Utf16Be => 2,
            Wide::Utf32Le | Wide::Utf32Be => 4,
        }
    }
}

/// Text that begins with a byte order mark.
pub(super) fn with_byte_order_mark(head: &[u8]) -> Option<Text<'_>> {
    // FF FE is never the begin of an MP3 frame to us, and FF FE 0 0 is UTF-32, not UTF-16 with a NUL.
    let (wide, rest) = match head {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return Some(Text { letters: Cow::Borrowed(rest), is_wide: false }),
        [0xFF, 0xFE, 0, 0, rest @ ..] => (Wide::Utf32Le, rest),
        [0, 0, 0xFE, 0xFF, rest @ ..] => (Wide::Utf32Be, rest),
        [0xFF, 0xFE, rest @ ..] => (Wide::Utf16Le, rest),
        [0xFE, 0xFF, rest @ ..] => (Wide::Utf16Be, rest),
        _ => return None,
    };
    Some(narrowed(rest, wide))
}

/// Text without a mark.
pub(super) fn without_byte_order_mark(head: &[u8]) -> Option<Text<'_>> {
    if is_eight_bit_text(head) {
        return Some(Text { letters: Cow::Borrowed(head), is_wide: false });
    }
    // Latin letters in the wrong order of bytes are Han: the reading with the most ASCII is the right one.
    [Wide::Utf32Le, Wide::Utf32Be, Wide::Utf16Le, Wide::Utf16Be]
        .into_iter()
        .filter_map(|wide| wide_text(head, wide).map(|ascii| (ascii, wide)))
        .max_by_key(|&(ascii, _)| ascii)
        .map(|(_, wide)| narrowed(head, wide))
}

/// The standard's rule, no binary data byte in the first 1,445; and so that a few stray ones do not hide a page, the names
/// of markup among nearly nothing but text.
fn is_eight_bit_text(head: &[u8]) -> bool {
    const RESOURCE_HEADER: usize = 1445;
    let start = &head[..head.len().min(RESOURCE_HEADER)];
    if start.iter().any(|&byte| is_binary(byte)) {
        is_nearly_text(head) && names_markup(start)
    } else {
        is_language(start)
    }
}

/// Whether bytes without any control are words of some encoding, and no sample of one colour: UTF-8, or a good part
/// ASCII, or at least of some variety.
fn is_language(bytes: &[u8]) -> bool {
    const BYTES_FOR_ONE_ASCII: usize = 8;
    const SHORT: usize = 64;
    const VARIETY: usize = 16;
    let is_utf_8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
    let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
    let mut seen = [false; 256];
    bytes.iter().for_each(|&byte| seen[usize::from(byte)] = true);
    let variety = seen.iter().filter(|&&seen| seen).count();
    is_utf_8 || ascii * BYTES_FOR_ONE_ASCII >= bytes.len() || bytes.len() < SHORT || variety >= VARIETY
}

fn names_markup(bytes: &[u8]) -> bool {
    const MARKUP: [&[u8]; 8] = [b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<svg", b"<?xml", b"#extm3u"];
    (0..bytes.len()).filter(|&at| matches!(bytes[at], b'<' | b'#')).any(|at| {
        MARKUP.iter().any(|name| bytes[at..].get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)))
    })
}

/// One binary byte in 64 at most; compressed data has one in ten.
fn is_nearly_text(bytes: &[u8]) -> bool {
    const BYTES_FOR_ONE_BINARY: usize = 64;
    let most = (bytes.len() / BYTES_FOR_ONE_BINARY).max(2);
    bytes.iter().filter(|&&byte| is_binary(byte)).nth(most).is_none()
}

/// WHATWG MIME Sniffing §3: binary data bytes.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

/// How many ASCII characters there are, if nearly all units are characters, and either a quarter of them ASCII or most of
/// them of one script. The second keeps numbers that happen to be characters (sound in 16 bits, tables) from being read
/// as words.
fn wide_text(head: &[u8], wide: Wide) -> Option<usize> {
    const SAMPLE: usize = 8192;
    const FEWEST_UNITS: usize = 4;
    const UNITS_FOR_ONE_BAD: usize = 64;
    const SHORT: usize = 32;
    const VARIETY: usize = 12;
    let sample = &head[..head.len().min(SAMPLE)];
    let count = sample.len() / wide.unit_bytes();
    let (mut bad, mut ascii) = (0, 0);
    let mut scripts = [0; SCRIPTS.len()];
    for unit in units(sample, wide) {
        match unit {
            Some(letter) if letter.is_ascii_graphic() || matches!(letter, ' ' | '\t' | '\r' | '\n') => ascii += 1,
            Some(letter) if is_character(letter) => {
                if let Some(place) = SCRIPTS.iter().position(|&(first, last)| (first..=last).contains(&letter)) {
                    scripts[place] += 1;
                }
            }
            Some(_) | None => bad += 1,
        }
        if bad > count / UNITS_FOR_ONE_BAD {
            return None;
        }
    }
    let most_of_one_script = scripts.into_iter().max().unwrap_or(0);
    let is_of_one_script = (most_of_one_script + ascii) * 5 >= count * 4
        && most_of_one_script * 2 >= count
        && (count < SHORT || units(sample, wide).collect::<BTreeSet<_>>().len() >= VARIETY);
    (count >= FEWEST_UNITS && (ascii * 4 >= count || is_of_one_script)).then_some(ascii)
}

/// Scripts that text without any ASCII is written in.
const SCRIPTS: &[(char, char)] = &[
    ('\u{00A0}', '\u{02AF}'),
    ('\u{0370}', '\u{03FF}'),
    ('\u{0400}', '\u{052F}'),
    ('\u{0530}', '\u{058F}'),
    ('\u{0590}', '\u{05FF}'),
    ('\u{0600}', '\u{06FF}'),
    ('\u{0900}', '\u{0DFF}'),
    ('\u{0E00}', '\u{0EFF}'),
    ('\u{10A0}', '\u{10FF}'),
    ('\u{1200}', '\u{139F}'),
    // Kana and Han
    ('\u{3000}', '\u{9FFF}'),
    ('\u{AC00}', '\u{D7A3}'),
];

/// Whether a scalar value can stand in a text.
fn is_character(letter: char) -> bool {
    let code = u32::from(letter);
    let is_private = matches!(code, 0xE000..=0xF8FF | 0xF0000..);
    let is_no_character = matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE;
    !letter.is_control() && !is_private && !is_no_character
}

/// The characters of a wide text; `None` stands for what is none.
fn units(bytes: &[u8], wide: Wide) -> Box<dyn Iterator<Item = Option<char>> + '_> {
    match wide {
        Wide::Utf32Le => Box::new(bytes.as_chunks().0.iter().map(|&four| char::from_u32(u32::from_le_bytes(four)))),
        Wide::Utf32Be => Box::new(bytes.as_chunks().0.iter().map(|&four| char::from_u32(u32::from_be_bytes(four)))),
        Wide::Utf16Le => Box::new(utf16(bytes.as_chunks().0.iter().map(|&two| u16::from_le_bytes(two)))),
        Wide::Utf16Be => Box::new(utf16(bytes.as_chunks().0.iter().map(|&two| u16::from_be_bytes(two)))),
    }
}

fn utf16(units: impl Iterator<Item = u16>) -> impl Iterator<Item = Option<char>> {
    char::decode_utf16(units).map(Result::ok)
}

/// A wide text with each character beyond ASCII as one byte that is none.
fn narrowed(bytes: &[u8], wide: Wide) -> Text<'_> {
    const BEYOND_ASCII: u8 = 0x80;
    let letters = units(bytes, wide)
        .map(|unit| unit.and_then(|letter| u8::try_from(letter).ok()).filter(u8::is_ascii).unwrap_or(BEYOND_ASCII))
        .collect();
    Text { letters: Cow::Owned(letters), is_wide: true }
}

#[cfg(test)]
mod tests {
    use super::{with_byte_order_mark, without_byte_order_mark};

    const WORDS: &str = "<html>\r\nGrüße, 写真, \u{1F600}";

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    fn utf32(text: &str, order: fn(u32) -> [u8; 4]) -> Vec<u8> {
        text.chars().flat_map(|letter| order(u32::from(letter))).collect()
    }

    #[test]
    fn text_is_known_in_every_encoding_without_a_mark() {
        let texts = [
            WORDS.as_bytes().to_vec(),
            b"Gr\xfc\xdfe aus M\xfcnchen".to_vec(),
            b"\x1b$B<L??\x1b(B".to_vec(),
            b"\x82\xb1\x82\xea\x82\xcd\x8e\xca\x90^\x82\xc5\x82\xb7".to_vec(),
            b"\xd5\xe2\xb2\xbb\xca\xc7\xd5\xd5\xc6\xac\xa1\xa3".to_vec(),
            b"\xcf\xf0\xe8\xe2\xe5\xf2".to_vec(),
            utf16(WORDS, u16::to_le_bytes),
            utf16(WORDS, u16::to_be_bytes),
            utf32(WORDS, u32::to_le_bytes),
            utf32(WORDS, u32::to_be_bytes),
            utf16("Привет мир, как дела", u16::to_le_bytes),
            utf16("これは写真ではありません。", u16::to_be_bytes),
            utf32("これは写真ではありません。", u32::to_le_bytes),
        ];

        for text in texts {
            assert!(without_byte_order_mark(&text).is_some(), "{text:x?}");
        }
    }

    #[test]
    fn a_few_stray_bytes_do_not_make_text_binary() {
        let mut page = b"<p>words and more words, all of them harmless</p>\n".repeat(100);
        page[4000] = 1;
        page.splice(0..0, *b"\0\x01<!-- --><HTML>");
        let mut wide = utf16("words and more words, all of them harmless\n", u16::to_le_bytes).repeat(100);
        wide[0] = 0;

        assert!(without_byte_order_mark(&page).is_some());
        assert!(without_byte_order_mark(&wide).is_some());
    }

    #[test]
    fn numbers_are_no_text() {
        let ramp: Vec<u8> = (0..=255).cycle().take(4096).collect();
        let tone: Vec<u8> = (0..2048i16).flat_map(|n| (n % 97 * 300 - 14_000).to_le_bytes()).collect();
        let quiet: Vec<u8> = (0..2048i16).flat_map(|n| (n % 19 - 9).to_le_bytes()).collect();

        for bytes in [ramp, tone, quiet, vec![0; 4096], [0, 1, 2, 3].repeat(100), b"UNK1\0\0\0\x01\0\0\0\x02".to_vec()]
        {
            assert!(without_byte_order_mark(&bytes).is_none(), "{:x?}", &bytes[..12]);
        }
    }

    #[test]
    fn a_mark_decides_the_encoding() {
        let cases: [(&[u8], &[u8], bool); 5] = [
            (b"\xef\xbb\xbf<a>", b"<a>", false),
            (b"\xff\xfe<\0a\0>\0", b"<a>", true),
            (b"\xfe\xff\0<\0a\0>", b"<a>", true),
            (b"\xff\xfe\0\0<\0\0\0a\0\0\0", b"<a", true),
            (b"\0\0\xfe\xff\0\0\0<\0\0\0a", b"<a", true),
        ];

        for (bytes, letters, is_wide) in cases {
            let text = with_byte_order_mark(bytes).unwrap();
            assert_eq!((text.letters.as_ref(), text.is_wide), (letters, is_wide));
        }
        assert!(with_byte_order_mark(b"<a>").is_none());
    }
}
