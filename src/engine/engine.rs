//! The engine itself: owns every part, and takes turns in a fixed order.
//!
//! A turn goes from the sink to the source, so that a slot that comes free is passed on in the same turn. Each step's work is bounded, so
//! that no peer and no queue can keep the others waiting:
//!
//! | step | at most, in one turn |
//! |---|---|
//! | signals | two reads |
//! | coded buffers | `TURN_BUDGET`, each copied once into the packet ring |
//! | returned slots | each slot once |
//! | filled slots, or frames of a camera | each slot once; of the wake socket 64 bytes |
//! | frames into the encoder | each slot once, with `--memory copy` each copied once |
//! | deadlines | `PENDING_FRAMES` given up; the encoder restarted or reopened once (and once each when its queues or a frame fail), reconfigured once |
//! | free slots | each slot once |
//! | messages of clients | `TURN_BUDGET`, each of another client, and new clients, one of which is let in in any case |
//! | waking consumers | one futex call, if any consumer has no wake socket, and `CLIENTS` sends, at most three times; who makes one of them too long is disconnected (`wake_cost`) |
//!
//! What a call on the driver takes is the driver's affair. In the loop no failure but the loss of a device ends the engine. The parts do not
//! know each other: they give events, and what one part's event means to another is decided here and in `reconfigure`.

use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::control::message::{Change, FormatRequest, Offer, Refusal};
use crate::control::socket::Descriptors;
use crate::engine::admission::Situation;
use crate::engine::camera::CameraEvent;
use crate::engine::clients::table::Role;
use crate::engine::clients::{Clients, Event};
use crate::engine::error::EngineError;
use crate::engine::output::Output;
use crate::engine::poll::{ENCODER, FILLED, PollSet, Ready, SIGNALS};
use crate::engine::request::{Buffers, Request};
use crate::engine::slot_memory::SlotMemory;
use crate::engine::source::Source;
use crate::engine::status::{check_balance, state_of};
use crate::engine::supervisor::Supervisor;
use crate::errno::call::{Call, IoctlError};
use crate::flow::allowance::Allowance;
use crate::flow::idle::Idle;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::{Drain, End, NotNow, RunState};
use crate::limits::{BLIND_PAUSE_MS, CHANGE_DRAIN_MS};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::stats::{Counter, Stats};
use crate::signals::Signals;
use crate::time::{MS, now, pause};

/// Everything the engine owns.
pub struct Engine<'a> {
    /// Who is connected. The first to go at the end: to close a device may take seconds, and nobody is to wait for that.
    pub clients: Clients<'a>,
    /// The encoder, and the packet ring that it fills.
    pub output: Output<'a>,
    /// The slots.
    pub memory: SlotMemory,
    /// The frames.
    pub pipeline: Pipeline<'a>,
    /// Where they come from.
    pub source: Source<'a>,
    /// What the engine is about to do.
    pub run_state: RunState<Request>,
    /// How long nobody has watched.
    pub idle: Idle,
    /// Counters and latencies.
    pub stats: Stats<'a>,
    /// Signals.
    pub signals: Signals,
    /// Who started the engine, and wants to hear how it is.
    pub supervisor: Supervisor,
    /// Reconfigurations that clients of users who are not trusted may cause.
    pub strangers: Allowance,
    /// A signal asked for the end.
    pub signalled: bool,
    /// How long the last drain may take, ns.
    pub drain_ns: u64,
    /// The engine ends when the first producer has left.
    pub once: bool,
}

impl<'a> Engine<'a> {
    /// Runs until a signal, `ctl drain`, the end of the first producer (with `once`), the last requested camera frame, or the loss of the
    /// encoder or the camera; drains; publishes the end mark.
    ///
    /// # Errors
    /// When the encoder or the camera was lost or the drain did not end; the end mark is published all the same.
    pub fn run(&mut self) -> Result<(), EngineError<'a>> {
        let mut now_ns = now();
        self.publish_state(now_ns);
        let result = loop {
            match self.run_state.ended() {
                Some(true) => break Ok(()),
                Some(false) => break Err(self.source.cut_short(&self.pipeline)),
                None => match self.turn(self.wait(now_ns)) {
                    Ok(end_ns) => now_ns = end_ns,
                    Err(error) => break Err(error),
                },
            }
        };
        self.end();
        result
    }

    /// Waits for the next event or deadline. Nothing here blocks but the one ppoll.
    pub(crate) fn wait(&self, now_ns: u64) -> Ready {
        let mut set = PollSet::new(now_ns, &self.clients.rare);
        set.add_fixed(SIGNALS, self.signals.as_fd(), true);
        let flows = self.run_state.takes_frames() && !self.source.is_silent();
        let slots = self.pipeline.needs_slots(flows);
        let end = self.run_state.awaits_end();
        self.output.add_to(&mut set, slots, end, now_ns);
        self.clients.add_to(&mut set, now_ns);
        if let Source::Camera(camera) = &self.source
            && (self.run_state.takes_frames() || self.flushes())
        {
            camera.add_to(&mut set, self.may_attach(), now_ns);
        }
        set.until(self.pipeline.waits(self.output.stage.stall_ns));
        set.until(self.drains_at());
        set.until(self.stops_at());
        set.until(self.reattach_deadline());
        set.until(self.run_state.deadline_ns());
        set.until(self.supervisor.due_ns());
        let stops = self.has_flushed();
        let feeds = self.run_state.queues_frames()
            && self.pipeline.next().is_some()
            && self.output.stage.may_queue(&self.pipeline);
        let changes = self.run_state.is_drained();
        if self.output.stage.is_up() && (stops || feeds || changes) {
            // What came up after this turn's `feed` is not to wait for a heartbeat.
            set.until(Some(now_ns));
        }
        set.wait(now_ns).unwrap_or_else(|_| {
            // Nothing that is asked below waits, so that a kernel short of memory costs latency and no more.
            pause(u64::from(BLIND_PAUSE_MS) * MS);
            Ready::PERHAPS
        })
    }

    /// One turn. Gives the time at its end, ns.
    ///
    /// # Errors
    /// When the engine is to end for a failure.
    pub(crate) fn turn(&mut self, ready: Ready) -> Result<u64, EngineError<'a>> {
        let polled_ns = now();
        // The clock is read again after calls that may have taken seconds.
        let mut now_ns = polled_ns;
        if ready.at(SIGNALS) {
            self.take_signals(now_ns);
        }
        if let Err(error) = self.serve_output(ready, now_ns) {
            self.recover(Some(error))?;
            now_ns = now();
        }
        self.serve_source(ready, polled_ns, now_ns)?;
        if let Err(error) = self.feed(now_ns) {
            self.recover(Some(error))?;
            now_ns = now();
        }
        self.run_timers(now_ns)?;
        if ready.nothing() {
            // Perhaps because a wake-up was lost for want of memory, and its reader sleeps. One too many harms nobody.
            self.clients.table.notify_consumers_again(now_ns);
            self.clients.table.notify_producer(now_ns);
        }
        self.give_slots(now_ns);
        self.serve_clients(ready, now_ns);
        self.attend(now_ns)?;
        self.publish_state(now_ns);
        check_balance(&self.pipeline, &self.stats);
        let end_ns = now();
        self.output.header.status.heartbeat.store(end_ns, Relaxed);
        self.clients.table.turn_took(end_ns - polled_ns, end_ns);
        Ok(end_ns)
    }

    /// A signal ends the engine in good order; a second one at once.
    fn take_signals(&mut self, now_ns: u64) {
        // Two end it at once; more are left for later turns.
        for _ in 0..2 {
            if !self.signals.take() {
                break;
            }
            if core::mem::replace(&mut self.signalled, true) {
                // Whoever asks twice does not want to wait. The end may have begun by itself, which the first does not cut short.
                self.run_state.give_up();
            } else {
                note!(info, "a signal ends the engine: draining");
                self.begin_end(now_ns);
            }
        }
    }

    /// Coded buffers out, then slots back.
    fn serve_output(&mut self, ready: Ready, now_ns: u64) -> Result<(), IoctlError> {
        let (output, pipeline) = (&mut self.output, &mut self.pipeline);
        // While it is closed, nobody can say that it is ready; when ppoll fails, nobody says that it is not.
        if !ready.at(ENCODER) || !output.stage.streams() {
            return output.stage.not_ready(ready, pipeline, now_ns);
        }
        let flows = self.run_state.takes_frames();
        let (progress, taken) = output.take_coded(flows, pipeline, now_ns);
        // What was published before a failure is news all the same.
        self.announce(progress.published, now_ns);
        let brought = taken?;
        if progress
            .end
            .is_some_and(|end| !self.run_state.ends(end, now_ns))
        {
            return Err(IoctlError::new(Call::DqBuf, Errno::PIPE));
        }
        let (pipeline, end) = (&mut self.pipeline, self.run_state.awaits_end());
        if (self.output).take_returned(ready, brought, end, pipeline, now_ns)? {
            let _ = self.run_state.ends(End::Announced, now_ns);
        }
        Ok(())
    }

    /// Wakes consumers when something was published.
    pub(super) fn announce(&mut self, published: u32, now_ns: u64) {
        if published > 0 {
            self.wake_consumers(now_ns);
        }
    }

    /// Wakes everybody who waits for packets.
    pub(super) fn wake_consumers(&mut self, now_ns: u64) {
        let sink = &self.output.sink;
        let table = &mut self.clients.table;
        table.wake_sleepers(now_ns, |sleepers| sink.wake(sleepers));
        table.notify_consumers(now_ns);
    }

    /// Frames from their source into the pipeline.
    fn serve_source(
        &mut self,
        ready: Ready,
        polled_ns: u64,
        now_ns: u64,
    ) -> Result<(), EngineError<'a>> {
        let may_attach = self.may_attach();
        match &mut self.source {
            Source::Ring(_) if ready.at(FILLED) => self.take_commits(now_ns),
            Source::Ring(_) => self.pipeline.nothing_committed(polled_ns),
            Source::Camera(_) if !self.run_state.takes_frames() => self.flush_camera(ready, now_ns),
            Source::Camera(camera) => {
                let pipeline = &mut self.pipeline;
                match camera.serve(ready, pipeline, may_attach, now_ns)? {
                    CameraEvent::None => {}
                    CameraEvent::Closed => self.lose_camera_slots(),
                    CameraEvent::Attach => self.attach_camera_again()?,
                    CameraEvent::Done => self.begin_end(now_ns),
                }
            }
        }
        Ok(())
    }

    /// Whether the encoder is there, and has no frame.
    fn may_attach(&self) -> bool {
        self.output.stage.is_up() && self.pipeline.in_flight() == 0 && !self.pipeline.busy()
    }

    /// What the producer filled goes into the pipeline.
    fn take_commits(&mut self, now_ns: u64) {
        let Some(index) = self.clients.table.producer() else {
            return;
        };
        // It only wakes the loop. The other end is open here, too, so it comes to an end only when the producer shuts it down; then it
        // would wake the loop without end.
        let shut = self.clients.table.hear_producer(now_ns);
        if !self.drain_commits(now_ns) || shut {
            self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
    }

    /// Takes every slot in the frame ring, at most one round. False when what stands there makes no sense.
    pub(super) fn drain_commits(&mut self, now_ns: u64) -> bool {
        let Some(ring) = self.source.ring() else {
            return true;
        };
        let taken = ring.take(&mut self.pipeline, now_ns);
        ring.left &= taken == Ok(0);
        if self.run_state.is_idle() {
            self.pipeline.drop_filled(Counter::DroppedIdle);
        }
        taken.is_ok()
    }

    /// Frames into the encoder; then, at the end, the command to stop.
    fn feed(&mut self, now_ns: u64) -> Result<(), IoctlError> {
        if !self.output.stage.is_up() || !self.run_state.queues_frames() {
            return Ok(());
        }
        if self.output.stage.relays() {
            self.relay(now_ns);
            return Ok(());
        }
        let refused = self
            .output
            .stage
            .feed(&mut self.pipeline, &self.memory, now_ns)?;
        if let Some(error) = refused {
            // It may be a producer's memory that it does not take. The frames that still wait are in the same memory, and would be refused
            // when nobody is left to be disconnected for them.
            let imports = self.output.stage.encoder().is_some_and(|one| one.imports());
            let producer = self.clients.table.producer();
            match producer {
                Some(index) if imports => {
                    self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
                    self.pipeline.drop_filled(Counter::DroppedRefused);
                }
                _ if self.copy_instead_of_import(error, now_ns) => {}
                _ => return Err(error),
            }
        }
        let has_flushed = self.has_flushed();
        let Some(encoder) = self.output.stage.encoder() else {
            return Ok(());
        };
        if has_flushed {
            let marked = encoder.drain()?;
            if !marked && self.run_state.only_drains() {
                self.hold();
            } else {
                self.run_state.stop_sent(marked);
                self.pipeline.drain(now_ns);
            }
        }
        Ok(())
    }

    /// Frames of the camera to the packet ring, where there is no encoder.
    fn relay(&mut self, now_ns: u64) {
        if let Some(camera) = self.source.camera() {
            let published = self.output.relay(camera, &mut self.pipeline, now_ns);
            self.announce(published, now_ns);
        }
        if let Drain::Flushing { .. } = self.run_state.drain() {
            self.run_state.stop_sent(false);
            self.pipeline.drain(now_ns);
        }
    }

    /// When the producer is not expected any longer, ns, unless one is about to be let in.
    fn reattach_deadline(&self) -> Option<u64> {
        match &self.source {
            Source::Ring(ring) if self.run_state.request().is_none() => ring.expected_ns,
            _ => None,
        }
    }

    /// Does what is due.
    fn run_timers(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now_ns);
        if !self.output.stage.is_up() {
            self.try_reopen(now_ns)?;
        }
        let published = self.output.expire(&mut self.pipeline, now_ns);
        self.announce(published, now_ns);
        let stall_ns = self.output.stage.stall_ns;
        self.pipeline.expire(now_ns, stall_ns);
        if due(self.pipeline.stalls(stall_ns)) || due(self.pipeline.mute(stall_ns)) {
            self.stats.count(Counter::Stalls);
            self.recover(None)?;
        }
        if self.run_state.is_idle() {
            // Not in the turn that published it.
            self.output.sink.forget();
        }
        if due(self.drains_at()) {
            let limit_ns = u64::from(CHANGE_DRAIN_MS) * MS;
            self.run_state.begin_drain(now_ns.saturating_add(limit_ns));
        }
        if let Drain::Draining { marked: false, .. } | Drain::Announced { .. } =
            self.run_state.drain()
            && self.pipeline.inside() == 0
        {
            self.run_state.drained();
        } else if due(self.run_state.deadline_ns()) {
            self.run_state.expire();
        }
        if self.output.stage.is_up()
            && self.run_state.is_drained()
            && let Some(next) = self.run_state.take_next()
        {
            self.apply(next, now_ns)?;
        }
        if due(self.reattach_deadline())
            && let Some(ring) = self.source.ring()
        {
            ring.expected_ns = None;
            note!(info, "the producer did not attach again");
            self.producer_left(now_ns);
        }
        Ok(())
    }

    /// Free slots to the producer, and what became of its frames.
    pub(super) fn give_slots(&mut self, now_ns: u64) {
        let Source::Ring(ring) = &mut self.source else {
            return;
        };
        if self.clients.table.producer().is_none() {
            if self.pipeline.filled() == 0 {
                self.memory.free_kept();
            }
            return;
        }
        let mut news = ring.report(self.pipeline.accounts());
        while (self.run_state.takes_frames() || self.run_state.is_idle())
            && let Some(slot) = self.pipeline.acquire(now_ns)
        {
            ring.give(slot);
            news = true;
        }
        if news {
            self.clients.table.notify_producer(now_ns);
        }
    }

    /// Messages of clients, and new clients.
    fn serve_clients(&mut self, ready: Ready, now_ns: u64) {
        let mut round = self.clients.begin_round(ready);
        while let Some(event) = self.clients.next_event(&mut round, now_ns) {
            self.serve_client(event, now_ns);
        }
        self.clients
            .end_round(&round, &self.output.header.status, now_ns);
    }

    fn serve_client(&mut self, event: Event, now_ns: u64) {
        let (index, refused) = match event {
            Event::Produce(index, requested) => (index, self.on_produce(index, &requested, now_ns)),
            Event::Import(index, offer, planes) => {
                (index, self.on_import(index, &offer, planes, now_ns))
            }
            Event::NoImport(index) => {
                self.reclaim();
                (index, self.admit_producer(index, now_ns))
            }
            Event::Change(index, change) => (index, self.change(index, change, now_ns)),
            Event::KeyFrame => return self.output.stage.request_key_frame(),
            Event::Finished(index) => return self.finish_producer(index, now_ns),
            Event::Disconnect(index, reason) => return self.disconnect(index, reason, now_ns),
        };
        if let Err(reason) = refused {
            self.disconnect(index, Some(reason), now_ns);
        }
    }

    /// A producer asks to be let in. It is, at once, when nothing has to change for it; else it waits.
    fn on_produce(
        &mut self,
        index: usize,
        requested: &FormatRequest,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        self.may_produce()?;
        let situation = Situation {
            stage: &self.output.stage,
            memory: &self.memory,
            pipeline: &self.pipeline,
            log_limit: &self.clients.log_limit,
            anothers: self.memory.had_by_another(self.clients.uid(index)),
            now_ns,
        };
        match situation.decide(requested)? {
            Some(request) => self.wait_for_drain(index, request, now_ns),
            None => self.admit_producer(index, now_ns),
        }
    }

    /// Whether there is room for a producer.
    fn may_produce(&mut self) -> Result<(), Refusal> {
        let finished = self.source.ring().is_some_and(|ring| ring.finished);
        if self.run_state.ending() || (self.once && finished) {
            return Err(Refusal::Ending);
        }
        if !self.run_state.may_attach() {
            return Err(Refusal::Busy);
        }
        if let Source::Camera(_) = &self.source {
            return Err(Refusal::CameraFeeds);
        }
        if self.clients.table.producer().is_some() {
            return Err(Refusal::ProducerPresent);
        }
        if !self.output.stage.is_up() {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// A producer offers dma-bufs in place of the slots that it was given.
    fn on_import(
        &mut self,
        index: usize,
        offer: &Offer,
        planes: Descriptors,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        let planes = planes.into_iter().collect();
        let request = Request {
            wanted: self.output.stage.wanted,
            buffers: Buffers::Imported(offer.slots, offer.rows, planes),
        };
        self.wait_for_drain(index, request, now_ns)?;
        self.pipeline.reclaim();
        Ok(())
    }

    fn wait_for_drain(
        &mut self,
        index: usize,
        request: Request,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        if !self.output.stage.is_up() && !self.run_state.ending() {
            return Err(Refusal::Busy);
        }
        if !self.clients.trusts(index) && !self.strangers.take(now_ns) {
            return Err(Refusal::Busy);
        }
        let empty = self.pipeline.in_flight() == 0 && !self.pipeline.busy();
        let deadline_ns = now_ns.saturating_add(u64::from(CHANGE_DRAIN_MS) * MS);
        let answer = self.run_state.reconfigure(request, empty, deadline_ns);
        answer.map_err(|not_now| match not_now {
            NotNow::Busy => Refusal::Busy,
            NotNow::Ending => Refusal::Ending,
        })?;
        self.clients.make_wait(index);
        Ok(())
    }

    /// A change that a client asks for.
    fn change(&mut self, index: usize, change: Change, now_ns: u64) -> Result<(), Refusal> {
        if self.run_state.ending() {
            return Err(Refusal::Ending);
        }
        let outcome = self
            .output
            .stage
            .change(change, &mut self.pipeline, now_ns)?;
        self.clients.answer(index, outcome);
        if change == Change::Drain {
            note!(info, "a client ends the engine: draining");
            self.begin_end(now_ns);
        }
        Ok(())
    }

    /// The producer says that it is done; it stays until its frames are accounted for.
    fn finish_producer(&mut self, index: usize, now_ns: u64) {
        if !self.drain_commits(now_ns) {
            return self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
        self.producer_left(now_ns);
    }

    /// Ends a connection: the client did (`None`), or for this reason, which is sent to it.
    pub(super) fn disconnect(&mut self, index: usize, reason: Option<Refusal>, now_ns: u64) {
        let was_producer = match self.clients.disconnect(index, reason, now_ns) {
            Role::Producer { .. } => {
                if reason.is_none() {
                    // What it committed before it went is a frame like any other; malformed entries are ignored.
                    let _ = self.drain_commits(now_ns);
                }
                self.reclaim();
                true
            }
            Role::Waiting { was_producer } => was_producer,
            _ => false,
        };
        if !was_producer {
            return;
        }
        if reason == Some(Refusal::Reopened)
            && let Some(ring) = self.source.ring()
        {
            // It is asked to attach again: with `once` it is the one for which the engine runs.
            ring.expected_ns = self.once.then_some(u64::MAX);
        } else {
            self.producer_left(now_ns);
        }
    }

    fn producer_left(&mut self, now_ns: u64) {
        if let Some(ring) = self.source.ring() {
            (ring.finished, ring.left) = (true, true);
        }
        if self.once {
            self.begin_end(now_ns);
        }
    }

    pub(super) fn reclaim(&mut self) {
        let slots = self.pipeline.reclaim();
        self.stats.add(Counter::SlotsReclaimed, u64::from(slots));
    }

    /// Publishes what the engine is doing.
    fn publish_state(&mut self, now_ns: u64) {
        let state = state_of(&self.run_state, self.output.stage.is_up(), &self.source);
        self.output.set_state(state);
        let ending = self.run_state.ending();
        self.supervisor.tell(state, ending, now_ns);
    }
}
