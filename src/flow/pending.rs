//! Frames inside the encoder, by the V4L2 timestamp that the driver copies from the OUTPUT to the CAPTURE buffer. Pure: no descriptor, and
//! time is an argument.
//!
//! An encoder may hold frames back: with look-ahead or reordering a frame's packet comes only after later frames were queued. So time
//! alone says nothing about a frame. A frame *expires*, which means that its packet is not waited for any longer, when
//!
//! - the packets of more than `REORDER_FRAMES` later frames came first, or of one, and its slot returned some time ago,
//! - the table is full,
//! - the encoder was drained or restarted.
//!
//! The packet of an expired frame may come all the same. Then `claim` still gives the frame, as `Late`.

use arrayvec::ArrayVec;

use crate::limits::{EXPIRED_FRAMES, PENDING_FRAMES, REORDER_FRAMES};

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
    /// Something is missing between the frame before and this one: its packet says so.
    pub discontinuity: bool,
}

/// A frame in the encoder.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// V4L2 timestamp, us; unique and rising.
    key: u64,
    slot: u32,
    frame: Frame,
    /// When its slot returned, ns; 0 before.
    returned: u64,
    /// Later frames whose packets came first.
    overtaken: u32,
}

/// The frame that a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It was waited for.
    InTime(Frame),
    /// It had expired.
    Late(Frame),
}

/// All frames in the encoder.
#[derive(Debug, Default)]
pub struct PendingFrames {
    /// Oldest first.
    frames: ArrayVec<Pending, PENDING_FRAMES>,
    /// The frames that expired last, oldest first.
    expired: ArrayVec<(u64, Frame), EXPIRED_FRAMES>,
    /// Slots that returned since the latest packet.
    unanswered: u32,
    /// When there were enough of them for a mute encoder, `CLOCK_MONOTONIC` ns.
    unanswered_since: u64,
}

impl PendingFrames {
    /// Frames whose packets are waited for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether no packet is waited for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether no more frames can be kept track of.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.is_full()
    }

    /// Whether a packet with this V4L2 timestamp is waited for.
    #[must_use]
    pub fn awaits(&self, key: u64) -> bool {
        self.frames.iter().any(|pending| pending.key == key)
    }

    /// The V4L2 timestamp of the frame that has been in the encoder for longest.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.frames.first().map(|pending| pending.key)
    }

    /// The driver took a frame, with a V4L2 timestamp above all before. One too many is not kept.
    pub fn queued(&mut self, key: u64, slot: u32, frame: Frame) {
        let pending = Pending {
            key,
            slot,
            frame,
            returned: 0,
            overtaken: 0,
        };
        debug_assert!(self.frames.last().is_none_or(|last| last.key < key));
        debug_assert!(!self.frames.is_full());
        // `is_full` was asked before.
        let _ = self.frames.try_push(pending);
    }

    /// The driver returned a slot. After `enough` of them a packet has to come.
    pub fn returned(&mut self, slot: u32, now: u64, enough: u32) {
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered == enough {
            self.unanswered_since = now;
        }
        // Not by its timestamp: a driver need not give back there what it was given.
        let mut frames = self.frames.iter_mut();
        if let Some(pending) = frames.find(|one| one.slot == slot && one.returned == 0) {
            pending.returned = now.max(1);
        }
    }

    /// A packet with this V4L2 timestamp is whole: the frame that it came from, which leaves the table. `None` when there is none.
    pub fn claim(&mut self, key: u64) -> Option<Claimed> {
        self.unanswered = 0;
        let Some(index) = self.frames.iter().position(|pending| pending.key == key) else {
            let index = self.expired.iter().position(|(late, _)| *late == key)?;
            return take(&mut self.expired, index).map(|(_, frame)| Claimed::Late(frame));
        };
        let claimed = take(&mut self.frames, index)?;
        for earlier in &mut self.frames[..index] {
            earlier.overtaken += 1;
        }
        Some(Claimed::InTime(claimed.frame))
    }

    /// A frame that too many later ones have overtaken expires.
    pub fn expire_overtaken(&mut self) -> Option<Frame> {
        self.expire_where(|pending| pending.overtaken > REORDER_FRAMES)
    }

    /// A frame that a later one has overtaken expires, when its slot returned `limit` ns ago or earlier.
    pub fn expire_in_time(&mut self, now: u64, limit: u64) -> Option<Frame> {
        self.expire_where(|pending| {
            pending.overtaken > 0
                && pending.returned != 0
                && now.saturating_sub(pending.returned) >= limit
        })
    }

    /// When `expire_in_time` has something to do next, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn expires(&self, limit: u64) -> Option<u64> {
        let overtaken = self.frames.iter().filter(|pending| pending.overtaken > 0);
        let returned = overtaken.map(|pending| pending.returned);
        Some(returned.filter(|&at| at != 0).min()?.saturating_add(limit))
    }

    /// The oldest frame whose slot returned expires.
    pub fn expire_oldest(&mut self) -> Option<Frame> {
        self.expire_where(|pending| pending.returned != 0)
    }

    /// The oldest frame expires.
    pub fn expire_any(&mut self) -> Option<Frame> {
        self.expire_where(|_| true)
    }

    fn expire_where(&mut self, expires: impl Fn(&Pending) -> bool) -> Option<Frame> {
        let index = self.frames.iter().position(expires)?;
        let pending = take(&mut self.frames, index)?;
        if self.expired.is_full() {
            take(&mut self.expired, 0);
        }
        self.expired.push((pending.key, pending.frame));
        Some(pending.frame)
    }

    /// Takes the newest frame out, after the encoder was drained or restarted: no packet of it will come.
    pub fn pop(&mut self) -> Option<Frame> {
        self.expired.clear();
        self.unanswered = 0;
        self.frames.pop().map(|pending| pending.frame)
    }

    /// When the encoder is to be taken for mute, `CLOCK_MONOTONIC` ns: `limit` ns after the last of `enough` slots that it returned
    /// without a packet. One that looks ahead over fewer frames has given a packet by then, however slowly they come.
    #[must_use]
    pub fn mute(&self, enough: u32, limit: u64) -> Option<u64> {
        (self.unanswered >= enough).then(|| self.unanswered_since.saturating_add(limit))
    }
}

/// Takes an entry out; the others keep their order. Lists are of a few frames, so shifting them step by step is as good as
/// `ArrayVec::remove`, and does without libc's memmove.
pub(super) fn take<T, const N: usize>(list: &mut ArrayVec<T, N>, place: usize) -> Option<T> {
    for next in place + 1..list.len() {
        list.swap(next - 1, next);
    }
    list.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: u32 = 8;

    fn with(count: u64) -> PendingFrames {
        let mut frames = PendingFrames::default();
        for key in 1..=count {
            let frame = Frame {
                timestamp: 100 * key,
                ..Frame::default()
            };
            frames.queued(key, key as u32 % 4, frame);
            frames.returned(key as u32 % 4, 1000 * key, ENOUGH);
        }
        frames
    }

    #[test]
    fn time_alone_expires_nothing() {
        let mut frames = with(3);
        assert_eq!(frames.expire_in_time(u64::MAX, 10), None);
        assert_eq!(frames.expires(10), None);
        assert!(matches!(frames.claim(1), Some(Claimed::InTime(_))));
        assert_eq!(frames.expire_in_time(u64::MAX, 10), None);
    }

    #[test]
    fn a_frame_that_was_overtaken_expires_in_time() {
        let mut frames = with(3);
        assert!(frames.claim(2).is_some());
        assert_eq!(frames.expires(10), Some(1010));
        assert_eq!(frames.expire_in_time(1009, 10), None);
        let expired = frames.expire_in_time(1010, 10);
        assert_eq!(expired.map(|frame| frame.timestamp), Some(100));
        assert_eq!(frames.expire_in_time(u64::MAX, 10), None);
    }

    #[test]
    fn a_late_packet_still_finds_its_frame_once() {
        let mut frames = with(3);
        assert!(frames.claim(2).is_some());
        assert!(frames.expire_in_time(u64::MAX, 0).is_some());
        let late = frames.claim(1);
        assert!(matches!(late, Some(Claimed::Late(frame)) if frame.timestamp == 100));
        assert_eq!(frames.claim(1), None);
    }

    #[test]
    fn a_full_table_expires_the_oldest_frame_whose_slot_returned() {
        let mut frames = with(PENDING_FRAMES as u64);
        assert!(frames.is_full());
        let expired = frames.expire_oldest();
        assert_eq!(expired.map(|frame| frame.timestamp), Some(100));
        assert!(!frames.is_full());
    }

    #[test]
    fn only_so_many_expired_frames_are_remembered() {
        let mut frames = with(EXPIRED_FRAMES as u64 + 1);
        while frames.expire_oldest().is_some() {}
        assert_eq!(frames.claim(1), None);
        assert!(matches!(frames.claim(2), Some(Claimed::Late(_))));
    }

    #[test]
    fn nothing_is_remembered_of_before_a_restart() {
        let mut frames = with(3);
        assert!(frames.expire_oldest().is_some());
        while frames.pop().is_some() {}
        assert_eq!(frames.claim(1), None);
    }

    #[test]
    fn an_encoder_that_answers_each_frame_is_not_mute_however_many_it_holds() {
        let mut frames = PendingFrames::default();
        for key in 1..=1000 {
            frames.queued(key, 0, Frame::default());
            frames.returned(0, key, ENOUGH);
            if key > 7 {
                assert!(frames.claim(key - 7).is_some());
            }
            assert_eq!(frames.mute(ENOUGH, 10), None, "{key}");
        }
    }

    #[test]
    fn an_encoder_that_returns_slots_and_gives_nothing_is_mute() {
        let frames = with(u64::from(ENOUGH) - 1);
        assert_eq!(frames.mute(ENOUGH, 10), None);
        // More of them give it no more time.
        for more in [0, 1, 9] {
            let frames = with(u64::from(ENOUGH) + more);
            assert_eq!(frames.mute(ENOUGH, 10), Some(8010));
        }
    }
}
