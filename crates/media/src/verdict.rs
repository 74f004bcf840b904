//! From what the bytes say and what the source's header says to the type of a stored file, or a refusal (contract §5,
//! rules V1 and V2).

use std::error::Error;
use std::fmt;

use crate::format::{self, Format};
use crate::sniff::Sniffed;

/// Who said what the type is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypedBy {
    /// Our own table, from the bytes.
    Bytes,
    /// The source's `Content-Type`: no detector knew the bytes.
    Header,
}

/// The type of a file that is media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Typed {
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Known(&'static Format),
    Named(String),
}

impl Typed {
    /// The media type: lower case, no parameters.
    #[must_use]
    pub fn mime(&self) -> &str {
        match &self.kind {
            Kind::Known(format) => format.mime,
            Kind::Named(mime) => mime,
        }
    }

    /// Who said so.
    #[must_use]
    pub fn by(&self) -> TypedBy {
        match self.kind {
            Kind::Known(_) => TypedBy::Bytes,
            Kind::Named(_) => TypedBy::Header,
        }
    }

    /// Whether a browser may show it in place: known by its bytes, and no SVG, which can carry scripts (rule V2).
    #[must_use]
    pub fn is_inline(&self) -> bool {
        match self.kind {
            Kind::Known(format) => *format != format::SVG,
            Kind::Named(_) => false,
        }
    }

    /// The extension that a name without a fitting one gets, where the type has one.
    pub(crate) fn extension(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Known(format) => Some(format.extension),
            Kind::Named(mime) => format::usual_extension(mime),
        }
    }

    /// Whether a name may keep this extension.
    pub(crate) fn accepts_extension(&self, extension: &str) -> bool {
        match &self.kind {
            Kind::Known(format) => format.accepts_extension(extension),
            Kind::Named(mime) => match format::ALL.iter().find(|format| format.mime == mime) {
                Some(format) => format.accepts_extension(extension),
                None => self.extension().is_some_and(|usual| usual.eq_ignore_ascii_case(extension)),
            },
        }
    }
}

/// The bytes are no media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotMedia {
    /// What they are, for people: `text/html`, `application/pdf`, `application/octet-stream` if nobody knows.
    pub detected_type: String,
}

impl fmt::Display for NotMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a media file but {}", self.detected_type)
    }
}

impl Error for NotMedia {}

/// Decides whether the bytes are media and of which type. What our table knows, it decides alone; only for bytes that
/// nobody knows does the source's header count (rule V1).
///
/// # Errors
/// [`NotMedia`] if the bytes are something else, or nobody knows them and the header names no media type.
pub fn judge(sniffed: Sniffed, content_type: Option<&[u8]>) -> Result<Typed, NotMedia> {
    match sniffed {
        Sniffed::Media(format) => Ok(Typed { kind: Kind::Known(format) }),
        Sniffed::NotMedia(mime) => Err(NotMedia { detected_type: mime.to_owned() }),
        Sniffed::Unknown => match content_type.and_then(media_type) {
            Some(mime) => Ok(Typed { kind: Kind::Named(mime) }),
            None => Err(NotMedia { detected_type: "application/octet-stream".to_owned() }),
        },
    }
}

/// The media type that a `Content-Type` names, if it is one that unknown bytes may take.
fn media_type(header: &[u8]) -> Option<String> {
    const LONGEST_SUBTYPE: usize = 64;
    const NEVER: [&str; 5] = ["svg", "+xml", "+json", "mpegurl", "scpls"];

    let essence = header.split(|&byte| byte == b';').next()?;
    let mime = std::str::from_utf8(essence).ok()?.trim_matches([' ', '\t']).to_ascii_lowercase();
    let (kind, subtype) = mime.split_once('/')?;
    let known_kind = matches!(kind, "image" | "video" | "audio");
    let plain = subtype.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'));
    let fits = (1..=LONGEST_SUBTYPE).contains(&subtype.len());
    let allowed = NEVER.iter().all(|never| !subtype.contains(never));
    (known_kind && plain && fits && allowed).then_some(mime)
}

#[cfg(test)]
mod tests {
    use super::{TypedBy, judge, media_type};
    use crate::format;
    use crate::sniff::Sniffed;

    #[test]
    fn a_header_is_believed_only_in_the_plain_form_of_a_media_type() {
        let believed: &[(&str, &str)] = &[
            ("image/x-tga", "image/x-tga"),
            ("Video/X-Unknown; codecs=\"a;b\"", "video/x-unknown"),
            (" audio/vnd.dlna.adts ;x", "audio/vnd.dlna.adts"),
            ("image/a+b", "image/a+b"),
        ];
        let refused = [
            "",
            "image",
            "image/",
            "/png",
            "text/html",
            "application/octet-stream",
            "application/mp4",
            "image/svg+xml",
            "image/svg",
            "image/x-svg-compressed",
            "image/foo+xml",
            "image/foo+json",
            "audio/mpegurl",
            "audio/x-mpegurl",
            "audio/x-scpls",
            "image/png\r\nSet-Cookie: a=b",
            "image/*",
            "*/*",
            "image/a b",
            "image/a/b",
            "image/png, text/html",
            "image/é",
            "model/gltf-binary",
            "multipart/mixed",
        ];

        for (header, mime) in believed {
            assert_eq!(media_type(header.as_bytes()).as_deref(), Some(*mime), "{header}");
        }
        for header in refused {
            assert_eq!(media_type(header.as_bytes()), None, "{header}");
        }
        assert_eq!(media_type(b"image/\xff"), None);
        assert!(media_type(format!("image/{}", "a".repeat(64)).as_bytes()).is_some());
        assert!(media_type(format!("image/{}", "a".repeat(65)).as_bytes()).is_none());
    }

    #[test]
    fn what_the_bytes_say_beats_every_header() {
        let picture = judge(Sniffed::Media(&format::PNG), Some(b"text/html")).unwrap();
        let page = judge(Sniffed::NotMedia("text/html"), Some(b"image/png")).unwrap_err();
        let unknown = judge(Sniffed::Unknown, Some(b"image/x-tga; q=1")).unwrap();
        let nothing = judge(Sniffed::Unknown, None).unwrap_err();

        assert_eq!((picture.mime(), picture.by(), picture.is_inline()), ("image/png", TypedBy::Bytes, true));
        assert_eq!(page.detected_type, "text/html");
        assert_eq!((unknown.mime(), unknown.by(), unknown.is_inline()), ("image/x-tga", TypedBy::Header, false));
        assert_eq!(nothing.detected_type, "application/octet-stream");
    }
}
