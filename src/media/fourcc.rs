//! Four-character codes, V4L2's names for pixel and coded formats.
//!
//! Knows how a code is packed and printed; what a code means is `format`'s and `bitstream`'s business.

use core::fmt;

/// A V4L2 pixel or coded format code: four characters packed little-endian, as `v4l2_fourcc()` does.
///
/// Source: `include/uapi/linux/videodev2.h`. Bit 31 marks the big-endian variant and is printed as `-BE`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Fourcc(pub u32);

impl Fourcc {
    /// H.264 elementary stream with start codes (Annex B).
    pub const H264: Self = Self::new(*b"H264");
    /// HEVC elementary stream with start codes (Annex B).
    pub const HEVC: Self = Self::new(*b"HEVC");
    /// Motion JPEG: one JPEG image a frame.
    pub const MJPG: Self = Self::new(*b"MJPG");
    /// JFIF JPEG: one JPEG image a frame.
    pub const JPEG: Self = Self::new(*b"JPEG");
    /// Fast Walsh-Hadamard transform, the coded format of the kernel's vicodec driver.
    pub const FWHT: Self = Self::new(*b"FWHT");

    /// The code of four characters.
    #[must_use]
    pub const fn new(characters: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(characters))
    }

    /// The code that a command-line word names: one to four printable characters, padded with spaces as V4L2 does (`Y16` is `"Y16 "`).
    /// `None` when it is empty, longer, or not printable ASCII.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        if word.is_empty() || word.len() > 4 || !word.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut characters = [b' '; 4];
        characters[..word.len()].copy_from_slice(word);
        Some(Self::new(characters))
    }
}

impl fmt::Display for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = (self.0 & 0x7fff_ffff).to_le_bytes();
        let visible = bytes
            .iter()
            .rposition(|&b| b != b' ')
            .map_or(0, |last| last + 1);
        for &byte in &bytes[..visible] {
            let shown = if byte.is_ascii_graphic() || byte == b' ' {
                byte as char
            } else {
                '?'
            };
            fmt::Write::write_char(f, shown)?;
        }
        if self.0 >> 31 == 1 {
            f.write_str("-BE")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Fourcc;
    use std::string::ToString;

    #[test]
    fn short_words_are_padded_with_spaces_and_printed_without() {
        let code = Fourcc::parse(b"Y16").unwrap();
        assert_eq!(code, Fourcc::new(*b"Y16 "));
        assert_eq!(code.to_string(), "Y16");
    }

    #[test]
    fn words_that_are_no_code_are_refused() {
        for word in [&b""[..], b"H2645", b"a b", b"\xff\xff\xff\xff"] {
            assert_eq!(Fourcc::parse(word), None);
        }
    }

    #[test]
    fn unprintable_codes_from_a_driver_are_shown_as_question_marks() {
        assert_eq!(Fourcc(0x0102_0304).to_string(), "????");
        assert_eq!(
            Fourcc(Fourcc::new(*b"RGB4").0 | 1 << 31).to_string(),
            "RGB4-BE"
        );
    }
}
