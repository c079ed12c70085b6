//! EDIDs: what a video source reads of the display at its end of the cable (VESA E-EDID, CTA-861).
//!
//! Knows the format: makes one for a mode, and checks one that somebody else made. Knows no device and no file.

use core::fmt;

/// Bytes of a block.
pub const BLOCK: usize = 128;

/// Most blocks that are taken.
pub const BLOCKS: usize = 4;

/// The first bytes of each EDID.
const MAGIC: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];

/// A picture that a source is to send, at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Number in CTA-861's list.
    vic: u8,
    /// Pixel clock, units of 10 kHz.
    clock: u16,
    /// Visible, blanked, front porch and sync: columns, and rows.
    columns: [u16; 4],
    rows: [u16; 4],
}

/// The modes' names, in the order of `MODES`.
pub const MODE_NAMES: &str = "720p60 1080p30 1080p60";

/// CTA-861: VIC 4, 34 and 16.
pub const MODES: [Mode; 3] = [
    Mode {
        vic: 4,
        clock: 7425,
        columns: [1280, 370, 110, 40],
        rows: [720, 30, 5, 5],
    },
    Mode {
        vic: 34,
        clock: 7425,
        columns: [1920, 280, 88, 44],
        rows: [1080, 45, 4, 5],
    },
    Mode {
        vic: 16,
        clock: 14850,
        columns: [1920, 280, 88, 44],
        rows: [1080, 45, 4, 5],
    },
];

/// An EDID that offers this mode, and 640x480, which every source can send and every display has to take. It offers no audio.
#[must_use]
pub fn of_mode(mode: &Mode) -> [u8; 2 * BLOCK] {
    let mut edid = [0; 2 * BLOCK];
    let (base, extension) = edid.split_at_mut(BLOCK);
    base[..8].copy_from_slice(&MAGIC);
    // Manufacturer LNX, product 0x464d, serial 0, made in 2026; version 1.3.
    base[8..20].copy_from_slice(&[0x31, 0xd8, 0x4d, 0x46, 0, 0, 0, 0, 1, 36, 1, 3]);
    // Digital; of no size; gamma 2.2; RGB, sRGB, and the first timing is the preferred one.
    base[20..25].copy_from_slice(&[0x80, 0, 0, 120, 0x0e]);
    // The primaries of sRGB.
    base[25..35].copy_from_slice(&[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // 640x480 at 60; no other timings but those below.
    base[35..38].copy_from_slice(&[0x20, 0, 0]);
    base[38..54].fill(1);
    base[54..72].copy_from_slice(&detailed(mode));
    base[72..90].copy_from_slice(b"\0\0\0\xfc\0Framemill\n   ");
    // 24 to 75 pictures a second, 15 to 70 thousand rows a second, and the pixel clock, tens of MHz, rounded up.
    base[90..108].copy_from_slice(b"\0\0\0\xfd\0\x18\x4b\x0f\x46\0\0\n      ");
    base[99] = mode.clock.div_ceil(1000) as u8;
    base[108..126].copy_from_slice(&[0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    base[126] = 1;

    // CTA-861, version 3: what follows up to byte 18; underscanned, and one timing of the base block is native.
    extension[..4].copy_from_slice(&[2, 3, 18, 0x81]);
    // Video: the mode, and 640x480. HDMI: address 1.0.0.0, and the clock in units of 5 MHz.
    extension[4..7].copy_from_slice(&[0x42, mode.vic, 1]);
    extension[7..15].copy_from_slice(&[0x67, 3, 0x0c, 0, 0x10, 0, 0, 0]);
    extension[14] = mode.clock.div_ceil(500) as u8;
    // The source may choose the range of its samples, and says which; nothing is cut off at the edges.
    extension[15..18].copy_from_slice(&[0xe2, 0, 0x4a]);
    correct_checksums(&mut edid);
    edid
}

/// A detailed timing descriptor (3.10.2), sync positive.
fn detailed(mode: &Mode) -> [u8; 18] {
    let [width, blanked, front, sync] = mode.columns;
    let [height, rows_blanked, rows_front, rows_sync] = mode.rows;
    let high = |a: u16, b: u16| (a >> 4) as u8 & 0xf0 | (b >> 8) as u8;
    let [clock_low, clock_high] = mode.clock.to_le_bytes();
    [
        clock_low,
        clock_high,
        width as u8,
        blanked as u8,
        high(width, blanked),
        height as u8,
        rows_blanked as u8,
        high(height, rows_blanked),
        front as u8,
        sync as u8,
        (rows_front << 4) as u8 | rows_sync as u8,
        (front >> 2) as u8 & 0xc0 | (sync >> 4) as u8 & 0x30,
        0,
        0,
        0,
        0,
        0,
        0x1e,
    ]
}

fn sum(block: &[u8]) -> u8 {
    block.iter().fold(0, |sum, &byte| sum.wrapping_add(byte))
}

/// Why bytes are no EDID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEdid {
    /// Not one to four whole blocks.
    Length,
    /// They begin as none does.
    Magic,
    /// The base block says that so many extensions follow, and so many do.
    Extensions(u8, usize),
}

impl fmt::Display for NoEdid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length => write!(f, "an EDID has 128, 256, 384 or 512 bytes"),
            Self::Magic => f.write_str("no EDID: it does not begin with 00 ff ff ff ff ff ff 00"),
            Self::Extensions(said, found) => write!(
                f,
                "byte 126 says that {said} more blocks follow, and {found} do"
            ),
        }
    }
}

/// Whether bytes are an EDID, but for its checksums.
///
/// # Errors
/// When they are not.
pub fn check(edid: &[u8]) -> Result<(), NoEdid> {
    let blocks = edid.len() / BLOCK;
    if !edid.len().is_multiple_of(BLOCK) || !(1..=BLOCKS).contains(&blocks) {
        return Err(NoEdid::Length);
    }
    if !edid.starts_with(&MAGIC) {
        return Err(NoEdid::Magic);
    }
    let said = edid.get(126).copied().unwrap_or(0);
    if usize::from(said) != blocks - 1 {
        return Err(NoEdid::Extensions(said, blocks - 1));
    }
    Ok(())
}

/// Makes the last byte of each block what it has to be: the sum of a block is 0. Gives how many were not.
pub fn correct_checksums(edid: &mut [u8]) -> usize {
    let mut corrected = 0;
    for block in edid.chunks_exact_mut(BLOCK) {
        let excess = sum(block);
        block[BLOCK - 1] = block[BLOCK - 1].wrapping_sub(excess);
        corrected += usize::from(excess != 0);
    }
    corrected
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn each_mode_has_an_edid_of_its_own_that_is_one() {
        for mode in &MODES {
            let edid = of_mode(mode);
            assert_eq!(check(&edid), Ok(()));
            assert_eq!(correct_checksums(&mut edid.clone()), 0);
            let timing = &edid[54..72];
            let width = u16::from(timing[2]) | u16::from(timing[4] & 0xf0) << 4;
            let height = u16::from(timing[5]) | u16::from(timing[7] & 0xf0) << 4;
            assert_eq!([width, height], [mode.columns[0], mode.rows[0]]);
            // Byte 131, bit 6: basic audio.
            assert_eq!(edid[131] & 0x40, 0);
        }
        assert_ne!(of_mode(&MODES[1]), of_mode(&MODES[2]));
        assert_eq!(
            crate::text::words(MODE_NAMES.as_bytes()).count(),
            MODES.len()
        );
    }

    #[test]
    fn what_is_no_edid_is_told_from_one() {
        let good = of_mode(&MODES[0]);
        for length in [0, 1, 127, 129, 5 * 128] {
            assert_eq!(check(&vec![0; length]), Err(NoEdid::Length));
        }
        assert_eq!(check(&[7; 128]), Err(NoEdid::Magic));
        assert_eq!(check(&good[..128]), Err(NoEdid::Extensions(1, 0)));
        let mut bad = good;
        bad[200] ^= 4;
        bad[127] = 9;
        assert_eq!(check(&bad), Ok(()));
        assert_eq!(
            (correct_checksums(&mut bad), correct_checksums(&mut bad)),
            (2, 0)
        );
        assert_eq!(bad[127], good[127]);
        assert!(bad.chunks(128).all(|block| sum(block) == 0));
    }
}
