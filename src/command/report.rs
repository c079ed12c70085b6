//! What `stat` and `probe` print: named values, lists and groups, as JSON or as a page for a person, from one description.
//!
//! Knows how both forms are written. Must never know what is reported. The page lays pairs out in columns, and writes what is nested
//! twice (a format of a list, a stage's latencies) as one line.

use core::fmt::{self, Display, Write};

use crate::command::output::Output;
use crate::command::stop::Stop;
use crate::error::Failure;
use crate::text::words;

/// Distance between the page's columns; the longest counter's name and nine digits fit.
const COLUMN: usize = 36;
/// No column begins behind this one: three to a line.
const LAST_COLUMN: usize = 2 * COLUMN;
/// The depth from which on things stand in one line.
const LINE: usize = 3;

/// One report after the other. Keeps a failure to write for `finish`, so that those who describe need not care.
#[derive(Debug)]
pub(super) struct Report<'a> {
    output: Output<'a>,
    json: bool,
    /// JSON: something stands before in this group.
    comma: bool,
    /// Groups and lists that are open.
    depth: usize,
    /// Page: bytes written in this line.
    column: usize,
}

impl<'a> Report<'a> {
    /// Reports on standard output.
    pub(super) fn new(json: bool, stop: &'a Stop) -> Self {
        Self {
            output: Output::stdout(stop),
            json,
            comma: false,
            depth: 0,
            column: 0,
        }
    }

    /// Begins a group (`'{'`) or a list (`'['`); what stands in a list, and a whole report, has an empty name.
    #[inline(never)]
    pub(super) fn open(&mut self, name: &str, bracket: u8) {
        if self.json {
            self.name(name.as_bytes());
            self.put(bracket);
        } else if self.depth > 0 {
            self.begin_line();
            if !name.is_empty() {
                self.escape(name.as_bytes());
                self.put(b':');
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
    pub(super) fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        if self.json {
            self.put(bracket);
        }
        self.comma = self.depth > 0;
        self.end_line();
        if self.depth == 0 {
            self.put(b'\n');
            self.column = 0;
        }
    }

    /// What JSON calls a number or a boolean.
    #[inline(never)]
    pub(super) fn value(&mut self, name: &[u8], value: &dyn Display) {
        self.name(name);
        // Writing never fails.
        let _ = write!(self, "{value}");
    }

    /// A string.
    #[inline(never)]
    pub(super) fn string(&mut self, name: &str, value: &dyn Display) {
        self.name(name.as_bytes());
        self.quote();
        let _ = write!(self, "{value}");
        self.quote();
    }

    /// A string of bytes: question marks for those that are not ASCII.
    #[inline(never)]
    pub(super) fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name.as_bytes());
        self.quote();
        self.escape(value);
        self.quote();
    }

    /// Numbers, and their names with spaces between: a table of names takes twice their length for their addresses alone.
    #[inline(never)]
    pub(super) fn numbers(&mut self, names: &str, values: &[i64]) {
        for (name, value) in words(names.as_bytes()).zip(values) {
            self.value(name, value);
        }
    }

    /// The same, and the page leaves those out that are zero.
    #[inline(never)]
    pub(super) fn not_zero(&mut self, names: &str, values: &[i64]) {
        for (name, value) in words(names.as_bytes()).zip(values) {
            if self.json || *value != 0 {
                self.value(name, value);
            }
        }
    }

    /// A line for persons only, between reports.
    pub(super) fn remark(&mut self, line: &dyn Display) {
        if !self.json {
            let _ = writeln!(self.output, "{line}");
        }
    }

    /// Everything is written, or an error says that it is not.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.output.finish()
    }

    #[inline(never)]
    fn name(&mut self, name: &[u8]) {
        if self.json {
            if self.comma {
                self.put(b',');
            }
            self.comma = true;
            if !name.is_empty() {
                self.quote();
                self.escape(name);
                self.quote();
                self.put(b':');
            }
            return;
        }
        let line = self.depth >= LINE;
        if !line && self.column >= LAST_COLUMN {
            self.end_line();
        }
        if self.column == 0 {
            self.begin_line();
        } else {
            self.put(b' ');
        }
        while !line && self.column > 2 && !self.column.is_multiple_of(COLUMN) {
            self.put(b' ');
        }
        self.escape(name);
        if line {
            self.put(b'=');
        } else {
            self.put(b':');
            self.put(b' ');
        }
    }

    fn begin_line(&mut self) {
        self.end_line();
        if self.depth > 1 {
            self.put(b' ');
            self.put(b' ');
        }
    }

    fn end_line(&mut self) {
        if self.column > 0 && !self.json {
            self.put(b'\n');
            self.column = 0;
        }
    }

    fn quote(&mut self) {
        if self.json {
            self.put(b'"');
        }
    }

    /// Writes what may stand between a JSON string's quotes. The page has the same escapes: a driver's name must not reach the terminal
    /// as control characters.
    #[inline(never)]
    fn escape(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte.is_ascii_control() {
                let _ = write!(self.output, "\\u{:04x}", u32::from(byte));
                continue;
            }
            if matches!(byte, b'"' | b'\\') {
                self.put(b'\\');
            }
            self.put(if byte.is_ascii() { byte } else { b'?' });
        }
    }

    /// Writes one ASCII character.
    #[inline(never)]
    fn put(&mut self, byte: u8) {
        self.column += 1;
        // The output keeps its error.
        let _ = self.output.write_char(char::from(byte));
    }
}

/// Values are escaped, too.
impl Write for Report<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.escape(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::ffi::CString;
    use std::string::String;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::{env, format, fs, process};

    use super::*;
    use crate::cli::Target;

    /// What a report writes.
    pub(in crate::command) fn written(json: bool, describe: impl Fn(&mut Report<'_>)) -> String {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Relaxed);
        let name = format!("framemill-report-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        let stop = Stop::default();
        let mut report = Report::new(json, &stop);
        report.output = Output::to(Target::File(&c_path), None, &stop).unwrap();
        describe(&mut report);
        report.finish().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        text
    }

    fn sample(report: &mut Report<'_>) {
        report.open("", b'{');
        report.text("name", b"a");
        report.numbers("low high", &[-1, i64::MAX]);
        report.value(b"there", &true);
        report.open("list", b'[');
        for name in [b"b", b"c"] {
            report.open("", b'{');
            report.text("name", name);
            report.close(b'}');
        }
        report.close(b']');
        report.open("empty", b'[');
        report.close(b']');
        report.open("group", b'{');
        report.numbers("one", &[1]);
        report.close(b'}');
        report.close(b'}');
    }

    #[test]
    fn each_report_is_one_line_of_json() {
        let one = concat!(
            r#"{"name":"a","low":-1,"high":9223372036854775807,"there":true,"#,
            r#""list":[{"name":"b"},{"name":"c"}],"empty":[],"group":{"one":1}}"#
        );
        let two = written(true, |report| {
            sample(report);
            report.remark(&"not in JSON");
            sample(report);
        });
        assert_eq!(two, format!("{one}\n{one}\n"));
    }

    #[test]
    fn the_page_has_columns_and_a_line_for_each_entry_of_a_list() {
        let page = written(false, |report| {
            sample(report);
            report.remark(&"a remark");
        });
        let columns = format!(
            "{:36}{:36}{}\n{}\n",
            "name: a", "low: -1", "high: 9223372036854775807", "there: true"
        );
        let rest = "list:\n   name=b\n   name=c\nempty:\ngroup:\n  one: 1\n\na remark\n";
        assert_eq!(page, columns + rest);
    }

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped() {
        for json in [true, false] {
            let text = written(json, |report| {
                report.text("x", "a\"\\\n\u{1b}\u{9b}\u{e4}".as_bytes());
            });
            let escaped = r#"a\"\\\u000a\u001b????"#;
            assert!(text.contains(escaped), "{text}");
        }
    }
}
