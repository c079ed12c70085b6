//! JPEG images as far as a chain reads them: markers, the size, Huffman tables or none, and in place of coded data the number of the frame.
//!
//! Knows bytes. Knows neither who makes them nor who decodes them.

use std::format;
use std::vec::Vec;

const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: [u8; 2] = [0xff, 0xd9];
const SOF0: u8 = 0xc0;
const DHT: u8 = 0xc4;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const APP0: u8 = 0xe0;
/// Stands before the number of the frame, 16 hexadecimal digits.
const MARK: &[u8] = b"FMJP";

/// What an image is to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    pub(super) size: (u32, u32),
    /// The number of the frame.
    pub(super) stamp: u64,
    /// It has Huffman tables; webcams leave them out.
    pub(super) tables: bool,
    /// Bytes 0xff before a marker, which the standard allows.
    pub(super) fills: bool,
    /// Bytes of coded data behind the number.
    pub(super) data: usize,
}

/// Writes an image.
pub(super) fn write(image: &Image) -> Vec<u8> {
    let mut bytes = SOI.to_vec();
    segment(&mut bytes, APP0, b"AVI1\0\0\0\0");
    segment(&mut bytes, DQT, &[&[0][..], &[16; 64][..]].concat());
    if image.fills {
        bytes.extend([0xff; 3]);
    }
    let [width, height] = [image.size.0, image.size.1].map(|side| (side as u16).to_be_bytes());
    let mut frame = [&[8][..], &height, &width, &[3]].concat();
    // Three components, 4:2:2.
    frame.extend([1, 0x21, 0, 2, 0x11, 0, 3, 0x11, 0]);
    segment(&mut bytes, SOF0, &frame);
    if image.tables {
        for class in [0x00, 0x10] {
            // One code of one bit.
            let mut table = [0; 18];
            (table[0], table[1], table[17]) = (class, 1, 3);
            segment(&mut bytes, DHT, &table);
        }
    }
    segment(&mut bytes, SOS, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    bytes.extend(MARK);
    bytes.extend(format!("{:016x}", image.stamp).bytes());
    bytes.extend((0..image.data).map(|at| filler(image.stamp, at)));
    bytes.extend(EOI);
    bytes
}

/// Whether the coded data are those of this frame, to the end.
pub(super) fn is_of(bytes: &[u8], stamp: u64) -> bool {
    let mark = bytes.windows(MARK.len()).position(|bytes| bytes == MARK);
    let data = mark.and_then(|at| bytes.get(at + MARK.len() + 16..bytes.len() - EOI.len()));
    data.is_some_and(|data| {
        let right = |(at, &byte): (usize, &u8)| byte == filler(stamp, at);
        data.iter().enumerate().all(right)
    })
}

fn filler(stamp: u64, at: usize) -> u8 {
    0x40 | (stamp as usize + at) as u8 & 0x3f
}

fn segment(bytes: &mut Vec<u8>, marker: u8, content: &[u8]) {
    bytes.extend([0xff, marker]);
    bytes.extend((content.len() as u16 + 2).to_be_bytes());
    bytes.extend(content);
}

/// What somebody reads in the bytes of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: (u32, u32),
    pub(super) tables: bool,
    pub(super) fills: bool,
    /// 0 where the data end before it.
    pub(super) stamp: u64,
    /// Bytes behind the end; `None` without an end.
    pub(super) behind: Option<usize>,
}

/// Reads an image; `None` where there is none: other bytes at the beginning, or an end before the coded data.
pub(super) fn read(bytes: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    let mut at = bytes.starts_with(&SOI).then_some(SOI.len())?;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        if marker == 0xff {
            (at, found.fills) = (at + 1, true);
            continue;
        }
        let length = bytes.get(at + 2..at + 4)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let content = bytes.get(at + 4..at + 2 + length)?;
        at += 2 + length;
        match marker {
            SOF0 => {
                let side = |at: usize| u32::from(content[at]) << 8 | u32::from(content[at + 1]);
                found.size = (content.len() > 4).then(|| (side(3), side(1)))?;
            }
            DHT => found.tables = true,
            SOS => break,
            _ => {}
        }
    }
    let data = &bytes[at..];
    let digits = data.strip_prefix(MARK).and_then(|rest| rest.get(..16));
    let number = digits.and_then(|digits| core::str::from_utf8(digits).ok());
    found.stamp = number.map_or(0, |text| u64::from_str_radix(text, 16).unwrap_or(0));
    let end = data.windows(EOI.len()).position(|bytes| bytes == EOI);
    found.behind = end.map(|end| data.len() - end - EOI.len());
    (found.size != (0, 0)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Image = Image {
        size: (640, 360),
        stamp: 77,
        tables: true,
        fills: false,
        data: 30,
    };

    #[test]
    fn an_image_says_what_was_written() {
        for (tables, fills) in [(true, false), (false, false), (true, true)] {
            let mut bytes = write(&Image {
                tables,
                fills,
                ..IMAGE
            });
            bytes.extend([0; 5]);
            let found = Found {
                size: (640, 360),
                tables,
                fills,
                stamp: 77,
                behind: Some(5),
            };
            assert_eq!(read(&bytes), Some(found));
        }
    }

    #[test]
    fn one_that_is_cut_has_no_end_or_is_none() {
        let bytes = write(&IMAGE);
        let (mut none, mut unknown, mut endless) = (0, 0, 0);
        for length in 0..bytes.len() {
            match read(&bytes[..length]) {
                None => none += 1,
                Some(found) => {
                    assert_eq!(found.behind, None, "{length} bytes");
                    match found.stamp {
                        0 => unknown += 1,
                        _ => endless += 1,
                    }
                }
            }
        }
        // The headers; the number, whose mark it stands behind; the data, and half of the end.
        assert_eq!(unknown, MARK.len() + 16);
        assert_eq!(endless, IMAGE.data + 2);
        assert!(none > 100, "{none}");
        assert_eq!(read(b"not an image"), None);
    }
}
