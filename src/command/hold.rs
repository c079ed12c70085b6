//! The first frames of a raw pipe, kept back until more came than fit: an input of so few frames that ends inside one is rejected as
//! a whole. How long a pipe is, nobody can know before its end; what is longer is reported when it ends.
//!
//! Knows slots that are filled and not committed. Reads nothing.

use arrayvec::ArrayVec;

use crate::client::{ClientError, FrameProducer, HeldSlot};
use crate::limits::FRAME_SLOTS_MAX;

/// Frames in the order in which they are to be committed, each with its timestamp.
pub(super) struct Hold {
    frames: ArrayVec<(HeldSlot, u64), { FRAME_SLOTS_MAX as usize }>,
    /// Frames to keep back at most; 0 from the first commit on.
    room: usize,
}

impl Hold {
    /// Keeps all slots but one back, if at all.
    pub(super) fn new(keeps: bool, slots: u32) -> Self {
        Self {
            frames: ArrayVec::new(),
            room: if keeps {
                slots.saturating_sub(1) as usize
            } else {
                0
            },
        }
    }

    /// Whether frames wait for others to come.
    pub(super) fn waits(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Frames that wait for others to come.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Takes a frame: keeps it where there is room, otherwise commits all.
    ///
    /// # Errors
    /// Those of `FrameProducer::commit_held`.
    pub(super) fn take(
        &mut self,
        frame: HeldSlot,
        timestamp: u64,
        producer: &mut FrameProducer,
    ) -> Result<(), ClientError> {
        if self.frames.len() < self.room {
            self.frames.push((frame, timestamp));
            return Ok(());
        }
        self.release(producer)?;
        producer.commit_held(frame, timestamp)
    }

    /// Commits all frames, and keeps none from now on.
    ///
    /// # Errors
    /// Those of `FrameProducer::commit_held`.
    pub(super) fn release(&mut self, producer: &mut FrameProducer) -> Result<(), ClientError> {
        self.room = 0;
        for (held, timestamp) in self.frames.drain(..) {
            producer.commit_held(held, timestamp)?;
        }
        Ok(())
    }
}
