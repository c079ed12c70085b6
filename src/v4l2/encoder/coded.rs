//! CAPTURE buffers that come back: what is known of each, its payload, and the way back into the queue.
//!
//! Knows one buffer. What its bytes mean, and which frame it belongs to, is the publisher's business.

use rustix::fd::AsFd;
use rustix::io::Errno;

use super::Encoder;
use crate::errno::call::{Call, IoctlError};
use crate::shm::bytes::SharedBytes;
use crate::v4l2::abi::{
    BUF_FLAG_ERROR, BUF_FLAG_KEYFRAME, BUF_FLAG_LAST, EVENT_EOS, Memory, Queue,
};
use crate::v4l2::ioctl::{self, Buffer, Dequeued, Result};

/// Events that are taken at once: only ends of streams are subscribed to, and drivers keep two of them at most.
const EVENTS: u32 = 4;

/// What is known of a CAPTURE buffer that came back.
#[derive(Clone, Copy, Debug)]
pub struct Coded {
    /// Bytes of payload.
    length: usize,
    /// The timestamp of the frame that it comes from, us.
    pub key: u64,
    /// `V4L2_BUF_FLAG_KEYFRAME`.
    pub keyframe: bool,
    /// `V4L2_BUF_FLAG_ERROR`.
    pub error: bool,
    /// `V4L2_BUF_FLAG_LAST`: the drain is over.
    pub last: bool,
    /// The payload fills the buffer to the last byte: it may go on in the next one.
    pub full: bool,
}

impl Coded {
    /// A buffer for tests, as a driver may give it back.
    #[cfg(test)]
    pub(crate) fn sample(key: u64, bytes: usize, full: bool) -> Self {
        Self {
            length: bytes,
            key,
            keyframe: false,
            error: false,
            last: false,
            full,
        }
    }

    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A CAPTURE buffer that came back: this process's, until it is given back with `requeue`. The driver's queues do without one that is
/// not.
///
/// What was read of its payload is read before that:
///
/// ```compile_fail,E0505
/// fn f(buffer: framemill::internals::v4l2::encoder::CodedBuffer<'_>) {
///     let payload = buffer.payload();
///     buffer.requeue().unwrap();
///     let _ = payload.copy_out(0, &mut [0]);
/// }
/// ```
#[derive(Debug)]
#[must_use = "a buffer that is not given back is one less for the encoder"]
pub struct CodedBuffer<'a> {
    encoder: &'a Encoder,
    index: u32,
    memory: SharedBytes<'a>,
    /// What is known of it.
    pub coded: Coded,
}

impl CodedBuffer<'_> {
    /// Its payload. Uncached memory on some boards: read it once, from front to back.
    #[must_use]
    pub fn payload(&self) -> SharedBytes<'_> {
        self.memory
    }

    /// Gives the buffer back to the encoder.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn requeue(self) -> Result<()> {
        self.encoder.queue_capture(self.index)
    }
}

/// What the CAPTURE queue answered.
#[derive(Debug)]
pub enum Answer<'a> {
    /// A buffer; give it back with `requeue`.
    Coded(CodedBuffer<'a>),
    /// None is ready.
    Nothing,
    /// None will come: the last one was dequeued before.
    Drained,
}

impl Encoder {
    /// Takes the events that wait: whether the encoder says by one that it has nothing more to give.
    pub fn take_end_event(&self) -> bool {
        let mut ended = false;
        for _ in 0..EVENTS {
            match ioctl::dqevent(&self.device) {
                Ok(Some(event)) => ended |= event.type_ == EVENT_EOS,
                _ => break,
            }
        }
        ended
    }

    /// The next CAPTURE buffer.
    ///
    /// # Errors
    /// When the queue is in error: `stop` and `start`, or give the device up.
    pub fn dequeue_coded(&self) -> Result<Answer<'_>> {
        let mut buffer = Buffer::new(self.device.queue(Queue::Capture), Memory::Mmap, 0);
        match ioctl::dqbuf(self.device.as_fd(), &mut buffer)? {
            Dequeued::Buffer => {}
            Dequeued::Nothing => return Ok(Answer::Nothing),
            Dequeued::Drained => return Ok(Answer::Drained),
        }
        let index = buffer.index();
        let Some(region) = self.captures.get(index as usize) else {
            // Not one of ours: a driver that cannot count is one that cannot be worked with.
            return Err(IoctlError::new(Call::DqBuf, Errno::PROTO));
        };
        let end = (buffer.bytesused(0) as usize).min(region.len());
        let start = (buffer.data_offset(0) as usize).min(end);
        let coded = Coded {
            length: end - start,
            key: buffer.timestamp(),
            keyframe: buffer.has(BUF_FLAG_KEYFRAME),
            error: buffer.has(BUF_FLAG_ERROR),
            last: buffer.has(BUF_FLAG_LAST),
            full: end != 0 && end == region.len().min(self.agreed.capture_bytes as usize),
        };
        let memory = region.bytes().part(start, end - start);
        Ok(Answer::Coded(CodedBuffer {
            encoder: self,
            index,
            // It lies within, as `start` and `end` were cut to.
            memory: memory.unwrap_or_else(|| (&[]).into()),
            coded,
        }))
    }
}
