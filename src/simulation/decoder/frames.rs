//! The simulated decoder's work: images in, frames out, in virtual time.

use rustix::io::{Errno, Result};

use super::super::format::Raw;
use super::super::jpeg::{self, Found};
use super::super::queue::Done;
use super::super::shared::Shared;
use super::work::{Fate, Work};
use super::{Change, Cut, Decoder, Ends};
use crate::v4l2::abi::{BUF_FLAG_ERROR, BUF_FLAG_LAST, BUF_FLAG_TIMESTAMP_COPY, Plane, RawBuffer};

impl Decoder {
    /// QBUF of a coded image.
    pub(super) fn take_image(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
    ) -> Result<()> {
        let mishaps = self.nature.mishaps;
        if shared.now() < mishaps.until && self.random.chance(mishaps.refuses) {
            shared.liberties.refused = true;
            return Err(Errno::INVAL);
        }
        let index = self
            .output
            .take(raw, planes, shared, "the decoder's OUTPUT")?;
        let slot = &self.output.slots[index as usize];
        let piece = &slot.pieces[0];
        if piece.bytesused == 0 || piece.bytesused > piece.length {
            // A driver takes it for the end, or for whatever was there before.
            shared.violated(format_args!("a coded buffer of {} bytes", piece.bytesused));
            return Err(Errno::INVAL);
        }
        let found = jpeg::read(&piece.content());
        let (low, high) = self.nature.latency;
        let latency = self.random.range(low, high);
        self.work.push_back(Work {
            slot: index,
            found,
            time: slot.timestamp,
            latency,
            ready_at: None,
            return_at: 0,
            returned: false,
            fate: Fate::next(&mishaps, &mut self.random, shared),
        });
        Ok(())
    }

    /// What it makes of an image; `None` where it gives no frame.
    fn decodable(&self, found: Option<Found>) -> Option<Found> {
        let nature = &self.nature;
        found.filter(|found| {
            let bare = !found.tables && nature.needs_tables;
            let fills = found.fills && nature.hates_fills;
            let cut = found.behind.is_none() && nature.cut == Cut::Nothing;
            !bare && !fills && !cut
        })
    }

    /// Whether CAPTURE has to be another for an image.
    fn differs(&self, found: &Found) -> bool {
        if self.input.is_some() {
            return false;
        }
        let own = Raw::new(&self.nature.terms, self.raw.fourcc, found.size, [0; 3]);
        let rows = self.nature.own_rows && own.bytesperline != self.raw.bytesperline;
        found.size != self.visible || own.size != self.raw.size || rows
    }

    /// Does what is due.
    pub(in crate::simulation) fn step(&mut self, shared: &mut Shared) {
        let now = shared.now();
        while self.output.streaming && self.advance(now, shared) {}
        self.end_stream();
    }

    /// Goes on with the oldest image. Whether it is done with it.
    fn advance(&mut self, now: u64, shared: &mut Shared) -> bool {
        let early = self.nature.returns_early;
        let Some(front) = self.work.front_mut() else {
            return false;
        };
        let (latency, random) = (front.latency, &mut self.random);
        let ready_at = *front.ready_at.get_or_insert_with(|| {
            front.return_at = now
                + if early {
                    random.below(latency + 1)
                } else {
                    latency
                };
            now + latency
        });
        if self.capture.streaming && front.return_at <= now && early {
            self.give_back();
        }
        if ready_at > now || self.changing || self.halted || self.mark || self.capture.ended {
            return false;
        }
        let Some(&front) = self.work.front() else {
            return false;
        };
        let frame = self.decodable(front.found);
        if let Some(found) = &frame
            && self.differs(found)
        {
            self.begin_change(found, false, shared);
            return false;
        }
        // Nothing is decoded without room for it.
        if !self.capture.streaming || self.capture.waiting.is_empty() {
            return false;
        }
        self.check_input(&front, shared);
        self.give_back();
        self.work.pop_front();
        match frame {
            Some(found) => self.show(&front, &found, shared),
            None => shared.trace(format_args!("the decoder makes nothing of an image")),
        }
        true
    }

    /// The driver is done with the oldest image's buffer.
    fn give_back(&mut self) {
        let Some(work) = self.work.front_mut() else {
            return;
        };
        if !core::mem::replace(&mut work.returned, true) {
            let (lies, random) = (work.fate == Fate::WrongInput, &mut self.random);
            let others = [(work.slot + 1) % 2, 77, u32::MAX];
            self.output.complete(Done {
                index: work.slot,
                claimed: lies.then(|| random.pick(&others)),
                flags: BUF_FLAG_TIMESTAMP_COPY,
                timestamp: work.time,
                ..Done::default()
            });
        }
    }

    /// The images from here on are others. `told`: a frame was marked LAST for it.
    fn begin_change(&mut self, found: &Found, told: bool, shared: &mut Shared) {
        shared.trace(format_args!("the decoder sees {found:?}"));
        self.raw = Raw::new(&self.nature.terms, self.raw.fourcc, found.size, [0; 3]);
        self.visible = found.size;
        self.events += u32::from(self.subscribed);
        self.changing = true;
        if !self.capture.streaming {
            return;
        }
        match self.nature.change {
            Change::Cuts => (self.capture.ended, self.capture.cut) = (true, true),
            _ => self.mark = !told,
        }
    }

    /// A frame into the next CAPTURE buffer.
    fn show(&mut self, work: &Work, found: &Found, shared: &mut Shared) {
        let Some(&index) = self.capture.waiting.front() else {
            return;
        };
        let fate = work.fate;
        if fate != Fate::Good {
            shared.liberties.lossy = true;
        }
        self.sequence = self.sequence.wrapping_add(1);
        if fate == Fate::Lost {
            return;
        }
        let torn = found.stamp == 0 || found.behind.is_none() && self.nature.cut == Cut::Error;
        let spoilt = torn || matches!(fate, Fate::Error | Fate::EmptyError);
        if spoilt {
            shared.frames.spoilt(found.stamp);
        }
        if found.stamp != 0 {
            let piece = &self.capture.slots[index as usize].pieces[0];
            piece.write_stamp(found.stamp);
        }
        let next = self
            .work
            .front()
            .and_then(|next| self.decodable(next.found));
        let changes =
            next.filter(|next| self.nature.change == Change::MarksFrame && self.differs(next));
        let drained = self.draining
            && self.work.is_empty()
            && self.nature.ends == Ends::Marks { alone: false };
        let last = fate == Fate::SuddenLast || changes.is_some() || drained;
        let mut flags = BUF_FLAG_TIMESTAMP_COPY;
        flags |= if spoilt { BUF_FLAG_ERROR } else { 0 };
        flags |= if last { BUF_FLAG_LAST } else { 0 };
        let claims = fate == Fate::WrongIndex;
        let late = self.random.pick(&[1, 1_000_000, 1 << 40]);
        self.capture.complete(Done {
            index,
            claimed: claims.then(|| self.random.pick(&[77, u32::MAX])),
            bytesused: match fate {
                Fate::EmptyError => 0,
                _ => self.raw.sizeimage[0],
            },
            flags,
            timestamp: work.time + u64::from(fate == Fate::WrongTime) * late,
            sequence: self.sequence,
            ..Done::default()
        });
        self.draining &= !drained;
        self.halted |= drained;
        if let Some(found) = changes {
            self.begin_change(&found, true, shared);
        }
        match fate {
            Fate::SuddenPipe => (self.capture.ended, self.capture.cut) = (true, true),
            Fate::SuddenEvent => self.events += u32::from(self.subscribed),
            _ => {}
        }
    }

    /// An empty buffer marked LAST, where one is due.
    fn end_stream(&mut self) {
        if self.draining && self.work.is_empty() && self.nature.ends != Ends::Never {
            (self.draining, self.halted, self.mark) = (false, true, true);
        }
        if let (true, Some(&index)) = (self.mark, self.capture.waiting.front()) {
            self.mark = false;
            self.capture.complete(Done {
                index,
                flags: BUF_FLAG_LAST,
                sequence: self.sequence,
                ..Done::default()
            });
        }
    }

    /// When it has something to do next, virtual ns.
    pub(in crate::simulation) fn next(&self, now: u64) -> Option<u64> {
        let front = self.work.front().filter(|_| self.output.streaming)?;
        let returns = (!front.returned).then_some(front.return_at);
        let times = [front.ready_at, returns].into_iter().flatten();
        times.filter(|&at| at > now).min()
    }
}
