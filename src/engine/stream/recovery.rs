//! What an encoder that fails, rests or starts again means to the frames and to the camera.
//!
//! Knows what goes on without the encoder, and what is gone with it. Knows no client: that a producer has lost its slots, it answers.

use super::Stream;
use crate::engine::camera::CameraEvent;
use crate::engine::error::EngineError;
use crate::engine::output::recovery::{Lost, Reopened};
use crate::errno::call::IoctlError;
use crate::log::note;
use crate::shm::stats::Counter;
use crate::time::now;
use crate::v4l2::encoder::Encoder;

impl<'a> Stream<'a> {
    /// The encoder failed with an error, or stalled (`None`): it is restarted, or else closed and reopened.
    ///
    /// # Errors
    /// When nothing helps.
    pub fn recover(&mut self, error: Option<IoctlError>) -> Result<Lost, EngineError<'a>> {
        let [output] = &mut self.outputs;
        let lost = output.recover(error, &mut self.memory, &mut self.pipeline)?;
        Ok(self.lose(lost))
    }

    /// The encoder failed while it was started or stopped: it is closed and reopened.
    ///
    /// # Errors
    /// When that was done since the latest packet, and did not help.
    pub(super) fn reopen(&mut self, error: Option<IoctlError>) -> Result<Lost, EngineError<'a>> {
        let [output] = &mut self.outputs;
        let lost = output.reopen(error, &mut self.memory, &mut self.pipeline)?;
        Ok(self.lose(lost))
    }

    /// What was inside the encoder is lost. A drain has to begin again.
    fn lose(&mut self, lost: Lost) -> Lost {
        self.run_state.restarted();
        self.finish_drain_if_empty();
        if lost == Lost::Slots {
            self.revoke_slots();
        }
        lost
    }

    /// Where frames were lost on the way to the end, or to a change, there may be none left to wait for.
    fn finish_drain_if_empty(&mut self) {
        if self.has_flushed() && self.pipeline.inside() == 0 {
            // An encoder that was restarted, or is closed, is not started a second time for nobody.
            match self.run_state.only_drains() {
                true => self.run_state.run_again(),
                false => self.run_state.drained(),
            }
        }
    }

    /// The slots are gone: those of a camera, or a producer's, which has to attach again.
    fn revoke_slots(&mut self) {
        let now_ns = now();
        // What was committed is a frame like any other; malformed entries are ignored.
        let _ = self.take_commits(now_ns);
        self.pipeline.drop_filled(Counter::DroppedRestart);
        self.close_camera(0, now_ns);
        self.finish_drain_if_empty();
    }

    /// Reopens the encoder, where it is closed and the next try is due. Gives what is gone when that failed: `retry_later` has to follow.
    ///
    /// # Errors
    /// When there was time enough.
    pub fn try_reopen(&mut self, now_ns: u64) -> Result<Option<Lost>, EngineError<'a>> {
        let [output] = &mut self.outputs;
        match output.try_reopen(&mut self.memory, &mut self.pipeline, now_ns)? {
            Reopened::NotDue => Ok(None),
            Reopened::Runs => {
                if let Some(ring) = self.source.ring() {
                    ring.may_return(now_ns);
                }
                Ok(None)
            }
            Reopened::NotSetUp(lost) => {
                if lost == Lost::Slots {
                    self.revoke_slots();
                }
                Ok(Some(lost))
            }
        }
    }

    /// Settles when the next try to reopen the encoder is due.
    ///
    /// # Errors
    /// When there was time enough.
    pub fn retry_later(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        let [output] = &mut self.outputs;
        output.stage.retry_later(now_ns)
    }

    /// The encoder gave what it held, or its time was up: it is started again.
    ///
    /// # Errors
    /// When it cannot be started, and not be reopened either.
    pub fn resume(&mut self, now_ns: u64) -> Result<Lost, EngineError<'a>> {
        let [output] = &mut self.outputs;
        match output.resume(&mut self.pipeline, now_ns) {
            Ok(()) => Ok(Lost::Frames),
            Err(error) => self.reopen(Some(error)),
        }
    }

    /// The encoder is drained, and nobody watches: camera and encoder stop. Buffers stay allocated, mapped and imported, so that nothing can
    /// be missing for the start: contiguous memory that was given back may be in pieces when it is needed again. The next turn retires what
    /// is in the packet ring.
    ///
    /// # Errors
    /// When the encoder cannot be stopped, and not be reopened either.
    pub fn rest(&mut self, now_ns: u64) -> Result<Lost, EngineError<'a>> {
        self.pipeline.restart(Counter::DroppedEncoder, now_ns);
        self.pipeline.drop_filled(Counter::DroppedIdle);
        if let Some(camera) = self.source.camera()
            && camera.rest(&mut self.pipeline, now_ns) == CameraEvent::Closed
        {
            self.lose_camera_slots();
        }
        let [output] = &mut self.outputs;
        if let Some(encoder) = output.stage.encoder()
            && let Err(error) = encoder.stop()
        {
            self.run_state.run_again();
            return self.reopen(Some(error));
        }
        note!(info, "no consumer: idle until one comes");
        Ok(Lost::Frames)
    }

    /// Somebody watches: a new generation, which begins with headers and a key frame. The camera follows with the next turn.
    ///
    /// # Errors
    /// When the encoder cannot be started any more.
    pub fn start_again(&mut self) -> Result<Lost, EngineError<'a>> {
        note!(info, "a consumer came: starting again");
        let [output] = &mut self.outputs;
        match output.stage.encoder_mut().map(Encoder::start) {
            Some(Err(error)) => self.recover(Some(error)),
            _ => {
                output.new_generation();
                Ok(Lost::Frames)
            }
        }
    }
}
