//! What a simulated encoder writes: packets of the codec's form that say which frame they are of.

use std::vec::Vec;

use crate::media::fourcc::Fourcc;

const MARK: &[u8; 4] = b"FMSM";
/// The mark, then five numbers of 16 hexadecimal digits: no codec's start code can come of them.
const RECORD_BYTES: usize = MARK.len() + 5 * 16;
/// What the record may stand behind: parameter sets, and a header.
const RECORD_WITHIN: usize = 160;

const PARAMETER_SETS: &[u8] = b"\0\0\0\x01\x67\x42\x80\x28\0\0\0\x01\x68\xce\x3c\x80";

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The number of its frame.
    pub(super) stamp: u64,
    /// Rises by one with each packet of all encoders.
    pub(super) serial: u64,
    /// Bytes from the frame's first to the packet's last.
    pub(super) length: u64,
    /// `KEY`, `ODD`.
    pub(super) flags: u64,
    /// How often an encoder was started by then.
    pub(super) stream: u64,
}

/// A key frame.
pub(super) const KEY: u64 = 1;
/// The driver lied about it, or did not give all of it.
pub(super) const ODD: u64 = 2;

/// The codec's parameter sets alone; `None` where it has none.
pub(super) fn parameter_sets(codec: Fourcc) -> Option<&'static [u8]> {
    (codec == Fourcc::H264).then_some(PARAMETER_SETS)
}

/// A frame. It is as long as the record says, or as long as it must be.
pub(super) fn frame(codec: Fourcc, record: &Record) -> Vec<u8> {
    let key = record.flags & KEY != 0;
    let mut bytes = Vec::new();
    if codec == Fourcc::H264 {
        bytes.extend_from_slice(if key {
            b"\0\0\0\x01\x65"
        } else {
            b"\0\0\0\x01\x41"
        });
    } else {
        let magic: [u32; 11] = [
            0x4f4f_4f4f,
            0xffff_ffff,
            3,
            64,
            48,
            if key { 1 << 10 } else { 0 },
            0,
            0,
            0,
            0,
            record.length as u32,
        ];
        bytes.extend(magic.iter().flat_map(|word| word.to_be_bytes()));
    }
    let length = (record.length as usize).max(bytes.len() + RECORD_BYTES);
    bytes.extend_from_slice(MARK);
    let (length_now, stream) = (length as u64, record.stream);
    for number in [
        record.stamp,
        record.serial,
        length_now,
        record.flags,
        stream,
    ] {
        bytes.extend(
            (0..16)
                .rev()
                .map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]),
        );
    }
    for at in bytes.len()..length {
        bytes.push(filler(record.serial, at));
    }
    bytes
}

fn filler(serial: u64, at: usize) -> u8 {
    0x40 | (serial.wrapping_add(at as u64) & 0x3f) as u8
}

/// The record of a packet, and where its frame begins; `None` when it is no packet of ours.
pub(super) fn parse(codec: Fourcc, packet: &[u8]) -> Option<(Record, usize)> {
    let window = &packet[..packet.len().min(RECORD_WITHIN)];
    let at = window.windows(MARK.len()).position(|bytes| bytes == MARK)?;
    let text = packet.get(at + MARK.len()..at + RECORD_BYTES)?;
    let mut numbers = [0; 5];
    for (number, digits) in numbers.iter_mut().zip(text.as_chunks::<16>().0) {
        *number = u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    let [stamp, serial, length, flags, stream] = numbers;
    let header = if codec == Fourcc::H264 { 5 } else { 44 };
    let record = Record {
        stamp,
        serial,
        length,
        flags,
        stream,
    };
    Some((record, at.checked_sub(header)?))
}

/// Whether a packet has all its bytes, in their order.
pub(super) fn is_whole(record: &Record, frame: &[u8]) -> bool {
    let start = frame.windows(MARK.len()).position(|bytes| bytes == MARK);
    let Some(start) = start else { return false };
    frame.len() as u64 == record.length
        && (start + RECORD_BYTES..frame.len()).all(|at| frame[at] == filler(record.serial, at))
}
