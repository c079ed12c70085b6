//! One value's bytes to one value, and beside it what an option of that kind wants.
//!
//! Knows how sizes, rates, names and words are written. Knows no option.

use core::ffi::CStr;
use core::net::SocketAddr;

use ::log::LevelFilter;

use super::choices::{Pace, Peer, Progress, PushMemory, Source, StartAt, Target};
use super::number::{Numbers, Unit, decimal, nearest_size, sides, split};
use super::option::Value;
use super::recording;
use super::wants::{Wants, word};
use crate::limits::{
    CAMERA_NAME_BYTES, CONTROL_ID_MAX, CONTROL_NAME_BYTES, IDLE_MS_DEFAULT, IDLE_MS_MIN,
    SOCKET_NAME_BYTES, WAIT_MS_MAX,
};
use crate::media::edid::{MODE_NAMES, MODES};
use crate::media::fourcc::Fourcc;
use crate::media::memsink::SINK_NAME_BYTES;
use crate::media::{h264, names};
use crate::text::{digits, place};
use crate::types::control_setting::{ControlName, ControlSetting, ControlValue};
use crate::types::devices::{CameraChoice, CameraFormat, DeviceChoice, EdidChoice, MiddleChoice};
use crate::types::flip::Flip;
use crate::types::frame_rate::FrameRate;
use crate::types::mux::Mux;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;
use crate::types::users::User;

/// Times after which an engine may stop.
const IDLE_MS: Numbers = Numbers {
    min: IDLE_MS_MIN,
    max: WAIT_MS_MAX,
    unit: Unit::Milliseconds,
};

/// A number in decimal, or in hexadecimal after `0x`.
fn id(text: &[u8]) -> Option<u64> {
    match text.strip_prefix(b"0x") {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None => digits(text, 10),
    }
}

/// The choice that a word names, in upper or lower case: `list` has a word for each of `choices`, in their order.
fn choice<T: Copy, const N: usize>(text: &[u8], list: &'static str, choices: [T; N]) -> Option<T> {
    choices.get(word(text, list)?).copied()
}

pub(super) fn size(text: &[u8]) -> Option<Size> {
    nearest_size(text).filter(|size| sides(text) == Some((size.width.into(), size.height.into())))
}

/// `N`, `N/D` or a decimal like `29.97`.
pub(super) fn frame_rate(text: &[u8]) -> Option<FrameRate> {
    let (numerator, denominator) = match split(text, |byte| byte == b'/') {
        Some((numerator, denominator)) => (digits(numerator, 10)?, digits(denominator, 10)?),
        None => decimal(text)?,
    };
    FrameRate::new(numerator, denominator)
}

pub(super) const PACE: Wants = Wants::Or(&("max or ", Wants::FrameRate));

pub(super) fn pace(text: &[u8]) -> Option<Pace> {
    choice(text, "max", [Pace::Max]).or_else(|| frame_rate(text).map(Pace::Rate))
}

pub(super) const IDLE: Wants =
    Wants::Text("stop or stop:MS, 1000 to 3600000 ms or a time such as stop:10s");

/// `stop` or `stop:TIME`: after how many ms.
pub(super) fn idle(text: &[u8]) -> Option<u32> {
    match split(text, |byte| byte == b':') {
        None if text == b"stop" => Some(IDLE_MS_DEFAULT),
        Some((b"stop", time)) => IDLE_MS.read(time),
        _ => None,
    }
}

pub(super) fn raw_format(text: &[u8]) -> Option<Fourcc> {
    names::raw(text)
}

/// A raw format, or a coded one that has a name: what a camera may give.
pub(super) fn camera_format(text: &[u8]) -> Option<CameraFormat> {
    let coded = || names::known_coded(text).map(CameraFormat::Coded);
    let raw = names::raw(text).map(CameraFormat::Raw);
    raw.or_else(coded)
}

pub(super) const MIDDLE: Wants = Wants::Text("a device's path, auto or off");

/// A device between the camera and the encoder.
pub(super) fn middle(text: &CStr) -> Option<MiddleChoice<'_>> {
    match text.to_bytes() {
        b"auto" => Some(MiddleChoice::Auto),
        b"off" => Some(MiddleChoice::Off),
        _ => path(text).map(MiddleChoice::Path),
    }
}

pub(super) fn flip(text: &[u8]) -> Option<Flip> {
    Flip::named(text)
}

pub(super) fn codec(text: &[u8]) -> Option<Fourcc> {
    names::coded(text)
}

pub(super) const LEVEL: Wants = Wants::Or(&("auto or ", Wants::Word(h264::LEVELS)));

/// `None` is `auto`.
pub(super) fn level(text: &[u8]) -> Option<Option<u32>> {
    match text {
        b"auto" => Some(None),
        _ => h264::level(text).map(Some),
    }
}

/// `NAME=VALUE` or `ID=VALUE`. What is all digits or begins with `0x` is an id, so that a mistyped id is not taken for a name.
pub(super) fn control(text: &[u8]) -> Option<ControlSetting<'_>> {
    let (name, value) = split(text, |byte| byte == b'=')?;
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
    let value = match signed(value) {
        Some(number) => ControlValue::Number(number),
        None => ControlValue::Item(item(value)?),
    };
    Some(ControlSetting { name, value })
}

/// A signed number in decimal or hexadecimal; `true` is 1 and `false` 0.
fn signed(text: &[u8]) -> Option<i64> {
    match (place(text, "false true"), text) {
        (Some(boolean), _) => Some(boolean as i64),
        (None, [b'-', magnitude @ ..]) => 0i64.checked_sub_unsigned(id(magnitude)?),
        (None, magnitude) => i64::try_from(id(magnitude)?).ok(),
    }
}

/// The name of a menu's item: what is no number, not even one that is too large.
fn item(text: &[u8]) -> Option<&[u8]> {
    let printable = text.iter().all(|&b| b == b' ' || b.is_ascii_graphic());
    let number = text.strip_prefix(b"-").unwrap_or(text);
    let is_name = !number.iter().all(u8::is_ascii_digit) && !text.contains(&b'=');
    (printable && is_name && text.len() <= CONTROL_NAME_BYTES).then_some(text)
}

pub(super) const USER: Wants = Wants::Text("a numeric user id");

/// A user's or a group's number.
pub(super) fn user(text: &[u8]) -> Option<u32> {
    let uid = u32::try_from(digits(text, 10)?).ok()?;
    // -1 is nobody to the kernel.
    (uid != u32::MAX).then_some(uid)
}

pub(super) const IDENTITY: Wants = Wants::Text("a numeric UID or UID:GID, UID not 0");

/// `UID` or `UID:GID`, in numbers: names would take files that a small system does not have.
pub(super) fn identity(text: &[u8]) -> Option<User> {
    let (uid, gid) = split(text, |byte| byte == b':').unwrap_or((text, text));
    let (uid, gid) = (user(uid)?, user(gid)?);
    (uid != 0).then_some(User { uid, gid })
}

/// A path, or a name of the abstract namespace after `@`.
pub(super) fn socket(text: &CStr) -> Option<SocketName<'_>> {
    let (name, socket) = match text.to_bytes() {
        [b'@', name @ ..] => (name, SocketName::Abstract(name)),
        path => (path, SocketName::Path(text)),
    };
    (1..=SOCKET_NAME_BYTES)
        .contains(&name.len())
        .then_some(socket)
}

pub(super) const MODE: Wants = Wants::Text("an octal file mode, 0 to 777");

/// An octal file mode without set-id and sticky bits.
pub(super) fn mode(text: &[u8]) -> Option<u32> {
    digits(text, 8)
        .and_then(|mode| u32::try_from(mode).ok())
        .filter(|&mode| mode <= 0o777)
}

/// Any path but an empty one.
pub(super) fn path(text: &CStr) -> Option<&CStr> {
    (!text.is_empty()).then_some(text)
}

pub(super) const CAMERA: Wants =
    Wants::Text("a path, bus:BUS or card:CARD, each name 1 to 31 bytes (see framemill probe)");

/// A path, or the name that a camera or its port has.
pub(super) fn camera(text: &CStr) -> Option<CameraChoice<'_>> {
    let (name, choice) = match text.to_bytes() {
        [b'b', b'u', b's', b':', name @ ..] => (name, CameraChoice::Bus(name)),
        [b'c', b'a', b'r', b'd', b':', name @ ..] => (name, CameraChoice::Card(name)),
        _ => return path(text).map(CameraChoice::Path),
    };
    (1..=CAMERA_NAME_BYTES)
        .contains(&name.len())
        .then_some(choice)
}

pub(super) const EDID: Wants = Wants::Text("a file, 720p60, 1080p30 or 1080p60");

/// A mode's name, or a file.
pub(super) fn edid(text: &CStr) -> Option<EdidChoice<'_>> {
    match choice(text.to_bytes(), MODE_NAMES, MODES) {
        Some(mode) => Some(EdidChoice::Mode(mode)),
        None => path(text).map(EdidChoice::File),
    }
}

pub(super) const DEVICE: Wants = Wants::Text("a device's path, or auto");

pub(super) fn device(text: &CStr) -> Option<DeviceChoice<'_>> {
    match text.to_bytes() {
        b"auto" => Some(DeviceChoice::Auto),
        _ => path(text).map(DeviceChoice::Path),
    }
}

pub(super) fn push_memory(value: Value<'_>) -> Option<PushMemory> {
    use PushMemory::{CmaHeap, Copy, Export, SystemHeap, Udmabuf};
    value.of([Export, Copy, CmaHeap, SystemHeap, Udmabuf])
}

pub(super) fn progress(value: Value<'_>) -> Option<Progress> {
    value.of([Progress::Auto, Progress::On, Progress::Off])
}

pub(super) fn log_level(value: Value<'_>) -> Option<LevelFilter> {
    use LevelFilter::{Debug, Error, Info, Off, Trace, Warn};
    value.of([Off, Error, Warn, Info, Debug, Trace])
}

pub(super) const SOURCE: Wants = Wants::Text("a file, - for standard input, or pattern");

pub(super) fn source(text: &CStr) -> Option<Source<'_>> {
    match text.to_bytes() {
        b"pattern" => Some(Source::Pattern),
        b"-" => Some(Source::Stdin),
        _ => path(text).map(Source::File),
    }
}

pub(super) fn target(text: &CStr) -> Option<Target<'_>> {
    let peer = match text.to_bytes() {
        b"-" => return Some(Target::Stdout),
        [b'u', b'n', b'i', b'x', b':', ..] => socket(&text[5..]).map(Peer::Unix),
        [b't', b'c', b'p', b':', at @ ..] => address(at).map(Peer::Tcp),
        [b'u', b'd', b'p', b':', at @ ..] => address(at).map(Peer::Udp),
        _ => return path(text).map(Target::File),
    }?;
    Some(Target::Peer(peer, text))
}

/// An address and a port. Names are not looked up.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let address: SocketAddr = str::from_utf8(text).ok()?.parse().ok()?;
    (address.port() != 0).then_some(address)
}

pub(super) const INDEX: Wants = Wants::Text("a file");

/// A file of its own: standard output has the packets.
pub(super) fn index(text: &CStr) -> Option<&CStr> {
    path(text).filter(|path| path.to_bytes() != b"-")
}

pub(super) const MUX: Wants = Wants::Word("annexb ts mp4 mjpeg packets");

pub(super) fn mux(value: Value<'_>) -> Option<Mux> {
    use Mux::{Annexb, Mjpeg, Mp4, Packets, Ts};
    value.of([Annexb, Ts, Mp4, Mjpeg, Packets])
}

/// How the first packet is named.
const PLACES: &str = "oldest key live";
pub(super) const START: Wants =
    Wants::Or(&("-AGE such as -10s, up to 1h, or ", Wants::Word(PLACES)));

pub(super) fn start(text: &[u8]) -> Option<StartAt> {
    use StartAt::{Key, Live, Oldest, Past};
    choice(text, PLACES, [Oldest, Key, Live])
        .or_else(|| text.strip_prefix(b"-").and_then(recording::past).map(Past))
}

pub(super) const OBJECT: Wants = Wants::Text("a name without /, 1 to 255 bytes");

/// The name of an object in /dev/shm.
pub(super) fn object(text: &CStr) -> Option<&CStr> {
    let name = text.to_bytes();
    let fits = (1..=SINK_NAME_BYTES).contains(&name.len());
    (fits && !name.contains(&b'/') && place(name, ". ..").is_none()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let name = |text: &'static CStr| control(text.to_bytes()).map(|setting| setting.name);
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
    fn values_that_are_no_numbers_are_items_of_a_menu() {
        let item = |text: &'static CStr| match control(text.to_bytes()).map(|setting| setting.value)
        {
            Some(ControlValue::Item(name)) => Some(name),
            _ => None,
        };
        assert_eq!(item(c"h264_profile=High"), Some(&b"High"[..]));
        assert_eq!(item(c"h264_level=4.1"), Some(&b"4.1"[..]));
        assert_eq!(
            item(c"mode=Constant Bitrate"),
            Some(&b"Constant Bitrate"[..])
        );
        assert_eq!(item(c"a=an item's name of more than 31 bytes"), None);
    }

    #[test]
    fn control_values_are_signed_hexadecimal_or_boolean() {
        let value = |text: &'static CStr| match control(text.to_bytes())?.value {
            ControlValue::Number(number) => Some(number),
            ControlValue::Item(name) => panic!("{name:?}"),
        };
        assert_eq!(value(c"a=-5"), Some(-5));
        assert_eq!(value(c"a=0xff"), Some(255));
        assert_eq!(value(c"a=-9223372036854775808"), Some(i64::MIN));
        assert_eq!(value(c"a=9223372036854775807"), Some(i64::MAX));
        assert_eq!(value(c"a=true"), Some(1));
        assert_eq!(value(c"a=false"), Some(0));
        for text in [c"a=", c"a=-", c"a=9223372036854775808", c"a=b=1", c"a=\xff"] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }
}
