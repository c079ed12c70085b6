//! The buffers between a source and a stage: who holds each, which frames wait in them, and what became of the source's frames.
//!
//! ```text
//!   free ──acquire──▶ SOURCE ──commit──▶ ENGINE ──queue──▶ STAGE ──release──▶ free
//!                       └───────── reclaim (the source left) ───────────────▲
//! ```
//!
//! Pure: time is an argument, ns of `CLOCK_MONOTONIC`. Knows no device and no memory: a slot is a number.

use arrayvec::ArrayVec;

use super::pending::{Frame, take};
use crate::limits::FRAME_SLOTS_MAX;

const SLOTS: usize = FRAME_SLOTS_MAX as usize;

/// Who holds a slot. One that nobody holds is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holders(u8);

impl Holders {
    /// Nobody: it is free.
    pub const NONE: Self = Self(0);
    /// The producer, or the camera, may write into it.
    pub const SOURCE: Self = Self(1);
    /// A frame is in it and waits to be queued.
    pub const ENGINE: Self = Self(2);
    /// The encoder's driver has it.
    pub const STAGE: Self = Self(3);

    const ALL: [Self; 4] = [Self::NONE, Self::SOURCE, Self::ENGINE, Self::STAGE];
}

/// The source committed a slot that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotNotOwned;

/// All slots, and the frames that wait in them.
#[derive(Debug)]
pub struct Link {
    slots: u32,
    /// The slots of each holder, a bit for each slot. Each slot is one holder's.
    held: [u32; Holders::ALL.len()],
    /// Slots that the engine holds, in the order of their commits.
    waiting: ArrayVec<(u32, Frame), SLOTS>,
    /// When the source acquired each slot, ns.
    acquired_ns: [u64; SLOTS],
    /// When it was last seen that no commit waits, ns.
    looked_ns: u64,
    attachment: u32,
    /// Frames of the present source that were published, and that were dropped.
    accounts: (u64, u64),
}

impl Link {
    /// So many slots, all free; no more than `FRAME_SLOTS_MAX` are used.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        Self {
            slots: slots.min(FRAME_SLOTS_MAX),
            held: all_free(slots),
            waiting: ArrayVec::new(),
            acquired_ns: [0; SLOTS],
            looked_ns: 0,
            attachment: 0,
            accounts: (0, 0),
        }
    }

    /// Other slots, all free. Only while nobody holds one.
    pub fn replace(&mut self, slots: u32) {
        debug_assert_eq!(self.held_by(Holders::NONE), self.slots as usize);
        self.slots = slots.min(FRAME_SLOTS_MAX);
        self.held = all_free(slots);
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Each slot that the engine holds has a frame that waits, and no other slot has.
    fn debug_check(&self) {
        debug_assert_eq!(self.held_by(Holders::ENGINE), self.waiting.len());
        debug_assert!(
            self.waiting
                .iter()
                .all(|&(slot, _)| self.holders(slot) == Some(Holders::ENGINE))
        );
    }

    /// Who holds the slot; `None` when there is no such slot.
    #[must_use]
    pub fn holders(&self, slot: u32) -> Option<Holders> {
        let bit = bit(slot);
        let holds = |holders: &Holders| self.held[holders.0 as usize] & bit != 0;
        Holders::ALL.into_iter().find(holds)
    }

    /// How many slots these hold.
    #[must_use]
    pub fn held_by(&self, holders: Holders) -> usize {
        self.held[holders.0 as usize].count_ones() as usize
    }

    /// Whether these hold any slot.
    #[must_use]
    pub fn holds_any(&self, holders: Holders) -> bool {
        self.held[holders.0 as usize] != 0
    }

    /// A new source: its frames are counted from zero.
    pub fn attach(&mut self) {
        self.attachment = self.attachment.wrapping_add(1);
        self.accounts = (0, 0);
    }

    /// The source left: slots that it held are free. Frames that it committed go on. Gives how many are free of it.
    pub fn reclaim(&mut self) -> u32 {
        self.attachment = self.attachment.wrapping_add(1);
        self.free_all(Holders::SOURCE)
    }

    /// Slots that these held are free. Gives how many.
    pub fn free_all(&mut self, holders: Holders) -> u32 {
        let freed = core::mem::take(&mut self.held[holders.0 as usize]);
        self.held[Holders::NONE.0 as usize] |= freed;
        freed.count_ones()
    }

    /// Passes a slot on. False when `from` does not hold it.
    fn pass(&mut self, slot: u32, from: Holders, to: Holders) -> bool {
        let bit = bit(slot);
        if self.held[from.0 as usize] & bit == 0 {
            return false;
        }
        self.held[from.0 as usize] &= !bit;
        self.held[to.0 as usize] |= bit;
        true
    }

    /// A free slot for the source, which holds it from now on.
    pub fn acquire(&mut self, now_ns: u64) -> Option<u32> {
        let free = self.held[Holders::NONE.0 as usize].trailing_zeros();
        if !self.pass(free, Holders::NONE, Holders::SOURCE) {
            return None;
        }
        self.acquired_ns[free as usize] = now_ns;
        Some(free)
    }

    /// Nobody signals that a frame was committed: none that comes later was committed before `now_ns`.
    pub fn nothing_committed(&mut self, now_ns: u64) {
        self.looked_ns = now_ns;
    }

    /// The source put a frame into a slot, at `committed_ns` as it says. It cannot have been in the future, nor before the slot was
    /// acquired, nor before the engine last saw that nothing was committed: a time outside counts as the nearest one inside, so
    /// that no producer can falsify latencies.
    ///
    /// # Errors
    /// `SlotNotOwned` when the source does not hold the slot, or there is no such slot; nothing changed.
    pub fn commit(
        &mut self,
        slot: u32,
        timestamp: u64,
        committed_ns: u64,
        now_ns: u64,
    ) -> Result<(), SlotNotOwned> {
        if !self.pass(slot, Holders::SOURCE, Holders::ENGINE) {
            return Err(SlotNotOwned);
        }
        let earliest = self.acquired_ns[slot as usize].max(self.looked_ns);
        let frame = Frame {
            timestamp,
            committed: committed_ns.max(earliest).min(now_ns),
            queued: 0,
            attachment: self.attachment,
            discontinuity: false,
        };
        // Each slot is in the list at most once, and the list has room for all.
        self.waiting.push((slot, frame));
        self.debug_check();
        Ok(())
    }

    /// The frame that waits for longest, with its slot.
    #[must_use]
    pub fn first(&self) -> Option<(u32, &Frame)> {
        self.waiting.first().map(|(slot, frame)| (*slot, frame))
    }

    /// Takes the frame that waits for longest: its slot is the next holder's.
    pub fn take_first(&mut self, holders: Holders) -> Option<(u32, Frame)> {
        let (slot, frame) = take(&mut self.waiting, 0)?;
        self.pass(slot, Holders::ENGINE, holders);
        self.debug_check();
        Some((slot, frame))
    }

    /// Takes the frame that was committed last, if it waits: its slot is free.
    pub fn take_last(&mut self) -> Option<Frame> {
        let (slot, frame) = self.waiting.pop()?;
        self.pass(slot, Holders::ENGINE, Holders::NONE);
        self.debug_check();
        Some(frame)
    }

    /// Something is missing before the frame that was committed last.
    pub fn mark_last(&mut self) {
        if let Some((_, frame)) = self.waiting.last_mut() {
            frame.discontinuity = true;
        }
    }

    /// Frames that wait to be queued.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The stage gave a slot back, which is free. False when it did not hold it.
    pub fn release(&mut self, slot: u32) -> bool {
        self.pass(slot, Holders::STAGE, Holders::NONE)
    }

    /// A frame was published. It counts if it is the present source's.
    pub fn published(&mut self, frame: &Frame) {
        if frame.attachment == self.attachment {
            self.accounts.0 += 1;
        }
    }

    /// A frame was dropped. It counts if it is the present source's.
    pub fn dropped(&mut self, frame: &Frame) {
        if frame.attachment == self.attachment {
            self.accounts.1 += 1;
        }
    }

    /// The drop of a frame is taken back.
    pub fn take_back(&mut self, frame: &Frame) {
        if frame.attachment == self.attachment {
            self.accounts.1 -= 1;
        }
    }

    /// Frames of the present source that were published, and that were dropped.
    #[must_use]
    pub fn accounts(&self) -> (u64, u64) {
        self.accounts
    }
}

/// So many slots, which nobody holds.
fn all_free(slots: u32) -> [u32; Holders::ALL.len()] {
    let free = bit(slots).wrapping_sub(1);
    [free, 0, 0, 0]
}

/// The bit of a slot; none where there is no such slot.
fn bit(slot: u32) -> u32 {
    1u32.checked_shl(slot).unwrap_or(0)
}

const _: () = assert!(FRAME_SLOTS_MAX == u32::BITS, "each slot has a bit");
