//! Tiny real files for every test that needs media, and a few that are no media. How they were made: `samples/README.md`
//! and `scripts/samples`.

use std::fmt;

/// One file, and what soku must take it for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its name in `samples/`.
    pub name: &'static str,
    pub bytes: &'static [u8],
    /// The media type by which it is stored or, if it is no media, refused.
    pub mime: &'static str,
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.mime, self.bytes.len())
    }
}

const fn sample(name: &'static str, mime: &'static str, bytes: &'static [u8]) -> Sample {
    Sample { name, bytes, mime }
}

/// A photo.
pub const JPEG: Sample = sample("photo.jpg", "image/jpeg", include_bytes!("../samples/photo.jpg"));
/// A photo with an Exif segment, turned on its side.
pub const EXIF_JPEG: Sample = sample("exif.jpg", "image/jpeg", include_bytes!("../samples/exif.jpg"));
/// Two photos in one file, as stereo cameras write them.
pub const MPO: Sample = sample("stereo.mpo", "image/jpeg", include_bytes!("../samples/stereo.mpo"));
/// A picture.
pub const PNG: Sample = sample("graphic.png", "image/png", include_bytes!("../samples/graphic.png"));
/// A moving PNG.
pub const APNG: Sample = sample("animation.apng", "image/png", include_bytes!("../samples/animation.apng"));
/// A lossy WebP.
pub const WEBP: Sample = sample("photo.webp", "image/webp", include_bytes!("../samples/photo.webp"));
/// A lossless WebP.
pub const WEBP_LOSSLESS: Sample = sample("lossless.webp", "image/webp", include_bytes!("../samples/lossless.webp"));
/// A moving WebP.
pub const WEBP_ANIMATION: Sample = sample("animation.webp", "image/webp", include_bytes!("../samples/animation.webp"));
/// A moving GIF.
pub const GIF: Sample = sample("animation.gif", "image/gif", include_bytes!("../samples/animation.gif"));
/// An AVIF.
pub const AVIF: Sample = sample("photo.avif", "image/avif", include_bytes!("../samples/photo.avif"));
/// A moving AVIF (brand `avis`).
pub const AVIF_ANIMATION: Sample = sample("animation.avif", "image/avif", include_bytes!("../samples/animation.avif"));
/// A photo as iPhones write them.
pub const HEIC: Sample = sample("photo.heic", "image/heic", include_bytes!("../samples/photo.heic"));
/// A bare JPEG XL codestream.
pub const JXL: Sample = sample("photo.jxl", "image/jxl", include_bytes!("../samples/photo.jxl"));
/// A bare lossless JPEG XL with an alpha channel.
pub const JXL_ALPHA: Sample = sample("alpha.jxl", "image/jxl", include_bytes!("../samples/alpha.jxl"));
/// JPEG XL in boxes.
pub const JXL_BOXED: Sample = sample("boxed.jxl", "image/jxl", include_bytes!("../samples/boxed.jxl"));
/// JPEG 2000.
pub const JP2: Sample = sample("photo.jp2", "image/jp2", include_bytes!("../samples/photo.jp2"));
/// A Windows bitmap.
pub const BMP: Sample = sample("photo.bmp", "image/bmp", include_bytes!("../samples/photo.bmp"));
/// A little-endian TIFF.
pub const TIFF: Sample = sample("photo.tif", "image/tiff", include_bytes!("../samples/photo.tif"));
/// A big-endian TIFF.
pub const TIFF_BIG_ENDIAN: Sample = sample("big-endian.tif", "image/tiff", include_bytes!("../samples/big-endian.tif"));
/// A Windows icon.
pub const ICO: Sample = sample("icon.ico", "image/x-icon", include_bytes!("../samples/icon.ico"));
/// A Windows cursor.
pub const CUR: Sample = sample("pointer.cur", "image/x-icon", include_bytes!("../samples/pointer.cur"));
/// A Photoshop document.
pub const PSD: Sample = sample("layers.psd", "image/vnd.adobe.photoshop", include_bytes!("../samples/layers.psd"));
/// An SVG as drawing programs write it: declaration, comment, doctype with an internal subset.
pub const SVG: Sample = sample("drawing.svg", "image/svg+xml", include_bytes!("../samples/drawing.svg"));
/// An SVG as svgo writes it: the root element at once.
pub const SVG_BARE: Sample = sample("bare.svg", "image/svg+xml", include_bytes!("../samples/bare.svg"));
/// H.264 and AAC, `moov` first.
pub const MP4: Sample = sample("film.mp4", "video/mp4", include_bytes!("../samples/film.mp4"));
/// H.264 and AAC, `moov` last.
pub const MP4_MOOV_AT_END: Sample =
    sample("moov-at-end.mp4", "video/mp4", include_bytes!("../samples/moov-at-end.mp4"));
/// H.264 and AAC in fragments.
pub const MP4_FRAGMENTED: Sample = sample("fragmented.mp4", "video/mp4", include_bytes!("../samples/fragmented.mp4"));
/// As iTunes names it.
pub const M4V: Sample = sample("film.m4v", "video/mp4", include_bytes!("../samples/film.m4v"));
/// QuickTime.
pub const MOV: Sample = sample("film.mov", "video/quicktime", include_bytes!("../samples/film.mov"));
/// A film of an old phone.
pub const THREE_GP: Sample = sample("film.3gp", "video/3gpp", include_bytes!("../samples/film.3gp"));
/// VP8 and Vorbis.
pub const WEBM: Sample = sample("film.webm", "video/webm", include_bytes!("../samples/film.webm"));
/// H.264 and AAC in Matroska.
pub const MKV: Sample = sample("film.mkv", "video/matroska", include_bytes!("../samples/film.mkv"));
/// Theora and Vorbis.
pub const OGV: Sample = sample("film.ogv", "video/ogg", include_bytes!("../samples/film.ogv"));
/// MPEG-4 in AVI.
pub const AVI: Sample = sample("film.avi", "video/avi", include_bytes!("../samples/film.avi"));
/// Flash video.
pub const FLV: Sample = sample("film.flv", "video/x-flv", include_bytes!("../samples/film.flv"));
/// Windows Media video.
pub const WMV: Sample = sample("film.wmv", "video/x-ms-wmv", include_bytes!("../samples/film.wmv"));
/// An MPEG transport stream, packets of 188 bytes.
pub const MPEG_TS: Sample = sample("film.ts", "video/mp2t", include_bytes!("../samples/film.ts"));
/// An MPEG transport stream of a Blu-ray, packets of 192 bytes.
pub const M2TS: Sample = sample("film.m2ts", "video/mp2t", include_bytes!("../samples/film.m2ts"));
/// An MPEG program stream.
pub const MPEG_PS: Sample = sample("film.mpg", "video/mpeg", include_bytes!("../samples/film.mpg"));
/// MP3 frames at once.
pub const MP3: Sample = sample("tone.mp3", "audio/mpeg", include_bytes!("../samples/tone.mp3"));
/// MP3 behind an ID3 tag.
pub const MP3_TAGGED: Sample = sample("tagged.mp3", "audio/mpeg", include_bytes!("../samples/tagged.mp3"));
/// A WAV.
pub const WAV: Sample = sample("tone.wav", "audio/wave", include_bytes!("../samples/tone.wav"));
/// A WAV with 64-bit sizes.
pub const RF64: Sample = sample("rf64.wav", "audio/wave", include_bytes!("../samples/rf64.wav"));
/// AAC as Apple names it (brand `M4A `).
pub const M4A: Sample = sample("tone.m4a", "audio/mp4", include_bytes!("../samples/tone.m4a"));
/// An MP4 whose only track is sound.
pub const MP4_SOUND_ONLY: Sample = sample("sound-only.mp4", "audio/mp4", include_bytes!("../samples/sound-only.mp4"));
/// Sound alone in a transport stream.
pub const MPEG_TS_SOUND_ONLY: Sample =
    sample("sound-only.ts", "audio/mp2t", include_bytes!("../samples/sound-only.ts"));
/// Sound alone in a program stream.
pub const MPEG_PS_SOUND_ONLY: Sample =
    sample("sound-only.mpg", "audio/mp2p", include_bytes!("../samples/sound-only.mpg"));
/// Sound alone in an AVI.
pub const AVI_SOUND_ONLY: Sample = sample("sound-only.avi", "audio/avi", include_bytes!("../samples/sound-only.avi"));
/// A 3GP whose only track is sound.
pub const THREE_GP_SOUND_ONLY: Sample =
    sample("sound-only.3gp", "audio/3gpp", include_bytes!("../samples/sound-only.3gp"));
/// ADTS frames at once.
pub const AAC: Sample = sample("tone.aac", "audio/aac", include_bytes!("../samples/tone.aac"));
/// ADTS frames behind an ID3 tag.
pub const AAC_TAGGED: Sample = sample("tagged.aac", "audio/aac", include_bytes!("../samples/tagged.aac"));
/// AC-3 at 44.1 kHz, where the frames differ in length.
pub const AC3: Sample = sample("tone.ac3", "audio/ac3", include_bytes!("../samples/tone.ac3"));
/// E-AC-3.
pub const EAC3: Sample = sample("tone.ec3", "audio/eac3", include_bytes!("../samples/tone.ec3"));
/// A voice note as browsers record it.
pub const WEBM_SOUND_ONLY: Sample = sample("voice.webm", "audio/webm", include_bytes!("../samples/voice.webm"));
/// AAC in Matroska.
pub const MKA: Sample = sample("tone.mka", "audio/matroska", include_bytes!("../samples/tone.mka"));
/// Vorbis in Ogg.
pub const OGG: Sample = sample("vorbis.ogg", "audio/ogg", include_bytes!("../samples/vorbis.ogg"));
/// Opus in Ogg.
pub const OPUS: Sample = sample("tone.opus", "audio/ogg", include_bytes!("../samples/tone.opus"));
/// Speex in Ogg.
pub const SPEEX: Sample = sample("speech.spx", "audio/ogg", include_bytes!("../samples/speech.spx"));
/// FLAC in Ogg.
pub const OGG_FLAC: Sample = sample("flac.oga", "audio/ogg", include_bytes!("../samples/flac.oga"));
/// FLAC.
pub const FLAC: Sample = sample("tone.flac", "audio/flac", include_bytes!("../samples/tone.flac"));
/// AIFF.
pub const AIFF: Sample = sample("tone.aiff", "audio/aiff", include_bytes!("../samples/tone.aiff"));
/// Apple's Core Audio Format.
pub const CAF: Sample = sample("tone.caf", "audio/x-caf", include_bytes!("../samples/tone.caf"));
/// Sun's audio format.
pub const AU: Sample = sample("tone.au", "audio/basic", include_bytes!("../samples/tone.au"));
/// Windows Media audio.
pub const WMA: Sample = sample("tone.wma", "audio/x-ms-wma", include_bytes!("../samples/tone.wma"));
/// Narrow-band AMR.
pub const AMR: Sample = sample("silence.amr", "audio/amr", include_bytes!("../samples/silence.amr"));
/// Wide-band AMR.
pub const AMR_WB: Sample = sample("silence.awb", "audio/amr-wb", include_bytes!("../samples/silence.awb"));
/// One note.
pub const MIDI: Sample = sample("note.mid", "audio/midi", include_bytes!("../samples/note.mid"));
/// The page a cloud drive serves instead of a large file.
pub const HTML: Sample = sample("page.html", "text/html", include_bytes!("../samples/page.html"));
/// A PDF.
pub const PDF: Sample = sample("paper.pdf", "application/pdf", include_bytes!("../samples/paper.pdf"));
/// An API's error.
pub const JSON: Sample = sample("answer.json", "application/json", include_bytes!("../samples/answer.json"));
/// A playlist.
pub const M3U8: Sample =
    sample("playlist.m3u8", "application/vnd.apple.mpegurl", include_bytes!("../samples/playlist.m3u8"));
/// Plain words.
pub const TEXT: Sample = sample("notes.txt", "text/plain", include_bytes!("../samples/notes.txt"));
/// An archive.
pub const ZIP: Sample = sample("archive.zip", "application/zip", include_bytes!("../samples/archive.zip"));
/// A compressed SVG: an archive to us.
pub const SVGZ: Sample = sample("drawing.svgz", "application/gzip", include_bytes!("../samples/drawing.svgz"));
/// Nothing at all.
pub const EMPTY: Sample = sample("empty", "application/x-empty", include_bytes!("../samples/empty"));

/// Every sample that is media.
pub const MEDIA: &[Sample] = &[
    JPEG,
    EXIF_JPEG,
    MPO,
    PNG,
    APNG,
    WEBP,
    WEBP_LOSSLESS,
    WEBP_ANIMATION,
    GIF,
    AVIF,
    AVIF_ANIMATION,
    HEIC,
    JXL,
    JXL_ALPHA,
    JXL_BOXED,
    JP2,
    BMP,
    TIFF,
    TIFF_BIG_ENDIAN,
    ICO,
    CUR,
    PSD,
    SVG,
    SVG_BARE,
    MP4,
    MP4_MOOV_AT_END,
    MP4_FRAGMENTED,
    M4V,
    MOV,
    THREE_GP,
    WEBM,
    MKV,
    OGV,
    AVI,
    FLV,
    WMV,
    MPEG_TS,
    M2TS,
    MPEG_PS,
    MP3,
    MP3_TAGGED,
    WAV,
    RF64,
    M4A,
    MP4_SOUND_ONLY,
    MPEG_TS_SOUND_ONLY,
    MPEG_PS_SOUND_ONLY,
    AVI_SOUND_ONLY,
    THREE_GP_SOUND_ONLY,
    AAC,
    AAC_TAGGED,
    AC3,
    EAC3,
    WEBM_SOUND_ONLY,
    MKA,
    OGG,
    OPUS,
    SPEEX,
    OGG_FLAC,
    FLAC,
    AIFF,
    CAF,
    AU,
    WMA,
    AMR,
    AMR_WB,
    MIDI,
];

/// Every sample that is none.
pub const NOT_MEDIA: &[Sample] = &[HTML, PDF, JSON, M3U8, TEXT, ZIP, SVGZ, EMPTY];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{MEDIA, NOT_MEDIA};

    #[test]
    fn every_file_stands_in_exactly_one_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        let listed: Vec<&str> = MEDIA.iter().chain(NOT_MEDIA).map(|sample| sample.name).collect();

        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README.md")
            .collect();

        assert_eq!(found, listed.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(found.len(), listed.len());
    }
}
