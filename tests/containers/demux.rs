//! Readers of MPEG-TS and fragmented MP4 that believe nothing: what the standards demand of a writer is asserted.
//!
//! Written from ISO/IEC 13818-1 and 14496-12, not from the writers.

use std::collections::BTreeMap;

/// A frame out of a transport stream.
#[derive(Debug, PartialEq, Eq)]
pub struct TsFrame {
    pub pts: u64,
    /// Each clock in its packets, 27 MHz.
    pub clocks: Vec<u64>,
    pub key: bool,
    pub cut: bool,
    /// Behind the PES header.
    pub bytes: Vec<u8>,
    /// Its PES packet says its length.
    pub has_length: bool,
}

const PACKET: usize = 188;
const MAP: u16 = 0x1000;
const VIDEO: u16 = 0x100;

/// CRC-32/MPEG-2 over a section with its own CRC is zero.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            (crc << 1) ^ ((crc >> 31) * 0x04c1_1db7)
        })
    })
}

/// The section of a table that fits into one packet.
fn section(payload: &[u8]) -> &[u8] {
    let begin = 1 + usize::from(payload[0]);
    let length = usize::from(payload[begin + 1] & 0xf) << 8 | usize::from(payload[begin + 2]);
    let section = &payload[begin..begin + 3 + length];
    assert_eq!(crc(section), 0, "{section:x?}");
    assert!(
        payload[begin + 3 + length..]
            .iter()
            .all(|&byte| byte == 0xff)
    );
    section
}

fn bits33(bytes: &[u8]) -> u64 {
    assert_eq!(
        (bytes[0] & 1, bytes[2] & 1, bytes[4] & 1),
        (1, 1, 1),
        "markers"
    );
    u64::from(bytes[0] >> 1 & 7) << 30
        | u64::from(bytes[1]) << 22
        | u64::from(bytes[2] >> 1) << 15
        | u64::from(bytes[3]) << 7
        | u64::from(bytes[4] >> 1)
}

/// A packet's adaptation field: its flags, its clock; and the payload.
fn parts(packet: &[u8]) -> (u8, Option<u64>, &[u8]) {
    if packet[3] & 0x20 == 0 {
        return (0, None, &packet[4..]);
    }
    let length = usize::from(packet[4]);
    // With a payload it is 182 at most, and some readers refuse more in any case.
    assert!(length <= 182);
    let (field, payload) = packet[5..].split_at(length);
    let Some(&flags) = field.first() else {
        return (0, None, payload);
    };
    assert_eq!(
        flags & 0x2f,
        0,
        "nothing but discontinuity, random access and clock"
    );
    let (clock, stuffing) = if flags & 0x10 == 0 {
        (None, &field[1..])
    } else {
        let base = field[1..6]
            .iter()
            .fold(0, |base, &byte| base << 8 | u64::from(byte));
        let extension = u64::from(field[5] & 1) << 8 | u64::from(field[6]);
        let base = base >> 7;
        (Some(base * 300 + extension), &field[7..])
    };
    assert!(stuffing.iter().all(|&byte| byte == 0xff));
    (flags, clock, payload)
}

/// The frames of a stream of this type (table 2-34).
pub fn ts(bytes: &[u8], stream_type: u8) -> Vec<TsFrame> {
    let mut frames: Vec<(TsFrame, usize)> = Vec::new();
    let mut counters = BTreeMap::new();
    let (mut associated, mut mapped) = (false, false);
    assert_eq!(bytes.len() % PACKET, 0);
    for packet in bytes.chunks(PACKET) {
        assert_eq!(packet[0], 0x47);
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let start = packet[1] & 0x40 != 0;
        assert_eq!(
            (packet[1] & 0xa0, packet[3] & 0xc0),
            (0, 0),
            "no error, not scrambled"
        );
        assert_eq!(packet[3] & 0x10, 0x10, "each has a payload");
        let counter = packet[3] & 15;
        let before = counters.insert(pid, counter);
        assert!(
            before.is_none_or(|before| (before + 1) % 16 == counter),
            "{pid:#x}"
        );
        let (flags, clock, payload) = parts(packet);
        match pid {
            0 => {
                let section = section(payload);
                assert_eq!((section[0], &section[8..12]), (0, &[0, 1, 0xf0, 0][..]));
                associated = true;
            }
            MAP => {
                let section = section(payload);
                assert!(associated && section[0] == 2);
                // The clock's PID, and the one stream's type and PID.
                assert_eq!(section[8..10], [0xe1, 0]);
                assert_eq!(section[12..17], [stream_type, 0xe1, 0, 0xf0, 0]);
                mapped = true;
            }
            VIDEO => {
                assert!(mapped, "the tables come first");
                if start {
                    assert_eq!(payload[..4], [0, 0, 1, 0xe0]);
                    assert_eq!(payload[6..9], [0x84, 0x80, 5]);
                    let length = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
                    let frame = TsFrame {
                        pts: bits33(&payload[9..14]),
                        clocks: Vec::new(),
                        key: flags & 0x40 != 0,
                        cut: flags & 0x80 != 0,
                        bytes: Vec::new(),
                        has_length: length != 0,
                    };
                    frames.push((frame, length));
                } else {
                    assert_eq!(flags & 0xc0, 0);
                }
                let (frame, _) = frames.last_mut().unwrap();
                frame.clocks.extend(clock);
                frame.bytes.extend(&payload[if start { 14 } else { 0 }..]);
            }
            other => panic!("PID {other:#x}"),
        }
    }
    let frame = |(frame, length): (TsFrame, usize)| {
        match frame.has_length {
            true => assert_eq!(frame.bytes.len() + 8, length),
            false => assert!(frame.bytes.len() + 8 > usize::from(u16::MAX)),
        }
        frame
    };
    frames.into_iter().map(frame).collect()
}

/// A frame out of fragmented MP4.
#[derive(Debug, PartialEq, Eq)]
pub struct Mp4Frame {
    /// When it is shown, and when it is decoded.
    pub pts: u64,
    pub dts: u64,
    pub key: bool,
    pub bytes: Vec<u8>,
}

/// What a file has: descriptions (sample entries) and frames, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Description(Vec<u8>),
    Frame(Mp4Frame),
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// The boxes that bytes are.
pub fn boxes(mut bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = word(bytes) as usize;
        assert!(size >= 8);
        let name = std::str::from_utf8(&bytes[4..8]).unwrap();
        found.push((name, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

/// The one box at the end of a path.
fn inside<'a>(bytes: &'a [u8], path: &str) -> &'a [u8] {
    path.split('/').fold(bytes, |bytes, wanted| {
        let found: Vec<_> = boxes(bytes)
            .into_iter()
            .filter(|(name, _)| *name == wanted)
            .collect();
        assert_eq!(found.len(), 1, "{wanted}");
        found[0].1
    })
}

/// The pieces of a file.
pub fn mp4(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut numbers = 0..;
    let mut fragment = None;
    for (name, content) in boxes(bytes) {
        match name {
            "ftyp" => assert!(content.starts_with(b"iso5")),
            "moov" => {
                assert_eq!(word(&inside(content, "mvhd")[12..]), 90_000);
                let track = inside(content, "trak");
                assert_eq!(word(&inside(track, "mdia/mdhd")[12..]), 90_000);
                assert_eq!(word(&inside(content, "mvex/trex")[4..]), 1);
                let table = inside(track, "mdia/minf/stbl");
                let empty = ["stts", "stsc", "stsz", "stco"].map(|name| inside(table, name));
                assert!(empty.concat().iter().all(|&byte| byte == 0));
                let entries = inside(table, "stsd");
                assert_eq!(word(&entries[4..]), 1);
                assert_eq!(boxes(&entries[8..]).len(), 1);
                pieces.push(Piece::Description(entries[8..].to_vec()));
            }
            "moof" => {
                let number = numbers.next().unwrap() + 1;
                assert_eq!(word(&inside(content, "mfhd")[4..]), number);
                assert_eq!(inside(content, "traf/tfhd"), [0, 2, 0, 0, 0, 0, 0, 1]);
                let time = inside(content, "traf/tfdt");
                assert_eq!(time[0], 1);
                let dts = u64::from_be_bytes(time[4..].try_into().unwrap());
                let run = inside(content, "traf/trun");
                assert_eq!(run[..8], [1, 0, 0xf, 1, 0, 0, 0, 1]);
                assert_eq!(word(&run[8..]) as usize, content.len() + 16);
                let [_, size, flags, offset] = [12, 16, 20, 24].map(|at| word(&run[at..]));
                assert!(matches!(flags, 0x0200_0000 | 0x0101_0000));
                let frame = Mp4Frame {
                    pts: dts.wrapping_add_signed(i64::from(offset.cast_signed())),
                    dts,
                    key: flags == 0x0200_0000,
                    bytes: Vec::new(),
                };
                assert!(fragment.replace((frame, size as usize)).is_none());
            }
            "mdat" => {
                let (mut frame, size) = fragment.take().unwrap();
                assert_eq!(content.len(), size);
                frame.bytes = content.to_vec();
                pieces.push(Piece::Frame(frame));
            }
            other => panic!("{other}"),
        }
    }
    assert!(fragment.is_none());
    pieces
}
