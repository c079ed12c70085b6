//! The frame ring's queues: slots with a frame in them to the engine, free slots back.
//!
//! Each queue has one pushing and one popping process, and neither trusts the other: both keep their cursors in
//! private memory, publish copies, and do not trust what the other wrote. A pop checks the distance, so that
//! a peer that writes any number into `head` cannot make the engine loop; what an entry says is for the caller to check.
//! Knows queues of numbers; knows no slot state, no fd.

use crate::limits::{FRAME_SLOTS_MAX, QUEUE_ENTRIES};
use crate::shm::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shm::layout::{Queue, QueueEntry};

/// What an entry says; nothing of it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Index of a slot, untrusted.
    pub slot: u32,
    /// The producer's timestamp of the frame.
    pub timestamp: u64,
    /// `CLOCK_MONOTONIC` ns of the commit, untrusted.
    pub time: u64,
}

/// The peer wrote a `head` that no honest peer can have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

/// The pushing side's private cursor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pusher {
    head: u32,
}

impl Pusher {
    /// Pushes an entry. The queue cannot be full: it has room for every slot, and an honest owner pushes each slot
    /// once. A dishonest popping side only overwrites what it has not read itself.
    pub fn push(&mut self, queue: &Queue, entry: Entry) {
        let place = self.place(queue);
        place.slot.store(entry.slot, Relaxed);
        place.timestamp.store(entry.timestamp, Relaxed);
        place.time.store(entry.time, Relaxed);
        self.head = self.head.wrapping_add(1);
        queue.head.store(self.head, Release); // pairs with the Acquire of `Popper::pop`
    }

    fn place<'a>(&self, queue: &'a Queue) -> &'a QueueEntry {
        &queue.entries[self.head as usize % QUEUE_ENTRIES]
    }
}

/// The popping side's private cursor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Popper {
    tail: u32,
}

impl Popper {
    /// Takes the next entry, if there is one.
    ///
    /// # Errors
    /// `BadCursor` when the peer's `head` is further away than there are slots. The check bounds the work that a peer
    /// can cause: without it a `head` of `tail - 1` would be four thousand million entries.
    pub fn pop(&mut self, queue: &Queue) -> Result<Option<Entry>, BadCursor> {
        let head = queue.head.load(Acquire); // pairs with the Release of `Pusher::push`
        let waiting = head.wrapping_sub(self.tail);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting as usize > QUEUE_ENTRIES.min(FRAME_SLOTS_MAX as usize) {
            return Err(BadCursor);
        }
        let place = &queue.entries[self.tail as usize % QUEUE_ENTRIES];
        let entry = Entry {
            slot: place.slot.load(Relaxed),
            timestamp: place.timestamp.load(Relaxed),
            time: place.time.load(Relaxed),
        };
        self.tail = self.tail.wrapping_add(1);
        queue.tail.store(self.tail, Relaxed);
        Ok(Some(entry))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::shm::word::{Word32, Word64};

    fn queue() -> Queue {
        Queue {
            head: Word32::new(0),
            tail: Word32::new(0),
            entries: [const {
                QueueEntry {
                    slot: Word32::new(0),
                    reserved: Word32::new(0),
                    timestamp: Word64::new(0),
                    time: Word64::new(0),
                }
            }; QUEUE_ENTRIES],
        }
    }

    #[test]
    fn entries_come_out_in_order_past_the_wrap_of_the_cursors() {
        let queue = queue();
        let (mut pusher, mut popper) =
            (Pusher { head: u32::MAX - 2 }, Popper { tail: u32::MAX - 2 });
        for round in 0..10 {
            for slot in 0..3 {
                pusher.push(
                    &queue,
                    Entry {
                        slot,
                        timestamp: round,
                        time: 7,
                    },
                );
            }
            for slot in 0..3 {
                assert_eq!(
                    popper.pop(&queue),
                    Ok(Some(Entry {
                        slot,
                        timestamp: round,
                        time: 7
                    }))
                );
            }
            assert_eq!(popper.pop(&queue), Ok(None));
        }
    }

    #[test]
    fn a_head_that_runs_away_or_backwards_is_nonsense() {
        let queue = queue();
        let mut popper = Popper::default();
        for head in [FRAME_SLOTS_MAX + 1, u32::MAX, 1 << 31] {
            queue.head.store(head, Relaxed);
            assert_eq!(popper.pop(&queue), Err(BadCursor));
        }
    }
}
