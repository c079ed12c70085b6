//! The shared-memory ABI, version 1: every word that another process can see, and where it lies.
//!
//! Fixed-width integers in native (little-endian) order, each one a word of its own (`word`); no bool, no usize, no pointer, no
//! float. Sizes and offsets are asserted beside them and are the same on aarch64, arm and x86_64. This module is pure: it maps
//! nothing and trusts nothing; `region` maps, `packet_ring` and `frame_ring` give the words their meaning.
//!
//! Each field's doc says its unit and range, who writes it (W) and who reads it (R).

mod frames;
mod packets;

pub use frames::{FRAME_CAPACITIES, FrameRing, PlaneGeometry, Queue, QueueEntry};
pub use packets::{
    CodecHeaders, Cursors, Descriptor, Histogram, PACKET_CAPACITIES, PacketHeader, Status, Stream,
};

use crate::limits::{PACKET_DESCRIPTORS, QUEUE_ENTRIES};
pub use crate::shm::word::{Access, LoadOnly, LoadStore, Word32, Word64};

/// First word of a packet ring: `"FMpacket"` read as a little-endian number.
pub const PACKET_MAGIC: u64 = u64::from_le_bytes(*b"FMpacket");
/// First word of a frame ring: `"FMframes"` read as a little-endian number.
pub const FRAME_MAGIC: u64 = u64::from_le_bytes(*b"FMframes");
/// Version of both rings and of the control messages. A reader refuses every other number.
pub const ABI_VERSION: u32 = 1;

/// Bytes before the descriptors of a packet ring.
pub const PACKET_HEADER_BYTES: usize = 8192;
/// Bytes of a frame ring, all of it.
pub const FRAME_RING_BYTES: usize = 8192;
/// Offset of the packet ring's payload bytes: after the header and the descriptors, on a boundary of the largest page.
pub const PACKET_DATA_OFFSET: usize =
    (PACKET_HEADER_BYTES + PACKET_DESCRIPTORS * 64).next_multiple_of(65536);

/// Flags of a packet (`Descriptor::flags`, low half).
pub mod flag {
    /// Decoding can start here (IDR picture, JPEG image, FWHT intra frame).
    pub const KEY: u32 = 1;
    /// The packet begins with the codec headers (SPS, PPS, VPS).
    pub const CONFIG: u32 = 1 << 1;
    /// The driver marked the buffer with `V4L2_BUF_FLAG_ERROR`: the bytes may be damaged.
    pub const CORRUPT: u32 = 1 << 2;
    /// Something was lost or restarted between the packet before and this one.
    pub const DISCONTINUITY: u32 = 1 << 3;
    /// The stream ends here; no bytes, nothing follows.
    pub const END: u32 = 1 << 4;
    /// Every flag there is; the high half of the word is the generation's low 16 bits.
    pub const ALL: u32 = 0x1f;
}

/// What the engine is doing (`Status::state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Setting up; no frame is taken yet.
    Starting = 0,
    /// Taking frames.
    Running = 1,
    /// Taking no more frames; what is inside is being encoded to the last.
    Draining = 2,
    /// Reviving a stalled encoder.
    Recovering = 3,
    /// The end flag is published; the engine is gone or going.
    Ended = 4,
    /// Waiting for the camera to come back.
    NoCamera = 5,
    /// Waiting for a signal at the camera.
    NoSignal = 6,
    /// Stopped until a consumer comes.
    Idle = 7,
}

impl State {
    /// The name that `stat` prints.
    #[must_use]
    pub const fn name(word: u32) -> &'static str {
        match word {
            0 => "starting",
            1 => "running",
            2 => "draining",
            3 => "recovering",
            4 => "ended",
            5 => "no-camera",
            6 => "no-signal",
            7 => "idle",
            _ => "unknown",
        }
    }
}

/// Where the slots of the frame ring lie: one numbering for every word that says so (`Stream::memory`, `FrameRing::memory`, the control
/// message `Frames`). 0 in such a word: nowhere yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SlotMemory {
    /// The encoder's own buffers, a dma-buf for each memory plane of each slot; no copy.
    Exported = 1,
    /// One memfd, or a camera's buffers; the engine copies.
    Copied = 2,
    /// The producer's dma-bufs, which it offered, or a camera's; no copy.
    Imported = 3,
}

impl SlotMemory {
    /// What a word says; `None` for another number.
    #[must_use]
    pub const fn of(word: u32) -> Option<Self> {
        match word {
            1 => Some(Self::Exported),
            2 => Some(Self::Copied),
            3 => Some(Self::Imported),
            _ => None,
        }
    }

    /// The name that `stat` prints.
    #[must_use]
    pub const fn name(word: u32) -> &'static str {
        match Self::of(word) {
            Some(Self::Exported) => "export",
            Some(Self::Copied) => "copy",
            Some(Self::Imported) => "import",
            None => "none",
        }
    }
}

/// Why there is no signal at the camera (`Status::no_signal`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NoSignal {
    /// There is one, or none is needed.
    No = 0,
    /// No cable is plugged in, or the source sends nothing.
    NoCable = 1,
    /// Something comes in, and the bridge cannot lock on to it.
    Unstable = 2,
    /// The bridge cannot work with its timings.
    OutOfRange = 3,
    /// Camera or encoder cannot work with its size.
    Size = 4,
}

impl NoSignal {
    /// The name that `stat` prints; empty while there is a signal.
    #[must_use]
    pub const fn name(word: u32) -> &'static str {
        match word {
            0 => "",
            1 => "no-cable",
            2 => "unstable",
            3 => "out-of-range",
            4 => "size",
            _ => "unknown",
        }
    }
}

const _: () = {
    assert!(cfg!(target_endian = "little"), "the ABI is little-endian");
    assert!(PACKET_DESCRIPTORS.is_power_of_two() && QUEUE_ENTRIES.is_power_of_two());
};

/// In copy mode each memory plane of each slot begins at a multiple of this in the one memfd: the largest page size in
/// use on arm64, so that it can be mapped by itself everywhere.
pub const COPY_ALIGNMENT: usize = 65536;

/// Bytes of some memory planes in copy mode, each up to where the next one may begin. All planes of a slot are its size, those before a
/// plane are where that begins in the slot. In 64 bits, because it can be more than a 32-bit process can address.
#[must_use]
pub fn copy_slot_bytes(memory_bytes: &[u32]) -> u64 {
    memory_bytes
        .iter()
        .map(|&bytes| u64::from(bytes).next_multiple_of(COPY_ALIGNMENT as u64))
        .sum()
}

/// Stores text into shared words, cut to fit and padded with zeros.
pub fn store_text(words: &[Word64], text: &[u8]) {
    use crate::shm::atomic::Ordering::Relaxed;
    for (index, word) in words.iter().enumerate() {
        let mut bytes = [0; 8];
        let rest = text.get(index * 8..).unwrap_or(&[]);
        let count = rest.len().min(8);
        bytes[..count].copy_from_slice(&rest[..count]);
        word.store(u64::from_le_bytes(bytes), Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_that_are_copied_may_be_larger_than_32_bits_can_say() {
        assert_eq!(copy_slot_bytes(&[1, 65536, 65537]), 65536 * 4);
        assert_eq!(copy_slot_bytes(&[u32::MAX; 3]), 3 << 32);
        assert_eq!(copy_slot_bytes(&[]), 0);
    }

    #[test]
    fn text_is_padded_with_zeros_and_cut_at_the_words_end() {
        let words = [const { Word64::new(u64::MAX) }; 2];
        let stored = || {
            words.each_ref().map(|word| {
                word.load(crate::shm::atomic::Ordering::Relaxed)
                    .to_le_bytes()
            })
        };
        store_text(&words, b"/dev/video11");
        assert_eq!(stored().as_flattened(), b"/dev/video11\0\0\0\0");
        store_text(&words, b"a text that is longer than sixteen");
        assert_eq!(stored().as_flattened(), b"a text that is l");
    }
}
