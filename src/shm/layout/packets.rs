//! The packet ring's words. W: who writes, R: who reads.

use core::mem::{offset_of, size_of};

use crate::limits::{CODEC_HEADER_BYTES, COUNTERS, HISTOGRAM_BUCKETS, PACKET_DESCRIPTORS};
use crate::shm::word::{Access, LoadStore, Word32, Word64};

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

/// The engine's state. W: engine; R: anyone.
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
    /// Bytes of a descriptor.
    pub descriptor_bytes: Word32<A>,
    /// Offset of the payload bytes.
    pub data_offset: Word64<A>,
    /// Size of the payload circle, bytes; a power of two.
    pub data_bytes: Word64<A>,
    /// Room for codec headers, bytes.
    pub codec_header_bytes: Word32<A>,
    /// Room for counters; those that the engine does not know are zero.
    pub counter_words: Word32<A>,
    /// Buckets of a histogram.
    pub histogram_buckets: Word32<A>,
    /// Histograms.
    pub histograms: Word32<A>,
    /// Where the ring stands.
    pub cursors: Cursors<A>,
    /// The engine's state.
    pub status: Status<A>,
    /// The stream's formats.
    pub stream: Stream<A>,
    /// Codec headers for late consumers.
    pub codec_headers: CodecHeaders<A>,
    /// Counters in the order of `stats::Counter`.
    pub counters: [Word64<A>; COUNTERS],
    /// Latencies in the order of `stats::Stage`.
    pub latency: [Histogram<A>; HISTOGRAMS],
}

const HISTOGRAMS: usize = 3;

/// The words that say what version 1 of the ABI leaves open: the offset of each, and the value that it has here.
pub const PACKET_CAPACITIES: [(u16, u32); 8] = [
    (
        offset_of!(PacketHeader, abi_version) as u16,
        super::ABI_VERSION,
    ),
    (
        offset_of!(PacketHeader, header_bytes) as u16,
        super::PACKET_HEADER_BYTES as u32,
    ),
    (
        offset_of!(PacketHeader, descriptors) as u16,
        PACKET_DESCRIPTORS as u32,
    ),
    (
        offset_of!(PacketHeader, descriptor_bytes) as u16,
        size_of::<Descriptor>() as u32,
    ),
    (
        offset_of!(PacketHeader, codec_header_bytes) as u16,
        CODEC_HEADER_BYTES as u32,
    ),
    (
        offset_of!(PacketHeader, counter_words) as u16,
        COUNTERS as u32,
    ),
    (
        offset_of!(PacketHeader, histogram_buckets) as u16,
        HISTOGRAM_BUCKETS as u32,
    ),
    (
        offset_of!(PacketHeader, histograms) as u16,
        HISTOGRAMS as u32,
    ),
];

#[cfg(not(loom))]
const _: () = {
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
    assert!(offset_of!(PacketHeader, codec_header_bytes) == 48);
    assert!(offset_of!(PacketHeader, cursors) == 64);
    assert!(offset_of!(PacketHeader, status) == 128);
    assert!(offset_of!(PacketHeader, stream) == 192);
    assert!(offset_of!(PacketHeader, codec_headers) == 384);
    assert!(offset_of!(PacketHeader, counters) == 448 + CODEC_HEADER_BYTES);
    assert!(offset_of!(PacketHeader, latency) == offset_of!(PacketHeader, counters) + 8 * COUNTERS);
    assert!(size_of::<PacketHeader>() <= super::PACKET_HEADER_BYTES);
};
