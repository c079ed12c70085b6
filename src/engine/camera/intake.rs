//! What comes into a decoder or converter: coded frames, each of which is copied once, or raw ones in buffers that whoever fills them and
//! the converter both have.
//!
//! The copy of the coded bytes is the only place of a chain where frames are dropped because something behind is slow. Knows frames and
//! buffers. Knows not what is inside, and not what a failure leads to.

use arrayvec::ArrayVec;

use super::config::Input;
use crate::errno::call::IoctlError;
use crate::flow::raw_link::RawLink;
use crate::limits::{FRAME_SLOTS_MAX, UNFIT_PICTURES};
use crate::log::note;
use crate::media::jpeg::{Jpeg, JpegError, inspect};
use crate::shm::bytes::SharedBytes;
use crate::shm::region::Region;
use crate::v4l2::camera::CameraFrame;
use crate::v4l2::capture::CaptureQueue;

/// How frames come in.
#[expect(
    clippy::large_enum_variant,
    reason = "there are two of these in all, and no heap"
)]
pub(super) enum Intake {
    /// Coded, to be copied.
    Coded(CodedIntake),
    /// Raw, in these buffers.
    Raw(RawLink),
}

impl Intake {
    /// For this, in frames of this size: whoever fills the buffers, of which there are so many, has this queue where it is the camera.
    ///
    /// # Errors
    /// When a camera's buffers cannot be mapped.
    pub(super) fn new(
        input: Input,
        camera: &CaptureQueue,
        slots: u32,
        size: (u32, u32),
    ) -> Result<Self, IoctlError> {
        Ok(match input {
            Input::Coded(_) => Self::Coded(CodedIntake::new(camera, size)?),
            Input::Raw { .. } => Self::Raw(RawLink::new(slots)),
        })
    }
}

/// The buffers of a camera whose frames are coded, and what it promised.
pub(super) struct CodedIntake {
    /// To read from.
    buffers: ArrayVec<Region, { FRAME_SLOTS_MAX as usize }>,
    /// Width and height, pixels.
    size: (u32, u32),
    /// Frames in a row that are none for the decoder.
    unfit: u32,
}

/// Why a frame is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotDecoded {
    /// It is none, or not whole.
    Damaged,
    /// It is not what the camera promised, and neither were those before it: the camera failed.
    Another,
}

/// What became of a frame of the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// It is inside.
    In,
    /// It is inside, and so is the camera's buffer.
    Kept,
    /// There is no room for it.
    NoRoom,
    /// It is none, or not whole.
    Damaged,
    /// It is in no buffer that the camera has: a driver that cannot count.
    Foreign,
}

impl CodedIntake {
    /// Reads a camera's buffers. `size`: what its frames are to have.
    ///
    /// # Errors
    /// When they cannot be mapped.
    fn new(camera: &CaptureQueue, size: (u32, u32)) -> Result<Self, IoctlError> {
        let mut buffers = ArrayVec::new();
        for slot in 0..camera.slots() {
            buffers.push(camera.map_one(slot)?);
        }
        Ok(Self {
            buffers,
            size,
            unfit: 0,
        })
    }

    /// A frame that a decoder can be given, and the bytes that it lies in.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn inspect(
        &mut self,
        frame: &CameraFrame,
    ) -> Result<(Jpeg, SharedBytes<'_>), NotDecoded> {
        let (size, bytes) = (self.size, frame.bytes as usize);
        let source = self.buffers.get(frame.slot as usize);
        let Some(source) = source.and_then(|region| region.bytes().part(0, bytes)) else {
            return Err(NotDecoded::Damaged);
        };
        match inspect(source) {
            Ok(jpeg) if jpeg.size == size => {
                self.unfit = 0;
                Ok((jpeg, source))
            }
            other => Err(unfit(&mut self.unfit, size, other)),
        }
    }
}

/// A frame that no decoder can be given as it is. A cut-off one happens; several of another size or kind are another stream than the camera
/// promised, which is its failure.
fn unfit(count: &mut u32, promised: (u32, u32), frame: Result<Jpeg, JpegError>) -> NotDecoded {
    if let Err(JpegError::CutOff | JpegError::NoStart) = frame {
        return NotDecoded::Damaged;
    }
    *count += 1;
    if *count == 1 {
        match frame {
            Ok(jpeg) => note!(
                warn,
                "the camera sent a frame of {}x{}, not of {}x{}",
                jpeg.size.0,
                jpeg.size.1,
                promised.0,
                promised.1
            ),
            Err(error) => note!(warn, "the camera sent a frame that is dropped: {error}"),
        }
    }
    match *count < UNFIT_PICTURES {
        true => NotDecoded::Damaged,
        false => NotDecoded::Another,
    }
}
