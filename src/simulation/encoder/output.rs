//! The simulated encoder's work: frames in, packets out, in virtual time.

use rustix::io::{Errno, Result};
use std::vec::Vec;

use super::super::coded::{self, KEY, ODD, Record};
use super::super::queue::Done;
use super::super::shared::Shared;
use super::work::{Coded, Fate, Work};
use super::{Encoder, Stops};
use crate::v4l2::abi::{
    BUF_FLAG_ERROR, BUF_FLAG_KEYFRAME, BUF_FLAG_LAST, BUF_FLAG_TIMESTAMP_COPY, Plane, RawBuffer,
};

impl Encoder {
    /// QBUF of a raw frame.
    pub(super) fn take_frame(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
    ) -> Result<()> {
        let mischief = self.nature.mischief;
        if shared.now() < mischief.until && self.random.chance(mischief.refuses) {
            shared.liberties.refused = true;
            return Err(Errno::INVAL);
        }
        let index = self
            .output
            .take(raw, planes, shared, "the encoder's OUTPUT")?;
        let slot = &self.output.slots[index as usize];
        let time = slot.timestamp;
        // A driver that is asked with a frame of which it sees nothing, because it is not started.
        if !self.output.streaming {
            return Ok(());
        }
        let stamp = slot.pieces[0].stamp();
        shared.frames.queued(stamp, &mut shared.violation);
        let fate = Fate::next(&self.nature.mischief, &mut self.random, shared);
        let now = shared.now();
        let latency = self
            .random
            .range(self.nature.latency.0, self.nature.latency.1);
        let last = self.work.back().map_or(0, |work| work.coded_at);
        let coded_at = (now + latency).max(last);
        let return_at = match (self.nature.keeps, self.nature.returns_early) {
            (true, _) => u64::MAX,
            (_, true) => now + self.random.below(latency + 1),
            _ => coded_at,
        };
        let key =
            self.since_key == 0 || self.since_key >= self.controls.gop() || self.controls.forced;
        self.controls.forced = false;
        self.since_key = if key { 1 } else { self.since_key + 1 };
        let length = match self.random.chance(self.nature.splits) {
            // Full to the last byte, now and then.
            true => {
                u64::from(self.capture_bytes) * self.random.range(1, 3)
                    + self.random.pick(&[0, 1, 700])
            }
            false => self.random.range(120, 600),
        };
        self.work.push_back(Work {
            slot: index,
            stamp,
            time,
            coded_at,
            return_at,
            returned: false,
            fate,
            key,
            length,
        });
        Ok(())
    }

    /// Does what is due.
    pub(in crate::simulation) fn step(&mut self, shared: &mut Shared) {
        if !self.output.streaming || !self.capture.streaming || self.asleep {
            return;
        }
        let now = shared.now();
        for at in 0..self.work.len() {
            if self.work[at].return_at <= now {
                self.give_back(at);
            }
        }
        while let Some(at) = self.due(now) {
            self.give_back(at);
            let Some(work) = self.work.remove(at) else {
                break;
            };
            self.code(&work, shared);
        }
        self.end_drain(shared);
        while !self.capture.waiting.is_empty()
            && let Some(coded) = self.outbox.pop_front()
        {
            self.emit(coded);
        }
    }

    /// The driver is done with a frame's buffer.
    fn give_back(&mut self, at: usize) {
        let work = &mut self.work[at];
        if !core::mem::replace(&mut work.returned, true) {
            self.output.complete(Done {
                index: work.slot,
                flags: BUF_FLAG_TIMESTAMP_COPY,
                timestamp: work.time,
                ..Done::default()
            });
        }
    }

    /// The frame whose packet comes next.
    fn due(&mut self, now: u64) -> Option<usize> {
        let front = self.work.front()?;
        let ahead = if self.draining { 0 } else { self.nature.ahead };
        if front.coded_at > now || self.work.len() <= ahead {
            return None;
        }
        let swaps = self.nature.reorders
            && !front.key
            && self
                .work
                .get(1)
                .is_some_and(|work| work.coded_at <= now && !work.key);
        Some(usize::from(swaps && self.random.chance(300)))
    }

    /// When it has something to do next, virtual ns.
    pub(in crate::simulation) fn next(&self, now: u64) -> Option<u64> {
        if !self.output.streaming || !self.capture.streaming || self.asleep {
            return None;
        }
        let returns = self
            .work
            .iter()
            .filter(|work| !work.returned)
            .map(|work| work.return_at);
        let front = self.work.front().map(|work| work.coded_at);
        returns.chain(front).filter(|&at| at > now).min()
    }

    fn code(&mut self, work: &Work, shared: &mut Shared) {
        shared.serial += 1;
        let odd = !matches!(work.fate, Fate::Good | Fate::Damaged);
        let record = Record {
            stamp: work.stamp,
            serial: shared.serial,
            length: work.length,
            stream: shared.streams,
            flags: u64::from(work.key) * KEY + u64::from(odd) * ODD,
        };
        let mut flags = BUF_FLAG_TIMESTAMP_COPY;
        if work.key {
            flags |= BUF_FLAG_KEYFRAME;
        }
        let mut bytes = coded::frame(self.nature.codec, &record);
        let mut time = work.time;
        if work.fate != Fate::Good {
            shared.liberties.lossy = true;
            shared.liberties.lied |= odd && work.fate != Fate::Dropped;
        }
        match work.fate {
            Fate::Dropped => {
                // A decoder needs a key frame then, of which nobody told it: none comes.
                return;
            }
            Fate::Empty | Fate::ErrorEmpty => {
                bytes.clear();
                flags |= if work.fate == Fate::ErrorEmpty {
                    BUF_FLAG_ERROR
                } else {
                    0
                };
            }
            Fate::Damaged => flags |= BUF_FLAG_ERROR,
            Fate::ZeroTime => time = 0,
            Fate::WrongTime => time += self.random.pick(&[1, 1_000_000, 1 << 40]),
            _ => {}
        }
        if work.key
            && !bytes.is_empty()
            && let Some(sets) = coded::parameter_sets(self.nature.codec)
        {
            if self.nature.headers_alone {
                let time = self.random.pick(&[0, work.time]);
                self.outbox.push_back(Coded {
                    bytes: sets.to_vec(),
                    flags: BUF_FLAG_TIMESTAMP_COPY,
                    data_offset: self.nature.data_offset,
                    time: if time == 0 { 0 } else { work.time },
                    ..Coded::default()
                });
            } else {
                bytes.splice(0..0, sets.iter().copied());
            }
        }
        self.pack(&bytes, flags, time, work);
        if work.fate == Fate::Twice {
            self.pack(&bytes, flags, time, work);
        }
    }

    /// As many buffers as it takes; all but the last one are full.
    fn pack(&mut self, bytes: &[u8], flags: u32, time: u64, work: &Work) {
        let offset = self.nature.data_offset;
        let room = (self.capture_bytes - offset) as usize;
        let whole = bytes.len().is_multiple_of(room) && !bytes.is_empty();
        let mut parts: Vec<&[u8]> = bytes.chunks(room).collect();
        if whole || parts.is_empty() {
            // Nothing tells that it was the last part; an empty buffer does.
            parts.push(&[]);
        }
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            let mut coded = Coded {
                bytes: part.to_vec(),
                flags,
                time,
                data_offset: offset,
                ..Coded::default()
            };
            if at == last {
                match work.fate {
                    Fate::WrongIndex => {
                        coded.claimed = Some(self.random.pick(&[0, 1, 77, u32::MAX]))
                    }
                    Fate::WrongSize => {
                        coded.bytesused =
                            Some(self.random.pick(&[u32::MAX, self.capture_bytes + 1]));
                        coded.data_offset = self.random.pick(&[0, 5, u32::MAX]);
                    }
                    Fate::SuddenLast => coded.flags |= BUF_FLAG_LAST,
                    _ => {}
                }
            }
            self.outbox.push_back(coded);
        }
    }

    /// After the last packet of a drain: the mark.
    fn end_drain(&mut self, shared: &mut Shared) {
        let early = self.nature.stops == Stops::Early;
        if !self.draining || self.marked || !(self.work.is_empty() || early) {
            return;
        }
        if let Stops::Unmarked { buffer: false, .. } = self.nature.stops
            && !self.outbox.is_empty()
        {
            return;
        }
        self.marked = true;
        let mark = Coded {
            flags: BUF_FLAG_LAST,
            ..Coded::default()
        };
        match self.nature.stops {
            Stops::Never | Stops::Unknown => {}
            Stops::Marks { alone: false, .. } if !self.outbox.is_empty() => {
                if let Some(last) = self.outbox.back_mut() {
                    last.flags |= BUF_FLAG_LAST;
                }
            }
            Stops::Marks { .. } => self.outbox.push_back(mark),
            Stops::Early => {
                shared.liberties.lossy = true;
                self.outbox.push_back(mark);
            }
            Stops::Twice => {
                self.outbox.push_back(mark.clone());
                self.outbox.push_back(mark);
            }
            Stops::Unmarked {
                buffer,
                event,
                pipe,
            } => {
                if buffer {
                    // The time that it had before.
                    let time = self.last_time;
                    self.outbox.push_back(Coded {
                        time,
                        ..Coded::default()
                    });
                }
                self.capture.ended |= pipe;
                self.events += u32::from(event && self.subscribed);
            }
        }
    }

    fn emit(&mut self, coded: Coded) {
        let Some(&index) = self.capture.waiting.front() else {
            return;
        };
        let piece = &self.capture.slots[index as usize].pieces[0];
        let offset = self.nature.data_offset;
        if let Some(region) = &piece.region {
            let at = offset as usize;
            assert!(region.bytes().copy_in(at, &coded.bytes), "it fits");
        }
        self.last_time = coded.time;
        self.capture.complete(Done {
            index,
            claimed: coded.claimed,
            bytesused: (coded.bytesused)
                .unwrap_or_else(|| coded.data_offset + coded.bytes.len() as u32),
            data_offset: coded.data_offset,
            flags: coded.flags,
            timestamp: coded.time,
            sequence: 0,
        });
    }
}
