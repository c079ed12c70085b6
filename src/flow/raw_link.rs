//! Raw buffers between whoever fills them, a camera or a decoder, and the converter that reads them: who has each, and which frames wait.
//!
//! ```text
//!   free ──acquire──▶ filler ──commit──▶ engine ──take──▶ reader ──release──▶ free
//!                       └──── reclaim (the filler stopped) ────────────────────▲
//! ```
//!
//! Pure: a buffer is a number. Knows no device and no memory.

use arrayvec::ArrayVec;

use super::inside::Passing;
use super::link::SlotNotOwned;
use crate::limits::CODED_BUFFERS_MAX;

/// The buffers: a bit for each in the hands of either end, and the frames that wait for the reader, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct RawLink {
    slots: u32,
    filler: u32,
    reader: u32,
    waiting: ArrayVec<(u32, Passing), CODED_BUFFERS_MAX>,
}

impl RawLink {
    /// So many buffers, all free; no more than `CODED_BUFFERS_MAX` are used.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        Self {
            slots: (1 << slots.min(CODED_BUFFERS_MAX as u32)) - 1,
            ..Self::default()
        }
    }

    /// All buffers are free: both ends were stopped. Gives how many frames waited.
    pub fn reset(&mut self) -> usize {
        let waited = self.waiting.len();
        self.waiting.clear();
        (self.filler, self.reader) = (0, 0);
        waited
    }

    /// A free buffer for the filler, which has it from now on.
    pub fn acquire(&mut self) -> Option<u32> {
        let waiting = self.waiting.iter().fold(0, |all, one| all | bit(one.0));
        let free = self.slots & !(self.filler | self.reader | waiting);
        let slot = free.trailing_zeros();
        self.filler |= bit(slot);
        (free != 0).then_some(slot)
    }

    /// The filler put a frame into a buffer, which waits for the reader.
    ///
    /// # Errors
    /// When the filler does not have it; nothing changed.
    pub fn commit(&mut self, slot: u32, frame: &Passing) -> Result<(), SlotNotOwned> {
        let bit = self.filler & bit(slot);
        if bit == 0 || self.waiting.try_push((slot, *frame)).is_err() {
            return Err(SlotNotOwned);
        }
        self.filler &= !bit;
        Ok(())
    }

    /// The frame that waits for longest: the reader has its buffer from now on.
    pub fn take(&mut self) -> Option<(u32, Passing)> {
        let next = self.waiting.pop_at(0)?;
        self.reader |= bit(next.0);
        Some(next)
    }

    /// The reader gave a buffer back. One that it did not have is ignored.
    pub fn release(&mut self, slot: u32) {
        self.reader &= !bit(slot);
    }

    /// The filler was stopped: what it had is free.
    pub fn reclaim(&mut self) {
        self.filler = 0;
    }

    /// How many frames wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many buffers the filler has, or can have.
    #[must_use]
    pub fn spare(&self) -> usize {
        (self.slots & !self.reader).count_ones() as usize - self.waiting.len()
    }
}

const _: () = assert!(
    CODED_BUFFERS_MAX < 32,
    "each buffer has a bit, and one is left"
);

fn bit(slot: u32) -> u32 {
    1u32.checked_shl(slot).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Passing = Passing {
        timestamp: 1,
        taken: 2,
        discontinuity: false,
    };
    const SECOND: Passing = Passing {
        timestamp: 3,
        ..FIRST
    };

    #[test]
    fn a_buffer_has_one_holder_at_a_time_and_frames_are_read_in_their_order() {
        let mut link = RawLink::new(3);
        assert_eq!(
            [link.acquire(), link.acquire(), link.acquire()],
            [Some(0), Some(1), Some(2)]
        );
        assert_eq!(link.commit(2, &FIRST), Ok(()));
        // It waits; there is no fourth.
        for slot in [2, 3, 32, u32::MAX] {
            assert_eq!(link.commit(slot, &FIRST), Err(SlotNotOwned), "{slot}");
        }
        assert_eq!(link.commit(0, &SECOND), Ok(()));
        assert_eq!((link.waiting(), link.spare(), link.acquire()), (2, 1, None));
        assert_eq!(link.take(), Some((2, FIRST)));
        assert_eq!(link.commit(2, &FIRST), Err(SlotNotOwned));
        // What the reader does not have is not freed.
        for slot in [0, 1, 99] {
            link.release(slot);
        }
        assert_eq!((link.waiting(), link.spare(), link.acquire()), (1, 1, None));
        link.release(2);
        assert_eq!([link.acquire(), link.acquire()], [Some(2), None]);
        assert_eq!([link.take(), link.take()], [Some((0, SECOND)), None]);
    }

    #[test]
    fn a_filler_that_stops_loses_what_it_had_and_what_it_committed_is_read() {
        let mut link = RawLink::new(4);
        while link.acquire().is_some() {}
        assert_eq!(
            [link.commit(2, &FIRST), link.commit(3, &SECOND)],
            [Ok(()); 2]
        );
        assert_eq!(link.take(), Some((2, FIRST)));
        link.reclaim();
        assert_eq!(
            [link.acquire(), link.acquire(), link.acquire()],
            [Some(0), Some(1), None]
        );
        assert_eq!(link.take(), Some((3, SECOND)));
        assert_eq!(
            (link.reset(), link.spare(), link.acquire()),
            (0, 4, Some(0))
        );
        assert_eq!(link.commit(0, &FIRST), Ok(()));
        assert_eq!((link.reset(), link.waiting(), link.spare()), (1, 0, 4));
    }

    #[test]
    fn there_may_be_no_buffer_and_no_more_than_can_be_used() {
        for (slots, used) in [(0, 0), (1, 1), (8, 8), (9, 8), (32, 8), (u32::MAX, 8)] {
            let mut link = RawLink::new(slots);
            assert_eq!(link.spare(), used);
            let acquired = core::iter::from_fn(|| link.acquire()).count();
            assert_eq!(acquired, used);
        }
    }
}
