//! Coded pictures inside a decoder: when each was taken, and what became of it. Pure: time is an argument, ns of `CLOCK_MONOTONIC`.
//!
//! A picture enters under a key of its own, which the decoder repeats with the raw one. A decoder of a camera's pictures keeps their
//! order, so those that a later one overtook will not come. Knows no device and no memory.

use arrayvec::ArrayVec;

use crate::limits::CODED_INSIDE;

/// A coded picture on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedPicture {
    key: u64,
    /// Its time, ns.
    pub timestamp: u64,
    /// When the camera gave it, ns.
    pub taken: u64,
    /// Something is missing before it, or before one that it overtook.
    pub discontinuity: bool,
}

/// The pictures inside.
#[derive(Debug, Default)]
pub struct CodedLink {
    inside: ArrayVec<CodedPicture, CODED_INSIDE>,
    /// The latest key, us.
    last_key: u64,
    /// The decoder's latest sign of life, or when it began to owe one, ns.
    progress: u64,
}

impl CodedLink {
    /// Whether no more can be kept track of.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inside.is_full()
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside.len()
    }

    /// The key of the picture that enters next, us: later than each before.
    #[must_use]
    pub fn next_key(&self, now: u64) -> u64 {
        (now / 1000).max(self.last_key + 1)
    }

    /// A picture was queued under `next_key`.
    pub fn entered(&mut self, key: u64, timestamp: u64, discontinuity: bool, now: u64) {
        if self.inside.is_empty() {
            self.progress = self.progress.max(now);
        }
        self.last_key = key;
        let picture = CodedPicture {
            key,
            timestamp,
            taken: now,
            discontinuity,
        };
        // Who enters asked before whether there is room.
        let _ = self.inside.try_push(picture);
    }

    /// The decoder gave something back.
    pub fn progressed(&mut self, now: u64) {
        self.progress = self.progress.max(now);
    }

    /// A raw picture with this key came: the coded one that it was, and how many before it will not come. `None` when none waits for it.
    pub fn left(&mut self, key: u64, now: u64) -> Option<(CodedPicture, usize)> {
        self.progressed(now);
        let at = self.inside.iter().position(|one| one.key == key)?;
        let mut picture = self.inside[at];
        let left = self.inside.drain(..=at);
        picture.discontinuity = left.fold(false, |any, one| any | one.discontinuity);
        Some((picture, at))
    }

    /// Nothing of what is inside will come. Gives how many that were.
    pub fn clear(&mut self) -> usize {
        let lost = self.inside.len();
        self.inside.clear();
        lost
    }

    /// When the decoder is to be taken for stalled, ns: `limit` after its latest sign of life. `None` while it owes nothing.
    #[must_use]
    pub fn stalls(&self, limit: u64) -> Option<u64> {
        (!self.inside.is_empty()).then(|| self.progress.saturating_add(limit))
    }

    /// The decoder has no buffer to decode into: its time begins when it has one.
    pub fn starved(&mut self, now: u64) {
        self.progressed(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_comes_out_as_it_went_in_and_those_that_were_overtaken_are_lost() {
        let mut link = CodedLink::default();
        let mut keys = [0; 4];
        for (number, key) in keys.iter_mut().enumerate() {
            *key = link.next_key(5_000_000);
            link.entered(*key, 100 + number as u64, number == 1, 5_000_000);
        }
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
        let (first, lost) = link.left(keys[0], 6_000_000).unwrap();
        assert_eq!((first.timestamp, first.taken, lost), (100, 5_000_000, 0));
        assert!(!first.discontinuity);
        let (third, lost) = link.left(keys[2], 6_000_000).unwrap();
        assert_eq!((third.timestamp, third.discontinuity, lost), (102, true, 1));
        assert_eq!(link.left(keys[1], 6_000_000), None);
        assert_eq!((link.inside(), link.clear(), link.inside()), (1, 1, 0));
    }

    #[test]
    fn a_decoder_stalls_when_it_owes_a_picture_for_too_long() {
        let mut link = CodedLink::default();
        assert_eq!(link.stalls(10), None);
        link.entered(1, 0, false, 100);
        link.entered(2, 0, false, 105);
        assert_eq!(link.stalls(10), Some(110));
        link.left(1, 108);
        assert_eq!(link.stalls(10), Some(118));
        link.starved(112);
        assert_eq!(link.stalls(10), Some(122));
        link.left(2, 113);
        assert_eq!(link.stalls(10), None);
    }
}
