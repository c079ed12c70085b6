//! Reconfiguration and recovery: everything that stops the encoder and starts it again.
//!
//! * **For a producer** that wants another size, format, rate or memory: drain, stop both queues, negotiate, allocate, start, admit. On
//!   failure the previous configuration is set up again; if that fails too, the device is reopened.
//! * **For a camera** that is attached, or came back.
//! * **For the end:** drain, count what is still inside, publish the end mark.
//! * **For an encoder that fails or stalls:** restart its queues, at most `RESTARTS` times in a row; then close it and reopen it, which
//!   frees what its driver holds, for `RETURN_MS` if it is not there; then end with an exit code of its own, for a supervisor to start
//!   over. A packet resets the escalation.
//!
//! Consumers keep their ring, and see a generation, a discontinuity and a key frame. Every frame that is lost is counted.

use crate::control::message::{Message, Refusal};
use crate::engine::camera::attach::Attached;
use crate::engine::clients::admit;
use crate::engine::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::request::Request;
use crate::engine::setup::{Change, Setup, describe};
use crate::engine::source::Source;
use crate::engine::stage::Closed;
use crate::errno::call::IoctlError;
use crate::flow::log_limit::LogLimit;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::Next;
use crate::limits::{ATTACH_AGAIN_MS, CAMERA_PAUSE_MS};
use crate::log::note;
use crate::shm::layout::State;
use crate::shm::stats::Counter;
use crate::time::{MS, now};
use crate::types::memory::MemoryChoice;
use crate::v4l2::encoder::Encoder;

/// What a reconfiguration changes, each part by itself.
struct Parts<'e, 'a> {
    setup: Setup<'e, 'a>,
    source: &'e mut Source<'a>,
    pipeline: &'e mut Pipeline<'a>,
    log_limit: &'e LogLimit,
}

impl<'a> Engine<'a> {
    /// What is set up, and what its caller may need beside it.
    fn parts(&mut self) -> Parts<'_, 'a> {
        Parts {
            setup: Setup {
                stage: &mut self.output.stage,
                memory: &mut self.memory,
                stats: self.stats,
            },
            source: &mut self.source,
            pipeline: &mut self.pipeline,
            log_limit: &self.clients.log_limit,
        }
    }

    // ---- A producer's request ----

    /// The encoder is drained: the change that this was for, or on as before.
    ///
    /// # Errors
    /// When there is no way back either.
    pub(super) fn apply(
        &mut self,
        next: Next<Request>,
        now_ns: u64,
    ) -> Result<(), EngineError<'a>> {
        match next {
            Next::Resume => self.resume(now_ns),
            Next::Stop => self.go_idle(now_ns),
            Next::Reconfigure(request) => self.reconfigure(request, now_ns),
        }
    }

    fn reconfigure(&mut self, request: Request, now_ns: u64) -> Result<(), EngineError<'a>> {
        // What the drain's deadline cut off.
        self.pipeline.restart(Counter::DroppedRestart, now_ns);
        self.pipeline.drop_filled(Counter::DroppedRestart);
        // Where nobody waits any more the encoder has to start again all the same.
        let waiting = self.clients.table.waiting();
        let request = waiting.map(|_| request);
        let Parts {
            mut setup,
            log_limit,
            ..
        } = self.parts();
        let Change { slots, mut answer } = setup.change(request, log_limit, now_ns);
        match slots {
            Ok(slots) => self.begin_stream(slots),
            Err(error) => {
                self.reopen(error)?;
                answer = Err(Refusal::Reopened);
            }
        }
        let now_ns = now();
        if let Some(index) = waiting
            && let Err(refusal) = answer.and_then(|()| self.admit_producer(index, now_ns))
        {
            self.disconnect(index, Some(refusal), now_ns);
        }
        Ok(())
    }

    /// Lets a client in as the producer.
    pub(super) fn admit_producer(&mut self, index: usize, now_ns: u64) -> Result<(), Refusal> {
        let slots = self.pipeline.slots();
        let no_memory = |_| Refusal::Resources;
        let Some(ring) = self.source.ring() else {
            return Err(Refusal::CameraFeeds);
        };
        self.memory.attach(slots).map_err(no_memory)?;
        let (layout, kind) = (self.memory.layout(), self.memory.kind());
        ring.attach(&self.output.stage.wanted, layout, kind, slots)
            .map_err(no_memory)?;
        let message = Message::Frames {
            slots,
            memory_planes: layout.memory_plane_count,
            memory: kind,
        };
        let descriptors = self.memory.descriptors();
        let client = self.clients.table.get_mut(index);
        let client = client.ok_or(Refusal::BadMessage)?;
        let user = admit::producer(client, &message, ring.descriptor(), descriptors)?;
        self.stats.count(Counter::Producers);
        ring.attached();
        self.memory.given_to(user);
        self.pipeline.attach();
        self.give_slots(now_ns);
        Ok(())
    }

    /// The encoder gave what it held, or its time was up: it is started again.
    ///
    /// # Errors
    /// As `reopen`.
    fn resume(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        self.publish_rest(now_ns);
        let inside = self.pipeline.inside();
        if inside > 0 {
            note!(
                warn,
                "{}: no packet came for {inside} frames, though the encoder was drained",
                self.output.stage.session.path
            );
        }
        self.pipeline.restart(Counter::DroppedEncoder, now_ns);
        match self.output.stage.restart() {
            Ok(()) => {
                self.output.new_generation();
                Ok(())
            }
            Err(error) => self.reopen(Some(error)),
        }
    }

    /// Publishes what of a packet there is, whatever may still have come.
    pub(super) fn publish_rest(&mut self, now_ns: u64) {
        let rest = self.output.finish(&mut self.pipeline);
        self.announce(rest, now_ns);
    }

    // ---- The end ----

    /// Stops taking frames. What the producer committed until now is still encoded.
    pub(super) fn begin_end(&mut self, now_ns: u64) {
        if self.run_state.ending() {
            return;
        }
        self.run_state.end(now_ns.saturating_add(self.drain_ns));
        self.refuse_waiting(now_ns);
        if let Some(index) = self.clients.table.producer()
            && !self.drain_commits(now_ns)
        {
            self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
        if !self.output.stage.is_up() && self.pipeline.in_flight() == 0 {
            // Nobody has to come back for nothing.
            self.run_state.drained();
        }
    }

    /// The end has begun: what a producer waits for is not done any more.
    fn refuse_waiting(&mut self, now_ns: u64) {
        if let Some(index) = self.clients.table.waiting() {
            self.disconnect(index, Some(Refusal::Ending), now_ns);
        }
    }

    /// The last acts: everything that is still inside is counted, the end is published.
    pub(super) fn end(&mut self) {
        let now_ns = now();
        self.publish_rest(now_ns);
        // After LAST the encoder has nothing more to give; before it, the time was up.
        let reason = match self.run_state.ended() {
            Some(true) => Counter::DroppedEncoder,
            _ => Counter::DroppedStopping,
        };
        self.pipeline.restart(reason, now_ns);
        self.drain_commits(now_ns);
        self.pipeline.drop_filled(Counter::DroppedStopping);
        self.source.abandon();
        self.give_slots(now_ns);
        self.output.set_state(State::Ended);
        self.output.sink.end(now_ns);
        self.wake_consumers(now_ns);
    }

    /// Logs what came of the frames: the last line, after the reason of the end where that is an error.
    pub fn log_end(&self) {
        let stats = &self.stats;
        note!(
            info,
            "ended: {} frames in, {} packets out, {} frames dropped",
            stats.get(Counter::FramesCommitted),
            stats.get(Counter::Packets),
            stats.dropped()
        );
    }

    // ---- Recovery ----

    /// The encoder failed with an error, or stalled (`None`): its queues are restarted, which keeps every buffer and
    /// descriptor as it is. Frames inside are lost and counted. After `RESTARTS` in a row without a packet it is reopened.
    ///
    /// # Errors
    /// When nothing helps.
    pub(super) fn recover(&mut self, error: Option<IoctlError>) -> Result<(), EngineError<'a>> {
        let device = self.output.stage.session.path;
        if !self.output.stage.recovery.restart() || error.is_some_and(IoctlError::is_loss) {
            return self.reopen(error);
        }
        match error {
            None => note!(
                warn,
                "{device}: no progress for {} ms: restarting the encoder",
                self.output.stage.stall_ns / MS
            ),
            Some(error) => note!(warn, "{device}: {error}: restarting the encoder"),
        }
        // The calls may take their time.
        self.output.set_state(State::Recovering);
        self.stats.count(Counter::Restarts);
        match self.output.stage.restart() {
            Ok(()) => {
                self.drop_in_flight();
                self.output.new_generation();
                Ok(())
            }
            Err(error) => self.reopen(Some(error)),
        }
    }

    /// What was inside the encoder is lost. A drain has to begin again.
    fn drop_in_flight(&mut self) {
        self.pipeline.restart(Counter::DroppedRestart, now());
        self.run_state.restarted();
        self.finish_drain_if_empty();
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

    /// Closes the encoder, to reopen it when it is time. Slots that are the producer's own or a camera's stay; the encoder's own
    /// are gone, and with them the producer's connection.
    ///
    /// # Errors
    /// When that was done since the latest packet, and did not help.
    pub(super) fn reopen(&mut self, error: Option<IoctlError>) -> Result<(), EngineError<'a>> {
        let device = self.output.stage.session.path;
        let (now_ns, stall_ns) = (now(), self.output.stage.stall_ns);
        if !error.is_some_and(IoctlError::is_shortage)
            && !self.output.stage.recovery.reopen(now_ns, stall_ns)
        {
            return Err(self.output.stage.final_error(error));
        }
        match error {
            None => note!(warn, "{device}: nothing else helps: reopening it"),
            Some(error) => note!(warn, "{device}: {error}: reopening it"),
        }
        self.output.set_state(State::Recovering);
        self.stats.count(Counter::Reopens);
        self.memory.clear();
        let imports = self.output.stage.close(error, now_ns);
        self.drop_in_flight();
        // Half a packet must not be published while its frame is counted as lost.
        self.output.sink.restarted();
        if !imports {
            self.revoke_slots();
        }
        Ok(())
    }

    /// The slots are gone: those of a camera, or a producer's, which has to attach again.
    fn revoke_slots(&mut self) {
        let now_ns = now();
        // What was committed is a frame like any other; malformed entries are ignored.
        let _ = self.drain_commits(now_ns);
        self.pipeline.drop_filled(Counter::DroppedRestart);
        self.close_camera(0, now_ns);
        if let Some(index) = self.clients.table.producer() {
            let accounts = self.pipeline.accounts();
            if let Some(ring) = self.source.ring() {
                ring.report(accounts);
            }
            self.disconnect(index, Some(Refusal::Reopened), now_ns);
        }
        self.finish_drain_if_empty();
    }

    /// Reopens the encoder when the next try is due.
    ///
    /// # Errors
    /// When there was time enough.
    pub(super) fn try_reopen(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        match self.output.stage.try_open(now_ns)? {
            Some(closed) => self.set_up_again(closed, now_ns),
            None => Ok(()),
        }
    }

    /// The device was reopened: it is set up as it was.
    fn set_up_again(&mut self, mut closed: Closed, now_ns: u64) -> Result<(), EngineError<'a>> {
        let wanted = self.output.stage.wanted;
        match self.parts().setup.set_up(&wanted, &mut closed.buffers) {
            Ok(slots) => {
                if self.output.stage.has_own_buffers() {
                    self.begin_stream(slots);
                } else {
                    // The source holds some of them.
                    self.begin_stream_with_slots();
                }
                self.output.stage.recovery.reopened(now_ns);
                if let Some(ring) = self.source.ring() {
                    let limit_ns = now_ns + u64::from(ATTACH_AGAIN_MS) * MS;
                    ring.expected_ns = ring.expected_ns.map(|_| limit_ns);
                }
                note!(info, "{}: it runs again", self.output.stage.session.path);
                Ok(())
            }
            Err(error) => {
                self.output.stage.log(error);
                self.memory.clear();
                if self.output.stage.close_again(closed, &error) {
                    self.revoke_slots();
                }
                self.output.stage.retry_later(now_ns)
            }
        }
    }

    /// The encoder begins again, set up for `stage.wanted` with so many slots, all free.
    fn begin_stream(&mut self, slots: u32) {
        self.pipeline.replace_slots(slots);
        self.begin_stream_with_slots();
    }

    /// The encoder begins again, set up for `stage.wanted` with the slots that there are.
    pub fn begin_stream_with_slots(&mut self) {
        let (kind, slots) = (self.memory.kind(), self.pipeline.slots());
        describe(self.output.header, &self.output.stage, kind, slots);
        self.output.new_generation();
    }

    // ---- The camera ----

    /// Before the loop: attaches the camera, where there is one.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn begin_camera(&mut self) -> Result<(), EngineError<'a>> {
        let mut parts = self.parts();
        if let Some(camera) = parts.source.camera() {
            camera.attach_first(&mut parts.setup, parts.pipeline)?;
            self.begin_stream_with_slots();
        }
        Ok(())
    }

    /// Opens and attaches the camera, if it is there and has a signal: a new generation.
    ///
    /// # Errors
    /// When it did not come back in time, or the encoder cannot be set up any more.
    pub(super) fn attach_camera_again(&mut self) -> Result<(), EngineError<'a>> {
        let mut parts = self.parts();
        let Some(camera) = parts.source.camera() else {
            return Ok(());
        };
        match camera.attach_again(&mut parts.setup, parts.pipeline)? {
            Attached::Streaming => {
                self.output.stage.request_key_frame();
                self.begin_stream_with_slots();
            }
            Attached::NoSignal {
                reconfigured: false,
            } => {}
            Attached::NoSignal { reconfigured: true } => self.begin_stream_with_slots(),
            Attached::Closed => self.lose_camera_slots(),
            Attached::NoEncoder => {
                self.close_camera(CAMERA_PAUSE_MS, now());
                return self.reopen(None);
            }
        }
        Ok(())
    }

    /// The encoder refuses each of the camera's buffers that is queued: the camera is attached again, and its frames are copied. False
    /// where they are not the camera's buffers, or `--memory export` insists.
    pub(super) fn copy_instead_of_import(&mut self, error: IoctlError, now_ns: u64) -> bool {
        let auto = self.output.stage.session.options.memory == MemoryChoice::Auto;
        let imports = self.output.stage.encoder().is_some_and(Encoder::imports);
        let Some(camera) = self.source.camera().filter(|_| auto && imports) else {
            return false;
        };
        camera.config.copied = true;
        let config = camera.config;
        note!(
            warn,
            "{}: {error}, of a buffer of {config}: each frame is copied, {} bytes a second",
            self.output.stage.session.path,
            self.output.stage.wanted.bytes_a_second()
        );
        self.close_camera(0, now_ns);
        true
    }

    /// Closes the camera, where there is one; it is reopened after `pause_ms`.
    fn close_camera(&mut self, pause_ms: u32, now_ns: u64) {
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
