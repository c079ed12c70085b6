//! A stateful decoder of coded frames (`Documentation/userspace-api/media/v4l/dev-decoder.rst`), each of which is one buffer, as those
//! of a camera are. Both queues are set up before the first frame, because the camera says how large they are: a driver need not
//! announce what is as it was set (bcm2835-codec does not).
//!
//! Knows the two queues and what they answer. Knows no camera, no encoder and no clock; never waits.

mod raw_input;

use core::ffi::CStr;

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::abi::{
    BUF_FLAG_ERROR, BUF_FLAG_LAST, BUF_FLAG_TIMESTAMP_COPY, BufferType, DEC_CMD_STOP,
    EVENT_SOURCE_CHANGE, FIELD_NONE, Memory, Queue, SEL_TGT_COMPOSE,
};
use super::capture::CaptureQueue;
use super::device::{Device, NotUsable};
use super::encoder::OUTPUT_PLANES;
use super::ioctl::{self, Buffer, Dequeued, Result};
use super::memory::map_buffer;
use super::negotiate::{Refused, coded_format, layout, raw_format};
use crate::errno::call::{Call, IoctlError};
use crate::limits::{CODED_BUFFERS, CODED_BUFFERS_MAX, CODED_BYTES, PLANES};
use crate::media::colour::Colour;
use crate::media::format::RawFormat;
use crate::media::fourcc::Fourcc;
use crate::media::layout::FrameLayout;
use crate::shm::region::Region;

/// An open decoder with its buffers.
#[derive(Debug)]
pub struct Decoder {
    /// Its CAPTURE queue: decoded frames.
    pub capture: CaptureQueue,
    /// Its OUTPUT queue's type.
    output: BufferType,
    /// The OUTPUT buffers, mapped.
    inputs: ArrayVec<Region, CODED_BUFFERS_MAX>,
    /// A bit for each OUTPUT buffer that the driver has.
    queued: u32,
    /// Where the rows of raw frames lie that come in.
    raw: Option<FrameLayout>,
    /// Whose memory the OUTPUT buffers are, and the dma-bufs that they are where it is not their own.
    memory: Memory,
    imported: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    /// A bit for each OUTPUT buffer that came back, and was not asked for.
    freed: u32,
    /// How many OUTPUT buffers for raw frames there are.
    raw_slots: u32,
    /// What is decoded: the raw format, the visible size, and where the rows lie.
    agreed: Option<(&'static RawFormat, (u32, u32), FrameLayout)>,
}
const _: () = assert!(CODED_BUFFERS_MAX <= 32, "each buffer has a bit");

/// A CAPTURE buffer that came back.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// Its index.
    pub slot: u32,
    /// The timestamp of the coded frame that it comes from, us.
    pub key: u64,
    /// There is a frame in it, whole and without an error.
    pub good: bool,
    /// There is no frame in it at all.
    pub empty: bool,
    /// `V4L2_BUF_FLAG_LAST`: none follows.
    pub last: bool,
}

/// What the CAPTURE queue answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// A buffer.
    Decoded(Decoded),
    /// None is ready.
    Nothing,
    /// None will come until the queue is started again: the stream ended or changed.
    Ended,
}

/// The names under which decoders take what a camera gives.
#[must_use]
pub fn names(coded: Fourcc) -> [Fourcc; 2] {
    match coded {
        Fourcc::MJPG | Fourcc::JPEG => [Fourcc::MJPG, Fourcc::JPEG],
        other => [other; 2],
    }
}

impl Decoder {
    /// Opens a node, non-blocking.
    ///
    /// # Errors
    /// When it cannot be opened, or is no memory-to-memory device.
    pub fn open(path: &CStr) -> core::result::Result<Self, NotUsable> {
        Device::open(path).map(Self::of)
    }

    /// A device that is known to decode.
    #[must_use]
    pub fn of(device: Device) -> Self {
        let output = device.queue(Queue::Output);
        let api = device.api;
        Self {
            capture: CaptureQueue::new(device.into_fd(), api),
            output,
            inputs: ArrayVec::new(),
            queued: 0,
            raw: None,
            memory: Memory::Mmap,
            imported: ArrayVec::new(),
            freed: 0,
            raw_slots: 0,
            agreed: None,
        }
    }

    /// Sets what comes in: frames of this size, of so many bytes at most.
    ///
    /// # Errors
    /// When the driver takes none of that name or size.
    #[inline(never)]
    pub fn take(
        &self,
        coded: Fourcc,
        size: (u32, u32),
        bytes: u32,
    ) -> core::result::Result<(), Refused> {
        let [first, second] = names(coded);
        let bytes = bytes.max(CODED_BYTES);
        let set = |name| coded_format(self.as_fd(), self.output, name, size, bytes);
        let given = match set(first) {
            Err(Refused::Format(..)) if second != first => set(second)?,
            answer => answer?,
        };
        if given.size().0 < size.0 || given.size().1 < size.1 {
            return Err(Refused::Size(size, given.size()));
        }
        Ok(())
    }

    /// Whether it gives frames of this visible size in this format, after `take`; it is set to it then.
    #[must_use]
    pub fn gives(&self, raw: &'static RawFormat, size: (u32, u32)) -> Option<FrameLayout> {
        self.set_raw(raw, size, &[0; PLANES]).ok()
    }

    /// Sets what comes out: this format, with so many bytes from one row to the next in each memory plane at least (0: its own).
    /// Gives where the rows lie. After `take`.
    ///
    /// # Errors
    /// When the driver does not decode to it.
    #[inline(never)]
    pub fn negotiate(
        &mut self,
        raw: &'static RawFormat,
        size: (u32, u32),
        bytesperline: &[u32; PLANES],
    ) -> core::result::Result<FrameLayout, Refused> {
        let layout = self.set_raw(raw, size, bytesperline)?;
        self.capture.hold(raw, &layout);
        self.agreed = Some((raw, size, layout));
        Ok(layout)
    }

    fn set_raw(
        &self,
        raw: &'static RawFormat,
        size: (u32, u32),
        bytesperline: &[u32; PLANES],
    ) -> core::result::Result<FrameLayout, Refused> {
        let (fd, queue) = (self.as_fd(), self.capture.kind());
        let given = raw_format(fd, queue, raw, size, bytesperline, Colour::UNKNOWN)?;
        // The visible part begins at the first row and column, or nobody could say where it is.
        let shown = match ioctl::g_selection(fd, queue, SEL_TGT_COMPOSE) {
            Ok(rect) if rect.left == 0 && rect.top == 0 => (rect.width, rect.height),
            Ok(rect) => return Err(Refused::Crop(size, (rect.width, rect.height))),
            Err(_) => given.size(),
        };
        if shown.0 < size.0 || shown.1 < size.1 {
            return Err(Refused::Size(size, shown));
        }
        layout(raw, size, &given).map_err(Refused::Layout)
    }

    /// Allocates the OUTPUT buffers, and listens for changes of the stream.
    ///
    /// # Errors
    /// When memory is short.
    #[inline(never)]
    pub fn allocate_inputs(&mut self) -> Result<()> {
        let granted = ioctl::reqbufs(self.as_fd(), self.output, Memory::Mmap, CODED_BUFFERS)?;
        if granted.count == 0 {
            return Err(IoctlError::new(Call::ReqBufs, Errno::NOMEM));
        }
        for index in 0..granted.count.min(CODED_BUFFERS_MAX as u32) {
            let region = map_buffer(self.as_fd(), self.output, index, 0)?;
            self.inputs.push(region);
        }
        match ioctl::subscribe_event(self.as_fd(), EVENT_SOURCE_CHANGE, 0) {
            Err(error) if !error.is_missing() && error.errno != Errno::INVAL => Err(error),
            _ => Ok(()),
        }
    }

    /// An OUTPUT buffer that the driver does not have, with its memory.
    #[must_use]
    pub fn free_input(&self) -> Option<(u32, &Region)> {
        let index = self.queued.trailing_ones();
        let region = self.inputs.get(index as usize)?;
        Some((index, region))
    }

    /// Bytes of all OUTPUT buffers.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        let coded = self.inputs.iter().map(|region| region.len() as u64);
        coded.sum::<u64>() + self.raw_bytes()
    }

    /// Rows of what it gives, those of padding included.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.agreed
            .map_or(0, |(_, _, layout)| layout.planes[0].allocated_rows)
    }

    /// Gives an OUTPUT buffer with a coded frame of so many bytes to the decoder, under this timestamp (us).
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn queue_coded(&mut self, index: u32, bytes: u32, key: u64) -> Result<()> {
        let mut buffer = Buffer::new(self.output, Memory::Mmap, index);
        buffer.set_plane_count(1);
        buffer.set_bytesused(0, bytes);
        buffer.set_timestamp(key);
        buffer.set_flags(BUF_FLAG_TIMESTAMP_COPY);
        buffer.set_field(FIELD_NONE);
        ioctl::qbuf(self.as_fd(), &mut buffer)?;
        self.queued |= 1 << index;
        Ok(())
    }

    /// Takes the OUTPUT buffers that the decoder is done with, each once. Whether there was any.
    ///
    /// # Errors
    /// When the queue is in error, and EPROTO when it gives a buffer that it does not have: which one is free then is not known.
    pub fn take_inputs(&mut self) -> Result<bool> {
        let mut taken = false;
        for _ in 0..CODED_BUFFERS_MAX {
            if self.queued == 0 {
                break;
            }
            let mut buffer = Buffer::new(self.output, self.memory, 0);
            match ioctl::dqbuf(self.as_fd(), &mut buffer)? {
                Dequeued::Buffer => {
                    let bit = 1u32.checked_shl(buffer.index()).unwrap_or(0) & self.queued;
                    if bit == 0 {
                        return Err(IoctlError::new(Call::DqBuf, Errno::PROTO));
                    }
                    self.queued &= !bit;
                    self.freed |= bit;
                }
                Dequeued::Nothing | Dequeued::Drained => break,
            }
            taken = true;
        }
        Ok(taken)
    }

    /// The next CAPTURE buffer.
    ///
    /// # Errors
    /// When the queue is in error.
    pub fn dequeue(&self) -> Result<Answer> {
        let mut buffer = self.capture.any_buffer();
        match self.capture.dequeue(&mut buffer)? {
            Dequeued::Nothing => return Ok(Answer::Nothing),
            Dequeued::Drained => return Ok(Answer::Ended),
            Dequeued::Buffer => {}
        }
        let payload = self.capture.payload();
        let planes = 0..payload.len();
        if planes.clone().any(|plane| buffer.data_offset(plane) != 0) {
            return Err(IoctlError::new(Call::DqBuf, Errno::PROTO));
        }
        let whole = planes
            .clone()
            .zip(payload)
            .all(|(plane, &bytes)| buffer.bytesused(plane) >= bytes);
        Ok(Answer::Decoded(Decoded {
            slot: buffer.index(),
            key: buffer.timestamp(),
            good: whole && !buffer.has(BUF_FLAG_ERROR),
            empty: planes.clone().all(|plane| buffer.bytesused(plane) == 0),
            last: buffer.has(BUF_FLAG_LAST),
        }))
    }

    /// Whether what it gives is still what was agreed on.
    #[must_use]
    pub fn unchanged(&self) -> bool {
        let Some((raw, size, agreed)) = self.agreed else {
            return false;
        };
        let Ok(given) = ioctl::g_fmt(self.as_fd(), self.capture.kind()) else {
            return false;
        };
        let now = layout(raw, size, &given);
        given.pixelformat() == raw.fourcc
            && now.is_ok_and(|now| now.placement() == agreed.placement())
    }

    /// Starts both queues. CAPTURE buffers are given by `frames`, before or after.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn start(&self) -> Result<()> {
        if self.converts() {
            // Firmware of the Raspberry Pi throws frames away that come before there is anywhere to convert them to.
            self.capture.start()?;
            return ioctl::streamon(self.as_fd(), self.output);
        }
        ioctl::streamon(self.as_fd(), self.output)?;
        self.capture.start()
    }

    /// Stops both queues, which gives all buffers back.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stop(&mut self) -> Result<()> {
        (self.queued, self.freed) = (0, 0);
        ioctl::streamoff(self.as_fd(), self.output)?;
        self.capture.stop()
    }

    /// Begins the drain: what was queued is decoded, then a buffer marked LAST comes, or the end. A driver that does not know the
    /// command decodes all the same.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn drain(&self) -> Result<()> {
        match ioctl::decoder_cmd(self.as_fd(), DEC_CMD_STOP) {
            Err(error) if error.is_loss() => Err(error),
            _ => Ok(()),
        }
    }
}

impl AsFd for Decoder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}
