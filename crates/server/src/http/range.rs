//! The `Range` header of RFC 9110 §14: which bytes of a file a client asks for, and the exact framing of several parts.
//!
//! Pure: no I/O, no headers map. A header that asks for too much, or cannot be read, selects the whole file (rule V6).

use std::ops::Range;

use bytes::Bytes;

/// A longer `Range` header is not read.
pub const MAX_HEADER_BYTES: usize = 1024;
/// A header with more ranges is answered with the whole file.
pub const MAX_RANGES: usize = 8;

/// What a `Range` header selects of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selection {
    /// The whole file, as if there were no header.
    Whole,
    /// One run of bytes, never empty.
    One(Range<u64>),
    /// Two or more disjoint runs, none empty, in the order asked for.
    Several(Vec<Range<u64>>),
    /// Nothing: every range lies behind the end of the file.
    Unsatisfiable,
}

/// Reads the value of a `Range` header for a file of `size_bytes`.
///
/// Other units, malformed values, too many ranges, and ranges that add up to more than the file select the whole file;
/// so does any range of an empty file, which has no byte that a `Content-Range` could name. Ranges that overlap become one.
#[must_use]
pub fn select(header: &[u8], size_bytes: u64) -> Selection {
    const UNIT: &[u8] = b"bytes=";
    if header.len() > MAX_HEADER_BYTES || size_bytes == 0 {
        return Selection::Whole;
    }
    match header.split_at_checked(UNIT.len()) {
        Some((unit, set)) if unit.eq_ignore_ascii_case(UNIT) => {
            select_from(set.split(|byte| *byte == b','), size_bytes).unwrap_or(Selection::Whole)
        }
        _ => Selection::Whole,
    }
}

/// The selection of a list of range specifiers; `None` where the header is to be ignored. Takes from the list only as
/// many as it may answer, and one more.
fn select_from<'a>(specs: impl Iterator<Item = &'a [u8]>, size_bytes: u64) -> Option<Selection> {
    let mut kept = Vec::new();
    let mut specs_read = 0;
    let mut asked_bytes: u64 = 0;
    for spec in specs.map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        specs_read += 1;
        if specs_read > MAX_RANGES {
            return None;
        }
        let range = resolve(spec, size_bytes)?;
        if range.is_empty() {
            continue;
        }
        asked_bytes = asked_bytes.checked_add(range.end - range.start).filter(|sum| *sum <= size_bytes)?;
        insert(&mut kept, range);
    }
    match kept.len() {
        0 if specs_read == 0 => None,
        0 => Some(Selection::Unsatisfiable),
        1 => kept.pop().map(Selection::One),
        _ => Some(Selection::Several(kept)),
    }
}

/// One specifier (`5-9`, `5-`, `-5`) clipped to the file: empty where it lies behind the end, `None` where malformed.
fn resolve(spec: &[u8], size_bytes: u64) -> Option<Range<u64>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let suffix_bytes = position(last)?;
        return Some(size_bytes.saturating_sub(suffix_bytes)..size_bytes);
    }
    let start = position(first)?;
    let end = if last.is_empty() {
        size_bytes
    } else {
        let last = position(last)?;
        if last < start {
            return None;
        }
        last.saturating_add(1).min(size_bytes)
    };
    Some(start.min(end)..end)
}

/// Digits as a number; one that is too large for 64 bits is as good as the largest.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let shift = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, shift))
}

/// Adds a range, in the place of the first one that it overlaps and joined with all of them.
fn insert(kept: &mut Vec<Range<u64>>, range: Range<u64>) {
    let mut joined = range;
    let mut place = None;
    let mut index = 0;
    while index < kept.len() {
        if kept[index].start < joined.end && joined.start < kept[index].end {
            let other = kept.remove(index);
            joined = joined.start.min(other.start)..joined.end.max(other.end);
            place = place.or(Some(index));
        } else {
            index += 1;
        }
    }
    kept.insert(place.unwrap_or(kept.len()), joined);
}

/// The value of `Content-Range` for one run of bytes.
#[must_use]
pub fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// A `multipart/byteranges` body, laid out before the first byte is read.
#[derive(Debug)]
pub struct Multipart {
    /// The value of `Content-Type`.
    pub content_type: String,
    /// The exact value of `Content-Length`.
    pub length_bytes: u64,
    /// What to send, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a [`Multipart`] body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    Text(Bytes),
    File(Range<u64>),
}

/// Lays out several ranges of a file (RFC 9110 §14.6). `boundary` must not occur in the file.
#[must_use]
pub fn multipart(ranges: &[Range<u64>], size_bytes: u64, media_type: &str, boundary: &str) -> Multipart {
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut length_bytes = 0;
    let mut line_break = "";
    for range in ranges {
        let of_file = content_range(range, size_bytes);
        let head =
            format!("{line_break}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {of_file}\r\n\r\n");
        length_bytes += head.len() as u64 + (range.end - range.start);
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::File(range.clone()));
        line_break = "\r\n";
    }
    let end = format!("{line_break}--{boundary}--\r\n");
    length_bytes += end.len() as u64;
    pieces.push(Piece::Text(end.into()));
    Multipart { content_type: format!("multipart/byteranges; boundary={boundary}"), length_bytes, pieces }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn several(ranges: &[Range<u64>]) -> Selection {
        Selection::Several(ranges.to_vec())
    }

    #[test]
    fn every_form_of_rfc_9110_selects_its_bytes() {
        for (header, expected) in [
            ("bytes=0-0", Selection::One(0..1)),
            ("bytes=2-5", Selection::One(2..6)),
            ("bytes=0-99999999999999999999999999", Selection::One(0..10)),
            ("bytes=9-", Selection::One(9..10)),
            ("bytes=-3", Selection::One(7..10)),
            ("bytes=-30", Selection::One(0..10)),
            ("BYTES=1-1", Selection::One(1..2)),
            ("bytes=0-0,-1", several(&[0..1, 9..10])),
            ("bytes= 7-8 ,\t, 0-1,", several(&[7..9, 0..2])),
            ("bytes=5-5,20-,0-0", several(&[5..6, 0..1])),
            ("bytes=20-,3-4", Selection::One(3..5)),
            ("bytes=0-1,2-3", several(&[0..2, 2..4])),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=10-12,-0", Selection::Unsatisfiable),
            ("bytes=18446744073709551615-", Selection::Unsatisfiable),
        ] {
            assert_eq!(select(header.as_bytes(), 10), expected, "{header}");
        }
    }

    #[test]
    fn what_cannot_be_read_selects_the_whole_file() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0-1,x",
            "bytes=--1",
            "bytes=1 - 2",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes 0-1",
            "items=0-1",
            "bytes =0-1",
            "bytes=0-1;2-3",
        ] {
            assert_eq!(select(header.as_bytes(), 10), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn an_empty_file_is_always_sent_whole() {
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0", "bytes=5-9"] {
            assert_eq!(select(header.as_bytes(), 0), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn ranges_that_overlap_become_one_in_the_place_of_the_first() {
        assert_eq!(select(b"bytes=0-4,2-6", 100), Selection::One(0..7));
        assert_eq!(select(b"bytes=50-59,0-4,55-64,20-24", 100), several(&[50..65, 0..5, 20..25]));
        assert_eq!(select(b"bytes=0-9,20-29,5-24", 100), Selection::One(0..30));
    }

    #[test]
    fn ranges_that_add_up_to_more_than_the_file_select_the_whole_file() {
        assert_eq!(select(b"bytes=0-4,5-9", 10), several(&[0..5, 5..10]));
        assert_eq!(select(b"bytes=0-5,5-9", 10), Selection::Whole);
        assert_eq!(select(b"bytes=0-,0-", u64::MAX), Selection::Whole);
    }

    #[test]
    fn a_thousand_ranges_cost_no_more_than_one() {
        let taken = Cell::new(0);
        let thousand = std::iter::repeat_n(b"0-0".as_slice(), 1000).inspect(|_| taken.set(taken.get() + 1));

        assert_eq!(select_from(thousand, 1 << 20), None);

        assert_eq!(taken.get(), MAX_RANGES + 1);
        let long = format!("bytes={}", "0-0,".repeat(1000));
        assert_eq!(select(long.as_bytes(), 1 << 20), Selection::Whole);
        assert_eq!(select(format!("bytes={}1-2", ",".repeat(MAX_HEADER_BYTES)).as_bytes(), 100), Selection::Whole);
        assert_eq!(
            select(format!("bytes={}1-2", ",".repeat(MAX_HEADER_BYTES - 9)).as_bytes(), 100),
            Selection::One(1..3)
        );
        assert_eq!(select(b"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16", 100), Selection::Whole);
    }

    #[test]
    fn several_parts_are_framed_as_rfc_9110_shows_them() {
        let body = multipart(&[0..2, 7..10], 10, "image/png", "B");

        let text = "--B\r\nContent-Type: image/png\r\nContent-Range: bytes 0-1/10\r\n\r\n\
                    ab\r\n--B\r\nContent-Type: image/png\r\nContent-Range: bytes 7-9/10\r\n\r\nhij\r\n--B--\r\n";
        assert_eq!(String::from_utf8(written(&body, b"abcdefghij")).expect("ASCII"), text);
        assert_eq!(body.length_bytes, text.len() as u64);
        assert_eq!(body.content_type, "multipart/byteranges; boundary=B");
    }

    fn written(body: &Multipart, file: &[u8]) -> Vec<u8> {
        let slice = |range: &Range<u64>| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        body.pieces.iter().fold(Vec::new(), |mut bytes, piece| {
            bytes.extend_from_slice(match piece {
                Piece::Text(text) => text,
                Piece::File(range) => &file[slice(range)],
            });
            bytes
        })
    }

    /// What a reader of the RFC would do by hand: one byte at a time, one set of positions a specifier.
    fn obvious(header: &str, size: u64) -> Selection {
        let Some(set) = header.to_lowercase().strip_prefix("bytes=").map(str::to_owned) else {
            return Selection::Whole;
        };
        let specs: Vec<_> =
            set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|s| !s.is_empty()).collect();
        if size == 0 || specs.is_empty() || specs.len() > 8 {
            return Selection::Whole;
        }
        let number = |text: &str| -> Option<u128> {
            (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse().unwrap())
        };
        let mut wanted: Vec<Vec<u64>> = Vec::new();
        for spec in specs {
            let Some((first, last)) = spec.split_once('-') else { return Selection::Whole };
            let holds: Box<dyn Fn(u128) -> bool> = match (first, number(first), last, number(last)) {
                ("", _, _, Some(suffix)) => Box::new(move |at| at + suffix >= u128::from(size)),
                (_, Some(first), "", _) => Box::new(move |at| at >= first),
                (_, Some(first), _, Some(last)) if first <= last => Box::new(move |at| first <= at && at <= last),
                _ => return Selection::Whole,
            };
            wanted.push((0..size).filter(|at| holds(u128::from(*at))).collect());
        }
        if wanted.iter().map(Vec::len).sum::<usize>() as u64 > size {
            return Selection::Whole;
        }
        wanted.retain(|bytes| !bytes.is_empty());
        while let Some((low, high)) = (0..wanted.len())
            .flat_map(|low| (low + 1..wanted.len()).map(move |high| (low, high)))
            .find(|(low, high)| wanted[*low].iter().any(|at| wanted[*high].contains(at)))
        {
            let later = wanted.remove(high);
            wanted[low].extend(later);
            wanted[low].sort_unstable();
            wanted[low].dedup();
        }
        let run = |bytes: &Vec<u64>| bytes[0]..bytes[bytes.len() - 1] + 1;
        match wanted.as_slice() {
            [] => Selection::Unsatisfiable,
            [one] => Selection::One(run(one)),
            more => Selection::Several(more.iter().map(run).collect()),
        }
    }

    fn spec() -> impl Strategy<Value = String> {
        let number = || prop_oneof![6 => (0u64..40).prop_map(|n| n.to_string()), 1 => "[0-9]{1,25}"];
        prop_oneof![
            4 => (number(), number()).prop_map(|(first, last)| format!("{first}-{last}")),
            2 => number().prop_map(|first| format!("{first}-")),
            2 => number().prop_map(|suffix| format!("-{suffix}")),
            1 => Just(String::new()),
            1 => "[ \t]?[0-9-]{0,4}[ \t]?",
        ]
    }

    proptest! {
        #[test]
        fn the_parser_agrees_with_the_obvious_one(
            unit in prop_oneof![9 => Just("bytes="), 1 => Just("Bytes="), 1 => Just("bits=")],
            specs in prop::collection::vec(spec(), 0..10),
            size in 0u64..40,
        ) {
            let header = format!("{unit}{}", specs.join(","));
            prop_assert_eq!(select(header.as_bytes(), size), obvious(&header, size), "{}", header);
        }

        #[test]
        fn no_header_selects_bytes_outside_the_file_or_more_than_the_file(
            header in prop::collection::vec(any::<u8>(), 0..64), size in any::<u64>(),
        ) {
            let mut value = b"bytes=".to_vec();
            value.extend(header);
            let ranges = match select(&value, size) {
                Selection::One(range) => vec![range],
                Selection::Several(ranges) => ranges,
                Selection::Whole | Selection::Unsatisfiable => vec![],
            };
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size));
            prop_assert!(ranges.iter().map(|range| u128::from(range.end - range.start)).sum::<u128>() <= u128::from(size));
        }

        #[test]
        fn the_length_of_several_parts_is_exact(
            (file, cuts) in prop::collection::vec(any::<u8>(), 2..300)
                .prop_flat_map(|file| { let most = file.len() as u64; (Just(file), prop::collection::btree_set(0..=most, 2..9)) }),
        ) {
            let cuts: Vec<u64> = cuts.into_iter().collect();
            let ranges: Vec<Range<u64>> = cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let body = multipart(&ranges, file.len() as u64, "video/mp4", "0123456789abcdef");
            prop_assert_eq!(written(&body, &file).len() as u64, body.length_bytes);
        }
    }
}
