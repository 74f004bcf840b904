//! Short words for the tests: judge these bytes, name this file, cut and join boxes.

use std::io::Cursor;

use soku_media::{FileName, Sniffed, Typed, choose_name, judge, sniff, sniff_file};
use url::Url;

/// What all three ways to look at a file agree on: the type it is stored under, or the one it is refused by.
pub(crate) fn verdict(bytes: &[u8], content_type: Option<&str>) -> Result<Typed, String> {
    let by_head = judge(sniff(bytes, true), content_type.map(str::as_bytes));
    let by_file = judge(whole(bytes), content_type.map(str::as_bytes));
    assert_eq!(by_head, by_file, "the head of a small file is the file");
    by_file.map_err(|refused| refused.detected_type)
}

/// The media type of these bytes, or the one by which they are refused.
pub(crate) fn mime(bytes: &[u8]) -> String {
    verdict(bytes, Some("application/octet-stream")).map_or_else(|refused| refused, |typed| typed.mime().to_owned())
}

/// What the whole file is.
pub(crate) fn whole(bytes: &[u8]) -> Sniffed {
    sniff_file(&mut Cursor::new(bytes), bytes.len() as u64).expect("memory can be read")
}

/// The name under which these bytes are hosted when they come from this path.
pub(crate) fn name_from_url(path: &str, bytes: &[u8]) -> FileName {
    let url = Url::parse("http://source.example").and_then(|base| base.join(path)).expect("tests give good paths");
    choose_name(None, &url, &url, &verdict(bytes, None).expect("tests give media"))
}

/// The name when the answer carries this `Content-Disposition`.
pub(crate) fn name_from_header(header: impl AsRef<[u8]>, bytes: &[u8]) -> FileName {
    let url = Url::parse("http://source.example/from-the-url").expect("a good URL");
    choose_name(Some(header.as_ref()), &url, &url, &verdict(bytes, None).expect("tests give media"))
}

/// A box of the ISO Base Media File Format.
pub(crate) fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("tests make small boxes");
    [&size.to_be_bytes(), kind.as_slice(), content].concat()
}

/// The bytes behind the first box.
pub(crate) fn without_first_box(bytes: &[u8]) -> &[u8] {
    let size = bytes.first_chunk().map(|four| u32::from_be_bytes(*four)).expect("a box has a size");
    &bytes[size as usize..]
}

/// Numbers that look random and are the same in every run (xorshift64*, Vigna 2016).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed | 1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() >> 16).expect("48 bits fit") % limit.max(1)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for eight in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            eight.copy_from_slice(&number[..eight.len()]);
        }
    }
}
