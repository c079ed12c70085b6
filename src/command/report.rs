//! What `stat` and `probe` print: named values, lists and groups, as JSON or as a page for a person, from one description.
//!
//! Knows how both forms are written. Must never know what is reported. The page lays pairs out in columns, and writes what is nested
//! twice (a format of a list, a stage's latencies) as one line.

use core::fmt::{self, Display, Write};

use crate::command::output::Output;
use crate::error::Failure;

/// Distance between the page's columns; the longest counter's name and nine digits fit.
const COLUMN: usize = 36;
/// No column begins behind this one: three to a line.
const LAST_COLUMN: usize = 2 * COLUMN;
/// The depth from which on things stand in one line.
const LINE: usize = 3;

/// One report after the other. Keeps a failure to write for `finish`, so that those who describe need not care.
#[derive(Debug)]
pub(super) struct Report {
    output: Output,
    json: bool,
    /// JSON: something stands before in this group.
    comma: bool,
    /// Groups and lists that are open.
    depth: usize,
    /// Page: bytes written in this line.
    column: usize,
}

impl Report {
    /// Reports on standard output.
    pub(super) fn new(json: bool) -> Self {
        Self {
            output: Output::stdout(),
            json,
            comma: false,
            depth: 0,
            column: 0,
        }
    }

    /// Begins a group (`'{'`) or a list (`'['`); what stands in a list, and a whole report, has an empty name.
    #[inline(never)]
    pub(super) fn open(&mut self, name: &str, bracket: char) {
        if self.json {
            self.name(name);
            self.put_char(bracket);
        } else if self.depth > 0 {
            self.begin_line();
            self.put(name);
            if !name.is_empty() {
                self.put(":");
            }
        }
        self.comma = false;
        self.depth += 1;
        if self.depth < LINE {
            self.end_line();
        }
    }

    /// Ends the innermost group (`'}'`) or list (`']'`); the outermost is a report's end.
    #[inline(never)]
    pub(super) fn close(&mut self, bracket: char) {
        self.depth -= 1;
        if self.json {
            self.put_char(bracket);
        }
        self.comma = self.depth > 0;
        self.end_line();
        if self.depth == 0 {
            self.put("\n");
            self.column = 0;
        }
    }

    /// A value: a quoted one is a string, any other one must be what JSON calls a number or a boolean.
    #[inline(never)]
    pub(super) fn value(&mut self, name: &str, quoted: bool, value: &dyn Display) {
        let quote = if self.json && quoted { "\"" } else { "" };
        self.name(name);
        self.put(quote);
        // Writing never fails.
        let _ = write!(self, "{value}");
        self.put(quote);
    }

    /// A string.
    pub(super) fn text(&mut self, name: &str, value: &dyn Display) {
        self.value(name, true, value);
    }

    /// Numbers, and their names with spaces between.
    #[inline(never)]
    pub(super) fn numbers(&mut self, names: &str, values: &[i64]) {
        for (name, value) in names.split(' ').zip(values) {
            self.value(name, false, value);
        }
    }

    /// A line for persons only, between reports.
    pub(super) fn remark(&mut self, line: &dyn Display) {
        if !self.json {
            let _ = writeln!(self.output, "{line}");
        }
    }

    /// Everything is written, or an error tells that it is not.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.output.finish()
    }

    fn name(&mut self, name: &str) {
        if self.json {
            if self.comma {
                self.put(",");
            }
            self.comma = true;
            if !name.is_empty() {
                self.put("\"");
                self.put(name);
                self.put("\":");
            }
            return;
        }
        if self.depth >= LINE {
            self.put(" ");
            self.put(name);
            self.put("=");
            return;
        }
        if self.column >= LAST_COLUMN {
            self.end_line();
        }
        if self.column == 0 {
            self.begin_line();
        } else {
            self.put(" ");
            while !self.column.is_multiple_of(COLUMN) {
                self.put(" ");
            }
        }
        self.put(name);
        self.put(": ");
    }

    fn begin_line(&mut self) {
        self.end_line();
        if self.depth > 1 {
            self.put("  ");
        }
    }

    fn end_line(&mut self) {
        if self.column > 0 && !self.json {
            self.put("\n");
            self.column = 0;
        }
    }

    #[inline(never)]
    fn put(&mut self, text: &str) {
        self.column += text.len();
        // The output keeps its error.
        let _ = self.output.write_str(text);
    }

    fn put_char(&mut self, character: char) {
        self.put(character.encode_utf8(&mut [0; 4]));
    }
}

/// Writes a value as it stands between a JSON string's quotes. The page has the same escapes: a driver's name must not reach the terminal
/// as control characters.
impl Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                // No control character has more than eight bits.
                write!(self.output, "\\u{:04x}", u32::from(character))?;
                continue;
            }
            if matches!(character, '"' | '\\') {
                self.put("\\");
            }
            self.put_char(character);
        }
        Ok(())
    }
}
