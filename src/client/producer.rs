//! A producer of frames: gets slots, writes into them, commits them. How it comes to them is in `attach`.

mod attach;

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::SendFlags;

use super::slots::Planes;
use super::wait::wait;
use super::{ClientError, Step};
use crate::control::message::{Message, Refusal, SlotMemory};
use crate::control::socket::send;
use crate::limits::{FRAME_SLOTS_MAX, PLANES};
use crate::media::fourcc::Fourcc;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::{Acquire, Relaxed};
use crate::shm::bytes::SharedBytes;
use crate::shm::frame_ring::{Entry, Popper, Pusher};
use crate::shm::map::FrameMap;
use crate::shm::region::Region;
use crate::time::now;
use crate::v4l2::ioctl::{self, DmaBufAccess};

/// Dma-bufs of a producer.
pub type Buffers = ArrayVec<OwnedFd, { SLOTS * PLANES }>;

const SLOTS: usize = FRAME_SLOTS_MAX as usize;

/// A connection to an engine's frame ring; one at a time can exist.
#[derive(Debug)]
pub struct FrameProducer {
    socket: OwnedFd,
    map: FrameMap,
    filled: OwnedFd,
    free: OwnedFd,
    /// One entry a memory plane of a slot, slot after slot.
    planes: Planes,
    layout: FrameLayout,
    slots: u32,
    memory: SlotMemory,
    commit: Pusher,
    acquire: Popper,
    /// Slots taken from the ring and not committed: dropped guards.
    in_hand: ArrayVec<u32, SLOTS>,
    committed: u64,
    /// The engine knows that no more frames come.
    finishing: bool,
}

impl FrameProducer {
    /// Where the rows of a frame lie in a slot.
    #[must_use]
    pub fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// Slots.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Whether the slots are the dma-bufs that were offered.
    #[must_use]
    pub fn imported(&self) -> bool {
        self.memory == SlotMemory::Imported
    }

    /// Whether the engine copies the frames.
    #[must_use]
    pub fn copied(&self) -> bool {
        self.memory == SlotMemory::Copied
    }

    /// Raw format of the frames.
    #[must_use]
    pub fn format(&self) -> Fourcc {
        Fourcc(self.map.ring().format.load(Relaxed))
    }

    /// Visible width and height, pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let ring = self.map.ring();
        (ring.width.load(Relaxed), ring.height.load(Relaxed))
    }

    /// The rate that the engine expects frames at: frames per second, numerator and denominator.
    #[must_use]
    pub fn frame_rate(&self) -> (u32, u32) {
        let ring = self.map.ring();
        (
            ring.rate_numerator.load(Relaxed),
            ring.rate_denominator.load(Relaxed),
        )
    }

    /// Frames committed so far.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Frames of this producer that became a packet, and that were dropped, so far.
    #[must_use]
    pub fn accounts(&self) -> (u64, u64) {
        let ring = self.map.ring();
        (ring.published.load(Relaxed), ring.dropped.load(Relaxed))
    }

    /// A slot to fill; waits for one at most `timeout` ns, without limit for `None`. `Ok(None)` when the time is up.
    ///
    /// # Errors
    /// When the engine is gone or disconnected this producer.
    pub fn acquire(&mut self, timeout: Option<u64>) -> Result<Option<SlotGuard<'_>>, ClientError> {
        let deadline = timeout.map(|ns| now().saturating_add(ns));
        let slot = loop {
            if let Some(slot) = self.in_hand.pop() {
                break slot;
            }
            match self.acquire.pop(&self.map.ring().free) {
                Ok(Some(entry)) if entry.slot < self.slots => break entry.slot,
                Ok(None) => {}
                _ => return Err(ClientError::Protocol),
            }
            if !self.wait(deadline)? {
                return Ok(None);
            }
        };
        if let Err(error) = self.access(slot, DmaBufAccess::BeginWrite) {
            self.in_hand.push(slot);
            return Err(error);
        }
        Ok(Some(SlotGuard {
            producer: self,
            slot,
            done: false,
        }))
    }

    /// Tells the engine that no more frames come, and waits until each committed frame is accounted for: at most
    /// `timeout` ns. Gives whether it was in time; if not, it may be called again, to go on waiting.
    ///
    /// # Errors
    /// When the engine is gone or disconnected this producer.
    pub fn finish(&mut self, timeout: Option<u64>) -> Result<bool, ClientError> {
        let deadline = timeout.map(|ns| now().saturating_add(ns));
        if !self.finishing {
            match send(&self.socket, &Message::Finish, &[]).map_err(super::sending) {
                // A connection that has ended has a reason to tell, if need be.
                Ok(()) | Err(ClientError::Gone) => self.finishing = true,
                Err(error) => return Err(error),
            }
        }
        while !self.all_accounted() {
            match self.wait(deadline) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                // An engine that ends or reopens its encoder counts everything before it closes.
                Err(ClientError::Gone | ClientError::Refused(Refusal::Reopened))
                    if self.all_accounted() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn all_accounted(&self) -> bool {
        // pairs with the Release of `RingSource::report`
        self.map.ring().accounted.load(Acquire) >= self.committed
    }

    /// The connection and the "free" wake socket, to poll for POLLIN in a loop of one's own.
    #[must_use]
    pub fn descriptors(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        (self.socket.as_fd(), self.free.as_fd())
    }

    /// Waits for a sign from the engine. False when the deadline passed.
    fn wait(&self, deadline: Option<u64>) -> Result<bool, ClientError> {
        let left = deadline.map(|at| at.saturating_sub(now()));
        wait(&self.free, &self.socket, left)
    }

    fn slot_planes(&self, slot: u32) -> &[(Region, Option<OwnedFd>)] {
        let count = self.layout.memory_plane_count as usize;
        let first = slot as usize * count;
        &self.planes[first..first + count]
    }

    /// The bytes of a memory plane of a held slot, as `SlotGuard::plane`.
    #[must_use]
    pub fn held_plane(&self, held: &HeldSlot, memory_plane: usize) -> SharedBytes<'_> {
        let planes = match held.slot < self.slots {
            true => self.slot_planes(held.slot),
            false => &[],
        };
        planes
            .get(memory_plane)
            .map_or_else(|| (&[]).into(), |(region, _)| region.bytes())
    }

    /// Commits a frame that was held.
    ///
    /// # Errors
    /// As `SlotGuard::commit`; `Protocol` for a slot that this producer does not have.
    pub fn commit_held(&mut self, held: HeldSlot, timestamp: u64) -> Result<(), ClientError> {
        if held.slot >= self.slots {
            return Err(ClientError::Protocol);
        }
        self.commit_slot(held.slot, timestamp)
    }

    fn commit_slot(&mut self, slot: u32, timestamp: u64) -> Result<(), ClientError> {
        if let Err(error) = self.access(slot, DmaBufAccess::EndWrite) {
            self.in_hand.push(slot);
            return Err(error);
        }
        let entry = Entry {
            slot,
            timestamp,
            time: now(),
        };
        self.commit.push(&self.map.ring().filled, entry);
        self.committed += 1;
        // A full socket wakes the engine just as well; a closed one shows at the connection.
        let _ = rustix::net::send(
            &self.filled,
            &[1],
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        );
        Ok(())
    }

    /// Brackets CPU writes, so that caches are flushed where the hardware does not see them.
    fn access(&self, slot: u32, access: DmaBufAccess) -> Result<(), ClientError> {
        for (_, fd) in self.slot_planes(slot) {
            if let Some(fd) = fd {
                ioctl::dma_buf_sync(fd.as_fd(), access)
                    .map_err(|error| ClientError::System(Step::Sync, error.errno))?;
            }
        }
        Ok(())
    }
}

/// A slot to write a frame into. Dropped without a commit, it stays with the producer and comes again from `acquire`.
#[derive(Debug)]
pub struct SlotGuard<'a> {
    producer: &'a mut FrameProducer,
    slot: u32,
    done: bool,
}

impl SlotGuard<'_> {
    /// Number of the slot: with dma-bufs of one's own, which of them it is.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.slot
    }

    /// The bytes of a memory plane; none when there is no such plane. Where the rows lie says `FrameProducer::layout`. Rows are copied
    /// in; code that draws in place goes by `SharedBytes::as_mut_ptr`. The engine may look at any time.
    ///
    /// After `commit` they cannot be written to any more:
    ///
    /// ```compile_fail,E0505
    /// fn f(slot: framemill::client::SlotGuard<'_>) {
    ///     let plane = slot.plane(0);
    ///     slot.commit(0).unwrap();
    ///     let _ = plane.fill(0, 1, 0);
    /// }
    /// ```
    #[must_use]
    pub fn plane(&self, memory_plane: usize) -> SharedBytes<'_> {
        let planes = self.producer.slot_planes(self.slot);
        planes
            .get(memory_plane)
            .map_or_else(|| (&[]).into(), |(region, _)| region.bytes())
    }

    /// Where the rows lie.
    #[must_use]
    pub fn layout(&self) -> FrameLayout {
        self.producer.layout
    }

    /// Hands the frame to the engine. `timestamp` (ns by convention) comes out with the packet.
    ///
    /// # Errors
    /// When the kernel does not take the end of CPU access: then the frame is not committed.
    pub fn commit(mut self, timestamp: u64) -> Result<(), ClientError> {
        self.done = true;
        self.producer.commit_slot(self.slot, timestamp)
    }

    /// Keeps the slot, so that others can be acquired and committed meanwhile: see `FrameProducer::held_plane` and `commit_held`.
    #[must_use = "the slot is lost to this connection unless it is committed"]
    pub fn hold(mut self) -> HeldSlot {
        self.done = true;
        HeldSlot { slot: self.slot }
    }
}

/// A slot with a frame in it that is not committed yet. It belongs to the producer that it was acquired from.
#[derive(Debug)]
pub struct HeldSlot {
    slot: u32,
}

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        if !self.done {
            // The slot stays here; that CPU access ended matters to nobody.
            let _ = self.producer.access(self.slot, DmaBufAccess::EndWrite);
            self.producer.in_hand.push(self.slot);
        }
    }
}
