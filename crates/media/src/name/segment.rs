//! A name as the last segment of a URL, and back (rule F1). What is written is pure ASCII in one spelling; every
//! equivalent spelling is understood.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

/// All but the unreserved characters (RFC 3986 §2.3).
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes a name as a URL's segment: unreserved characters as they are, every other byte of its UTF-8 as `%XX`.
#[must_use]
pub fn encode_segment(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

/// Whether the segment of a request's URL, as it came over the wire, spells this name: escapes of either case, raw UTF-8,
/// composed or decomposed letters are all the same.
#[must_use]
pub fn names_match(stored: &str, raw_segment: &[u8]) -> bool {
    let decoded: Cow<'_, [u8]> = percent_decode(raw_segment).into();
    if *decoded == *stored.as_bytes() {
        return true;
    }
    std::str::from_utf8(&decoded).is_ok_and(|spelt| !spelt.is_ascii() && spelt.nfc().eq(stored.chars()))
}

#[cfg(test)]
mod tests {
    use super::{encode_segment, names_match};

    #[test]
    fn every_equivalent_spelling_is_the_name() {
        let name = "Äpfel+写 50%.png";
        let spellings = [
            "%C3%84pfel%2B%E5%86%99%2050%25.png",
            "%c3%84pfel%2b%e5%86%99%2050%25.png",
            "Äpfel+写 50%.png",
            "A\u{308}pfel%2B写%2050%25.png",
            "A%CC%88pfel%2B%E5%86%99%2050%25%2Epng",
            "%41%cc%88pfel+%E5%86%99%2050%.png",
        ];

        assert_eq!(encode_segment(name), spellings[0]);
        for spelling in spellings {
            assert!(names_match(name, spelling.as_bytes()), "{spelling}");
        }
    }

    #[test]
    fn another_name_is_not_the_name() {
        let others = [
            "",
            "äpfel.png",
            "Äpfel.jpg",
            "%C3%84pfel.png%00",
            "%25C3%2584pfel.png",
            "%C4pfel.png",
            "Äpfel.png/",
            "Äpfel.PNG",
        ];
        for other in others {
            assert!(!names_match("Äpfel.png", other.as_bytes()), "{other}");
        }
        assert!(!names_match("Äpfel.png", b"\xc4pfel.png"));
    }
}
