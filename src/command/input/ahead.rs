//! Bytes of an input that were read and not used yet.
//!
//! Knows how many there are. Must never know where they come from, nor what they mean.

use crate::limits::INPUT_BYTES;
use crate::shm::bytes::SharedBytes;

/// The bytes, in order.
#[derive(Debug)]
pub(in crate::command) struct Ahead {
    bytes: [u8; INPUT_BYTES],
    start: usize,
    end: usize,
}

impl Ahead {
    pub(in crate::command) const NONE: Self = Self {
        bytes: [0; INPUT_BYTES],
        start: 0,
        end: 0,
    };

    /// All of them.
    pub(in crate::command) fn get(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(in crate::command) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(in crate::command) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// So many of the first ones are done with; gives how many there were.
    pub(in crate::command) fn take(&mut self, count: usize) -> usize {
        let count = count.min(self.end - self.start);
        self.start += count;
        if self.is_empty() {
            self.clear();
        }
        count
    }

    /// Moves as many as `target` has room for to its start; gives how many.
    pub(in crate::command) fn take_into(&mut self, target: SharedBytes<'_>) -> usize {
        let count = target.len().min(self.end - self.start);
        // As many as fit.
        let _ = target.copy_in(0, &self.bytes[self.start..self.start + count]);
        self.take(count)
    }

    /// Where the next ones go: room for `most`, or as many as there is room for.
    pub(in crate::command) fn room(&mut self, most: usize) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let end = INPUT_BYTES.min(self.end.saturating_add(most));
        &mut self.bytes[self.end..end]
    }

    /// So many were put where `room` said.
    pub(in crate::command) fn put(&mut self, count: usize) {
        self.end = (self.end + count).min(INPUT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_the_room_behind_them_is_used_again() {
        let mut ahead = Ahead::NONE;
        let (mut next_in, mut next_out) = (0u8, 0u8);
        for round in 1..200usize {
            let room = ahead.room(round * 331);
            let count = room.len();
            for byte in room {
                *byte = next_in;
                next_in = next_in.wrapping_add(1);
            }
            ahead.put(count);
            let mut target = [0; 257];
            let count = round % 257;
            let got = match round % 3 {
                0 => ahead.take_into((&mut target[..count]).into()),
                _ => {
                    let first = ahead.get().len().min(count);
                    target[..first].copy_from_slice(&ahead.get()[..first]);
                    ahead.take(count)
                }
            };
            for byte in &target[..got] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            assert_eq!(ahead.get().is_empty(), ahead.is_empty());
        }
        ahead.clear();
        assert!(ahead.is_empty() && ahead.take(1) == 0);
    }
}
