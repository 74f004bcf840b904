//! Escaping what could forge a line of the log or play with the terminal that shows it: control characters, and the
//! signs that reverse the direction of writing.

use std::fmt::{self, Write};
use std::io;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Whether a character changes more than the cell it stands in.
fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with every unruly character escaped, for a log line or a terminal.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    Escaping(&mut line).write_str(text).expect("a string takes everything");
    line
}

/// A writer that escapes every unruly character on its way to another.
pub(super) struct Escaping<'a, W>(pub(super) &'a mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unruly) {
            let unruly = rest[at..].chars().next().expect("a character was found there");
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", unruly.escape_default())?;
            rest = &rest[at + unruly.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// A maker of writers for JSON lines, whose strings keep raw what JSON itself does not ask to be escaped.
pub(super) struct EscapedJson<W>(pub(super) W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for EscapedJson<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        JsonLine(self.0.make_writer_for(meta))
    }
}

/// Writes whole JSON lines.
pub(super) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_harmless = |byte: &u8| byte.is_ascii() && *byte != 0x7f;
        if bytes.iter().all(is_harmless) {
            return self.0.write_all(bytes);
        }
        let mut line = String::with_capacity(bytes.len() + 16);
        for c in String::from_utf8_lossy(bytes).chars() {
            // Only strings hold such characters; the line break at the end is JSON's own.
            if is_unruly(c) && c != '\n' {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            } else {
                line.push(c);
            }
        }
        self.0.write_all(line.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
