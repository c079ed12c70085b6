//! Coded frames as they lie in a camera's buffers, mapped: what is a whole one, and what is not.
//!
//! Knows which slot has how many bytes, and JPEG's outer form. Knows no encoder, no decoder and no packet.

use core::fmt;

use arrayvec::ArrayVec;

use crate::engine::session::Session;
use crate::limits::{FRAME_SLOTS_MAX, PLANES};
use crate::log::note;
use crate::media::fourcc::Fourcc;
use crate::media::jpeg::{self, Jpeg, JpegError};
use crate::shm::bytes::SharedBytes;
use crate::shm::region::Region;
use crate::v4l2::camera::{Camera, CaptureFormat};
use crate::v4l2::encoder::OUTPUT_PLANES;
use crate::v4l2::negotiate::{Refused, Wanted, check_size};

/// A camera's buffers, and what the camera put there.
#[derive(Debug, Default)]
pub struct CodedFrames {
    buffers: ArrayVec<Region, OUTPUT_PLANES>,
    /// Bytes of the frame in each.
    bytes: [u32; FRAME_SLOTS_MAX as usize],
    /// Frames that were no whole ones.
    unfit: u64,
}

/// A whole frame: `jpeg` says which of its bytes matter, where it is one.
#[derive(Debug)]
pub struct CodedFrame<'a> {
    /// What the camera put into the buffer.
    pub bytes: SharedBytes<'a>,
    /// The frame in it; `None` for other codecs.
    pub jpeg: Option<Jpeg>,
}

/// Why a frame is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no frame.
    Jpeg(JpegError),
    /// It has another size than was agreed on, width and height.
    Size((u32, u32)),
    /// There is no such buffer.
    NoBuffer,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jpeg(error) => error.fmt(f),
            Self::Size((width, height)) => write!(f, "its size is {width}x{height}"),
            Self::NoBuffer => f.write_str("no such buffer"),
        }
    }
}

impl CodedFrames {
    /// Sets a camera up whose frames are coded, with buffers of its own, and maps them. It is not started yet. Gives what the stream is.
    ///
    /// # Errors
    /// When it refuses format or size, or memory is short.
    pub fn set_up(
        &mut self,
        camera: &mut Camera,
        format: CaptureFormat,
        wanted: &Wanted,
        session: &Session<'_>,
    ) -> Result<Wanted, Refused> {
        let (size, options) = ((wanted.width, wanted.height), session.options);
        check_size(size)?;
        // Buffers that are mapped cannot be replaced.
        self.clear();
        let colour = camera.colour(format, size, options.progressive)?;
        camera.negotiate(format, wanted, &[0; PLANES])?;
        camera.capture.allocate(session.slots)?;
        camera.capture.map(&mut self.buffers)?;
        Ok(Wanted {
            colour: colour.overridden_by(options.colour),
            ..*wanted
        })
    }

    /// Lets go of the buffers: a mapping keeps the device open.
    pub fn clear(&mut self) {
        self.buffers.clear();
    }

    /// The camera put so many bytes into a slot.
    pub fn filled(&mut self, slot: u32, bytes: u32) {
        if let Some(place) = self.bytes.get_mut(slot as usize) {
            *place = bytes;
        }
    }

    /// The frame in a slot, if it is a whole one.
    ///
    /// # Errors
    /// When it is not to be used.
    pub fn frame(
        &self,
        slot: u32,
        codec: Fourcc,
        size: (u32, u32),
    ) -> Result<CodedFrame<'_>, Unfit> {
        let buffer = self.buffers.get(slot as usize).ok_or(Unfit::NoBuffer)?;
        let bytes = self.bytes.get(slot as usize).copied().unwrap_or(0) as usize;
        let bytes = buffer.bytes().part(0, bytes.min(buffer.len()));
        let bytes = bytes.ok_or(Unfit::NoBuffer)?;
        let jpeg = match codec {
            Fourcc::MJPG | Fourcc::JPEG => Some(jpeg::inspect(bytes).map_err(Unfit::Jpeg)?),
            _ => None,
        };
        match &jpeg {
            Some(jpeg) if jpeg.size != size => Err(Unfit::Size(jpeg.size)),
            _ => Ok(CodedFrame { bytes, jpeg }),
        }
    }

    /// Logs that a frame is not used. A camera whose frames are all so is not to fill the log: at the 1st, 2nd, 4th, 8th, …
    pub fn log_unfit(&mut self, camera: impl fmt::Display, reason: Unfit) {
        self.unfit += 1;
        if self.unfit.is_power_of_two() {
            note!(
                warn,
                "{camera}: {} frames dropped so far: {reason}",
                self.unfit
            );
        }
    }
}
