//! The engine's way through life: deadlines, recovery of a failing encoder, the end.
//!
//! The ladder for an encoder that fails or stalls: restart its queues, at most `RESTARTS` times in a row; then end with
//! an exit code of its own, for a supervisor to start over. Every frame that is lost on the way is counted.

use crate::control::message::Refusal;
use crate::engine::engine::{Engine, Life, Phase, lost};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::RESTARTS;
use crate::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::State;
use crate::stats::Counter;
use crate::time::{MS, now};
use crate::v4l2::errno::IoctlError;

impl Engine<'_> {
    /// A signal ends the engine in good order; a second one at once.
    pub(super) fn take_signal(&mut self, life: &mut Life, time: u64) {
        while self.signals.take() {
            match life.phase {
                Phase::Running => {
                    note!(info, "told to stop: draining");
                    self.begin_end(life, time);
                }
                // Whoever asks twice does not want to wait.
                _ => life.phase = Phase::Ended(Exit::DrainTimeout),
            }
        }
    }

    /// The encoder failed with an error, or stalled (`None`): its queues are restarted, which keeps every buffer and
    /// descriptor as it is. Frames inside are lost and counted, and consumers are told by a new generation, a
    /// discontinuity and a key frame. Bounded: after `RESTARTS` in a row without a packet the engine ends.
    pub(super) fn recover(
        &mut self,
        life: &mut Life,
        error: Option<IoctlError>,
    ) -> Result<(), Failure> {
        let device = self.device;
        if let Some(error) = error.filter(|error| lost(error.errno)) {
            return Err(failure!(
                Exit::DeviceLost,
                "{device}: the encoder is gone: {error}"
            ));
        }
        life.restarts += 1;
        match error {
            None if life.restarts > RESTARTS => {
                return Err(failure!(
                    Exit::Stalled,
                    "{device}: the encoder stalled again after {RESTARTS} restarts"
                ));
            }
            Some(error) if life.restarts > RESTARTS => {
                return Err(failure!(
                    Exit::Stalled,
                    "{device}: the encoder still fails after {RESTARTS} restarts: {error}"
                ));
            }
            None => note!(
                warn,
                "{device}: no progress for {} ms: restarting the encoder",
                self.settings.stall / MS
            ),
            Some(error) => note!(warn, "{device}: {error}: restarting the encoder"),
        }
        self.set_state(State::Recovering);
        self.stats.count(Counter::Restarts);
        let answer = self.encoder.restart();
        self.pipeline.restart(Counter::DroppedRestart, now());
        self.new_generation();
        if let Phase::Draining { deadline, .. } = life.phase {
            life.phase = Phase::Emptying { deadline };
        }
        self.set_state(if life.phase == Phase::Running {
            State::Running
        } else {
            State::Draining
        });
        match answer {
            Ok(()) => Ok(()),
            Err(error) if lost(error.errno) => Err(failure!(
                Exit::DeviceLost,
                "{device}: the encoder is gone: {error}"
            )),
            Err(error) => Err(failure!(
                Exit::Stalled,
                "{device}: the encoder cannot be restarted: {error}"
            )),
        }
    }

    /// The encoder begins anew: consumers see it by a generation, a discontinuity and a key frame.
    pub(super) fn new_generation(&mut self) {
        self.publisher.restarted();
        let generation = &self.header.status.generation;
        generation.store(generation.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(super) fn meet_deadlines(&mut self, life: &mut Life) -> Result<(), Failure> {
        let time = now();
        let published = self.publisher.expire(time, self.pipeline);
        self.announce(life, published);
        self.mend_reference(life);
        self.pipeline.expire(time, self.settings.stall);
        if self
            .pipeline
            .stalls(self.settings.stall)
            .is_some_and(|at| at <= time)
        {
            self.stats.count(Counter::Stalls);
            self.recover(life, None)?;
        }
        match life.phase {
            Phase::Draining { marked: false, .. } if self.pipeline.in_flight() == 0 => {
                life.phase = Phase::Ended(Exit::Success);
            }
            Phase::Emptying { deadline } | Phase::Draining { deadline, .. } if deadline <= time => {
                life.phase = Phase::Ended(Exit::DrainTimeout);
            }
            _ => {}
        }
        Ok(())
    }

    /// Stops taking frames. What the producer committed until now is still encoded.
    pub(super) fn begin_end(&mut self, life: &mut Life, time: u64) {
        if life.phase != Phase::Running {
            return;
        }
        if let Some((place, _, _)) = life.clients.producer()
            && !self.drain_commits(time)
        {
            self.cut_off(life, place, Refusal::BadFrameRing);
        }
        life.phase = Phase::Emptying {
            deadline: time.saturating_add(self.settings.drain),
        };
        self.set_state(State::Draining);
    }

    /// The last acts: everything that is still inside is counted, the end is published.
    pub(super) fn end(&mut self, life: &mut Life) {
        let published = self.publisher.finish(self.pipeline);
        self.announce(life, published);
        // After LAST the encoder has nothing more to give; before it, the time was up.
        let reason = match life.phase {
            Phase::Ended(Exit::Success) => Counter::DroppedEncoder,
            _ => Counter::DroppedStopping,
        };
        self.pipeline.restart(reason, now());
        self.drain_commits(now());
        self.pipeline.drop_filled(Counter::DroppedStopping);
        self.give_slots(life);
        self.set_state(State::Ended);
        self.publisher.end(now());
        life.clients.notify_consumers();
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
