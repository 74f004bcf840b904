//! Every sample, by our table and by a second detector.

use std::fmt::Write;

use file_format::FileFormat;
use soku_media::{Sniffed, TypedBy, format, sniff};
use soku_testkit::samples::{MEDIA, MP4_MOOV_AT_END, NOT_MEDIA};

use crate::support::{name_from_url, verdict, whole};

#[test]
fn every_sample_is_taken_for_what_it_is() {
    for sample in MEDIA {
        let typed = verdict(sample.bytes, Some("application/octet-stream")).unwrap();

        assert_eq!((typed.mime(), typed.by()), (sample.mime, TypedBy::Bytes), "{sample:?}");
        assert_eq!(typed.is_inline(), sample.mime != "image/svg+xml", "{sample:?}");
    }
    for sample in NOT_MEDIA {
        assert_eq!(verdict(sample.bytes, Some("image/x-wish")).unwrap_err(), sample.mime, "{sample:?}");
    }
}

#[test]
fn a_name_without_an_extension_gets_the_usual_one() {
    let mut table = String::new();
    for sample in MEDIA {
        writeln!(table, "{:16} {}", sample.name, name_from_url("/d/3f9a", sample.bytes)).unwrap();
    }

    insta::assert_snapshot!(table);
}

#[test]
fn the_usual_name_of_a_sample_stays() {
    let renamed: Vec<String> = MEDIA
        .iter()
        .map(|sample| (sample.name, name_from_url(sample.name, sample.bytes)))
        .filter(|(before, after)| before != &after.as_str())
        .map(|(before, after)| format!("{before} -> {after}"))
        .collect();

    assert_eq!(renamed, ["stereo.mpo -> stereo.jpg", "sound-only.mp4 -> sound-only.m4a"]);
}

#[test]
fn the_head_decides_whether_it_is_media_and_the_whole_file_only_the_kind() {
    let long_film = [MP4_MOOV_AT_END.bytes.to_vec(), vec![0; 100_000]].concat();
    for bytes in MEDIA.iter().map(|sample| sample.bytes).chain([long_film.as_slice()]) {
        for length in [64, 256, 1024, bytes.len()] {
            let head = &bytes[..length.min(bytes.len())];
            let (by_head, by_file) = (sniff(head, head.len() == bytes.len()), whole(bytes));
            if let (Sniffed::Media(early), Sniffed::Media(late)) = (by_head, by_file) {
                let same = early == late || late.mime.starts_with("audio/") && !early.mime.starts_with("image/");
                assert!(same, "{} became {}", early.mime, late.mime);
            }
            if by_file == Sniffed::Media(&format::SVG) {
                continue;
            }
            assert!(!matches!(by_head, Sniffed::NotMedia(_)), "{by_head:?} became {by_file:?}");
        }
    }
}

/// Where `file-format` says something else, and why we stay with ours.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "animation.avif",
        "image/avif-sequence",
        "no such type is registered: AV1 Image File Format names image/avif for both",
    ),
    ("icon.ico", "image/vnd.microsoft.icon", "the registered twin of the WHATWG's name"),
    ("pointer.cur", "image/x-win-bitmap", "to the WHATWG a cursor is an icon"),
    ("film.m4v", "video/x-m4v", "an MP4 to everybody but its maker"),
    ("film.avi", "video/x-msvideo", "the WHATWG's name is video/avi"),
    ("tone.wav", "audio/vnd.wave", "the registered twin of the WHATWG's name"),
    ("rf64.wav", "application/octet-stream", "unknown to it"),
    ("tone.m4a", "audio/x-m4a", "registered as audio/mp4 (RFC 4337)"),
    ("sound-only.ts", "video/mp2t", "does not read the program map"),
    ("sound-only.mpg", "video/mpeg", "does not read the system header"),
    ("sound-only.avi", "video/x-msvideo", "does not read the stream headers"),
    ("sound-only.3gp", "video/3gpp", "goes by the brand and does not look at the tracks"),
    ("tagged.aac", "application/x-id3v2", "does not look behind the tag"),
    ("tone.ec3", "audio/ac3", "E-AC-3 has a type of its own (RFC 4598)"),
    ("voice.webm", "video/webm", "does not look at the tracks"),
    ("tone.opus", "audio/opus", "that is the name of the bare codec; in Ogg it is audio/ogg (RFC 7845 §9)"),
    ("tone.aiff", "audio/x-aiff", "the WHATWG's name is audio/aiff"),
    ("tone.caf", "application/octet-stream", "unknown to it"),
    ("silence.awb", "audio/amr", "wide-band has a type of its own (RFC 4867 §8.2)"),
    ("answer.json", "text/plain", "we name JSON, for people"),
    ("playlist.m3u8", "audio/x-mpegurl", "we name HLS, for people (RFC 8216 §10)"),
];

#[test]
fn a_second_detector_agrees_but_where_the_table_says_why() {
    let differences: Vec<(&str, String)> = MEDIA
        .iter()
        .chain(NOT_MEDIA)
        .map(|sample| (sample, FileFormat::from_bytes(sample.bytes).media_type().to_owned()))
        .filter(|(sample, theirs)| sample.mime != theirs)
        .map(|(sample, theirs)| (sample.name, theirs))
        .collect();

    let explained: Vec<(&str, String)> =
        DIFFERENCES.iter().map(|(name, theirs, _)| (*name, (*theirs).to_owned())).collect();
    assert_eq!(differences, explained);
}
