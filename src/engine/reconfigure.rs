//! What changes the stream as a whole, or ends it for a producer: a drain that is over, a producer that goes, a failure, the end.
//!
//! * **For a producer** that wants another size, format, rate or memory, when the encoder is drained: stop both queues, negotiate, allocate,
//!   start, admit. On failure the previous configuration is set up again; if that fails too, the device is reopened.
//! * **For nobody,** where frames or consumers stay away: the encoder is started again, or rests.
//! * **For an encoder that fails or stalls:** `output/recovery` has the escalation.
//! * **For the end:** drain, count what is still inside, publish the end mark.
//!
//! Consumers keep their ring, and see a generation, a discontinuity and a key frame. Every frame that is lost is counted. What happens to
//! the stream, the stream does; here producers and consumers hear of it.

use crate::control::message::Refusal;
use crate::engine::clients::admit;
use crate::engine::clients::table::Role;
use crate::engine::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::output::recovery::Lost;
use crate::engine::request::Request;
use crate::errno::call::IoctlError;
use crate::flow::run_state::Next;
use crate::log::note;
use crate::shm::layout::State;
use crate::shm::stats::Counter;
use crate::time::now;

impl<'a> Engine<'a> {
    /// The encoder is drained: what this was for, or on as before.
    ///
    /// # Errors
    /// When there is no way back either.
    pub(super) fn apply(
        &mut self,
        next: Next<Request>,
        now_ns: u64,
    ) -> Result<(), EngineError<'a>> {
        if let Next::Reconfigure(request) = next {
            return self.reconfigure(request, now_ns);
        }
        self.publish_rest(now_ns);
        let lost = match next {
            Next::Stop => self.stream.rest(now_ns),
            _ => self.stream.resume(now_ns),
        };
        self.settle(lost)
    }

    fn reconfigure(&mut self, request: Request, now_ns: u64) -> Result<(), EngineError<'a>> {
        // Where nobody waits any more the encoder has to start again all the same.
        let waiting = self.clients.table.waiting();
        let request = waiting.map(|_| request);
        let log_limit = &self.clients.log_limit;
        let (answer, lost) = self.stream.reconfigure(request, log_limit, now_ns)?;
        self.settle(Ok(lost))?;
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
        let client = self.clients.table.get_mut(index);
        let client = client.ok_or(Refusal::BadMessage)?;
        let (message, ring, memory) = self.stream.make_room()?;
        let user = admit::producer(client, &message, ring.descriptor(), memory.descriptors())?;
        self.stream.attached(user);
        self.give_slots(now_ns);
        Ok(())
    }

    /// The producer says that it is done; it stays until its frames are accounted for.
    pub(super) fn finish_producer(&mut self, index: usize, now_ns: u64) {
        if !self.stream.take_commits(now_ns) {
            return self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
        self.producer_left(now_ns);
    }

    /// Ends a connection: the client did (`None`), or for this reason, which is sent to it.
    pub(super) fn disconnect(&mut self, index: usize, reason: Option<Refusal>, now_ns: u64) {
        let role = self.clients.disconnect(index, reason, now_ns);
        if let Role::Producer { .. } = role {
            if reason.is_none() {
                // What it committed before it went is a frame like any other; malformed entries are ignored.
                let _ = self.stream.take_commits(now_ns);
            }
            self.stream.reclaim();
        }
        if !role.was_producer() {
            return;
        }
        match self.stream.source.ring() {
            Some(ring) if reason == Some(Refusal::Reopened) => ring.slots_lost(),
            _ => self.producer_left(now_ns),
        }
    }

    /// The producer is not expected to send more frames.
    pub(super) fn producer_left(&mut self, now_ns: u64) {
        if let Some(ring) = self.stream.source.ring()
            && ring.producer_left()
        {
            self.begin_end(now_ns);
        }
    }

    /// The encoder failed with an error, or stalled (`None`).
    ///
    /// # Errors
    /// When nothing helps.
    pub(super) fn recover(&mut self, error: Option<IoctlError>) -> Result<(), EngineError<'a>> {
        let lost = self.stream.recover(error);
        self.settle(lost)
    }

    /// Where its slots are gone, the producer has to attach again.
    ///
    /// # Errors
    /// Those of what was done.
    pub(super) fn settle(
        &mut self,
        lost: Result<Lost, EngineError<'a>>,
    ) -> Result<(), EngineError<'a>> {
        if lost? == Lost::Slots
            && let Some(index) = self.clients.table.producer()
        {
            self.stream.report();
            self.disconnect(index, Some(Refusal::Reopened), now());
        }
        Ok(())
    }

    /// Publishes what of a packet there is, whatever may still have come.
    fn publish_rest(&mut self, now_ns: u64) {
        let published = self.stream.finish();
        self.announce(published, now_ns);
    }

    /// Stops taking frames. What the producer committed until now is still encoded.
    pub(super) fn begin_end(&mut self, now_ns: u64) {
        if self.stream.run_state.ending() {
            return;
        }
        let limit_ns = now_ns.saturating_add(self.drain_ns);
        self.stream.run_state.end(limit_ns);
        if let Some(index) = self.clients.table.waiting() {
            // What it waits for is not done any more.
            self.disconnect(index, Some(Refusal::Ending), now_ns);
        }
        if let Some(index) = self.clients.table.producer()
            && !self.stream.take_commits(now_ns)
        {
            self.disconnect(index, Some(Refusal::BadFrameRing), now_ns);
        }
        if !self.stream.is_up() && self.stream.pipeline.in_flight() == 0 {
            // Nobody has to come back for nothing.
            self.stream.run_state.drained();
        }
    }

    /// The last acts: everything that is still inside is counted, the end is published.
    pub(super) fn end(&mut self) {
        let now_ns = now();
        self.publish_rest(now_ns);
        self.stream.abandon(now_ns);
        self.give_slots(now_ns);
        self.stream.set_state(State::Ended);
        for output in &mut self.stream.outputs {
            output.sink.end(now_ns);
        }
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
}
