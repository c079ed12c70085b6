//! The newest packets, as their descriptors say.
//!
//! Knows the packet ring's descriptors; reads no payload and writes nothing. What they say is for `measured_rate` and others to make of it.

use crate::limits::PACKET_DESCRIPTORS;
use crate::shm::atomic::{
    Ordering::{Acquire, Relaxed},
    fence,
};
use crate::shm::layout::{Cursors, Descriptor};
use crate::shm::word::Access;

/// What is known of a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    /// Its number.
    pub sequence: u64,
    /// When its frame was committed, ns; 0 when it has none.
    pub committed: u64,
    /// When it was published, ns.
    pub published: u64,
    /// Its flags.
    pub flags: u32,
}

/// The packets that are still described, the newest one first.
pub fn newest_first<A: Access>(
    cursors: &Cursors<A>,
    descriptors: &[Descriptor<A>; PACKET_DESCRIPTORS],
) -> impl Iterator<Item = Recent> {
    let head = cursors.head.load(Acquire); // pairs with the Release of `Writer::publish`
    let oldest = head.saturating_sub(PACKET_DESCRIPTORS as u64);
    (oldest..head).rev().map_while(|sequence| {
        let descriptor = &descriptors[(sequence % PACKET_DESCRIPTORS as u64) as usize];
        let recent = Recent {
            sequence,
            committed: descriptor.committed.load(Relaxed),
            published: descriptor.published.load(Relaxed),
            flags: descriptor.flags.load(Relaxed),
        };
        let number = descriptor.sequence.load(Relaxed);
        fence(Acquire); // pairs with the Release fence of `Writer::publish`
        (number == sequence && cursors.tail.load(Relaxed) <= sequence).then_some(recent)
    })
}
