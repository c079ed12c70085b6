//! What an option wants: the middle of the sentence `--size wants WIDTHxHEIGHT …, not "640"`, and the nearest value that it would take.
//!
//! Each type of value has its own wording, complete and independent of the help text. Knows types of values; knows no option.

use core::fmt;

use super::number::{Numbers, Unit, nearest_size};
use crate::limits::{
    CONTROL_NAME_BYTES, FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR, FRAME_SIDE_MAX, FRAME_SIDE_MIN,
    SOCKET_NAME_BYTES,
};
use crate::media::names;
use crate::nearest::nearest;
use crate::text::{Escaped, words};
use crate::types::size::Size;

/// What an option wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// No value: a switch.
    Nothing,
    /// A number in a range.
    Number(Numbers),
    /// One of a list's words.
    Word(&'static str),
    /// Something else, after what it takes besides (`auto or `).
    Or(&'static (&'static str, Wants)),
    /// Width and height.
    Size,
    /// Frames per second.
    FrameRate,
    /// A raw format.
    RawFormat,
    /// A raw format, or a coded one that has a name.
    CameraFormat,
    /// A coded format.
    Codec,
    /// A control and its value.
    Control,
    /// The engine's socket.
    Socket,
    /// A file or a socket to write to.
    Target,
    /// Something else: said here.
    Text(&'static str),
}

/// It stands in each line of the table.
const _: () = assert!(size_of::<Wants>() <= 3 * size_of::<usize>());

impl Wants {
    /// The number that a value is, or the place of a word; 0 for values that the setter reads. `None` when it is neither number nor word
    /// of those wanted.
    pub(super) fn read(self, given: &[u8]) -> Option<u32> {
        match self {
            Self::Number(numbers) => numbers.read(given),
            Self::Word(list) => word(given, list).map(|place| place as u32),
            _ => Some(0),
        }
    }

    /// What of it was meant by a value that is not right.
    pub(super) fn meant(self, given: &[u8]) -> Self {
        match (self, given) {
            (Self::Target, [b'u', b'n', b'i', b'x', b':', ..]) => Self::Socket,
            (Self::Target, [b't', b'c', b'p', b':', ..] | [b'u', b'd', b'p', b':', ..]) => {
                Self::Text(
                    "a numeric address and a port, such as tcp:192.0.2.1:5000 or udp:[2001:db8::1]:5000",
                )
            }
            _ => self,
        }
    }

    /// The value nearest to what was given, if one is near.
    pub(super) fn nearest(self, given: &[u8]) -> Option<Near> {
        match self {
            Self::Or((_, other)) => other.nearest(given),
            Self::Word(list) => nearest(given, words(list.as_bytes())).map(Near::Word),
            Self::RawFormat | Self::CameraFormat => names::nearest_raw(given).map(Near::Word),
            Self::Codec => names::nearest_coded(given).map(Near::Word),
            Self::Size => nearest_size(given).map(Near::Size),
            _ => None,
        }
    }
}

/// Which of a list's words this is, in upper or lower case.
#[inline(never)]
pub(super) fn word(text: &[u8], list: &'static str) -> Option<usize> {
    words(list.as_bytes()).position(|word| word.eq_ignore_ascii_case(text))
}

/// A value that an option would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Near {
    Word(&'static [u8]),
    Size(Size),
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => Escaped(word).fmt(f),
            Self::Size(size) => size.fmt(f),
        }
    }
}

impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => Ok(()),
            Self::Number(numbers) => match numbers.unit {
                Unit::Count => write!(f, "a number from {numbers}"),
                Unit::Bits => write!(f, "bits per second, {numbers}, such as 800k or 4M"),
                Unit::Bytes => write!(f, "bytes, {numbers}"),
                Unit::Milliseconds => write!(f, "milliseconds, {numbers}, or a time such as 2s"),
            },
            Self::Or((lead, other)) => write!(f, "{lead}{other}"),
            Self::Word(list) => {
                let last = words(list.as_bytes()).count() - 1;
                for (index, word) in words(list.as_bytes()).enumerate() {
                    let gap = match index {
                        0 => "",
                        _ if index == last => " or ",
                        _ => ", ",
                    };
                    write!(f, "{gap}{}", Escaped(word))?;
                }
                Ok(())
            }
            Self::Size => write!(
                f,
                "WIDTHxHEIGHT in pixels, {FRAME_SIDE_MIN}x{FRAME_SIDE_MIN} to {FRAME_SIDE_MAX}x{FRAME_SIDE_MAX}"
            ),
            Self::FrameRate => write!(
                f,
                "frames per second, 1/{FRAME_RATE_MIN_DIVISOR} to {FRAME_RATE_MAX}, such as 25, 29.97 or 30000/1001"
            ),
            Self::RawFormat => f.write_str("a raw format, such as YU12, nv12 or yuyv422"),
            Self::CameraFormat => {
                f.write_str("a raw format, such as YUYV or nv12, or a coded one, such as mjpeg")
            }
            Self::Codec => f.write_str("a coded format, such as h264 or mjpeg"),
            Self::Control => write!(
                f,
                "NAME=VALUE or ID=VALUE, VALUE a number or a menu's item, names with {CONTROL_NAME_BYTES} characters at most"
            ),
            Self::Socket => write!(
                f,
                "a path or an abstract @NAME, 1 to {SOCKET_NAME_BYTES} bytes"
            ),
            Self::Target => f.write_str(
                "a file, - for standard output, unix:PATH, tcp:ADDRESS:PORT or udp:ADDRESS:PORT",
            ),
            Self::Text(text) => f.write_str(text),
        }
    }
}
