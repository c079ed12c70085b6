//! The frame ring's words. W: who writes, R: who reads.

use core::mem::{offset_of, size_of};

use crate::limits::{PLANES, QUEUE_ENTRIES};
use crate::shm::word::{Word32, Word64};

/// One slot's passage in a queue of the frame ring. W: the pushing side; R: the popping side, which does not trust it.
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
    /// Entry `n` lies at `n % queue_entries`.
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
    /// Bytes of each memory plane. In copy mode they lie one behind the other, each at the next multiple of `copy_alignment`, and
    /// so do the slots.
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
    /// Offset of `filled` in this ring, bytes.
    pub filled_offset: Word32,
    /// Offset of `free` in this ring, bytes.
    pub free_offset: Word32,
    /// Entries of each queue, a power of two: entry `n` lies at `n % queue_entries`.
    pub queue_entries: Word32,
    /// Bytes of an entry.
    pub queue_entry_bytes: Word32,
    /// Room for planes in `memory_bytes` and `geometry`.
    pub planes_max: Word32,
    /// In copy mode each memory plane begins at a multiple of so many bytes, a power of two.
    pub copy_alignment: Word32,
    /// Slots with a frame in them, producer to engine.
    pub filled: Queue,
    /// Slots to fill, engine to producer.
    pub free: Queue,
}

/// The words that say what version 1 of the ABI leaves open: the offset of each, and the value that it has here.
pub const FRAME_CAPACITIES: [(u16, u32); 8] = [
    (
        offset_of!(FrameRing, abi_version) as u16,
        super::ABI_VERSION,
    ),
    (
        offset_of!(FrameRing, total_bytes) as u16,
        super::FRAME_RING_BYTES as u32,
    ),
    (
        offset_of!(FrameRing, filled_offset) as u16,
        offset_of!(FrameRing, filled) as u32,
    ),
    (
        offset_of!(FrameRing, free_offset) as u16,
        offset_of!(FrameRing, free) as u32,
    ),
    (
        offset_of!(FrameRing, queue_entries) as u16,
        QUEUE_ENTRIES as u32,
    ),
    (
        offset_of!(FrameRing, queue_entry_bytes) as u16,
        size_of::<QueueEntry>() as u32,
    ),
    (offset_of!(FrameRing, planes_max) as u16, PLANES as u32),
    (
        offset_of!(FrameRing, copy_alignment) as u16,
        super::COPY_ALIGNMENT as u32,
    ),
];

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<QueueEntry>() == 24);
    assert!(size_of::<Queue>() == 64 * (1 + QUEUE_ENTRIES * 24 / 64) || QUEUE_ENTRIES != 64);
    assert!(offset_of!(FrameRing, memory_bytes) == 56);
    assert!(offset_of!(FrameRing, geometry) == 72);
    assert!(offset_of!(FrameRing, accounted) == 144);
    assert!(offset_of!(FrameRing, filled_offset) == 168);
    assert!(offset_of!(FrameRing, filled) == 192);
    assert!(offset_of!(FrameRing, free) == 1792);
    assert!(size_of::<FrameRing>() <= super::FRAME_RING_BYTES);
};
