//! The names of files (rules F1 to F3).

use soku_media::{MAX_NAME_BYTES, Typed, choose_name, content_disposition, encode_segment, judge, names_match, sniff};
use soku_testkit::samples;
use url::Url;

/// A few types whose extensions differ.
fn typed(which: u8) -> Typed {
    let samples = [&samples::JPEG, &samples::MP4, &samples::SVG, &samples::MP3, &samples::MOV];
    let sample = samples[usize::from(which) % samples.len()];
    judge(sniff(sample.bytes, true), None).expect("samples are media")
}

fn url(segment: &[u8]) -> Url {
    let mut url = Url::parse("https://source.example/").expect("a URL");
    url.set_path(&String::from_utf8_lossy(segment));
    url
}

fn sound(name: &str, typed: &Typed) {
    assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "{name:?}");
    assert!(!name.contains(['/', '\\', '\0']) && !name.chars().any(char::is_control), "{name:?}");
    assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']), "{name:?}");
    for bidi in ['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{feff}'] {
        assert!(!name.contains(bidi), "{name:?}");
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    for runs in ["php", "html", "htm", "svgz", "exe", "js", "xhtml", "shtml", "jsp", "asp"] {
        assert_ne!(extension.as_deref(), Some(runs), "{name:?}");
    }
    // Into the URL and back, into the header and back.
    let segment = encode_segment(name);
    assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{segment}");
    assert!(names_match(name, segment.as_bytes()), "{name:?} as {segment}");
    assert!(name.contains('%') || names_match(name, name.as_bytes()), "{name:?} as it is");
    assert!(names_match(name, segment.to_ascii_lowercase().as_bytes()) || name.bytes().any(|b| b.is_ascii_uppercase()));
    for kind in ["inline", "attachment"] {
        let header = content_disposition(kind, name);
        assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{header:?}");
        assert_eq!(header.matches('"').count(), 2, "{header}");
        let elsewhere = url(b"/other");
        let again = choose_name(Some(header.as_bytes()), &elsewhere, &elsewhere, typed);
        assert_eq!(again.as_str(), name, "{header}");
    }
}

/// A byte for the type, then a `Content-Disposition`.
pub(crate) fn disposition(data: &[u8]) {
    let [which, header @ ..] = data else { return };
    let (typed, elsewhere) = (typed(*which), url(b"/a/other.bin"));
    sound(choose_name(Some(header), &elsewhere, &elsewhere, &typed).as_str(), &typed);
}

/// A byte for the type, then the path of the URL that was asked for and, in a second record, of the one that answered.
pub(crate) fn file_name(data: &[u8]) {
    let [which, paths @ ..] = data else { return };
    let mut paths = super::records(paths);
    let requested = url(paths.next().unwrap_or_default());
    let answered = url(paths.next().unwrap_or_default());
    let typed = typed(*which);
    sound(choose_name(None, &requested, &answered, &typed).as_str(), &typed);
}
