//! Where the slots of the frame ring live: the encoder's own buffers, exported, or a memfd that is copied from.
//!
//! Knows memory and the frame ring's words. Whose a slot is at the moment is the pipeline's business.

use ::log::{info, warn};
use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::cli::MemoryChoice;
use crate::control::message::{MESSAGE_FDS, Message};
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::{Relaxed, Release};
use crate::shm::frame_ring::{Entry, Nonsense, Popper, Pusher, reset};
use crate::shm::layout::{COPY_ALIGNMENT, copy_slot_bytes};
use crate::shm::map::FrameMap;
use crate::shm::region::{Region, sealed_memfd};
use crate::v4l2::encoder::{Encoder, OUTPUT_PLANES};
use crate::v4l2::errno::{Call, IoctlError};
use crate::v4l2::negotiate::Wanted;

/// The frame ring and the memory of its slots.
#[derive(Debug)]
pub struct FrameMemory {
    map: FrameMap,
    ring: OwnedFd,
    kind: Kind,
    slots: u32,
    memory_planes: u32,
    give: Pusher,
    take: Popper,
    told: (u64, u64),
}

#[derive(Debug)]
enum Kind {
    /// The OUTPUT buffers themselves, as dma-bufs.
    Export(ArrayVec<OwnedFd, OUTPUT_PLANES>),
    /// A memfd with tightly packed slots, copied row by row into the OUTPUT buffers.
    Copy {
        memory: OwnedFd,
        source: Region,
        outputs: ArrayVec<Region, OUTPUT_PLANES>,
        /// Where the rows lie in the memfd, and where in the OUTPUT buffers.
        from: FrameLayout,
        to: FrameLayout,
    },
}

impl FrameMemory {
    /// Exports the encoder's OUTPUT buffers, or makes a memfd for copying, as `choice` says.
    ///
    /// # Errors
    /// When exporting was demanded and cannot be done, or memory is short.
    #[inline(never)]
    pub fn new(
        encoder: &Encoder,
        wanted: &Wanted,
        choice: MemoryChoice,
    ) -> Result<Self, IoctlError> {
        let agreed = encoder.agreed();
        let exported = match choice {
            MemoryChoice::Copy => None,
            MemoryChoice::Export => Some(encoder.export()?),
            MemoryChoice::Auto => encoder
                .export()
                .inspect_err(|error| {
                    let bytes = agreed.layout.frame_bytes();
                    let rate = bytes * u64::from(wanted.rate.0) / u64::from(wanted.rate.1.max(1));
                    warn!("{error}; frames are copied instead, {rate} bytes a second");
                })
                .ok(),
        };
        let (kind, layout) = match exported {
            Some(planes) => (Kind::Export(planes), agreed.layout),
            None => copying(encoder, wanted.format, wanted.width, wanted.height)?,
        };
        let (map, ring) = FrameMap::create().map_err(memory_error)?;
        let memory = Self {
            map,
            ring,
            slots: encoder.slots(),
            memory_planes: layout.memory_plane_count,
            kind,
            give: Pusher::default(),
            take: Popper::default(),
            told: (0, 0),
        };
        memory.describe(wanted, &layout);
        info!(
            "{} slots, {}",
            memory.slots,
            if memory.copies() {
                "copied from shared memory"
            } else {
                "exported by the driver"
            }
        );
        Ok(memory)
    }

    fn describe(&self, wanted: &Wanted, layout: &FrameLayout) {
        let ring = self.map.ring();
        ring.format.store(wanted.format.fourcc.0, Relaxed);
        ring.width.store(wanted.width, Relaxed);
        ring.height.store(wanted.height, Relaxed);
        ring.rate_numerator.store(wanted.rate.0, Relaxed);
        ring.rate_denominator.store(wanted.rate.1, Relaxed);
        ring.slots.store(self.slots, Relaxed);
        ring.planes.store(layout.plane_count, Relaxed);
        ring.memory_planes.store(layout.memory_plane_count, Relaxed);
        ring.dma_buf.store(u32::from(!self.copies()), Relaxed);
        for (word, &length) in ring.memory_bytes.iter().zip(&layout.memory_length) {
            word.store(length, Relaxed);
        }
        for (words, plane) in ring.geometry.iter().zip(&layout.planes) {
            words.memory_plane.store(plane.memory_plane, Relaxed);
            words.offset.store(plane.offset, Relaxed);
            words.bytesperline.store(plane.bytesperline, Relaxed);
            words.row_bytes.store(plane.row_bytes, Relaxed);
            words.rows.store(plane.rows, Relaxed);
        }
    }

    /// Whether frames are copied.
    #[must_use]
    pub fn copies(&self) -> bool {
        matches!(self.kind, Kind::Copy { .. })
    }

    /// Empties both queues for a new producer.
    pub fn attach(&mut self) {
        let ring = self.map.ring();
        reset(&ring.filled);
        reset(&ring.free);
        ring.published.store(0, Relaxed);
        ring.dropped.store(0, Relaxed);
        ring.accounted.store(0, Relaxed);
        self.give = Pusher::default();
        self.take = Popper::default();
        self.told = (0, 0);
    }

    /// The message that lets a producer in, with the descriptors that go with it.
    pub fn invitation<'a>(
        &'a self,
        filled: BorrowedFd<'a>,
        free: BorrowedFd<'a>,
    ) -> (Message, ArrayVec<BorrowedFd<'a>, MESSAGE_FDS>) {
        let mut descriptors = ArrayVec::from_iter([self.ring.as_fd(), filled, free]);
        match &self.kind {
            Kind::Export(planes) => descriptors.extend(planes.iter().map(AsFd::as_fd)),
            Kind::Copy { memory, .. } => descriptors.push(memory.as_fd()),
        }
        let message = Message::Frames {
            slots: self.slots,
            memory_planes: self.memory_planes,
            copy: self.copies(),
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
    pub fn load(&mut self, slot: u32) -> u64 {
        let Kind::Copy {
            source,
            outputs,
            from,
            to,
            ..
        } = &mut self.kind
        else {
            return 0;
        };
        let lengths = &from.memory_length;
        let start = slot as usize * copy_slot_bytes(lengths);
        let first_plane = slot as usize * to.memory_plane_count as usize;
        let mut copied = 0;
        for (from, to) in from.planes().iter().zip(to.planes()) {
            let before = lengths[..from.memory_plane as usize].iter();
            let plane_start = start
                + before
                    .map(|&length| (length as usize).next_multiple_of(COPY_ALIGNMENT))
                    .sum::<usize>();
            let Some(target) = outputs
                .get_mut(first_plane + to.memory_plane as usize)
                .and_then(Region::bytes_mut)
            else {
                continue;
            };
            for row in 0..to.rows {
                let at = to.offset as usize + row as usize * to.bytesperline as usize;
                let Some(row_target) = target.get_mut(at..at + to.row_bytes as usize) else {
                    break;
                };
                let at =
                    plane_start + from.offset as usize + row as usize * from.bytesperline as usize;
                // The producer may be writing there again; the picture is then its own fault.
                if source.copy_out(at, row_target) {
                    copied += u64::from(to.row_bytes);
                }
            }
        }
        copied
    }
}

/// A memfd for tightly packed slots, and the OUTPUT buffers mapped to copy into.
fn copying(
    encoder: &Encoder,
    format: &RawFormat,
    width: u32,
    height: u32,
) -> Result<(Kind, FrameLayout), IoctlError> {
    let outputs = encoder.map_outputs()?;
    let to = encoder.agreed().layout;
    // The driver accepted this size, so its tight layout is no larger than the driver's.
    let from = format
        .tight(width, height)
        .map_err(|_| memory_error(Errno::OVERFLOW))?;
    let total = copy_slot_bytes(&from.memory_length) * encoder.slots() as usize;
    let memory = sealed_memfd(c"framemill-slots", total).map_err(memory_error)?;
    let source = Region::map(&memory, total, true).map_err(memory_error)?;
    Ok((
        Kind::Copy {
            memory,
            source,
            outputs,
            from,
            to,
        },
        from,
    ))
}

fn memory_error(errno: Errno) -> IoctlError {
    IoctlError::new(Call::Mmap, errno)
}
