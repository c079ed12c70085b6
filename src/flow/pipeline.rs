//! The frames between their commit and their packet: those that wait in a link, and those inside one stage. Pure: no descriptor, no clock.
//!
//! A slot goes round as `link` draws it. The frame in it is tracked apart: from `queued` on it stands among the pending frames
//! until its packet is claimed or it expires. The two end independently: the slot usually returns before the packet
//! comes, and with an encoder that holds frames back long before.
//!
//! Every frame that is committed ends in exactly one counter: published, or one of `stats::DROPS`. `in_flight` is the
//! rest; `committed = published + dropped + in_flight` always holds. A packet of a frame that was dropped, because it
//! had expired, takes the drop back.

mod waits;

use super::link::Link;
use super::pending::{Claimed, PendingFrames};
use crate::shm::stats::{Counter, Stage, Stats};

pub use super::link::{Holders, SlotNotOwned};
pub use super::pending::Frame;

/// All frames and slots. Counts what happens into `Stats`.
pub struct Pipeline<'a> {
    stats: Stats<'a>,
    link: Link,
    /// Frames in the encoder.
    pending: PendingFrames,
    last_key: u64,
    /// Whose the frame is that was queued last since the encoder was started; `None` before the first.
    queued_of: Option<u32>,
    /// `CLOCK_MONOTONIC` ns of the last sign of life from the encoder.
    progress: u64,
    /// The encoder was seen without a frame between two frames: it holds none back.
    holds_none: bool,
    /// A packet, and nothing else, left the encoder without a frame.
    answered_all: bool,
    /// The encoder is being drained.
    draining: bool,
    /// Frames were dropped since the encoder's last sign of life, because it has all the slots that it can have.
    behind: bool,
    /// A frame waits to be queued until the encoder has returned each slot that it has.
    withheld: bool,
}

impl<'a> Pipeline<'a> {
    /// A pipeline of `slots` free slots; no more than `FRAME_SLOTS_MAX` are used.
    #[must_use]
    pub fn new(slots: u32, stats: Stats<'a>) -> Self {
        Self {
            stats,
            link: Link::new(slots),
            pending: PendingFrames::default(),
            last_key: 0,
            queued_of: None,
            progress: 0,
            holds_none: false,
            answered_all: false,
            draining: false,
            behind: false,
            withheld: false,
        }
    }

    /// Other slots, all free. Only while nobody has one.
    pub fn replace_slots(&mut self, slots: u32) {
        self.link.replace(slots);
        self.forget_habits();
    }

    /// The encoder's settings are others: whether it holds frames back is to be seen again.
    pub fn forget_habits(&mut self) {
        self.holds_none = false;
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.link.slots()
    }

    /// Who holds the slot; `None` when there is no such slot.
    #[must_use]
    pub fn holders(&self, slot: u32) -> Option<Holders> {
        self.link.holders(slot)
    }

    /// A new source: what is published and dropped of its own is counted from zero.
    pub fn attach(&mut self) {
        self.link.attach();
    }

    /// The source left: slots that it held come back. Frames that it committed go on. Gives how many came back.
    pub fn reclaim(&mut self) -> u32 {
        self.link.reclaim()
    }

    /// A free slot for the source, which holds it from now on.
    pub fn acquire(&mut self, now: u64) -> Option<u32> {
        self.link.acquire(now)
    }

    /// Nobody signals that a frame was committed: none that comes later was committed before `now`.
    pub fn nothing_committed(&mut self, now: u64) {
        self.link.nothing_committed(now);
    }

    /// The source put a frame into a slot, at `committed` as it says: see `Link::commit`.
    ///
    /// # Errors
    /// `SlotNotOwned` when the source does not hold the slot, or there is no such slot; nothing changed.
    pub fn commit(
        &mut self,
        slot: u32,
        timestamp: u64,
        committed: u64,
        now: u64,
    ) -> Result<(), SlotNotOwned> {
        self.link.commit(slot, timestamp, committed, now)?;
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
        let (slot, frame) = self.link.first()?;
        Some((slot, (frame.committed / 1000).max(self.last_key + 1)))
    }

    /// Whether the frame that `next` names is the first of another producer than the frame queued before it.
    #[must_use]
    pub fn next_is_anothers(&self) -> bool {
        let next = self.link.first().map(|(_, frame)| frame.attachment);
        self.queued_of.is_some() && next.is_some() && self.queued_of != next
    }

    /// Whether a frame was queued since the encoder was started.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        self.queued_of.is_some()
    }

    /// The driver took the slot that `next` named.
    pub fn queued(&mut self, now: u64) {
        let Some((slot, key)) = self.next() else {
            return;
        };
        self.withheld = false;
        // While it may wait for more, the time of its answer begins with each frame.
        if !self.busy() || !self.owes() {
            self.progressed_at(now);
        }
        let Some((_, mut frame)) = self.link.take_first(Holders::STAGE) else {
            return;
        };
        frame.queued = now;
        self.queued_of = Some(frame.attachment);
        self.last_key = key;
        self.answered_all = false;
        self.pending.queued(key, slot, frame);
        self.stats.count(Counter::FramesQueued);
        self.stats
            .record(Stage::CommitToQueue, now.saturating_sub(frame.committed));
    }

    /// The engine queues no frame before the encoder has returned each slot that it has: no frame that waits is one that the encoder
    /// may wait for.
    pub fn withhold(&mut self, now: u64) {
        if self.filled() == 0 || !self.busy() {
            return;
        }
        if !self.owes() {
            self.progressed_at(now);
        }
        self.withheld = true;
    }

    /// The driver refused the slot that `next` named: its frame is dropped.
    pub fn refused(&mut self) {
        if let Some((_, frame)) = self.link.take_first(Holders::NONE) {
            self.dropped(Counter::DroppedRefused, &frame);
        }
    }

    /// The driver gave a slot back. One that it did not have is ignored.
    pub fn returned(&mut self, slot: u32, now: u64) {
        if !self.link.release(slot) {
            return;
        }
        self.stats.count(Counter::FramesReturned);
        self.pending.returned(slot, now, self.mute_frames());
        self.progressed(now);
    }

    /// A packet with this V4L2 timestamp is whole: the frame that it came from. Frames that too many later ones have
    /// overtaken are dropped; the drop of one whose packet comes late is taken back. `None` when no frame waits for it.
    pub fn claim(&mut self, key: u64, now: u64) -> Option<Frame> {
        let claimed = self.pending.claim(key);
        self.answered_all = claimed.is_some() && self.pending.is_empty();
        self.progressed(now);
        let frame = match claimed? {
            Claimed::InTime(frame) => frame,
            Claimed::Late(frame) => {
                self.take_back(&frame);
                frame
            }
        };
        while let Some(expired) = self.pending.expire_overtaken() {
            self.dropped(Counter::DroppedEncoder, &expired);
        }
        Some(frame)
    }

    /// The encoder's answer is waited for from now on. Never back: the time may have been read before calls that took seconds.
    fn progressed_at(&mut self, now: u64) {
        self.progress = self.progress.max(now);
    }

    /// A sign of life from the encoder.
    fn progressed(&mut self, now: u64) {
        self.progressed_at(now);
        self.behind = false;
        self.withheld = false;
        if self.answered_all && !self.busy() && !self.draining {
            self.holds_none = true;
        }
    }

    /// The drop of an expired frame is taken back.
    fn take_back(&mut self, frame: &Frame) {
        self.stats.take_back(Counter::DroppedEncoder);
        self.stats.count(Counter::FramesLate);
        self.link.take_back(frame);
    }

    /// Whether a frame waits for a packet with this V4L2 timestamp.
    #[must_use]
    pub fn awaits(&self, key: u64) -> bool {
        self.pending.awaits(key)
    }

    /// The V4L2 timestamp of the frame that has been in the encoder for longest.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.pending.oldest()
    }

    /// The claimed frame's packet was published.
    pub fn published(&mut self, frame: &Frame) {
        self.stats.count(Counter::FramesPublished);
        self.link.published(frame);
    }

    /// A claimed frame (or one that never got in) is dropped, for this reason.
    pub fn dropped(&mut self, reason: Counter, frame: &Frame) {
        self.stats.count(reason);
        self.link.dropped(frame);
    }

    /// Drops frames that a later one has overtaken and whose slot returned longer than `limit` ns ago; and the oldest, where no
    /// more can be queued because of them.
    pub fn expire(&mut self, now: u64, limit: u64) {
        while let Some(expired) = self.pending.expire_in_time(now, limit) {
            self.dropped(Counter::DroppedEncoder, &expired);
        }
        if self.pending.is_full()
            && let Some(expired) = self.pending.expire_oldest()
        {
            self.dropped(Counter::DroppedEncoder, &expired);
        }
    }

    /// Drops every frame that the encoder holds, and that no drain makes it give. Packets of later frames may push them out
    /// all the same.
    pub fn expire_held(&mut self) {
        while let Some(expired) = self.pending.expire_any() {
            self.dropped(Counter::DroppedEncoder, &expired);
        }
    }

    /// The encoder is being drained.
    pub fn drain(&mut self, now: u64) {
        self.draining = true;
        self.progressed_at(now);
    }

    /// The encoder was stopped and gave everything back: its frames are dropped for `reason`, its slots are free.
    pub fn restart(&mut self, reason: Counter, now: u64) {
        self.link.free_all(Holders::STAGE);
        while let Some(frame) = self.pending.pop() {
            self.dropped(reason, &frame);
        }
        self.progress = now;
        self.answered_all = false;
        self.draining = false;
        self.behind = false;
        self.withheld = false;
        self.queued_of = None;
    }

    /// Slots that the source holds.
    #[must_use]
    pub fn held_by_source(&self) -> usize {
        self.link.held_by(Holders::SOURCE)
    }

    /// Drops the frame that was committed last, if it waits to be queued, because the encoder has all the slots that it can have.
    pub fn drop_behind(&mut self, now: u64) {
        if !self.owes() {
            self.progressed_at(now);
        }
        self.behind = true;
        self.drop_newest(Counter::DroppedBehind);
    }

    /// A frame was dropped before it had a slot. Where the encoder has every slot, it is because of that.
    pub fn is_behind(&mut self, now: u64) {
        if self.link.held_by(Holders::STAGE) < self.link.slots() as usize {
            return;
        }
        if !self.owes() {
            self.progressed_at(now);
        }
        self.behind = true;
    }

    /// Something is missing before the frame that was committed last.
    pub fn mark_newest(&mut self) {
        self.link.mark_last();
    }

    /// Drops the frame that was committed last, if it waits to be queued.
    pub fn drop_newest(&mut self, reason: Counter) {
        if let Some(frame) = self.link.take_last() {
            self.dropped(reason, &frame);
        }
    }

    /// Drops the frames that wait to be queued.
    pub fn drop_filled(&mut self, reason: Counter) {
        while let Some(frame) = self.link.take_last() {
            self.dropped(reason, &frame);
        }
    }

    /// Whether the encoder has a slot.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.link.holds_any(Holders::STAGE)
    }

    /// Whether the encoder has slots, and all their frames are accounted for.
    #[must_use]
    pub fn keeps_slots(&self) -> bool {
        self.busy() && self.in_flight() == 0
    }

    /// Frames that wait to be queued.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.link.waiting()
    }

    /// Frames that the encoder took and whose packet did not come yet.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.pending.len()
    }

    /// Whether no frame is on its way, and the encoder has no slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_flight() == 0 && !self.busy()
    }

    /// Frames committed and not accounted for yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        (self.link.waiting() + self.pending.len()) as u64
    }

    /// Whether each committed frame is published, dropped or inside, and in one of these only.
    #[must_use]
    pub fn balances(&self) -> bool {
        let stats = &self.stats;
        let accounted = stats
            .get(Counter::FramesPublished)
            .wrapping_add(stats.dropped());
        stats.get(Counter::FramesCommitted) == accounted.wrapping_add(self.in_flight())
    }

    /// Frames of the present producer that were published, and that were dropped.
    #[must_use]
    pub fn accounts(&self) -> (u64, u64) {
        self.link.accounts()
    }
}
