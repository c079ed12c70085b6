//! How a camera is used, with a decoder or without, and what its parts are called.
//!
//! Knows choices and names. Opens nothing.

use core::ffi::CStr;
use core::fmt;

use crate::errno::call::IoctlError;
use crate::media::format::RawFormat;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;
use crate::types::devices::CameraChoice;
use crate::types::flip::Flip;
use crate::v4l2::camera::PictureFormat;

/// How a camera is used, whenever it is attached.
#[derive(Clone, Copy, Debug)]
pub struct CameraConfig<'a> {
    /// Which camera it is.
    pub choice: CameraChoice<'a>,
    /// Its raw format, or its decoder's: the encoder's, or one with the same rows.
    pub format: &'static RawFormat,
    /// Its pictures are coded, and a decoder makes raw ones of them.
    pub decoder: Option<DecoderConfig<'a>>,
    /// Its pictures are coded, and passed on as they are.
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
pub struct DecoderConfig<'a> {
    /// What the camera gives.
    pub input: Input,
    /// Its path, to open it.
    pub node: &'a CStr,
}

/// What a camera gives to what is between it and the encoder.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// Coded pictures, to be decoded.
    Coded(Fourcc),
    /// Raw pictures, to be converted.
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
    /// What the camera is asked for.
    #[must_use]
    pub fn pictures(self) -> PictureFormat {
        match self {
            Self::Coded(coded) => PictureFormat::Coded(coded),
            Self::Raw { format, .. } => PictureFormat::Raw(format),
        }
    }

    /// What takes it, in a word.
    #[must_use]
    pub fn middle(self) -> &'static str {
        match self {
            Self::Coded(_) => "decoder",
            Self::Raw { .. } => "converter",
        }
    }

    /// The size that the camera is asked for, where the stream's is this.
    #[must_use]
    pub fn size(self, of_stream: (u32, u32)) -> (u32, u32) {
        match self {
            Self::Raw {
                size: Some(size), ..
            } => size,
            _ => of_stream,
        }
    }
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
    pub fn pictures(&self) -> PictureFormat {
        let of_middle = self.decoder.map(|decoder| decoder.input.pictures());
        let coded = of_middle.or(self.passes.map(PictureFormat::Coded));
        coded.unwrap_or(PictureFormat::Raw(self.format))
    }

    /// The size that the camera is asked for, where the stream's is this.
    #[must_use]
    pub fn camera_size(&self, of_stream: (u32, u32)) -> (u32, u32) {
        let size = self.decoder.map(|decoder| decoder.input.size(of_stream));
        size.unwrap_or(of_stream)
    }
}

impl<'a> CameraConfig<'a> {
    /// Whoever fills the slots, for sentences.
    pub(super) fn filler(self) -> Filler<'a> {
        Filler(self)
    }
}

/// The camera as the user named it, or the decoder's path.
pub(super) struct Filler<'a>(CameraConfig<'a>);

impl fmt::Display for Filler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.decoder {
            Some(decoder) => Escaped(decoder.node.to_bytes()).fmt(f),
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
    Decoder,
}

impl Part {
    /// Its name: the camera's as the user gave it, or the decoder's path.
    pub(super) fn name<'a>(self, config: CameraConfig<'a>) -> PartName<'a> {
        PartName(self, config)
    }

    pub(super) fn failed(self, error: IoctlError) -> Fault {
        Fault { of: self, error }
    }
}

/// A device of the source, in words.
pub(super) struct PartName<'a>(Part, CameraConfig<'a>);

impl fmt::Display for PartName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1.decoder) {
            (Part::Decoder, Some(decoder)) => {
                let what = decoder.input.middle();
                write!(f, "{}: the {what}", Escaped(decoder.node.to_bytes()))
            }
            _ => write!(f, "{}: the camera", self.1),
        }
    }
}

/// The camera's name, for sentences about it.
impl fmt::Display for CameraConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.choice.fmt(f)
    }
}
