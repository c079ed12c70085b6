//! A camera that is to give no more frames: what a decoder has of its pictures is still encoded.
//!
//! Knows the order: the camera stops, the decoder gives what it has, then all is stopped. Knows no encoder; how long this may take is the
//! engine's business.

use rustix::io::Errno;

use super::config::{Fault, Part};
use super::{CameraEvent, CameraSource};
use crate::engine::poll::{CAMERA_EVENT, DECODER, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::log::note;
use crate::shm::stats::Counter;

impl CameraSource<'_> {
    /// Whether no frame comes any more: the camera stands still, or its pictures need no decoder and are not taken.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.decoding.is_none() || self.due().is_some()
    }

    /// Takes what the decoder still has. The camera stands still when it is done.
    pub fn flush(&mut self, ready: Ready, pipeline: &mut Pipeline<'_>, now_ns: u64) -> CameraEvent {
        if self.is_flushed() {
            return CameraEvent::None;
        }
        match self.flush_on(ready, pipeline, now_ns) {
            Ok(false) => CameraEvent::None,
            Ok(true) => self.rest(pipeline, now_ns),
            Err(Fault { of, error }) => {
                note!(warn, "{}: {error}: closing it", of.name(self.config));
                self.close(0, now_ns)
            }
        }
    }

    /// Whether the decoder gave all that it had.
    fn flush_on(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        if let Some(camera) = &self.camera
            && !core::mem::replace(&mut self.flushing, true)
        {
            let stopped = camera.pictures.stop();
            stopped.map_err(|error| Part::Camera.failed(error))?;
        }
        let Some(decoding) = &mut self.decoding else {
            return Ok(true);
        };
        let drained = decoding.drain();
        drained.map_err(|error| Part::Decoder.failed(error))?;
        let taken = self.take_decoded(pipeline, ready, now_ns)?;
        self.give_slots(pipeline, now_ns)?;
        let woke = ready.at(DECODER) || ready.at(CAMERA_EVENT);
        if taken || !woke && ready.quiet_at(CAMERA_EVENT) {
            self.wakeups.fine();
        } else if woke
            && !ready.guessed()
            && self.wakeups.brought_nothing(now_ns, self.config.stall_ns)
        {
            return Err(Part::Decoder.failed(IoctlError::new(Call::Poll, Errno::IO)));
        }
        Ok(self.decoding.as_ref().is_none_or(|one| one.is_empty()))
    }

    /// What the decoder still has is dropped: the engine ends.
    pub fn abandon(&mut self) {
        if let Some(decoding) = &mut self.decoding {
            decoding.abandon(Counter::DroppedStopping);
        }
    }
}
