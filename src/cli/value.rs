//! One value's bytes to one value. `None` says "not that"; the sentence about it is in the option's row (`table`).
//!
//! Knows how numbers, rates, names and words are written. Knows no option. Integer arithmetic only: floating point would bring
//! its formatting and parsing into the binary.

use core::ffi::CStr;

use ::log::LevelFilter;

use super::choices::{
    BitrateMode, ControlName, ControlSetting, DeviceChoice, FrameRate, LogTarget, MemoryChoice,
    Pace, PushMemory, Size, SocketName, Source, StartAt, Target, User,
};
use crate::limits::{
    CONTROL_ID_MAX, CONTROL_NAME_BYTES, FRAME_SIDE_MAX, FRAME_SIDE_MIN, SOCKET_NAME_BYTES,
};
use crate::text::place;

/// Digits of a radix up to 16 and nothing else: no sign, no spaces, at least one digit, no overflow.
pub(super) fn digits(text: &[u8], radix: u32) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

/// A decimal number, or with `kilo` not 0 also one with the suffix `k`, `K` (times `kilo`) or `M` (times its square). A suffixed
/// number may have a fraction, `2.5M`, if the product is whole.
pub(super) fn number(text: &[u8], kilo: u32) -> Option<u64> {
    let kilo = u64::from(kilo);
    let (factor, text) = match text.split_last()? {
        (b'k' | b'K', rest) if kilo != 0 => (kilo, rest),
        (b'M', rest) if kilo != 0 => (kilo.checked_mul(kilo)?, rest),
        _ => return digits(text, 10),
    };
    let (numerator, denominator) = decimal(text)?;
    let product = numerator.checked_mul(factor)?;
    (product % denominator == 0).then_some(product / denominator)
}

/// A decimal number with or without fraction, as a fraction over a power of ten. Digits on both sides of the point.
fn decimal(text: &[u8]) -> Option<(u64, u64)> {
    let Some((whole, fraction)) = split(text, b'.') else {
        return Some((digits(text, 10)?, 1));
    };
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator = digits(whole, 10)?
        .checked_mul(scale)?
        .checked_add(digits(fraction, 10)?)?;
    Some((numerator, scale))
}

/// A number in decimal, or in hexadecimal after `0x`.
fn id(text: &[u8]) -> Option<u64> {
    match text.strip_prefix(b"0x") {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None => digits(text, 10),
    }
}

/// What stands before and after the first `separator`.
#[inline(never)]
fn split(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The choice that a word names: `words` has a word for each of `choices`, in their order.
fn choice<T: Copy, const N: usize>(text: &[u8], words: &str, choices: [T; N]) -> Option<T> {
    choices.get(place(text, words)?).copied()
}

pub(super) fn size(text: &[u8]) -> Option<Size> {
    let (width, height) = split(text, b'x')?;
    let side = |text| {
        let pixels = u32::try_from(digits(text, 10)?).ok()?;
        (FRAME_SIDE_MIN..=FRAME_SIDE_MAX)
            .contains(&pixels)
            .then_some(pixels)
    };
    Some(Size {
        width: side(width)?,
        height: side(height)?,
    })
}

/// `N`, `N/D` or a decimal like `29.97`.
pub(super) fn frame_rate(text: &[u8]) -> Option<FrameRate> {
    let (numerator, denominator) = match split(text, b'/') {
        Some((numerator, denominator)) => (digits(numerator, 10)?, digits(denominator, 10)?),
        None => decimal(text)?,
    };
    FrameRate::new(numerator, denominator)
}

pub(super) fn pace(text: &[u8]) -> Option<Pace> {
    choice(text, "max", [Pace::Max]).or_else(|| frame_rate(text).map(Pace::Rate))
}

/// `NAME=VALUE` or `ID=VALUE`. What is all digits or begins with `0x` is an id, so that a mistyped id is not taken for a name.
pub(super) fn control(text: &CStr) -> Option<ControlSetting<'_>> {
    let (name, value) = split(text.to_bytes(), b'=')?;
    let is_id = name.starts_with(b"0x") || name.iter().all(u8::is_ascii_digit);
    let name = if is_id {
        let id = u32::try_from(id(name)?).ok()?;
        (1..=CONTROL_ID_MAX)
            .contains(&id)
            .then_some(ControlName::Id(id))?
    } else {
        let printable = name.iter().all(|&b| b == b' ' || b.is_ascii_graphic());
        if !printable || name.len() > CONTROL_NAME_BYTES {
            return None;
        }
        ControlName::Name(name)
    };
    let value = match (place(value, "false true"), value) {
        (Some(boolean), _) => boolean as i64,
        (None, [b'-', magnitude @ ..]) => 0i64.checked_sub_unsigned(id(magnitude)?)?,
        (None, magnitude) => i64::try_from(id(magnitude)?).ok()?,
    };
    Some(ControlSetting { name, value })
}

/// A user's number.
pub(super) fn user(text: &[u8]) -> Option<u32> {
    digits(text, 10)?.try_into().ok()
}

/// A path, or a name of the abstract namespace after `@`.
#[inline(never)]
pub(super) fn socket(text: &CStr) -> Option<SocketName<'_>> {
    let (name, socket) = match text.to_bytes() {
        [b'@', name @ ..] => (name, SocketName::Abstract(name)),
        path => (path, SocketName::Path(text)),
    };
    (1..=SOCKET_NAME_BYTES)
        .contains(&name.len())
        .then_some(socket)
}

/// An octal file mode without set-id and sticky bits.
pub(super) fn mode(text: &[u8]) -> Option<u32> {
    let mode = u32::try_from(digits(text, 8)?).ok()?;
    (mode <= 0o777).then_some(mode)
}

/// `UID` or `UID:GID`, in numbers: names would take files that a small system does not have.
pub(super) fn identity(text: &[u8]) -> Option<User> {
    let (uid, gid) = split(text, b':').unwrap_or((text, text));
    // -1 asks the kernel for no change.
    let id = |text| user(text).filter(|&id| id != u32::MAX);
    let (uid, gid) = (id(uid)?, id(gid)?);
    (uid != 0).then_some(User { uid, gid })
}

pub(super) fn device(text: &CStr) -> DeviceChoice<'_> {
    choice(text.to_bytes(), "auto", [DeviceChoice::Auto]).unwrap_or(DeviceChoice::Path(text))
}

pub(super) fn memory(text: &[u8]) -> Option<MemoryChoice> {
    use MemoryChoice::{Auto, Copy, Export};
    choice(text, "auto export copy", [Auto, Export, Copy])
}

pub(super) fn push_memory(text: &[u8]) -> Option<PushMemory> {
    use PushMemory::{CmaHeap, Copy, Export, SystemHeap, Udmabuf};
    choice(
        text,
        "export copy cma-heap system-heap udmabuf",
        [Export, Copy, CmaHeap, SystemHeap, Udmabuf],
    )
}

pub(super) fn bitrate_mode(text: &[u8]) -> Option<BitrateMode> {
    choice(
        text,
        "vbr cbr",
        [BitrateMode::Variable, BitrateMode::Constant],
    )
}

pub(super) fn switch(text: &[u8]) -> Option<bool> {
    choice(text, "on off", [true, false])
}

pub(super) fn log_level(text: &[u8]) -> Option<LevelFilter> {
    use LevelFilter::{Debug, Error, Info, Off, Trace, Warn};
    let levels = [Off, Error, Warn, Info, Debug, Trace];
    choice(text, "off error warn info debug trace", levels)
}

pub(super) fn log_target(text: &[u8]) -> Option<LogTarget> {
    choice(text, "stderr kmsg", [LogTarget::Stderr, LogTarget::Kmsg])
}

pub(super) fn source(text: &CStr) -> Source<'_> {
    choice(
        text.to_bytes(),
        "pattern -",
        [Source::Pattern, Source::Stdin],
    )
    .unwrap_or(Source::File(text))
}

pub(super) fn target(text: &CStr) -> Target<'_> {
    match text.to_bytes() {
        b"-" => Target::Stdout,
        _ => Target::File(text),
    }
}

pub(super) fn start(text: &[u8]) -> Option<StartAt> {
    use StartAt::{Key, Live, Oldest};
    choice(text, "oldest key live", [Oldest, Key, Live])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_digits_only_and_do_not_wrap() {
        assert_eq!(digits(b"18446744073709551615", 10), Some(u64::MAX));
        for text in ["", "18446744073709551616", "-1", "+1", " 1", "1_0", "0x10"] {
            assert_eq!(digits(text.as_bytes(), 10), None, "{text}");
        }
    }

    #[test]
    fn suffixes_multiply_only_where_the_option_has_them() {
        assert_eq!(number(b"8k", 1000), Some(8000));
        assert_eq!(number(b"2.5M", 1000), Some(2_500_000));
        assert_eq!(number(b"4M", 1024), Some(4 << 20));
        assert_eq!(number(b"1.5K", 1024), Some(1536));
        for text in ["k", "1.0001k", "1.", "1.k", ".5k", "5m", "5kk", "5.5"] {
            assert_eq!(number(text.as_bytes(), 1000), None, "{text}");
        }
        assert_eq!(number(b"8k", 0), None);
        assert_eq!(number(b"18446744073709551615M", 1000), None);
    }

    #[test]
    fn frame_rates_are_fractions_decimals_or_whole_in_lowest_terms() {
        let rate = |text: &str| frame_rate(text.as_bytes()).map(|r| (r.numerator, r.denominator));
        assert_eq!(rate("30"), Some((30, 1)));
        assert_eq!(rate("30000/1001"), Some((30000, 1001)));
        assert_eq!(rate("50/2"), Some((25, 1)));
        assert_eq!(rate("29.97"), Some((2997, 100)));
        assert_eq!(rate("12.50"), Some((25, 2)));
        assert_eq!(rate("1/1000"), Some((1, 1000)));
        assert_eq!(rate("0.001"), Some((1, 1000)));
        assert_eq!(rate("1000"), Some((1000, 1)));
        for text in [
            "0", "0/1", "1/0", "0/0", "1/1001", "1000.1", "30/", "/1", "3/1/1",
        ] {
            assert_eq!(rate(text), None, "{text}");
        }
        // Huge parts that cancel are fine, parts that do not fit are not.
        assert_eq!(
            rate("18446744073709551615/18446744073709551615"),
            Some((1, 1))
        );
        assert_eq!(rate("18446744073709551615/18446744073709551614"), None);
    }

    #[test]
    fn users_are_numbers_and_not_root() {
        let user = |text: &str| identity(text.as_bytes()).map(|user| (user.uid, user.gid));
        assert_eq!(user("1000"), Some((1000, 1000)));
        assert_eq!(user("1000:44"), Some((1000, 44)));
        assert_eq!(user("65534:0"), Some((65534, 0)));
        for text in [
            "0",
            "0:44",
            "",
            "a",
            "1000:",
            ":44",
            "1:2:3",
            "4294967295",
            "1:4294967295",
            "4294967296",
        ] {
            assert_eq!(user(text), None, "{text}");
        }
    }

    #[test]
    fn control_names_and_ids_are_told_apart() {
        let name = |text| control(text).map(|setting| setting.name);
        assert_eq!(
            name(c"video_bitrate=1"),
            Some(ControlName::Name(b"video_bitrate"))
        );
        assert_eq!(
            name(c"Video Bitrate=1"),
            Some(ControlName::Name(b"Video Bitrate"))
        );
        assert_eq!(name(c"3a_lock=1"), Some(ControlName::Name(b"3a_lock")));
        assert_eq!(name(c"0x990967=1"), Some(ControlName::Id(0x99_0967)));
        assert_eq!(name(c"42=1"), Some(ControlName::Id(42)));
        for text in [
            c"=1",
            c"0=1",
            c"0xzz=1",
            c"0x109909ce=1",
            c"4294967296=1",
            c"a\xff=1",
            c"a",
        ] {
            assert_eq!(name(text), None, "{text:?}");
        }
        assert_eq!(name(c"a_name_that_is_longer_than_31_bytes=1"), None);
    }

    #[test]
    fn control_values_are_signed_hexadecimal_or_boolean() {
        let value = |text| control(text).map(|setting| setting.value);
        assert_eq!(value(c"a=-5"), Some(-5));
        assert_eq!(value(c"a=0xff"), Some(255));
        assert_eq!(value(c"a=-9223372036854775808"), Some(i64::MIN));
        assert_eq!(value(c"a=9223372036854775807"), Some(i64::MAX));
        assert_eq!(value(c"a=true"), Some(1));
        assert_eq!(value(c"a=false"), Some(0));
        for text in [c"a=", c"a=-", c"a=yes", c"a=9223372036854775808", c"a=b=1"] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }
}
