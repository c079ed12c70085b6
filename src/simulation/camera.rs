//! A simulated camera: one open file of a capture device.
//!
//! It fills buffers at its pace, raw or coded, and does what its nature says: gaps in its count, damaged frames, clocks that step, an end of
//! the stream without a word (as uvcvideo), a signal that is lost and comes again (as an HDMI bridge).

use core::any::Any;

use rustix::event::PollFlags;
use rustix::io::{Errno, Result};
use std::rc::Rc;

use super::format::{Raw, Terms, queue_of, request};
use super::jpeg;
use super::queue::{Done, Queue};
use super::random::Random;
use super::shared::{Place, Shared};
use super::webcam::{self, Coding};
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{
    self, BUF_CAP_SUPPORTS_MMAP, BUF_FLAG_ERROR, BUF_FLAG_TIMESTAMP_MONOTONIC, DvTimings,
    EVENT_SOURCE_CHANGE, Event, EventSubscription, ExportBuffer, FMT_FLAG_COMPRESSED, FmtDesc,
    Format, Fract, Memory, Plane, Queue as Side, RawBuffer, RequestBuffers, StreamParm,
};

/// What kind of camera it is, and what it does wrong: out of 1000 frames so many.
#[derive(Clone, Copy, Debug)]
pub(super) struct CameraNature {
    pub(super) terms: Terms,
    pub(super) card: &'static [u8],
    pub(super) size: (u32, u32),
    pub(super) interval: u64,
    pub(super) buffers: (u32, u32),
    pub(super) exports: bool,
    /// It fills dma-bufs of others, and looks at them before.
    pub(super) imports: bool,
    pub(super) prepares: bool,
    /// It follows a signal, and has events.
    pub(super) bridge: bool,
    /// It gives coded frames, too.
    pub(super) coding: Option<Coding>,
    /// It has no raw formats.
    pub(super) only_coded: bool,
    /// The mischief ends then, virtual ns.
    pub(super) until: u64,
    pub(super) gaps: u32,
    pub(super) damages: u32,
    pub(super) shorts: u32,
    /// The stream ends without a word.
    pub(super) deaths: u32,
    pub(super) clock_steps: u32,
}

/// An open camera.
#[derive(Debug)]
pub(super) struct Camera {
    nature: Rc<CameraNature>,
    random: Random,
    pub(super) raw: Raw,
    /// It is set to coded frames.
    pub(super) coded: bool,
    /// The size of what it shows, where that is not what it was asked for.
    shows: Option<(u32, u32)>,
    pub(super) queue: Queue,
    next: u64,
    sequence: u32,
    /// Added to its clock, ns; wraps.
    skew: u64,
    /// Nothing comes until the stream is started again.
    dead: bool,
    signal: bool,
    events: u32,
    subscribed: bool,
}

impl Camera {
    pub(super) fn new(nature: &Rc<CameraNature>, random: Random, signal: bool) -> Self {
        let terms = &nature.terms;
        Self {
            random,
            raw: Raw::new(terms, terms.raw[0], nature.size, [0; 3]),
            coded: nature.only_coded,
            shows: None,
            queue: Queue::new(Side::Capture, terms.api),
            nature: nature.clone(),
            next: 0,
            sequence: 0,
            skew: 0,
            dead: false,
            signal,
            events: 0,
            subscribed: false,
        }
    }

    pub(super) fn ioctl(
        &mut self,
        number: u32,
        argument: &mut dyn Any,
        planes: &mut [Plane],
        place: &mut Place<'_>,
        shared: &mut Shared,
    ) -> Result<()> {
        if let Some(raw) = argument.downcast_mut::<RawBuffer>() {
            return self.buffer(number, raw, planes, shared);
        }
        if let Some(format) = argument.downcast_mut::<Format>() {
            return self.format(number, format);
        }
        if let Some(request) = argument.downcast_mut::<RequestBuffers>() {
            self.check(request.type_)?;
            if request.memory == Memory::Dmabuf as u32 && !self.nature.imports {
                return Err(Errno::INVAL);
            }
            let count = match request.count {
                0 => 0,
                count => count.min(self.nature.buffers.1).max(self.nature.buffers.0),
            };
            let coded = [self.coded_bytes()];
            let bytes = match self.coded {
                true => &coded,
                false => &self.raw.sizeimage[..self.raw.planes],
            };
            self.queue
                .request(request, count, bytes, place.handle, place.space)?;
            request.count = count;
            request.capabilities = BUF_CAP_SUPPORTS_MMAP;
            return Ok(());
        }
        if let Some(export) = argument.downcast_mut::<ExportBuffer>() {
            self.check(export.type_)?;
            if !self.nature.exports {
                return Err(Errno::NOTTY);
            }
            let inode = self.queue.export(export)?;
            shared.dmabufs.insert(inode);
            return Ok(());
        }
        if let Some(desc) = argument.downcast_mut::<FmtDesc>() {
            self.check(desc.type_)?;
            let raw = match self.nature.only_coded {
                true => &[],
                false => self.nature.terms.raw,
            };
            let coded = self.nature.coding.map(|_| Fourcc::MJPG);
            let mut formats = raw.iter().copied().chain(coded);
            desc.pixelformat = formats.nth(desc.index as usize).ok_or(Errno::INVAL)?;
            let coded = desc.pixelformat == Fourcc::MJPG;
            desc.flags = if coded { FMT_FLAG_COMPRESSED } else { 0 };
            return Ok(());
        }
        if let Some(parm) = argument.downcast_mut::<StreamParm>() {
            parm.set_timeperframe(Fract {
                numerator: 1,
                denominator: (1_000_000_000 / self.nature.interval.max(1)) as u32,
            });
            return Ok(());
        }
        self.signal_call(number, argument, shared)
    }

    fn format(&mut self, number: u32, format: &mut Format) -> Result<()> {
        self.check(format.type_)?;
        let (fourcc, size, rows) = request(format);
        if number == abi::VIDIOC_S_FMT {
            if !self.queue.slots.is_empty() {
                return Err(Errno::BUSY);
            }
            self.raw = Raw::new(&self.nature.terms, fourcc, size, rows);
            let asked = self.nature.coding.is_some() && fourcc == Fourcc::MJPG;
            self.coded = asked || self.nature.only_coded;
        }
        self.raw.write(format);
        if self.coded {
            format.set_pixelformat(Fourcc::MJPG);
            format.set_planes(1);
            format.set_bytesperline(0, 0);
            format.set_sizeimage(0, self.coded_bytes());
        }
        Ok(())
    }

    /// Bytes of a coded buffer: as uvcvideo has it, two for each pixel.
    fn coded_bytes(&self) -> u32 {
        self.raw.size.0 * self.raw.size.1 * 2
    }

    /// From now on it shows another size than it was asked for; `None`: that one again.
    pub(super) fn show(&mut self, size: Option<(u32, u32)>) {
        self.shows = size;
    }

    fn signal_call(&mut self, number: u32, argument: &mut dyn Any, shared: &Shared) -> Result<()> {
        if let Some(&word) = argument.downcast_ref::<u32>() {
            return match number {
                abi::VIDIOC_STREAMON => self.start(word, shared),
                abi::VIDIOC_STREAMOFF => {
                    self.queue.stop();
                    Ok(())
                }
                abi::VIDIOC_G_INPUT if self.nature.bridge => Ok(()),
                _ => Err(Errno::NOTTY),
            };
        }
        if argument.is::<EventSubscription>() && self.nature.bridge {
            self.subscribed = true;
            return Ok(());
        }
        if let Some(event) = argument.downcast_mut::<Event>() {
            if !self.subscribed || self.events == 0 {
                return Err(Errno::NOENT);
            }
            self.events -= 1;
            event.type_ = EVENT_SOURCE_CHANGE;
            return Ok(());
        }
        if let Some(timings) = argument.downcast_mut::<DvTimings>()
            && self.nature.bridge
        {
            if !self.signal {
                return Err(Errno::NOLINK);
            }
            (timings.bt.width, timings.bt.height) = self.nature.size;
            return Ok(());
        }
        Err(Errno::NOTTY)
    }

    fn check(&self, word: u32) -> Result<()> {
        match queue_of(word, self.nature.terms.api) {
            Some(Side::Capture) => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    fn start(&mut self, word: u32, shared: &Shared) -> Result<()> {
        self.check(word)?;
        if self.queue.slots.is_empty() {
            return Err(Errno::INVAL);
        }
        self.queue.streaming = true;
        (self.dead, self.sequence) = (false, 0);
        self.next = shared.now() + self.nature.interval;
        Ok(())
    }

    fn buffer(
        &mut self,
        number: u32,
        raw: &mut RawBuffer,
        planes: &mut [Plane],
        shared: &mut Shared,
    ) -> Result<()> {
        self.check(raw.type_)?;
        match number {
            abi::VIDIOC_QUERYBUF => self.queue.query(raw, planes),
            abi::VIDIOC_DQBUF => {
                let done = self.queue.dequeue(raw, planes)?;
                // An empty one that is marked ERROR is the end of a stream.
                let frame = done.bytesused > 0 || done.flags & BUF_FLAG_ERROR == 0;
                shared.frames.dequeued += u64::from(frame);
                Ok(())
            }
            abi::VIDIOC_PREPARE_BUF if !self.nature.prepares => Err(Errno::NOTTY),
            abi::VIDIOC_QBUF | abi::VIDIOC_PREPARE_BUF => {
                let index = self.queue.take(raw, planes, shared, "the camera's")?;
                if number == abi::VIDIOC_PREPARE_BUF {
                    self.queue.only_prepared(index);
                }
                Ok(())
            }
            _ => Err(Errno::NOTTY),
        }
    }

    /// The signal is lost, or comes again.
    pub(super) fn set_signal(&mut self, signal: bool) {
        self.signal = signal;
        self.events += 1;
    }

    /// Readable, writable, urgent, error. There is no error for whoever waits for events alone.
    pub(super) fn ready(&self, wanted: PollFlags) -> (bool, bool, bool, bool) {
        let idle = !self.queue.streaming || self.queue.error;
        let error = idle && wanted.contains(PollFlags::IN);
        let urgent = self.subscribed && self.events > 0;
        (!self.queue.done.is_empty(), false, urgent, error)
    }

    pub(super) fn next(&self, now: u64) -> Option<u64> {
        let runs = self.queue.streaming && !self.dead && self.signal;
        (runs && self.next > now).then_some(self.next)
    }

    pub(super) fn step(&mut self, shared: &mut Shared) {
        let now = shared.now();
        if !self.queue.streaming || self.dead || !self.signal || self.next > now {
            return;
        }
        // One that was held up does not make up for it.
        self.next = (self.next + self.nature.interval).max(now + 1);
        let mischief = now < self.nature.until;
        let mut draw = |chance| mischief && self.random.chance(chance);
        let nature = &self.nature;
        self.sequence = self.sequence.wrapping_add(1);
        if draw(nature.gaps) {
            return;
        }
        if draw(nature.clock_steps) {
            self.skew = self.skew.wrapping_sub(5_000_000_000);
        }
        let (damaged, short, dies) = (
            draw(nature.damages),
            draw(nature.shorts),
            draw(nature.deaths),
        );
        let Some(&index) = self.queue.waiting.front() else {
            return;
        };
        let stamp = shared.frames.taken();
        let piece = &self.queue.slots[index as usize].pieces[0];
        let (mut whole, mut short_of) = (self.raw.sizeimage[0], true);
        if let (true, Some(coding)) = (self.coded, &nature.coding) {
            let size = self.shows.unwrap_or(self.raw.size);
            let coded = webcam::code(coding, &mut self.random, stamp, size, mischief);
            piece.write(&coded.bytes);
            whole = coded.bytes.len() as u32;
            shared.liberties.lossy |= coded.bad;
            let half = jpeg::read(&coded.bytes[..coded.bytes.len() / 2]);
            // It may have all that there is of the image.
            short_of = half.is_none_or(|half| half.behind.is_none());
        } else {
            piece.write_stamp(stamp);
        }
        self.queue.complete(Done {
            index,
            bytesused: match (dies, short) {
                (true, _) => 0,
                (_, true) => whole / 2,
                _ => whole,
            },
            flags: BUF_FLAG_TIMESTAMP_MONOTONIC | if damaged || dies { BUF_FLAG_ERROR } else { 0 },
            timestamp: now.wrapping_add(self.skew).max(1000) / 1000,
            sequence: self.sequence,
            ..Done::default()
        });
        if damaged || short || dies {
            shared.liberties.lossy = true;
        }
        if damaged || short && short_of || dies {
            shared.frames.spoilt(stamp);
        }
        self.dead |= dies;
    }
}
