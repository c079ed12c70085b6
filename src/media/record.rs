//! The header before each packet of `tap --mux packets`: 32 bytes, numbers little-endian, for programs in any language.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 to 3 | `FMp1`: the format and its version |
//! | 4 to 7 | the codec, V4L2's four characters: `H264` |
//! | 8 to 11 | bytes that follow this header |
//! | 12, 13 | flags of `shm::layout::flag`: 1 key frame, 2 begins with the codec headers, 4 damaged, 8 something was lost or restarted before it, or its time does not follow from the one before, 16 the end: no bytes, and nothing follows |
//! | 14, 15 | generation of the encoder, its low 16 bits |
//! | 16 to 23 | time, ns: the first producer's timestamps, which later producers continue |
//! | 24 to 31 | sequence of the packet; what is missing was lost |

use super::fourcc::Fourcc;

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The codec.
    pub codec: Fourcc,
    /// Bytes that follow.
    pub length: u32,
    /// Flags, of which there are at most 16.
    pub flags: u32,
    /// Generation.
    pub generation: u16,
    /// Time, ns.
    pub timestamp: u64,
    /// Sequence.
    pub sequence: u64,
}

impl Record {
    /// The header.
    #[must_use]
    pub fn header(&self) -> [u8; 32] {
        let mut header = *b"FMp1----------------------------";
        header[4..8].copy_from_slice(&self.codec.0.to_le_bytes());
        header[8..12].copy_from_slice(&self.length.to_le_bytes());
        let marks = self.flags | u32::from(self.generation) << 16;
        header[12..16].copy_from_slice(&marks.to_le_bytes());
        header[16..24].copy_from_slice(&self.timestamp.to_le_bytes());
        header[24..].copy_from_slice(&self.sequence.to_le_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_the_table_says() {
        let header = Record {
            codec: Fourcc::HEVC,
            length: 0x0403_0201,
            flags: 0x0605,
            generation: 0x0807,
            timestamp: 0x100f_0e0d_0c0b_0a09,
            sequence: 0x1817_1615_1413_1211,
        }
        .header();
        assert_eq!(&header[..8], b"FMp1HEVC");
        assert!(header[8..].iter().copied().eq(1..25));
    }
}
