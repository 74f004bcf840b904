//! The proofs of the security rules V1 and V2, as far as bytes and headers go.

use soku_media::{TypedBy, judge, sniff};
use soku_testkit::samples;

use crate::support::{Dice, verdict, whole};

/// Headers that a source may send; with bytes that nobody knows each of them would be believed.
const MEDIA_HEADERS: [&str; 6] =
    ["image/png", "image/x-made-up", "video/mp4", "video/x-made-up", "audio/mpeg", "audio/x-made-up"];

/// Headers that bytes which nobody knows may not take.
const OTHER_HEADERS: [&str; 12] = [
    "image/svg+xml",
    "image/svg",
    "image/x-svg",
    "image/foo+xml",
    "video/foo+json",
    "audio/mpegurl",
    "audio/x-mpegurl",
    "audio/x-scpls",
    "application/vnd.apple.mpegurl",
    "text/html",
    "text/plain",
    "application/octet-stream",
];

/// Texts that a browser, a player or a shell would do something with.
const TEXTS: [&str; 16] = [
    "<!DOCTYPE html><html><script>alert(1)</script>",
    "<script>alert(1)</script>",
    "just words <script>alert(1)</script>",
    "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><script>alert(1)</script></html>",
    "<?xml version=\"1.0\"?><data/>",
    "{\"a\": 1}",
    "[1, 2]",
    "#EXTM3U\n#EXT-X-VERSION:3\nhttp://10.0.0.1/a.ts\n",
    "#EXTM3U\nhttp://10.0.0.1/a.mp3\n",
    "[playlist]\nFile1=http://10.0.0.1/a.mp3\n",
    "<asx version=\"3.0\"><entry><ref href=\"http://10.0.0.1/\"/></entry></asx>",
    "<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\"><trackList/></playlist>",
    "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>",
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\n",
    "ffconcat version 1.0\nfile '/etc/passwd'\n",
    "#!/bin/sh\nrm -rf /\n",
];

/// The text in every encoding that something could read it in.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf32 =
        |order: fn(u32) -> [u8; 4]| text.chars().flat_map(|letter| order(u32::from(letter))).collect::<Vec<u8>>();
    let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
    vec![
        text.into(),
        marked(b"\xef\xbb\xbf", text.into()),
        marked(b"  \r\n\t", text.into()),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        marked(b"\xff\xfe", utf16(u16::to_le_bytes)),
        marked(b"\xfe\xff", utf16(u16::to_be_bytes)),
        utf32(u32::to_le_bytes),
        utf32(u32::to_be_bytes),
        marked(b"\xff\xfe\0\0", utf32(u32::to_le_bytes)),
        marked(b"\0\0\xfe\xff", utf32(u32::to_be_bytes)),
    ]
}

/// Rule V1.
#[test]
fn a_header_cannot_make_text_into_media() {
    for header in MEDIA_HEADERS.into_iter().chain(OTHER_HEADERS) {
        for bytes in TEXTS.into_iter().flat_map(encodings) {
            assert!(verdict(&bytes, Some(header)).is_err(), "{header}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn a_header_cannot_make_a_drawing_in_another_encoding_into_media() {
    let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let (narrow, wide) =
        encodings(drawing).into_iter().partition::<Vec<_>, _>(|bytes| bytes.windows(4).any(|four| four == b"<svg"));

    assert_eq!((narrow.len(), wide.len()), (3, 8));
    for bytes in narrow {
        let typed = verdict(&bytes, Some("image/png")).unwrap();
        assert_eq!((typed.mime(), typed.is_inline()), ("image/svg+xml", false));
    }
    for bytes in wide {
        assert_eq!(verdict(&bytes, Some("image/svg+xml")).unwrap_err(), "text/xml");
    }
}

#[test]
fn a_header_cannot_make_a_page_or_a_script_with_bytes_behind_it_into_media() {
    let mut dice = Dice::new(7);
    let noise: Vec<u8> = (0..3_000).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    for begin in [
        "<html>",
        "  \r\n<HTML><script>alert(1)</script>",
        "<script src=//evil>",
        "<!DOCTYPE html>",
        "<!-- x --><b>",
        "<svg onload=alert(1)>",
        "<?xml version='1.0'?><svg onload='alert(1)'>",
        "<iframe/>",
        "#!/usr/bin/python3\n",
        "#! /bin/sh\n",
        "<?php __HALT_COMPILER(); ?>",
        "<?= system(1) ?>",
    ] {
        let bytes = [begin.as_bytes(), &noise].concat();
        for header in MEDIA_HEADERS {
            let refused = judge(sniff(&bytes, true), Some(header.as_bytes()));
            assert!(refused.is_err(), "{begin} as {header}: {refused:?}");
            assert!(whole_is_refused(&bytes, header), "{begin} as {header}");
        }
    }
}

fn whole_is_refused(bytes: &[u8], header: &str) -> bool {
    judge(whole(bytes), Some(header.as_bytes())).is_err()
}

#[test]
fn a_header_cannot_make_an_archive_a_document_or_a_program_into_media() {
    let tar = [vec![b'a'; 100], vec![0; 157], b"ustar\x0000".to_vec(), vec![0; 248]].concat();
    let mut windows = vec![0; 512];
    windows[..2].copy_from_slice(b"MZ");
    windows[60] = 128;
    windows[128..132].copy_from_slice(b"PE\0\0");
    let cases: [(&[u8], &str); 22] = [
        (samples::PDF.bytes, "application/pdf"),
        (b"\x01\x02\x03\x04junk in front\n%PDF-1.7\n", "application/pdf"),
        (samples::ZIP.bytes, "application/zip"),
        (samples::SVGZ.bytes, "application/gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
        (b"BZh91AY&SY\x01\x02", "application/x-bzip2"),
        (b"\xfd7zXZ\0\0\x04", "application/x-xz"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "application/zstd"),
        (&tar, "application/x-tar"),
        (b"\x7fELF\x02\x01\x01\0", "application/x-elf"),
        (b"MZ\x90\0\x03\0\0\0", "application/x-dosexec"),
        (b"\xa7\x0d\r\n\0\0\0\0", "application/x-python-bytecode"),
        (&windows, "application/vnd.microsoft.portable-executable"),
        (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "application/x-mach-binary"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07", "application/x-mach-binary"),
        (b"\xca\xfe\xba\xbe\0\0\0\x41\0\x10", "application/java-vm"),
        (b"\0asm\x01\0\0\0", "application/wasm"),
        (b"CWS\x0a\x10\x20\0\0\x78", "application/x-shockwave-flash"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "application/x-ole-storage"),
        (b"wOF2\0\x01\0\0", "font/woff2"),
        (b"SQLite format 3\0\x10\0", "application/vnd.sqlite3"),
    ];

    for header in MEDIA_HEADERS {
        for (bytes, mime) in cases {
            assert_eq!(verdict(bytes, Some(header)).unwrap_err(), mime);
        }
        assert_eq!(verdict(b"", Some(header)).unwrap_err(), "application/x-empty");
    }
}

/// Rule V2, the part of it that is a matter of types.
#[test]
fn what_could_run_is_a_download() {
    let mut unknown = vec![0; 4096];
    Dice::new(7).fill(&mut unknown);

    for header in MEDIA_HEADERS {
        let typed = verdict(&unknown, Some(header)).unwrap();
        assert_eq!((typed.mime(), typed.by(), typed.is_inline()), (header, TypedBy::Header, false));
    }
    for header in OTHER_HEADERS {
        assert_eq!(verdict(&unknown, Some(header)).unwrap_err(), "application/octet-stream");
    }
    for sample in samples::MEDIA {
        let typed = verdict(sample.bytes, Some("text/html")).unwrap();
        assert_eq!(typed.by(), TypedBy::Bytes);
        assert_eq!(typed.is_inline(), typed.mime() != "image/svg+xml");
    }
}

#[test]
fn random_bytes_are_hardly_ever_media() {
    const BLOCKS: usize = 200_000;
    let mut dice = Dice::new(0x50_4B_55);
    let mut block = [0; 1024];
    let mut false_media = Vec::new();
    let mut refused = 0;

    for _ in 0..BLOCKS {
        dice.fill(&mut block);
        match judge(sniff(&block, false), Some(b"image/x-made-up")) {
            Ok(typed) if typed.by() == TypedBy::Bytes => false_media.push(typed.mime().to_owned()),
            Ok(_) => {}
            Err(_) => refused += 1,
        }
    }

    assert!(false_media.len() <= 2, "{false_media:?}");
    // A byte order mark of two bytes is text (WHATWG MIME Sniffing §7.1): two in 65,536 by chance.
    assert!(refused <= 20, "{refused}");
}

#[test]
fn a_mark_of_utf_16_is_text_and_no_mp3_frame() {
    let layer_1 = [b"\xff\xfe\xc4\x04".as_slice(), &[0; 380]].concat().repeat(4);

    assert_eq!(verdict(&layer_1, Some("audio/mpeg")).unwrap_err(), "text/plain");
    assert_eq!(judge(whole(b"\xff\xfeh\0i\0"), Some(b"audio/mpeg")).unwrap_err().detected_type, "text/plain");
}
