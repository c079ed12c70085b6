//! The judge's look at the packet ring: every packet, in order, against the frame that it says it is of.

use rustix::fd::OwnedFd;
use std::vec::Vec;

use super::coded::{self, KEY, ODD};
use super::frames::Frame;
use super::jpeg;
use super::kernel::Kernel;
use super::shared::Shared;
use crate::limits::TURN_BUDGET;
use crate::media::fourcc::Fourcc;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, flag};
use crate::shm::map::PacketMap;
use crate::shm::packet_ring::{Next, Packet, Reader, Start};
use crate::shm::stats::{Counter, DROPS};
use crate::shm::word::LoadOnly;

/// Packets of the coded buffers of a turn, and one that waited for more.
const PACKETS_OF_A_TURN: u64 = TURN_BUDGET as u64 + 1;

/// A reader of all packets.
pub(super) struct Packets {
    codec: Fourcc,
    /// The frames come from a camera.
    pub(super) camera: bool,
    /// Its frames are passed on, which have this size.
    size: Option<(u32, u32)>,
    map: Option<(PacketMap<LoadOnly>, Reader)>,
    bytes: Vec<u8>,
    last: Option<Packet>,
    last_serial: u64,
    /// The start of the encoder that the latest packet of ours follows, and its generation.
    stream: (u64, u16),
    /// The engine was idle: the next packet is of a new generation, and a key frame.
    pub(super) begins_again: bool,
    /// Whose the latest frame was.
    producer: Option<u32>,
    /// Frames that were dropped by the end of the turn before, and by the end of the one with the latest packet.
    drops: (u64, u64),
    pub(super) count: u64,
    /// Packets that a frame belongs to.
    pub(super) matched: u64,
    pub(super) ended: bool,
}

impl Packets {
    pub(super) fn new(codec: Fourcc, camera: bool, size: (u32, u32)) -> Self {
        Self {
            codec,
            camera,
            size: (codec == Fourcc::MJPG).then_some(size),
            map: None,
            bytes: Vec::new(),
            last: None,
            last_serial: 0,
            stream: (0, 0),
            begins_again: false,
            producer: None,
            drops: (0, 0),
            count: 0,
            matched: 0,
            ended: false,
        }
    }

    pub(super) fn header(&self) -> Option<&PacketHeader<LoadOnly>> {
        self.map.as_ref().map(|(map, _)| map.header())
    }

    /// Reads what is new.
    pub(super) fn read(&mut self, kernel: &mut Kernel) {
        if self.map.is_none() {
            self.map = kernel.packets.take().and_then(open);
        }
        let Some((map, mut reader)) = self.map.take() else {
            return;
        };
        self.bytes.resize(map.data_bytes(), 0);
        let counters = &map.header().counters;
        let lost = DROPS.iter().chain(&[Counter::FramesLate]);
        let drops = lost
            .map(|&counter| counters[counter as usize].load(Relaxed))
            .sum();
        let (mut first, before) = (true, self.count);
        loop {
            match reader.next(&map.ring(), &mut self.bytes) {
                Next::Packet(packet) => {
                    if core::mem::take(&mut first) {
                        self.loss(&packet, &mut kernel.shared);
                        self.drops.1 = drops;
                    }
                    self.packet(&packet, &mut kernel.shared);
                }
                Next::Empty => break,
                other => {
                    // Only where one turn brings more than the ring holds.
                    kernel
                        .shared
                        .violated(format_args!("the judge is lapped: {other:?}"));
                    break;
                }
            }
        }
        let new = self.count - before;
        if new > PACKETS_OF_A_TURN {
            let shared = &mut kernel.shared;
            shared.violated(format_args!("{new} packets in one turn"));
        }
        self.drops.0 = drops;
        kernel.shared.seen = self.count;
        self.map = Some((map, reader));
    }

    fn packet(&mut self, packet: &Packet, shared: &mut Shared) {
        shared.trace(format_args!("{packet:?}"));
        if self.ended {
            shared.violated(format_args!("a packet after the end mark"));
        }
        self.order(packet, shared);
        if packet.flags & flag::END != 0 {
            self.ended = true;
            return;
        }
        let again = core::mem::take(&mut self.begins_again);
        let same = self
            .last
            .is_some_and(|last| last.generation == packet.generation);
        let starts = packet.flags & flag::KEY != 0 || !shared.liberties.none();
        if again && (same || !starts) {
            shared.violated(format_args!("the first after idle times: {packet:?}"));
        }
        self.count += 1;
        let matched = packet.committed != 0;
        self.matched += u64::from(matched);
        let bytes = core::mem::take(&mut self.bytes);
        self.content(packet, &bytes[..packet.length as usize], shared);
        self.bytes = bytes;
        self.last = Some(*packet);
    }

    /// The first packet after frames were dropped says so.
    fn loss(&self, packet: &Packet, shared: &mut Shared) {
        let ends = packet.flags & flag::END != 0;
        if self.drops.0 > self.drops.1 && !ends && packet.flags & flag::DISCONTINUITY == 0 {
            shared.violated(format_args!("frames were dropped before {packet:?}"));
        }
    }

    /// Sequence, generation, times.
    fn order(&self, packet: &Packet, shared: &mut Shared) {
        let now = shared.now();
        let times = [
            packet.committed,
            packet.queued,
            packet.dequeued,
            packet.published,
            now,
        ];
        let rising = times.windows(2).all(|pair| pair[0] <= pair[1]);
        if packet.committed != 0 && !rising {
            shared.violated(format_args!("times do not rise: {packet:?} at {now}"));
        }
        let Some(last) = &self.last else { return };
        if packet.sequence != last.sequence + 1 {
            shared.violated(format_args!(
                "packet {} after {}",
                packet.sequence, last.sequence
            ));
        }
        if packet.generation < last.generation {
            shared.violated(format_args!(
                "generation {} after {}",
                packet.generation, last.generation
            ));
        }
        let new = packet.generation != last.generation;
        if new && packet.flags & flag::DISCONTINUITY == 0 {
            shared.violated(format_args!(
                "a new generation without a discontinuity: {packet:?}"
            ));
        }
    }

    /// A frame of the camera that was passed on: whole, with tables, without what stands between markers or behind it.
    fn passed(&mut self, packet: &Packet, bytes: &[u8], shared: &mut Shared) {
        let found = jpeg::read(bytes);
        let whole = found.filter(|found| {
            let neat = found.tables && !found.fills && found.behind == Some(0);
            neat && Some(found.size) == self.size && jpeg::is_of(bytes, found.stamp)
        });
        let Some(found) = whole else {
            shared.violated(format_args!("{packet:?} is no frame: {found:?}"));
            return;
        };
        if packet.flags & flag::KEY == 0 {
            shared.violated(format_args!("a frame that is no key frame: {packet:?}"));
        }
        // As into an encoder: each once, in order, none that is damaged.
        shared.frames.queued(found.stamp, &mut shared.violation);
        if let Some(frame) = shared.frames.get(found.stamp) {
            let before = *frame;
            frame.published = true;
            self.identity(packet, found.stamp, &before, true, shared);
        }
    }

    /// Whose packet it is, and whether it is whole.
    fn content(&mut self, packet: &Packet, bytes: &[u8], shared: &mut Shared) {
        if self.size.is_some() {
            return self.passed(packet, bytes, shared);
        }
        let lied = shared.liberties.lied;
        let Some((record, start)) = coded::parse(self.codec, bytes) else {
            if !lied {
                shared.violated(format_args!("a packet of nothing: {packet:?}"));
            }
            return;
        };
        let odd = record.flags & ODD != 0;
        if (record.serial < self.last_serial || record.serial == self.last_serial && !odd) && !lied
        {
            shared.violated(format_args!(
                "packet {} after {}",
                record.serial, self.last_serial
            ));
        }
        self.last_serial = record.serial;
        let (stream, generation) =
            core::mem::replace(&mut self.stream, (record.stream, packet.generation));
        // One that told a wrong index shows what it coded before.
        let started = !lied && stream != 0 && stream != record.stream;
        if started && generation == packet.generation {
            shared.violated(format_args!(
                "the encoder was started, the generation is the same: {packet:?}"
            ));
        }
        let Some(frame) = shared.frames.get(record.stamp) else {
            shared.violated(format_args!("a packet of no frame: {record:?}"));
            return;
        };
        let before = *frame;
        frame.published = true;
        if lied || odd {
            self.producer = None;
            return;
        }
        let prefix = &bytes[..start];
        let headers = coded::parameter_sets(self.codec).unwrap_or(&[]);
        if !coded::is_whole(&record, &bytes[start..]) || !prefix.is_empty() && prefix != headers {
            shared.violated(format_args!(
                "the bytes of packet {record:?} are not what was coded"
            ));
        }
        if (packet.flags & flag::KEY != 0) != (record.flags & KEY != 0) {
            shared.violated(format_args!(
                "the key flag is wrong: {packet:?}, {record:?}"
            ));
        }
        self.identity(
            packet,
            record.stamp,
            &before,
            record.flags & KEY != 0,
            shared,
        );
    }

    fn identity(
        &mut self,
        packet: &Packet,
        stamp: u64,
        frame: &Frame,
        key: bool,
        shared: &mut Shared,
    ) {
        if packet.committed == 0 {
            shared.violated(format_args!(
                "no frame was found for the packet of frame {stamp}"
            ));
        } else if !self.camera && packet.timestamp != frame.timestamp {
            let (got, right) = (packet.timestamp, frame.timestamp);
            shared.violated(format_args!(
                "frame {stamp} has timestamp {right}, its packet {got}"
            ));
        }
        if frame.published {
            shared.violated(format_args!("frame {stamp} is published twice"));
        }
        let changed = self.producer.replace(frame.producer);
        if changed.is_some_and(|before| before != frame.producer) {
            if packet.flags & flag::DISCONTINUITY == 0 {
                shared.violated(format_args!(
                    "frame {stamp} of another producer without a discontinuity"
                ));
            }
            if !key && shared.liberties.none() {
                shared.violated(format_args!(
                    "frame {stamp}, the first of a producer, is no key frame"
                ));
            }
        }
    }
}

fn open(fd: OwnedFd) -> Option<(PacketMap<LoadOnly>, Reader)> {
    let map = PacketMap::open(&fd).ok()?;
    let reader = Reader::new(&map.ring(), Start::Oldest);
    Some((map, reader))
}
