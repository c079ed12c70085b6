//! A simulated stateful decoder, or a converter, which is one whose frames come in raw: one open file of an M2M device, with its two queues.
//!
//! It answers as the kernel's text on stateful decoders says, and as bcm2835-codec does where that differs: one coded buffer is one image,
//! SOURCE_CHANGE comes only where the images differ from what CAPTURE is set to. Knows nothing of the engine.

mod convert;
mod frames;
mod nature;
mod work;

use core::any::Any;

use rustix::event::PollFlags;
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::rc::Rc;

pub(super) use nature::{Change, Converts, Cut, DecoderNature, Ends, Mishaps};
use work::Work;

use super::format::{Raw, queue_of, request};
use super::queue::Queue;
use super::random::Random;
use super::shared::{Place, Shared};
use crate::media::fourcc::Fourcc;
use crate::types::flip::Flip;
use crate::v4l2::abi::{
    self, BUF_CAP_SUPPORTS_MMAP, BUF_FLAG_LAST, BufferType, DEC_CMD_STOP, DecoderCmd,
    EVENT_SOURCE_CHANGE, Event, EventSubscription, ExportBuffer, ExtControl, FIELD_NONE,
    FMT_FLAG_COMPRESSED, FmtDesc, Format, Memory, Plane, Queue as Side, RawBuffer, RequestBuffers,
    SEL_TGT_COMPOSE, SEL_TGT_CROP, Selection,
};

/// `V4L2_DEC_CMD_START`.
pub(super) const START: u32 = 0;

/// An open decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    nature: Rc<DecoderNature>,
    random: Random,
    coded: Fourcc,
    coded_bytes: u32,
    /// The size that OUTPUT was set to.
    size: (u32, u32),
    /// What a converter's OUTPUT is set to, and how it mirrors.
    pub(super) input: Option<Raw>,
    flip: Flip,
    /// The part of OUTPUT's frames that a converter reads, where it is not all.
    crop: Option<(u32, u32)>,
    /// What CAPTURE is set to, and the visible part of it.
    pub(super) raw: Raw,
    visible: (u32, u32),
    pub(super) output: Queue,
    pub(super) capture: Queue,
    /// Images that were taken, oldest first.
    work: VecDeque<Work>,
    events: u32,
    subscribed: bool,
    /// The format changed: nothing is decoded until CAPTURE is started again.
    changing: bool,
    /// A buffer is to be marked LAST.
    mark: bool,
    draining: bool,
    /// A drain is over: nothing is decoded until a queue is started again, or START is given.
    halted: bool,
    sequence: u32,
}

impl Decoder {
    pub(super) fn new(nature: &Rc<DecoderNature>, random: Random) -> Self {
        let terms = &nature.terms;
        let size = (terms.sides.0, terms.sides.0);
        Self {
            random,
            coded: nature.coded[0],
            coded_bytes: nature.coded_bytes,
            size,
            input: nature.input(size),
            flip: Flip::default(),
            crop: None,
            raw: Raw::new(terms, terms.raw[0], size, [0; 3]),
            visible: size,
            output: Queue::new(Side::Output, terms.api),
            capture: Queue::new(Side::Capture, terms.api),
            nature: nature.clone(),
            work: VecDeque::new(),
            events: 0,
            subscribed: false,
            changing: false,
            mark: false,
            draining: false,
            halted: false,
            sequence: 0,
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
        if let Some(format) = argument.downcast_mut::<Format>() {
            return match self.side(format.type_)? {
                Side::Output => self.output_format(number, format),
                Side::Capture => self.capture_format(number, format),
            };
        }
        if let Some(request) = argument.downcast_mut::<RequestBuffers>() {
            return self.request(request, place);
        }
        if let Some(export) = argument.downcast_mut::<ExportBuffer>() {
            if !self.exports(self.side(export.type_)?) {
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
        if let Some(selection) = argument.downcast_mut::<Selection>() {
            return self.selection(number, selection);
        }
        if let Some(subscription) = argument.downcast_ref::<EventSubscription>() {
            if subscription.type_ != EVENT_SOURCE_CHANGE {
                return Err(Errno::INVAL);
            }
            self.subscribed = true;
            return Ok(());
        }
        if let Some(event) = argument.downcast_mut::<Event>() {
            if self.events == 0 {
                return Err(Errno::NOENT);
            }
            self.events -= 1;
            event.type_ = EVENT_SOURCE_CHANGE;
            event.pending = self.events;
            return Ok(());
        }
        if let Some(command) = argument.downcast_ref::<DecoderCmd>() {
            return self.command(command.cmd);
        }
        if let (abi::VIDIOC_S_EXT_CTRLS, Some(control)) = (number, control) {
            return self.mirror(control);
        }
        match (number, argument.downcast_ref::<u32>()) {
            (abi::VIDIOC_STREAMON, Some(&queue)) => self.start(queue),
            (abi::VIDIOC_STREAMOFF, Some(&queue)) => self.stop(queue),
            _ => Err(Errno::NOTTY),
        }
    }

    fn side(&self, word: u32) -> Result<Side> {
        queue_of(word, self.nature.terms.api).ok_or(Errno::INVAL)
    }

    fn queue(&mut self, word: u32) -> Result<&mut Queue> {
        Ok(match self.side(word)? {
            Side::Output => &mut self.output,
            Side::Capture => &mut self.capture,
        })
    }

    fn describe(&self, desc: &mut FmtDesc) -> Result<()> {
        let (list, flags) = match (self.side(desc.type_)?, &self.nature.converts) {
            (Side::Output, Some(converts)) => (converts.terms.raw, 0),
            (Side::Output, None) => (self.nature.coded, FMT_FLAG_COMPRESSED),
            (Side::Capture, _) => (self.nature.terms.raw, 0),
        };
        desc.pixelformat = *list.get(desc.index as usize).ok_or(Errno::INVAL)?;
        desc.flags = flags;
        Ok(())
    }

    /// The size goes on to CAPTURE, whose rows are the driver's own again.
    fn output_format(&mut self, number: u32, format: &mut Format) -> Result<()> {
        if self.input.is_some() {
            return self.input_format(number, format);
        }
        if number != abi::VIDIOC_G_FMT {
            let (asked, size, _) = request(format);
            let known = self.nature.coded.contains(&asked);
            let coded = if known { asked } else { self.nature.coded[0] };
            let (least, most) = self.nature.terms.sides;
            let side = |side: u32| side.clamp(least, most).next_multiple_of(2);
            let size = (side(size.0), side(size.1));
            let bytes = format.sizeimage(0).max(self.nature.coded_bytes);
            if number == abi::VIDIOC_S_FMT {
                if !self.output.slots.is_empty() || !self.capture.slots.is_empty() {
                    return Err(Errno::BUSY);
                }
                (self.coded, self.size, self.coded_bytes) = (coded, size, bytes);
                self.raw = Raw::new(&self.nature.terms, self.raw.fourcc, size, [0; 3]);
                self.visible = size;
            }
        }
        format.set_size(self.size.0, self.size.1);
        format.set_pixelformat(self.coded);
        format.set_field(FIELD_NONE);
        format.set_planes(1);
        format.set_bytesperline(0, 0);
        format.set_sizeimage(0, self.coded_bytes);
        Ok(())
    }

    fn capture_format(&mut self, number: u32, format: &mut Format) -> Result<()> {
        let (asked, size, rows) = request(format);
        let mut made = self.raw;
        if number != abi::VIDIOC_G_FMT {
            made = Raw::new(&self.nature.terms, asked, size, rows);
        }
        if number == abi::VIDIOC_S_FMT {
            if !self.capture.slots.is_empty() {
                return Err(Errno::BUSY);
            }
            self.visible = (size.0.min(made.size.0), size.1.min(made.size.1));
            self.raw = made;
        }
        made.write(format);
        Ok(())
    }

    fn selection(&mut self, number: u32, selection: &mut Selection) -> Result<()> {
        if selection.target == SEL_TGT_CROP {
            return self.crop_input(number, selection);
        }
        // The kernel takes the single-planar type of multi-planar queues, too.
        let capture = BufferType::VideoCapture as u32;
        if !self.nature.selects {
            return Err(Errno::NOTTY);
        }
        if number == abi::VIDIOC_S_SELECTION || selection.target != SEL_TGT_COMPOSE {
            return Err(Errno::INVAL);
        }
        if selection.type_ != capture && self.side(selection.type_)? != Side::Capture {
            return Err(Errno::INVAL);
        }
        (selection.r.left, selection.r.top) = (0, 0);
        (selection.r.width, selection.r.height) = self.visible;
        Ok(())
    }

    fn request(&mut self, request: &mut RequestBuffers, place: &mut Place<'_>) -> Result<()> {
        let side = self.side(request.type_)?;
        let dmabuf = request.memory == Memory::Dmabuf as u32;
        if dmabuf && !self.imports(side) {
            return Err(Errno::INVAL);
        }
        let coded = [self.coded_bytes];
        let taken = match &self.input {
            Some(raw) => &raw.sizeimage[..raw.planes],
            None => &coded[..],
        };
        let (queue, (least, most), bytes) = match side {
            Side::Output => (&mut self.output, self.nature.outputs, taken),
            Side::Capture => (
                &mut self.capture,
                self.nature.captures,
                &self.raw.sizeimage[..self.raw.planes],
            ),
        };
        let count = match request.count {
            0 => 0,
            count => count.min(most).max(least),
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
        let side = self.side(raw.type_)?;
        match (number, side) {
            (abi::VIDIOC_QUERYBUF, _) => self.queue(raw.type_)?.query(raw, planes),
            (abi::VIDIOC_PREPARE_BUF, _) if !self.nature.prepares => Err(Errno::NOTTY),
            (abi::VIDIOC_PREPARE_BUF, Side::Capture) => {
                let index = self.take_room(raw, planes, shared)?;
                self.capture.only_prepared(index);
                Ok(())
            }
            (abi::VIDIOC_PREPARE_BUF, Side::Output) if self.input.is_some() => {
                let index = self.take_input(raw, planes, shared)?;
                self.output.only_prepared(index);
                Ok(())
            }
            (abi::VIDIOC_QBUF, Side::Output) if self.input.is_some() => {
                self.take_frame(raw, planes, shared)
            }
            (abi::VIDIOC_QBUF, Side::Output) => self.take_image(raw, planes, shared),
            (abi::VIDIOC_QBUF, Side::Capture) => self.take_room(raw, planes, shared).map(|_| ()),
            (abi::VIDIOC_DQBUF, _) => {
                let queue = self.queue(raw.type_)?;
                let done = queue.dequeue(raw, planes)?;
                queue.ended |= done.flags & BUF_FLAG_LAST != 0;
                Ok(())
            }
            _ => Err(Errno::NOTTY),
        }
    }

    /// A CAPTURE buffer to be filled. Gives its index.
    fn take_room(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
    ) -> Result<u32> {
        let slot = self.capture.slots.get(raw.index as usize);
        let pieces = slot.iter().flat_map(|slot| &slot.pieces);
        let mut bytes = pieces.zip(self.raw.sizeimage);
        if bytes.any(|(piece, needed)| piece.length < needed) {
            return Err(Errno::INVAL);
        }
        self.capture
            .take(raw, planes, shared, "the decoder's CAPTURE")
    }

    fn start(&mut self, word: u32) -> Result<()> {
        let side = self.side(word)?;
        let queue = self.queue(word)?;
        if queue.slots.is_empty() {
            return Err(Errno::INVAL);
        }
        if queue.streaming {
            return Ok(());
        }
        queue.streaming = true;
        self.halted = false;
        if side == Side::Capture {
            (self.changing, self.mark, self.sequence) = (false, false, 0);
        }
        Ok(())
    }

    fn stop(&mut self, word: u32) -> Result<()> {
        let side = self.side(word)?;
        (self.draining, self.mark) = (false, false);
        match side {
            Side::Output => {
                self.work.clear();
                self.output.stop();
            }
            Side::Capture => self.capture.stop(),
        }
        Ok(())
    }

    /// DECODER_CMD.
    fn command(&mut self, command: u32) -> Result<()> {
        if self.nature.ends == Ends::Unknown {
            return Err(Errno::NOTTY);
        }
        match command {
            DEC_CMD_STOP => self.draining |= self.output.streaming && self.capture.streaming,
            START if self.draining && !self.capture.ended => return Err(Errno::BUSY),
            START => {
                let fits = self.capture.slots.iter().all(|slot| {
                    let mut pieces = slot.pieces.iter().zip(self.raw.sizeimage);
                    pieces.all(|(piece, needed)| piece.length >= needed)
                });
                self.changing &= !fits;
                (self.capture.ended, self.capture.cut) = (false, false);
                (self.draining, self.halted, self.mark) = (false, false, false);
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// What poll(2) says: readable, writable, urgent, error. There is no error for whoever waits for events alone.
    pub(super) fn ready(&self, wanted: PollFlags) -> (bool, bool, bool, bool) {
        let idle = |queue: &Queue, excused: bool| {
            !queue.streaming || queue.error || !queue.has_queued() && !excused
        };
        let data = wanted.intersects(PollFlags::IN | PollFlags::OUT);
        let error = data && idle(&self.output, false) && idle(&self.capture, self.capture.ended);
        (
            !self.capture.done.is_empty() || self.capture.ended,
            !self.output.done.is_empty(),
            self.subscribed && self.events > 0,
            error,
        )
    }
}
