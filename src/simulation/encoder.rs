//! A simulated encoder: one open file of an M2M device, with its two queues.
//!
//! It answers as the drivers do that are known (bcm2835-codec, vicodec), and does what its nature and its mischief say: look-ahead, order,
//! fragments, drops, lies. Knows nothing of the engine.

mod controls;
mod nature;
mod output;
mod work;

use core::any::Any;

use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::rc::Rc;

pub(super) use nature::{Crop, Mischief, Nature, Stops};
use work::{Coded, Work};

use super::format::{Raw, queue_of, request};
use super::queue::{Holder, Queue};
use super::random::Random;
use super::shared::{Place, Shared};
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{
    self, BUF_CAP_SUPPORTS_MMAP, ENC_CMD_STOP, EVENT_EOS, EncoderCmd, Event, EventSubscription,
    ExportBuffer, ExtControl, ExtControls, FMT_FLAG_COMPRESSED, FmtDesc, Format, Memory, Plane,
    QueryExtCtrl, Queue as Side, RawBuffer, RequestBuffers, Selection, StreamParm,
};

/// An open encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    nature: Rc<Nature>,
    random: Random,
    pub(super) raw: Raw,
    capture_bytes: u32,
    pub(super) output: Queue,
    pub(super) capture: Queue,
    controls: controls::Controls,
    /// Frames that were taken, oldest first.
    work: VecDeque<Work>,
    /// What is coded, and waits for CAPTURE buffers.
    outbox: VecDeque<Coded>,
    since_key: u64,
    /// The timestamp of the packet before, us.
    last_time: u64,
    /// STOP was given.
    draining: bool,
    marked: bool,
    /// Both queues stopped, and CAPTURE has no format since.
    forgotten: bool,
    /// OUTPUT started before CAPTURE streamed.
    asleep: bool,
    /// Ends of streams are subscribed to; events that wait.
    subscribed: bool,
    events: u32,
}

impl Encoder {
    pub(super) fn new(nature: &Rc<Nature>, random: Random) -> Self {
        let terms = &nature.terms;
        Self {
            random,
            raw: Raw::new(terms, terms.raw[0], (terms.sides.0, terms.sides.0), [0; 3]),
            capture_bytes: nature.capture_bytes,
            output: Queue::new(Side::Output, terms.api),
            capture: Queue::new(Side::Capture, terms.api),
            controls: controls::Controls::new(nature),
            nature: nature.clone(),
            work: VecDeque::new(),
            outbox: VecDeque::new(),
            since_key: 0,
            last_time: 0,
            draining: false,
            marked: false,
            forgotten: false,
            asleep: false,
            subscribed: false,
            events: 0,
        }
    }

    pub(super) fn ioctl(
        &mut self,
        number: u32,
        argument: &mut dyn Any,
        planes: &mut [Plane],
        control: Option<&mut ExtControl>,
        place: &mut Place<'_>,
        shared: &mut Shared,
    ) -> Result<()> {
        if let Some(buffer) = argument.downcast_mut::<RawBuffer>() {
            return self.buffer(number, buffer, planes, shared);
        }
        if let Some(controls) = argument.downcast_mut::<ExtControls>() {
            let control = control.ok_or(Errno::FAULT)?;
            return self.controls.access(number, controls, control);
        }
        if let Some(format) = argument.downcast_mut::<Format>() {
            return self.format(number, format);
        }
        if let Some(request) = argument.downcast_mut::<RequestBuffers>() {
            return self.request(request, place);
        }
        if let Some(export) = argument.downcast_mut::<ExportBuffer>() {
            if !self.nature.exports {
                return Err(Errno::NOTTY);
            }
            let queue = self.queue(export.type_)?;
            if !queue.is_mmap() {
                return Err(Errno::INVAL);
            }
            let inode = queue.export(export)?;
            shared.dmabufs.insert(inode);
            return Ok(());
        }
        if let Some(desc) = argument.downcast_mut::<FmtDesc>() {
            return self.describe(desc);
        }
        if let Some(query) = argument.downcast_mut::<QueryExtCtrl>() {
            return self.controls.query(query);
        }
        if let Some(parm) = argument.downcast_mut::<StreamParm>() {
            return self.interval(parm);
        }
        if let Some(selection) = argument.downcast_mut::<Selection>() {
            return self.crop(selection);
        }
        if let Some(command) = argument.downcast_mut::<EncoderCmd>() {
            return self.command(command);
        }
        if let Some(subscription) = argument.downcast_mut::<EventSubscription>() {
            self.subscribed = subscription.type_ == EVENT_EOS;
            return Ok(());
        }
        if let Some(event) = argument.downcast_mut::<Event>() {
            self.events = self.events.checked_sub(1).ok_or(Errno::NOENT)?;
            event.type_ = EVENT_EOS;
            return Ok(());
        }
        match (number, argument.downcast_ref::<u32>()) {
            (abi::VIDIOC_STREAMON, Some(&queue)) => self.start(queue, shared),
            (abi::VIDIOC_STREAMOFF, Some(&queue)) => self.stop(queue),
            _ => Err(Errno::NOTTY),
        }
    }

    fn queue(&mut self, word: u32) -> Result<&mut Queue> {
        match queue_of(word, self.nature.terms.api) {
            Some(Side::Output) => Ok(&mut self.output),
            Some(Side::Capture) => Ok(&mut self.capture),
            None => Err(Errno::INVAL),
        }
    }

    fn describe(&self, desc: &mut FmtDesc) -> Result<()> {
        let side = queue_of(desc.type_, self.nature.terms.api).ok_or(Errno::INVAL)?;
        let (list, flags): (&[Fourcc], _) = match side {
            Side::Output => (self.nature.terms.raw, 0),
            Side::Capture => (&[self.nature.codec], FMT_FLAG_COMPRESSED),
        };
        desc.pixelformat = *list.get(desc.index as usize).ok_or(Errno::INVAL)?;
        desc.flags = flags;
        Ok(())
    }

    fn format(&mut self, number: u32, format: &mut Format) -> Result<()> {
        let (fourcc, size, rows) = request(format);
        let side = queue_of(format.type_, self.nature.terms.api).ok_or(Errno::INVAL)?;
        let sets = number == abi::VIDIOC_S_FMT;
        match side {
            Side::Output => {
                let made = match number {
                    abi::VIDIOC_G_FMT => self.raw,
                    _ => Raw::new(&self.nature.terms, fourcc, size, rows),
                };
                if sets && !self.output.slots.is_empty() {
                    return Err(Errno::BUSY);
                }
                if sets {
                    self.raw = made;
                }
                made.write(format);
            }
            Side::Capture => {
                if sets && !self.capture.slots.is_empty() {
                    return Err(Errno::BUSY);
                }
                self.forgotten &= !sets;
                format.set_pixelformat(self.nature.codec);
                format.set_planes(1);
                format.set_sizeimage(0, self.capture_bytes);
                format.set_bytesperline(0, 0);
            }
        }
        Ok(())
    }

    fn interval(&self, parm: &mut StreamParm) -> Result<()> {
        let output = queue_of(parm.type_, self.nature.terms.api) == Some(Side::Output);
        let interval = parm.timeperframe();
        match output && self.nature.codec == Fourcc::H264 {
            false => Err(Errno::NOTTY),
            true if interval.numerator == 0 || interval.denominator == 0 => Err(Errno::INVAL),
            true => Ok(()),
        }
    }

    fn crop(&self, selection: &mut Selection) -> Result<()> {
        let made = &mut selection.r;
        (made.left, made.top) = (0, 0);
        match self.nature.crop {
            Crop::Exact => {
                made.width = made.width.min(self.raw.size.0);
                made.height = made.height.min(self.raw.size.1);
            }
            Crop::Missing => return Err(Errno::NOTTY),
            Crop::Ignored => (made.width, made.height) = self.raw.size,
            Crop::Cuts => made.width = made.width.saturating_sub(8),
        }
        Ok(())
    }

    fn request(&mut self, request: &mut RequestBuffers, place: &mut Place<'_>) -> Result<()> {
        let side = queue_of(request.type_, self.nature.terms.api).ok_or(Errno::INVAL)?;
        let dmabuf = request.memory == Memory::Dmabuf as u32;
        if dmabuf && !self.nature.imports {
            return Err(Errno::INVAL);
        }
        let (least, most) = match side {
            Side::Output => self.nature.outputs,
            Side::Capture => self.nature.captures,
        };
        let count = match request.count {
            0 => 0,
            count => count.min(most).max(least),
        };
        let capture = [self.capture_bytes];
        let bytes = match side {
            Side::Output => &self.raw.sizeimage[..self.raw.planes],
            Side::Capture => &capture,
        };
        let queue = match side {
            Side::Output => &mut self.output,
            Side::Capture => &mut self.capture,
        };
        queue.request(request, count, bytes, place.handle, place.space)?;
        request.count = count;
        request.capabilities = BUF_CAP_SUPPORTS_MMAP;
        Ok(())
    }

    fn buffer(
        &mut self,
        number: u32,
        raw: &mut RawBuffer,
        planes: &mut [Plane],
        shared: &mut Shared,
    ) -> Result<()> {
        let side = queue_of(raw.type_, self.nature.terms.api).ok_or(Errno::INVAL)?;
        match number {
            abi::VIDIOC_QUERYBUF => self.queue(raw.type_)?.query(raw, planes),
            abi::VIDIOC_PREPARE_BUF => self.prepare(raw, planes, shared),
            abi::VIDIOC_QBUF if side == Side::Output => self.take_frame(raw, planes, shared),
            abi::VIDIOC_QBUF => {
                let taken = self
                    .capture
                    .take(raw, planes, shared, "the encoder's CAPTURE");
                taken.map(|_| ())
            }
            _ => {
                let queue = match side {
                    Side::Output => &mut self.output,
                    Side::Capture => &mut self.capture,
                };
                let done = queue.dequeue(raw, planes)?;
                if side == Side::Capture {
                    queue.ended |= done.flags & abi::BUF_FLAG_LAST != 0;
                }
                Ok(())
            }
        }
    }

    fn prepare(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
    ) -> Result<()> {
        if !self.nature.prepares {
            return Err(Errno::NOTTY);
        }
        let index = self
            .output
            .take(raw, planes, shared, "the encoder's OUTPUT")?;
        self.output.only_prepared(index);
        Ok(())
    }

    fn start(&mut self, word: u32, shared: &mut Shared) -> Result<()> {
        let capture = queue_of(word, self.nature.terms.api) == Some(Side::Capture);
        shared.streams += u64::from(capture);
        let forgotten = self.forgotten;
        let asleep = self.nature.capture_first && !self.capture.streaming;
        let queue = self.queue(word)?;
        if queue.slots.is_empty() {
            return Err(Errno::INVAL);
        }
        if forgotten {
            return Err(Errno::IO);
        }
        queue.streaming = true;
        if !capture {
            self.asleep = asleep;
        }
        Ok(())
    }

    fn stop(&mut self, word: u32) -> Result<()> {
        let side = queue_of(word, self.nature.terms.api).ok_or(Errno::INVAL)?;
        (self.draining, self.marked) = (false, false);
        self.since_key = 0;
        self.outbox.clear();
        let streamed = self.output.streaming || self.capture.streaming;
        match side {
            Side::Output => {
                self.work.clear();
                self.output.stop();
            }
            Side::Capture => self.capture.stop(),
        }
        let stopped = streamed && !self.output.streaming && !self.capture.streaming;
        self.forgotten |= self.nature.forgets && stopped;
        Ok(())
    }

    fn command(&mut self, command: &EncoderCmd) -> Result<()> {
        if command.cmd != ENC_CMD_STOP {
            return Ok(());
        }
        match self.nature.stops {
            Stops::Unknown => return Err(Errno::NOTTY),
            Stops::Marks { busy: true, .. } if self.draining => return Err(Errno::BUSY),
            _ => {}
        }
        self.draining = self.output.streaming && self.capture.streaming;
        Ok(())
    }

    /// Slots of the OUTPUT queue that the driver has, or that wait to be dequeued.
    pub(super) fn holds(&self, slot: u32) -> bool {
        let slot = self.output.slots.get(slot as usize);
        slot.is_some_and(|slot| slot.holder != Holder::User)
    }

    /// CAPTURE buffers that neither the driver has nor a list of those that are done, while a stream goes on.
    pub(super) fn captures_missing(&self) -> usize {
        let queue = &self.capture;
        if !queue.streaming || !self.output.streaming || queue.ended || queue.lied || self.marked {
            return 0;
        }
        let slots = queue.slots.iter();
        slots.filter(|slot| slot.holder == Holder::User).count()
    }

    /// What poll(2) says: readable, writable, urgent, error.
    pub(super) fn ready(&self) -> (bool, bool, bool, bool) {
        let idle = |queue: &Queue, excused: bool| {
            !queue.streaming || queue.error || !queue.has_queued() && !excused
        };
        let error = idle(&self.output, false) && idle(&self.capture, self.capture.ended);
        let readable = !self.capture.done.is_empty() || self.capture.ended;
        let writable = !self.output.done.is_empty();
        (readable, writable, self.events > 0, error)
    }
}
