//! Whether a producer is let in at once, and what has to change for it before, if not.
//!
//! Looks at the encoder, the slots and the frames that are inside, and changes none of them. Knows no connection.

use crate::control::message::{FormatRequest, Refusal};
use crate::engine::request::{Buffers, Request, Terms};
use crate::engine::slot_memory::SlotMemory;
use crate::engine::stage::Stage;
use crate::flow::log_limit::LogLimit;
use crate::flow::pipeline::Pipeline;

/// What a request is decided by.
pub struct Situation<'s, 'a> {
    /// The encoder. It is open.
    pub stage: &'s Stage<'a>,
    /// The slots.
    pub memory: &'s SlotMemory,
    /// The frames.
    pub pipeline: &'s Pipeline<'a>,
    /// How often the log speaks of clients.
    pub log_limit: &'s LogLimit,
    /// Another user's producer had the slots before.
    pub anothers: bool,
    /// `CLOCK_MONOTONIC` ns.
    pub now_ns: u64,
}

impl Situation<'_, '_> {
    /// What has to change for a producer with this request; `None`: nothing, it is let in at once.
    ///
    /// # Errors
    /// When its request cannot be met.
    pub fn decide(&self, requested: &FormatRequest) -> Result<Option<Request>, Refusal> {
        let (stage, memory) = (self.stage, self.memory);
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
        if wanted != stage.wanted || !stage.has_own_buffers() || self.anothers {
            let buffers = Buffers::Driver(choice);
            return Ok(Some(Request { wanted, buffers }));
        }
        if memory.choice() == Some(choice) && !self.must_start() && !self.must_wait() {
            return Ok(None);
        }
        let buffers = Buffers::Kept(choice);
        Ok(Some(Request { wanted, buffers }))
    }

    /// Whether the encoder has to be started again. One that cannot be forced to make a key frame makes one when it starts. One that may
    /// hold frames of the producer before, or keeps their slots, has to give them first: they would wait for frames that wait for them.
    fn must_start(&self) -> bool {
        let pipeline = self.pipeline;
        !self.stage.can_force && pipeline.has_queued()
            || pipeline.may_hold()
            || pipeline.keeps_slots()
    }

    /// What is still to be copied lies in the former producer's memfd.
    fn must_wait(&self) -> bool {
        self.memory.copies() && self.pipeline.filled() > 0
    }
}
