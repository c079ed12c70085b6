//! The shared-memory ABI, version 1: every word that another process can see, and where it lies.
//!
//! Fixed-width integers in native (little-endian) order, each one a word of its own (`word`); no bool, no usize, no pointer, no
//! float. Sizes and offsets are asserted below and are the same on aarch64, arm and x86_64. This file is pure: it maps
//! nothing and trusts nothing; `region` maps, `packet_ring` and `frame_ring` give the words their meaning.
//!
//! Each field's doc says its unit and range, who writes it (W) and who reads it (R).

use crate::limits::{
    CODEC_HEADER_BYTES, COUNTERS, HISTOGRAM_BUCKETS, PACKET_DESCRIPTORS, PLANES, QUEUE_ENTRIES,
};
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

/// One packet: a cache line. W: engine; R: consumers. Valid only while `tail <= sequence < head`.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Descriptor<A: Access = LoadStore> {
    /// Number of the packet, from 0, without gaps.
    pub sequence: Word64<A>,
    /// Where its bytes begin, bytes since the ring began; modulo `data_bytes` gives the place.
    pub position: Word64<A>,
    /// Its bytes; 0 to `data_bytes`.
    pub length: Word32<A>,
    /// Low half: flags of `flag`. High half: the generation's low 16 bits.
    pub flags: Word32<A>,
    /// The producer's own timestamp of the frame, carried through unread; ns by convention.
    pub timestamp: Word64<A>,
    /// When the producer committed the frame, `CLOCK_MONOTONIC` ns; 0 when no frame belongs to the packet.
    pub committed: Word64<A>,
    /// When the frame was queued to the encoder, `CLOCK_MONOTONIC` ns.
    pub queued: Word64<A>,
    /// When the (last) coded buffer was dequeued, `CLOCK_MONOTONIC` ns.
    pub dequeued: Word64<A>,
    /// When the packet was published, `CLOCK_MONOTONIC` ns.
    pub published: Word64<A>,
}

/// The packet ring's moving words: a cache line of their own. W: engine; R: consumers.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Cursors<A: Access = LoadStore> {
    /// Sequence of the next packet to be published. Stored with Release after the packet is whole.
    pub head: Word64<A>,
    /// Sequence of the oldest packet still whole. Moves before anything is overwritten.
    pub tail: Word64<A>,
    /// Sequence + 1 of the newest key packet; 0 before the first.
    pub newest_key: Word64<A>,
    /// Futex word: changes with every packet.
    pub wake: Word32<A>,
    /// Zero.
    pub reserved: Word32<A>,
}

/// The engine's life. W: engine; R: anyone.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Status<A: Access = LoadStore> {
    /// `CLOCK_MONOTONIC` ns of the loop's latest turn; older than ten seconds means a stuck loop.
    pub heartbeat: Word64<A>,
    /// `CLOCK_MONOTONIC` ns at which the ring was made.
    pub created: Word64<A>,
    /// The engine's process id, in its own pid namespace.
    pub pid: Word32<A>,
    /// `State`, as a number.
    pub state: Word32<A>,
    /// Rises by one with each (re-)initialisation of the encoder; 1 is the first.
    pub generation: Word32<A>,
    /// Consumers connected now.
    pub consumers: Word32<A>,
    /// Producers connected now; 0 or 1.
    pub producers: Word32<A>,
    /// `NoSignal`, as a number: why there is no signal at the camera.
    pub no_signal: Word32<A>,
}

/// What goes in and what comes out. W: engine, before it runs, and again before the generation rises; R: anyone.
///
/// The words belong together, and `version` is odd while they are being written. To read them: load `version` with Acquire; load the
/// words; fence (Acquire); load `version` again. They are whole if it was even and is the same, otherwise try again, a bounded number of
/// times (a microsecond between two tries): an engine that was killed half-way leaves it odd for good.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Stream<A: Access = LoadStore> {
    /// Coded format, V4L2 fourcc.
    pub codec: Word32<A>,
    /// Raw format, V4L2 fourcc.
    pub format: Word32<A>,
    /// Visible width, pixels.
    pub width: Word32<A>,
    /// Visible height, rows.
    pub height: Word32<A>,
    /// Width that the driver works with, pixels; at least `width`.
    pub coded_width: Word32<A>,
    /// Height that the driver works with, rows; at least `height`.
    pub coded_height: Word32<A>,
    /// Frame rate: `rate_numerator / rate_denominator` frames per second, as frames are meant to come.
    pub rate_numerator: Word32<A>,
    /// See `rate_numerator`.
    pub rate_denominator: Word32<A>,
    /// Where the slots lie: `SlotMemory`, as a number.
    pub memory: Word32<A>,
    /// Slots of the frame ring.
    pub frame_slots: Word32<A>,
    /// 0 single-planar, 1 multi-planar V4L2 API.
    pub multiplanar: Word32<A>,
    /// Even: the words are whole. Odd: being written. Changes with every write.
    pub version: Word32<A>,
    /// Path of the device, UTF-8, padded with zeros.
    pub device: [Word64<A>; 8],
    /// Driver's name (`v4l2_capability::driver`), padded with zeros.
    pub driver: [Word64<A>; 2],
    /// Card's name (`v4l2_capability::card`), padded with zeros.
    pub card: [Word64<A>; 4],
    /// The first generation that is like this; packets carry its low 16 bits. They are written before `Status::generation` rises to it,
    /// and packets of it follow after that: whoever has a packet of a generation finds here what it is, or something later.
    pub generation: Word32<A>,
    /// Zero.
    pub reserved: Word32<A>,
    /// What the encoder makes of the frames' colour: `V4L2_COLORSPACE_*`, 0 to 12; 0 is not known.
    pub colorspace: Word32<A>,
    /// The same: `V4L2_XFER_FUNC_*`, 0 to 7; 0 follows from `colorspace`.
    pub transfer: Word32<A>,
    /// The same: `V4L2_YCBCR_ENC_*`, 0 to 8; 0 follows from `colorspace`.
    pub matrix: Word32<A>,
    /// The same: `V4L2_QUANTIZATION_*`, 0 to 2; 0 follows from `colorspace` and format.
    pub range: Word32<A>,
}

/// The codec headers of the stream, for consumers that join late. W: engine; R: consumers. `version` is odd while it
/// is being written and changes with every write.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct CodecHeaders<A: Access = LoadStore> {
    /// Even: `length` and `bytes` are whole. Odd: being written.
    pub version: Word32<A>,
    /// Bytes in use; 0 to `CODEC_HEADER_BYTES`.
    pub length: Word32<A>,
    /// The headers, packed eight bytes a word, little-endian.
    pub bytes: [Word64<A>; CODEC_HEADER_BYTES / 8],
}

/// A fixed-bucket latency histogram. W: engine; R: anyone. Buckets as in `stats::bucket_of`.
#[repr(C)]
#[derive(Debug)]
pub struct Histogram<A: Access = LoadStore> {
    /// Values counted.
    pub count: Word64<A>,
    /// The largest value, ns.
    pub max: Word64<A>,
    /// Values a bucket.
    pub buckets: [Word64<A>; HISTOGRAM_BUCKETS],
}

/// Everything before the descriptors of a packet ring.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct PacketHeader<A: Access = LoadStore> {
    /// `PACKET_MAGIC`. Stored last, with Release, when the ring is ready.
    pub magic: Word64<A>,
    /// `ABI_VERSION`.
    pub abi_version: Word32<A>,
    /// `PACKET_HEADER_BYTES`: offset of the descriptors.
    pub header_bytes: Word32<A>,
    /// Size of the whole memfd, bytes.
    pub total_bytes: Word64<A>,
    /// Number of descriptors; packet `n` has descriptor `n % descriptors`.
    pub descriptors: Word32<A>,
    /// Zero.
    pub reserved: Word32<A>,
    /// Offset of the payload bytes.
    pub data_offset: Word64<A>,
    /// Size of the payload circle, bytes; a power of two.
    pub data_bytes: Word64<A>,
    /// Where the ring stands.
    pub cursors: Cursors<A>,
    /// The engine's life.
    pub status: Status<A>,
    /// The stream's formats.
    pub stream: Stream<A>,
    /// Codec headers for late consumers.
    pub codec_headers: CodecHeaders<A>,
    /// Counters in the order of `stats::Counter`.
    pub counters: [Word64<A>; COUNTERS],
    /// Latencies in the order of `stats::Stage`.
    pub latency: [Histogram<A>; 3],
}

/// One slot's passage in a queue of the frame ring. W: the pushing side; R: the popping side, as an allegation.
#[repr(C)]
#[derive(Debug)]
pub struct QueueEntry {
    /// Index of the slot.
    pub slot: Word32,
    /// Zero.
    pub reserved: Word32,
    /// Filled queue: the producer's timestamp, ns by convention. Free queue: 0.
    pub timestamp: Word64,
    /// Filled queue: `CLOCK_MONOTONIC` ns of the commit. Free queue: 0.
    pub time: Word64,
}

/// A single-producer single-consumer queue of slots. Cursors count entries since the producer attached, modulo 2^32.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Queue {
    /// Entries pushed. W: pushing side, Release; R: popping side, Acquire.
    pub head: Word32,
    /// Entries popped. W: popping side. Advisory: the engine never reads the producer's.
    pub tail: Word32,
    /// Entry `n` lies at `n % QUEUE_ENTRIES`.
    pub entries: [QueueEntry; QUEUE_ENTRIES],
}

/// Where a colour plane lies in a slot. W: engine; R: producer.
#[repr(C)]
#[derive(Debug)]
pub struct PlaneGeometry {
    /// Which of the slot's memory planes (file descriptors) holds it.
    pub memory_plane: Word32,
    /// Offset of its first row in that memory plane, bytes.
    pub offset: Word32,
    /// Distance between rows, bytes.
    pub bytesperline: Word32,
    /// Bytes of a row that hold picture.
    pub row_bytes: Word32,
    /// Rows that hold picture.
    pub rows: Word32,
    /// Rows that there is room for; at least `rows`.
    pub allocated_rows: Word32,
}

/// The frame ring: all of it. The engine keeps its own cursors and slot states; these words are what the producer sees.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct FrameRing {
    /// `FRAME_MAGIC`.
    pub magic: Word64,
    /// `ABI_VERSION`.
    pub abi_version: Word32,
    /// Size of the whole memfd, bytes.
    pub total_bytes: Word32,
    /// Raw format, V4L2 fourcc.
    pub format: Word32,
    /// Visible width, pixels.
    pub width: Word32,
    /// Visible height, rows.
    pub height: Word32,
    /// Frame rate: `rate_numerator / rate_denominator` frames per second.
    pub rate_numerator: Word32,
    /// See `rate_numerator`.
    pub rate_denominator: Word32,
    /// Slots; 1 to `FRAME_SLOTS_MAX`.
    pub slots: Word32,
    /// Colour planes in use.
    pub planes: Word32,
    /// Memory planes (file descriptors) a slot.
    pub memory_planes: Word32,
    /// Where the slots lie: `SlotMemory`, as a number. All but `Copied` are dma-bufs: bracket CPU access with `DMA_BUF_IOCTL_SYNC`.
    pub memory: Word32,
    /// Zero.
    pub reserved: Word32,
    /// Bytes of each memory plane. In copy mode slot `n` begins at `n * copy_slot_bytes`.
    pub memory_bytes: [Word32; PLANES],
    /// Zero.
    pub reserved2: Word32,
    /// Colour planes.
    pub geometry: [PlaneGeometry; PLANES],
    /// Frames of this producer that are accounted for: published or dropped. W: engine, Release; R: producer.
    pub accounted: Word64,
    /// Frames of this producer that became a packet. W: engine; R: producer.
    pub published: Word64,
    /// Frames of this producer that were dropped. W: engine; R: producer.
    pub dropped: Word64,
    /// Slots with a frame in them, producer to engine.
    pub filled: Queue,
    /// Slots to fill, engine to producer.
    pub free: Queue,
}

#[cfg(not(loom))]
mod asserts {
    use super::*;
    use core::mem::{offset_of, size_of};

    const _: () = {
        assert!(cfg!(target_endian = "little"), "the ABI is little-endian");
        assert!(
            size_of::<Descriptor>() == 64,
            "a descriptor is a cache line"
        );
        assert!(size_of::<Cursors>() == 64);
        assert!(size_of::<Status>() == 64);
        assert!(size_of::<Stream>() == 192);
        assert!(size_of::<CodecHeaders>() == 64 + CODEC_HEADER_BYTES);
        assert!(size_of::<Histogram>() == 16 + 8 * HISTOGRAM_BUCKETS);
        assert!(offset_of!(PacketHeader, abi_version) == 8);
        assert!(offset_of!(PacketHeader, total_bytes) == 16);
        assert!(offset_of!(PacketHeader, descriptors) == 24);
        assert!(offset_of!(PacketHeader, data_offset) == 32);
        assert!(offset_of!(PacketHeader, data_bytes) == 40);
        assert!(offset_of!(PacketHeader, cursors) == 64);
        assert!(offset_of!(PacketHeader, status) == 128);
        assert!(offset_of!(PacketHeader, stream) == 192);
        assert!(offset_of!(PacketHeader, codec_headers) == 384);
        assert!(offset_of!(PacketHeader, counters) == 448 + CODEC_HEADER_BYTES);
        assert!(
            offset_of!(PacketHeader, latency) == offset_of!(PacketHeader, counters) + 8 * COUNTERS
        );
        assert!(size_of::<PacketHeader>() <= PACKET_HEADER_BYTES);
        assert!(size_of::<QueueEntry>() == 24);
        assert!(size_of::<Queue>() == 64 * (1 + QUEUE_ENTRIES * 24 / 64) || QUEUE_ENTRIES != 64);
        assert!(offset_of!(FrameRing, memory_bytes) == 56);
        assert!(offset_of!(FrameRing, geometry) == 72);
        assert!(offset_of!(FrameRing, accounted) == 144);
        assert!(offset_of!(FrameRing, filled) == 192);
        assert!(size_of::<FrameRing>() <= FRAME_RING_BYTES);
        assert!(PACKET_DESCRIPTORS.is_power_of_two() && QUEUE_ENTRIES.is_power_of_two());
    };
}

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
