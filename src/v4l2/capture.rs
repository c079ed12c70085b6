//! The CAPTURE queue of a device that fills frames: a camera's, or a decoder's. Its buffers are its own, or dma-bufs of whoever reads
//! the frames, which are then written where they are wanted.
//!
//! Knows the order of calls for it. Knows no encoder, and not who has a buffer at the moment.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::abi::{Api, BufferType, EVENT_SOURCE_CHANGE, Memory, Queue};
use super::encoder::OUTPUT_PLANES;
use super::ioctl::{self, Buffer, Dequeued, Result};
use super::memory::map_buffer;
use crate::errno::call::{Call, IoctlError};
use crate::limits::{CAMERA_RESERVE, FRAME_SLOTS_MAX, PLANES, TURN_BUDGET};
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::shm::region::Region;

/// The queue, and the device that it belongs to.
#[derive(Debug)]
pub struct CaptureQueue {
    fd: OwnedFd,
    kind: BufferType,
    slots: u32,
    /// Whose memory the buffers are.
    memory: Memory,
    /// The dma-bufs that are its buffers, where they are not its own: buffer after buffer, each with its memory planes.
    imported: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    /// Memory planes of a buffer.
    planes: u32,
    /// Bytes that a whole frame has at least in each memory plane.
    payload: [u32; PLANES],
}

impl CaptureQueue {
    /// The queue of a device, without buffers.
    #[must_use]
    pub fn new(fd: OwnedFd, api: Api) -> Self {
        Self {
            fd,
            kind: BufferType::new(Queue::Capture, api),
            slots: 0,
            memory: Memory::Mmap,
            imported: ArrayVec::new(),
            planes: 1,
            payload: [0; PLANES],
        }
    }

    /// Its type, to ask for its formats.
    #[must_use]
    pub fn kind(&self) -> BufferType {
        self.kind
    }

    /// Number of buffers.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Its buffers are to hold raw frames with these rows.
    pub fn hold(&mut self, raw: &RawFormat, layout: &FrameLayout) {
        self.planes = raw.memory_plane_count();
        self.payload = layout.visible_ends();
    }

    /// Its buffers are to hold coded frames, of any length.
    pub fn hold_coded(&mut self) {
        (self.planes, self.payload) = (1, [1, 0, 0]);
    }

    /// Bytes that a whole frame has at least in each memory plane.
    #[must_use]
    pub fn payload(&self) -> &[u32] {
        &self.payload[..self.planes as usize]
    }
    /// Allocates buffers of its own.
    ///
    /// # Errors
    /// When memory is short: a camera with fewer than it must keep and one more would lose every frame.
    pub fn allocate(&mut self, slots: u32) -> Result<()> {
        let least = CAMERA_RESERVE as u32 + 1;
        let failed = |errno| IoctlError::new(Call::ReqBufsCamera, errno);
        let granted = ioctl::reqbufs(self.as_fd(), self.kind, Memory::Mmap, slots.max(least))
            .map_err(|error| failed(error.errno))?;
        if granted.count < least {
            return Err(failed(Errno::NOMEM));
        }
        self.slots = granted.count.min(FRAME_SLOTS_MAX);
        Ok(())
    }

    /// The dma-bufs of all buffers, buffer after buffer, each with its memory planes.
    ///
    /// # Errors
    /// When they cannot be exported.
    pub fn export(&self, exported: &mut ArrayVec<OwnedFd, OUTPUT_PLANES>) -> Result<()> {
        for slot in 0..self.slots {
            for plane in 0..self.planes {
                exported.push(ioctl::expbuf(self.as_fd(), self.kind, slot, plane)?);
            }
        }
        Ok(())
    }

    /// Bytes of a buffer's first memory plane: the most that a coded frame has.
    ///
    /// # Errors
    /// When there is no buffer.
    pub fn buffer_bytes(&self) -> Result<u32> {
        ioctl::querybuf(self.as_fd(), self.kind, Memory::Mmap, 0).map(|buffer| buffer.length(0))
    }

    /// The mapping of a buffer's first memory plane: all of a coded frame.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn map_one(&self, slot: u32) -> Result<Region> {
        map_buffer(self.as_fd(), self.kind, slot, 0)
    }

    /// Mappings of all buffers in the same order, to read from. The device stays open for as long as one is there.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn map(&self, mapped: &mut ArrayVec<Region, OUTPUT_PLANES>) -> Result<()> {
        for slot in 0..self.slots {
            for plane in 0..self.planes as usize {
                mapped.push(map_buffer(self.as_fd(), self.kind, slot, plane)?);
            }
        }
        Ok(())
    }

    /// Takes these dma-bufs for its buffers: buffer after buffer, each with its memory planes. There are no buffers before.
    ///
    /// Gives how many it needs, where those are more: then it has none of them, and no buffers.
    ///
    /// # Errors
    /// When the driver cannot fill them, or not so many; then the same holds.
    pub fn import(&mut self, buffers: ArrayVec<OwnedFd, OUTPUT_PLANES>) -> Result<Option<u32>> {
        self.memory = Memory::Dmabuf;
        self.slots = buffers.len() as u32 / self.planes.max(1);
        self.imported = buffers;
        let answer = self.take_imported();
        if !matches!(answer, Ok(None)) {
            let _ = ioctl::reqbufs(self.as_fd(), self.kind, Memory::Dmabuf, 0);
            self.imported.clear();
            (self.memory, self.slots) = (Memory::Mmap, 0);
        }
        answer
    }

    fn take_imported(&self) -> Result<Option<u32>> {
        let granted = ioctl::reqbufs(self.as_fd(), self.kind, Memory::Dmabuf, self.slots)?;
        if granted.count < self.slots {
            return Err(IoctlError::new(Call::ReqBufsDmabuf, Errno::NOMEM));
        }
        if granted.count > self.slots {
            return Ok(Some(granted.count));
        }
        // Refused now, and not with the first frame. uvcvideo, for one, does not have the call: it is tried with a buffer that it gets
        // and gives back.
        for slot in 0..self.slots {
            match ioctl::prepare_buf(self.as_fd(), &mut self.buffer(slot)) {
                Err(error) if error.is_missing() => self.queue(slot)?,
                answer => answer?,
            }
        }
        self.stop().map(|()| None)
    }

    /// A buffer, with its memory.
    fn buffer(&self, slot: u32) -> Buffer {
        let mut buffer = Buffer::new(self.kind, self.memory, slot);
        let planes = self.planes as usize;
        buffer.set_plane_count(planes);
        let imported = self
            .imported
            .iter()
            .skip(slot as usize * planes)
            .take(planes);
        for (plane, fd) in imported.enumerate() {
            buffer.set_fd(plane, fd.as_fd());
        }
        buffer
    }

    /// Gives a buffer to the device, to be filled.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn queue(&self, slot: u32) -> Result<()> {
        ioctl::qbuf(self.as_fd(), &mut self.buffer(slot))
    }

    /// The next buffer that the device is done with, written to `buffer` with `Dequeued::Buffer`. In place, because a buffer is 300 bytes.
    ///
    /// # Errors
    /// When the stream failed.
    pub fn dequeue(&self, buffer: &mut Buffer) -> Result<Dequeued> {
        ioctl::dqbuf(self.as_fd(), buffer)
    }

    /// A buffer to dequeue into.
    #[must_use]
    pub fn any_buffer(&self) -> Buffer {
        Buffer::new(self.kind, self.memory, 0)
    }

    /// Whether the device said that what comes in changed, since this was last asked: a camera's signal, a decoder's stream.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn changed(&self) -> Result<bool> {
        let mut changed = false;
        for _ in 0..TURN_BUDGET {
            match ioctl::dqevent(self.as_fd()) {
                Ok(Some(event)) => changed |= event.type_ == EVENT_SOURCE_CHANGE,
                Ok(None) => break,
                Err(error) if error.is_missing() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }

    /// Starts the stream. Buffers are given by `queue`, before or after.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn start(&self) -> Result<()> {
        ioctl::streamon(self.as_fd(), self.kind)
    }

    /// Stops the stream; all buffers come back.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stop(&self) -> Result<()> {
        ioctl::streamoff(self.as_fd(), self.kind)
    }
}

impl AsFd for CaptureQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
