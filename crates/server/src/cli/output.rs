//! Where words and data go: data to stdout, words to stderr.

use std::io::{self, Write as _};

use super::CommandError;

/// Data: the text as it is.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(CommandError::Stdout)
}

/// Data: one JSON document, for people too.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
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
