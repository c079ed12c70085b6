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
//! A message that is not exactly this is refused: a peer that speaks another version, or sends something else, is
//! disconnected with the reason. File descriptors travel beside a message (`SCM_RIGHTS`), and the kind says how many there must be.

mod change;
mod words;

pub use change::{Change, Outcome};
use change::{decode_change, decode_outcome, encode_change, encode_outcome};
use words::WORDS;
pub use words::{CHANGE_NAME_BYTES, MESSAGE_SIZE};

use crate::limits::{FRAME_SIDE_MAX, FRAME_SIDE_MIN, FRAME_SLOTS_MAX, PLANES};
use crate::media::colour::Colour;
use crate::media::layout::Placement;
use crate::shm::layout::ABI_VERSION;
pub use crate::shm::layout::SlotMemory;

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
    /// The encoder is not ready: another producer waits for a change, or the device is being reopened.
    Busy = 7,
    /// The engine was started with this size and format, and keeps them.
    Fixed = 8,
    /// The encoder does not do this size, format or rate.
    NotEncoded = 9,
    /// The encoder was reopened, and the producer's slots are gone with the old one.
    Reopened = 10,
    /// The options name the users who may do this, and this one is not among them.
    NotAllowed = 11,
    /// The engine's frames come from a camera: there is no frame ring.
    CameraFeeds = 12,
    /// Each wake-up of this client takes the engine too long: too many wait on what the engine signals.
    Costly = 13,
    /// A side of the frames is odd, and pixels of their format share chroma.
    OddSize = 14,
    /// The encoder does not take this raw format.
    Format = 15,
}

impl Refusal {
    const ALL: [Self; 15] = [
        Self::ProducerPresent,
        Self::Ending,
        Self::TooManyClients,
        Self::BadMessage,
        Self::BadFrameRing,
        Self::Resources,
        Self::Busy,
        Self::Fixed,
        Self::NotEncoded,
        Self::Reopened,
        Self::NotAllowed,
        Self::CameraFeeds,
        Self::Costly,
        Self::OddSize,
        Self::Format,
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
            Self::Busy => "the encoder is not ready for another producer yet",
            Self::Fixed => "the engine's size and format are fixed (run --size)",
            Self::NotEncoded => "the encoder does not do this; the engine's log says why",
            Self::Reopened => "the encoder was reopened, and its slots are gone",
            Self::NotAllowed => "the engine does not allow it to this user",
            Self::CameraFeeds => {
                "a camera feeds the engine, so it takes no producer (run --camera)"
            }
            Self::Costly => {
                "too many wait on this client's wake-ups: each takes the engine too long"
            }
            Self::OddSize => {
                "a side of the frames is odd: 4:2:0 needs an even width and height, 4:2:2 an even width"
            }
            Self::Format => {
                "the encoder does not take this raw format; the engine's log lists those that it takes"
            }
        }
    }
}

/// What frames a producer brings, as far as it requests something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatRequest {
    /// Raw format, V4L2 fourcc; 0: the engine's.
    pub format: u32,
    /// Visible width and height, pixels, each `FRAME_SIDE_MIN..=FRAME_SIDE_MAX`; 0, 0: the engine's.
    pub size: (u32, u32),
    /// Frames per second, numerator and denominator; 0, 0: the engine's.
    pub rate: (u32, u32),
    /// Slots that the engine copies from, where it leaves that to producers.
    pub copied: bool,
    /// What the samples mean, as far as the producer knows; one word, a byte for each of V4L2's colorspace (the lowest), transfer
    /// function, matrix (`ycbcr_enc`) and quantization; 0 is unknown.
    pub colour: Colour,
}

/// Dma-bufs that a producer offers as slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Slots.
    pub slots: u32,
    /// Memory planes a slot, one descriptor each.
    pub memory_planes: u32,
    /// Where the rows lie in them.
    pub rows: Placement,
}

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client: may I fill the frame ring, with such frames? The answer may wait until those of the producer before are encoded.
    Produce(FormatRequest),
    /// Client: may I read the packet ring? `wake`: also send a socket that becomes readable with each packet.
    Consume {
        /// Whether the client wants a wake socket for its own poll loop.
        wake: bool,
    },
    /// Client: may I look at the packet ring's header? Not counted as a consumer.
    Observe,
    /// Producer: no more frames will come; what was committed is to be encoded.
    Finish,
    /// Client, as its first and only message: change this.
    Change(Change),
    /// Producer, before its first frame: take these dma-bufs of mine as slots. With the descriptors: each slot's memory planes in order.
    /// Of others than root, the engine's own user and those named in its options nothing is taken. The answer is `Frames` again, whatever
    /// the slots are then.
    Import(Offer),
    /// Engine: what came of the change; the connection is closed after this.
    Changed(Outcome),
    /// Engine: you may. With the descriptors: frame ring, "filled" socket (to send a byte to), "free" socket (to poll and read), then
    /// each slot's memory planes in order; one single memfd for all slots when they are copied, none when they are its own.
    Frames {
        /// Slots.
        slots: u32,
        /// Memory planes a slot.
        memory_planes: u32,
        /// Where the slots lie, by its number.
        memory: SlotMemory,
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
        let mut words = [0; WORDS];
        words[0] = MAGIC;
        words[1] = ABI_VERSION;
        let (kind, own) = (2, 4);
        words[kind] = match *self {
            Self::Produce(requested) => {
                words[own] = requested.format;
                (words[own + 1], words[own + 2]) = requested.size;
                (words[own + 3], words[own + 4]) = requested.rate;
                words[own + 5] = u32::from(requested.copied);
                words[own + 6] = requested.colour.to_word();
                1
            }
            Self::Consume { wake } => {
                words[own] = u32::from(wake);
                2
            }
            Self::Observe => 3,
            Self::Finish => 4,
            Self::Import(offer) => {
                words[own] = offer.slots;
                words[own + 1] = offer.memory_planes;
                words[own + 2..][..PLANES].copy_from_slice(&offer.rows.bytesperline);
                words[own + 2 + PLANES..][..PLANES].copy_from_slice(&offer.rows.offset);
                6
            }
            Self::Change(change) => {
                encode_change(change, &mut words);
                5
            }
            Self::Frames {
                slots,
                memory_planes,
                memory,
            } => {
                words[own] = slots;
                words[own + 1] = memory_planes;
                words[own + 2] = memory as u32;
                16
            }
            Self::Packets { wake } => {
                words[own] = u32::from(wake);
                17
            }
            Self::Refused(reason) => {
                words[own] = reason as u32;
                18
            }
            Self::Changed(outcome) => {
                encode_outcome(outcome, &mut words);
                19
            }
        };
        let mut bytes = [0; MESSAGE_SIZE];
        for (place, field) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = field.to_le_bytes();
        }
        bytes
    }

    /// The message that the bytes are; `None` unless every byte is as it must be.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MESSAGE_SIZE {
            return None;
        }
        let mut fields = [0u32; WORDS];
        for (field, place) in fields.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *field = u32::from_le_bytes(*place);
        }
        let message = match (fields[2], fields[4], fields[5], fields[6]) {
            (1, format, ..) => Self::Produce(FormatRequest {
                format,
                size: (fields[5], fields[6]),
                rate: (fields[7], fields[8]),
                copied: flag(fields[9])?,
                colour: Colour::from_word(fields[10])?,
            }),
            (2, wake, ..) => Self::Consume { wake: flag(wake)? },
            (3, ..) => Self::Observe,
            (4, ..) => Self::Finish,
            (5, ..) => Self::Change(decode_change(&fields)?),
            (6, slots, memory_planes, _) => {
                let mut rows = Placement::default();
                rows.bytesperline.copy_from_slice(&fields[6..][..PLANES]);
                rows.offset.copy_from_slice(&fields[6 + PLANES..][..PLANES]);
                Self::Import(Offer {
                    slots,
                    memory_planes,
                    rows,
                })
            }
            (16, slots, memory_planes, memory) => Self::Frames {
                slots,
                memory_planes,
                memory: SlotMemory::of(memory)?,
            },
            (17, wake, ..) => Self::Packets { wake: flag(wake)? },
            (19, ..) => Self::Changed(decode_outcome(&fields)?),
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
            Self::Frames {
                slots,
                memory_planes,
                memory,
            } => {
                3 + match memory {
                    SlotMemory::Exported => (slots * memory_planes) as usize,
                    SlotMemory::Copied => 1,
                    SlotMemory::Imported => 0,
                }
            }
            Self::Import(offer) => (offer.slots * offer.memory_planes) as usize,
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
            }
            | Self::Import(Offer {
                slots,
                memory_planes,
                ..
            }) => {
                (1..=FRAME_SLOTS_MAX).contains(&slots)
                    && (1..=PLANES as u32).contains(&memory_planes)
            }
            Self::Produce(requested) => {
                let side = |side| (FRAME_SIDE_MIN..=FRAME_SIDE_MAX).contains(&side);
                (requested.size == (0, 0) || (side(requested.size.0) && side(requested.size.1)))
                    && (requested.rate.0 == 0) == (requested.rate.1 == 0)
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
