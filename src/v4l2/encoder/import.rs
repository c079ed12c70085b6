//! OUTPUT buffers that lie in somebody else's memory: dma-bufs of a producer or a camera, and the way back to the driver's own.
//!
//! Knows the order of calls for it. Knows no client, and not whether a frame is on its way: the caller makes sure that none is.

use core::fmt;

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::{Encoder, OUTPUT_PLANES};
use crate::limits::PLANES;
use crate::media::layout::FrameLayout;
use crate::v4l2::abi::{Memory, Queue};
use crate::v4l2::errno::{Call, IoctlError};
use crate::v4l2::ioctl::{self, Result};
use crate::v4l2::negotiate::{Refused, Wanted, output};

impl Encoder {
    /// Whether the slots are a producer's dma-bufs.
    #[must_use]
    pub fn imports(&self) -> bool {
        self.memory == Memory::Dmabuf
    }

    /// Takes a producer's dma-bufs for OUTPUT buffers, in place of those it has. The queue must be idle. It is stopped for
    /// this, and starts again: a new stream, with headers and a key frame.
    ///
    /// # Errors
    /// When the driver cannot use them; then there are no OUTPUT buffers, and `own_buffers` is to be called.
    #[inline(never)]
    pub fn import(
        &mut self,
        wanted: &Wanted,
        slots: u32,
        bytesperline: &[u32; PLANES],
        buffers: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    ) -> core::result::Result<(), NotImported> {
        self.clear_outputs()?;
        self.memory = Memory::Dmabuf;
        self.imported = buffers;
        let (_, layout) = output(&self.device, wanted, bytesperline)?;
        if self.imported.len() != (slots * layout.memory_plane_count) as usize
            || !fits(&layout, bytesperline)
        {
            return Err(NotImported::Layout);
        }
        self.agreed.layout = layout;
        let queue = self.device.queue(Queue::Output);
        let granted = ioctl::reqbufs(&self.device, queue, Memory::Dmabuf, slots)?;
        if granted.count < slots {
            return Err(NotImported::Call(IoctlError::new(
                Call::ReqBufsDmabuf,
                Errno::NOMEM,
            )));
        }
        self.outputs = slots;
        for slot in 0..self.outputs {
            // Refused now, and not with the first frame. Not every driver has the call.
            match ioctl::prepare_buf(&self.device, &mut self.output_buffer(slot)) {
                Err(error) if error.is_missing() => break,
                answer => answer?,
            }
        }
        Ok(ioctl::streamon(&self.device, queue)?)
    }

    /// Goes back to the driver's own OUTPUT buffers, after an import or a failed one.
    ///
    /// # Errors
    /// When the driver does not give them any more.
    #[inline(never)]
    pub fn own_buffers(&mut self, wanted: &Wanted) -> core::result::Result<(), NotImported> {
        self.clear_outputs()?;
        self.memory = Memory::Mmap;
        let (_, layout) = output(&self.device, wanted, &[0; PLANES])?;
        if layout != self.own.1 {
            return Err(NotImported::Layout);
        }
        self.agreed.layout = layout;
        let queue = self.device.queue(Queue::Output);
        let granted = ioctl::reqbufs(&self.device, queue, Memory::Mmap, self.own.0)?;
        self.outputs = granted.count.min(self.own.0);
        Ok(ioctl::streamon(&self.device, queue)?)
    }

    fn clear_outputs(&mut self) -> Result<()> {
        let queue = self.device.queue(Queue::Output);
        ioctl::streamoff(&self.device, queue)?;
        ioctl::reqbufs(&self.device, queue, self.memory, 0)?;
        self.imported.clear();
        Ok(())
    }
}

/// Why a producer's memory cannot be used.
#[derive(Clone, Copy, Debug)]
pub enum NotImported {
    /// The driver refused a call.
    Call(IoctlError),
    /// The driver lays the rows out differently.
    Layout,
}

impl From<IoctlError> for NotImported {
    fn from(error: IoctlError) -> Self {
        Self::Call(error)
    }
}

impl From<Refused> for NotImported {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Call(error) => Self::Call(error),
            _ => Self::Layout,
        }
    }
}

impl fmt::Display for NotImported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Layout => f.write_str("the driver lays rows out differently"),
        }
    }
}

/// Whether the driver kept the bytes from one row to the next that were asked of it.
fn fits(layout: &FrameLayout, bytesperline: &[u32; PLANES]) -> bool {
    let mut planes = layout.planes().iter();
    (0..layout.memory_plane_count).all(|memory_plane| {
        // The first colour plane of each memory plane has V4L2's bytesperline.
        planes
            .find(|plane| plane.memory_plane == memory_plane)
            .is_some_and(|plane| plane.bytesperline == bytesperline[memory_plane as usize])
    })
}
