//! Where words and data go: data to stdout, words to stderr.

use std::io::{self, Write as _};

use serde_json::Value;

use super::CommandError;

/// Data: the text as it is.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(CommandError::Stdout)
}

/// Data: one JSON document, for people too.
pub(super) fn print_json(value: &Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

/// Words: one line.
pub(super) fn say(line: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Words: one line of warning.
pub(super) fn warn(line: &str) {
    say(&format!("warning: {line}"));
}

/// A list on its way to stdout, page by page: columns for people, or one JSON array.
pub(super) enum List {
    Columns { heads: &'static [&'static str], widths: Vec<usize>, is_begun: bool },
    Json { is_begun: bool },
}

impl List {
    /// A list with these heads, as JSON or not.
    pub(super) fn new(heads: &'static [&'static str], json: bool) -> List {
        if json {
            return List::Json { is_begun: false };
        }
        List::Columns { heads, widths: heads.iter().map(|head| head.chars().count()).collect(), is_begun: false }
    }

    /// Prints a page of rows: for each its cells and its JSON object.
    pub(super) fn rows(&mut self, rows: Vec<(Vec<String>, Value)>) -> Result<(), CommandError> {
        let mut text = String::new();
        match self {
            List::Json { is_begun } => {
                for (_, object) in rows {
                    text.push_str(if *is_begun { ",\n  " } else { "[\n  " });
                    text.push_str(&object.to_string());
                    *is_begun = true;
                }
            }
            List::Columns { heads, widths, is_begun } => {
                let rows: Vec<Vec<String>> =
                    rows.into_iter().map(|(cells, _)| cells.iter().map(|cell| one_line(cell)).collect()).collect();
                for row in &rows {
                    for (width, cell) in widths.iter_mut().zip(row) {
                        *width = (*width).max(cell.chars().count());
                    }
                }
                if !std::mem::replace(is_begun, true) {
                    push_row(&mut text, widths, heads.iter().copied());
                }
                for row in &rows {
                    push_row(&mut text, widths, row.iter().map(String::as_str));
                }
            }
        }
        print(&text)
    }

    /// Prints what ends the list.
    pub(super) fn end(mut self) -> Result<(), CommandError> {
        match &self {
            List::Columns { is_begun: false, .. } => self.rows(Vec::new()),
            List::Columns { .. } => Ok(()),
            List::Json { is_begun: false } => print("[]\n"),
            List::Json { is_begun: true } => print("\n]\n"),
        }
    }
}

fn push_row<'a>(text: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let mut line = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// A cell without what would break the line or play with the terminal; `-` where it is empty.
pub(super) fn one_line(cell: &str) -> String {
    if cell.is_empty() {
        return "-".to_owned();
    }
    crate::telemetry::escaped(cell)
}
