//! Whether a producer is let in at once, and what has to change for it before, if not.
//!
//! Looks at the encoder, the slots and the frames that are inside, and changes none of them. Knows no connection.

use crate::control::message::{FormatRequest, Refusal};
use crate::engine::request::{Buffers, Request, Terms};
use crate::engine::source::Source;
use crate::engine::stage::Stage;
use crate::engine::stream::Stream;
use crate::flow::log_limit::LogLimit;

/// What a request is decided by.
pub struct Situation<'s, 'a> {
    /// From the source to the packet ring.
    pub stream: &'s Stream<'a>,
    /// How often the log speaks of clients.
    pub log_limit: &'s LogLimit,
    /// There is a producer.
    pub present: bool,
    /// The user who asks.
    pub uid: Option<u32>,
    /// `CLOCK_MONOTONIC` ns.
    pub now_ns: u64,
}

impl Situation<'_, '_> {
    /// What has to change for a producer with this request; `None`: nothing, it is let in at once.
    ///
    /// # Errors
    /// When its request cannot be met.
    pub fn decide(&self, requested: &FormatRequest) -> Result<Option<Request>, Refusal> {
        self.may_produce()?;
        let (stage, memory) = (self.stage(), &self.stream.memory);
        let session = &stage.session;
        let terms = Terms {
            options: session.options,
            configured: &session.configured,
            present: &stage.wanted,
            takes: session.takes,
            path: session.path,
            log_limit: self.log_limit,
            now_ns: self.now_ns,
        };
        let (wanted, choice) = (terms.meet(requested)?, terms.memory(requested));
        // What one user's producer left in the buffers, and what it may have kept of them, is not for another's.
        if wanted != stage.wanted || !stage.has_own_buffers() || memory.had_by_another(self.uid) {
            let buffers = Buffers::Driver(choice);
            return Ok(Some(Request { wanted, buffers }));
        }
        if memory.choice() == Some(choice) && !self.must_start() && !self.must_wait() {
            return Ok(None);
        }
        let buffers = Buffers::Kept(choice);
        Ok(Some(Request { wanted, buffers }))
    }

    /// Whether there is room for a producer.
    fn may_produce(&self) -> Result<(), Refusal> {
        let (run_state, source) = (&self.stream.run_state, &self.stream.source);
        if run_state.ending() || source.is_over() {
            return Err(Refusal::Ending);
        }
        if !run_state.may_attach() {
            return Err(Refusal::Busy);
        }
        match source {
            Source::Camera(_) => Err(Refusal::CameraFeeds),
            Source::Ring(_) if self.present => Err(Refusal::ProducerPresent),
            Source::Ring(_) if !self.stream.is_up() => Err(Refusal::Busy),
            Source::Ring(_) => Ok(()),
        }
    }

    /// The encoder.
    fn stage(&self) -> &Stage<'_> {
        let [output] = &self.stream.outputs;
        &output.stage
    }

    /// Whether the encoder has to be started again. One that cannot be forced to make a key frame makes one when it starts. One that may
    /// hold frames of the producer before, or keeps their slots, has to give them first: they would wait for frames that wait for them.
    fn must_start(&self) -> bool {
        let pipeline = &self.stream.pipeline;
        !self.stage().can_force && pipeline.has_queued()
            || pipeline.may_hold()
            || pipeline.keeps_slots()
    }

    /// What is still to be copied lies in the former producer's memfd.
    fn must_wait(&self) -> bool {
        self.stream.memory.copies() && self.stream.pipeline.filled() > 0
    }
}
