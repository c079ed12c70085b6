//! ustreamer's memory sink: where the words of each version of it lie, and how they are written. Pure.
//!
//! It is one object with room for one frame: a header, then the coded bytes. The header is a C structure with pointers' widths and
//! `long double` in it, so that each version has one layout for 64-bit programs and another one for 32-bit ARM. Knows no file, no lock.

/// First word of an object that has a frame.
const MAGIC: u64 = 0xcafe_babe_cafe_babe;

/// Bytes of the longest header.
pub const SINK_HEADER_BYTES: usize = 160;

/// Longest name of an object, bytes: `NAME_MAX`.
pub const SINK_NAME_BYTES: usize = 255;

/// Room for a frame where the version's structure ends with it, bytes.
const FIXED_CAPACITY: u32 = 32 << 20;

/// The versions, in the order of the tables. Of 5 and 9 there was one release or none.
pub const SINK_VERSIONS: &str = "2 3 4 6 7 8 10";

/// Where the words of one version lie, bytes from the object's start. Those that are in the same place in all, or follow one of these
/// directly, are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkLayout {
    /// The version's number.
    pub version: u8,
    /// Width; height, format, stride, online, key and (from version 4 on) gop follow.
    width: u8,
    /// When the frame was grabbed, from version 8 on from when to when; when it was encoded, from when to when, follows.
    grab: u8,
    /// When a client came last.
    client: u8,
    /// A byte that a client sets to request a key frame; 0 where there is none.
    key_request: u8,
    /// The coded bytes.
    data: u8,
}

const fn layout([version, width, grab, client, key_request, data]: [u8; 6]) -> SinkLayout {
    SinkLayout {
        version,
        width,
        grab,
        client,
        key_request,
        data,
    }
}

/// Of 64-bit programs.
const WIDE: [SinkLayout; 7] = [
    layout([2, 32, 64, 112, 0, 128]),
    layout([3, 32, 64, 112, 128, 129]),
    layout([4, 32, 64, 112, 128, 129]),
    layout([6, 32, 64, 112, 128, 144]),
    layout([7, 52, 80, 32, 48, 128]),
    layout([8, 52, 80, 32, 48, 144]),
    layout([10, 68, 96, 32, 64, 160]),
];

/// Of 32-bit ARM's.
const NARROW: [SinkLayout; 7] = [
    layout([2, 28, 48, 72, 0, 80]),
    layout([3, 28, 48, 72, 80, 81]),
    layout([4, 28, 56, 80, 88, 89]),
    layout([6, 28, 56, 80, 88, 96]),
    layout([7, 44, 72, 32, 40, 96]),
    layout([8, 44, 72, 32, 40, 104]),
    layout([10, 60, 88, 32, 56, 120]),
];

/// Of programs for this processor.
pub const SINK_LAYOUTS: [SinkLayout; 7] = if cfg!(target_pointer_width = "64") {
    WIDE
} else {
    NARROW
};

/// What the C compiler makes of `long double`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Float {
    /// 64 bits: 32-bit ARM.
    Double,
    /// 80 bits in 16 bytes: x86.
    Extended,
    /// 128 bits: aarch64.
    Quad,
}

const FLOAT: Float = if cfg!(target_pointer_width = "32") {
    Float::Double
} else if cfg!(target_arch = "x86_64") {
    Float::Extended
} else {
    Float::Quad
};

impl Float {
    /// Bytes from one to the next.
    const fn bytes(self) -> usize {
        match self {
            Self::Double => 8,
            Self::Extended | Self::Quad => 16,
        }
    }

    /// Bytes of a `size_t` where floats are like this.
    const fn pointer_bytes(self) -> usize {
        self.bytes() / 2
    }

    /// So many ns as seconds, to 2^-32 s; the first `bytes` bytes count. Made of whole numbers: not every processor has these floats.
    fn seconds(self, ns: u64) -> [u8; 16] {
        const SECOND: u64 = 1_000_000_000;
        let fixed = ((ns / SECOND) << 32) | (((ns % SECOND) << 32) / SECOND);
        let mut bytes = [0; 16];
        if fixed == 0 {
            return bytes;
        }
        let zeros = fixed.leading_zeros();
        let mantissa = fixed << zeros;
        // Without its leading one.
        let fraction = mantissa << 1;
        // Of the leading one, more than -33.
        let exponent = |bias: u64| bias + 31 - u64::from(zeros);
        let (low, high) = match self {
            Self::Double => ((exponent(1023) << 52) | (fraction >> 12), 0),
            Self::Extended => (mantissa, exponent(16383)),
            Self::Quad => (fraction << 48, (exponent(16383) << 48) | (fraction >> 16)),
        };
        bytes[..8].copy_from_slice(&low.to_le_bytes());
        bytes[8..].copy_from_slice(&high.to_le_bytes());
        bytes
    }
}

/// Bytes of the header that say which frame is in it: magic number, version, id and length.
pub const SINK_FRAME_WORDS: usize = 24 + FLOAT.pointer_bytes();

/// What the header says of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinkFrame {
    /// Another one than that of the frame before; 0 is what readers begin with.
    pub id: u64,
    /// Coded bytes.
    pub bytes: u64,
    /// V4L2's code of the coded format.
    pub format: u32,
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Whether decoding can start here.
    pub key: bool,
    /// Frames from key frame to key frame; 0 where each is one.
    pub gop: u32,
    /// When it was grabbed, ns.
    pub grabbed: u64,
    /// When it went into the encoder, ns.
    pub queued: u64,
    /// When it came out, ns.
    pub dequeued: u64,
}

/// A header as it lies in the object.
pub type SinkHeader = [u8; SINK_HEADER_BYTES];

impl SinkLayout {
    /// Where the coded bytes lie: as many bytes as the header has.
    #[must_use]
    pub fn data(&self) -> usize {
        self.data.into()
    }

    /// Whether its times are those of `CLOCK_MONOTONIC_RAW`, as they were before ustreamer 5.42.
    #[must_use]
    pub fn raw_clock(&self) -> bool {
        self.version < 4
    }

    /// Room for a frame in an object of this name, bytes; `None` where the version wants a name that says it.
    #[must_use]
    pub fn capacity(&self, name: &[u8]) -> Option<u32> {
        if self.version < 6 {
            return Some(FIXED_CAPACITY);
        }
        match name.rsplit(|byte| matches!(byte, b':' | b'.')).next() {
            Some(b"h264") => Some(2 << 20),
            Some(b"jpeg") => Some(4 << 20),
            _ => None,
        }
    }

    /// Bytes of an object with this room.
    #[must_use]
    pub fn object_bytes(&self, capacity: u32) -> u64 {
        self.object_bytes_with(FLOAT, capacity)
    }

    fn object_bytes_with(&self, float: Float, capacity: u32) -> u64 {
        (u64::from(self.data) + u64::from(capacity)).next_multiple_of(float.bytes() as u64)
    }

    /// What changes whenever a client came.
    #[must_use]
    pub fn client(&self, header: &SinkHeader) -> [u8; 16] {
        let mut time = [0; 16];
        let at = usize::from(self.client);
        time[..FLOAT.bytes()].copy_from_slice(&header[at..at + FLOAT.bytes()]);
        time
    }

    /// Whether a client requests a key frame.
    #[must_use]
    pub fn key_requested(&self, header: &SinkHeader) -> bool {
        self.key_request != 0 && header[usize::from(self.key_request)] != 0
    }

    /// The first words of an object without a frame: readers leave their time in it, and see nothing new.
    #[must_use]
    pub fn no_frame(&self) -> [u8; SINK_FRAME_WORDS] {
        let mut words = [0; SINK_FRAME_WORDS];
        words[..8].copy_from_slice(&MAGIC.to_le_bytes());
        words[8] = self.version;
        words
    }

    /// Writes what is known of a frame. What clients write stays, but a key frame answers the request for one.
    pub fn describe(&self, header: &mut SinkHeader, frame: &SinkFrame) {
        self.describe_with(FLOAT, header, frame);
    }

    fn describe_with(&self, float: Float, header: &mut SinkHeader, frame: &SinkFrame) {
        let mut put = |at: u8, bytes: &[u8]| {
            header[usize::from(at)..][..bytes.len()].copy_from_slice(bytes);
        };
        put(0, &MAGIC.to_le_bytes());
        put(8, &u32::from(self.version).to_le_bytes());
        put(16, &frame.id.to_le_bytes());
        put(24, &frame.bytes.to_le_bytes()[..float.pointer_bytes()]);
        const ONLINE: u32 = 1;
        // No stride.
        let words = [frame.size.0, frame.size.1, frame.format, 0];
        let flags = [ONLINE | (u32::from(frame.key) << 8), frame.gop];
        put(self.width, words.map(u32::to_le_bytes).as_flattened());
        if self.version < 4 {
            // Two bytes; others' words may follow.
            put(self.width + 16, &flags[0].to_le_bytes()[..2]);
        } else {
            put(self.width + 16, flags.map(u32::to_le_bytes).as_flattened());
        }
        let times = [frame.grabbed, frame.grabbed, frame.queued, frame.dequeued];
        let once = usize::from(self.version < 8);
        let mut at = self.grab;
        for &ns in &times[once..] {
            put(at, &float.seconds(ns)[..float.bytes()]);
            at += float.bytes() as u8;
        }
        if frame.key && self.key_request != 0 {
            put(self.key_request, &[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A version's offsets, in this order: width, height, format, stride, online, key, gop, grab (begin), grab end, encode begin, encode
    /// end, last client, key request, data, and the whole object's bytes; 0 where there is none. As a C compiler lays ustreamer's own
    /// structures out.
    type Row = (u8, [usize; 14], u64);

    const H264: u64 = 2 << 20;

    const WIDE_ROWS: [Row; 7] = [
        (
            2,
            [32, 36, 40, 44, 48, 49, 0, 64, 0, 80, 96, 112, 0, 128],
            33_554_560,
        ),
        (
            3,
            [32, 36, 40, 44, 48, 49, 0, 64, 0, 80, 96, 112, 128, 129],
            33_554_576,
        ),
        (
            4,
            [32, 36, 40, 44, 48, 49, 52, 64, 0, 80, 96, 112, 128, 129],
            33_554_576,
        ),
        (
            6,
            [32, 36, 40, 44, 48, 49, 52, 64, 0, 80, 96, 112, 128, 144],
            144 + H264,
        ),
        (
            7,
            [52, 56, 60, 64, 68, 69, 72, 80, 0, 96, 112, 32, 48, 128],
            128 + H264,
        ),
        (
            8,
            [52, 56, 60, 64, 68, 69, 72, 80, 96, 112, 128, 32, 48, 144],
            144 + H264,
        ),
        (
            10,
            [68, 72, 76, 80, 84, 85, 88, 96, 112, 128, 144, 32, 64, 160],
            160 + H264,
        ),
    ];

    const NARROW_ROWS: [Row; 7] = [
        (
            2,
            [28, 32, 36, 40, 44, 45, 0, 48, 0, 56, 64, 72, 0, 80],
            33_554_512,
        ),
        (
            3,
            [28, 32, 36, 40, 44, 45, 0, 48, 0, 56, 64, 72, 80, 81],
            33_554_520,
        ),
        (
            4,
            [28, 32, 36, 40, 44, 45, 48, 56, 0, 64, 72, 80, 88, 89],
            33_554_528,
        ),
        (
            6,
            [28, 32, 36, 40, 44, 45, 48, 56, 0, 64, 72, 80, 88, 96],
            96 + H264,
        ),
        (
            7,
            [44, 48, 52, 56, 60, 61, 64, 72, 0, 80, 88, 32, 40, 96],
            96 + H264,
        ),
        (
            8,
            [44, 48, 52, 56, 60, 61, 64, 72, 80, 88, 96, 32, 40, 104],
            104 + H264,
        ),
        (
            10,
            [60, 64, 68, 72, 76, 77, 80, 88, 96, 104, 112, 32, 56, 120],
            120 + H264,
        ),
    ];

    const FRAME: SinkFrame = SinkFrame {
        id: 0x1122_3344_5566_7788,
        bytes: 0x1234_5678,
        format: u32::from_le_bytes(*b"H264"),
        size: (1920, 1088),
        key: true,
        gop: 60,
        grabbed: 1_500_000_000,
        queued: 2_500_000_000,
        dequeued: 3_500_000_000,
    };

    /// Every byte that the table says is written, and what with.
    fn expected(row: &Row, float: Float) -> Vec<(usize, Vec<u8>)> {
        let (version, offsets, _) = *row;
        let [
            width,
            height,
            format,
            stride,
            online,
            key,
            gop,
            grab,
            grab_end,
            begin,
            end,
            _,
            request,
            _,
        ] = offsets;
        let time = |ns| float.seconds(ns)[..float.bytes()].to_vec();
        let mut all = std::vec![
            (0, 0xcafe_babe_cafe_babe_u64.to_le_bytes().to_vec()),
            (8, u32::from(version).to_le_bytes().to_vec()),
            (16, FRAME.id.to_le_bytes().to_vec()),
            (24, FRAME.bytes.to_le_bytes()[..float.bytes() / 2].to_vec()),
            (width, 1920u32.to_le_bytes().to_vec()),
            (height, 1088u32.to_le_bytes().to_vec()),
            (format, b"H264".to_vec()),
            (stride, std::vec![0; 4]),
            (online, std::vec![1]),
            (key, std::vec![1]),
            (grab, time(FRAME.grabbed)),
            (begin, time(FRAME.queued)),
            (end, time(FRAME.dequeued)),
        ];
        for (at, bytes) in [
            (gop, 60u32.to_le_bytes().to_vec()),
            (grab_end, time(FRAME.grabbed)),
            (request, std::vec![0]),
        ] {
            if at != 0 {
                all.push((at, bytes));
            }
        }
        all
    }

    #[test]
    fn each_word_lies_where_ustreamers_own_programs_have_it() {
        for (layouts, rows, float) in [
            (WIDE, WIDE_ROWS, Float::Quad),
            (WIDE, WIDE_ROWS, Float::Extended),
            (NARROW, NARROW_ROWS, Float::Double),
        ] {
            for (layout, row) in layouts.iter().zip(&rows) {
                assert_eq!((layout.version, layout.data()), (row.0, row.1[13]));
                // Bytes that clients write, and those between the words, stay as they are.
                let mut header = [0xee; SINK_HEADER_BYTES];
                let mut reference = header;
                for (at, bytes) in expected(row, float) {
                    reference[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                layout.describe_with(float, &mut header, &FRAME);
                // Padding behind `key` may be written.
                let padding = row.1[5] + 1..row.1[5] + 3;
                header[padding.clone()].fill(0);
                reference[padding].fill(0);
                assert_eq!(header, reference, "version {} {float:?}", row.0);
                assert!(layout.data() <= SINK_HEADER_BYTES);
                let capacity = layout.capacity(b"a:h264").unwrap();
                assert_eq!(
                    layout.object_bytes_with(float, capacity),
                    row.2,
                    "{}",
                    row.0
                );
            }
        }
    }

    #[test]
    fn what_clients_write_is_seen_where_they_write_it() {
        let (layouts, rows) = (
            SINK_LAYOUTS,
            if FLOAT == Float::Double {
                NARROW_ROWS
            } else {
                WIDE_ROWS
            },
        );
        for (layout, row) in layouts.iter().zip(&rows) {
            let (client, request) = (row.1[11], row.1[12]);
            let mut header = [0; SINK_HEADER_BYTES];
            let before = layout.client(&header);
            header[client + FLOAT.bytes() - 1] = 0x40;
            assert_ne!(layout.client(&header), before);
            assert!(!layout.key_requested(&header));
            if request == 0 {
                continue;
            }
            header[request] = 1;
            assert!(layout.key_requested(&header));
            layout.describe(
                &mut header,
                &SinkFrame {
                    key: false,
                    ..FRAME
                },
            );
            assert!(layout.key_requested(&header), "no key frame came");
            layout.describe(&mut header, &FRAME);
            assert!(!layout.key_requested(&header));
        }
    }

    #[test]
    fn seconds_are_floats_of_each_kind() {
        for ns in [
            1,
            250_000_000,
            1_000_000_000,
            12_345_678_000_000,
            86_400_000_000_000_000,
        ] {
            let bytes = Float::Double.seconds(ns);
            let double = f64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert!((double - ns as f64 / 1e9).abs() < 1e-9, "{ns}: {double}");
            // 128 bits have the double's fraction in front and another bias.
            let quad = u128::from_le_bytes(Float::Quad.seconds(ns));
            let widened = double.to_bits();
            let exponent = u128::from((widened >> 52) + 15360) << 112;
            let fraction = u128::from(widened & ((1 << 52) - 1)) << 60;
            assert_eq!(quad >> 60, (exponent | fraction) >> 60, "{ns}");
            // 80 bits have their leading one.
            let extended = u128::from_le_bytes(Float::Extended.seconds(ns));
            assert_eq!(extended >> 64, quad >> 112);
            assert_eq!(
                extended as u64,
                (1 << 63) | ((quad >> 49) as u64 & (u64::MAX >> 1))
            );
        }
        // Widened by a compiler: 12345.678 s.
        let quad = u128::from_le_bytes(Float::Quad.seconds(12_345_678_000_000));
        assert_eq!(quad >> 80, 0x400c_81cd_6c8b_4395_8000_0000_0000_0000 >> 80);
        assert_eq!(Float::Quad.seconds(0), [0; 16]);
        assert_eq!(Float::Double.seconds(u64::MAX)[8..], [0; 8]);
    }

    #[test]
    fn room_is_what_the_version_or_the_name_says() {
        for (layout, version) in SINK_LAYOUTS.iter().zip(SINK_VERSIONS.split(' ')) {
            assert_eq!(std::string::ToString::to_string(&layout.version), version);
            let rooms = [
                &b"kvmd::ustreamer::h264"[..],
                b"a.jpeg",
                b"h264",
                b"a",
                b"a.raw",
            ]
            .map(|name| layout.capacity(name));
            let rooms = rooms.map(|room| room.map(|bytes| bytes >> 20));
            assert_eq!(
                rooms,
                match layout.version {
                    2..=5 => [Some(32); 5],
                    _ => [Some(2), Some(4), Some(2), None, None],
                }
            );
        }
    }
}
