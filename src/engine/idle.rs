//! Nobody is there: frames that the encoder holds back are drained when no more come; and on demand the engine stops when it has had no
//! consumer for a while, and starts again for the first one.
//!
//! Buffers stay allocated, mapped and imported, so that nothing can be missing for the start: contiguous memory that was given back may be
//! in pieces when it is needed again. Knows when that is done. Knows no option and no call of a driver.

use crate::engine::camera::CameraEvent;
use crate::engine::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::poll::Ready;
use crate::flow::run_state::Drain;
use crate::limits::CHANGE_DRAIN_MS;
use crate::log::note;
use crate::shm::stats::Counter;
use crate::time::MS;
use crate::v4l2::encoder::Encoder;

impl<'a> Engine<'a> {
    /// The driver has no STOP command: the frames are dropped, until packets of later frames push them out. One that
    /// has slots, too, is started again: the next producer or camera needs them.
    pub(super) fn hold(&mut self) {
        self.pipeline.expire_held();
        if let Some(ring) = self.source.ring() {
            ring.left = false;
        }
        if self.pipeline.keeps_slots() {
            self.run_state.drained();
        } else {
            self.run_state.run_again();
        }
    }

    /// Whether every frame from before the drain is in the encoder, which can be drained.
    pub(super) fn has_flushed(&self) -> bool {
        matches!(self.run_state.drain(), Drain::Flushing { .. })
            && self.pipeline.filled() == 0
            && self.source.is_flushed()
    }

    /// Whether the source is to give what it still has.
    pub(super) fn flushes(&self) -> bool {
        matches!(self.run_state.drain(), Drain::Flushing { .. }) && !self.source.is_flushed()
    }

    /// What a decoder still has of the camera's pictures goes into the pipeline, before the encoder is drained.
    pub(super) fn flush_camera(&mut self, ready: Ready, now_ns: u64) {
        if !self.flushes() {
            return;
        }
        if let Some(camera) = self.source.camera()
            && camera.flush(ready, &mut self.pipeline, now_ns) == CameraEvent::Closed
        {
            self.lose_camera_slots();
        }
    }

    /// When the encoder is to be drained because nobody sends frames, ns. An encoder with look-ahead or reordering gives a frame's packet
    /// only after later frames; when none come, the frames would stay inside, and the producer would wait for its accounts.
    pub(super) fn drains_at(&self) -> Option<u64> {
        let silent = self.source.is_silent() && self.output.stage.is_up();
        if !silent || !self.run_state.takes_frames() {
            return None;
        }
        self.pipeline.flush(self.output.stage.stall_ns)
    }

    /// When the engine is to stop because nobody watches, ns; `None` while something else is under way. What recovers goes on.
    pub(super) fn stops_at(&self) -> Option<u64> {
        let runs = self.output.stage.is_up() && self.run_state.takes_frames() && self.source.runs();
        runs.then(|| self.idle.due_ns()).flatten()
    }

    /// Stops when it is time, and starts for who watches.
    ///
    /// # Errors
    /// When the encoder cannot be started any more.
    pub(super) fn attend(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        let consumers = self.clients.table.consumers();
        self.idle.look(consumers > 0, now_ns);
        if consumers > 0 {
            return match self.run_state.watched() {
                true => self.start_again(),
                false => Ok(()),
            };
        }
        if self.stops_at().is_some_and(|at| at <= now_ns) {
            let empty =
                self.pipeline.in_flight() == 0 && !self.pipeline.busy() && self.source.is_flushed();
            let limit_ns = u64::from(CHANGE_DRAIN_MS) * MS;
            self.run_state.stop(empty, now_ns.saturating_add(limit_ns));
        }
        Ok(())
    }

    /// The encoder is drained, and nobody watches: camera and encoder stop. The next turn retires what is in the packet ring.
    ///
    /// # Errors
    /// When the encoder cannot be stopped, and not be reopened either.
    pub(super) fn go_idle(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        self.publish_rest(now_ns);
        self.pipeline.restart(Counter::DroppedEncoder, now_ns);
        self.pipeline.drop_filled(Counter::DroppedIdle);
        if let Some(camera) = self.source.camera()
            && camera.rest(&mut self.pipeline, now_ns) == CameraEvent::Closed
        {
            self.lose_camera_slots();
        }
        if let Some(encoder) = self.output.stage.encoder()
            && let Err(error) = encoder.stop()
        {
            self.run_state.run_again();
            return self.reopen(Some(error));
        }
        note!(info, "no consumer: idle until one comes");
        Ok(())
    }

    /// Somebody watches: a new generation, which begins with headers and a key frame. The camera follows with the next turn.
    fn start_again(&mut self) -> Result<(), EngineError<'a>> {
        note!(info, "a consumer came: starting again");
        match self.output.stage.encoder_mut().map(Encoder::start) {
            Some(Err(error)) => self.recover(Some(error)),
            _ => {
                self.output.new_generation();
                Ok(())
            }
        }
    }
}
