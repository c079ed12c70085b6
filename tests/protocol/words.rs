//! Every word of the shared memory by its name, with its offset and size as the compiler has them. For tests that compare them with what
//! others say of them: the protocol's document, the C header.

use std::mem::offset_of;

use framemill::shm::layout::{
    Descriptor, FrameRing, Histogram, PacketHeader, PlaneGeometry, QueueEntry,
};

/// A word, or several of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As the document calls it.
    pub name: String,
    /// From the beginning of the ring, the descriptor or the entry, bytes.
    pub offset: usize,
    /// Bytes of one.
    pub bytes: usize,
    /// How many.
    pub count: usize,
}

/// Bytes of a field, without its value.
const fn field_bytes<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! words {
    ($type:ty: $($($field:ident).+ = $bytes:literal,)*) => {
        vec![$(Word {
            name: [$(stringify!($field)),+].join("."),
            offset: offset_of!($type, $($field).+),
            bytes: $bytes,
            count: field_bytes(|it: &$type| &it.$($field).+) / $bytes,
        }),*]
    };
}

/// The words of a packet ring's header.
pub fn packet_header() -> Vec<Word> {
    let mut words = words! { PacketHeader:
        magic = 8, abi_version = 4, header_bytes = 4, total_bytes = 8, descriptors = 4, descriptor_bytes = 4, data_offset = 8,
        data_bytes = 8, codec_header_bytes = 4, counter_words = 4, histogram_buckets = 4, histograms = 4,
        cursors.head = 8, cursors.tail = 8, cursors.newest_key = 8, cursors.wake = 4, cursors.reserved = 4,
        status.heartbeat = 8, status.created = 8, status.pid = 4, status.state = 4, status.generation = 4, status.consumers = 4,
        status.producers = 4, status.no_signal = 4,
        stream.codec = 4, stream.format = 4, stream.width = 4, stream.height = 4, stream.coded_width = 4, stream.coded_height = 4,
        stream.rate_numerator = 4, stream.rate_denominator = 4, stream.memory = 4, stream.frame_slots = 4, stream.multiplanar = 4,
        stream.version = 4, stream.device = 8, stream.driver = 8, stream.card = 8, stream.generation = 4, stream.reserved = 4,
        stream.colorspace = 4, stream.transfer = 4, stream.matrix = 4, stream.range = 4,
        codec_headers.version = 4, codec_headers.length = 4, codec_headers.bytes = 8,
        counters = 8,
    };
    let first = offset_of!(PacketHeader, latency);
    let bytes = size_of::<Histogram>();
    for number in 0..field_bytes(|it: &PacketHeader| &it.latency) / bytes {
        words.push(Word {
            name: format!("latency[{number}]"),
            offset: first + number * bytes,
            bytes: 8,
            count: bytes / 8,
        });
    }
    words
}

/// The words of a descriptor of the packet ring.
pub fn descriptor() -> Vec<Word> {
    words! { Descriptor:
        sequence = 8, position = 8, length = 4, flags = 4, timestamp = 8, committed = 8, queued = 8, dequeued = 8, published = 8,
    }
}

/// The words of a frame ring.
pub fn frame_ring() -> Vec<Word> {
    let mut words = words! { FrameRing:
        magic = 8, abi_version = 4, total_bytes = 4, format = 4, width = 4, height = 4, rate_numerator = 4, rate_denominator = 4,
        slots = 4, planes = 4, memory_planes = 4, memory = 4, reserved = 4, memory_bytes = 4, reserved2 = 4,
    };
    let first = offset_of!(FrameRing, geometry);
    let bytes = size_of::<PlaneGeometry>();
    for plane in 0..field_bytes(|it: &FrameRing| &it.geometry) / bytes {
        for word in words! { PlaneGeometry:
            memory_plane = 4, offset = 4, bytesperline = 4, row_bytes = 4, rows = 4, allocated_rows = 4,
        } {
            words.push(Word {
                name: format!("geometry[{plane}].{}", word.name),
                offset: first + plane * bytes + word.offset,
                ..word
            });
        }
    }
    words.extend(words! { FrameRing:
        accounted = 8, published = 8, dropped = 8, filled_offset = 4, free_offset = 4, queue_entries = 4, queue_entry_bytes = 4,
        planes_max = 4, copy_alignment = 4,
        filled.head = 4, filled.tail = 4, filled.entries = 8, free.head = 4, free.tail = 4, free.entries = 8,
    });
    words
}

/// The words of an entry of a frame ring's queue.
pub fn queue_entry() -> Vec<Word> {
    words! { QueueEntry: slot = 4, reserved = 4, timestamp = 8, time = 8, }
}
