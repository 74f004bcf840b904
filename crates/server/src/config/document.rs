//! Reading settings documents: TOML text to a flat list of named texts, each with its line. `config.default.toml` is
//! compiled in and is both the defaults and the words of `--help`.

use std::collections::HashMap;
use std::sync::LazyLock;

use toml::de::{DeTable, DeValue};

/// The default document itself.
pub const DEFAULT_DOCUMENT: &str = include_str!("../../../../config.default.toml");

/// One `key = value` of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// `section.key`, or `key` alone at the top.
    pub(super) name: String,
    /// The value as a variable or a flag would say it.
    pub(super) text: String,
    pub(super) line: usize,
}

/// Why a document could not be read.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct NotToml {
    pub(super) line: usize,
    pub(super) why: String,
}

/// The settings that a TOML text gives, in the order of its lines.
pub(super) fn entries(document: &str) -> Result<Vec<Entry>, NotToml> {
    let line_at = |offset: usize| document[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(document).map_err(|error| NotToml {
        line: line_at(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;

    let mut entries = Vec::new();
    flatten("", table.get_ref(), &line_at, &mut entries);
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn flatten(prefix: &str, table: &DeTable<'_>, line_at: &dyn Fn(usize) -> usize, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(&format!("{name}."), inner, line_at, entries),
            value => entries.push(Entry { text: text_of(value), line: line_at(key.span().start), name }),
        }
    }
}

/// A TOML value as a variable or a flag would say it.
fn text_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(items) => items.iter().map(|item| text_of(item.get_ref())).collect::<Vec<_>>().join(","),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// What the default document says of one setting.
#[derive(Debug)]
pub(super) struct Documented {
    pub(super) default: String,
    /// The comment above it, as one paragraph.
    pub(super) about: String,
}

/// The default document, by name of the setting.
pub(super) static DOCUMENTED: LazyLock<HashMap<String, Documented>> = LazyLock::new(|| {
    let lines: Vec<&str> = DEFAULT_DOCUMENT.lines().collect();
    entries(DEFAULT_DOCUMENT)
        .expect("the default document is TOML: a test reads it")
        .into_iter()
        .map(|entry| (entry.name, Documented { default: entry.text, about: comment_above(&lines, entry.line) }))
        .collect()
});

/// The block of comment lines right above the line of that number.
fn comment_above(lines: &[&str], line: usize) -> String {
    let above = &lines[..line - 1];
    let start = above.iter().rposition(|line| !line.starts_with('#')).map_or(0, |last| last + 1);
    let words: Vec<&str> = above[start..].iter().map(|line| line.trim_start_matches('#').trim()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Vec<(String, String, usize)> {
        entries(document).unwrap().into_iter().map(|entry| (entry.name, entry.text, entry.line)).collect()
    }

    #[test]
    fn every_form_of_a_value_becomes_the_text_a_variable_would_have() {
        let document = "listen = \"[::]:80\"\n\n[fetch]\nmax_bytes = 1_024\ntries = 0x10\nallow_ports = [80, 443]\n\
                        [rate_limit]\nenabled = false\nodd = 1.5\n[empty]\n";

        assert_eq!(
            texts(document),
            [
                ("listen".into(), "[::]:80".into(), 1),
                ("fetch.max_bytes".into(), "1024".into(), 4),
                ("fetch.tries".into(), "16".into(), 5),
                ("fetch.allow_ports".into(), "80,443".into(), 6),
                ("rate_limit.enabled".into(), "false".into(), 8),
                ("rate_limit.odd".into(), "1.5".into(), 9),
                ("empty".into(), "a table".into(), 10),
            ]
        );
    }

    #[test]
    fn a_document_that_is_no_toml_is_refused_with_its_line() {
        let refused = entries("listen = \"a\"\n[fetch]\nmax_bytes = \n").unwrap_err();

        assert_eq!(refused.line, 3);
        assert_ne!(refused.why, "");
    }

    #[test]
    fn the_comment_above_a_setting_is_its_description() {
        assert_eq!(DOCUMENTED["fetch.max_bytes"].default, "5GiB");
        assert_eq!(
            DOCUMENTED["listen"].about,
            "The address and port to listen on. Port 0 picks a free one and the start says which."
        );
    }
}
