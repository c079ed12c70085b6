//! A frame as its buffer has it: the driver's word for its time, its number, and whether it is whole.
//!
//! Pure: knows a dequeued buffer, and no device.

use rustix::io::Errno;

use crate::errno::call::{Call, IoctlError};
use crate::v4l2::abi::{BUF_FLAG_ERROR, BUF_FLAG_TIMESTAMP_MASK, BUF_FLAG_TIMESTAMP_MONOTONIC};
use crate::v4l2::ioctl::{Buffer, Result};

/// A frame that the camera took.
#[derive(Clone, Copy, Debug)]
pub struct CameraFrame {
    /// The buffer's index: the slot.
    pub slot: u32,
    /// The camera's timestamp, us; `None` when it is not of `CLOCK_MONOTONIC`.
    pub micros: Option<u64>,
    /// Bytes in its first memory plane: all of a coded frame.
    pub bytes: u32,
    /// `v4l2_buffer::sequence`: the camera's count.
    pub sequence: u32,
    /// `V4L2_BUF_FLAG_ERROR`, or fewer bytes than a frame has: it is not to be shown.
    pub damaged: bool,
}

impl CameraFrame {
    /// What a buffer says of the frame in it, of which a whole one has `payload` bytes in each memory plane.
    ///
    /// # Errors
    /// As `Camera::dequeue`.
    pub(super) fn of(buffer: &Buffer, payload: &[u32]) -> Result<Self> {
        let failed = |errno| Err(IoctlError::new(Call::DqBuf, errno));
        let planes = 0..payload.len();
        if planes.clone().any(|plane| buffer.data_offset(plane) != 0) {
            return failed(Errno::PROTO);
        }
        let error = buffer.has(BUF_FLAG_ERROR);
        if error && planes.clone().all(|plane| buffer.bytesused(plane) == 0) {
            return failed(Errno::NODATA);
        }
        let clock = buffer.flags() & BUF_FLAG_TIMESTAMP_MASK;
        let micros = buffer.timestamp();
        Ok(Self {
            slot: buffer.index(),
            bytes: buffer.bytesused(0),
            micros: (clock == BUF_FLAG_TIMESTAMP_MONOTONIC && micros != 0).then_some(micros),
            sequence: buffer.sequence(),
            damaged: error
                || planes
                    .zip(payload)
                    .any(|(plane, &bytes)| buffer.bytesused(plane) < bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::abi::{BufferType, Memory};

    #[test]
    fn a_frame_is_whole_when_no_plane_is_short_and_the_driver_marks_no_error() {
        let buffer = |flags: u32, used: [u32; 2]| {
            let mut buffer = Buffer::new(BufferType::VideoCaptureMplane, Memory::Mmap, 3);
            buffer.set_plane_count(2);
            buffer.set_flags(flags);
            for (plane, bytes) in used.into_iter().enumerate() {
                buffer.set_bytesused(plane, bytes);
            }
            buffer
        };
        let damaged = |flags, used| {
            let frame = CameraFrame::of(&buffer(flags, used), &[100, 50]);
            frame.map(|frame| frame.damaged)
        };
        let empty = Err(IoctlError::new(Call::DqBuf, Errno::NODATA));
        for (flags, used, expected) in [
            (0, [100, 50], Ok(false)),
            (0, [128, 64], Ok(false)),
            (0, [99, 50], Ok(true)),
            (0, [100, 49], Ok(true)),
            (0, [0, 0], Ok(true)),
            (BUF_FLAG_ERROR, [100, 50], Ok(true)),
            (BUF_FLAG_ERROR, [1, 0], Ok(true)),
            (BUF_FLAG_ERROR, [0, 0], empty),
        ] {
            assert_eq!(damaged(flags, used), expected, "{flags:#x} {used:?}");
        }
    }

    #[test]
    fn only_times_of_the_monotonic_clock_are_taken() {
        let micros = |flags, micros| {
            let mut buffer = Buffer::new(BufferType::VideoCapture, Memory::Mmap, 0);
            buffer.set_flags(flags);
            buffer.set_timestamp(micros);
            CameraFrame::of(&buffer, &[0]).map(|frame| frame.micros)
        };
        assert_eq!(micros(BUF_FLAG_TIMESTAMP_MONOTONIC, 7), Ok(Some(7)));
        assert_eq!(micros(BUF_FLAG_TIMESTAMP_MONOTONIC, 0), Ok(None));
        assert_eq!(micros(0, 7), Ok(None));
    }
}
