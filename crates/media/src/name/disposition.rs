//! The `Content-Disposition` header (RFC 6266): read leniently from sources, written strictly to clients (rule F3).

use std::borrow::Cow;

use encoding_rs::Encoding;
use percent_encoding::{percent_decode, utf8_percent_encode};

use super::segment::RESERVED;
use super::text;

/// Parameters of one header that are looked at.
const MOST_PARAMETERS: usize = 32;

/// The names that a header gives: `filename*`, then `filename`.
pub(super) fn names(header: &[u8]) -> impl Iterator<Item = String> {
    let (mut extended, mut plain) = (None, None);
    for (name, value) in Parameters(header).take(MOST_PARAMETERS) {
        match name.as_slice() {
            b"filename*" if extended.is_none() => extended = extended_value(&value),
            b"filename" if plain.is_none() => plain = Some(text(&value)),
            _ => {}
        }
    }
    extended.into_iter().chain(plain)
}

/// The parameters of a header, names in lower case. The disposition type, wherever it stands, is none.
struct Parameters<'a>(&'a [u8]);

impl Iterator for Parameters<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        while !self.0.is_empty() {
            let end = self.0.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(self.0.len());
            let (name, rest) = self.0.split_at(end);
            if let Some(rest) = rest.strip_prefix(b"=") {
                let (value, rest) = value(rest.trim_ascii_start());
                self.0 = rest;
                return Some((name.trim_ascii().to_ascii_lowercase(), value));
            }
            self.0 = rest.get(1..).unwrap_or_default();
        }
        None
    }
}

/// A value and what follows its semicolon. One without quotes may hold blanks: senders forget the quotes.
fn value(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let (value, rest) = quoted_value(quoted);
            let next = rest.iter().position(|&byte| byte == b';').map_or(rest.len(), |at| at + 1);
            (value, &rest[next..])
        }
        None => {
            let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
            (rest[..end].trim_ascii().to_vec(), rest.get(end + 1..).unwrap_or_default())
        }
    }
}

/// What stands between quotes (RFC 9110 §5.6.4). A missing end quote is the end of the header; in the path of a Windows
/// disk a backslash is no escape.
fn quoted_value(quoted: &[u8]) -> (Vec<u8>, &[u8]) {
    let is_windows_path = matches!(quoted, [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic());
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(&byte) = quoted.get(at) {
        match byte {
            b'"' => return (value, &quoted[at + 1..]),
            b'\\' if !is_windows_path => {
                at += 1;
                value.extend(quoted.get(at));
            }
            _ => value.push(byte),
        }
        at += 1;
    }
    (value, &[])
}

/// A value with a charset (RFC 8187 §3.2): `charset'language'percent-encoded`. Nothing, if it cannot be read: an unknown
/// charset, or bytes that it does not have.
fn extended_value(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |&byte| byte == b'\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    // The standard's label of Latin-1 means windows-1252 to browsers, which fills a gap and changes nothing else.
    let encoding = Encoding::for_label_no_replacement(charset)?;
    encoding.decode_without_bom_handling_and_without_replacement(&bytes).map(Cow::into_owned)
}

/// Writes the header: `inline` or `attachment`, the name in ASCII for old readers, and the name itself. In the first, `%`
/// is replaced too, because some readers decode it (RFC 6266 appendix D).
#[must_use]
pub fn content_disposition(kind: &str, name: &str) -> String {
    let fallback: String = name
        .chars()
        .map(|letter| if matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\' | '%') { letter } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(name, RESERVED);
    format!("{kind}; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::{content_disposition, names};

    #[test]
    fn every_order_case_and_bad_habit_is_understood() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"attachment; filename=\"cat.png\"", &["cat.png"]),
            (b"inline;filename=cat.png;", &["cat.png"]),
            (b"ATTACHMENT;\tFILENAME = \"cat.png\" ; ;", &["cat.png"]),
            (b"attachment; filename=a.png; filename*=UTF-8''b%20c.png", &["b c.png", "a.png"]),
            (b"attachment; filename*=utf-8'de'%C3%A4.png; filename=\"a.png\"", &["ä.png", "a.png"]),
            (b"attachment; filename*=ISO-8859-1''%e4.png", &["ä.png"]),
            (b"attachment; filename*=GBK''%d5%d5%c6%ac.png; filename=a.png", &["照片.png", "a.png"]),
            (b"attachment; filename*=Shift_JIS'ja'%8e%ca%90%5e.png", &["写真.png"]),
            (b"attachment; filename*=windows-1251''%f4%ee%f2%ee.png", &["фото.png"]),
            (b"attachment; filename*=GBK''%ff%ff.png; filename=a.png", &["a.png"]),
            (b"attachment; filename*=utf-7''+AGE-.png; filename=a.png", &["a.png"]),
            (b"attachment; filename*=UTF-8''%ff.png; filename=a.png", &["a.png"]),
            (b"attachment; filename*=b.png; filename=a.png", &["a.png"]),
            (b"attachment; filename*=\"UTF-8''b.png\"", &["b.png"]),
            (b"filename=a.png", &["a.png"]),
            (b"filename=\"a.png\"; attachment", &["a.png"]),
            (b"attachment; filename=my cat; size=3", &["my cat"]),
            (b"attachment; filename=\"a;b=c.png\"", &["a;b=c.png"]),
            (b"attachment; filename=\"a\\\"b\\\\c\\d.png\"", &["a\"b\\cd.png"]),
            (b"attachment; filename=\"C:\\new\\cat.png\"", &["C:\\new\\cat.png"]),
            (b"attachment; filename=\"no end", &["no end"]),
            (b"attachment; filename=\"end in escape\\", &["end in escape"]),
            (b"attachment; filename=\"50%41.png\"", &["50%41.png"]),
            (b"attachment; filename=first.png; filename=second.png", &["first.png"]),
            (b"attachment; name=\"x; filename=y\"; filename=z", &["z"]),
            ("attachment; filename=\"Документ.png\"".as_bytes(), &["Документ.png"]),
            (b"attachment; filename=\"Gr\xfc\xdfe.png\"", &["Grüße.png"]),
            (b"attachment", &[]),
            (b"attachment; filename", &[]),
            (b";;;===;", &[]),
            (b"", &[]),
        ];

        for (header, found) in cases {
            let names: Vec<String> = names(header).collect();
            assert_eq!(names, *found, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn the_written_header_has_a_plain_and_a_true_name() {
        assert_eq!(
            content_disposition("inline", "Ünï \"写\" 5%\\.jpg"),
            "inline; filename=\"_n_ ___ 5__.jpg\"; filename*=UTF-8''%C3%9Cn%C3%AF%20%22%E5%86%99%22%205%25%5C.jpg"
        );
        assert_eq!(
            content_disposition("attachment", "a.svg"),
            "attachment; filename=\"a.svg\"; filename*=UTF-8''a.svg"
        );
    }
}
