//! Which device the user named. Knows how a device can be named; finds and opens none.

use core::ffi::CStr;
use core::fmt;

use crate::media::edid::Mode;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;

/// Which encoder device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice<'a> {
    /// The first one that takes the format and gives the codec.
    #[default]
    Auto,
    /// This one.
    Path(&'a CStr),
}

/// Which device between the camera and the encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MiddleChoice<'a> {
    /// The first one that does what is needed.
    #[default]
    Auto,
    /// None.
    Off,
    /// This one.
    Path(&'a CStr),
}

/// What a device between the camera and the encoder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MiddleKind {
    /// It makes raw frames of coded ones.
    Decoder,
    /// It makes other raw frames of raw ones.
    Converter,
}

impl MiddleKind {
    /// Its name, for sentences.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder",
            Self::Converter => "converter",
        }
    }
}

/// Which camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraChoice<'a> {
    /// The one at this node, or where this link leads.
    Path(&'a CStr),
    /// The one at this bus: `bus_info` of VIDIOC_QUERYCAP, 1 to 31 bytes.
    Bus(&'a [u8]),
    /// The one of this name: `card` of VIDIOC_QUERYCAP, 1 to 31 bytes.
    Card(&'a [u8]),
}

/// What a camera's frames are asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraFormat {
    /// Samples.
    Raw(Fourcc),
    /// Coded by the camera, such as MJPG.
    Coded(Fourcc),
}

impl CameraFormat {
    /// The coded format, where it is one.
    #[must_use]
    pub fn coded(self) -> Option<Fourcc> {
        match self {
            Self::Raw(_) => None,
            Self::Coded(coded) => Some(coded),
        }
    }

    /// The raw format, where it is one.
    #[must_use]
    pub fn raw(self) -> Option<Fourcc> {
        match self {
            Self::Raw(raw) => Some(raw),
            Self::Coded(_) => None,
        }
    }
}

/// What a video source is to read of the display that it seems to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdidChoice<'a> {
    /// The EDID in this file.
    File(&'a CStr),
    /// One that offers this mode.
    Mode(Mode),
}

impl<'a> CameraChoice<'a> {
    /// The path, where that was given.
    #[must_use]
    pub fn path(self) -> Option<&'a CStr> {
        match self {
            Self::Path(path) => Some(path),
            Self::Bus(_) | Self::Card(_) => None,
        }
    }
}

impl fmt::Display for CameraChoice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => Escaped(path.to_bytes()).fmt(f),
            Self::Bus(name) => write!(f, "bus:{}", Escaped(name)),
            Self::Card(name) => write!(f, "card:{}", Escaped(name)),
        }
    }
}
