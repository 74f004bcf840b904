//! The media formats that soku knows by their bytes: type, usual extension, accepted other extensions. The type is the
//! one that the WHATWG MIME Sniffing Standard returns where that knows the format, else the one registered with IANA,
//! else the one in common use.

/// A media format.
#[derive(PartialEq, Eq, Debug)]
pub struct Format {
    /// The type under which it is stored and delivered.
    pub mime: &'static str,
    /// The extension a name gets that has none, or a wrong one.
    pub extension: &'static str,
    /// Other extensions that a name may keep.
    pub aliases: &'static [&'static str],
}

impl Format {
    /// Whether a name with this extension (any case) already fits.
    #[must_use]
    pub fn accepts_extension(&self, extension: &str) -> bool {
        self.extension.eq_ignore_ascii_case(extension)
            || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(extension))
    }
}

const fn format(mime: &'static str, extension: &'static str, aliases: &'static [&'static str]) -> Format {
    Format { mime, extension, aliases }
}

// Pictures
pub static JPEG: Format = format("image/jpeg", "jpg", &["jpeg", "jpe", "jfif", "jif"]);
pub static PNG: Format = format("image/png", "png", &["apng"]);
pub static GIF: Format = format("image/gif", "gif", &[]);
pub static WEBP: Format = format("image/webp", "webp", &[]);
pub static AVIF: Format = format("image/avif", "avif", &["avifs"]);
pub static HEIC: Format = format("image/heic", "heic", &["heif", "heics", "heifs", "hif"]);
pub static HEIF: Format = format("image/heif", "heif", &["heifs", "hif"]);
pub static JXL: Format = format("image/jxl", "jxl", &[]);
/// RFC 7903.
pub static BMP: Format = format("image/bmp", "bmp", &["dib"]);
/// The camera makers' raw formats are TIFF files, and keep the extension by which people know them.
pub static TIFF: Format = format(
    "image/tiff",
    "tif",
    &["tiff", "dng", "cr2", "nef", "nrw", "arw", "sr2", "srf", "pef", "erf", "3fr", "iiq", "gpr", "srw"],
);
pub static ICO: Format = format("image/x-icon", "ico", &["cur"]);
pub static PSD: Format = format("image/vnd.adobe.photoshop", "psd", &["psb", "pdd"]);
/// RFC 3745.
pub static JP2: Format = format("image/jp2", "jp2", &["jpg2"]);
pub static JPX: Format = format("image/jpx", "jpf", &["jpx"]);
pub static JPM: Format = format("image/jpm", "jpm", &["jpgm"]);
pub static J2C: Format = format("image/j2c", "j2c", &["j2k", "jpc"]);
pub static JXR: Format = format("image/jxr", "jxr", &["wdp", "hdp"]);
pub static CR3: Format = format("image/x-canon-cr3", "cr3", &[]);
/// RFC 4047.
pub static FITS: Format = format("image/fits", "fits", &["fit", "fts"]);
pub static EXR: Format = format("image/x-exr", "exr", &[]);
pub static SVG: Format = format("image/svg+xml", "svg", &[]);

// Films
/// RFC 4337.
pub static MP4: Format = format("video/mp4", "mp4", &["m4v", "mp4v", "mpg4", "f4v"]);
pub static QUICKTIME: Format = format("video/quicktime", "mov", &["qt"]);
/// RFC 3839.
pub static THREE_GP: Format = format("video/3gpp", "3gp", &["3gpp"]);
/// RFC 4393.
pub static THREE_G2: Format = format("video/3gpp2", "3g2", &["3gpp2"]);
pub static MJ2: Format = format("video/mj2", "mj2", &["mjp2"]);
pub static WEBM: Format = format("video/webm", "webm", &[]);
/// RFC 9559 §27.3.
pub static MATROSKA: Format = format("video/matroska", "mkv", &["mk3d"]);
/// RFC 5334.
pub static OGV: Format = format("video/ogg", "ogv", &["ogm"]);
pub static AVI: Format = format("video/avi", "avi", &["divx"]);
pub static FLV: Format = format("video/x-flv", "flv", &[]);
pub static WMV: Format = format("video/x-ms-wmv", "wmv", &["asf", "wm"]);
/// RFC 3555.
pub static MPEG_TS: Format = format("video/mp2t", "ts", &["m2ts", "mts", "m2t", "tp", "trp"]);
pub static MPEG: Format = format("video/mpeg", "mpg", &["mpeg", "mpe", "m1v", "m2v", "vob", "mod"]);
pub static IVF: Format = format("video/x-ivf", "ivf", &[]);

// Sound
/// RFC 3003.
pub static MP3: Format = format("audio/mpeg", "mp3", &["mp2", "mp1", "mpga", "mpa", "m2a"]);
pub static AAC: Format = format("audio/aac", "aac", &["adts"]);
pub static M4A: Format = format("audio/mp4", "m4a", &["m4b", "m4r", "mp4a", "f4a"]);
pub static THREE_GP_AUDIO: Format = format("audio/3gpp", "3gp", &["3gpp", "3ga"]);
pub static THREE_G2_AUDIO: Format = format("audio/3gpp2", "3g2", &["3gpp2"]);
/// The WebM project gives sound the extension of films too; `.weba` is Chromium's.
pub static WEBM_AUDIO: Format = format("audio/webm", "webm", &["weba"]);
/// RFC 9559 §27.3.
pub static MATROSKA_AUDIO: Format = format("audio/matroska", "mka", &[]);
/// RFC 5334, RFC 7845 §9.
pub static OGG: Format = format("audio/ogg", "ogg", &["oga", "opus", "spx"]);
/// RFC 9639.
pub static FLAC: Format = format("audio/flac", "flac", &[]);
pub static WAV: Format = format("audio/wave", "wav", &["wave", "bwf", "rf64"]);
pub static AIFF: Format = format("audio/aiff", "aiff", &["aif", "aifc", "afc"]);
pub static AU: Format = format("audio/basic", "au", &["snd"]);
pub static CAF: Format = format("audio/x-caf", "caf", &[]);
/// RFC 4867.
pub static AMR: Format = format("audio/amr", "amr", &[]);
pub static AMR_WB: Format = format("audio/amr-wb", "awb", &["amr"]);
pub static MIDI: Format = format("audio/midi", "mid", &["midi", "kar", "rmi"]);
pub static WMA: Format = format("audio/x-ms-wma", "wma", &["asf"]);
pub static FLV_AUDIO: Format = format("audio/x-flv", "flv", &[]);
/// Sound alone in a container whose name nobody registered for it: what the container is called, as sound.
pub static MPEG_TS_AUDIO: Format = format("audio/mp2t", "ts", &["m2ts", "mts", "m2t", "tp", "trp"]);
pub static MPEG_AUDIO: Format = format("audio/mp2p", "mpg", &["mpeg", "mpe", "vob"]);
pub static AVI_AUDIO: Format = format("audio/avi", "avi", &[]);
pub static APE: Format = format("audio/x-ape", "ape", &[]);
pub static WAVPACK: Format = format("audio/x-wavpack", "wv", &[]);
pub static TTA: Format = format("audio/x-tta", "tta", &[]);
pub static DSF: Format = format("audio/x-dsf", "dsf", &[]);
pub static MUSEPACK: Format = format("audio/x-musepack", "mpc", &["mpp"]);
/// RFC 4184.
pub static AC3: Format = format("audio/ac3", "ac3", &[]);
/// RFC 4598.
pub static EAC3: Format = format("audio/eac3", "ec3", &["eac3"]);
pub static DTS: Format = format("audio/vnd.dts", "dts", &[]);

/// Every format above.
pub static ALL: &[&Format] = &[
    &JPEG,
    &PNG,
    &GIF,
    &WEBP,
    &AVIF,
    &HEIC,
    &HEIF,
    &JXL,
    &BMP,
    &TIFF,
    &ICO,
    &PSD,
    &JP2,
    &JPX,
    &JPM,
    &J2C,
    &JXR,
    &CR3,
    &FITS,
    &EXR,
    &SVG,
    &MP4,
    &QUICKTIME,
    &THREE_GP,
    &THREE_G2,
    &MJ2,
    &WEBM,
    &MATROSKA,
    &OGV,
    &AVI,
    &FLV,
    &WMV,
    &MPEG_TS,
    &MPEG,
    &IVF,
    &MP3,
    &AAC,
    &M4A,
    &THREE_GP_AUDIO,
    &THREE_G2_AUDIO,
    &WEBM_AUDIO,
    &MATROSKA_AUDIO,
    &OGG,
    &FLAC,
    &WAV,
    &AIFF,
    &AU,
    &CAF,
    &AMR,
    &AMR_WB,
    &MIDI,
    &WMA,
    &FLV_AUDIO,
    &MPEG_TS_AUDIO,
    &MPEG_AUDIO,
    &AVI_AUDIO,
    &APE,
    &WAVPACK,
    &TTA,
    &DSF,
    &MUSEPACK,
    &AC3,
    &DTS,
];

/// The usual extensions of types that a source's header may name and no detector of ours knows, and of the other names
/// by which headers call those we know.
static OTHER_TYPES: &[(&str, &str)] = &[
    ("image/jpg", "jpg"),
    ("image/pjpeg", "jpg"),
    ("image/apng", "png"),
    ("image/x-png", "png"),
    ("image/x-ms-bmp", "bmp"),
    ("image/vnd.microsoft.icon", "ico"),
    ("image/heic-sequence", "heics"),
    ("image/heif-sequence", "heifs"),
    ("image/x-tga", "tga"),
    ("image/x-targa", "tga"),
    ("image/vnd.radiance", "hdr"),
    ("image/vnd.ms-photo", "wdp"),
    ("image/vnd.ms-dds", "dds"),
    ("image/x-dds", "dds"),
    ("image/qoi", "qoi"),
    ("image/ktx", "ktx"),
    ("image/ktx2", "ktx2"),
    ("image/wmf", "wmf"),
    ("image/emf", "emf"),
    ("image/vnd.djvu", "djvu"),
    ("image/x-pcx", "pcx"),
    ("image/x-portable-anymap", "pnm"),
    ("image/x-portable-bitmap", "pbm"),
    ("image/x-portable-graymap", "pgm"),
    ("image/x-portable-pixmap", "ppm"),
    ("image/x-xcf", "xcf"),
    ("video/x-m4v", "m4v"),
    ("video/x-matroska", "mkv"),
    ("video/x-msvideo", "avi"),
    ("video/vnd.avi", "avi"),
    ("video/x-ms-asf", "asf"),
    ("video/mp2p", "mpg"),
    ("video/h264", "h264"),
    ("video/h265", "h265"),
    ("video/dv", "dv"),
    ("video/x-dv", "dv"),
    ("video/vnd.rn-realvideo", "rv"),
    ("video/x-mng", "mng"),
    ("audio/mp3", "mp3"),
    ("audio/x-mp3", "mp3"),
    ("audio/x-aac", "aac"),
    ("audio/aacp", "aac"),
    ("audio/x-m4a", "m4a"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/vnd.wave", "wav"),
    ("audio/opus", "opus"),
    ("audio/vorbis", "ogg"),
    ("audio/x-flac", "flac"),
    ("audio/x-matroska", "mka"),
    ("audio/x-aiff", "aiff"),
    ("audio/x-midi", "mid"),
    ("audio/vnd.rn-realaudio", "ra"),
    ("audio/x-realaudio", "ra"),
    ("audio/x-voc", "voc"),
    ("audio/x-xm", "xm"),
    ("audio/x-mod", "mod"),
    ("audio/x-s3m", "s3m"),
    ("audio/qcelp", "qcp"),
];

/// The usual extension of a media type, if it is known.
#[must_use]
pub(crate) fn usual_extension(mime: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|format| format.mime == mime)
        .map(|format| format.extension)
        .or_else(|| OTHER_TYPES.iter().find(|(name, _)| *name == mime).map(|(_, extension)| *extension))
}

/// Whether this extension (any case) is one of a media type.
#[must_use]
pub(crate) fn is_media_extension(extension: &str) -> bool {
    ALL.iter().any(|format| format.accepts_extension(extension))
        || OTHER_TYPES.iter().any(|(_, usual)| usual.eq_ignore_ascii_case(extension))
        || MORE_EXTENSIONS.iter().any(|more| more.eq_ignore_ascii_case(extension))
}

/// Extensions of media that stand nowhere above: playlists and files that only a few programs read.
static MORE_EXTENSIONS: &[&str] = &[
    "mpo", "m3u", "m3u8", "pls", "asx", "wax", "wvx", "xspf", "mpd", "ram", "rm", "rmvb", "mxf", "m4p", "m4s", "raw",
    "rw2", "orf", "raf", "crw", "eps", "ai", "opus", "wmx", "mp4s",
];

#[cfg(test)]
mod tests {
    use super::{ALL, Format, JPEG, MP4, is_media_extension, usual_extension};

    #[test]
    fn every_type_has_one_entry_in_canonical_form() {
        for format in ALL {
            let same_type = ALL.iter().filter(|other| other.mime == format.mime).count();

            assert_eq!(same_type, 1, "{}", format.mime);
            assert_eq!(usual_extension(format.mime), Some(format.extension));
            assert!(["image/", "video/", "audio/"].iter().any(|kind| format.mime.starts_with(kind)));
            for text in extensions(format).chain([format.mime]) {
                assert_eq!(text, text.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn an_extension_fits_in_any_case() {
        assert!(JPEG.accepts_extension("JPG"));
        assert!(JPEG.accepts_extension("jpeg"));
        assert!(MP4.accepts_extension("M4V"));
        assert!(!JPEG.accepts_extension("png"));
        assert!(is_media_extension("MKV"));
        assert!(!is_media_extension("zip"));
    }

    fn extensions(format: &Format) -> impl Iterator<Item = &'static str> {
        std::iter::once(format.extension).chain(format.aliases.iter().copied())
    }
}
