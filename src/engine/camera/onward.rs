//! Where the frames of a decoder or converter go: into the pipeline to the encoder, or into the converter behind it.
//!
//! Knows who has buffers to be filled. Knows no device that fills them.

use super::config::Fault;
use crate::flow::inside::Passing;
use crate::flow::pipeline::Pipeline;

/// Whoever takes the frames of a device, and gives it buffers for more.
pub(super) trait Onward {
    /// A buffer to be filled.
    fn acquire(&mut self, now_ns: u64) -> Option<u32>;

    /// A frame is in a buffer. False when it is not one of those that it acquired: the device that fills them cannot count.
    ///
    /// # Errors
    /// When whoever takes it fails.
    fn pass_on(&mut self, slot: u32, frame: &Passing, now_ns: u64) -> Result<bool, Fault>;

    /// The device that fills them was stopped: those that it had are free.
    fn reclaim(&mut self);
}

impl Onward for Pipeline<'_> {
    fn acquire(&mut self, now_ns: u64) -> Option<u32> {
        self.acquire(now_ns)
    }

    fn pass_on(&mut self, slot: u32, frame: &Passing, now_ns: u64) -> Result<bool, Fault> {
        let committed = self.commit(slot, frame.timestamp, frame.taken, now_ns);
        if committed.is_ok() && frame.discontinuity {
            self.mark_newest();
        }
        Ok(committed.is_ok())
    }

    fn reclaim(&mut self) {
        self.reclaim();
    }
}
