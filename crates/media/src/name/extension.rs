//! Gives a clean name the extension of its type (contract §5): platforms go by it, and some servers run what it names.

use super::MAX_NAME_BYTES;
use super::safe::{is_device, trim};
use crate::format::is_media_extension;
use crate::verdict::Typed;

/// The extension of bytes that nobody knows and whose type has none.
const ANY: &str = "bin";

/// Extensions that some server runs, even in front of another one.
const RUN_BY_SERVERS: &[&str] = &[
    "php", "php2", "php3", "php4", "php5", "php6", "php7", "php8", "phps", "phtml", "pht", "phpt", "phar", "hphp",
    "ctp", "asp", "aspx", "asa", "asax", "ascx", "ashx", "asmx", "axd", "cer", "cshtml", "vbhtml", "htaccess", "jsp",
    "jspx", "jspf", "jsw", "jsv", "jhtml", "cgi", "fcgi", "pl", "pm", "py", "pyc", "pyo", "wsgi", "rb", "erb", "sh",
    "bash", "zsh", "csh", "ksh", "fish", "lua", "tcl", "cfm", "cfml", "cfc", "dbm", "shtml", "shtm", "stm", "ssi",
    "nsf", "yaws", "esp",
];

/// Extensions of pages and of what runs in a browser or on a desk.
const OF_PAGES_AND_PROGRAMS: &[&str] = &[
    "do", "action", "inc", "config", "html", "htm", "xhtml", "xht", "mht", "mhtml", "xml", "xsl", "xslt", "xsd", "rss",
    "atom", "json", "jsonp", "json5", "jsonld", "js", "mjs", "cjs", "jse", "jsx", "tsx", "css", "wasm", "swf", "svg",
    "svgz", "hta", "htc", "vbs", "vbe", "vb", "wsf", "wsh", "wsc", "sct", "exe", "com", "scr", "msi", "msp", "mst",
    "dll", "sys", "cpl", "ocx", "drv", "bat", "cmd", "btm", "ps1", "psm1", "psd1", "jar", "war", "ear", "class",
    "jnlp", "apk", "aab", "ipa", "xap", "appx", "msix", "dmg", "pkg", "mpkg", "deb", "rpm", "appimage", "elf", "so",
    "dylib", "lnk", "url", "webloc", "desktop", "reg", "inf", "pif", "gadget", "command", "scf", "chm", "hlp", "crx",
    "xpi", "docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam", "ppsm", "appcache", "eml",
];

/// The name with an extension that fits, at most [`MAX_NAME_BYTES`] long and no device's. `name` is clean and not empty.
pub(super) fn fit(name: &str, typed: &Typed) -> String {
    let (stem, extension) = divide(name, typed);
    let mut stem = without_server_extensions(stem).to_owned();
    if is_device(&stem) {
        stem.insert(0, '_');
    }
    let room = MAX_NAME_BYTES - 1 - extension.len();
    if stem.len() > room {
        stem.truncate(stem.floor_char_boundary(room));
        stem = without_server_extensions(trim_cut(&stem)).to_owned();
    }
    format!("{stem}.{extension}")
}

/// Divides a name into what stays in front and the extension it shall have: an accepted one stays, those of other media,
/// pages and programs give way, anything else is part of the name.
fn divide<'a>(name: &'a str, typed: &Typed) -> (&'a str, &'a str) {
    let mut stem = name;
    while let Some((front, last)) = split_extension(stem) {
        if typed.accepts_extension(last) {
            return (front, last);
        }
        // A type without an extension of its own keeps whatever does no harm.
        if typed.extension().is_none() && stem == name && !is_harmful(last) && is_plain(last) {
            return (front, last);
        }
        if !is_harmful(last) && !is_media_extension(last) {
            break;
        }
        stem = front;
    }
    (stem, typed.extension().unwrap_or(ANY))
}

/// What is in front of the last dot, and what is behind it.
fn split_extension(name: &str) -> Option<(&str, &str)> {
    let (front, last) = name.rsplit_once('.')?;
    let front = trim(front);
    (!front.is_empty()).then_some((front, last))
}

fn without_server_extensions(stem: &str) -> &str {
    let mut stem = stem;
    while let Some((front, last)) = split_extension(stem)
        && is_one_of(RUN_BY_SERVERS, last)
    {
        stem = front;
    }
    stem
}

/// What a cut may leave behind: blanks, dots, half of a joined emoji.
fn trim_cut(stem: &str) -> &str {
    const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];
    stem.trim_end_matches(|letter: char| letter == '.' || letter.is_whitespace() || JOINERS.contains(&letter))
}

fn is_harmful(extension: &str) -> bool {
    is_one_of(RUN_BY_SERVERS, extension) || is_one_of(OF_PAGES_AND_PROGRAMS, extension)
}

/// Letters and digits, not digits alone: `v1.2` has no extension.
fn is_plain(extension: &str) -> bool {
    const LONGEST: usize = 10;
    (1..=LONGEST).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !extension.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_one_of(list: &[&str], extension: &str) -> bool {
    list.iter().any(|listed| listed.eq_ignore_ascii_case(extension))
}
