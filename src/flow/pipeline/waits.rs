//! How long the pipeline waits for an encoder: until a frame counts as lost, the encoder as stalled, or a drain is due.
//!
//! Knows what the encoder has and what it has shown so far. Changes nothing.

use super::{Holders, Pipeline};
use crate::limits::{FLUSH_AFTER_MS, MUTE_FRAMES, MUTE_FRAMES_HELD};
use crate::time::MS;

/// A source that has so many slots waits for none: a camera fills one while it has another.
const SLOTS_ENOUGH: usize = 3;

impl Pipeline<'_> {
    /// When `expire` has something to do next, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn expires(&self, limit: u64) -> Option<u64> {
        self.pending.expires(limit)
    }

    /// When the first of `expires`, `mute` and `stalls` has something to do, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn waits(&self, limit: u64) -> Option<u64> {
        let waits = [self.expires(limit), self.mute(limit), self.stalls(limit)];
        waits.into_iter().flatten().min()
    }

    /// When an encoder that returned slots and gave no packet is to be taken for stalled, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn mute(&self, limit: u64) -> Option<u64> {
        self.pending.mute(self.mute_frames(), limit)
    }

    /// So many slots without a packet are returned by no encoder that works.
    pub(super) fn mute_frames(&self) -> u32 {
        if self.holds_none {
            MUTE_FRAMES
        } else {
            MUTE_FRAMES_HELD
        }
    }

    /// When the encoder is to be drained because nobody sends more frames, `CLOCK_MONOTONIC` ns; `None` when nothing is inside,
    /// neither a frame nor a slot. One that is known to hold nothing back has the time of a stall.
    #[must_use]
    pub fn flush(&self, stall: u64) -> Option<u64> {
        let pause = if self.holds_none {
            stall
        } else {
            stall.min(u64::from(FLUSH_AFTER_MS) * MS)
        };
        (self.in_flight() != 0 || self.busy()).then(|| self.progress.saturating_add(pause))
    }

    /// When the encoder is to be taken for stalled, `CLOCK_MONOTONIC` ns: `limit` ns after its last sign of life.
    /// `None` while it has no slot to work on, or may wait for more frames.
    #[must_use]
    pub fn stalls(&self, limit: u64) -> Option<u64> {
        (self.busy() && self.owes()).then(|| self.progress.saturating_add(limit))
    }

    /// Whether a slot that the encoder gives back is waited for. Where frames flow, the source has enough of them, no frame waits to be
    /// queued and a packet is still to come, it is taken when the packet comes: a turn less for each frame.
    #[must_use]
    pub fn needs_slots(&self, flows: bool) -> bool {
        let enough = self.held_by_source() >= SLOTS_ENOUGH && self.filled() == 0;
        self.busy() && !(flows && enough && self.inside() > 0)
    }

    /// Whether frames are on their way and the encoder, for all that is known, may hold them back until others come.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        !self.holds_none && self.in_flight() > 0
    }

    /// Whether the encoder has no reason to wait for more frames before it answers: it holds none back, it is being drained, or it has
    /// all the slots that it can have.
    pub(super) fn owes(&self) -> bool {
        let has_all = self.link.held_by(Holders::STAGE) == self.link.slots() as usize;
        let withheld = self.withheld && self.filled() > 0;
        self.holds_none || self.draining || self.behind || withheld || has_all
    }
}
