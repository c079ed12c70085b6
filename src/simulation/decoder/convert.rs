//! What a converter does otherwise than a decoder: its OUTPUT queue is raw, and may be somebody else's memory.
//!
//! Knows frames by the numbers in them. Knows neither who fills its buffers nor who reads what it makes.

use rustix::io::{Errno, Result};

use super::super::format::{Raw, request};
use super::super::jpeg::Found;
use super::super::shared::Shared;
use super::Decoder;
use super::work::{Fate, Work};
use crate::v4l2::abi::{
    self, BufferType, CID_HFLIP, CID_VFLIP, ExtControl, Format, Plane, Queue as Side, RawBuffer,
    Scalar, Selection,
};

impl Decoder {
    /// Whether buffers of a queue can be exported.
    pub(super) fn exports(&self, side: Side) -> bool {
        match (side, &self.nature.converts) {
            (Side::Output, Some(converts)) => converts.exports,
            _ => self.nature.exports,
        }
    }

    /// Whether a queue takes the memory of others.
    pub(super) fn imports(&self, side: Side) -> bool {
        match (side, &self.nature.converts) {
            (Side::Output, Some(converts)) => converts.imports,
            _ => self.nature.imports,
        }
    }

    /// S_FMT and others of OUTPUT. The size goes on to CAPTURE, until that is set.
    pub(super) fn input_format(&mut self, number: u32, format: &mut Format) -> Result<()> {
        let (Some(mut made), Some(converts)) = (self.input, &self.nature.converts) else {
            return Err(Errno::INVAL);
        };
        if number != abi::VIDIOC_G_FMT {
            let (asked, size, rows) = request(format);
            made = Raw::new(&converts.terms, asked, size, rows);
        }
        if number == abi::VIDIOC_S_FMT {
            if !self.output.slots.is_empty() {
                return Err(Errno::BUSY);
            }
            (self.input, self.crop) = (Some(made), None);
            if self.capture.slots.is_empty() {
                self.raw = Raw::new(&self.nature.terms, self.raw.fourcc, made.size, [0; 3]);
                self.visible = made.size;
            }
        }
        made.write(format);
        Ok(())
    }

    /// G_SELECTION and S_SELECTION of OUTPUT: a converter reads the upper left part.
    pub(super) fn crop_input(&mut self, number: u32, selection: &mut Selection) -> Result<()> {
        let output = BufferType::VideoOutput as u32;
        let Some(input) = &self.input else {
            return Err(Errno::INVAL);
        };
        if selection.type_ != output && self.side(selection.type_)? != Side::Output {
            return Err(Errno::INVAL);
        }
        if number == abi::VIDIOC_S_SELECTION {
            let (width, height) = (selection.r.width, selection.r.height);
            self.crop = Some((width.min(input.size.0), height.min(input.size.1)));
        }
        (selection.r.left, selection.r.top) = (0, 0);
        (selection.r.width, selection.r.height) = self.crop.unwrap_or(input.size);
        Ok(())
    }

    /// S_EXT_CTRLS.
    pub(super) fn mirror(&mut self, control: &ExtControl) -> Result<()> {
        if !self.nature.converts.is_some_and(|converts| converts.flips) {
            return Err(Errno::INVAL);
        }
        let on = control.value(Scalar::Bits32) != 0;
        match control.id {
            CID_HFLIP => self.flip.horizontal = on,
            CID_VFLIP => self.flip.vertical = on,
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// An OUTPUT buffer is taken, or looked at. Gives its index.
    pub(super) fn take_input(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
    ) -> Result<u32> {
        self.output
            .take(raw, planes, shared, "the converter's OUTPUT")
    }

    /// QBUF of a raw frame.
    pub(super) fn take_frame(
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
        let index = self.take_input(raw, planes, shared)?;
        let (Some(converts), Some(input)) = (&self.nature.converts, &self.input) else {
            return Err(Errno::INVAL);
        };
        let slot = &self.output.slots[index as usize];
        let whole = slot.pieces.iter().zip(input.sizeimage);
        if whole.clone().any(|(piece, bytes)| piece.bytesused < bytes) {
            shared.violated(format_args!("a raw frame that ends before its last row"));
        }
        let (size, flip) = (self.crop.unwrap_or(input.size), self.flip);
        if (size, flip) != (converts.size, converts.flip) {
            shared.violated(format_args!(
                "frames of {size:?}, mirrored as {flip:?}: {converts:?}"
            ));
        }
        let mut fate = Fate::next(&mishaps, &mut self.random, shared);
        let ready = self.capture.streaming && self.capture.has_queued() && self.output.streaming;
        if converts.discards && !ready && self.capture.waiting.is_empty() {
            shared.trace(format_args!("the converter throws frame {index} away"));
            fate = Fate::Lost;
        }
        let (low, high) = self.nature.latency;
        let latency = self.random.range(low, high);
        self.work.push_back(Work {
            slot: index,
            found: Some(Found {
                size: self.visible,
                stamp: slot.pieces[0].stamp(),
                tables: true,
                fills: false,
                behind: Some(0),
            }),
            time: slot.timestamp,
            latency,
            ready_at: None,
            return_at: 0,
            returned: false,
            fate,
        });
        Ok(())
    }

    /// A raw frame is read: it is to be the one that was queued.
    pub(super) fn check_input(&self, work: &Work, shared: &mut Shared) {
        let stamp = work.found.map_or(0, |found| found.stamp);
        let slot = self.output.slots.get(work.slot as usize);
        let now = slot.map_or(0, |slot| slot.pieces[0].stamp());
        let trusted = self.input.is_some() && !self.output.lied && !work.returned;
        if trusted && now != stamp {
            shared.violated(format_args!(
                "frame {now} lies where the converter is to read frame {stamp}"
            ));
        }
    }
}
