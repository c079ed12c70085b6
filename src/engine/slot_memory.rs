//! Where the slots live: the encoder's own buffers, exported; somebody else's, imported; or a memfd or a camera's buffers, which are
//! copied from.
//!
//! Knows memory, and which user had it. Who holds a slot at the moment is the pipeline's business, and how many slots there are.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::engine::copying::Copying;
use crate::errno::call::{Call, IoctlError};
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::shm::layout::SlotMemory as Kind;
use crate::types::memory::MemoryChoice;
use crate::v4l2::capture::CaptureQueue;
use crate::v4l2::encoder::{Encoder, OUTPUT_PLANES};
use crate::v4l2::negotiate::Wanted;

/// The memory of all slots.
#[derive(Debug, Default)]
pub struct SlotMemory {
    /// The OUTPUT buffers as dma-bufs; none when frames are copied.
    exported: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    copying: Option<Copying>,
    /// How the slots were chosen; `None` when they are somebody else's.
    choice: Option<MemoryChoice>,
    /// Where the rows of a frame lie in a slot.
    layout: FrameLayout,
    /// A producer had the memfd to copy from: the next one gets another.
    used: bool,
    /// What a former producer kept of the memfd has been freed.
    freed: bool,
    /// The user who had the encoder's buffers, since they were allocated.
    user: Option<u32>,
}

impl SlotMemory {
    /// Lets go of all slots.
    pub fn clear(&mut self) {
        self.exported.clear();
        self.copying = None;
        self.choice = None;
    }

    /// Makes slots of the encoder's OUTPUT buffers: exports them, or makes a memfd for copying, as `choice` says. There are none
    /// before.
    ///
    /// # Errors
    /// When exporting was demanded and cannot be done, or memory is short.
    pub fn fill(
        &mut self,
        encoder: &Encoder,
        wanted: &Wanted,
        choice: MemoryChoice,
    ) -> Result<(), IoctlError> {
        self.layout = encoder.agreed().layout;
        self.choice = Some(choice);
        if choice != MemoryChoice::Copy {
            match encoder.export(&mut self.exported) {
                Ok(()) => return Ok(()),
                Err(error) if choice == MemoryChoice::Export => return Err(error),
                Err(error) => note!(
                    warn,
                    "{error}; frames are copied instead, {} bytes a second",
                    wanted.bytes_a_second()
                ),
            }
            self.exported.clear();
        }
        // The driver accepted this size, so its tight layout is no larger than the driver's.
        let tight = wanted.format.tight(wanted.width, wanted.height);
        self.layout = tight.map_err(|_| IoctlError::new(Call::MemfdSize, Errno::FBIG))?;
        self.copying = Some(Copying::from_memfd(encoder, &self.layout, encoder.slots())?);
        self.used = false;
        Ok(())
    }

    /// The encoder's buffers are somebody else's, or nobody's yet. Where the rows lie, says the encoder.
    pub fn unbound(&mut self, encoder: &Encoder) {
        self.clear();
        self.layout = encoder.agreed().layout;
    }

    /// Gives the dma-bufs of the encoder's buffers away, to a camera that fills them. The slots stay what they are.
    pub fn take_exported(&mut self) -> ArrayVec<OwnedFd, OUTPUT_PLANES> {
        core::mem::take(&mut self.exported)
    }

    /// The slots are a camera's buffers, with rows where `layout` says, and are copied. There are none before.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn copy_camera(
        &mut self,
        encoder: &Encoder,
        camera: &CaptureQueue,
        layout: &FrameLayout,
        choice: MemoryChoice,
    ) -> Result<(), IoctlError> {
        self.choice = Some(choice);
        self.layout = *layout;
        self.copying = Some(Copying::from_camera(encoder, camera)?);
        Ok(())
    }

    /// Where the rows of a frame lie in a slot.
    #[must_use]
    pub fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// Where the slots lie.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.copies(), self.choice) {
            (true, _) => Kind::Copied,
            (false, None) => Kind::Imported,
            (false, Some(_)) => Kind::Exported,
        }
    }

    /// How the slots were chosen; `None` when they are somebody else's.
    #[must_use]
    pub fn choice(&self) -> Option<MemoryChoice> {
        self.choice
    }

    /// Whether frames are copied.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.copying.is_some()
    }

    /// Whether another user than this one had the encoder's buffers since they were allocated.
    #[must_use]
    pub fn had_by_another(&self, uid: Option<u32>) -> bool {
        self.user.is_some() && self.user != uid
    }

    /// The encoder's buffers were allocated: nobody has or had them.
    pub fn fresh(&mut self) {
        self.user = None;
    }

    /// The user who had the encoder's buffers last.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// Memory for a new producer, which no other had: whoever had some may still write to it. `slots`: how many there are.
    ///
    /// # Errors
    /// When there is none.
    pub fn attach(&mut self, slots: u32) -> Result<(), IoctlError> {
        if core::mem::replace(&mut self.used, true)
            && let Some(copying) = &mut self.copying
        {
            copying.replace_memfd(&self.layout, slots)?;
        }
        self.freed = false;
        Ok(())
    }

    /// The slots are given to a producer of this user.
    pub fn given_to(&mut self, uid: Option<u32>) {
        self.user = uid;
    }

    /// The descriptors of the slots, for the producer.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let memfd = self.copying.iter().filter_map(Copying::memfd);
        self.exported.iter().map(AsFd::as_fd).chain(memfd)
    }

    /// Nobody produces, and no frame waits to be copied: what the former producer may have kept of the memfd is freed.
    pub fn free_kept(&mut self) {
        if !self.used || self.freed {
            return;
        }
        self.freed = true;
        if let Some(copying) = &self.copying {
            copying.free_pages();
        }
    }

    /// Brings the frame in a slot to where the encoder reads it. Gives the bytes copied: none where the encoder reads the slot itself.
    pub fn load(&self, slot: u32) -> u64 {
        self.copying
            .as_ref()
            .map_or(0, |copying| copying.copy(&self.layout, slot as usize))
    }
}
