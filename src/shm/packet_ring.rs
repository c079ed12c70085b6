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
//! This module knows words and bytes. It must never know fds, clocks, or V4L2.

mod headers;
mod reader;
mod writer;

pub use headers::{load_codec_headers, store_codec_headers};
pub use reader::{Next, Payload, Reader, Start};
pub use writer::{TooLarge, Writer};

use crate::limits::PACKET_DESCRIPTORS;
use crate::shm::atomic::{
    Ordering::{Acquire, Relaxed},
    fence,
};
use crate::shm::circle::Bytes;
use crate::shm::layout::{Cursors, Descriptor, flag};
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

    /// Position and description of a packet; undefined if it is being overwritten, so ask `still_whole` afterwards.
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
