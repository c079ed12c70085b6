//! Frames inside a decoder or converter: what is known of each, and what became of it. Pure: time is an argument, ns of `CLOCK_MONOTONIC`.
//!
//! A frame enters under a key of its own, which the device repeats with what it made of it. Devices between a camera and an encoder keep
//! the order, so those that a later one overtook will not come. Knows no device and no memory.

use arrayvec::ArrayVec;

use crate::limits::CODED_INSIDE;

/// A frame on its way from a camera to the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Its time, ns.
    pub timestamp: u64,
    /// When the camera gave it, ns.
    pub taken: u64,
    /// Something is missing before it, or before one that it overtook.
    pub discontinuity: bool,
}

/// A frame that came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The one that it was.
    pub frame: Passing,
    /// When it entered, ns.
    pub entered: u64,
    /// How many before it will not come.
    pub overtaken: usize,
}

/// The frames inside.
#[derive(Debug, Default)]
pub struct Inside {
    /// Key, time of entry, frame.
    frames: ArrayVec<(u64, u64, Passing), CODED_INSIDE>,
    /// The latest key, us.
    last_key: u64,
    /// The device's latest sign of life, or when it began to owe one, ns.
    progress: u64,
}

impl Inside {
    /// Whether no more can be kept track of.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.is_full()
    }

    /// How many are inside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.frames.len()
    }

    /// The key of the frame that enters next, us: later than each before.
    #[must_use]
    pub fn next_key(&self, now: u64) -> u64 {
        (now / 1000).max(self.last_key + 1)
    }

    /// A frame was queued under `next_key`.
    pub fn entered(&mut self, key: u64, frame: Passing, now: u64) {
        if self.frames.is_empty() {
            self.progressed(now);
        }
        self.last_key = key;
        // Who enters asked before whether there is room.
        let _ = self.frames.try_push((key, now, frame));
    }

    /// The device gave something back.
    pub fn progressed(&mut self, now: u64) {
        self.progress = self.progress.max(now);
    }

    /// What was made of the frame with this key came. `None` when none waits for it.
    pub fn left(&mut self, key: u64, now: u64) -> Option<Left> {
        self.progressed(now);
        let at = self.frames.iter().position(|one| one.0 == key)?;
        let (_, entered, mut frame) = self.frames[at];
        let left = self.frames.drain(..=at);
        frame.discontinuity = left.fold(false, |any, one| any | one.2.discontinuity);
        Some(Left {
            frame,
            entered,
            overtaken: at,
        })
    }

    /// Nothing of what is inside will come. Gives how many that were.
    pub fn clear(&mut self) -> usize {
        let lost = self.frames.len();
        self.frames.clear();
        lost
    }

    /// When the device is to be taken for stalled, ns: `limit` after its latest sign of life. `None` while it owes nothing.
    #[must_use]
    pub fn stalls(&self, limit: u64) -> Option<u64> {
        (!self.frames.is_empty()).then(|| self.progress.saturating_add(limit))
    }

    /// The device has no buffer to write into: its time begins when it has one.
    pub fn starved(&mut self, now: u64) {
        self.progressed(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passing(timestamp: u64, discontinuity: bool) -> Passing {
        Passing {
            timestamp,
            taken: 4_000_000,
            discontinuity,
        }
    }

    #[test]
    fn each_frame_comes_out_as_it_went_in_and_those_that_were_overtaken_are_lost() {
        let mut inside = Inside::default();
        let mut keys = [0; 4];
        for (number, key) in keys.iter_mut().enumerate() {
            *key = inside.next_key(5_000_000);
            let frame = passing(100 + number as u64, number == 1);
            inside.entered(*key, frame, 5_000_000);
        }
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
        let first = inside.left(keys[0], 6_000_000).unwrap();
        assert_eq!(first.frame, passing(100, false));
        assert_eq!((first.entered, first.overtaken), (5_000_000, 0));
        let third = inside.left(keys[2], 6_000_000).unwrap();
        assert_eq!((third.frame, third.overtaken), (passing(102, true), 1));
        assert_eq!(inside.left(keys[1], 6_000_000), None);
        assert_eq!((inside.count(), inside.clear(), inside.count()), (1, 1, 0));
    }

    #[test]
    fn a_device_stalls_when_it_owes_a_frame_for_too_long() {
        let mut inside = Inside::default();
        assert_eq!(inside.stalls(10), None);
        inside.entered(1, passing(0, false), 100);
        inside.entered(2, passing(0, false), 105);
        assert_eq!(inside.stalls(10), Some(110));
        inside.left(1, 108);
        assert_eq!(inside.stalls(10), Some(118));
        inside.starved(112);
        assert_eq!(inside.stalls(10), Some(122));
        inside.left(2, 113);
        assert_eq!(inside.stalls(10), None);
    }
}
