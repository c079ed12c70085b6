//! One value's bytes to one value, or what the option wants instead.
//!
//! Knows how sizes, rates, names and words are written. Knows no option.

use core::ffi::CStr;
use core::net::SocketAddr;

use ::log::LevelFilter;

use super::choices::{Pace, Peer, Progress, PushMemory, Source, StartAt, Target, Timestamps};
use super::number::{Numbers, Unit, decimal, nearest_size, sides, split};
use super::recording;
use super::wants::Wants;
use crate::limits::{
    CAMERA_NAME_BYTES, CONTROL_ID_MAX, CONTROL_NAME_BYTES, IDLE_MS_DEFAULT, IDLE_MS_MIN,
    SOCKET_NAME_BYTES, WAIT_MS_MAX,
};
use crate::media::colour::{self, Colour, FULL_RANGE, LIMITED_RANGE};
use crate::media::edid::{MODE_NAMES, MODES};
use crate::media::fourcc::Fourcc;
use crate::media::memsink::{SINK_LAYOUTS, SINK_NAME_BYTES, SINK_VERSIONS, SinkLayout};
use crate::media::{h264, names};
use crate::text::{digits, place, words};
use crate::types::control_setting::{BitrateMode, ControlName, ControlSetting, ControlValue};
use crate::types::devices::{CameraChoice, CameraFormat, DeviceChoice, EdidChoice, MiddleChoice};
use crate::types::flip::Flip;
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::types::mux::Mux;
use crate::types::run_options::LogTarget;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;
use crate::types::users::User;

type Read<T> = Result<T, Wants>;

/// Times after which an engine may stop.
const IDLE: Numbers = Numbers {
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
fn choice<T: Copy, const N: usize>(text: &[u8], list: &'static str, choices: [T; N]) -> Read<T> {
    words(list.as_bytes())
        .position(|word| word.eq_ignore_ascii_case(text))
        .and_then(|index| choices.get(index).copied())
        .ok_or(Wants::word(list))
}

pub(super) fn size(text: &[u8]) -> Read<Size> {
    nearest_size(text)
        .filter(|size| sides(text) == Some((size.width.into(), size.height.into())))
        .ok_or(Wants::Size)
}

/// `N`, `N/D` or a decimal like `29.97`.
fn rate(text: &[u8]) -> Option<FrameRate> {
    let (numerator, denominator) = match split(text, |byte| byte == b'/') {
        Some((numerator, denominator)) => (digits(numerator, 10)?, digits(denominator, 10)?),
        None => decimal(text)?,
    };
    FrameRate::new(numerator, denominator)
}

pub(super) fn frame_rate(text: &[u8]) -> Read<FrameRate> {
    rate(text).ok_or(Wants::FrameRate(""))
}

pub(super) fn pace(text: &[u8]) -> Read<Pace> {
    choice(text, "max", [Pace::Max])
        .ok()
        .or_else(|| rate(text).map(Pace::Rate))
        .ok_or(Wants::FrameRate("max or "))
}

/// `stop` or `stop:TIME`: after how many ms.
pub(super) fn idle(text: &[u8]) -> Read<u32> {
    let after_ms = match split(text, |byte| byte == b':') {
        None if text == b"stop" => Some(IDLE_MS_DEFAULT),
        Some((b"stop", time)) => IDLE.read(time),
        _ => None,
    };
    after_ms.ok_or(Wants::Text(
        "stop or stop:MS, 1000 to 3600000 ms or a time such as stop:10s",
    ))
}

pub(super) fn progress(text: &[u8]) -> Read<Progress> {
    use Progress::{Auto, Off, On};
    choice(text, "auto on off", [Auto, On, Off])
}

pub(super) fn timestamps(text: &[u8]) -> Read<Timestamps> {
    use Timestamps::{Arrival, Header};
    choice(text, "header arrival", [Header, Arrival])
}

pub(super) fn raw_format(text: &[u8]) -> Read<Fourcc> {
    names::raw(text).ok_or(Wants::RawFormat)
}

/// A raw format, or a coded one that has a name: what a camera may give.
pub(super) fn camera_format(text: &[u8]) -> Read<CameraFormat> {
    let coded = || names::known_coded(text).map(CameraFormat::Coded);
    let raw = names::raw(text).map(CameraFormat::Raw);
    raw.or_else(coded).ok_or(Wants::CameraFormat)
}

/// A device between the camera and the encoder.
pub(super) fn middle(text: &CStr) -> Read<MiddleChoice<'_>> {
    match text.to_bytes() {
        b"auto" => Ok(MiddleChoice::Auto),
        b"off" => Ok(MiddleChoice::Off),
        _ => path(text, "a device's path, auto or off").map(MiddleChoice::Path),
    }
}

pub(super) fn flip(text: &[u8]) -> Read<Flip> {
    Flip::named(text).ok_or(Wants::word("h v hv"))
}

pub(super) fn codec(text: &[u8]) -> Read<Fourcc> {
    names::coded(text).ok_or(Wants::Codec)
}

pub(super) fn profile(text: &[u8]) -> Read<u32> {
    let lower = |profile: &&[u8]| profile.eq_ignore_ascii_case(text);
    words(h264::PROFILES.as_bytes())
        .find(lower)
        .and_then(h264::profile)
        .ok_or(Wants::word(h264::PROFILES))
}

/// `None` is `auto`.
pub(super) fn level(text: &[u8]) -> Read<Option<u32>> {
    if text == b"auto" {
        return Ok(None);
    }
    let level = h264::level(text).ok_or(Wants::Word("auto or ", h264::LEVELS))?;
    Ok(Some(level))
}

/// A range of samples: its `V4L2_QUANTIZATION_*`.
pub(super) fn color_range(text: &[u8]) -> Read<u8> {
    choice(text, colour::RANGES, [FULL_RANGE, LIMITED_RANGE])
}

/// A colorspace by V4L2's name.
pub(super) fn colorspace(text: &[u8]) -> Read<Colour> {
    Colour::named(text).ok_or(Wants::word(colour::COLORSPACES))
}

/// `NAME=VALUE` or `ID=VALUE`. What is all digits or begins with `0x` is an id, so that a mistyped id is not taken for a name.
pub(super) fn control(text: &CStr) -> Read<ControlSetting<'_>> {
    setting(text.to_bytes()).ok_or(Wants::Control)
}

fn setting(text: &[u8]) -> Option<ControlSetting<'_>> {
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

/// A user's number.
fn uid(text: &[u8]) -> Option<u32> {
    let uid = u32::try_from(digits(text, 10)?).ok()?;
    // -1 is nobody to the kernel.
    (uid != u32::MAX).then_some(uid)
}

pub(super) fn user(text: &[u8]) -> Read<u32> {
    uid(text).ok_or(Wants::Text("a numeric user id"))
}

pub(super) fn group(text: &[u8]) -> Read<u32> {
    uid(text).ok_or(Wants::Text("a numeric group id"))
}

/// `UID` or `UID:GID`, in numbers: names would take files that a small system does not have.
pub(super) fn identity(text: &[u8]) -> Read<User> {
    let (user, group) = split(text, |byte| byte == b':').unwrap_or((text, text));
    match (uid(user), uid(group)) {
        (Some(uid), Some(gid)) if uid != 0 => Ok(User { uid, gid }),
        _ => Err(Wants::Text("a numeric UID or UID:GID, UID not 0")),
    }
}

/// A path, or a name of the abstract namespace after `@`.
pub(super) fn socket(text: &CStr) -> Read<SocketName<'_>> {
    let (name, socket) = match text.to_bytes() {
        [b'@', name @ ..] => (name, SocketName::Abstract(name)),
        path => (path, SocketName::Path(text)),
    };
    (1..=SOCKET_NAME_BYTES)
        .contains(&name.len())
        .then_some(socket)
        .ok_or(Wants::Socket)
}

/// An octal file mode without set-id and sticky bits.
pub(super) fn mode(text: &[u8]) -> Read<u32> {
    digits(text, 8)
        .and_then(|mode| u32::try_from(mode).ok())
        .filter(|&mode| mode <= 0o777)
        .ok_or(Wants::Text("an octal file mode, 0 to 777"))
}

/// Any path but an empty one.
pub(super) fn path<'a>(text: &'a CStr, wants: &'static str) -> Read<&'a CStr> {
    (!text.is_empty()).then_some(text).ok_or(Wants::Text(wants))
}

/// A path, or the name that a camera or its port has.
pub(super) fn camera(text: &CStr) -> Read<CameraChoice<'_>> {
    let wants =
        Wants::Text("a path, bus:BUS or card:CARD, each name 1 to 31 bytes (see framemill probe)");
    let (name, choice) = match text.to_bytes() {
        [b'b', b'u', b's', b':', name @ ..] => (name, CameraChoice::Bus(name)),
        [b'c', b'a', b'r', b'd', b':', name @ ..] => (name, CameraChoice::Card(name)),
        _ => return path(text, "a camera's path").map(CameraChoice::Path),
    };
    (1..=CAMERA_NAME_BYTES)
        .contains(&name.len())
        .then_some(choice)
        .ok_or(wants)
}

/// A mode's name, or a file.
pub(super) fn edid(text: &CStr) -> Read<EdidChoice<'_>> {
    match choice(text.to_bytes(), MODE_NAMES, MODES) {
        Ok(mode) => Ok(EdidChoice::Mode(mode)),
        Err(_) => path(text, "a file, 720p60, 1080p30 or 1080p60").map(EdidChoice::File),
    }
}

pub(super) fn device(text: &CStr) -> Read<DeviceChoice<'_>> {
    match text.to_bytes() {
        b"auto" => Ok(DeviceChoice::Auto),
        _ => path(text, "a device's path, or auto").map(DeviceChoice::Path),
    }
}

pub(super) fn memory(text: &[u8]) -> Read<MemoryChoice> {
    use MemoryChoice::{Auto, Copy, Export};
    choice(text, "auto export copy", [Auto, Export, Copy])
}

pub(super) fn push_memory(text: &[u8]) -> Read<PushMemory> {
    use PushMemory::{CmaHeap, Copy, Export, SystemHeap, Udmabuf};
    choice(
        text,
        "export copy cma-heap system-heap udmabuf",
        [Export, Copy, CmaHeap, SystemHeap, Udmabuf],
    )
}

pub(super) fn bitrate_mode(text: &[u8]) -> Read<BitrateMode> {
    choice(
        text,
        "vbr cbr",
        [BitrateMode::Variable, BitrateMode::Constant],
    )
}

pub(super) fn switch(text: &[u8]) -> Read<bool> {
    choice(text, "on off", [true, false])
}

pub(super) fn log_level(text: &[u8]) -> Read<LevelFilter> {
    use LevelFilter::{Debug, Error, Info, Off, Trace, Warn};
    let levels = [Off, Error, Warn, Info, Debug, Trace];
    choice(text, "off error warn info debug trace", levels)
}

pub(super) fn log_target(text: &[u8]) -> Read<LogTarget> {
    choice(text, "stderr kmsg", [LogTarget::Stderr, LogTarget::Kmsg])
}

pub(super) fn source(text: &CStr) -> Read<Source<'_>> {
    match text.to_bytes() {
        b"pattern" => Ok(Source::Pattern),
        b"-" => Ok(Source::Stdin),
        _ => path(text, "a file, - for standard input, or pattern").map(Source::File),
    }
}

pub(super) fn target(text: &CStr) -> Read<Target<'_>> {
    let peer = match text.to_bytes() {
        b"-" => return Ok(Target::Stdout),
        [b'u', b'n', b'i', b'x', b':', ..] => socket(&text[5..]).map(Peer::Unix),
        [b't', b'c', b'p', b':', at @ ..] => address(at).map(Peer::Tcp),
        [b'u', b'd', b'p', b':', at @ ..] => address(at).map(Peer::Udp),
        _ => {
            let wants =
                "a file, - for standard output, unix:PATH, tcp:ADDRESS:PORT or udp:ADDRESS:PORT";
            return path(text, wants).map(Target::File);
        }
    }?;
    Ok(Target::Peer(peer, text))
}

/// An address and a port. Names are not looked up.
fn address(text: &[u8]) -> Read<SocketAddr> {
    let wants = Wants::Text(
        "a numeric address and a port, such as tcp:192.0.2.1:5000 or udp:[2001:db8::1]:5000",
    );
    let address = str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<SocketAddr>().ok());
    address.filter(|address| address.port() != 0).ok_or(wants)
}

/// A file of its own: standard output has the packets.
pub(super) fn index(text: &CStr) -> Read<&CStr> {
    let wants = "a file";
    match text.to_bytes() {
        b"-" => Err(Wants::Text(wants)),
        _ => path(text, wants),
    }
}

pub(super) fn mux(text: &[u8]) -> Read<Mux> {
    use Mux::{Annexb, Mjpeg, Mp4, Packets, Ts};
    choice(
        text,
        "annexb ts mp4 mjpeg packets",
        [Annexb, Ts, Mp4, Mjpeg, Packets],
    )
}

pub(super) fn start(text: &[u8]) -> Read<StartAt> {
    use StartAt::{Key, Live, Oldest, Past};
    let list = "oldest key live";
    choice(text, list, [Oldest, Key, Live]).or_else(|_| {
        text.strip_prefix(b"-")
            .and_then(recording::past)
            .map(Past)
            .ok_or(Wants::Word("-AGE such as -10s, up to 1h, or ", list))
    })
}

/// The name of an object in /dev/shm.
pub(super) fn object(text: &CStr) -> Read<&CStr> {
    let name = text.to_bytes();
    let fits = (1..=SINK_NAME_BYTES).contains(&name.len());
    (fits && !name.contains(&b'/') && place(name, ". ..").is_none())
        .then_some(text)
        .ok_or(Wants::Text("a name without /, 1 to 255 bytes"))
}

pub(super) fn sink_layout(text: &[u8]) -> Read<SinkLayout> {
    choice(text, SINK_VERSIONS, SINK_LAYOUTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_are_fractions_decimals_or_whole_in_lowest_terms() {
        let rate = |text: &str| super::rate(text.as_bytes()).map(|r| (r.numerator, r.denominator));
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
        let user = |text: &str| {
            identity(text.as_bytes())
                .ok()
                .map(|user| (user.uid, user.gid))
        };
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
        let name = |text| control(text).ok().map(|setting| setting.name);
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
        let item = |text| match control(text).ok().map(|setting| setting.value) {
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
        let value = |text| match control(text).ok()?.value {
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
