//! The writing side: retires the oldest packets before it overwrites their bytes.

use super::{COUNT, Packet, Ring};
use crate::shm::atomic::{
    Ordering::{Relaxed, Release},
    fence,
};
use crate::shm::bytes::SharedBytes;
use crate::shm::circle::Bytes;
use crate::shm::layout::{Descriptor, flag};
/// The packet did not fit: it is larger than the whole payload circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The writing side. Its cursors are its own; the shared ones are copies for the readers.
pub struct Writer<'a, B> {
    ring: Ring<'a, B>,
    head: u64,
    tail: u64,
    /// Where the next payload byte goes, bytes since the ring began.
    position: u64,
    /// Where the oldest whole packet begins.
    tail_position: u64,
    /// Bytes of the packet being written.
    open: u64,
}

impl<'a, B: Bytes> Writer<'a, B> {
    /// A writer for a fresh ring (all zeros).
    pub fn new(ring: Ring<'a, B>) -> Self {
        Self {
            ring,
            head: 0,
            tail: 0,
            position: 0,
            tail_position: 0,
            open: 0,
        }
    }

    /// Adds bytes to the packet being written; nobody sees them before `publish`.
    ///
    /// # Errors
    /// `TooLarge` when the packet would be larger than the ring; then `discard` it.
    pub fn append<'b>(&mut self, bytes: impl Into<SharedBytes<'b>>) -> Result<(), TooLarge> {
        let bytes = bytes.into();
        let size = self.ring.data.size();
        let open = self.open + bytes.len() as u64;
        if open > size {
            return Err(TooLarge);
        }
        self.retire(self.position + open);
        self.ring.data.write(self.position + self.open, bytes);
        self.open = open;
        Ok(())
    }

    /// Bytes of the packet being written.
    #[must_use]
    pub fn open_bytes(&self) -> u64 {
        self.open
    }

    /// Forgets the packet being written.
    pub fn discard(&mut self) {
        self.open = 0;
    }

    /// Makes the packet being written visible and gives its sequence. `sequence` and `length` of `packet` are ignored.
    pub fn publish(&mut self, packet: &Packet) -> u64 {
        if self.head - self.tail == COUNT {
            self.retire_one();
            fence(Release); // pairs with the Acquire fence of `still_whole`
        }
        let sequence = self.head;
        let descriptor = self.descriptor(sequence);
        descriptor.sequence.store(sequence, Relaxed);
        descriptor.position.store(self.position, Relaxed);
        descriptor.length.store(self.open as u32, Relaxed);
        let flags = (packet.flags & flag::ALL) | u32::from(packet.generation) << 16;
        descriptor.flags.store(flags, Relaxed);
        descriptor.timestamp.store(packet.timestamp, Relaxed);
        descriptor.committed.store(packet.committed, Relaxed);
        descriptor.queued.store(packet.queued, Relaxed);
        descriptor.dequeued.store(packet.dequeued, Relaxed);
        descriptor.published.store(packet.published, Relaxed);
        self.position += self.open;
        self.open = 0;
        self.head += 1;
        let cursors = self.ring.cursors;
        if packet.flags & flag::KEY != 0 {
            cursors.newest_key.store(sequence + 1, Relaxed); // seen with `head`
        }
        cursors.head.store(self.head, Release); // pairs with the Acquire of `Reader::next`
        let wake = cursors.wake.load(Relaxed).wrapping_add(1);
        cursors.wake.store(wake, Release); // pairs with the Acquire of `Ring::wake_word`
        sequence
    }

    /// Retires packets until bytes up to `end` can be written without touching a whole one.
    fn retire(&mut self, end: u64) {
        let mut moved = false;
        while self.tail < self.head && end - self.tail_position > self.ring.data.size() {
            self.retire_one();
            moved = true;
        }
        if self.tail == self.head {
            self.tail_position = self.position;
        }
        if moved {
            fence(Release); // pairs with the Acquire fence of `still_whole`
        }
    }

    /// Retires every packet: a reader that comes finds none.
    pub fn retire_all(&mut self) {
        while self.tail < self.head {
            self.retire_one();
        }
        self.tail_position = self.position;
        fence(Release); // pairs with the Acquire fence of `still_whole`
    }

    fn retire_one(&mut self) {
        let length = self.descriptor(self.tail).length.load(Relaxed);
        self.tail_position += u64::from(length);
        self.tail += 1;
        self.ring.cursors.tail.store(self.tail, Relaxed);
    }

    fn descriptor(&self, sequence: u64) -> &'a Descriptor {
        &self.ring.descriptors[(sequence % COUNT) as usize]
    }
}
