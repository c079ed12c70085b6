//! An open encoder: buffers, streaming, drain. Steps 6 to 17 of the stateful-encoder checklist.
//!
//! Knows which buffers there are and what the two queues answer. Knows no frames' meaning, no ring and no clock; never
//! waits: the device is opened non-blocking, and whoever owns it polls.

mod coded;
pub mod import;

pub use coded::{Answer, Coded, CodedBuffer};

use core::cell::Cell;

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::abi::{
    BUF_FLAG_MAPPED, BUF_FLAG_TIMESTAMP_COPY, CID_MIN_BUFFERS_FOR_OUTPUT, ENC_CMD_STOP, EVENT_EOS,
    FIELD_NONE, Memory, Queue, Scalar,
};
use super::device::Device;
use super::ioctl::{self, Buffer, Dequeued, Result};
use super::memory::map_buffer;
use super::negotiate::Agreed;
use crate::errno::call::{Call, IoctlError};
use crate::limits::{BUFFERS_MIN, CAPTURE_BUFFERS, CAPTURE_BUFFERS_MAX, FRAME_SLOTS_MAX, PLANES};
use crate::log::note;
use crate::shm::region::Region;

/// Most memory planes of all OUTPUT buffers.
pub const OUTPUT_PLANES: usize = FRAME_SLOTS_MAX as usize * PLANES;

/// An encoder with its buffers.
#[derive(Debug)]
pub struct Encoder {
    device: Device,
    agreed: Agreed,
    outputs: u32,
    /// Where the OUTPUT buffers lie: in the driver's memory, or in a producer's.
    memory: Memory,
    /// The producer's dma-bufs, a memory plane of a slot each. The pairing of descriptor and index never changes.
    imported: ArrayVec<OwnedFd, OUTPUT_PLANES>,
    captures: ArrayVec<Region, CAPTURE_BUFFERS_MAX>,
    /// The driver may have buffers of ours, also where `allocate` got no further than some.
    allocated: bool,
    /// Both queues stream.
    streams: Cell<bool>,
}

impl Encoder {
    /// An encoder with buffers in both queues: `slots` for OUTPUT, or what the driver makes of it.
    ///
    /// # Errors
    /// As `allocate`.
    pub fn new(device: Device, agreed: Agreed, slots: u32) -> Result<Self> {
        let mut encoder = Self::without_buffers(device, agreed);
        encoder.allocate(agreed, slots)?;
        Ok(encoder)
    }

    /// An encoder that has no buffers yet. `agreed` holds until `allocate`.
    #[must_use]
    pub fn without_buffers(device: Device, agreed: Agreed) -> Self {
        Self {
            device,
            agreed,
            outputs: 0,
            memory: Memory::Mmap,
            imported: ArrayVec::new(),
            captures: ArrayVec::new(),
            allocated: false,
            streams: Cell::new(false),
        }
    }

    /// Whether both queues stream. One that does not is an error to poll(2) and DQBUF.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.streams.get()
    }

    /// Allocates the buffers of both queues, where there are none: `slots` for OUTPUT, or what the driver makes of it.
    ///
    /// # Errors
    /// When the driver has no memory for the fewest that make sense, or cannot map them.
    #[inline(never)]
    pub fn allocate(&mut self, agreed: Agreed, slots: u32) -> Result<()> {
        let device = &self.device;
        let minimum = ioctl::g_ext_ctrl(device.as_fd(), CID_MIN_BUFFERS_FOR_OUTPUT, Scalar::Bits32);
        // The driver's minimum is what it holds itself; one more is for the producer.
        let minimum = minimum.map_or(0, |count| {
            u32::try_from(count).unwrap_or(0).saturating_add(1)
        });
        let frame_bytes: u64 = agreed
            .layout
            .memory_length
            .iter()
            .map(|&length| u64::from(length))
            .sum();
        let mut wanted = slots.max(minimum).min(FRAME_SLOTS_MAX);
        self.allocated = true;
        let capture_bytes = u64::from(agreed.capture_bytes);
        let (outputs, count) = loop {
            let outputs = request(device, Queue::Output, wanted, frame_bytes)?;
            match request(device, Queue::Capture, CAPTURE_BUFFERS, capture_bytes) {
                // The first queue took all the memory that there is: it has to do with less.
                Err(error) if error.errno == Errno::NOMEM && outputs > BUFFERS_MIN => {
                    ioctl::reqbufs(device, device.queue(Queue::Output), Memory::Mmap, 0)?;
                    wanted = outputs - 1;
                }
                count => break (outputs.min(FRAME_SLOTS_MAX), count?),
            }
        };
        self.agreed = agreed;
        self.map_captures(count)?;
        // Only now: who asks whether there are buffers is not to keep some of them.
        self.outputs = outputs;
        Ok(())
    }

    fn map_captures(&mut self, count: u32) -> Result<()> {
        for index in 0..count.min(CAPTURE_BUFFERS_MAX as u32) {
            let region = self.map(Queue::Capture, index, 0)?;
            self.captures.push(region);
        }
        Ok(())
    }

    /// Stops both queues and gives all buffers back. What was exported of them lives on for those who hold it.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn clear(&mut self) -> Result<()> {
        if !self.allocated {
            return Ok(());
        }
        self.clear_outputs()?;
        self.captures.clear();
        self.memory = Memory::Mmap;
        let queue = self.device.queue(Queue::Capture);
        ioctl::reqbufs(&self.device, queue, Memory::Mmap, 0)?;
        self.allocated = false;
        Ok(())
    }

    /// Number of OUTPUT buffers.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.outputs
    }

    /// What was agreed on.
    #[must_use]
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The dma-bufs of all OUTPUT buffers, slot after slot, each with its memory planes.
    ///
    /// # Errors
    /// When the driver cannot export its buffers.
    pub fn export(&self, exported: &mut ArrayVec<OwnedFd, OUTPUT_PLANES>) -> Result<()> {
        let queue = self.device.queue(Queue::Output);
        for slot in 0..self.outputs {
            for plane in 0..self.agreed.layout.memory_plane_count {
                exported.push(ioctl::expbuf(self.device.as_fd(), queue, slot, plane)?);
            }
        }
        Ok(())
    }

    /// Bytes of the OUTPUT buffers that somebody else still has as dma-bufs, or mapped; ours must be gone before. They stay allocated
    /// for as long as he likes, whatever is done to the queue. 0 where the driver does not tell.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        if self.memory != Memory::Mmap {
            return 0;
        }
        let queue = self.device.queue(Queue::Output);
        let retained = (0..self.outputs).filter(|&slot| {
            ioctl::querybuf(&self.device, queue, Memory::Mmap, slot)
                .is_ok_and(|buffer| buffer.has(BUF_FLAG_MAPPED))
        });
        retained.count() as u64 * self.slot_bytes()
    }

    /// Bytes of one OUTPUT buffer.
    #[must_use]
    pub fn slot_bytes(&self) -> u64 {
        slot_bytes(&self.agreed)
    }

    /// Mappings of all OUTPUT buffers, slot after slot, each with its memory planes: for copying into them.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn map_outputs(&self, mapped: &mut ArrayVec<Region, OUTPUT_PLANES>) -> Result<()> {
        for slot in 0..self.outputs {
            for plane in 0..self.agreed.layout.memory_plane_count as usize {
                let region = self.map(Queue::Output, slot, plane)?;
                if region.len() < self.agreed.layout.memory_length[plane] as usize {
                    // Rows would be left out.
                    return Err(IoctlError::new(Call::QueryBuf, Errno::PROTO));
                }
                region.touch();
                mapped.push(region);
            }
        }
        Ok(())
    }

    fn map(&self, queue: Queue, index: u32, plane: usize) -> Result<Region> {
        map_buffer(self.device.as_fd(), self.device.queue(queue), index, plane)
    }

    /// Queues every CAPTURE buffer and starts both queues.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn start(&mut self) -> Result<()> {
        if self.captures.is_empty() {
            // A try to renew them failed.
            self.renew_captures()?;
        }
        match self.stream() {
            // It forgot what it was set up with when both queues stopped. What failed for another reason fails again.
            Err(error) if error.errno == Errno::IO => {
                self.renew_captures()?;
                self.stream()
            }
            answer => answer,
        }
    }

    /// CAPTURE before OUTPUT: wave5 begins a sequence only if CAPTURE streams when OUTPUT starts. The others take any order.
    fn stream(&self) -> Result<()> {
        for index in 0..self.captures.len() as u32 {
            self.queue_capture(index)?;
        }
        ioctl::streamon(self.device.as_fd(), self.device.queue(Queue::Capture))?;
        ioctl::streamon(self.device.as_fd(), self.device.queue(Queue::Output))?;
        self.streams.set(true);
        Ok(())
    }

    /// Sets the format of CAPTURE again, as it is: mtk-vcodec makes its encoder there and nowhere else, and only while CAPTURE has no
    /// buffers. Those of OUTPUT stay as they are.
    #[inline(never)]
    fn renew_captures(&mut self) -> Result<()> {
        self.stop()?;
        self.captures.clear();
        let queue = self.device.queue(Queue::Capture);
        ioctl::reqbufs(&self.device, queue, Memory::Mmap, 0)?;
        let format = ioctl::s_fmt(&self.device, &ioctl::g_fmt(&self.device, queue)?)?;
        self.agreed.capture_bytes = format.sizeimage(0);
        let bytes = u64::from(self.agreed.capture_bytes);
        let count = request(&self.device, Queue::Capture, CAPTURE_BUFFERS, bytes)?;
        let mapped = self.map_captures(count);
        if mapped.is_err() {
            self.captures.clear();
        }
        mapped
    }

    /// Stops both queues, which gives all buffers back. With `start`, it is a new stream, with headers and a key frame: the
    /// one remedy for a stalled queue that keeps buffers and file descriptors as they are.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stop(&self) -> Result<()> {
        self.streams.set(false);
        ioctl::streamoff(self.device.as_fd(), self.device.queue(Queue::Output))?;
        ioctl::streamoff(self.device.as_fd(), self.device.queue(Queue::Capture))
    }

    /// The OUTPUT buffer of a slot, with its memory.
    #[inline(always)] // A buffer is 300 bytes.
    fn output_buffer(&self, slot: u32) -> Buffer {
        let mut buffer = Buffer::new(self.device.queue(Queue::Output), self.memory, slot);
        let layout = &self.agreed.layout;
        let planes = layout.memory_plane_count as usize;
        buffer.set_plane_count(planes);
        let buffers = self.imported.iter().skip(slot as usize * planes);
        for (plane, fd) in buffers.take(planes).enumerate() {
            buffer.set_fd(plane, fd.as_fd());
            buffer.set_length(plane, layout.memory_length[plane]);
        }
        buffer
    }

    /// Gives the frame in a slot to the encoder, under this timestamp (us).
    ///
    /// # Errors
    /// When the driver refuses the buffer.
    pub fn queue_frame(&self, slot: u32, key: u64) -> Result<()> {
        let mut buffer = self.output_buffer(slot);
        for (plane, &length) in self.agreed.layout.memory_length.iter().enumerate() {
            buffer.set_bytesused(plane, length);
        }
        buffer.set_timestamp(key);
        buffer.set_flags(BUF_FLAG_TIMESTAMP_COPY);
        buffer.set_field(FIELD_NONE);
        ioctl::qbuf(self.device.as_fd(), &mut buffer)
    }

    /// The slot of the next OUTPUT buffer that the encoder is done with.
    ///
    /// # Errors
    /// When the queue is in error: `stop` and `start`, or give the device up.
    pub fn dequeue_frame(&self) -> Result<Option<u32>> {
        let mut buffer = Buffer::new(self.device.queue(Queue::Output), self.memory, 0);
        Ok(match ioctl::dqbuf(self.device.as_fd(), &mut buffer)? {
            Dequeued::Buffer => Some(buffer.index()),
            Dequeued::Nothing | Dequeued::Drained => None,
        })
    }

    /// Gives a CAPTURE buffer to the encoder.
    fn queue_capture(&self, index: u32) -> Result<()> {
        let mut buffer = Buffer::new(self.device.queue(Queue::Capture), Memory::Mmap, index);
        buffer.set_plane_count(1);
        ioctl::qbuf(self.device.as_fd(), &mut buffer)
    }

    /// Begins the drain: what was queued is encoded, then a buffer marked LAST comes. Gives false when the driver does
    /// not know the command: then the end is when everything has come back.
    ///
    /// # Errors
    /// When the driver refuses a command that it knows.
    pub fn drain(&self) -> Result<bool> {
        // Some mark no buffer, and have an event for it. That of a drain before is none of this one.
        let _ = ioctl::subscribe_event(&self.device, EVENT_EOS, 0);
        self.take_end_event();
        match ioctl::encoder_cmd(self.device.as_fd(), ENC_CMD_STOP) {
            Ok(()) => Ok(true),
            Err(error) if error.is_missing() || error.errno == Errno::INVAL => Ok(false),
            // A drain that was begun before is under way.
            Err(error) if error.errno == Errno::BUSY => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Encoder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn slot_bytes(agreed: &Agreed) -> u64 {
    let layout = &agreed.layout;
    let planes = layout.memory_length.iter();
    planes
        .take(layout.memory_plane_count as usize)
        .map(|&bytes| u64::from(bytes))
        .sum()
}

/// Bytes of all buffers that `allocate` asks for.
#[must_use]
pub fn buffer_bytes(agreed: &Agreed, slots: u32) -> u64 {
    let outputs = slot_bytes(agreed).saturating_mul(slots.into());
    outputs.saturating_add(u64::from(agreed.capture_bytes) * u64::from(CAPTURE_BUFFERS))
}

/// Asks for buffers; with fewer when memory is short. Gives how many there are.
fn request(device: &Device, queue: Queue, wanted: u32, bytes: u64) -> Result<u32> {
    let mut count = wanted;
    loop {
        let answer = ioctl::reqbufs(device.as_fd(), device.queue(queue), Memory::Mmap, count);
        let granted = answer.as_ref().map_or(0, |request| request.count);
        let short = matches!(&answer, Err(error) if error.errno == Errno::NOMEM);
        if short || (answer.is_ok() && granted < count) {
            note!(
                warn,
                "memory for {granted} of {count} {queue:?} buffers of {bytes} bytes"
            );
        }
        match answer {
            Ok(_) if granted >= BUFFERS_MIN.min(wanted) => return Ok(granted),
            Ok(_) => return Err(IoctlError::new(Call::ReqBufs, Errno::NOMEM)),
            Err(_) if short && count > BUFFERS_MIN => count -= 1,
            Err(error) => return Err(error),
        }
    }
}
