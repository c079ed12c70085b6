//! A camera's buffers: its own, or dma-bufs of whoever reads its pictures, which it then writes where they are wanted.
//!
//! Knows the order of calls for it. Knows no encoder, and not who has a buffer at the moment.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use super::Camera;
use super::picture::Picture;
use crate::errno::call::{Call, IoctlError};
use crate::limits::{CAMERA_RESERVE, FRAME_SLOTS_MAX};
use crate::shm::region::Region;
use crate::v4l2::abi::Memory;
use crate::v4l2::encoder::OUTPUT_PLANES;
use crate::v4l2::ioctl::{self, Buffer, Dequeued, Result};
use crate::v4l2::memory::map_buffer;

impl Camera {
    /// Allocates buffers of its own.
    ///
    /// # Errors
    /// When memory is short: a camera with fewer than it must keep and one more would lose every picture.
    pub fn allocate(&mut self, slots: u32) -> Result<()> {
        let least = CAMERA_RESERVE as u32 + 1;
        let failed = |errno| IoctlError::new(Call::ReqBufsCamera, errno);
        let granted = ioctl::reqbufs(self.as_fd(), self.queue, Memory::Mmap, slots.max(least))
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
                exported.push(ioctl::expbuf(self.as_fd(), self.queue, slot, plane)?);
            }
        }
        Ok(())
    }

    /// Mappings of all buffers in the same order, to read from. The device stays open for as long as one is there.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn map(&self, mapped: &mut ArrayVec<Region, OUTPUT_PLANES>) -> Result<()> {
        for slot in 0..self.slots {
            for plane in 0..self.planes as usize {
                mapped.push(map_buffer(self.as_fd(), self.queue, slot, plane)?);
            }
        }
        Ok(())
    }

    /// Takes these dma-bufs for its buffers: buffer after buffer, each with its memory planes. There are no buffers before.
    ///
    /// # Errors
    /// When the driver cannot fill them, or not so many; then it has none of them, and no buffers.
    pub fn borrow(&mut self, buffers: ArrayVec<OwnedFd, OUTPUT_PLANES>) -> Result<()> {
        self.memory = Memory::Dmabuf;
        self.slots = buffers.len() as u32 / self.planes.max(1);
        self.lent = buffers;
        let answer = self.take_lent();
        if answer.is_err() {
            let _ = ioctl::reqbufs(self.as_fd(), self.queue, Memory::Dmabuf, 0);
            self.lent.clear();
            (self.memory, self.slots) = (Memory::Mmap, 0);
        }
        answer
    }

    fn take_lent(&self) -> Result<()> {
        let granted = ioctl::reqbufs(self.as_fd(), self.queue, Memory::Dmabuf, self.slots)?;
        if granted.count < self.slots {
            return Err(IoctlError::new(Call::ReqBufsDmabuf, Errno::NOMEM));
        }
        // Refused now, and not with the first picture. uvcvideo, for one, does not have the call: it is tried with a buffer that it gets
        // and gives back.
        for slot in 0..self.slots {
            match ioctl::prepare_buf(self.as_fd(), &mut self.buffer(slot)) {
                Err(error) if error.is_missing() => self.queue(slot)?,
                answer => answer?,
            }
        }
        self.stop()
    }

    /// A buffer, with its memory.
    fn buffer(&self, slot: u32) -> Buffer {
        let mut buffer = Buffer::new(self.queue, self.memory, slot);
        let planes = self.planes as usize;
        buffer.set_plane_count(planes);
        let lent = self.lent.iter().skip(slot as usize * planes).take(planes);
        for (plane, fd) in lent.enumerate() {
            buffer.set_fd(plane, fd.as_fd());
        }
        buffer
    }

    /// Gives a buffer to the camera, to be filled.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn queue(&self, slot: u32) -> Result<()> {
        ioctl::qbuf(self.as_fd(), &mut self.buffer(slot))
    }

    /// The next picture, if there is one.
    ///
    /// # Errors
    /// When the stream failed or ended (EPIPE), a picture does not begin where its buffer does (EPROTO), or a buffer comes
    /// back empty and marked with an error (ENODATA): `stop`, give every buffer again, `start`. The last is how uvcvideo ends
    /// a stream whose USB transfers failed: nothing comes after it, and nothing else tells.
    pub fn dequeue(&self) -> Result<Option<Picture>> {
        let mut buffer = Buffer::new(self.queue, self.memory, 0);
        let failed = |errno| Err(IoctlError::new(Call::DqBuf, errno));
        match ioctl::dqbuf(self.as_fd(), &mut buffer)? {
            Dequeued::Nothing => return Ok(None),
            Dequeued::Drained => return failed(Errno::PIPE),
            Dequeued::Buffer => {}
        }
        Picture::of(&buffer, &self.payload[..self.planes as usize]).map(Some)
    }
}
