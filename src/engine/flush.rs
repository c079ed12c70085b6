//! Frames that the encoder holds back when nobody sends more: it is drained, and started again.
//!
//! An encoder with look-ahead or reordering gives a frame's packet only after later frames. When a producer has left, or the camera is
//! gone, no later frames come: the frames would stay inside, and the producer would wait for its accounts. Knows when nobody sends
//! frames; when the encoder has had its time, the pipeline knows.

use crate::engine::engine::Engine;
use crate::engine::life::{Life, Phase};
use crate::error::Failure;
use crate::limits::CHANGE_DRAIN_MS;
use crate::log::note;
use crate::shm::layout::State;
use crate::shm::stats::Counter;
use crate::time::{MS, now};

impl Engine<'_> {
    /// When the encoder is to be drained because nobody sends frames, `CLOCK_MONOTONIC` ns.
    pub(super) fn flush_at(&self, life: &Life) -> Option<u64> {
        let camera_waits = self
            .camera
            .as_ref()
            .is_some_and(|feed| feed.due().is_some());
        if life.phase != Phase::Running || life.away.is_some() || !(life.left || camera_waits) {
            return None;
        }
        self.pipeline.flush(self.settings.stall)
    }

    /// Drains the encoder if it is time. It runs again when it is empty.
    pub(super) fn flush_in_time(&mut self, life: &mut Life, time: u64) {
        if self.flush_at(life).is_some_and(|at| at <= time) {
            let deadline = time.saturating_add(u64::from(CHANGE_DRAIN_MS) * MS);
            life.phase = Phase::Emptying { deadline };
            self.set_state(State::Draining);
        }
    }

    /// The encoder cannot be told to give what it holds: the frames are dropped, until packets of later frames push them out. One that
    /// has slots, too, is started again: the next producer or camera needs them.
    pub(super) fn hold(&mut self, life: &mut Life) {
        self.pipeline.expire_held();
        life.left = false;
        if self.pipeline.keeps_slots() {
            life.phase = Phase::Drained;
            return;
        }
        life.phase = Phase::Running;
        self.recovered(life);
    }

    /// The encoder gave what it held, or its time was up: it is started again.
    ///
    /// # Errors
    /// As `open_anew`.
    pub(super) fn resume(&mut self, life: &mut Life) -> Result<(), Failure> {
        let published = self.publisher.finish(self.pipeline);
        self.announce(life, published);
        let inside = self.pipeline.inside();
        if inside > 0 {
            note!(
                warn,
                "{}: no packet came for {inside} frames, though the encoder was drained",
                self.session.path
            );
        }
        self.pipeline.restart(Counter::DroppedEncoder, now());
        life.phase = Phase::Running;
        match self.encoder.stop().and_then(|()| self.encoder.start()) {
            Ok(()) => {
                self.new_generation();
                self.recovered(life);
                Ok(())
            }
            Err(error) => self.open_anew(life, Some(error)),
        }
    }
}
