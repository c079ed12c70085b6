//! One control of an encoder as a user names it. Which ids and items there are, `v4l2::controls` and `v4l2::menu` ask the device.

use core::fmt;

use crate::text::Escaped;

/// One encoder control and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSetting<'a> {
    /// Which control.
    pub name: ControlName<'a>,
    /// Its value.
    pub value: ControlValue<'a>,
}

/// What a control is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlValue<'a> {
    /// A number; `true` is 1 and `false` 0.
    Number(i64),
    /// A menu's item by its name, printable ASCII, as the user wrote it.
    Item(&'a [u8]),
}

impl fmt::Display for ControlValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Item(name) => Escaped(name).fmt(f),
        }
    }
}

/// How a control is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlName<'a> {
    /// By V4L2 control id, never 0.
    Id(u32),
    /// By name, printable ASCII, as the user wrote it; folding case and spaces is `v4l2::controls`' business.
    Name(&'a [u8]),
}

/// How an encoder spends its bits. The number is the value of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitrateMode {
    /// More for difficult frames.
    Variable = 0,
    /// The same at all times.
    Constant = 1,
}
