//! MPEG transport streams (ISO/IEC 13818-1, Rec. ITU-T H.222.0): one program with one video stream.
//!
//! Each frame is one PES packet that says its length (2.4.3.7), so that a reader hands it on at once; without it a reader waits for the
//! next one. Knows the format; reads of the coded bytes whether they begin with an access unit delimiter. Keeps nothing of a frame.

use super::coded_frame::{CodedFrame, Sink, TICKS};
use super::fourcc::Fourcc;
use super::nal::first_header;

/// Bytes of a transport packet (2.4.3.2).
pub const TS_PACKET: usize = 188;

/// Of these, those of its header.
const HEADER: usize = 4;

/// PIDs: of the program map table and the video stream. The association table has 0, stuffing `NULL`.
const MAP: u16 = 0x1000;
const VIDEO: u16 = 0x100;
const NULL: u16 = 0x1fff;

/// `payload_unit_start_indicator`, beside the PID.
const START: u16 = 0x4000;

/// In the header's last byte, beside the continuity counter: there is an adaptation field, there is a payload.
const ADAPTATION: u8 = 0x20;
const PAYLOAD: u8 = 0x10;

/// Bytes of a PES packet's header, with a time stamp.
const PES_HEADER: usize = 14;

/// Bytes of an adaptation field with a clock (PCR).
const CLOCK_FIELD: usize = 8;

/// Longest step of the clock from one packet to the next, ticks (2.7.2) …
const CLOCK: u64 = TICKS / 10;

/// … unless this many packets are not enough: then it makes larger ones.
const CLOCKS: usize = 100;

/// The tables are repeated after so long at least, in ticks, and before each key frame: where a reader may begin.
const TABLES: u64 = TICKS / 2;

/// How long before it is shown a frame begins to arrive, ticks: a time stamp is so much later than the clock (PCR).
const DELAY: u64 = TICKS / 10;

/// The association table (2.4.4.3), behind its pointer: program 1 has its map at `MAP`.
const ASSOCIATION: [u8; 17] = section([0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);

/// The map (2.4.4.8): one stream, of this type, which has the clock.
const fn map(stream_type: u8) -> [u8; 22] {
    section([
        0,
        2,
        0xb0,
        18,
        0,
        1,
        0xc1,
        0,
        0,
        0xe1,
        0,
        0xf0,
        0,
        stream_type,
        0xe1,
        0,
        0xf0,
        0,
    ])
}

/// `stream_type` of table 2-34.
const H264_MAP: [u8; 22] = map(0x1b);
const HEVC_MAP: [u8; 22] = map(0x24);

/// A table's section with its CRC (annex A) behind; `N` is four more than `M`.
const fn section<const M: usize, const N: usize>(bytes: [u8; M]) -> [u8; N] {
    let mut whole = [0; N];
    let mut crc = u32::MAX;
    let mut at = 0;
    while at < M {
        whole[at] = bytes[at];
        // The pointer before the section is no part of it.
        if at > 0 {
            crc ^= (bytes[at] as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
                bit += 1;
            }
        }
        at += 1;
    }
    let crc = crc.to_be_bytes();
    while at < N {
        whole[at] = crc[at - M];
        at += 1;
    }
    whole
}

/// A transport stream being written.
#[derive(Clone, Copy, Debug)]
pub struct TransportStream {
    codec: Fourcc,
    /// Continuity counters: of the video stream, and of both tables. The low four bits are used.
    video: u8,
    tables: u8,
    /// When the tables were written, in ticks; `None` before.
    tables_at: Option<u64>,
    /// The clock, in ticks. Reordered frames do not turn it back.
    clock: u64,
}

impl TransportStream {
    /// A stream of H.264 or HEVC (2.14, 2.17); `None` for other codecs, which the format has no place for.
    #[must_use]
    pub fn new(codec: Fourcc) -> Option<Self> {
        matches!(codec, Fourcc::H264 | Fourcc::HEVC).then_some(Self {
            codec,
            video: 0,
            tables: 0,
            tables_at: None,
            clock: 0,
        })
    }

    /// Writes a frame as whole transport packets.
    pub fn write(&mut self, frame: &CodedFrame<'_>, sink: &mut Sink<'_>) {
        let old = |at| frame.ticks.wrapping_sub(at) >= TABLES;
        if frame.key || self.tables_at.is_none_or(old) {
            self.tables_at = Some(frame.ticks);
            self.write_tables(sink);
        }
        let mut parts = [&[][..], self.delimiter(frame), frame.headers, frame.bytes];
        let content = parts.iter().map(|part| part.len()).sum();
        let header = pes_header(content, frame.ticks);
        parts[0] = &header;
        let mut left = PES_HEADER + content;
        let mut first = true;
        let mut clock = self.clock;
        self.clock = clock.max(frame.ticks);
        // The clock goes on in small steps, also over a pause: a reader may take a large one for another clock.
        let steps = content.min(CLOCKS) as u64 + 1;
        let step = CLOCK.max((self.clock - clock) / steps + 1);
        while left > 0 {
            // The first packet has a clock, and more of them as long as it lags behind: with one byte of the frame, because a packet
            // without payload is unknown to some readers.
            let mut most = TS_PACKET - HEADER;
            let timed = first || clock < self.clock;
            if timed {
                clock = self.clock.min(clock.saturating_add(step));
                most = match (clock < self.clock, first) {
                    (false, _) => most - CLOCK_FIELD,
                    (true, true) => PES_HEADER,
                    (true, false) => 1,
                };
            }
            let begin = TS_PACKET - left.min(most);
            let mut packet = blank(if first { VIDEO | START } else { VIDEO }, self.video);
            self.video = self.video.wrapping_add(1);
            if begin > HEADER {
                packet[3] |= ADAPTATION;
                // Its own length, and the flags; the rest is stuffing (2.4.3.5).
                packet[4] = (begin - HEADER - 1) as u8;
                if begin > HEADER + 1 {
                    packet[5] = 0;
                }
            }
            if timed {
                // PCR_flag: 33 bits of 90 kHz, 6 reserved, 9 of 27 MHz.
                packet[5] = 0x10;
                packet[6..12].copy_from_slice(&(clock << 15 | 0x7e00).to_be_bytes()[2..]);
            }
            if first {
                // discontinuity_indicator, random_access_indicator.
                packet[5] |= u8::from(frame.cut) << 7 | u8::from(frame.key) << 6;
                first = false;
            }
            gather(&mut parts, &mut packet[begin..]);
            left -= TS_PACKET - begin;
            sink(&packet);
        }
    }

    fn write_tables(&mut self, sink: &mut Sink<'_>) {
        let map = match self.codec {
            Fourcc::H264 => &H264_MAP,
            _ => &HEVC_MAP,
        };
        for (pid, section) in [(0, &ASSOCIATION[..]), (MAP, map)] {
            let mut packet = blank(pid | START, self.tables);
            packet[HEADER..HEADER + section.len()].copy_from_slice(section);
            sink(&packet);
        }
        self.tables = self.tables.wrapping_add(1);
    }

    /// An access unit delimiter where the frame has none: both codecs demand one here.
    fn delimiter(&self, frame: &CodedFrame<'_>) -> &'static [u8] {
        let first = first_header(frame.bytes).unwrap_or(0);
        match self.codec {
            Fourcc::H264 if first & 0x1f != 9 => &[0, 0, 0, 1, 0x09, 0xf0],
            Fourcc::HEVC if first >> 1 != 35 => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
            _ => &[],
        }
    }
}

/// The header of a PES packet with so many bytes behind it (2.4.3.7).
fn pes_header(length: usize, ticks: u64) -> [u8; PES_HEADER] {
    // Without a length where 16 bits do not hold it: that is allowed for video.
    let [long, short] = u16::try_from(length + 8).unwrap_or(0).to_be_bytes();
    let stamp = ticks.wrapping_add(DELAY);
    [
        0,
        0,
        1,
        0xe0,
        long,
        short,
        // data_alignment_indicator; PTS_DTS_flags: a PTS alone; five bytes of it, 3, 15 and 15 bits with a marker behind each.
        0x84,
        0x80,
        5,
        0x21 | (stamp >> 29) as u8 & 0xe,
        (stamp >> 22) as u8,
        (stamp >> 14) as u8 | 1,
        (stamp >> 7) as u8,
        (stamp << 1) as u8 | 1,
    ]
}

/// A packet of stuffing, which readers leave out.
#[must_use]
pub fn null_packet() -> [u8; TS_PACKET] {
    blank(NULL, 0)
}

/// A packet without content, filled up with ones: with a payload, as far as its header says.
fn blank(pid: u16, counter: u8) -> [u8; TS_PACKET] {
    let mut packet = [0xff; TS_PACKET];
    let [high, low] = pid.to_be_bytes();
    packet[..HEADER].copy_from_slice(&[0x47, high, low, PAYLOAD | counter & 15]);
    packet
}

/// Takes bytes from the front of the parts, as many as the target has.
fn gather(parts: &mut [&[u8]], mut target: &mut [u8]) {
    for part in parts {
        let (now, later) = part.split_at(part.len().min(target.len()));
        let (filled, rest) = target.split_at_mut(now.len());
        filled.copy_from_slice(now);
        *part = later;
        target = rest;
    }
}
