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
    /// A number in a range.
    Number(Numbers),
    /// One of a list's words, after what else it takes (`auto or `).
    Word(&'static str, &'static str),
    /// Width and height.
    Size,
    /// Frames per second, after what else it takes.
    FrameRate(&'static str),
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
    /// Something else: said here.
    Text(&'static str),
    /// The option again, but it may be given only so many times.
    Fewer(usize),
}

impl Wants {
    /// One of a list's words.
    pub(super) const fn word(list: &'static str) -> Self {
        Self::Word("", list)
    }

    /// The value nearest to what was given, if one is near.
    pub(super) fn nearest(self, given: &[u8]) -> Option<Near> {
        match self {
            Self::Word(_, list) => nearest(given, words(list.as_bytes())).map(Near::Word),
            Self::RawFormat | Self::CameraFormat => names::nearest_raw(given).map(Near::Word),
            Self::Codec => names::nearest_coded(given).map(Near::Word),
            Self::Size => nearest_size(given).map(Near::Size),
            _ => None,
        }
    }
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
            Self::Number(numbers) => match numbers.unit {
                Unit::Count => write!(f, "a number from {numbers}"),
                Unit::Bits => write!(f, "bits per second, {numbers}, such as 800k or 4M"),
                Unit::Bytes => write!(f, "bytes, {numbers}"),
                Unit::Milliseconds => write!(f, "milliseconds, {numbers}, or a time such as 2s"),
            },
            Self::Word(lead, list) => {
                f.write_str(lead)?;
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
            Self::FrameRate(lead) => write!(
                f,
                "{lead}frames per second, 1/{FRAME_RATE_MIN_DIVISOR} to {FRAME_RATE_MAX}, such as 25, 29.97 or 30000/1001"
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
            Self::Text(text) => f.write_str(text),
            Self::Fewer(times) => write!(f, "to be given {times} times at most"),
        }
    }
}
