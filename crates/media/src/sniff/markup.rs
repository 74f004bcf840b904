//! Markup: HTML (WHATWG MIME Sniffing §7.1), SVG and other XML, told apart by the first element behind blanks, the XML
//! declaration, processing instructions, comments and the document type with its internal subset (XML 1.0 §2.8).

pub(super) const HTML: &str = "text/html";
pub(super) const XHTML: &str = "application/xhtml+xml";
pub(super) const SVG: &str = "image/svg+xml";
pub(super) const XML: &str = "text/xml";

/// Elements by which a page without a document type begins: the standard's, and some that are as common.
const PAGE_ELEMENTS: &[&str] = &[
    "html", "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "body", "br", "p",
    "base", "basefont", "button", "center", "form", "frameset", "h2", "h3", "hr", "i", "img", "input", "li", "link",
    "main", "meta", "nav", "noscript", "object", "embed", "ol", "pre", "section", "span", "strong", "template",
    "textarea", "ul", "video", "audio", "header", "footer", "article",
];

/// Root elements of XML that has a type of its own.
const ROOTS: &[(&str, &str)] = &[
    ("svg", SVG),
    ("MPD", "application/dash+xml"),
    ("playlist", "application/xspf+xml"),
    ("smil", "application/smil+xml"),
    ("asx", "audio/x-ms-asx"),
    ("ASX", "audio/x-ms-asx"),
    ("Asx", "audio/x-ms-asx"),
    ("SmoothStreamingMedia", "application/vnd.ms-sstr+xml"),
    ("rss", "application/rss+xml"),
    ("feed", "application/atom+xml"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("math", "application/mathml+xml"),
];

/// What was seen in front of the first element.
#[derive(Default)]
struct Prolog {
    has_declaration: bool,
    has_comment: bool,
}

/// The type of a text that begins with markup.
pub(super) fn detect(letters: &[u8]) -> Option<&'static str> {
    let mut prolog = Prolog::default();
    let mut rest = letters.trim_ascii_start();
    loop {
        if let Some(instruction) = rest.strip_prefix(b"<?") {
            if instruction.starts_with(b"php") || instruction.starts_with(b"=") {
                return None;
            }
            prolog.has_declaration |= instruction.starts_with(b"xml");
            rest = match after(instruction, b"?>") {
                Some(rest) => rest,
                None => return unfinished(&prolog),
            };
        } else if let Some(comment) = rest.strip_prefix(b"<!--") {
            prolog.has_comment = true;
            rest = match after(comment, b"-->") {
                Some(rest) => rest,
                None => return unfinished(&prolog),
            };
        } else if let Some(doctype) = strip_word(rest, b"<!doctype") {
            if let Some(page) = page_by_doctype(doctype, &prolog) {
                return Some(page);
            }
            rest = match after_doctype(doctype) {
                Some(rest) => rest,
                None => return Some(XML),
            };
        } else if let Some(element) = rest.strip_prefix(b"<") {
            return by_element(element, &prolog);
        } else {
            return unfinished(&prolog);
        }
        rest = rest.trim_ascii_start();
    }
}

/// No element came: XML if it says so, else a comment at the begin is a page to the standard.
fn unfinished(prolog: &Prolog) -> Option<&'static str> {
    match prolog {
        Prolog { has_declaration: true, .. } => Some(XML),
        Prolog { has_comment: true, .. } => Some(HTML),
        Prolog { .. } => None,
    }
}

fn page_by_doctype(doctype: &[u8], prolog: &Prolog) -> Option<&'static str> {
    let name = doctype.trim_ascii_start();
    let is_page = strip_word(name, b"html").is_some_and(|rest| rest.first().is_none_or(|&next| !is_name_byte(next)));
    is_page.then_some(if prolog.has_declaration { XHTML } else { HTML })
}

fn by_element(element: &[u8], prolog: &Prolog) -> Option<&'static str> {
    let length = element.iter().position(|&byte| !is_name_byte(byte)).unwrap_or(element.len());
    let (name, rest) = element.split_at(length);
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))?;
    let ends = rest.first().is_none_or(|&byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    if !ends {
        return prolog.has_declaration.then_some(XML);
    }
    let local = name.rsplit(':').next().unwrap_or(name);
    if PAGE_ELEMENTS.iter().any(|page| page.eq_ignore_ascii_case(name)) {
        let is_xml = prolog.has_declaration && name == "html";
        return Some(if is_xml { XHTML } else { HTML });
    }
    Some(ROOTS.iter().find(|(root, _)| *root == local).map_or(XML, |(_, mime)| mime))
}

/// Skips a document type: literals may hold `>` and `]`, the internal subset holds declarations, comments and
/// instructions, which may hold quotes of their own.
fn after_doctype(doctype: &[u8]) -> Option<&[u8]> {
    let mut rest = doctype;
    let mut in_subset = false;
    loop {
        let &first = rest.first()?;
        rest = match first {
            b'"' | b'\'' => after(&rest[1..], &[first])?,
            b'<' if rest.starts_with(b"<!--") => after(&rest[4..], b"-->")?,
            b'<' if rest.starts_with(b"<?") => after(&rest[2..], b"?>")?,
            b'[' => {
                in_subset = true;
                &rest[1..]
            }
            b']' => {
                in_subset = false;
                &rest[1..]
            }
            b'>' if !in_subset => return Some(&rest[1..]),
            _ => &rest[1..],
        };
    }
}

/// What follows the first occurrence of `end`.
fn after<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some(&bytes[at + end.len()..])
}

fn strip_word<'a>(bytes: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::{HTML, SVG, XHTML, XML, detect};

    #[test]
    fn the_first_element_decides() {
        let cases = [
            ("<svg viewBox='0 0 1 1'/>", Some(SVG)),
            ("<svg>", Some(SVG)),
            ("<svg/>", Some(SVG)),
            ("<svg\nxmlns='x'>", Some(SVG)),
            ("  \r\n\t<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", Some(SVG)),
            ("<?xml version='1.0'?><!-- a > b --><svg>", Some(SVG)),
            ("<!-- Generator: x --><svg >", Some(SVG)),
            ("<?xml version='1.0'?><?xml-stylesheet href='a>b'?><svg >", Some(SVG)),
            ("<?xml version='1.0'?>\n<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" 'svg11.dtd'>\n<svg >", Some(SVG)),
            (
                "<!DOCTYPE svg [<!ENTITY a \"]>\"><!-- ]> ' --><?p ]> ?><!ATTLIST svg b CDATA #IMPLIED>]><svg >",
                Some(SVG),
            ),
            ("<svgz>", Some(XML)),
            ("<!DOCTYPE html><svg>", Some(HTML)),
            ("<!doctype HTML PUBLIC 'x'>", Some(HTML)),
            ("<!-- a comment first --><html>", Some(HTML)),
            ("<!-- only a comment", Some(HTML)),
            ("<HTML lang=en>", Some(HTML)),
            ("<body>", Some(HTML)),
            ("<b>words</b>", Some(HTML)),
            ("<a href=x>", Some(HTML)),
            ("<?xml version='1.0'?><!DOCTYPE html PUBLIC 'XHTML'><html>", Some(XHTML)),
            ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", Some(XHTML)),
            ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Some(XML)),
            ("<?xml version='1.0'?>", Some(XML)),
            ("<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", Some("application/dash+xml")),
            ("<playlist version='1'>", Some("application/xspf+xml")),
            ("<asx version='3.0'>", Some("audio/x-ms-asx")),
            ("<rss version='2.0'>", Some("application/rss+xml")),
            ("<3 this", None),
            ("< svg>", None),
            ("words <svg>", None),
            ("<?php echo '<svg>';", None),
            ("", None),
        ];

        for (text, mime) in cases {
            assert_eq!(detect(text.as_bytes()), mime, "{text}");
        }
    }

    #[test]
    fn a_prolog_without_an_end_is_read_in_linear_time() {
        for unit in ["<!--", "<?x ", "<!DOCTYPE svg [", "<!-- -->", "\"", "<"] {
            let long = unit.repeat(64 * 1024 / unit.len());
            let in_doctype = format!("<!DOCTYPE svg [{long}");

            assert_ne!(detect(long.as_bytes()), Some(SVG));
            assert_ne!(detect(in_doctype.as_bytes()), Some(SVG));
        }
    }
}
