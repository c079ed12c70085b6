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
//! What a call on the driver takes is the driver's affair. In the loop no failure but the loss of a device ends the engine. Stream
//! and clients do not know each other: what one does to the other is decided here and in `reconfigure`.

use rustix::fd::AsFd;

use crate::control::message::{Change, FormatRequest, Offer, Refusal};
use crate::control::socket::Descriptors;
use crate::engine::admission::Situation;
use crate::engine::camera::CameraEvent;
use crate::engine::clients::{Clients, Event};
use crate::engine::error::EngineError;
use crate::engine::poll::{FILLED, PollSet, Ready, SIGNALS};
use crate::engine::request::Request;
use crate::engine::source::Source;
use crate::engine::status::{check_balance, state_of};
use crate::engine::stream::{Stream, is_due};
use crate::engine::supervisor::Supervisor;
use crate::errno::call::IoctlError;
use crate::flow::idle::Idle;
use crate::limits::BLIND_PAUSE_MS;
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::stats::{Counter, Stats};
use crate::signals::Signals;
use crate::time::{MS, now, pause};

/// Everything the engine owns.
pub struct Engine<'a> {
    /// Who is connected. The first to go at the end: to close a device may take seconds, and nobody is to wait for that.
    pub clients: Clients<'a>,
    /// From the source to the packet rings.
    pub stream: Stream<'a>,
    /// How long nobody has watched.
    pub idle: Idle,
    /// Counters and latencies.
    pub stats: Stats<'a>,
    /// Signals.
    pub signals: Signals,
    /// Who started the engine, and wants to hear how it is.
    pub supervisor: Supervisor,
    /// A signal asked for the end.
    pub signalled: bool,
    /// How long the last drain may take, ns.
    pub drain_ns: u64,
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
            match self.stream.run_state.ended() {
                Some(true) => break Ok(()),
                Some(false) => break Err(self.stream.source.cut_short(&self.stream.pipeline)),
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
        self.stream.add_to(&mut set, now_ns);
        self.clients.add_to(&mut set, now_ns);
        set.until(self.stops_at());
        set.until(self.supervisor.due_ns());
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
        if let Err(error) = self.serve_outputs(ready, now_ns) {
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
        check_balance(&self.stream.pipeline, &self.stats);
        let end_ns = now();
        for output in &self.stream.outputs {
            output.header.status.heartbeat.store(end_ns, Relaxed);
        }
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
                self.stream.run_state.give_up();
            } else {
                note!(info, "a signal ends the engine: draining");
                self.begin_end(now_ns);
            }
        }
    }

    /// Coded buffers out, then slots back.
    fn serve_outputs(&mut self, ready: Ready, now_ns: u64) -> Result<(), IoctlError> {
        let (published, taken) = self.stream.take_coded(ready, now_ns);
        // What was published before a failure is news all the same.
        self.announce(published, now_ns);
        self.stream.take_returned(ready, taken?, now_ns)
    }

    /// Wakes consumers when something was published.
    pub(super) fn announce(&mut self, published: u32, now_ns: u64) {
        if published > 0 {
            self.wake_consumers(now_ns);
        }
    }

    /// Wakes everybody who waits for packets.
    pub(super) fn wake_consumers(&mut self, now_ns: u64) {
        for output in &self.stream.outputs {
            let wake = |sleepers| output.sink.wake(sleepers);
            self.clients.table.wake_consumers(now_ns, wake);
        }
    }

    /// Frames from their source into the pipeline.
    fn serve_source(
        &mut self,
        ready: Ready,
        polled_ns: u64,
        now_ns: u64,
    ) -> Result<(), EngineError<'a>> {
        match &self.stream.source {
            Source::Ring(_) if ready.at(FILLED) => self.take_commits(now_ns),
            Source::Ring(_) => self.stream.pipeline.nothing_committed(polled_ns),
            Source::Camera(_) => match self.stream.serve_camera(ready, now_ns)? {
                CameraEvent::None | CameraEvent::Closed => {}
                CameraEvent::Attach => {
                    let lost = self.stream.attach_camera_again();
                    self.settle(lost)?;
                }
                CameraEvent::Done => self.begin_end(now_ns),
            },
        }
        Ok(())
    }

    /// What the producer filled goes into the pipeline.
    fn take_commits(&mut self, now_ns: u64) {
        let Some(index) = self.clients.table.producer() else {
            return;
        };
        // It only wakes the loop. The other end is open here, too, so it comes to an end only when the producer shuts it down; then it
        // would wake the loop without end.
        let shut = self.clients.table.hear_producer(now_ns);
        if !self.stream.take_commits(now_ns) || shut {
            self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
    }

    /// Frames into the encoder; then, at the end of a drain, the command to stop.
    fn feed(&mut self, now_ns: u64) -> Result<(), IoctlError> {
        let published = self.stream.relay(now_ns);
        self.announce(published, now_ns);
        if let Some(error) = self.stream.feed(now_ns)? {
            // It may be a producer's memory that it does not take.
            match self.clients.table.producer() {
                Some(index) if self.stream.imports() => {
                    self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
                    // They are in the same memory, and would be refused when nobody is left to be disconnected for them.
                    self.stream.pipeline.drop_filled(Counter::DroppedRefused);
                }
                _ if self.stream.copy_instead_of_import(error, now_ns) => {}
                _ => return Err(error),
            }
        }
        self.stream.stop_fed(now_ns)
    }

    /// Does what is due.
    fn run_timers(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        if !self.stream.is_up()
            && let Some(lost) = self.stream.try_reopen(now_ns)?
        {
            self.settle(Ok(lost))?;
            self.stream.retry_later(now_ns)?;
        }
        let published = self.stream.expire(now_ns);
        self.announce(published, now_ns);
        if self.stream.stalls(now_ns) {
            self.stats.count(Counter::Stalls);
            self.recover(None)?;
        }
        if self.stream.advance_drain(now_ns)
            && let Some(next) = self.stream.run_state.take_next()
        {
            self.apply(next, now_ns)?;
        }
        if is_due(self.stream.reattach_deadline(), now_ns)
            && let Some(ring) = self.stream.source.ring()
        {
            ring.expected_ns = None;
            note!(info, "the producer did not attach again");
            self.producer_left(now_ns);
        }
        Ok(())
    }

    /// When the engine is to stop because nobody watches, ns; `None` while something else is under way. What recovers goes on.
    fn stops_at(&self) -> Option<u64> {
        self.stream.runs().then(|| self.idle.due_ns()).flatten()
    }

    /// Stops when nobody has watched for long enough, and starts for who watches.
    ///
    /// # Errors
    /// When the encoder cannot be started any more.
    fn attend(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        let watched = self.clients.table.consumers() > 0;
        self.idle.look(watched, now_ns);
        if watched && self.stream.run_state.watched() {
            let lost = self.stream.start_again();
            return self.settle(lost);
        }
        if is_due(self.stops_at(), now_ns) {
            self.stream.begin_rest(now_ns);
        }
        Ok(())
    }

    /// Free slots to the producer, and what became of its frames.
    pub(super) fn give_slots(&mut self, now_ns: u64) {
        let attached = self.clients.table.producer().is_some();
        if self.stream.give_slots(attached, now_ns) {
            self.clients.table.notify_producer(now_ns);
        }
    }

    /// Messages of clients, and new clients.
    fn serve_clients(&mut self, ready: Ready, now_ns: u64) {
        let mut round = self.clients.begin_round(ready);
        while let Some(event) = self.clients.next_event(&mut round, now_ns) {
            self.serve_client(event, now_ns);
        }
        self.clients.end_round(&round, now_ns);
        for output in &self.stream.outputs {
            self.clients.publish(&output.header.status);
        }
    }

    fn serve_client(&mut self, event: Event, now_ns: u64) {
        let (index, refused) = match event {
            Event::Produce(index, requested) => (index, self.on_produce(index, &requested, now_ns)),
            Event::Import(index, offer, planes) => {
                (index, self.on_import(index, &offer, planes, now_ns))
            }
            Event::NoImport(index) => {
                self.stream.reclaim();
                (index, self.admit_producer(index, now_ns))
            }
            Event::Change(index, change) => (index, self.change(index, change, now_ns)),
            Event::KeyFrame => return self.stream.request_key_frame(),
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
        let situation = Situation {
            stream: &self.stream,
            log_limit: &self.clients.log_limit,
            present: self.clients.table.producer().is_some(),
            uid: self.clients.uid(index),
            now_ns,
        };
        match situation.decide(requested)? {
            Some(request) => self.wait_for_drain(index, request, now_ns),
            None => self.admit_producer(index, now_ns),
        }
    }

    /// A producer offers dma-bufs in place of the slots that it was given.
    fn on_import(
        &mut self,
        index: usize,
        offer: &Offer,
        planes: Descriptors,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        let request = self.stream.request_for(offer, planes);
        self.wait_for_drain(index, request, now_ns)?;
        self.stream.pipeline.reclaim();
        Ok(())
    }

    fn wait_for_drain(
        &mut self,
        index: usize,
        request: Request,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        let may_wait = self.stream.is_up() || self.stream.run_state.ending();
        if !may_wait || !self.clients.may_change(index, now_ns) {
            return Err(Refusal::Busy);
        }
        self.stream.request(request, now_ns)?;
        self.clients.make_wait(index);
        Ok(())
    }

    /// A change that a client asks for.
    fn change(&mut self, index: usize, change: Change, now_ns: u64) -> Result<(), Refusal> {
        let outcome = self.stream.change(change, now_ns)?;
        self.clients.answer(index, outcome);
        if change == Change::Drain {
            note!(info, "a client ends the engine: draining");
            self.begin_end(now_ns);
        }
        Ok(())
    }

    /// Publishes what the engine is doing.
    fn publish_state(&mut self, now_ns: u64) {
        let stream = &self.stream;
        let state = state_of(&stream.run_state, stream.is_up(), &stream.source);
        stream.set_state(state);
        let ending = stream.run_state.ending();
        self.supervisor.tell(state, ending, now_ns);
    }
}
