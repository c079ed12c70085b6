//! A camera whose buffers the encoder imports: V4L2 capture, single-planar or multi-planar.
//!
//! Knows the capture device's side: format, buffers, streaming. Knows no encoder and never waits: the device is opened
//! non-blocking, and whoever owns it polls.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::abi::{
    Api, BUF_FLAG_ERROR, BufferType, CAP_STREAMING, CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE,
    FIELD_NONE, Format, Fract, Memory, Queue,
};
use super::device::NotUsable;
use super::encoder::OUTPUT_PLANES;
use super::errno::{Call, IoctlError};
use super::ioctl::{self, Buffer, Dequeued, Result};
use super::negotiate::{Refused, Wanted};
use crate::limits::{BUFFERS_MIN, FRAME_SLOTS_MAX, PLANES};
use crate::media::layout::Placement;

/// A camera with its buffers.
#[derive(Debug)]
pub struct Camera {
    fd: OwnedFd,
    queue: BufferType,
    slots: u32,
    /// Memory planes of a buffer.
    planes: usize,
}

/// A picture that the camera took.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The buffer's index: the slot.
    pub slot: u32,
    /// The camera's timestamp, us.
    pub micros: u64,
    /// `V4L2_BUF_FLAG_ERROR`: it is not to be shown.
    pub error: bool,
}

impl Camera {
    /// Opens a node, non-blocking.
    ///
    /// # Errors
    /// When it cannot be opened, or is no camera with streaming I/O.
    pub fn open(path: &CStr) -> core::result::Result<Self, NotUsable> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd =
            open(path, flags, Mode::empty()).map_err(|errno| IoctlError::new(Call::Open, errno))?;
        let capability = ioctl::querycap(fd.as_fd())?;
        let caps = capability.node_caps();
        let api = if caps & CAP_VIDEO_CAPTURE_MPLANE != 0 {
            Api::Multi
        } else {
            Api::Single
        };
        if caps & (CAP_VIDEO_CAPTURE | CAP_VIDEO_CAPTURE_MPLANE) == 0 || caps & CAP_STREAMING == 0 {
            return Err(NotUsable::NotM2m(capability));
        }
        Ok(Self {
            fd,
            queue: BufferType::new(Queue::Capture, api),
            slots: 0,
            planes: 1,
        })
    }

    /// The size that it has now, pixels.
    ///
    /// # Errors
    /// When it does not say.
    pub fn size(&self) -> Result<(u32, u32)> {
        Ok(ioctl::g_fmt(&self.fd, self.queue)?.size())
    }

    /// Sets size, format and rate. Gives where the rows lie in its buffers.
    ///
    /// # Errors
    /// When the camera does not take this size or format.
    pub fn negotiate(&mut self, wanted: &Wanted) -> core::result::Result<Placement, Refused> {
        let size = (wanted.width, wanted.height);
        let mut format = Format::new(self.queue);
        format.set_size(size.0, size.1);
        format.set_pixelformat(wanted.format.fourcc);
        format.set_field(FIELD_NONE);
        let given = ioctl::s_fmt(&self.fd, &format)?;
        if given.pixelformat() != wanted.format.fourcc {
            return Err(Refused::Format(wanted.format.fourcc, given.pixelformat()));
        }
        if given.size() != size {
            return Err(Refused::Size(size, given.size()));
        }
        // A camera with a rate of its own keeps it; frames come when they come.
        let interval = Fract {
            numerator: wanted.rate.1,
            denominator: wanted.rate.0,
        };
        let _ = ioctl::s_parm(&self.fd, self.queue, interval);
        self.planes = given.planes().min(PLANES);
        let (mut bytesperline, mut sizeimage) = ([0; PLANES], [0; PLANES]);
        for plane in 0..self.planes {
            bytesperline[plane] = given.bytesperline(plane);
            sizeimage[plane] = given.sizeimage(plane);
        }
        let (bytesperline, sizeimage) = (&bytesperline[..self.planes], &sizeimage[..self.planes]);
        let layout = wanted
            .format
            .layout(size.0, size.1, size.1, bytesperline, sizeimage);
        Ok(layout.map_err(Refused::Layout)?.placement())
    }

    /// Allocates buffers, and exports their memory planes, buffer after buffer.
    ///
    /// # Errors
    /// When memory is short or cannot be exported.
    pub fn allocate(&mut self, slots: u32) -> Result<ArrayVec<OwnedFd, OUTPUT_PLANES>> {
        let granted = ioctl::reqbufs(&self.fd, self.queue, Memory::Mmap, slots)?.count;
        if granted < BUFFERS_MIN {
            return Err(IoctlError::new(Call::ReqBufs, Errno::NOMEM));
        }
        self.slots = granted.min(FRAME_SLOTS_MAX);
        let mut exported = ArrayVec::new();
        for slot in 0..self.slots {
            for plane in 0..self.planes as u32 {
                exported.push(ioctl::expbuf(&self.fd, self.queue, slot, plane)?);
            }
        }
        Ok(exported)
    }

    /// Number of buffers.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Starts the stream. Buffers are given by `queue`, before or after.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn start(&self) -> Result<()> {
        ioctl::streamon(&self.fd, self.queue)
    }

    /// Stops the stream; all buffers come back.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stop(&self) -> Result<()> {
        ioctl::streamoff(&self.fd, self.queue)
    }

    /// Gives a buffer to the camera, to be filled.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn queue(&self, slot: u32) -> Result<()> {
        let mut buffer = Buffer::new(self.queue, Memory::Mmap, slot);
        buffer.set_plane_count(self.planes);
        ioctl::qbuf(&self.fd, &mut buffer)
    }

    /// The next picture, if there is one.
    ///
    /// # Errors
    /// When the stream failed: `stop`, give every buffer again, `start`.
    pub fn dequeue(&self) -> Result<Option<Picture>> {
        let mut buffer = Buffer::new(self.queue, Memory::Mmap, 0);
        Ok(match ioctl::dqbuf(&self.fd, &mut buffer)? {
            Dequeued::Buffer => Some(Picture {
                slot: buffer.index(),
                micros: buffer.timestamp(),
                error: buffer.has(BUF_FLAG_ERROR),
            }),
            Dequeued::Nothing | Dequeued::Drained => None,
        })
    }
}

impl AsFd for Camera {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
