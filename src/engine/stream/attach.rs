//! The encoder is set up for a source: for a producer's request, or for a camera that comes or returns. A new generation begins.
//!
//! Knows what has to be counted and dropped before, and when a generation begins. Knows no connection; how things are set up, `setup` and
//! the camera know.

use super::Stream;
use crate::control::message::Refusal;
use crate::engine::camera::attach::Attached;
use crate::engine::error::EngineError;
use crate::engine::output::recovery::Lost;
use crate::engine::request::Request;
use crate::engine::setup::Change;
use crate::errno::call::IoctlError;
use crate::flow::log_limit::LogLimit;
use crate::limits::CAMERA_PAUSE_MS;
use crate::log::note;
use crate::shm::stats::Counter;
use crate::time::now;
use crate::types::memory::MemoryChoice;
use crate::v4l2::encoder::Encoder;

impl<'a> Stream<'a> {
    /// Sets the drained encoder up for a producer's request, or else as it was before; `None`: nobody has a request any more. Gives whether
    /// the producer is to be let in, and what is gone.
    ///
    /// # Errors
    /// When there is no way back either.
    pub fn reconfigure(
        &mut self,
        request: Option<Request>,
        log_limit: &LogLimit,
        now_ns: u64,
    ) -> Result<(Result<(), Refusal>, Lost), EngineError<'a>> {
        // What the drain's deadline cut off.
        self.pipeline.restart(Counter::DroppedRestart, now_ns);
        self.pipeline.drop_filled(Counter::DroppedRestart);
        let [output] = &mut self.outputs;
        let Change { slots, answer } =
            (output.setup(&mut self.memory)).change(request, log_limit, now_ns);
        match slots {
            Ok(slots) => {
                self.pipeline.replace_slots(slots);
                output.begin(&self.memory, &self.pipeline);
                Ok((answer, Lost::Frames))
            }
            Err(error) => Ok((Err(Refusal::Reopened), self.reopen(error)?)),
        }
    }

    /// Before the loop: the first generation begins, and the camera is attached, where there is one.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn begin(&mut self) -> Result<(), EngineError<'a>> {
        let [output] = &mut self.outputs;
        output.begin(&self.memory, &self.pipeline);
        if let Some(camera) = self.source.camera() {
            let mut setup = output.setup(&mut self.memory);
            camera.attach_first(&mut setup, &mut self.pipeline)?;
            output.begin(&self.memory, &self.pipeline);
        }
        Ok(())
    }

    /// Opens and attaches the camera, if it is there and has a signal: a new generation.
    ///
    /// # Errors
    /// When it did not come back in time, or the encoder cannot be set up any more.
    pub fn attach_camera_again(&mut self) -> Result<Lost, EngineError<'a>> {
        let [output] = &mut self.outputs;
        let Some(camera) = self.source.camera() else {
            return Ok(Lost::Frames);
        };
        let mut setup = output.setup(&mut self.memory);
        match camera.attach_again(&mut setup, &mut self.pipeline)? {
            Attached::Streaming => {
                output.stage.request_key_frame();
                output.begin(&self.memory, &self.pipeline);
            }
            Attached::NoSignal {
                reconfigured: false,
            } => {}
            Attached::NoSignal { reconfigured: true } => {
                output.begin(&self.memory, &self.pipeline);
            }
            Attached::Closed => self.lose_camera_slots(),
            Attached::NoEncoder => {
                self.close_camera(CAMERA_PAUSE_MS, now());
                return self.reopen(None);
            }
        }
        Ok(Lost::Frames)
    }

    /// The encoder refuses each of the camera's buffers that is queued: the camera is attached again, and its frames are copied. False
    /// where they are not the camera's buffers, or `--memory export` insists.
    pub fn copy_instead_of_import(&mut self, error: IoctlError, now_ns: u64) -> bool {
        let [output] = &self.outputs;
        let stage = &output.stage;
        let auto = stage.session.options.memory == MemoryChoice::Auto;
        let imports = stage.encoder().is_some_and(Encoder::imports);
        let Some(camera) = self.source.camera().filter(|_| auto && imports) else {
            return false;
        };
        camera.config.copied = true;
        let config = camera.config;
        note!(
            warn,
            "{}: {error}, of a buffer of {config}: each frame is copied, {} bytes a second",
            stage.session.path,
            stage.wanted.bytes_a_second()
        );
        self.close_camera(0, now_ns);
        true
    }

    /// Closes the camera, where there is one; it is reopened after `pause_ms`.
    pub(super) fn close_camera(&mut self, pause_ms: u32, now_ns: u64) {
        if let Some(camera) = self.source.camera() {
            camera.close(pause_ms, now_ns);
            self.lose_camera_slots();
        }
    }

    /// The camera is closed, and its slots are gone.
    pub(super) fn lose_camera_slots(&mut self) {
        // A mapping would keep it open. What was to be copied from there is lost.
        self.memory.clear();
        self.pipeline.drop_filled(Counter::DroppedCamera);
        self.pipeline.reclaim();
    }
}
