//! A camera: V4L2 capture, single-planar or multi-planar, with its buffers, and the signal that it may depend on.
//!
//! Knows the capture device's side: format, buffers, streaming, events. Knows no encoder and never waits: the device is
//! opened non-blocking, and whoever owns it polls.

mod frame;

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

pub use frame::CameraFrame;

use super::abi::{
    Api, CAP_STREAMING, CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE, CAP_VIDEO_OUTPUT,
    CAP_VIDEO_OUTPUT_MPLANE, Capability, DvTimings, EVENT_SOURCE_CHANGE, FIELD_ANY, FIELD_NONE,
    Format, Fract, StreamParm,
};
use super::capture::CaptureQueue;
use super::device::{NotUsable, open_node};
use super::ioctl::{self, Dequeued, Result};
use super::negotiate::{Refused, Wanted, coded_format, layout, raw_format};
use crate::errno::call::{Call, IoctlError};
use crate::limits::PLANES;
use crate::media::colour::Colour;
use crate::media::edid::{BLOCK, BLOCKS};
use crate::media::format::RawFormat;
use crate::media::fourcc::Fourcc;
use crate::media::layout::FrameLayout;

/// A camera with its buffers.
#[derive(Debug)]
pub struct Camera {
    /// Its queue.
    pub capture: CaptureQueue,
    /// What QUERYCAP said.
    pub capability: Capability,
    /// The timings of the signal, where there are any.
    timings: DvTimings,
}

/// What a camera's frames are asked to be.
#[derive(Clone, Copy, Debug)]
pub enum CaptureFormat {
    /// Samples.
    Raw(&'static RawFormat),
    /// Coded by the camera, such as MJPG.
    Coded(Fourcc),
}

/// What a device says of the signal that comes in.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// There are no timings to follow: it is no bridge.
    Own,
    /// There is one, and the device now works with its timings.
    Steady,
    /// There is none, or none that can be worked with.
    Lost(IoctlError),
    /// The device does not say: it failed.
    Failed(IoctlError),
}

impl Camera {
    /// Opens a node, non-blocking.
    ///
    /// # Errors
    /// When it cannot be opened, or is no camera with streaming I/O.
    pub fn open(path: &CStr) -> core::result::Result<Self, NotUsable> {
        let (fd, capability) = open_node(path)?;
        let caps = capability.node_caps();
        let api = if caps & CAP_VIDEO_CAPTURE_MPLANE != 0 {
            Api::Multi
        } else {
            Api::Single
        };
        if !is_camera(caps) {
            return Err(NotUsable::NotM2m(capability));
        }
        // Before the signal is looked at, so that no change is missed. Most cameras have neither inputs nor such an event.
        let watched = ioctl::g_input(fd.as_fd())
            .and_then(|input| ioctl::subscribe_event(fd.as_fd(), EVENT_SOURCE_CHANGE, input));
        match watched {
            Err(error) if !error.is_missing() && error.errno != Errno::INVAL => {
                return Err(error.into());
            }
            _ => {}
        }
        Ok(Self {
            capture: CaptureQueue::new(fd, api),
            capability,
            timings: DvTimings::default(),
        })
    }

    /// Sets the input's EDID, unless it has the same one: each VIDIOC_S_EDID makes the source stop for a while. Returns whether it was
    /// set.
    ///
    /// # Errors
    /// When it has no input with an EDID, or not so many blocks.
    pub fn show_edid(&self, edid: &[u8]) -> Result<bool> {
        let input = ioctl::g_input(self.as_fd()).unwrap_or(0);
        let mut present = [0; BLOCKS * BLOCK];
        // One that was never set is ENODATA: none.
        let length = ioctl::g_edid(self.as_fd(), input, &mut present).unwrap_or(0);
        if present[..length] == *edid {
            return Ok(false);
        }
        ioctl::s_edid(self.as_fd(), input, edid).map(|()| true)
    }

    /// Looks at the signal, and takes over its timings: what a bridge is set to at first is often not what comes in.
    /// Only before buffers are allocated.
    #[inline(never)]
    pub fn signal(&mut self) -> Signal {
        self.timings = DvTimings::default();
        let answer = ioctl::query_dv_timings(self.as_fd());
        let taken = answer.and_then(|timings| {
            self.timings = timings;
            ioctl::s_dv_timings(self.as_fd(), timings)
        });
        match taken {
            Ok(()) => Signal::Steady,
            // ENODATA: not this input.
            Err(error) if error.is_missing() || error.errno == Errno::NODATA => Signal::Own,
            // As the two calls' pages in the kernel's documentation have it.
            Err(error)
                if matches!(error.errno, Errno::NOLINK | Errno::NOLCK | Errno::RANGE)
                    || error == IoctlError::new(Call::SDvTimings, Errno::INVAL) =>
            {
                Signal::Lost(error)
            }
            Err(error) => Signal::Failed(error),
        }
    }

    /// Whether the signal has the timings that were taken over.
    #[must_use]
    pub fn unchanged(&self) -> bool {
        ioctl::query_dv_timings(self.as_fd()).is_ok_and(|timings| timings.same(&self.timings))
    }

    /// The size that it has now, pixels.
    ///
    /// # Errors
    /// When it does not say.
    pub fn size(&self) -> Result<(u32, u32)> {
        Ok(ioctl::g_fmt(self.as_fd(), self.capture.kind())?.size())
    }

    /// Frames per second, numerator and denominator, that come in this format and size: those of the signal, where there is
    /// one; otherwise what the driver makes of `requested`. `None` when it does not say. The format is set for this, because
    /// the rates depend on it. Only before buffers are allocated.
    #[inline(never)]
    pub fn rate(
        &self,
        format: CaptureFormat,
        size: (u32, u32),
        requested: (u32, u32),
    ) -> Option<(u64, u64)> {
        if let Some(rate) = self.timings.frame_rate() {
            return Some(rate);
        }
        // Whether it takes them is seen when they are negotiated.
        let _ = self.set(format, size, &[0; PLANES]);
        let answer = self.set_rate(requested);
        // Without the call there may be a rate all the same: that of a television standard.
        let interval = answer.or_else(|_| ioctl::g_parm(self.as_fd(), self.capture.kind()));
        let interval = interval.ok()?.timeperframe();
        let (n, d) = (interval.denominator, interval.numerator);
        (n != 0 && d != 0).then_some((n.into(), d.into()))
    }

    /// Asks for a rate.
    fn set_rate(&self, (numerator, denominator): (u32, u32)) -> Result<StreamParm> {
        let interval = Fract {
            numerator: denominator,
            denominator: numerator,
        };
        ioctl::s_parm(self.as_fd(), self.capture.kind(), interval)
    }

    /// Sets a format and a size, with so many bytes from one row to the next in each memory plane (0: its own). Gives what the
    /// driver made of it.
    ///
    /// # Errors
    /// When the camera has no such format, or the driver fails.
    pub fn set(
        &self,
        format: CaptureFormat,
        size: (u32, u32),
        bytesperline: &[u32; PLANES],
    ) -> core::result::Result<Format, Refused> {
        let (fd, queue) = (self.as_fd(), self.capture.kind());
        match format {
            CaptureFormat::Raw(raw) => {
                raw_format(fd, queue, raw, size, bytesperline, Colour::UNKNOWN)
            }
            CaptureFormat::Coded(coded) => coded_format(fd, queue, coded, size, 0),
        }
    }

    /// Where the rows of its frames of this size lie in this format, when it is asked for so many bytes from one to the next in
    /// each memory plane (0: its own). It is set to it then. `None` when it gives none.
    #[must_use]
    pub fn rows(
        &self,
        raw: &'static RawFormat,
        size: (u32, u32),
        bytesperline: &[u32; PLANES],
    ) -> Option<FrameLayout> {
        let given = self.set(CaptureFormat::Raw(raw), size, bytesperline).ok()?;
        (given.size() == size).then(|| layout(raw, size, &given).ok())?
    }

    /// What its frames mean in this format and size, which are set for this. Only before buffers are allocated.
    ///
    /// # Errors
    /// When the camera does not take this size or format, and when its frames are interlaced, unless they are to be taken as
    /// `progressive`.
    #[inline(never)]
    pub fn colour(
        &self,
        format: CaptureFormat,
        size: (u32, u32),
        progressive: bool,
    ) -> core::result::Result<Colour, Refused> {
        let given = self.set(format, size, &[0; PLANES])?;
        if given.size() != size {
            return Err(Refused::Size(size, given.size()));
        }
        if !progressive && !matches!(given.field(), FIELD_ANY | FIELD_NONE) {
            return Err(Refused::Interlaced(given.field()));
        }
        Ok(given.colour())
    }

    /// Sets format, size and rate, and asks for so many bytes from one row to the next in each memory plane (0: its
    /// own). Gives where the rows of a raw frame lie; `None` for a coded one.
    ///
    /// # Errors
    /// When the camera does not take this size or format.
    #[inline(never)]
    pub fn negotiate(
        &mut self,
        format: CaptureFormat,
        wanted: &Wanted,
        bytesperline: &[u32; PLANES],
    ) -> core::result::Result<Option<FrameLayout>, Refused> {
        let size = (wanted.width, wanted.height);
        let given = self.set(format, size, bytesperline)?;
        if given.size() != size {
            return Err(Refused::Size(size, given.size()));
        }
        // Again, because a format that was set may have reset it. A camera with a rate of its own keeps that.
        let _ = self.set_rate(wanted.rate);
        match format {
            CaptureFormat::Raw(raw) => {
                let layout = layout(raw, size, &given).map_err(Refused::Layout)?;
                self.capture.hold(raw, &layout);
                Ok(Some(layout))
            }
            CaptureFormat::Coded(_) => {
                self.capture.hold_coded();
                Ok(None)
            }
        }
    }

    /// The next frame, if there is one.
    ///
    /// # Errors
    /// When the stream failed or ended (EPIPE), a frame does not begin where its buffer does (EPROTO), or a buffer comes
    /// back empty and marked with an error (ENODATA): `stop`, give every buffer again, `start`. The last is how uvcvideo ends
    /// a stream whose USB transfers failed: nothing comes after it, and nothing else shows it.
    pub fn dequeue(&self) -> Result<Option<CameraFrame>> {
        let mut buffer = self.capture.any_buffer();
        match self.capture.dequeue(&mut buffer)? {
            Dequeued::Nothing => Ok(None),
            Dequeued::Drained => Err(IoctlError::new(Call::DqBuf, Errno::PIPE)),
            Dequeued::Buffer => CameraFrame::of(&buffer, self.capture.payload()).map(Some),
        }
    }
}

/// Whether a node with these capabilities is a camera: it gives frames, and takes none.
#[must_use]
pub fn is_camera(caps: u32) -> bool {
    let takes = CAP_VIDEO_OUTPUT | CAP_VIDEO_OUTPUT_MPLANE;
    caps & (CAP_VIDEO_CAPTURE | CAP_VIDEO_CAPTURE_MPLANE) != 0
        && caps & takes == 0
        && caps & CAP_STREAMING != 0
}

impl AsFd for Camera {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}
