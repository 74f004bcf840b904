//! Names, as the contract and the rules F1 to F3 want them.

use proptest::prelude::{Strategy, any, proptest};
use proptest::{prop_assert, prop_assert_eq};
use soku_media::{MAX_NAME_BYTES, Typed, choose_name, content_disposition, encode_segment, judge, names_match, sniff};
use soku_testkit::samples;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use url::Url;

use crate::support::{name_from_header, name_from_url};

/// The hosted name of a file called so by its source.
fn hosted(name: &str, bytes: &[u8]) -> String {
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
    name_from_header(format!("attachment; filename=\"{quoted}\""), bytes).as_str().to_owned()
}

fn known_by_header(mime: &str) -> Typed {
    judge(soku_media::Sniffed::Unknown, Some(mime.as_bytes())).expect("a media type")
}

#[test]
fn an_honest_name_survives_unchanged() {
    let png = [
        "banner.png",
        "Ünïcode 写真.png",
        "a+b.PNG",
        "v1.2 final.png",
        "100% (1) [x] & y, z; #3 'q'.png",
        "Vue.js.png",
    ];
    for name in png {
        assert_eq!(hosted(name, samples::PNG.bytes), name);
    }
    assert_eq!(hosted("product-demo.mp4", samples::MP4.bytes), "product-demo.mp4");
    assert_eq!(hosted("film.m4v", samples::MP4.bytes), "film.m4v");
    assert_eq!(hosted("photo.JPEG", samples::JPEG.bytes), "photo.JPEG");
}

#[test]
fn the_extension_is_corrected_by_the_contracts_rules() {
    let cases = [
        ("photo.jpg", "photo.png"),
        ("x.php", "x.png"),
        ("x.html", "x.png"),
        ("x.svgz", "x.png"),
        ("clip.mp4", "clip.png"),
        ("list.m3u8", "list.png"),
        ("x.png.php", "x.png"),
        ("x.jpg.exe", "x.png"),
        ("x.php.png", "x.png"),
        ("x.php7.phtml.png", "x.png"),
        ("download", "download.png"),
        ("Siena v1.2", "Siena v1.2.png"),
        ("archive.zip", "archive.zip.png"),
        ("notes.txt", "notes.txt.png"),
        ("png", "png.png"),
        (".png", "png.png"),
        ("php", "php.png"),
        ("x .php", "x.png"),
        ("x...jpg", "x.png"),
    ];

    for (before, after) in cases {
        assert_eq!(hosted(before, samples::PNG.bytes), after, "{before}");
    }
}

#[test]
fn bytes_known_by_their_header_keep_a_harmless_extension_or_get_a_dull_one() {
    let cases = [
        ("image/x-tga", "photo", "photo.tga"),
        ("image/x-tga", "photo.TGA", "photo.TGA"),
        ("image/x-tga", "photo.png", "photo.tga"),
        ("video/mp4", "clip.m4v", "clip.m4v"),
        ("image/jpg", "photo.jpg", "photo.jpg"),
        ("image/x-made-up", "photo", "photo.bin"),
        ("image/x-made-up", "photo.xyz", "photo.xyz"),
        ("image/x-made-up", "photo.php", "photo.bin"),
        ("image/x-made-up", "photo.svg", "photo.bin"),
        ("image/x-made-up", "photo.php.xyz", "photo.xyz"),
        ("image/x-made-up", "photo v1.2", "photo v1.2.bin"),
    ];

    for (mime, before, after) in cases {
        let url = Url::parse("http://source.example/").unwrap().join(before).unwrap();
        assert_eq!(choose_name(None, &url, &url, &known_by_header(mime)).as_str(), after, "{mime} {before}");
    }
}

#[test]
fn the_first_place_that_gives_a_name_gives_it() {
    let png = judge(sniff(samples::PNG.bytes, true), None).unwrap();
    let url = |text: &str| Url::parse(text).unwrap();
    let (asked, answered, nameless) =
        (url("http://a.example/asked"), url("http://b.example/answered"), url("http://a.example/x/"));
    let chosen = |header: Option<&str>, first: &Url, last: &Url| {
        choose_name(header.map(str::as_bytes), first, last, &png).as_str().to_owned()
    };

    assert_eq!(chosen(Some("attachment; filename=given"), &asked, &answered), "given.png");
    assert_eq!(chosen(Some("attachment"), &asked, &answered), "asked.png");
    assert_eq!(chosen(Some("attachment; filename=\"\""), &asked, &answered), "asked.png");
    assert_eq!(chosen(Some("attachment; filename*=UTF-8''%2F; filename=\"..\""), &asked, &answered), "asked.png");
    assert_eq!(chosen(None, &nameless, &answered), "answered.png");
    assert_eq!(chosen(None, &nameless, &nameless), "media.png");
}

#[test]
fn escapes_are_decoded_once_and_leniently() {
    let cases = [
        ("/a%20b.png", "a b.png"),
        ("/a%2520b.png", "a%20b.png"),
        ("/%E5%86%99.png", "写.png"),
        ("/M%FCnchen.png", "München.png"),
        ("/100%.png", "100%.png"),
        ("/%zz%4.png", "%zz%4.png"),
        ("/o/images%2Fcat.png?alt=media", "cat.png"),
        ("/..%2F..%2Fetc%2Fpasswd", "passwd.png"),
        ("/..%5c..%5cboot.ini", "boot.ini.png"),
    ];

    for (path, name) in cases {
        assert_eq!(name_from_url(path, samples::PNG.bytes).as_str(), name, "{path}");
    }
}

#[test]
fn a_long_name_is_cut_between_letters_and_keeps_its_extension() {
    let cases = [
        ("a".repeat(300) + ".png", 120),
        ("写".repeat(100) + ".jpeg", 118),
        ("é".repeat(100), 120),
        ("a".repeat(115) + "...   " + &"b".repeat(50) + ".png", 119),
        ("a".repeat(112) + ".php" + &"b".repeat(50) + ".png", 116),
    ];

    for (long, size) in cases {
        let name = hosted(&long, samples::PNG.bytes);
        assert!(name.len() <= MAX_NAME_BYTES && name.ends_with(".png"), "{name}");
        assert_eq!(name.len(), size, "{name}");
        assert_eq!(hosted(&name, samples::PNG.bytes), name);
    }
}

/// Rule F2.
#[test]
fn hostile_names_become_harmless_ones() {
    let cases = [
        ("../../../etc/passwd", "passwd.png"),
        ("..\\..\\windows\\system.ini", "system.ini.png"),
        ("/etc/cron.d/job", "job.png"),
        ("C:\\Users\\x\\cat.png", "cat.png"),
        ("a\0b.png", "ab.png"),
        ("a\r\nSet-Cookie: b=c.png", "aSet-Cookie: b=c.png"),
        ("a\u{85}\u{9f}\u{7f}b.png", "ab.png"),
        ("a\u{2028}b\u{2029}.png", "ab.png"),
        ("\u{202E}gnp.exe", "gnp.png"),
        ("a\u{2066}b\u{2069}\u{200E}\u{200F}\u{61C}.png", "ab.png"),
        ("\u{FEFF}cat.png", "cat.png"),
        (".htaccess", "htaccess.png"),
        ("...hidden.png", "hidden.png"),
        ("cat.png. . .", "cat.png"),
        ("cat.png ", "cat.png"),
        ("  . cat.png", "cat.png"),
        ("con", "_con.png"),
        ("CON.png", "_CON.png"),
        ("aux.tar.png", "_aux.tar.png"),
        ("nul .png", "_nul.png"),
        ("COM1.png", "_COM1.png"),
        ("com¹.png", "_com¹.png"),
        ("LPT³", "_LPT³.png"),
        ("con.php.png", "_con.png"),
        ("shell.php", "shell.png"),
        ("shell.PhP5", "shell.png"),
        ("shell.php.png", "shell.png"),
        ("shell.php.jpg", "shell.png"),
        ("page.html", "page.png"),
        ("page.svgz", "page.png"),
        ("setup.exe", "setup.png"),
        ("script.js", "script.png"),
        ("shell.php\0.png", "shell.png"),
        ("shell.php\u{202E}", "shell.png"),
        ("shell.php. .", "shell.png"),
        ("\u{1F468}\u{200D}\u{1F469}.png", "\u{1F468}\u{200D}\u{1F469}.png"),
        ("می\u{200C}خواهم.png", "می\u{200C}خواهم.png"),
        ("\u{212B}ngstrom.png", "\u{c5}ngstrom.png"),
    ];

    for (hostile, harmless) in cases {
        assert_eq!(hosted(hostile, samples::PNG.bytes), harmless, "{hostile:?}");
    }
}

/// Names as strangers make them: letters of all planes, pieces that are dangerous, and the bytes of neither.
fn any_name() -> impl Strategy<Value = String> {
    let piece = proptest::prop_oneof![
        4 => any::<String>(),
        1 => proptest::sample::select(vec![
            "..", "/", "\\", ".php", ".png", "con", "COM¹", "%2F", "%", "+", "\u{202E}", "\u{FEFF}", "\0", "\r\n", "e\u{301}", "é", "\"",
            ";", "filename=", " ", ".", "\u{200D}", "\u{1F468}", "写", "\u{AC00}\u{11A8}", "\u{340}", "\u{37E}",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// `%C3` as `%c3`.
fn with_lower_case_escapes(segment: &str) -> String {
    let mut parts = segment.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |spelt, part| format!("{spelt}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

proptest! {
    /// Rule F1.
    #[test]
    fn any_name_survives_the_round_trip_through_the_url(name in any_name(), sample in proptest::sample::select(samples::MEDIA)) {
        let hosted = hosted(&name, sample.bytes);
        let segment = encode_segment(&hosted);
        let url = Url::parse(&format!("https://storage.example/media/0123456789abcdef/{segment}")).unwrap();
        let lower_case = with_lower_case_escapes(&segment);
        let decomposed: String = hosted.nfd().collect();

        prop_assert_eq!(url.path_segments().unwrap().collect::<Vec<_>>(), ["media", "0123456789abcdef", &segment]);
        prop_assert!(url.query().is_none() && url.fragment().is_none());
        prop_assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        for spelling in [segment.as_bytes(), lower_case.as_bytes(), encode_segment(&decomposed).as_bytes()] {
            prop_assert!(names_match(&hosted, spelling), "{:?}", spelling.escape_ascii());
        }
        prop_assert!(!names_match(&hosted, &[segment.as_bytes(), b"x"].concat()));
        prop_assert!(!names_match(&hosted, &segment.as_bytes()[1..]));
    }

    #[test]
    fn every_hosted_name_is_safe_and_stays_so(name in any_name(), sample in proptest::sample::select(samples::MEDIA)) {
        const BYTE_ORDER_MARK: char = '\u{FEFF}';
        let hosted = hosted(&name, sample.bytes);
        let again = name_from_header(content_disposition("attachment", &hosted), sample.bytes);

        prop_assert_eq!(again.as_str(), &hosted);
        prop_assert!(is_nfc(&hosted) && hosted.len() <= MAX_NAME_BYTES);
        prop_assert!(!hosted.contains(['/', '\\', BYTE_ORDER_MARK]) && !hosted.contains(char::is_control));
        prop_assert!(!hosted.starts_with('.') && !hosted.ends_with(['.', ' ']));
        let (stem, extension) = hosted.rsplit_once('.').unwrap();
        prop_assert!(!stem.is_empty() && (1..=5).contains(&extension.len()));
    }

    /// Rule F3.
    #[test]
    fn a_name_cannot_add_a_header_or_a_parameter(name in any::<String>()) {
        let header = content_disposition("inline", &name);

        let (kind, rest) = header.split_once("; filename=\"").unwrap();
        let (fallback, extended) = rest.split_once("\"; filename*=UTF-8''").unwrap();
        prop_assert_eq!(kind, "inline");
        prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert!(!fallback.contains(['"', '\\', '%']));
        prop_assert!(extended.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        prop_assert_eq!(percent_encoding::percent_decode_str(extended).decode_utf8().unwrap(), name);
    }

    #[test]
    fn no_header_and_no_url_of_a_source_panics(header in any::<Vec<u8>>(), path in any::<String>()) {
        name_from_header(&header, samples::PNG.bytes);
        name_from_header([b"attachment; filename*=".as_slice(), &header].concat(), samples::PNG.bytes);
        let mut url = Url::parse("http://source.example/").unwrap();
        url.set_path(&path);
        name_from_url(url.as_str(), samples::PNG.bytes);
    }
}
