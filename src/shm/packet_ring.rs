//! The packet ring: one writer that never waits, any number of readers that it does not know.
//!
//! Descriptors and payload bytes are two circles. A packet `n` is whole while `tail <= n < head`. The protocol, each
//! Release named with the Acquire it pairs with:
//!
//! * The writer moves `tail` past everything it is about to overwrite, then a Release fence, then the overwriting
//!   stores (`retire`). A reader copies, then an Acquire fence, then loads `tail` (`still_whole`). If the copy saw
//!   one overwritten byte, the fences pair and the load sees the moved `tail`: a torn copy is always noticed.
//! * The writer stores `head` with Release after the packet is whole (`publish`). A reader that loads `head` with
//!   Acquire sees all of the packet.
//!
//! This file knows words and bytes. It must never know fds, clocks, or V4L2.

use crate::limits::{CODEC_HEADER_BYTES, PACKET_DESCRIPTORS};
use crate::shm::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use crate::shm::bytes::SharedBytes;
use crate::shm::circle::Bytes;
use crate::shm::layout::{CodecHeaders, Cursors, Descriptor, flag};
use crate::shm::sequence::{load_whole, store_whole};
use crate::shm::word::{Access, LoadStore};

const COUNT: u64 = PACKET_DESCRIPTORS as u64;

/// The parts of a mapped packet ring that writer and readers work on.
#[derive(Clone, Copy)]
pub struct Ring<'a, B, A: Access = LoadStore> {
    /// Where the ring stands.
    pub cursors: &'a Cursors<A>,
    /// The descriptors.
    pub descriptors: &'a [Descriptor<A>; PACKET_DESCRIPTORS],
    /// The payload circle.
    pub data: B,
}

/// What is known of a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Number of the packet; set by the ring when it is published.
    pub sequence: u64,
    /// Payload bytes; set by the ring.
    pub length: u32,
    /// Flags of `layout::flag`.
    pub flags: u32,
    /// The encoder's generation, low 16 bits.
    pub generation: u16,
    /// The producer's timestamp.
    pub timestamp: u64,
    /// Commit time, `CLOCK_MONOTONIC` ns.
    pub committed: u64,
    /// QBUF time, `CLOCK_MONOTONIC` ns.
    pub queued: u64,
    /// DQBUF time, `CLOCK_MONOTONIC` ns.
    pub dequeued: u64,
    /// Publication time, `CLOCK_MONOTONIC` ns.
    pub published: u64,
}

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

/// A packet's bytes where they lie. The writer may be overwriting them: reads are safe, and give what is there.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a, B> {
    data: &'a B,
    position: u64,
    packet: &'a Packet,
}

impl<B: Bytes> Payload<'_, B> {
    /// What is known of the packet.
    #[must_use]
    pub fn packet(&self) -> &Packet {
        self.packet
    }

    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packet.length as usize
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packet.length == 0
    }

    /// Copies the bytes from `at` on into `target`; gives how many there were.
    pub fn read(&self, at: usize, target: &mut [u8]) -> usize {
        let count = target.len().min(self.len().saturating_sub(at));
        self.data
            .read(self.position.wrapping_add(at as u64), &mut target[..count]);
        count
    }
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet; its bytes are in the target, `length` of them.
    Packet(Packet),
    /// Nothing new.
    Empty,
    /// The writer passed the reader by: this many packets are lost, and the reader stands at the newest key packet
    /// (or, when the ring holds none, at its end).
    Lapped(u64),
    /// The next packet has more bytes than the target holds; nothing was consumed.
    TooSmall(u32),
}

/// Where a newcomer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest packet in the ring.
    Oldest,
    /// At the newest key packet; at the next one to come when the ring holds none.
    Key,
    /// At the next packet to come.
    Live,
}

/// The reading side: a number. It writes nothing that others see.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    next: u64,
    /// Skip packets until a key packet: the reader has nothing to decode them with.
    until_key: bool,
    /// The reader has had packets, or was lapped: what it skips from now on is a loss to it.
    started: bool,
}

impl Reader {
    /// A reader that starts at `start`.
    pub fn new<B: Bytes, A: Access>(ring: &Ring<'_, B, A>, start: Start) -> Self {
        let head = ring.cursors.head.load(Acquire); // pairs with the Release of `publish`
        let (next, until_key) = match start {
            Start::Oldest => (ring.cursors.tail.load(Relaxed), false),
            Start::Live => (head, false),
            Start::Key => ring.newest_key().map_or((head, true), |key| (key, false)),
        };
        Self {
            next,
            until_key,
            started: false,
        }
    }

    /// Whether a decoder behind this reader has nothing to begin with: the reader skips packets until a key packet comes.
    #[must_use]
    pub fn waits_for_key(&self) -> bool {
        self.until_key
    }

    /// The sequence that the reader wants next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Copies the next packet's bytes to `target`.
    pub fn next<B: Bytes, A: Access>(&mut self, ring: &Ring<'_, B, A>, target: &mut [u8]) -> Next {
        self.visit(ring, |payload| {
            let Some(target) = target.get_mut(..payload.len()) else {
                return false;
            };
            payload.read(0, target);
            true
        })
    }

    /// Shows the next packet to `look` where it lies. What `look` saw is worth something only if the answer is that packet: the
    /// writer may have overwritten it meanwhile, and then the answer is `Lapped`.
    pub fn next_in_place<B: Bytes, A: Access>(
        &mut self,
        ring: &Ring<'_, B, A>,
        mut look: impl FnMut(&Payload<'_, B>),
    ) -> Next {
        self.visit(ring, |payload| {
            look(payload);
            true
        })
    }

    /// The next packet, shown to `look`, which says whether it has room for it.
    fn visit<B: Bytes, A: Access>(
        &mut self,
        ring: &Ring<'_, B, A>,
        mut look: impl FnMut(&Payload<'_, B>) -> bool,
    ) -> Next {
        loop {
            let head = ring.cursors.head.load(Acquire); // pairs with the Release of `publish`
            if self.next >= head {
                return Next::Empty;
            }
            let (position, packet) = ring.descriptor(self.next);
            let passed_over = self.until_key && packet.flags & (flag::KEY | flag::END) == 0;
            // A length that is torn shows below.
            let sane = u64::from(packet.length) <= ring.data.size();
            let fits = passed_over
                || !sane
                || look(&Payload {
                    data: &ring.data,
                    position,
                    packet: &packet,
                });
            if !ring.still_whole(self.next) || packet.sequence != self.next {
                return self.lapped(ring, head);
            }
            if passed_over {
                self.next += 1;
                if self.started {
                    return Next::Lapped(1);
                }
                continue;
            }
            if !fits || !sane {
                return Next::TooSmall(packet.length);
            }
            self.until_key = false;
            self.started = true;
            self.next += 1;
            return Next::Packet(packet);
        }
    }

    /// Steps over the next packet without a copy (after `TooSmall`); it counts as lost to this reader.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    fn lapped<B: Bytes, A: Access>(&mut self, ring: &Ring<'_, B, A>, head: u64) -> Next {
        let lost_from = self.next;
        self.started = true;
        match ring.newest_key() {
            Some(key) if key > self.next => self.next = key,
            _ => {
                self.next = head;
                self.until_key = true;
            }
        }
        Next::Lapped(self.next - lost_from)
    }
}

impl<B: Bytes, A: Access> Ring<'_, B, A> {
    /// The futex word as it is now. Take it, look for a packet, and sleep on it only if there was none: a packet
    /// published in between has changed the word, and the sleep ends at once.
    #[must_use]
    pub fn wake_word(&self) -> u32 {
        self.cursors.wake.load(Acquire) // pairs with the Release of `publish`
    }

    /// Whether packets were published, but none that is a key packet is left: nobody can begin to decode with what there is. A ring
    /// that nothing was published into lacks nothing, because a stream begins with a key packet.
    #[must_use]
    pub fn lacks_key(&self) -> bool {
        self.cursors.head.load(Acquire) > 0 && self.newest_key().is_none() // pairs with the Release of `publish`
    }

    /// The newest key packet, if it is still whole.
    fn newest_key(&self) -> Option<u64> {
        let key = self.cursors.newest_key.load(Relaxed).checked_sub(1)?;
        self.still_whole(key).then_some(key)
    }

    /// Whether everything that was copied of packet `sequence` before this call is as the writer wrote it.
    fn still_whole(&self, sequence: u64) -> bool {
        fence(Acquire); // pairs with the Release fences of `retire` and `publish`
        self.cursors.tail.load(Relaxed) <= sequence
    }

    /// Position and description of a packet; garbage if it is being overwritten, so ask `still_whole` afterwards.
    fn descriptor(&self, sequence: u64) -> (u64, Packet) {
        let descriptor = &self.descriptors[(sequence % COUNT) as usize];
        let flags = descriptor.flags.load(Relaxed);
        let packet = Packet {
            sequence: descriptor.sequence.load(Relaxed),
            length: descriptor.length.load(Relaxed),
            flags: flags & flag::ALL,
            generation: (flags >> 16) as u16,
            timestamp: descriptor.timestamp.load(Relaxed),
            committed: descriptor.committed.load(Relaxed),
            queued: descriptor.queued.load(Relaxed),
            dequeued: descriptor.dequeued.load(Relaxed),
            published: descriptor.published.load(Relaxed),
        };
        (descriptor.position.load(Relaxed), packet)
    }
}

/// Stores the stream's codec headers; one that is too long is not kept. Gives whether it was.
pub fn store_codec_headers(words: &CodecHeaders, headers: &[u8]) -> bool {
    if headers.len() > CODEC_HEADER_BYTES {
        return false;
    }
    store_whole(&words.version, || {
        words.length.store(headers.len() as u32, Relaxed);
        for (word, chunk) in words.bytes.iter().zip(headers.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
    });
    true
}

/// Loads the stream's codec headers: their length, 0 when there are none. Tries again while they are being written,
/// a bounded number of times.
pub fn load_codec_headers<A: Access>(
    words: &CodecHeaders<A>,
    target: &mut [u8; CODEC_HEADER_BYTES],
) -> usize {
    load_whole(&words.version, || {
        let length = (words.length.load(Relaxed) as usize).min(CODEC_HEADER_BYTES);
        for (chunk, word) in target.chunks_mut(8).zip(&words.bytes) {
            chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes()[..chunk.len()]);
        }
        length
    })
    .unwrap_or(0)
}
