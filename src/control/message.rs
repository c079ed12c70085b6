//! The control messages: 64 bytes each, little-endian, the same in both directions. Pure.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0..4 | magic, `"FMct"` |
//! | 4..8 | ABI version, `layout::ABI_VERSION` |
//! | 8..12 | kind |
//! | 12..16 | zero |
//! | 16..64 | the kind's own words, four bytes each; unused ones are zero |
//!
//! A message that is not exactly this is refused: a peer that speaks another version, or nonsense, is told so and cut
//! off. File descriptors travel beside a message (`SCM_RIGHTS`), and the kind says how many there must be.

use crate::limits::{FRAME_SLOTS_MAX, PLANES};
use crate::shm::layout::ABI_VERSION;

/// Size of every message, bytes.
pub const MESSAGE_SIZE: usize = 64;

/// Most descriptors beside a message: the frame ring, two wake sockets, and the planes of every slot.
pub const MESSAGE_FDS: usize = 3 + FRAME_SLOTS_MAX as usize * PLANES;
// The kernel's own limit is SCM_MAX_FD, 253.
const _: () = assert!(MESSAGE_FDS <= 253);

const MAGIC: u32 = u32::from_le_bytes(*b"FMct");

/// Why the engine says no. The number travels; the text is for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Refusal {
    /// Another producer is attached.
    ProducerPresent = 1,
    /// The engine is ending and takes no more frames.
    Ending = 2,
    /// As many clients as the engine serves are connected.
    TooManyClients = 3,
    /// The message was not understood, or does not fit the client's role.
    BadMessage = 4,
    /// What was written into the frame ring makes no sense.
    BadFrameRing = 5,
    /// The engine ran out of descriptors or memory for this client.
    Resources = 6,
}

impl Refusal {
    const ALL: [Self; 6] = [
        Self::ProducerPresent,
        Self::Ending,
        Self::TooManyClients,
        Self::BadMessage,
        Self::BadFrameRing,
        Self::Resources,
    ];

    /// The reason in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ProducerPresent => "another producer is attached",
            Self::Ending => "the engine is ending and takes no more frames",
            Self::TooManyClients => "the engine serves as many clients as it can",
            Self::BadMessage => "the engine did not understand the message",
            Self::BadFrameRing => "the frame ring was written to wrongly",
            Self::Resources => "the engine is out of descriptors or memory",
        }
    }
}

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: may I fill the frame ring?
    Produce,
    /// Client: may I read the packet ring? `wake`: also send a socket that becomes readable with each packet.
    Consume {
        /// Whether the client wants a wake socket for its own poll loop.
        wake: bool,
    },
    /// Client: may I look at the packet ring's header? Not counted as a consumer.
    Observe,
    /// Producer: no more frames will come; what was committed is to be encoded.
    Finish,
    /// Engine: you may. With the descriptors: frame ring, "filled" socket (to send a byte to), "free" socket (to poll and read), then
    /// each slot's memory planes in order; one single memfd for all slots when `copy` is set.
    Frames {
        /// Slots.
        slots: u32,
        /// Memory planes a slot.
        memory_planes: u32,
        /// Slots lie in one memfd, and the engine copies.
        copy: bool,
    },
    /// Engine: you may. With the packet ring, and the wake socket where one was asked for.
    Packets {
        /// Whether a wake socket follows the ring.
        wake: bool,
    },
    /// Engine: no, or no longer; the connection is closed after this.
    Refused(Refusal),
}

impl Message {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; MESSAGE_SIZE] {
        let (kind, words) = match *self {
            Self::Produce => (1, [0; 3]),
            Self::Consume { wake } => (2, [u32::from(wake), 0, 0]),
            Self::Observe => (3, [0; 3]),
            Self::Finish => (4, [0; 3]),
            Self::Frames {
                slots,
                memory_planes,
                copy,
            } => (16, [slots, memory_planes, u32::from(copy)]),
            Self::Packets { wake } => (17, [u32::from(wake), 0, 0]),
            Self::Refused(reason) => (18, [reason as u32, 0, 0]),
        };
        let mut bytes = [0; MESSAGE_SIZE];
        let fields = [MAGIC, ABI_VERSION, kind, 0].into_iter().chain(words);
        for (place, field) in bytes.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    /// The message that the bytes are; `None` unless every byte is as it must be.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MESSAGE_SIZE {
            return None;
        }
        let mut fields = [0u32; MESSAGE_SIZE / 4];
        for (field, place) in fields.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *field = u32::from_le_bytes(*place);
        }
        let message = match (fields[2], fields[4], fields[5], fields[6]) {
            (1, ..) => Self::Produce,
            (2, wake, ..) => Self::Consume { wake: flag(wake)? },
            (3, ..) => Self::Observe,
            (4, ..) => Self::Finish,
            (16, slots, memory_planes, copy) => Self::Frames {
                slots,
                memory_planes,
                copy: flag(copy)?,
            },
            (17, wake, ..) => Self::Packets { wake: flag(wake)? },
            (18, reason, ..) => {
                Self::Refused(*Refusal::ALL.iter().find(|known| **known as u32 == reason)?)
            }
            _ => return None,
        };
        // The one form: magic, version and every unused word are checked by encoding again.
        (message.encode() == bytes && message.plausible()).then_some(message)
    }

    /// Descriptors that come with the message.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match *self {
            Self::Frames { copy: true, .. } => 4,
            Self::Frames {
                slots,
                memory_planes,
                ..
            } => 3 + (slots * memory_planes) as usize,
            Self::Packets { wake } => 1 + usize::from(wake),
            _ => 0,
        }
    }

    fn plausible(&self) -> bool {
        match *self {
            Self::Frames {
                slots,
                memory_planes,
                ..
            } => {
                (1..=FRAME_SLOTS_MAX).contains(&slots)
                    && (1..=PLANES as u32).contains(&memory_planes)
            }
            _ => true,
        }
    }
}

fn flag(word: u32) -> Option<bool> {
    match word {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
