//! What sources send as files.

use std::io::Cursor;

use soku_media::{HEAD_BYTES, Sniffed, TypedBy, judge, sniff as sniff_head, sniff_file};

/// The first record is a `Content-Type`, the rest the file. Telling by the head and by the file agree where the head is the
/// file; nothing that could run is shown inline (rules V1 and V2).
pub(crate) fn sniff(data: &[u8]) {
    let split = data.iter().position(|&byte| byte == super::RECORD_SEPARATOR).unwrap_or(0);
    let (header, file) = (&data[..split], data.get(split + 1..).unwrap_or_default());
    let by_file = sniff_file(&mut Cursor::new(file), file.len() as u64).expect("memory can be read");
    if file.len() <= HEAD_BYTES {
        let (head, whole) = (judge(sniff_head(file, true), Some(header)), judge(by_file, Some(header)));
        assert_eq!(head, whole, "by head and by file");
    }
    let Ok(typed) = judge(by_file, Some(header)) else { return };
    let mime = typed.mime();
    assert!(["image/", "video/", "audio/"].iter().any(|kind| mime.starts_with(kind)), "{mime}");
    assert!(
        mime.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/.+-".contains(&byte)),
        "{mime}"
    );
    if typed.is_inline() {
        assert!(
            typed.by() == TypedBy::Bytes && matches!(by_file, Sniffed::Media(_)) && !mime.contains("svg"),
            "{mime}"
        );
    }
    if typed.by() == TypedBy::Header {
        for unfit in ["svg", "+xml", "+json", "mpegurl", "scpls"] {
            assert!(!mime.contains(unfit), "{mime} was taken from a header");
        }
        let start = file.trim_ascii_start();
        let is_page = |tag: &[u8]| start.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag));
        assert!(
            !is_page(b"<html>") && !is_page(b"<script>") && !is_page(b"<?php ") && !is_page(b"<svg "),
            "a page is {mime}"
        );
    }
}
