//! OUTPUT buffers that lie in somebody else's memory: dma-bufs of a producer or a camera, and the check that they fit.
//!
//! Knows the order of calls for it. Knows no client, and not whether a frame is on its way: the caller makes sure that none is.

use core::fmt;

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::{Encoder, OUTPUT_PLANES};
use crate::errno::call::{Call, IoctlError};
use crate::media::layout::Placement;
use crate::v4l2::abi::{Memory, Queue};
use crate::v4l2::ioctl::{self, Result};
use crate::v4l2::negotiate::{Refused, Wanted, output};

impl Encoder {
    /// Whether the slots are a producer's dma-bufs.
    #[must_use]
    pub fn imports(&self) -> bool {
        self.memory == Memory::Dmabuf
    }

    /// Takes a producer's dma-bufs for OUTPUT buffers, in place of those it has. No frame may be on its way. Both queues are
    /// stopped for this; `start` begins a new stream, with headers and a key frame.
    ///
    /// # Errors
    /// When the driver cannot use them; then they stay where they are, and there are no OUTPUT buffers: `clear`, and `allocate` the
    /// driver's own.
    #[inline(never)]
    pub fn import(
        &mut self,
        wanted: &Wanted,
        slots: u32,
        rows: &Placement,
        buffers: &mut ArrayVec<OwnedFd, OUTPUT_PLANES>,
    ) -> core::result::Result<(), NotImported> {
        self.clear_outputs()?;
        self.memory = Memory::Dmabuf;
        core::mem::swap(&mut self.imported, buffers);
        let answer = self.take_imported(wanted, slots, rows);
        if answer.is_err() {
            core::mem::swap(&mut self.imported, buffers);
            self.memory = Memory::Mmap;
        }
        answer
    }

    /// The dma-bufs that were imported, if they were: how many slots, where the rows lie, and each slot's memory planes in order. The OUTPUT
    /// queue must not be used any more.
    pub fn take_imported_buffers(
        &mut self,
    ) -> Option<(u32, Placement, ArrayVec<OwnedFd, OUTPUT_PLANES>)> {
        let planes = self
            .imports()
            .then(|| core::mem::take(&mut self.imported))?;
        Some((self.outputs, self.agreed.layout.placement(), planes))
    }

    fn take_imported(
        &mut self,
        wanted: &Wanted,
        slots: u32,
        rows: &Placement,
    ) -> core::result::Result<(), NotImported> {
        let (_, layout, _) = output(&self.device, wanted, &rows.bytesperline)?;
        if self.imported.len() != (slots * layout.memory_plane_count) as usize
            || layout.placement() != *rows
        {
            return Err(NotImported::Layout);
        }
        self.agreed.layout = layout;
        let queue = self.device.queue(Queue::Output);
        let granted = ioctl::reqbufs(&self.device, queue, Memory::Dmabuf, slots)?;
        self.outputs = granted.count;
        if granted.count < slots {
            return Err(NotImported::Call(IoctlError::new(
                Call::ReqBufsDmabuf,
                Errno::NOMEM,
            )));
        }
        self.outputs = slots;
        // Refused now, and not with the first frame. Not every driver has the call, and one that has not is tried with frames of which
        // it sees nothing.
        for slot in 0..self.outputs {
            match ioctl::prepare_buf(&self.device, &mut self.output_buffer(slot)) {
                Err(error) if error.is_missing() => self.queue_frame(slot, 0)?,
                answer => answer?,
            }
        }
        Ok(ioctl::streamoff(&self.device, queue)?)
    }

    /// Stops both queues and gives the OUTPUT buffers back, whosever they are.
    pub(super) fn clear_outputs(&mut self) -> Result<()> {
        self.stop()?;
        let queue = self.device.queue(Queue::Output);
        ioctl::reqbufs(&self.device, queue, self.memory, 0)?;
        self.outputs = 0;
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
