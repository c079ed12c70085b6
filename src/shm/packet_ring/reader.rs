//! The reading side: copies first, and looks afterwards whether the copy is whole.

#[cfg(not(loom))]
use super::COUNT;
use super::{Packet, Ring};
use crate::shm::atomic::Ordering::{Acquire, Relaxed};
use crate::shm::circle::Bytes;
use crate::shm::layout::flag;
use crate::shm::word::Access;
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

    /// A reader that starts at the newest key packet that was published at `ns` or before, or at the oldest key packet in the ring; and
    /// when that was published. Without a key packet it is one that starts at the next.
    #[cfg(not(loom))]
    pub(crate) fn since<B: Bytes, A: Access>(
        ring: &Ring<'_, B, A>,
        ns: u64,
    ) -> (Self, Option<u64>) {
        let head = ring.cursors.head.load(Acquire); // pairs with the Release of `publish`
        let mut reader = Self {
            next: head,
            until_key: true,
            started: false,
        };
        let mut published = None;
        for back in 1..=head.min(COUNT) {
            let sequence = head - back;
            let (_, packet) = ring.descriptor(sequence);
            if !ring.still_whole(sequence) || packet.sequence != sequence {
                break;
            }
            if packet.flags & flag::KEY == 0 {
                continue;
            }
            reader.next = sequence;
            reader.until_key = false;
            published = Some(packet.published);
            if packet.published <= ns {
                break;
            }
        }
        (reader, published)
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
