//! An encoder that fails or stalls:
//!
//! 1. its queues are restarted, at most `RESTARTS` times in a row;
//! 2. it is closed and reopened, which frees what its driver holds, for `RETURN_MS` if it is not there;
//! 3. the engine ends with an exit code of its own, for a supervisor to start over.
//!
//! A packet resets the escalation. Every frame that is lost is counted. Knows no client and no camera: what is gone with the encoder, it answers.

use super::Output;
use crate::engine::error::EngineError;
use crate::engine::setup::{Setup, describe};
use crate::engine::slot_memory::SlotMemory;
use crate::errno::call::IoctlError;
use crate::flow::pipeline::Pipeline;
use crate::log::note;
use crate::shm::layout::State;
use crate::shm::stats::Counter;
use crate::time::{MS, now};

/// What is gone with an encoder that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Lost {
    /// Frames, which are counted.
    Frames,
    /// The slots, too: a producer or a camera has to attach again.
    Slots,
}

/// What came of a try to reopen the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reopened {
    /// It is open, or there is nothing to open yet.
    NotDue,
    /// It runs again.
    Runs,
    /// It could not be set up, and is closed again.
    NotSetUp(Lost),
}

impl<'a> Output<'a> {
    /// The encoder failed with an error, or stalled (`None`): its queues are restarted, which keeps every buffer and
    /// descriptor as it is. Frames inside are lost. After `RESTARTS` in a row without a packet it is reopened.
    ///
    /// # Errors
    /// When nothing helps.
    pub fn recover(
        &mut self,
        error: Option<IoctlError>,
        memory: &mut SlotMemory,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Lost, EngineError<'a>> {
        let device = self.stage.session.path;
        if !self.stage.recovery.restart() || error.is_some_and(IoctlError::is_loss) {
            return self.reopen(error, memory, pipeline);
        }
        match error {
            None => note!(
                warn,
                "{device}: no progress for {} ms: restarting the encoder",
                self.stage.stall_ns / MS
            ),
            Some(error) => note!(warn, "{device}: {error}: restarting the encoder"),
        }
        // The calls may take their time.
        self.set_state(State::Recovering);
        self.stage.stats.count(Counter::Restarts);
        match self.stage.restart() {
            Ok(()) => {
                pipeline.restart(Counter::DroppedRestart, now());
                self.new_generation();
                Ok(Lost::Frames)
            }
            Err(error) => self.reopen(Some(error), memory, pipeline),
        }
    }

    /// Closes the encoder, to reopen it when it is time. Slots that are the producer's own or a camera's stay; the encoder's own
    /// are gone.
    ///
    /// # Errors
    /// When that was done since the latest packet, and did not help.
    pub fn reopen(
        &mut self,
        error: Option<IoctlError>,
        memory: &mut SlotMemory,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Lost, EngineError<'a>> {
        let device = self.stage.session.path;
        let (now_ns, stall_ns) = (now(), self.stage.stall_ns);
        if !error.is_some_and(IoctlError::is_shortage)
            && !self.stage.recovery.reopen(now_ns, stall_ns)
        {
            return Err(self.stage.final_error(error));
        }
        match error {
            None => note!(warn, "{device}: nothing else helps: reopening it"),
            Some(error) => note!(warn, "{device}: {error}: reopening it"),
        }
        self.set_state(State::Recovering);
        self.stage.stats.count(Counter::Reopens);
        memory.clear();
        let imports = self.stage.close(error, now_ns);
        pipeline.restart(Counter::DroppedRestart, now());
        // Half a packet must not be published while its frame is counted as lost.
        self.sink.restarted();
        Ok(if imports { Lost::Frames } else { Lost::Slots })
    }

    /// Opens the encoder, when the next try is due, and sets it up as it was.
    ///
    /// # Errors
    /// When there was time enough.
    pub fn try_reopen(
        &mut self,
        memory: &mut SlotMemory,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<Reopened, EngineError<'a>> {
        let Some(mut closed) = self.stage.try_open(now_ns)? else {
            return Ok(Reopened::NotDue);
        };
        let wanted = self.stage.wanted;
        match self.setup(memory).set_up(&wanted, &mut closed.buffers) {
            Ok(slots) => {
                if self.stage.has_own_buffers() {
                    pipeline.replace_slots(slots);
                } // Else the source holds some of them.
                self.begin(memory, pipeline);
                self.stage.recovery.reopened(now_ns);
                note!(info, "{}: it runs again", self.stage.session.path);
                Ok(Reopened::Runs)
            }
            Err(error) => {
                self.stage.log(error);
                memory.clear();
                let slots_lost = self.stage.close_again(closed, &error);
                Ok(Reopened::NotSetUp(match slots_lost {
                    true => Lost::Slots,
                    false => Lost::Frames,
                }))
            }
        }
    }

    /// The encoder was drained, and gave what it held, or its time was up: it is started again.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn resume(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<(), IoctlError> {
        let inside = pipeline.inside();
        if inside > 0 {
            note!(
                warn,
                "{}: no packet came for {inside} frames, though the encoder was drained",
                self.stage.session.path
            );
        }
        pipeline.restart(Counter::DroppedEncoder, now_ns);
        self.stage.restart()?;
        self.new_generation();
        Ok(())
    }

    /// The encoder and the memory of the slots, to be set up for each other.
    pub fn setup<'e>(&'e mut self, memory: &'e mut SlotMemory) -> Setup<'e, 'a> {
        Setup {
            stats: self.stage.stats,
            stage: &mut self.stage,
            memory,
        }
    }

    /// The encoder begins, set up for `stage.wanted` with the slots that there are.
    pub fn begin(&mut self, memory: &SlotMemory, pipeline: &Pipeline<'_>) {
        describe(self.header, &self.stage, memory.kind(), pipeline.slots());
        self.new_generation();
    }
}
