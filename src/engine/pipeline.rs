//! The life of a frame, as a pure state machine: no fd, no clock, no memory but its own.
//!
//! ```text
//!   Free ──lend──▶ Lent ──commit──▶ Filled ──queued──▶ Queued ──returned──▶ Free
//!                   └──────────── reclaim (the producer left) ───────────────▲
//! ```
//!
//! A slot goes round as drawn. The frame in it has a second life: from `queued` on it stands in the pending table,
//! keyed by the timestamp that V4L2 copies from the OUTPUT to the CAPTURE buffer, until its packet is claimed or it is
//! given up. The two lives end independently: the slot usually comes back before the packet does.
//!
//! Every frame that is committed ends in exactly one counter: published, or one of `stats::DROPS`. `in_flight` is the
//! rest; `committed = published + dropped + in_flight` always holds.

use arrayvec::ArrayVec;

use crate::limits::{FRAME_SLOTS_MAX, MUTE_FRAMES, PENDING_FRAMES, REORDER_FRAMES};
use crate::stats::{Counter, Stage, Stats};

const SLOTS: usize = FRAME_SLOTS_MAX as usize;

/// Who has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The engine; nothing is in it.
    Free,
    /// The producer may write into it.
    Lent,
    /// A frame is in it and waits to be queued.
    Filled,
    /// The driver has it.
    Queued,
}

/// A frame on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The producer's timestamp, carried through.
    pub timestamp: u64,
    /// `CLOCK_MONOTONIC` ns of the commit.
    pub committed: u64,
    /// `CLOCK_MONOTONIC` ns of QBUF; 0 before.
    pub queued: u64,
    /// Which producer's: the number of its attachment.
    pub attachment: u32,
}

/// A frame in the encoder.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// V4L2 timestamp, us; unique and rising.
    key: u64,
    slot: u32,
    frame: Frame,
    /// When its slot came back, ns; 0 before.
    returned: u64,
    /// Later frames whose packets came first.
    overtaken: u32,
}

/// The producer committed a slot that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYours;

/// All frames and slots. Counts what happens into `Stats`.
pub struct Pipeline<'a> {
    stats: Stats<'a>,
    slots: ArrayVec<Slot, SLOTS>,
    /// Filled slots in the order of their commits.
    filled: ArrayVec<(u32, Frame), SLOTS>,
    /// Frames in the encoder, oldest first.
    pending: ArrayVec<Pending, PENDING_FRAMES>,
    last_key: u64,
    attachment: u32,
    published_here: u64,
    dropped_here: u64,
    /// `CLOCK_MONOTONIC` ns of the last sign of life from the encoder.
    progress: u64,
    /// Frames given up for lack of a packet, in a row.
    mute: u32,
}

impl<'a> Pipeline<'a> {
    /// A pipeline of `slots` free slots; no more than `FRAME_SLOTS_MAX` are used.
    #[must_use]
    pub fn new(slots: u32, stats: Stats<'a>) -> Self {
        Self {
            stats,
            slots: (0..slots.min(FRAME_SLOTS_MAX))
                .map(|_| Slot::Free)
                .collect(),
            filled: ArrayVec::new(),
            pending: ArrayVec::new(),
            last_key: 0,
            attachment: 0,
            published_here: 0,
            dropped_here: 0,
            progress: 0,
            mute: 0,
        }
    }

    /// Other slots, all free. Only while nobody has one.
    pub fn replace_slots(&mut self, slots: u32) {
        self.slots.clear();
        self.slots
            .extend((0..slots.min(FRAME_SLOTS_MAX)).map(|_| Slot::Free));
    }

    /// Who has the slot; `None` when there is no such slot.
    #[must_use]
    pub fn slot(&self, slot: u32) -> Option<Slot> {
        self.slots.get(slot as usize).copied()
    }

    /// A new producer: what is published and dropped of its own is counted from zero.
    pub fn attach(&mut self) {
        self.attachment = self.attachment.wrapping_add(1);
        self.published_here = 0;
        self.dropped_here = 0;
    }

    /// The producer left: slots that it had come back. Frames that it committed go on. Gives how many came back.
    pub fn reclaim(&mut self) -> u32 {
        self.attachment = self.attachment.wrapping_add(1);
        let mut reclaimed = 0;
        for slot in self.slots.iter_mut().filter(|slot| **slot == Slot::Lent) {
            *slot = Slot::Free;
            reclaimed += 1;
        }
        reclaimed
    }

    /// A free slot to give to the producer, which has it from now on.
    pub fn lend(&mut self) -> Option<u32> {
        let free = self.slots.iter().position(|&slot| slot == Slot::Free)?;
        self.slots[free] = Slot::Lent;
        Some(free as u32)
    }

    /// The producer put a frame into a slot. A commit time in the future is taken for now.
    ///
    /// # Errors
    /// `NotYours` when the producer does not have the slot, or there is no such slot; nothing changed.
    pub fn commit(
        &mut self,
        slot: u32,
        timestamp: u64,
        committed: u64,
        now: u64,
    ) -> Result<(), NotYours> {
        match self.slots.get_mut(slot as usize) {
            Some(state @ Slot::Lent) => *state = Slot::Filled,
            _ => return Err(NotYours),
        }
        let committed = committed.min(now);
        let frame = Frame {
            timestamp,
            committed,
            queued: 0,
            attachment: self.attachment,
        };
        // Each slot is in the list at most once, and the list has room for all.
        self.filled.push((slot, frame));
        self.stats.count(Counter::FramesCommitted);
        Ok(())
    }

    /// The slot to queue next and the V4L2 timestamp to queue it with, us. `None` when there is none, or as many frames
    /// are in the encoder as can be kept track of.
    #[must_use]
    pub fn next(&self) -> Option<(u32, u64)> {
        if self.pending.is_full() {
            return None;
        }
        let (slot, frame) = self.filled.first()?;
        Some((*slot, (frame.committed / 1000).max(self.last_key + 1)))
    }

    /// The driver took the slot that `next` named.
    pub fn queued(&mut self, now: u64) {
        let Some((slot, key)) = self.next() else {
            return;
        };
        let Some((_, mut frame)) = take(&mut self.filled, 0) else {
            return;
        };
        if self.idle() {
            self.progress = now;
        }
        frame.queued = now;
        self.last_key = key;
        self.slots[slot as usize] = Slot::Queued;
        self.pending.push(Pending {
            key,
            slot,
            frame,
            returned: 0,
            overtaken: 0,
        });
        self.stats.count(Counter::FramesQueued);
        self.stats
            .record(Stage::CommitToQueue, now.saturating_sub(frame.committed));
    }

    /// The driver refused the slot that `next` named: its frame is dropped.
    pub fn refused(&mut self) {
        if let Some((slot, frame)) = take(&mut self.filled, 0) {
            self.slots[slot as usize] = Slot::Free;
            self.dropped(Counter::DroppedRefused, &frame);
        }
    }

    /// The driver gave a slot back. One that it did not have is ignored.
    pub fn returned(&mut self, slot: u32, now: u64) {
        let Some(state @ Slot::Queued) = self.slots.get_mut(slot as usize) else {
            return;
        };
        *state = Slot::Free;
        self.progress = now;
        self.stats.count(Counter::FramesReturned);
        // Not by its timestamp: a driver need not give back there what it was given.
        let mut pending = self.pending.iter_mut();
        if let Some(pending) = pending.find(|one| one.slot == slot && one.returned == 0) {
            pending.returned = now.max(1);
        }
    }

    /// A packet with this V4L2 timestamp is whole: the frame that it came from. Frames that too many later ones have
    /// overtaken are dropped. `None` when no frame waits for it.
    pub fn claim(&mut self, key: u64, now: u64) -> Option<Frame> {
        self.progress = now;
        self.mute = 0;
        let place = self.pending.iter().position(|pending| pending.key == key)?;
        let claimed = take(&mut self.pending, place)?.frame;
        for earlier in &mut self.pending[..place] {
            earlier.overtaken += 1;
        }
        while self
            .pending
            .first()
            .is_some_and(|first| first.overtaken > REORDER_FRAMES)
            && let Some(given_up) = take(&mut self.pending, 0)
        {
            self.dropped(Counter::DroppedEncoder, &given_up.frame);
        }
        Some(claimed)
    }

    /// Whether a frame waits for a packet with this V4L2 timestamp.
    #[must_use]
    pub fn awaits(&self, key: u64) -> bool {
        self.pending.iter().any(|pending| pending.key == key)
    }

    /// The V4L2 timestamp of the frame that has been in the encoder for longest.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.pending.first().map(|pending| pending.key)
    }

    /// The claimed frame's packet was published.
    pub fn published(&mut self, frame: &Frame) {
        self.stats.count(Counter::FramesPublished);
        if frame.attachment == self.attachment {
            self.published_here += 1;
        }
    }

    /// A claimed frame (or one that never got in) is dropped, for this reason.
    pub fn dropped(&mut self, reason: Counter, frame: &Frame) {
        self.stats.count(reason);
        if frame.attachment == self.attachment {
            self.dropped_here += 1;
        }
    }

    /// Drops frames whose slot came back longer than `limit` ns ago and whose packet did not.
    pub fn expire(&mut self, now: u64, limit: u64) {
        while let Some(place) = self.pending.iter().position(|pending| {
            pending.returned != 0 && now.saturating_sub(pending.returned) > limit
        }) && let Some(given_up) = take(&mut self.pending, place)
        {
            self.dropped(Counter::DroppedEncoder, &given_up.frame);
            self.mute += 1;
        }
    }

    /// Whether the encoder takes frames and gives nothing for them: it is as good as stalled.
    #[must_use]
    pub fn mute(&self) -> bool {
        self.mute >= MUTE_FRAMES
    }

    /// When `expire` has something to do next, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn expires(&self, limit: u64) -> Option<u64> {
        let returned = self.pending.iter().map(|pending| pending.returned);
        Some(returned.filter(|&at| at != 0).min()?.saturating_add(limit))
    }

    /// The encoder was stopped and gave everything back: its frames are dropped for `reason`, its slots are free.
    pub fn restart(&mut self, reason: Counter, now: u64) {
        for slot in self.slots.iter_mut().filter(|slot| **slot == Slot::Queued) {
            *slot = Slot::Free;
        }
        while let Some(pending) = self.pending.pop() {
            self.dropped(reason, &pending.frame);
        }
        self.progress = now;
        self.mute = 0;
    }

    /// Slots that the producer has.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.slots
            .iter()
            .filter(|&&slot| slot == Slot::Lent)
            .count()
    }

    /// Drops the frame that was committed last, if it waits to be queued.
    pub fn drop_newest(&mut self, reason: Counter) {
        if let Some((slot, frame)) = self.filled.pop() {
            self.slots[slot as usize] = Slot::Free;
            self.dropped(reason, &frame);
        }
    }

    /// Drops the frames that wait to be queued.
    pub fn drop_filled(&mut self, reason: Counter) {
        while let Some((slot, frame)) = self.filled.pop() {
            self.slots[slot as usize] = Slot::Free;
            self.dropped(reason, &frame);
        }
    }

    /// When the encoder is to be taken for stalled, `CLOCK_MONOTONIC` ns: `limit` ns after its last sign of life.
    /// `None` while it has no slot to work on.
    #[must_use]
    pub fn stalls(&self, limit: u64) -> Option<u64> {
        (!self.idle()).then(|| self.progress.saturating_add(limit))
    }

    /// Whether the encoder has no slot.
    fn idle(&self) -> bool {
        !self.slots.contains(&Slot::Queued)
    }

    /// Frames that wait to be queued.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled.len()
    }

    /// Frames that the encoder took and whose packet did not come yet.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.pending.len()
    }

    /// Frames committed and not accounted for yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        (self.filled.len() + self.pending.len()) as u64
    }

    /// Frames of the present producer that were published, and that were dropped.
    #[must_use]
    pub fn accounts(&self) -> (u64, u64) {
        (self.published_here, self.dropped_here)
    }
}

/// Takes an entry out; the others keep their order. Lists are of a few frames, so shifting them step by step is as good as
/// `ArrayVec::remove`, and does without libc's memmove.
fn take<T, const N: usize>(list: &mut ArrayVec<T, N>, place: usize) -> Option<T> {
    for next in place + 1..list.len() {
        list.swap(next - 1, next);
    }
    list.pop()
}
