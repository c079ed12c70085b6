//! Where the slots of the frame ring live: the encoder's own buffers, exported; somebody else's, imported; or a memfd or a
//! camera's buffers, which are copied from.
//!
//! Knows memory and the frame ring's words. Whose a slot is at the moment is the pipeline's business.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, SealFlags, fallocate};
use rustix::io::Errno;

use crate::control::message::{MESSAGE_FDS, Message, SlotMemory};
use crate::errno::call::{Call, IoctlError};
use crate::free_memory::Free;
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::{Relaxed, Release};
use crate::shm::frame_ring::{Entry, Nonsense, Popper, Pusher};
use crate::shm::layout::copy_slot_bytes;
use crate::shm::map::FrameMap;
use crate::shm::memfd::sealed_memfd;
use crate::shm::region::Region;
use crate::types::memory::MemoryChoice;
use crate::v4l2::camera::Camera;
use crate::v4l2::encoder::{Encoder, OUTPUT_PLANES};
use crate::v4l2::negotiate::Wanted;

/// The frame ring and the memory of its slots.
#[derive(Debug)]
pub struct FrameMemory {
    map: FrameMap,
    ring: OwnedFd,
    /// The OUTPUT buffers as dma-bufs; none when frames are copied.
    exported: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    copying: Option<Copying>,
    /// How the slots were chosen; `None` when they are the producer's own.
    choice: Option<MemoryChoice>,
    slots: u32,
    /// Where the rows of a frame lie in a slot.
    layout: FrameLayout,
    give: Pusher,
    take: Popper,
    told: (u64, u64),
    wanted: Wanted,
    /// Somebody had the ring, and the memfd to copy from: the next producer gets others.
    used: bool,
    /// The user who had the encoder's buffers, since they were allocated.
    user: Option<u32>,
    /// What a former producer kept has been freed.
    let_go: bool,
}

/// Whose memory frames are copied from.
#[derive(Debug)]
enum Owner {
    /// A producer's: this memfd.
    Producer(OwnedFd),
    /// A producer's to come: there is no memfd for it, because memory was short.
    NoProducer,
    /// A camera's.
    Camera,
}

impl Owner {
    /// A producer's memfd.
    fn memfd(&self) -> Option<&OwnedFd> {
        match self {
            Self::Producer(memory) => Some(memory),
            Self::NoProducer | Self::Camera => None,
        }
    }
}

/// Slots that are copied row by row into the OUTPUT buffers.
#[derive(Debug)]
struct Copying {
    /// Whose memory is copied from.
    owner: Owner,
    /// The memfd, with tightly packed slots; or the camera's buffers, slot after slot, each with its memory planes.
    sources: ArrayVec<Region, OUTPUT_PLANES>,
    outputs: ArrayVec<Region, OUTPUT_PLANES>,
    /// Where the rows lie in the OUTPUT buffers.
    to: FrameLayout,
}

impl FrameMemory {
    /// A frame ring without slots; `fill` or `import` gives it some.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(wanted: &Wanted) -> Result<Self, IoctlError> {
        let (map, ring) = FrameMap::create()?;
        Ok(Self {
            map,
            ring,
            exported: ArrayVec::new(),
            copying: None,
            choice: None,
            slots: 0,
            layout: FrameLayout::default(),
            give: Pusher::default(),
            take: Popper::default(),
            told: (0, 0),
            wanted: *wanted,
            used: false,
            user: None,
            let_go: false,
        })
    }

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
    #[inline(never)]
    pub fn fill(
        &mut self,
        encoder: &Encoder,
        wanted: &Wanted,
        choice: MemoryChoice,
    ) -> Result<(), IoctlError> {
        self.adopt(encoder, wanted);
        self.choice = Some(choice);
        let exported = match choice {
            MemoryChoice::Copy => false,
            MemoryChoice::Export | MemoryChoice::Auto => match encoder.export(&mut self.exported) {
                Ok(()) => true,
                Err(error) if choice == MemoryChoice::Export => return Err(error),
                Err(error) => {
                    note!(
                        warn,
                        "{error}; frames are copied instead, {} bytes a second",
                        wanted.bytes_a_second()
                    );
                    self.exported.clear();
                    false
                }
            },
        };
        if exported {
            return Ok(());
        }
        self.copy_instead(encoder, wanted)
    }

    /// The slots are the producer's own memory from now on: where its rows lie, says the encoder.
    pub fn import(&mut self, encoder: &Encoder, wanted: &Wanted) {
        self.clear();
        self.adopt(encoder, wanted);
    }

    /// There are no slots yet, but what is asked of the encoder is known.
    pub fn adopt(&mut self, encoder: &Encoder, wanted: &Wanted) {
        self.wanted = *wanted;
        self.slots = encoder.slots();
        self.layout = encoder.agreed().layout;
    }

    /// Makes a memfd for tightly packed slots, and maps the OUTPUT buffers to copy into.
    fn copy_instead(&mut self, encoder: &Encoder, wanted: &Wanted) -> Result<(), IoctlError> {
        // The driver accepted this size, so its tight layout is no larger than the driver's.
        let tight = wanted.format.tight(wanted.width, wanted.height);
        let too_large = IoctlError::new(Call::MemfdSize, Errno::FBIG);
        self.layout = tight.map_err(|_| too_large)?;
        let (memory, source) = self.new_memfd()?;
        let copying = self.copy_into(encoder, Owner::Producer(memory))?;
        copying.sources.push(source);
        // Nobody had this one.
        self.used = false;
        (self.map, self.ring) = FrameMap::create()?;
        Ok(())
    }

    /// A memfd for tightly packed slots.
    fn new_memfd(&self) -> Result<(OwnedFd, Region), IoctlError> {
        let too_large = IoctlError::new(Call::MemfdSize, Errno::FBIG);
        let slot = copy_slot_bytes(&self.layout.memory_length);
        // A 32-bit process cannot address so much as there can be.
        let total = usize::try_from(slot * u64::from(self.slots)).map_err(|_| too_large)?;
        let memory =
            sealed_memfd(c"framemill-slots", total, SealFlags::SEAL).inspect_err(|error| {
                if error.errno == Errno::NOMEM {
                    note!(warn, "frame slots of {total} bytes: {Free}");
                }
            })?;
        let source = Region::map(&memory, total, true)
            .map_err(|errno| IoctlError::new(Call::MemfdMap, errno))?;
        Ok((memory, source))
    }

    /// Where frames are copied from a memfd: another one. No frame is in the one before.
    fn replace_memfd(&mut self) -> Result<(), IoctlError> {
        let Some(copying) = &mut self.copying else {
            return Ok(());
        };
        if let Owner::Camera = copying.owner {
            return Ok(());
        }
        copying.owner = Owner::NoProducer;
        copying.sources.clear();
        let (memory, source) = self.new_memfd()?;
        if let Some(copying) = &mut self.copying {
            copying.sources.push(source);
            copying.owner = Owner::Producer(memory);
        }
        Ok(())
    }

    /// The slots are a camera's buffers, with rows where `layout` says, and are copied. There are none before.
    ///
    /// # Errors
    /// When they cannot be mapped.
    #[inline(never)]
    pub fn copy_camera(
        &mut self,
        encoder: &Encoder,
        camera: &Camera,
        layout: &FrameLayout,
        choice: MemoryChoice,
    ) -> Result<(), IoctlError> {
        self.choice = Some(choice);
        self.slots = encoder.slots().min(camera.slots());
        self.layout = *layout;
        camera.map(&mut self.copy_into(encoder, Owner::Camera)?.sources)
    }

    /// Maps the OUTPUT buffers to copy into.
    #[inline(never)]
    fn copy_into(&mut self, encoder: &Encoder, owner: Owner) -> Result<&mut Copying, IoctlError> {
        let copying = self.copying.insert(Copying {
            owner,
            sources: ArrayVec::new(),
            outputs: ArrayVec::new(),
            to: encoder.agreed().layout,
        });
        encoder.map_outputs(&mut copying.outputs)?;
        Ok(copying)
    }

    fn describe(&self) {
        let (ring, layout, wanted) = (self.map.ring(), &self.layout, &self.wanted);
        ring.format.store(wanted.format.fourcc.0, Relaxed);
        ring.width.store(wanted.width, Relaxed);
        ring.height.store(wanted.height, Relaxed);
        ring.rate_numerator.store(wanted.rate.0, Relaxed);
        ring.rate_denominator.store(wanted.rate.1, Relaxed);
        ring.slots.store(self.slots, Relaxed);
        ring.planes.store(layout.plane_count, Relaxed);
        ring.memory_planes.store(layout.memory_plane_count, Relaxed);
        ring.memory.store(self.kind() as u32, Relaxed);
        for (word, &length) in ring.memory_bytes.iter().zip(&layout.memory_length) {
            word.store(length, Relaxed);
        }
        for (words, plane) in ring.geometry.iter().zip(&layout.planes) {
            words.memory_plane.store(plane.memory_plane, Relaxed);
            words.offset.store(plane.offset, Relaxed);
            words.bytesperline.store(plane.bytesperline, Relaxed);
            words.row_bytes.store(plane.row_bytes, Relaxed);
            words.rows.store(plane.rows, Relaxed);
            words.allocated_rows.store(plane.allocated_rows, Relaxed);
        }
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// What is to be asked of the encoder next: what it was set up for last may be what it does not do.
    pub fn want(&mut self, wanted: &Wanted) {
        self.wanted = *wanted;
    }

    /// What is asked of the encoder.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Where the slots lie.
    #[must_use]
    pub fn kind(&self) -> SlotMemory {
        match (self.copies(), self.choice) {
            (true, _) => SlotMemory::Copied,
            (false, None) => SlotMemory::Imported,
            (false, Some(_)) => SlotMemory::Exported,
        }
    }

    /// How the slots were chosen; `None` when they are the producer's own.
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

    /// The encoder's buffers are given to this user.
    pub fn given_to(&mut self, uid: Option<u32>) {
        self.user = uid;
    }

    /// The user who had the encoder's buffers last.
    #[must_use]
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// Nobody produces, and no frame waits to be copied: what the former producer may have kept of the memfd is freed. It can fill it
    /// again, with memory of its own. The ring stays: the producer has still to read there what became of its frames.
    pub fn let_go(&mut self) {
        if !self.used || self.let_go {
            return;
        }
        self.let_go = true;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A kernel that cannot leaves the memory with whoever keeps it.
        if let Some(copying) = &self.copying
            && let (Some(memory), Some(source)) = (copying.owner.memfd(), copying.sources.first())
        {
            let _ = fallocate(memory, flags, 0, source.len() as u64);
        }
    }

    /// A ring for a new producer, and a memfd where frames are copied, which nobody had before: whoever had some may still write to
    /// them.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn attach(&mut self) -> Result<(), IoctlError> {
        if core::mem::replace(&mut self.used, true) {
            (self.map, self.ring) = FrameMap::create()?;
            self.replace_memfd()?;
        }
        self.let_go = false;
        self.describe();
        self.give = Pusher::default();
        self.take = Popper::default();
        self.told = (0, 0);
        Ok(())
    }

    /// The message that lets a producer in, with the descriptors that go with it.
    pub fn invitation<'a>(
        &'a self,
        filled: BorrowedFd<'a>,
        free: BorrowedFd<'a>,
    ) -> (Message, ArrayVec<BorrowedFd<'a>, MESSAGE_FDS>) {
        let mut descriptors = ArrayVec::from_iter([self.ring.as_fd(), filled, free]);
        descriptors.extend(self.exported.iter().map(AsFd::as_fd));
        let copied = self
            .copying
            .iter()
            .flat_map(|copying| copying.owner.memfd());
        descriptors.extend(copied.map(AsFd::as_fd));
        let message = Message::Frames {
            slots: self.slots,
            memory_planes: self.layout.memory_plane_count,
            memory: self.kind(),
        };
        (message, descriptors)
    }

    /// The next slot that the producer says it filled.
    ///
    /// # Errors
    /// When what stands in the ring makes no sense.
    pub fn next_filled(&mut self) -> Result<Option<Entry>, Nonsense> {
        self.take.pop(&self.map.ring().filled)
    }

    /// Hands a slot to the producer.
    pub fn give(&mut self, slot: u32) {
        self.give.push(
            &self.map.ring().free,
            Entry {
                slot,
                ..Entry::default()
            },
        );
    }

    /// Tells the producer how many of its frames were published and dropped. Gives whether that is news.
    pub fn account(&mut self, (published, dropped): (u64, u64)) -> bool {
        if self.told == (published, dropped) {
            return false;
        }
        self.told = (published, dropped);
        let ring = self.map.ring();
        ring.published.store(published, Relaxed);
        ring.dropped.store(dropped, Relaxed);
        // pairs with the Acquire of `FrameProducer::all_accounted`
        ring.accounted.store(published + dropped, Release);
        true
    }

    /// Brings the frame in a slot to where the encoder reads it. Gives the bytes copied: none in export mode.
    pub fn load(&self, slot: u32) -> u64 {
        let Some(copying) = &self.copying else {
            return 0;
        };
        let (layout, slot) = (&self.layout, slot as usize);
        let lengths = &layout.memory_length;
        let first_plane = slot * copying.to.memory_plane_count as usize;
        let mut copied = 0;
        for (from, to) in layout.planes().iter().zip(copying.to.planes()) {
            let plane = from.memory_plane as usize;
            let (source, plane_start) = if !matches!(copying.owner, Owner::Camera) {
                let start = slot as u64 * copy_slot_bytes(lengths);
                let start = start + copy_slot_bytes(&lengths[..plane]);
                // It lies in memory that is mapped.
                (0, usize::try_from(start).unwrap_or(usize::MAX))
            } else {
                (slot * layout.memory_plane_count as usize + plane, 0)
            };
            let Some(source) = copying.sources.get(source) else {
                continue;
            };
            let Some(target) = copying.outputs.get(first_plane + to.memory_plane as usize) else {
                continue;
            };
            for row in 0..to.rows {
                let at =
                    plane_start + from.offset as usize + row as usize * from.bytesperline as usize;
                let Some(bytes) = source.bytes().part(at, to.row_bytes as usize) else {
                    break;
                };
                let at = to.offset as usize + row as usize * to.bytesperline as usize;
                // The producer may be writing there again; the picture is then its own fault.
                if target.bytes().copy_from(at, bytes) {
                    copied += u64::from(to.row_bytes);
                }
            }
        }
        copied
    }
}
