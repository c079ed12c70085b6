//! The engine's way through life: deadlines, recovery of a failing encoder, the end.
//!
//! The ladder for an encoder that fails or stalls: restart its queues, at most `RESTARTS` times in a row; then close it and
//! open it anew, which frees what its driver holds, for `RETURN_MS` if it is not there; then end with an exit code of its
//! own, for a supervisor to start over. A packet puts the ladder back to its foot. Every frame that is lost is counted.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use crate::control::message::Refusal;
use crate::engine::attach::Slots;
use crate::engine::camera::Health;
use crate::engine::engine::{Engine, lost};
use crate::engine::life::{Life, Phase};
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::{Exit, When, exit_of};
use crate::limits::{
    ATTACH_AGAIN_MS, CAMERA_PAUSE_MS, DEVICE_RETRY_MS, REOPENED_MS, RESTARTS, RETURN_MS,
    SHORTAGE_PAUSE_MS,
};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::State;
use crate::shm::stats::Counter;
use crate::time::{MS, now};
use crate::v4l2::device::{Device, NotUsable};
use crate::v4l2::encoder::OUTPUT_PLANES;

/// The encoder while it is closed.
#[derive(Debug)]
pub(super) struct Away {
    /// The next try, `CLOCK_MONOTONIC` ns.
    pub(super) again: u64,
    /// From one try to the next, ns; each is twice as long.
    pause: u64,
    /// The last one, `CLOCK_MONOTONIC` ns.
    until: u64,
    /// Why it was closed; `None`: it stalled.
    error: Option<IoctlError>,
    /// What the OUTPUT queue is to be made of.
    slots: Slots,
}

/// Whether memory or descriptors were short.
fn is_shortage(error: IoctlError) -> bool {
    matches!(error.errno, Errno::NOMEM | Errno::NFILE | Errno::MFILE)
}

impl Engine<'_> {
    /// A signal ends the engine in good order; a second one at once.
    pub(super) fn take_signal(&mut self, life: &mut Life, time: u64) {
        // Two end it at once; more are left for later turns.
        for _ in 0..2 {
            if !self.signals.take() {
                break;
            }
            if core::mem::replace(&mut life.told, true) {
                // Whoever asks twice does not want to wait.
                life.phase = Phase::Ended(Exit::DrainTimeout);
            } else {
                // The end may have begun by itself, which this does not cut short.
                note!(info, "told to stop: draining");
                self.begin_end(life, time);
            }
        }
    }

    /// The encoder failed with an error, or stalled (`None`): its queues are restarted, which keeps every buffer and
    /// descriptor as it is. Frames inside are lost and counted, and consumers are told by a new generation, a
    /// discontinuity and a key frame. Bounded: after `RESTARTS` in a row without a packet it is opened anew.
    pub(super) fn recover(
        &mut self,
        life: &mut Life,
        error: Option<IoctlError>,
    ) -> Result<(), Failure> {
        let device = self.session.path;
        life.restarts += 1;
        if life.restarts > RESTARTS || error.is_some_and(|error| lost(error.errno)) {
            return self.open_anew(life, error);
        }
        match error {
            None => note!(
                warn,
                "{device}: no progress for {} ms: restarting the encoder",
                self.settings.stall / MS
            ),
            Some(error) => note!(warn, "{device}: {error}: restarting the encoder"),
        }
        self.set_state(State::Recovering);
        self.stats.count(Counter::Restarts);
        let answer = self.encoder.stop().and_then(|()| self.encoder.start());
        if answer.is_ok() {
            self.lose_frames(life);
            self.new_generation();
            self.recovered(life);
        }
        answer.or_else(|error| self.open_anew(life, Some(error)))
    }

    /// What was inside the encoder is lost. A drain has to begin again.
    fn lose_frames(&mut self, life: &mut Life) {
        self.pipeline.restart(Counter::DroppedRestart, now());
        if let Phase::Draining { deadline, .. } = life.phase {
            life.phase = Phase::Emptying { deadline };
        }
        self.wait_for_nothing(life);
    }

    /// Where frames were lost on the way to the end, or to a change, there may be none left to wait for.
    fn wait_for_nothing(&self, life: &mut Life) {
        if matches!(life.phase, Phase::Emptying { .. }) && self.pipeline.in_flight() == 0 {
            life.drained(Exit::Success);
        }
    }

    pub(super) fn recovered(&mut self, life: &Life) {
        self.set_state(match self.camera.as_ref().map(|feed| feed.health) {
            _ if life.phase != Phase::Running => State::Draining,
            None | Some(Health::Streaming | Health::Stopped(_)) => State::Running,
            Some(Health::Away(_)) => State::NoCamera,
            Some(Health::NoSignal(_)) => State::NoSignal,
        });
    }

    /// Closes the encoder and has it opened anew. Slots that are the producer's own or a camera's stay; the encoder's own are
    /// gone, and with them the producer's connection.
    ///
    /// # Errors
    /// When that was done since the latest packet, and did not help.
    #[inline(never)]
    pub(super) fn open_anew(
        &mut self,
        life: &mut Life,
        error: Option<IoctlError>,
    ) -> Result<(), Failure> {
        let device = self.session.path;
        let time = now();
        let lately = self.settings.stall.saturating_mul(2);
        let lately = lately.saturating_add(u64::from(REOPENED_MS) * MS);
        if !error.is_some_and(is_shortage) && life.reopened.is_some_and(|at| time - at < lately) {
            return Err(self.given_up(life, error));
        }
        match error {
            None => note!(warn, "{device}: nothing else helps: opening it anew"),
            Some(error) => note!(warn, "{device}: {error}: opening it anew"),
        }
        self.stats.count(Counter::Reopens);
        let imports = self.encoder.imports();
        let (count, rows) = (
            self.encoder.slots(),
            self.encoder.agreed().layout.placement(),
        );
        let buffers = self.close()?;
        self.lose_frames(life);
        // Half a packet must not be published while its frame is counted as lost.
        self.publisher.restarted();
        let slots = if imports {
            Slots::Given(count, rows, buffers)
        } else {
            self.lose_slots(life);
            Slots::Own(self.session.options.memory)
        };
        self.set_state(State::Recovering);
        let pause = u64::from(DEVICE_RETRY_MS) * MS;
        let patience = RETURN_MS.max(self.session.options.wait_device_ms);
        life.away = Some(Away {
            again: time + pause,
            pause,
            until: time + u64::from(patience) * MS,
            error,
            slots,
        });
        Ok(())
    }

    /// The slots are gone: those of a camera, or a producer's, which has to attach again.
    fn lose_slots(&mut self, life: &mut Life) {
        // What was committed is a frame like any other; nonsense is nobody's.
        let _ = self.drain_commits(now());
        self.pipeline.drop_filled(Counter::DroppedRestart);
        self.detach(0);
        if let Some((place, ..)) = life.clients.producer() {
            self.memory.account(self.pipeline.accounts());
            let client = life.clients.remove(place);
            self.turn_away(&client.socket, Refusal::Reopened);
            self.reclaim();
            self.lost_its_slots(life);
        }
        self.wait_for_nothing(life);
    }

    /// The producer was told to attach again: with `once` it is the one for which the engine runs.
    pub(super) fn lost_its_slots(&self, life: &mut Life) {
        life.expected = self.settings.once.then_some(u64::MAX);
    }

    /// Opens the encoder again when it is time for the next try.
    ///
    /// # Errors
    /// When there was time enough.
    fn come_back(&mut self, life: &mut Life, time: u64) -> Result<(), Failure> {
        let Some(mut away) = life.away.take_if(|away| away.again <= time) else {
            return Ok(());
        };
        let opened = Device::open(self.session.node);
        if let Err(NotUsable::Call(error)) = opened {
            away.error = Some(error);
        }
        if let Ok(device) = opened {
            self.encoder.reopen(device);
            let answer = self.set_up(&self.memory.wanted(), &mut away.slots);
            if let Err(failure) = answer
                && failure.exit == Exit::Resource
            {
                away.error = Some(IoctlError::new(Call::ReqBufs, Errno::NOMEM));
            }
            if answer.is_ok() {
                self.new_generation();
                if !self.encoder.imports() {
                    self.pipeline.replace_slots(self.encoder.slots());
                }
                life.reopened = Some(time);
                let attached = time + u64::from(ATTACH_AGAIN_MS) * MS;
                life.expected = life.expected.map(|_| attached);
                note!(info, "{}: it runs again", self.session.path);
                self.recovered(life);
                return Ok(());
            }
            self.close()?;
            if let Slots::Given(..) = away.slots {
                // It may be their fault: the next try does without.
                self.lose_slots(life);
                away.slots = Slots::Own(self.session.options.memory);
            }
        }
        if away.error.is_some_and(is_shortage) {
            // Whoever has the memory gives it back some time: that is waited for without a limit.
            away.pause = (away.pause * 2).min(u64::from(SHORTAGE_PAUSE_MS) * MS);
            away.again = time + away.pause;
        } else {
            if time >= away.until {
                return Err(self.given_up(life, away.error));
            }
            away.pause = (away.pause * 2).min(u64::from(CAMERA_PAUSE_MS) * MS);
            away.again = (time + away.pause).min(away.until);
        }
        life.away = Some(away);
        Ok(())
    }

    fn close(&mut self) -> Result<ArrayVec<OwnedFd, OUTPUT_PLANES>, Failure> {
        self.memory.clear();
        let closed = self.encoder.close(self.packets.as_fd());
        closed.map_err(|error| self.session.at_device(&error))
    }

    /// Nothing helped.
    fn given_up(&self, life: &Life, error: Option<IoctlError>) -> Failure {
        let device = self.session.path;
        match error {
            Some(error) => match exit_of(When::Running, error.errno) {
                exit @ Exit::DeviceLost => {
                    failure!(exit, "{device}: the encoder is gone: {error}")
                }
                exit => failure!(
                    exit,
                    "{device}: the encoder still fails after {RESTARTS} restarts and when opened anew: {error}"
                ),
            },
            None if life.restarts == 0 => failure!(
                Exit::Stalled,
                "{device}: the encoder could not be set up again, also when opened anew"
            ),
            None => failure!(
                Exit::Stalled,
                "{device}: the encoder stalled again after {RESTARTS} restarts and when opened anew"
            ),
        }
    }

    /// The encoder begins anew: consumers see it by a generation, a discontinuity and a key frame.
    pub(super) fn new_generation(&mut self) {
        if self.header.status.state.load(Relaxed) == State::Starting as u32 {
            // The first is there, and nobody saw it.
            return;
        }
        self.publisher.restarted();
        let generation = &self.header.status.generation;
        generation.store(generation.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(super) fn meet_deadlines(&mut self, life: &mut Life) -> Result<(), Failure> {
        let time = now();
        self.come_back(life, time)?;
        let published = self.publisher.expire(time, self.pipeline);
        self.announce(life, published);
        self.mend_reference(life);
        self.pipeline.expire(time, self.settings.stall);
        let stalls = self.pipeline.stalls(self.settings.stall);
        let mute = self.pipeline.mute(self.settings.stall);
        if stalls.is_some_and(|at| at <= time) || mute.is_some_and(|at| at <= time) {
            self.stats.count(Counter::Stalls);
            self.recover(life, None)?;
        }
        self.flush_in_time(life, time);
        match life.phase {
            Phase::Draining { marked: false, .. } if self.pipeline.inside() == 0 => {
                life.drained(Exit::Success);
            }
            Phase::Emptying { deadline } | Phase::Draining { deadline, .. } if deadline <= time => {
                life.drained(Exit::DrainTimeout);
            }
            _ => {}
        }
        if life.phase == Phase::Drained && life.away.is_none() {
            self.carry_out(life)?;
        }
        if life.deadline_to_attach().is_some_and(|at| at <= time) {
            life.expected = None;
            note!(info, "the producer did not attach again");
            self.producer_left(life, time);
        }
        Ok(())
    }

    /// Stops taking frames. What the producer committed until now is still encoded.
    pub(super) fn begin_end(&mut self, life: &mut Life, time: u64) {
        if life.ending {
            return;
        }
        life.ending = true;
        if let Some((place, _, _)) = life.clients.producer()
            && !self.drain_commits(time)
        {
            self.cut_off(life, place, Refusal::BadFrameRing);
        }
        let deadline = time.saturating_add(self.settings.drain);
        life.phase = match life.phase {
            // Nobody has to come back for nothing.
            _ if life.away.is_some() && self.pipeline.in_flight() == 0 => {
                Phase::Ended(Exit::Success)
            }
            Phase::Running | Phase::Emptying { .. } => Phase::Emptying { deadline },
            // It was begun for a change.
            Phase::Draining { marked, .. } => Phase::Draining { deadline, marked },
            Phase::Drained => Phase::Ended(Exit::Success),
            phase @ Phase::Ended(_) => phase,
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
        self.give_slots(life, now());
        self.set_state(State::Ended);
        self.publisher.end(now());
        self.wake_consumers(life, now());
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
