//! How a camera is used, with devices between it and the encoder or without, and what all these are called.
//!
//! Knows choices and names. Opens nothing.

use core::ffi::CStr;
use core::fmt;

use crate::errno::call::IoctlError;
use crate::media::format::RawFormat;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;
use crate::types::devices::{CameraChoice, MiddleKind};
use crate::types::flip::Flip;
use crate::v4l2::camera::CaptureFormat;

/// How a camera is used, whenever it is attached.
#[derive(Clone, Copy, Debug)]
pub struct CameraConfig<'a> {
    /// Which camera it is.
    pub choice: CameraChoice<'a>,
    /// The raw format that fills the slots: the encoder's, or one with the same rows.
    pub format: &'static RawFormat,
    /// What is between it and the encoder, in the order in which frames go through: at most `MIDDLE_STAGES`. Coded frames come into the
    /// first one alone.
    pub middle: &'a [MiddleConfig<'a>],
    /// Its frames are coded, and passed on as they are.
    pub passes: Option<Fourcc>,
    /// The EDID that it shows to its source.
    pub edid: Option<&'a [u8]>,
    /// No frame and no failure for so long, and it woke the loop for nothing: it has failed, ns.
    pub stall_ns: u64,
    /// How long a camera that is gone is waited for, ns.
    pub patience_ns: u64,
    /// The encoder refuses its buffers when they are queued, and not before: frames are copied.
    pub copied: bool,
    /// The decoder did not keep the rows that it was asked for: it is not asked again, and the encoder takes its own.
    pub own_rows: bool,
}

/// A decoder or converter between a camera and the encoder.
#[derive(Clone, Copy, Debug)]
pub struct MiddleConfig<'a> {
    /// What comes into it.
    pub input: Input,
    /// Its path, to open it.
    pub node: &'a CStr,
}

/// What comes into a device between a camera and the encoder.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// Coded frames, to be decoded.
    Coded(Fourcc),
    /// Raw frames, to be converted.
    Raw {
        /// Their format.
        format: &'static RawFormat,
        /// Width and height, pixels; `None`: those of the stream.
        size: Option<(u32, u32)>,
        /// How they are mirrored.
        flip: Flip,
    },
}

impl Input {
    /// What whoever gives it is asked for.
    #[must_use]
    pub fn frames(self) -> CaptureFormat {
        match self {
            Self::Coded(coded) => CaptureFormat::Coded(coded),
            Self::Raw { format, .. } => CaptureFormat::Raw(format),
        }
    }

    /// Its size, where frames of this size come out.
    #[must_use]
    pub fn size(self, behind: (u32, u32)) -> (u32, u32) {
        match self {
            Self::Raw {
                size: Some(size), ..
            } => size,
            _ => behind,
        }
    }

    /// What a device does with it.
    #[must_use]
    pub fn kind(self) -> MiddleKind {
        match self {
            Self::Coded(_) => MiddleKind::Decoder,
            Self::Raw { .. } => MiddleKind::Converter,
        }
    }
}

/// The size in which frames come into the first of these devices, where those of the stream have this size.
#[must_use]
pub fn size_before(
    inputs: impl DoubleEndedIterator<Item = Input>,
    of_stream: (u32, u32),
) -> (u32, u32) {
    inputs.rev().fold(of_stream, |size, input| input.size(size))
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coded(coded) => coded.fmt(f),
            Self::Raw { format, .. } => format.fourcc.fmt(f),
        }
    }
}

impl CameraConfig<'_> {
    /// What the camera is asked for.
    #[must_use]
    pub fn frames(&self) -> CaptureFormat {
        let of_middle = self.middle.first().map(|first| first.input.frames());
        let coded = of_middle.or(self.passes.map(CaptureFormat::Coded));
        coded.unwrap_or(CaptureFormat::Raw(self.format))
    }

    /// The size that the camera is asked for, where the stream's is this.
    #[must_use]
    pub fn camera_size(&self, of_stream: (u32, u32)) -> (u32, u32) {
        self.size_into(0, of_stream)
    }

    /// The size of what comes into the device at this place of `middle`; behind the last one: the stream's.
    #[must_use]
    pub fn size_into(&self, at: usize, of_stream: (u32, u32)) -> (u32, u32) {
        let inputs = self.middle.iter().skip(at).map(|one| one.input);
        size_before(inputs, of_stream)
    }

    /// The raw format that the device at this place of `middle` gives.
    #[must_use]
    pub fn format_from(&self, at: usize) -> &'static RawFormat {
        match self.middle.get(at + 1).map(|next| next.input) {
            Some(Input::Raw { format, .. }) => format,
            _ => self.format,
        }
    }
}

impl<'a> CameraConfig<'a> {
    /// Whoever fills the slots.
    pub(super) fn filler_part(&self) -> Part {
        match self.middle.len() {
            0 => Part::Camera,
            stages => Part::Middle(stages - 1),
        }
    }

    /// Whoever fills the slots, for sentences.
    pub(super) fn filler(self) -> Filler<'a> {
        Filler(self)
    }
}

/// The camera as the user named it, or the path of the last device before the encoder.
pub(super) struct Filler<'a>(CameraConfig<'a>);

impl fmt::Display for Filler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.middle.last() {
            Some(last) => Escaped(last.node.to_bytes()).fmt(f),
            None => self.0.fmt(f),
        }
    }
}

/// Which device of the source failed, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) of: Part,
    pub(super) error: IoctlError,
}

/// A device of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Camera,
    /// The device at this place of `CameraConfig::middle`.
    Middle(usize),
}

impl Part {
    /// Its name: the camera's as the user gave it, or the device's path.
    pub(super) fn name<'a>(self, config: CameraConfig<'a>) -> PartName<'a> {
        PartName(self, config)
    }

    /// The device, where it is not the camera.
    pub(super) fn in_middle(self, config: CameraConfig<'_>) -> Option<MiddleConfig<'_>> {
        match self {
            Self::Camera => None,
            Self::Middle(at) => config.middle.get(at).copied(),
        }
    }

    pub(super) fn failed(self, error: IoctlError) -> Fault {
        Fault { of: self, error }
    }
}

/// A device of the source, in words.
pub(super) struct PartName<'a>(Part, CameraConfig<'a>);

impl fmt::Display for PartName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.in_middle(self.1) {
            Some(one) => {
                let what = one.input.kind().name();
                write!(f, "{}: the {what}", Escaped(one.node.to_bytes()))
            }
            None => write!(f, "{}: the camera", self.1),
        }
    }
}

/// The camera's name, for sentences about it.
impl fmt::Display for CameraConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.choice.fmt(f)
    }
}
