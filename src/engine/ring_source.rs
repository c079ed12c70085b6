//! A producer as the source: the engine's end of the frame ring, and whether a producer is there, has left, or is to come back.
//!
//! Knows the ring's words and the presence of a producer. Knows no connection: that is a client's. Who holds a slot, the pipeline knows.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::errno::call::IoctlError;
use crate::flow::pipeline::Pipeline;
use crate::limits::{ATTACH_AGAIN_MS, FRAME_SLOTS_MAX};
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::{Relaxed, Release};
use crate::shm::frame_ring::{Entry, Popper, Pusher};
use crate::shm::layout::SlotMemory as Kind;
use crate::shm::map::FrameMap;
use crate::time::MS;
use crate::v4l2::negotiate::Wanted;

/// What stands in the ring makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRing;

/// The engine's end of the frame ring.
#[derive(Debug)]
pub struct RingSource {
    map: FrameMap,
    ring: OwnedFd,
    give: Pusher,
    take: Popper,
    /// What was last reported to the producer: its frames published, its frames dropped.
    reported: (u64, u64),
    /// Somebody had the ring: the next producer gets another.
    used: bool,
    /// A producer has left since the start.
    finished: bool,
    /// The producer said that it is done, or is gone: no frame follows those inside.
    pub left: bool,
    /// The engine ends when the first producer has left.
    once: bool,
    /// The producer, whose slots were lost, is to attach again until then, or it was the one for `--once`; ns, `u64::MAX` while it
    /// cannot.
    pub expected_ns: Option<u64>,
}

impl RingSource {
    /// A ring that nobody has. `once`: the engine ends when the first producer has left.
    ///
    /// # Errors
    /// When memory is short.
    pub fn new(once: bool) -> Result<Self, IoctlError> {
        let (map, ring) = FrameMap::create()?;
        Ok(Self {
            map,
            ring,
            give: Pusher::default(),
            take: Popper::default(),
            reported: (0, 0),
            used: false,
            finished: false,
            left: false,
            once,
            expected_ns: None,
        })
    }

    /// A ring for a new producer, which no other had: whoever had one may still write to it.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn attach(
        &mut self,
        wanted: &Wanted,
        layout: &FrameLayout,
        kind: Kind,
        slots: u32,
    ) -> Result<(), IoctlError> {
        if core::mem::replace(&mut self.used, true) {
            (self.map, self.ring) = FrameMap::create()?;
        }
        self.give = Pusher::default();
        self.take = Popper::default();
        self.reported = (0, 0);
        let ring = self.map.ring();
        ring.format.store(wanted.format.fourcc.0, Relaxed);
        ring.width.store(wanted.width, Relaxed);
        ring.height.store(wanted.height, Relaxed);
        ring.rate_numerator.store(wanted.rate.0, Relaxed);
        ring.rate_denominator.store(wanted.rate.1, Relaxed);
        ring.slots.store(slots, Relaxed);
        ring.planes.store(layout.plane_count, Relaxed);
        ring.memory_planes.store(layout.memory_plane_count, Relaxed);
        ring.memory.store(kind as u32, Relaxed);
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
        Ok(())
    }

    /// A producer was let in.
    pub fn attached(&mut self) {
        self.expected_ns = None;
        self.left = false;
    }

    /// The producer has left, or is done. Gives whether the engine ends with it.
    pub fn producer_left(&mut self) -> bool {
        (self.finished, self.left) = (true, true);
        self.once
    }

    /// Whether the engine ends because a producer has left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.once && self.finished
    }

    /// The producer lost its slots, and is asked to attach again: with `once` it is the one for which the engine runs.
    pub fn slots_lost(&mut self) {
        self.expected_ns = self.once.then_some(u64::MAX);
    }

    /// There are slots again: whoever is to attach again can, and has so much time.
    pub fn may_return(&mut self, now_ns: u64) {
        let limit_ns = now_ns + u64::from(ATTACH_AGAIN_MS) * MS;
        self.expected_ns = self.expected_ns.map(|_| limit_ns);
    }

    /// The ring's descriptor, for the producer.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Takes every slot in the ring, at most one round.
    ///
    /// # Errors
    /// When what stands there makes no sense.
    pub fn take(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<(), BadRing> {
        let taken = self.take_all(pipeline, now_ns);
        self.left &= taken == Ok(0);
        taken.map(|_| ())
    }

    fn take_all(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<u32, BadRing> {
        // As many as there can be: an encoder that is closed has none, and a producer with memory of its own has them all the same.
        for taken in 0..FRAME_SLOTS_MAX {
            let entry = self.take.pop(&self.map.ring().filled);
            let Some(entry) = entry.map_err(|_| BadRing)? else {
                pipeline.nothing_committed(now_ns);
                return Ok(taken);
            };
            pipeline
                .commit(entry.slot, entry.timestamp, entry.time, now_ns)
                .map_err(|_| BadRing)?;
        }
        Ok(FRAME_SLOTS_MAX)
    }

    /// Hands a slot to the producer.
    pub fn give(&mut self, slot: u32) {
        let entry = Entry {
            slot,
            ..Entry::default()
        };
        self.give.push(&self.map.ring().free, entry);
    }

    /// Tells the producer how many of its frames were published and dropped. Gives whether that is news.
    pub fn report(&mut self, (published, dropped): (u64, u64)) -> bool {
        if self.reported == (published, dropped) {
            return false;
        }
        self.reported = (published, dropped);
        let ring = self.map.ring();
        ring.published.store(published, Relaxed);
        ring.dropped.store(dropped, Relaxed);
        // pairs with the Acquire of `FrameProducer::all_accounted`
        ring.accounted.store(published + dropped, Release);
        true
    }
}
