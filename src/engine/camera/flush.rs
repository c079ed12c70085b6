//! A camera that is to give no more frames: what is still between it and the encoder is encoded.
//!
//! Knows the order: the camera stops, one device after the other gives what it has, then all is stopped. Knows no encoder; how long this may take is the
//! engine's business.

use rustix::io::Errno;

use super::config::{Fault, Part};
use super::{CameraEvent, CameraSource};
use crate::engine::error::EngineError;
use crate::engine::poll::{CAMERA_EVENT, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::log::note;
use crate::shm::stats::Counter;
use crate::text::Escaped;

impl<'a> CameraSource<'a> {
    /// Whether no frame comes any more: the camera stands still, or nothing is behind it, and its frames are not taken.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.chain.is_absent() || self.due().is_some()
    }

    /// Takes what is still between it and the encoder. The camera stands still when it is done.
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

    /// Whether that was all.
    fn flush_on(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        if let Some(camera) = &self.camera
            && !core::mem::replace(&mut self.flushing, true)
        {
            let stopped = camera.capture.stop();
            stopped.map_err(|error| Part::Camera.failed(error))?;
        }
        let taken = self.take_made(pipeline, ready, now_ns)?;
        self.chain.drain()?;
        self.give_slots(pipeline, now_ns)?;
        let by = self.chain.woke(ready);
        let woke = by.is_some() || ready.at(CAMERA_EVENT);
        if taken || !woke && ready.quiet_at(CAMERA_EVENT) {
            self.wakeups.fine();
        } else if woke
            && !ready.guessed()
            && self.wakeups.brought_nothing(now_ns, self.config.stall_ns)
        {
            let of = by.unwrap_or(Part::Camera);
            return Err(of.failed(IoctlError::new(Call::Poll, Errno::IO)));
        }
        Ok(self.chain.inside() == 0)
    }

    /// That the drain was cut short, with so many frames behind the chain, and with what is in it.
    #[must_use]
    pub fn cut_short(&self, behind: u64) -> EngineError<'a> {
        let frames = behind + self.chain.inside() as u64;
        let keeper = self.chain.keeper();
        match keeper.and_then(|part| part.in_middle(self.config)) {
            Some(one) => {
                let (kind, path) = (one.input.kind(), Escaped(one.node.to_bytes()));
                EngineError::KeptInMiddle(kind, path, frames)
            }
            None => EngineError::DrainCutShort(frames),
        }
    }

    /// What is still between it and the encoder is dropped: the engine ends.
    pub fn abandon(&mut self) {
        self.chain.abandon(Counter::DroppedStopping);
    }
}
