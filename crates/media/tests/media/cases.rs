//! Reports from real life: what a name, a header and some bytes must become, as far as it needs no network.

use soku_media::{TypedBy, encode_segment, names_match};
use soku_testkit::samples;

use crate::support::{boxed, mime, name_from_header, name_from_url, verdict, whole, without_first_box};
use soku_media::{Sniffed, format};

#[test]
fn case_02_raw_letters_in_a_path_stay_in_the_name() {
    assert_eq!(name_from_url("/2017/02/Saúde.png", samples::PNG.bytes).as_str(), "Saúde.png");
}

#[test]
fn case_03_a_percent_sign_that_starts_no_escape_is_part_of_the_name() {
    let name = name_from_url("/music/90%+of.png", samples::PNG.bytes);

    assert_eq!(name.as_str(), "90%+of.png");
    assert_eq!(encode_segment(name.as_str()), "90%25%2Bof.png");
    assert!(names_match(name.as_str(), b"90%25%2Bof.png"));
}

#[test]
fn case_04_the_fragment_is_no_part_of_the_name() {
    assert_eq!(name_from_url("/clip.mp4#t=10,20", samples::MP4.bytes).as_str(), "clip.mp4");
}

#[test]
fn case_32_a_name_without_an_extension_gets_the_one_of_its_bytes() {
    assert_eq!(name_from_url("/d/3f9a", samples::WEBP.bytes).as_str(), "3f9a.webp");
}

#[test]
fn case_33_the_query_is_no_part_of_the_name() {
    assert_eq!(name_from_url("/photos/siena.jpg?k=6&e=wwl", samples::JPEG.bytes).as_str(), "siena.jpg");
}

#[test]
fn case_34_the_extended_name_wins_in_any_order() {
    let header = "attachment;filename*=utf-8''Java8%2064%E4%BD%8D%2Epng;filename=\"Java8 64%E4%BD%8D.png\"";

    assert_eq!(name_from_header(header, samples::PNG.bytes).as_str(), "Java8 64位.png");
}

#[test]
fn case_35_a_raw_name_is_utf_8_or_else_latin_1() {
    assert_eq!(name_from_header("attachment; filename=\"Документ.png\"", samples::PNG.bytes).as_str(), "Документ.png");
    assert_eq!(name_from_header(b"attachment; filename=\"Gr\xfc\xdfe.png\"", samples::PNG.bytes).as_str(), "Grüße.png");
}

#[test]
fn case_36_name_from_the_path_and_type_from_the_bytes() {
    assert_eq!(name_from_url("/commons/3/3b/N8n-logo.png", samples::PNG.bytes).as_str(), "N8n-logo.png");
    assert_eq!(verdict(samples::PNG.bytes, None).unwrap().mime(), "image/png");
}

#[test]
fn case_37_names_are_composed() {
    let name = name_from_url("/A%CC%88pfel.png", samples::PNG.bytes);

    assert_eq!(name.as_str(), "\u{c4}pfel.png");
    assert!(names_match(name.as_str(), b"A%CC%88pfel.png"));
}

#[test]
fn case_38_a_number_sign_survives() {
    let name = name_from_url("/a%23b.png", samples::PNG.bytes);

    assert_eq!(encode_segment(name.as_str()), "a%23b.png");
    assert!(names_match(name.as_str(), b"a%23b.png"));
}

#[test]
fn case_39_a_hosted_name_needs_no_encoding() {
    let name = name_from_url("/uc?export=view&id=1X", samples::PNG.bytes);

    assert_eq!(encode_segment(name.as_str()), "uc.png");
}

#[test]
fn case_40_an_object_stores_default_type_does_no_harm() {
    let typed = verdict(samples::MP4.bytes, Some("application/octet-stream; charset=UTF-8")).unwrap();

    assert_eq!(typed.mime(), "video/mp4");
    assert_eq!(name_from_header("attachment; filename=\"intro.mp4\"", samples::MP4.bytes).as_str(), "intro.mp4");
}

#[test]
fn case_41_quicktime_without_a_file_type_is_quicktime() {
    let untyped = without_first_box(samples::MOV.bytes);
    let [moov_first, mdat_first] = [b"moov", b"mdat"].map(|kind| boxed(kind, &[0; 64]));
    let large_mdat = [b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\0".as_slice(), &[7; 300]].concat();
    let larger_than_a_letter = [b"\x41\0\0\0mdat".as_slice(), &[7, 200, 9, 240].repeat(100)].concat();

    for bytes in [untyped, &moov_first, &mdat_first, &large_mdat, &larger_than_a_letter] {
        assert_eq!(mime(bytes), "video/quicktime");
    }
    for kind in [b"wide", b"free", b"skip", b"pnot"] {
        assert_eq!(mime(&[boxed(kind, &[]), mdat_first.clone()].concat()), "video/quicktime");
    }
    assert_eq!(name_from_url("/IMG_0001.MOV", untyped).as_str(), "IMG_0001.MOV");
    assert_eq!(mime(b"Dont skip this: words are no film."), "text/plain");
}

#[test]
fn case_42_unknown_boxes_are_walked_over() {
    let rest = without_first_box(samples::MP4.bytes);
    let typed = &samples::MP4.bytes[..samples::MP4.bytes.len() - rest.len()];
    let beam = boxed(b"beam", &[0; 16]);

    for boxes in [[typed, beam.as_slice(), rest], [beam.as_slice(), typed, rest], [beam.as_slice(), &[], rest]] {
        assert_eq!(mime(&boxes.concat()), "video/mp4");
    }
    assert_eq!(mime(&[b"\x01\0\0\0beam".as_slice(), &[1, 2, 3, 240].repeat(150)].concat()), "application/octet-stream");
}

#[test]
fn case_43_a_voice_memo_is_sound() {
    let memo = verdict(samples::M4A.bytes, Some("application/octet-stream")).unwrap();
    let book = [boxed(b"ftyp", b"M4B \0\0\0\0M4B mp42"), boxed(b"moov", &[])].concat();

    assert_eq!(memo.mime(), "audio/mp4");
    assert_eq!(name_from_url("/memo", samples::M4A.bytes).as_str(), "memo.m4a");
    assert_eq!(mime(&book), "audio/mp4");
}

#[test]
fn case_44_a_wrong_name_or_header_is_corrected() {
    assert_eq!(verdict(samples::THREE_GP.bytes, Some("video/mp4")).unwrap().mime(), "video/3gpp");
    assert_eq!(name_from_url("/x.mp4", samples::THREE_GP.bytes).as_str(), "x.3gp");
}

#[test]
fn case_45_avif_and_heic_are_told_by_every_brand() {
    let mut mif1_first = samples::AVIF.bytes.to_vec();
    mif1_first[8..12].copy_from_slice(b"mif1");

    for bytes in [samples::AVIF.bytes, samples::AVIF_ANIMATION.bytes, &mif1_first] {
        assert_eq!(mime(bytes), "image/avif");
    }
    assert_eq!(mime(&boxed(b"ftyp", b"mif1\0\0\0\0miafheix")), "image/heic");
    assert_eq!(mime(&boxed(b"ftyp", b"msf1\0\0\0\0iso8")), "image/heif");
}

#[test]
fn case_46_a_container_with_sound_only_is_sound() {
    assert_eq!(mime(samples::WEBM_SOUND_ONLY.bytes), "audio/webm");
    assert_eq!(mime(samples::MP4_SOUND_ONLY.bytes), "audio/mp4");
    assert_eq!(mime(samples::MPEG_TS_SOUND_ONLY.bytes), "audio/mp2t");
    assert_eq!(mime(samples::MPEG_PS_SOUND_ONLY.bytes), "audio/mp2p");
    assert_eq!(mime(samples::AVI_SOUND_ONLY.bytes), "audio/avi");
    assert_eq!(mime(samples::WEBM.bytes), "video/webm");
    assert_eq!(name_from_url("/voice.webm", samples::WEBM_SOUND_ONLY.bytes).as_str(), "voice.webm");
}

#[test]
fn case_46_the_track_list_is_found_at_the_end_of_a_large_file() {
    let rest = without_first_box(samples::MP4_SOUND_ONLY.bytes);
    let typed = &samples::MP4_SOUND_ONLY.bytes[..samples::MP4_SOUND_ONLY.bytes.len() - rest.len()];
    let large = [typed, &boxed(b"mdat", &vec![7; 300_000]), rest].concat();

    assert_eq!(soku_media::sniff(&large[..65536], false), Sniffed::Media(&format::MP4));
    assert_eq!(whole(&large), Sniffed::Media(&format::M4A));
}

#[test]
fn case_47_ogg_is_sound_or_film_and_never_an_application() {
    for sample in [samples::OGG, samples::OPUS, samples::SPEEX, samples::OGG_FLAC] {
        assert_eq!(mime(sample.bytes), "audio/ogg", "{sample:?}");
        assert_eq!(name_from_url("/sound", sample.bytes).as_str(), "sound.ogg");
    }
    assert_eq!(mime(samples::OGV.bytes), "video/ogg");
}

#[test]
fn case_48_heic_with_a_jpegs_name_is_heic() {
    assert_eq!(verdict(samples::HEIC.bytes, Some("image/jpeg")).unwrap().mime(), "image/heic");
    assert_eq!(name_from_url("/IMG_1.jpg", samples::HEIC.bytes).as_str(), "IMG_1.heic");
}

#[test]
fn case_49_a_stereo_photo_is_a_jpeg() {
    assert_eq!(mime(samples::MPO.bytes), "image/jpeg");
    assert_eq!(name_from_url("/DSC_1.JPG", samples::MPO.bytes).as_str(), "DSC_1.JPG");
}

#[test]
fn case_50_bytes_of_no_declared_type_are_judged_by_themselves() {
    let typed = verdict(samples::MP4.bytes, Some("application/octet-stream")).unwrap();

    assert_eq!((typed.mime(), typed.by(), typed.is_inline()), ("video/mp4", TypedBy::Bytes, true));
}

#[test]
fn case_51_a_tag_of_any_size_is_an_mp3() {
    let large = [b"ID3\x03\0\0\x06\x30\0\0".as_slice(), &vec![0; 13 * 1024 * 1024], samples::MP3.bytes].concat();
    let lying = [b"ID3\x03\0\0\x7f\x7f\x7f\x7f".as_slice(), samples::MP3.bytes].concat();
    let invalid = [b"ID3\x04\0\0\xff\xff\xff\xff".as_slice(), samples::MP3.bytes].concat();

    assert_eq!(soku_media::sniff(&large[..65536], false), Sniffed::Media(&format::MP3));
    assert_eq!(whole(&large), Sniffed::Media(&format::MP3));
    assert_eq!(mime(&lying), "audio/mpeg");
    assert_eq!(mime(&invalid), "audio/mpeg");
}

#[test]
fn case_51_another_known_sound_behind_a_tag_is_that_sound() {
    let tag = [b"ID3\x03\0\0\0\x04\0\0".as_slice(), &vec![0; 4 << 14]].concat();
    let behind = |sample: samples::Sample| [tag.as_slice(), sample.bytes].concat();

    assert_eq!(mime(samples::AAC_TAGGED.bytes), "audio/aac");
    assert_eq!(whole(&behind(samples::FLAC)), Sniffed::Media(&format::FLAC));
    assert_eq!(whole(&behind(samples::AAC)), Sniffed::Media(&format::AAC));
    assert_eq!(whole(&behind(samples::JPEG)), Sniffed::Media(&format::MP3));
}

#[test]
fn case_52_sound_is_delivered_under_registered_names() {
    assert_eq!(verdict(samples::AAC.bytes, Some("audio/x-aac")).unwrap().mime(), "audio/aac");
    assert_eq!(verdict(samples::M4A.bytes, Some("audio/x-m4a")).unwrap().mime(), "audio/mp4");
    assert_eq!(verdict(samples::THREE_GP_SOUND_ONLY.bytes, Some("audio/3gpp")).unwrap().mime(), "audio/3gpp");
}

#[test]
fn case_53_a_comment_in_front_does_not_hide_a_drawing() {
    let drawing =
        verdict(b"<!-- Generator: Any Program 1.0 -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", None)
            .unwrap();

    assert_eq!((drawing.mime(), drawing.is_inline()), ("image/svg+xml", false));
    assert_eq!(mime(b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- a --><?p q?>\n<svg>"), "image/svg+xml");
}

#[test]
fn case_54_a_document_type_in_front_does_not_hide_a_drawing() {
    assert_eq!(mime(samples::SVG.bytes), "image/svg+xml");
}

#[test]
fn case_55_a_bare_root_element_is_a_drawing_whatever_the_header_says() {
    assert_eq!(verdict(samples::SVG_BARE.bytes, Some("text/html")).unwrap().mime(), "image/svg+xml");
    assert_eq!(name_from_url("/icon", samples::SVG_BARE.bytes).as_str(), "icon.svg");
}

#[test]
fn case_56_a_page_is_no_media_whatever_its_name_and_header_say() {
    assert_eq!(verdict(samples::HTML.bytes, Some("image/jpeg")).unwrap_err(), "text/html");
}

#[test]
fn case_57_the_warning_page_of_a_cloud_drive_is_a_page() {
    let page = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>";

    assert_eq!(verdict(page, Some("text/html")).unwrap_err(), "text/html");
}

#[test]
fn case_58_a_share_page_is_a_page_in_every_dress() {
    let pages: [&[u8]; 5] = [
        b"\r\n\r\n<!doctype html>\n<html dir=\"ltr\">",
        b"<!-- Copyright --> <!-- 1 --><html>",
        b"\xef\xbb\xbf<html><head>",
        b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        b"Notice: undefined index in /var/www/x.php on line 3\n<!DOCTYPE HTML><html>",
    ];

    for page in pages {
        assert_eq!(
            verdict(page, Some("text/html; charset=utf-8")).unwrap_err(),
            "text/html",
            "{}",
            page.escape_ascii()
        );
    }
}

#[test]
fn case_65_the_extension_always_fits_the_type() {
    assert_eq!(name_from_url("/getvideo?myid=1", samples::MP4.bytes).as_str(), "getvideo.mp4");
}
