//! Whole numbers with a range and a unit, and the ways to write them: `4m`, `2.5 Mbit/s`, `64KiB`, `1.5s`; and two of them: `640x480`.
//!
//! Knows units. Integer arithmetic only: floating point would bring its formatting and parsing into the binary.

use core::fmt;

use crate::limits::{FRAME_SIDE_MAX, FRAME_SIDE_MIN};
use crate::text::digits;
use crate::types::size::Size;

/// What a number counts, which says what may stand behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things: nothing stands behind it.
    Count,
    /// Bits per second: k, M and G are powers of 1000; `bit`, `bit/s` or `bps` may follow.
    Bits,
    /// Bytes: K, M and G are powers of 1024; `B` or `iB` may follow.
    Bytes,
    /// Milliseconds, or what is said: `ms`, `s`, `min` or `h`.
    Milliseconds,
}

/// The numbers that an option accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The smallest.
    pub(super) min: u32,
    /// The largest.
    pub(super) max: u32,
    /// What it counts.
    pub(super) unit: Unit,
}

impl Numbers {
    /// The number that a text says, if it is one of these.
    pub(super) fn read(self, text: &[u8]) -> Option<u32> {
        let number = u32::try_from(self.unit.read(text)?).ok()?;
        (self.min..=self.max).contains(&number).then_some(number)
    }
}

/// The range, as `100 to 600000`, in the unit's own multiples where it comes out whole.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let multiples: &[(u32, &str)] = match self.unit {
            Unit::Bytes => &[(1 << 20, "M"), (1 << 10, "K"), (1, "")],
            _ => &[(1, "")],
        };
        for (lead, number) in [("", self.min), (" to ", self.max)] {
            let whole = |&&(factor, _): &&(u32, &str)| number.is_multiple_of(factor);
            let (factor, suffix) = multiples.iter().find(whole).unwrap_or(&(1, ""));
            write!(f, "{lead}{}{suffix}", number / factor)?;
        }
        Ok(())
    }
}

impl Unit {
    /// The number in this unit, if it comes out whole.
    pub(super) fn read(self, text: &[u8]) -> Option<u64> {
        let digits_end = text
            .iter()
            .position(|byte| !(byte.is_ascii_digit() || *byte == b'.'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits_end);
        if suffix.is_empty() {
            return digits(number, 10);
        }
        let factor = self.factor(suffix.strip_prefix(b" ").unwrap_or(suffix))?;
        let (numerator, denominator) = decimal(number)?;
        let product = numerator.checked_mul(factor)?;
        (product % denominator == 0).then_some(product / denominator)
    }

    /// What a suffix multiplies by.
    fn factor(self, suffix: &[u8]) -> Option<u64> {
        match self {
            Self::Count => None,
            Self::Milliseconds => {
                let known = [
                    (&b"ms"[..], 1),
                    (b"s", 1000),
                    (b"min", 60_000),
                    (b"h", 3_600_000),
                ];
                let same = |(name, _): &&(&[u8], u64)| suffix.eq_ignore_ascii_case(name);
                known.iter().find(same).map(|&(_, factor)| factor)
            }
            Self::Bits => multiple(unless_bits(suffix), 1000),
            Self::Bytes => {
                let lead = match suffix {
                    [lead @ .., b'i' | b'I', b'b' | b'B'] if !lead.is_empty() => lead,
                    [lead @ .., b'b' | b'B'] => lead,
                    lead => lead,
                };
                multiple(lead, 1024)
            }
        }
    }
}

/// What stands before `bit/s` and the like. A bare `b` is left: in capitals it would be bytes.
fn unless_bits(suffix: &[u8]) -> &[u8] {
    if let Some(lead) = suffix.strip_suffix(b"bps") {
        return lead;
    }
    for name in [&b"bit/s"[..], b"bits/s", b"bits", b"bit"] {
        let lead = suffix.len().saturating_sub(name.len());
        if suffix[lead..].eq_ignore_ascii_case(name) {
            return &suffix[..lead];
        }
    }
    suffix
}

/// The power of `kilo` that a letter stands for; 1 for none.
fn multiple(letter: &[u8], kilo: u64) -> Option<u64> {
    match letter {
        b"" => Some(1),
        b"k" | b"K" => Some(kilo),
        b"m" | b"M" => Some(kilo.pow(2)),
        b"g" | b"G" => Some(kilo.pow(3)),
        _ => None,
    }
}

/// A decimal number with or without fraction, as a fraction over a power of ten. Digits on both sides of the point.
pub(super) fn decimal(text: &[u8]) -> Option<(u64, u64)> {
    let Some(point) = text.iter().position(|&byte| byte == b'.') else {
        return Some((digits(text, 10)?, 1));
    };
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator = digits(whole, 10)?
        .checked_mul(scale)?
        .checked_add(digits(fraction, 10)?)?;
    Some((numerator, scale))
}

/// What stands before and after the first separator.
pub(super) fn split(text: &[u8], is_separator: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| is_separator(byte))?;
    Some((&text[..at], &text[at + 1..]))
}

/// Width and height as they are written, in or out of range.
pub(super) fn sides(text: &[u8]) -> Option<(u64, u64)> {
    let (width, height) = split(text, |byte| byte.eq_ignore_ascii_case(&b'x'))?;
    Some((digits(width, 10)?, digits(height, 10)?))
}

/// The size nearest to one that is out of range.
pub(super) fn nearest_size(text: &[u8]) -> Option<Size> {
    let (width, height) = sides(text)?;
    // Within 32 bits after this.
    let side = |pixels: u64| pixels.clamp(FRAME_SIDE_MIN.into(), FRAME_SIDE_MAX.into()) as u32;
    Some(Size {
        width: side(width),
        height: side(height),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_have_digits_only_and_do_not_wrap() {
        assert_eq!(digits(b"18446744073709551615", 10), Some(u64::MAX));
        for text in ["", "18446744073709551616", "-1", "+1", " 1", "1_0", "0x10"] {
            assert_eq!(digits(text.as_bytes(), 10), None, "{text}");
        }
    }

    #[test]
    fn each_unit_has_its_own_suffixes_in_upper_and_lower_case() {
        for (unit, text, number) in [
            (Unit::Bits, "8k", 8000),
            (Unit::Bits, "4m", 4_000_000),
            (Unit::Bits, "2.5M", 2_500_000),
            (Unit::Bits, "1G", 1_000_000_000),
            (Unit::Bits, "4Mbit", 4_000_000),
            (Unit::Bits, "4 Mbit/s", 4_000_000),
            (Unit::Bits, "800kbps", 800_000),
            (Unit::Bits, "64000bps", 64_000),
            (Unit::Bytes, "4M", 4 << 20),
            (Unit::Bytes, "1.5k", 1536),
            (Unit::Bytes, "64KiB", 64 << 10),
            (Unit::Bytes, "64KB", 64 << 10),
            (Unit::Bytes, "512b", 512),
            (Unit::Milliseconds, "250", 250),
            (Unit::Milliseconds, "250ms", 250),
            (Unit::Milliseconds, "1.5s", 1500),
            (Unit::Milliseconds, "2min", 120_000),
            (Unit::Milliseconds, "1h", 3_600_000),
            (Unit::Count, "7", 7),
        ] {
            assert_eq!(unit.read(text.as_bytes()), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_not_whole_is_refused() {
        for (unit, texts) in [
            // M of bytes or of bits; thousands or 1024s; thousandths.
            (
                Unit::Bits,
                "4MB 4Mb 4MBps 4Mibit k 1.0001k 1. 1.k .5k 5kk 5.5 4MM",
            ),
            (Unit::Bytes, "K 5.5 4iB 4KK 1.0001K 4Kbit"),
            (Unit::Milliseconds, "5m 5.5 0.0001s s 5ss 1k"),
            (Unit::Count, "8k 8s 5.0 5%"),
            (Unit::Bits, "18446744073709551615M"),
        ] {
            for text in texts.split(' ') {
                assert_eq!(unit.read(text.as_bytes()), None, "{text}");
            }
        }
    }

    #[test]
    fn ranges_are_written_in_the_options_own_unit() {
        let range = |min, max, unit| Numbers { min, max, unit }.to_string();
        assert_eq!(range(64 << 10, 256 << 20, Unit::Bytes), "64K to 256M");
        assert_eq!(range(1, 2_147_483_647, Unit::Bits), "1 to 2147483647");
        assert_eq!(range(100, 600_000, Unit::Milliseconds), "100 to 600000");
    }
}
