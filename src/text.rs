//! Bounded text: one line that is cut at its end instead of failing, free of control characters when written out.
//!
//! One type with one size, so that the code for it is there once.

use core::fmt::{self, Write};

use heapless::{String, Vec};

use crate::limits::TEXT_BYTES;

/// A line of at most `TEXT_BYTES` bytes. Writing to it never fails: what does not fit is left out, at a character's end.
#[derive(Clone, Default)]
pub struct Text(String<TEXT_BYTES>);

impl Text {
    /// The formatted line.
    #[must_use]
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self::default();
        // It cannot fail by itself; a Display that does leaves what it wrote so far.
        let _ = line.write_fmt(text);
        line
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The line's bytes with a newline at the end, in place of the last byte where there is no room. Control characters,
    /// which would look like a second line or worse, become spaces.
    #[must_use]
    pub fn into_line(self) -> Vec<u8, TEXT_BYTES> {
        let mut line = self.0.into_bytes();
        for byte in line.iter_mut().filter(|byte| byte.is_ascii_control()) {
            *byte = b' ';
        }
        if line.is_full() {
            line.pop();
        }
        // There is room.
        let _ = line.push(b'\n');
        line
    }
}

impl Write for Text {
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(self.0.capacity() - self.0.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // It fits.
        let _ = self.0.push_str(text.get(..end).unwrap_or_default());
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes that somebody else chose, for a message: printable ASCII as it is, the rest as `\xNN`, so that nothing reaches a
/// terminal or the kernel's log as it is.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            let plain = (byte == b' ' || byte.is_ascii_graphic()) && byte != b'\\';
            if plain {
                f.write_char(byte as char)?;
                continue;
            }
            f.write_str("\\x")?;
            for digit in [byte >> 4, byte & 15] {
                f.write_char(char::from_digit(digit.into(), 16).unwrap_or('?'))?;
            }
        }
        Ok(())
    }
}

/// The words of a list that has a space between them. One string in place of a table, which takes 16 bytes for each word's address and
/// length, and in place of a `match` on byte strings, which compares byte by byte in three instructions each.
pub fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b' ')
}

/// Which word of the list this is, counted from 0.
#[inline(never)]
#[must_use]
pub fn place(word: &[u8], list: &str) -> Option<usize> {
    words(list.as_bytes()).position(|listed| listed == word)
}

/// The word at a place of the list, to be written; nothing behind its end.
#[inline(never)]
#[must_use]
pub fn nth(list: &'static str, place: usize) -> Escaped<'static> {
    Escaped(words(list.as_bytes()).nth(place).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_quotes_of_escapes_and_foreign_bytes_are_escaped() {
        use std::string::ToString;
        assert_eq!(
            Escaped(b"a b\n\x1b\\\xff").to_string(),
            r"a b\x0a\x1b\x5c\xff"
        );
    }

    #[test]
    fn words_are_found_whole_and_by_their_place() {
        assert_eq!(place(b"one", "one two"), Some(0));
        assert_eq!(place(b"two", "one two"), Some(1));
        for word in ["", "on", "one two", "three", " "] {
            assert_eq!(place(word.as_bytes(), "one two"), None, "{word}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_a_character() {
        let long = "ä".repeat(TEXT_BYTES);
        let text = Text::new(format_args!("x{long}"));
        assert_eq!(text.as_str().len(), TEXT_BYTES - 1);
        assert!(text.as_str()[1..].chars().all(|c| c == 'ä'));
    }

    #[test]
    fn a_line_has_one_newline_and_that_at_its_end() {
        for length in [0, 5, TEXT_BYTES - 1, TEXT_BYTES, TEXT_BYTES + 5] {
            let line = Text::new(format_args!("{}\x1b\n", "y".repeat(length))).into_line();
            assert_eq!(line.iter().filter(|&&b| b < b' ').count(), 1);
            assert_eq!(line.last(), Some(&b'\n'));
        }
    }
}
