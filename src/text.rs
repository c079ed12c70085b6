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

/// A name as V4L2 and the control messages carry it: at most 31 bytes, padded with NULs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name(pub [u8; NAME_BYTES]);

/// Bytes of a `Name`, its NUL included.
pub const NAME_BYTES: usize = 32;

impl Name {
    /// The name without padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = self.0.iter().position(|&byte| byte == 0);
        &self.0[..length.unwrap_or(NAME_BYTES)]
    }
}

/// The bytes up to the first NUL, cut to what fits.
impl FromIterator<u8> for Name {
    fn from_iter<T: IntoIterator<Item = u8>>(bytes: T) -> Self {
        let mut name = Self::default();
        let bytes = bytes.into_iter().take_while(|&byte| byte != 0);
        for (place, byte) in name.0[..NAME_BYTES - 1].iter_mut().zip(bytes) {
            *place = byte;
        }
        name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.as_bytes()).fmt(f)
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

/// The number that these digits of a radix up to 16 are. Nothing else may be there: no sign, no spaces, at least one digit, no overflow.
#[inline(never)]
#[must_use]
pub fn digits(text: &[u8], radix: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
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
    fn a_name_is_cut_to_its_bytes_and_ends_at_the_first_nul() {
        use std::string::ToString;
        let name = |text: &[u8]| text.iter().copied().collect::<Name>();
        assert_eq!(name(b"High\0er").to_string(), "High");
        assert_eq!(name(&[b'x'; 40]).as_bytes(), [b'x'; 31]);
        assert_eq!(Name([b'y'; 32]).as_bytes(), [b'y'; 32]);
        assert_eq!(name(b"a\n").to_string(), "a\\x0a");
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
