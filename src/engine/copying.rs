//! Frames that are copied, row by row, into the encoder's OUTPUT buffers: from a producer's memfd, or from a camera's buffers.
//!
//! Knows where rows lie on both sides. Knows no frame and no client: which slot is copied when, others say.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, SealFlags, fallocate};
use rustix::io::Errno;

use crate::errno::call::{Call, IoctlError};
use crate::free_memory::Free;
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::shm::layout::copy_slot_bytes;
use crate::shm::memfd::sealed_memfd;
use crate::shm::region::Region;
use crate::v4l2::capture::CaptureQueue;
use crate::v4l2::encoder::{Encoder, OUTPUT_PLANES};

/// Where frames are copied from.
#[derive(Debug)]
enum From {
    /// A memfd with tightly packed slots. `None`: there was no memory for it the last time.
    Memfd(Option<(OwnedFd, Region)>),
    /// A camera's buffers, slot after slot, each with its memory planes.
    Camera(ArrayVec<Region, OUTPUT_PLANES>),
}

/// Both ends of the copy, mapped.
#[derive(Debug)]
pub struct Copying {
    from: From,
    outputs: ArrayVec<Region, OUTPUT_PLANES>,
    /// Where the rows lie in the OUTPUT buffers.
    to: FrameLayout,
}

impl Copying {
    /// From a new memfd, with `slots` slots of this tight layout.
    ///
    /// # Errors
    /// When memory is short, or the OUTPUT buffers cannot be mapped.
    pub fn from_memfd(
        encoder: &Encoder,
        tight: &FrameLayout,
        slots: u32,
    ) -> Result<Self, IoctlError> {
        let memfd = new_memfd(tight, slots)?;
        Self::new(encoder, From::Memfd(Some(memfd)))
    }

    /// From a camera's buffers.
    ///
    /// # Errors
    /// When buffers of either side cannot be mapped.
    pub fn from_camera(encoder: &Encoder, camera: &CaptureQueue) -> Result<Self, IoctlError> {
        let mut buffers = ArrayVec::new();
        camera.map(&mut buffers)?;
        Self::new(encoder, From::Camera(buffers))
    }

    fn new(encoder: &Encoder, from: From) -> Result<Self, IoctlError> {
        let mut outputs = ArrayVec::new();
        encoder.map_outputs(&mut outputs)?;
        Ok(Self {
            from,
            outputs,
            to: encoder.agreed().layout,
        })
    }

    /// The memfd, for the producer.
    #[must_use]
    pub fn memfd(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Memfd(Some((memfd, _))) => Some(memfd.as_fd()),
            From::Memfd(None) | From::Camera(_) => None,
        }
    }

    /// Another memfd in place of the one that a producer had. No frame is in that one. The old one goes first: memory may be short.
    ///
    /// # Errors
    /// When memory is short; then there is none.
    pub fn replace_memfd(&mut self, tight: &FrameLayout, slots: u32) -> Result<(), IoctlError> {
        if let From::Memfd(memfd) = &mut self.from {
            *memfd = None;
            *memfd = Some(new_memfd(tight, slots)?);
        }
        Ok(())
    }

    /// Frees the memfd's pages, which a former producer may keep. It can fill them again, with memory of its own.
    pub fn free_pages(&self) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if let From::Memfd(Some((memfd, region))) = &self.from {
            // A kernel that cannot leaves the memory with whoever keeps it.
            let _ = fallocate(memfd, flags, 0, region.len() as u64);
        }
    }

    /// Copies the frame in a slot, whose rows lie as `layout` says. Gives the bytes copied.
    pub fn copy(&self, layout: &FrameLayout, slot: usize) -> u64 {
        let lengths = &layout.memory_length;
        let first_output = slot * self.to.memory_plane_count as usize;
        let mut copied = 0;
        for (from, to) in layout.planes().iter().zip(self.to.planes()) {
            let plane = from.memory_plane as usize;
            let (source, plane_start) = match &self.from {
                From::Memfd(memfd) => {
                    let start = slot as u64 * copy_slot_bytes(lengths);
                    let start = start + copy_slot_bytes(&lengths[..plane]);
                    // It lies in memory that is mapped.
                    let start = usize::try_from(start).unwrap_or(usize::MAX);
                    (memfd.as_ref().map(|(_, region)| region), start)
                }
                From::Camera(buffers) => {
                    let index = slot * layout.memory_plane_count as usize + plane;
                    (buffers.get(index), 0)
                }
            };
            let target = self.outputs.get(first_output + to.memory_plane as usize);
            let (Some(source), Some(target)) = (source, target) else {
                continue;
            };
            for row in 0..to.rows {
                let at =
                    plane_start + from.offset as usize + row as usize * from.bytesperline as usize;
                let Some(bytes) = source.bytes().part(at, to.row_bytes as usize) else {
                    break;
                };
                let at = to.offset as usize + row as usize * to.bytesperline as usize;
                // The producer may be writing there again; the frame is then its own fault.
                if target.bytes().copy_from(at, bytes) {
                    copied += u64::from(to.row_bytes);
                }
            }
        }
        copied
    }
}

/// A memfd for tightly packed slots.
fn new_memfd(tight: &FrameLayout, slots: u32) -> Result<(OwnedFd, Region), IoctlError> {
    let slot = copy_slot_bytes(&tight.memory_length);
    // A 32-bit process cannot address so much as there can be.
    let total = usize::try_from(slot * u64::from(slots))
        .map_err(|_| IoctlError::new(Call::MemfdSize, Errno::FBIG))?;
    let memfd = sealed_memfd(c"framemill-slots", total, SealFlags::SEAL).inspect_err(|error| {
        if error.errno == Errno::NOMEM {
            note!(warn, "frame slots of {total} bytes: {Free}");
        }
    })?;
    let region =
        Region::map(&memfd, total, true).map_err(|errno| IoctlError::new(Call::MemfdMap, errno))?;
    Ok((memfd, region))
}
