//! What a frame passes: its source, a slot, an encoder, a packet ring; and how far all this is drained.
//!
//! Sees its parts at once: what one gives, it passes to the next. Knows no client: whoever has to hear of something, the engine tells, by what
//! a call answers. `let [output] = …` marks each place that decides for one encoder: with a second one (`OUTPUTS`) it does not compile.

mod attach;
mod producer;
mod recovery;

use rustix::io::Errno;

use crate::engine::camera::CameraEvent;
use crate::engine::error::EngineError;
use crate::engine::output::Output;
use crate::engine::poll::{PollSet, Ready};
use crate::engine::request::Request;
use crate::engine::slot_memory::SlotMemory;
use crate::engine::source::Source;
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::{End, RunState};
use crate::limits::{CHANGE_DRAIN_MS, OUTPUTS};
use crate::shm::layout::State;
use crate::shm::stats::{Counter, Stats};
use crate::time::MS;
use crate::v4l2::encoder::Encoder;

/// From the source to the packet rings.
pub struct Stream<'a> {
    /// The encoders, each with the packet ring that it fills.
    pub outputs: [Output<'a>; OUTPUTS],
    /// The slots.
    pub memory: SlotMemory,
    /// The frames.
    pub pipeline: Pipeline<'a>,
    /// Where they come from.
    pub source: Source<'a>,
    /// What the engine is about to do, and how far the encoders are drained for it.
    pub run_state: RunState<Request>,
    /// Counters and latencies.
    pub stats: Stats<'a>,
}

impl<'a> Stream<'a> {
    /// Adds what is waited for.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, now_ns: u64) {
        let takes = self.run_state.takes_frames();
        let flows = takes && !self.source.is_silent();
        let slots = self.pipeline.needs_slots(flows);
        let end = self.run_state.awaits_end();
        for output in &self.outputs {
            output.add_to(set, slots, end, now_ns);
        }
        if let Source::Camera(camera) = &self.source
            && (takes || self.flushes())
        {
            camera.add_to(set, self.may_attach(), now_ns);
        }
        let [output] = &self.outputs;
        set.until(self.pipeline.waits(output.stage.stall_ns));
        set.until(self.drains_at());
        set.until(self.reattach_deadline());
        set.until(self.run_state.deadline_ns());
        let feeds = self.run_state.queues_frames()
            && self.pipeline.next().is_some()
            && output.stage.may_queue(&self.pipeline);
        if self.is_up() && (feeds || self.has_flushed() || self.run_state.is_drained()) {
            // What came up after this turn's `feed` is not to wait for a heartbeat.
            set.until(Some(now_ns));
        }
    }

    /// Coded buffers out of the encoder. Gives how many packets were published, also of those before a failure, and whether there was any
    /// buffer.
    pub fn take_coded(&mut self, ready: Ready, now_ns: u64) -> (u32, Result<bool, IoctlError>) {
        let ([output], pipeline) = (&mut self.outputs, &mut self.pipeline);
        if !output.stage.has_news(ready) {
            return (0, Ok(false));
        }
        let flows = self.run_state.takes_frames();
        let (progress, mut taken) = output.take_coded(flows, pipeline, now_ns);
        if let Some(end) = progress.end
            && !self.run_state.ends(end, now_ns)
        {
            taken = Err(IoctlError::new(Call::DqBuf, Errno::PIPE));
        }
        (progress.published, taken)
    }

    /// Slots back from the encoder, and its word for the end of a drain. `brought`: as `take_coded` answered.
    ///
    /// # Errors
    /// When the encoder failed.
    pub fn take_returned(
        &mut self,
        ready: Ready,
        brought: bool,
        now_ns: u64,
    ) -> Result<(), IoctlError> {
        let ([output], pipeline) = (&mut self.outputs, &mut self.pipeline);
        if !output.stage.has_news(ready) {
            return output.stage.not_ready(ready, pipeline, now_ns);
        }
        let awaits_end = self.run_state.awaits_end();
        if output.take_returned(ready, brought, awaits_end, pipeline, now_ns)? {
            let _ = self.run_state.ends(End::Announced, now_ns);
        }
        Ok(())
    }

    /// Frames of the camera into the pipeline; or what a decoder still has of its frames, before the encoder is drained.
    ///
    /// # Errors
    /// When the camera did not come back in time.
    pub fn serve_camera(
        &mut self,
        ready: Ready,
        now_ns: u64,
    ) -> Result<CameraEvent, EngineError<'a>> {
        let (may_attach, flushes) = (self.may_attach(), self.flushes());
        let Some(camera) = self.source.camera() else {
            return Ok(CameraEvent::None);
        };
        let event = match self.run_state.takes_frames() {
            true => camera.serve(ready, &mut self.pipeline, may_attach, now_ns)?,
            false if flushes => camera.flush(ready, &mut self.pipeline, now_ns),
            false => CameraEvent::None,
        };
        if event == CameraEvent::Closed {
            self.lose_camera_slots();
        }
        Ok(event)
    }

    /// Frames into the encoder. Gives the error of a driver that refuses each frame.
    ///
    /// # Errors
    /// When the encoder failed.
    pub fn feed(&mut self, now_ns: u64) -> Result<Option<IoctlError>, IoctlError> {
        let [output] = &mut self.outputs;
        if !output.stage.is_up() || !self.run_state.queues_frames() {
            return Ok(None);
        }
        output.stage.feed(&mut self.pipeline, &self.memory, now_ns)
    }

    /// Frames of the camera to the packet ring, where there is no encoder. Gives how many packets were published.
    pub fn relay(&mut self, now_ns: u64) -> u32 {
        let [output] = &mut self.outputs;
        match self.source.camera() {
            Some(camera) if output.stage.relays() && self.run_state.queues_frames() => {
                output.relay(camera, &mut self.pipeline, now_ns)
            }
            _ => 0,
        }
    }

    /// When all frames are in the encoder, at the end of a drain: the command to stop.
    ///
    /// # Errors
    /// When the encoder failed.
    pub fn stop_fed(&mut self, now_ns: u64) -> Result<(), IoctlError> {
        if !self.has_flushed() {
            return Ok(());
        }
        let [output] = &self.outputs;
        let Some(marked) = output.stage.drain()? else {
            return Ok(());
        };
        if !marked && self.run_state.only_drains() && !output.stage.relays() {
            self.hold();
        } else {
            self.run_state.stop_sent(marked);
            self.pipeline.drain(now_ns);
        }
        Ok(())
    }

    /// The driver has no STOP command: the frames are dropped, until packets of later frames push them out. One that
    /// has slots, too, is started again: the next producer or camera needs them.
    fn hold(&mut self) {
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

    /// What is due with the packets and frames inside. Gives how many packets were published.
    pub fn expire(&mut self, now_ns: u64) -> u32 {
        let mut published = 0;
        for output in &mut self.outputs {
            published += output.expire(&mut self.pipeline, now_ns);
            self.pipeline.expire(now_ns, output.stage.stall_ns);
        }
        published
    }

    /// Whether the encoder makes no progress.
    #[must_use]
    pub fn stalls(&self, now_ns: u64) -> bool {
        let [output] = &self.outputs;
        let stall_ns = output.stage.stall_ns;
        is_due(self.pipeline.stalls(stall_ns), now_ns)
            || is_due(self.pipeline.mute(stall_ns), now_ns)
    }

    /// Begins a drain for nobody, and ends the one that is over. Whether the encoder is drained, and can go on.
    pub fn advance_drain(&mut self, now_ns: u64) -> bool {
        if self.run_state.is_idle() {
            // Not in the turn that published it.
            for output in &mut self.outputs {
                output.sink.forget();
            }
        }
        if is_due(self.drains_at(), now_ns) {
            self.run_state.begin_drain(change_limit(now_ns));
        }
        self.run_state.look(self.pipeline.inside(), now_ns);
        self.run_state.is_drained() && self.is_up()
    }

    /// Publishes what of a packet there is, whatever may still have come. Gives how many were published.
    pub fn finish(&mut self) -> u32 {
        let mut published = 0;
        for output in &mut self.outputs {
            published += output.finish(&mut self.pipeline);
        }
        published
    }

    /// Whether the encoder is open, or none is needed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let [output] = &self.outputs;
        output.stage.is_up()
    }

    /// Whether the encoder is there, and has no frame.
    fn may_attach(&self) -> bool {
        self.is_up() && self.pipeline.is_empty()
    }

    /// Whether the source is to give what it still has.
    fn flushes(&self) -> bool {
        self.run_state.is_flushing() && !self.source.is_flushed()
    }

    /// Whether every frame from before the drain is in the encoder, which can be drained.
    fn has_flushed(&self) -> bool {
        self.run_state.is_flushing() && self.pipeline.filled() == 0 && self.source.is_flushed()
    }

    /// When the encoder is to be drained because nobody sends frames, ns. An encoder with look-ahead or reordering gives a frame's packet
    /// only after later frames; when none come, the frames would stay inside, and the producer would wait for its accounts.
    fn drains_at(&self) -> Option<u64> {
        let [output] = &self.outputs;
        let silent = self.source.is_silent() && self.is_up() && self.run_state.takes_frames();
        silent
            .then(|| self.pipeline.flush(output.stage.stall_ns))
            .flatten()
    }

    /// Whether source and encoder run, for all that is known, and nothing else is under way. What recovers goes on.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.is_up() && self.run_state.takes_frames() && self.source.runs()
    }

    /// Nobody watches: the encoder is to be stopped, when it is drained.
    pub fn begin_rest(&mut self, now_ns: u64) {
        let empty = self.pipeline.is_empty() && self.source.is_flushed();
        self.run_state.stop(empty, change_limit(now_ns));
    }

    /// Everything that is still inside is counted: the engine ends.
    pub fn abandon(&mut self, now_ns: u64) {
        // After LAST the encoder has nothing more to give; before it, the time was up.
        let reason = match self.run_state.ended() {
            Some(true) => Counter::DroppedEncoder,
            _ => Counter::DroppedStopping,
        };
        self.pipeline.restart(reason, now_ns);
        self.take_commits(now_ns);
        self.pipeline.drop_filled(Counter::DroppedStopping);
        self.source.abandon();
    }

    /// Publishes what the engine is doing.
    pub fn set_state(&self, state: State) {
        for output in &self.outputs {
            output.set_state(state);
        }
    }

    /// Somebody requests a key frame.
    pub fn request_key_frame(&mut self) {
        for output in &mut self.outputs {
            output.stage.request_key_frame();
        }
    }

    /// Whether the encoder reads memory of somebody else.
    #[must_use]
    pub fn imports(&self) -> bool {
        let [output] = &self.outputs;
        output.stage.encoder().is_some_and(Encoder::imports)
    }
}

/// Whether it is time.
#[must_use]
pub fn is_due(at: Option<u64>, now_ns: u64) -> bool {
    at.is_some_and(|at| at <= now_ns)
}

/// When a drain before a change is given up, ns.
#[must_use]
pub fn change_limit(now_ns: u64) -> u64 {
    now_ns.saturating_add(u64::from(CHANGE_DRAIN_MS) * MS)
}
