//! What the bytes are, whatever the source says.

use soku_testkit::samples::Sample;
use soku_testkit::{Answer as Source, samples};

use super::Case;

/// Serves `bytes` at `path` as `header`, and gives the delivered type and the hosted name.
async fn typed(path: &str, header: &str, bytes: Vec<u8>) -> (String, String) {
    let case = Case::new().await;
    case.app.origin.serve(path, Source::ok(header, bytes.clone()));
    let (hosted, name) = case.taken(path).await;
    assert!(hosted.body == bytes, "the bytes are kept as they are");
    (hosted.header("content-type").to_owned(), name)
}

async fn sample(path: &str, header: &str, sample: Sample) -> (String, String) {
    typed(path, header, sample.bytes.to_vec()).await
}

fn pair(mime: &str, name: &str) -> (String, String) {
    (mime.to_owned(), name.to_owned())
}

/// A box of an ISO base media file.
fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + content.len()).expect("a small box");
    [&size.to_be_bytes()[..], kind, content].concat()
}

/// drewnoakes/metadata-extractor#737
#[tokio::test]
async fn case_41_a_movie_without_a_file_type_box_is_quicktime() {
    // Boxes as the tool wrote them, without the leading `ftyp`, media data first.
    let film = samples::MOV.bytes;
    let size = u32::from_be_bytes(film[..4].try_into().expect("four bytes")) as usize;
    let bytes = film[size..].to_vec();
    assert_ne!(&bytes[4..8], b"ftyp");

    assert_eq!(typed("/IMG_1.mov", "application/octet-stream", bytes).await, pair("video/quicktime", "IMG_1.mov"));
    let mdat_first = [boxed(b"mdat", &[0; 64]), boxed(b"moov", &boxed(b"mvhd", &[0; 100]))].concat();
    assert_eq!(typed("/a", "application/octet-stream", mdat_first).await, pair("video/quicktime", "a.mov"));
}

/// h2non/filetype#37
#[tokio::test]
async fn case_42_unknown_boxes_are_walked_over() {
    let film = samples::MP4.bytes;
    let size = u32::from_be_bytes(film[..4].try_into().expect("four bytes")) as usize;
    let bytes = [&film[..size], &boxed(b"beam", &[0; 16]), &film[size..]].concat();

    assert_eq!(typed("/v.mp4", "video/mp4", bytes).await, pair("video/mp4", "v.mp4"));
}

/// mastodon/mastodon#34583
#[tokio::test]
async fn case_43_a_voice_memo_is_audio() {
    assert_eq!(sample("/memo.m4a", "application/octet-stream", samples::M4A).await, pair("audio/mp4", "memo.m4a"));
}

/// mastodon/mastodon#3680
#[tokio::test]
async fn case_44_a_wrong_name_is_corrected() {
    assert_eq!(sample("/x.mp4", "video/mp4", samples::THREE_GP).await, pair("video/3gpp", "x.3gp"));
}

/// google/magika#1233
#[tokio::test]
async fn case_45_an_avif_is_no_video() {
    let octets = "application/octet-stream";
    assert_eq!(sample("/photo.avif", octets, samples::AVIF).await, pair("image/avif", "photo.avif"));
    let file_type = |major: &[u8; 4], compatible: &[u8]| boxed(b"ftyp", &[major, &[0; 4][..], compatible].concat());
    let rest = boxed(b"meta", &[0; 40]);
    let as_mif1 = [file_type(b"mif1", b"mif1avifmiaf"), rest.clone()].concat();
    assert_eq!(typed("/a", octets, as_mif1).await, pair("image/avif", "a.avif"));
    let heif = [file_type(b"mif1", b"mif1miaf"), rest].concat();
    assert_eq!(typed("/a", octets, heif).await, pair("image/heif", "a.heif"));
}

/// sindresorhus/file-type#488
#[tokio::test]
async fn case_46_sound_alone_is_audio() {
    let octets = "application/octet-stream";
    assert_eq!(sample("/n", octets, samples::WEBM_SOUND_ONLY).await, pair("audio/webm", "n.webm"));
    assert_eq!(sample("/n", octets, samples::MP4_SOUND_ONLY).await.0, "audio/mp4");
}

/// Borewit/music-metadata#110
#[tokio::test]
async fn case_47_ogg_is_audio_or_video() {
    let ogg = "application/ogg";
    assert_eq!(sample("/v.ogg", ogg, samples::OGG).await, pair("audio/ogg", "v.ogg"));
    assert_eq!(sample("/v", ogg, samples::OPUS).await.0, "audio/ogg");
    assert_eq!(sample("/v", ogg, samples::SPEEX).await.0, "audio/ogg");
    assert_eq!(sample("/v", ogg, samples::OGG_FLAC).await.0, "audio/ogg");
    assert_eq!(sample("/v", ogg, samples::OGV).await, pair("video/ogg", "v.ogv"));
}

/// Esri/data-collection-ios#184
#[tokio::test]
async fn case_48_heic_is_called_heic() {
    assert_eq!(sample("/IMG_1.jpg", "image/jpeg", samples::HEIC).await, pair("image/heic", "IMG_1.heic"));
}

/// wagtail/wagtail#729
#[tokio::test]
async fn case_49_mpo_is_a_jpeg_with_all_its_bytes() {
    assert_eq!(sample("/DSC_1.JPG", "image/mpo", samples::MPO).await, pair("image/jpeg", "DSC_1.JPG"));
}

/// TuxedoTako/4chan-xt#127
#[tokio::test]
async fn case_50_octets_with_nosniff_are_still_told_by_their_bytes() {
    let case = Case::new().await;
    let answer = Source::ok("application/octet-stream", samples::MP4.bytes).header("X-Content-Type-Options", "nosniff");
    case.app.origin.serve("/raw", answer);

    let (hosted, name) = case.taken("/raw").await;

    assert_eq!((hosted.header("content-type"), name.as_str()), ("video/mp4", "raw.mp4"));
}

/// gabriel-vasile/mimetype#839
#[tokio::test]
async fn case_51_a_tag_larger_than_any_buffer_is_still_an_mp3() {
    let size = 13_000_000_u32;
    let mut bytes = b"ID3\x04\x00\x00".to_vec();
    // Four times seven bits, the highest first.
    bytes.extend([21, 14, 7, 0].map(|shift| u8::try_from((size >> shift) & 0x7f).expect("seven bits")));
    bytes.resize(bytes.len() + size as usize, 0x41);
    bytes.extend_from_slice(samples::MP3.bytes);

    assert_eq!(typed("/song.mp3", "application/octet-stream", bytes).await, pair("audio/mpeg", "song.mp3"));
}

/// mastodon/mastodon#11342
#[tokio::test]
async fn case_52_sound_is_delivered_under_the_registered_name() {
    assert_eq!(sample("/a.aac", "audio/x-aac", samples::AAC).await, pair("audio/aac", "a.aac"));
    assert_eq!(sample("/a.m4a", "audio/x-m4a", samples::M4A).await, pair("audio/mp4", "a.m4a"));
    assert_eq!(sample("/a.3gp", "audio/3gpp", samples::THREE_GP_SOUND_ONLY).await.0, "audio/3gpp");
}

/// gabriel-vasile/mimetype#192, sindresorhus/is-svg#6, svg/svgo#675
#[tokio::test]
async fn case_53_54_55_a_drawing_is_told_by_its_root_element() {
    let tail = "<rect width=\"1\" height=\"1\"/></svg>";
    let root = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\">";
    let prolog = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let doctype = "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\" \
                   [ <!ENTITY ns_svg \"http://www.w3.org/2000/svg\"> ]>\n";
    for text in [
        format!("<!-- Generator: Sketch -->\n{root}{tail}"),
        format!("{prolog}{doctype}{root}{tail}"),
        format!("<svg viewBox=\"0 0 1 1\">{tail}"),
    ] {
        let case = Case::new().await;
        case.app.origin.serve("/d.svg", Source::ok("text/html", text));

        let (hosted, name) = case.taken("/d.svg").await;

        assert_eq!((hosted.header("content-type"), name.as_str()), ("image/svg+xml", "d.svg"));
        assert!(hosted.header("content-disposition").starts_with("attachment"));
        assert_eq!(hosted.header("content-security-policy"), "default-src 'none'; sandbox");
    }
}
