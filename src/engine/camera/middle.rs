//! A decoder or converter between a camera and the encoder: frames come in, and what is made of them comes out in the buffers of whoever
//! is behind it.
//!
//! A frame that comes out finds a buffer, or the device waits for one: nothing is dropped behind it. Knows the device and what is inside
//! it. Knows no other device, and not what a failure leads to.

mod input;

use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

use super::config::{Fault, Part};
use super::intake::Intake;
use super::onward::Onward;
use crate::engine::poll::{FIRST_MIDDLE, PollSet, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::inside::{Inside, Passing};
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::decoder::{Answer, Decoded, Decoder};

/// A decoder or converter that is set up.
pub(super) struct Middle<'a> {
    device: Decoder,
    /// Its place in the chain.
    at: usize,
    intake: Intake,
    inside: Inside,
    /// The driver said that the stream changed: the queue ends, and has to be started again.
    changing: bool,
    /// It is to give what it has: no frame follows.
    draining: bool,
    /// Something is missing before the next frame that comes out.
    gap: bool,
    /// CAPTURE buffers that the driver has, or that wait to be taken.
    queued: usize,
    stats: Stats<'a>,
}

impl<'a> Middle<'a> {
    /// A device that is set up, at this place of the chain.
    pub(super) fn new(device: Decoder, at: usize, intake: Intake, stats: Stats<'a>) -> Self {
        Self {
            device,
            at,
            intake,
            inside: Inside::default(),
            changing: false,
            draining: false,
            gap: false,
            queued: 0,
            stats,
        }
    }

    /// Which part of the source it is.
    pub(super) fn part(&self) -> Part {
        Part::Middle(self.at)
    }

    fn failed(&self, error: IoctlError) -> Fault {
        self.part().failed(error)
    }

    /// Its token.
    pub(super) fn token(&self) -> usize {
        FIRST_MIDDLE + self.at
    }

    fn is_drained(&self) -> bool {
        self.draining && self.is_empty()
    }

    /// Adds what is waited for. A queue that has no buffers is an error to poll(2), and is not asked; neither is one that gave its last.
    pub(super) fn add_to<'s>(&'s self, set: &mut PollSet<'s>, stall_ns: u64) {
        let mut events = PollFlags::PRI;
        if !self.is_drained() {
            events.set(PollFlags::IN, self.queued > 0);
            let gives_back = match &self.intake {
                Intake::Coded(_) => self.device.free_input().is_none(),
                Intake::Raw(_) => self.device.held() > 0,
            };
            events.set(PollFlags::OUT, gives_back);
        }
        set.add(self.token(), self.device.as_fd(), events);
        if self.queued > 0 {
            set.until(self.inside.stalls(stall_ns));
        }
    }

    /// Passes on the frames that are there. Whether there was any, or any other sign of life.
    ///
    /// # Errors
    /// When the device fails: an end of the stream that nobody asked for is EPIPE, a buffer that it does not have is EPROTO, and frames that
    /// lie otherwise than agreed on are EPROTO of VIDIOC_G_FMT.
    pub(super) fn take(
        &mut self,
        ready: Ready,
        onward: &mut dyn Onward,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        if !ready.at(self.token()) {
            return Ok(false);
        }
        let changed = self.device.capture.changed();
        let mut brought = changed.map_err(|error| self.failed(error))?;
        self.changing |= brought;
        let mut ended = false;
        // As many as there are, and the end.
        for _ in 0..=self.device.capture.slots() {
            if ended || self.queued == 0 && !self.changing {
                break;
            }
            match self.device.dequeue().map_err(|error| self.failed(error))? {
                Answer::Nothing => break,
                Answer::Ended => ended = true,
                Answer::Decoded(decoded) => {
                    brought = true;
                    ended = decoded.last;
                    self.emerge(&decoded, onward, now_ns)?;
                }
            }
        }
        brought |= self.take_inputs().map_err(|error| self.failed(error))?;
        if self.changing && (ended || self.is_empty()) {
            self.follow(onward, now_ns)?;
            return Ok(true);
        }
        match ended {
            true if self.draining => {
                let inside = self.inside.clear();
                self.lose(inside);
            }
            true => return Err(self.failed(IoctlError::new(Call::DqBuf, Errno::PIPE))),
            false => {}
        }
        Ok(brought | ended)
    }

    /// A CAPTURE buffer came back.
    fn emerge(
        &mut self,
        decoded: &Decoded,
        onward: &mut dyn Onward,
        now_ns: u64,
    ) -> Result<(), Fault> {
        if decoded.empty && decoded.last {
            // Given again when the queue is started again.
            return Ok(());
        }
        let left = self.inside.left(decoded.key, now_ns);
        if let Some(left) = left {
            self.lose(left.overtaken);
            self.gap |= left.frame.discontinuity;
            // A frame that came out damaged is none.
            self.lose(usize::from(!decoded.good));
        }
        // Nor is one whose key is nobody's.
        let Some(left) = left.filter(|_| decoded.good) else {
            let again = self.device.capture.queue(decoded.slot);
            return again.map_err(|error| self.failed(error));
        };
        let frame = Passing {
            discontinuity: self.gap,
            ..left.frame
        };
        if !onward.pass_on(decoded.slot, &frame, now_ns)? {
            // It does not have this one. Which one came back is known when all have.
            self.lose(1);
            return Err(self.failed(IoctlError::new(Call::DqBuf, Errno::PROTO)));
        }
        let took_us = now_ns.saturating_sub(left.entered) / 1000;
        self.stats.add(self.counters().1, took_us);
        self.queued = self.queued.saturating_sub(1);
        self.gap = false;
        Ok(())
    }

    /// The stream changed, and everything from before it was taken: the CAPTURE queue starts again, if its frames lie as before.
    fn follow(&mut self, onward: &mut dyn Onward, now_ns: u64) -> Result<(), Fault> {
        if !self.device.unchanged() {
            return Err(self.failed(IoctlError::new(Call::GFmt, Errno::PROTO)));
        }
        self.changing = false;
        let stopped = self.device.capture.stop();
        stopped.map_err(|error| self.failed(error))?;
        onward.reclaim();
        self.queued = 0;
        self.give_buffers(onward, now_ns)?;
        let started = self.device.capture.start();
        started.map_err(|error| self.failed(error))
    }

    /// Gives the device every buffer that is free behind it.
    ///
    /// # Errors
    /// When the driver refuses one.
    pub(super) fn give_buffers(
        &mut self,
        onward: &mut dyn Onward,
        now_ns: u64,
    ) -> Result<(), Fault> {
        if self.queued == 0 {
            self.inside.starved(now_ns);
        }
        while let Some(slot) = onward.acquire(now_ns) {
            let given = self.device.capture.queue(slot);
            given.map_err(|error| self.failed(error))?;
            self.queued += 1;
        }
        self.feed_waiting(now_ns)
    }

    /// Whether it owes a frame, and had everything for it, for too long.
    pub(super) fn is_stalled(&self, stall_ns: u64, now_ns: u64) -> bool {
        self.queued > 0 && self.inside.stalls(stall_ns).is_some_and(|at| at <= now_ns)
    }

    /// Begins to give what it has, when it has all that waits for it. Nothing follows.
    ///
    /// # Errors
    /// When the device is gone.
    pub(super) fn drain(&mut self) -> Result<(), Fault> {
        if self.draining || self.waiting() > 0 {
            return Ok(());
        }
        self.draining = true;
        match self.is_empty() {
            true => Ok(()),
            false => self.device.drain().map_err(|error| self.failed(error)),
        }
    }

    /// Whether nothing is inside, and nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Frames that are inside, or wait.
    pub(super) fn count(&self) -> usize {
        self.inside.count() + self.waiting()
    }

    /// Whether it has frames, and buffers for them: what keeps them is it, and nothing behind it.
    pub(super) fn keeps(&self) -> bool {
        self.inside.count() > 0 && self.queued > 0
    }

    /// Frames that wait for room.
    fn waiting(&self) -> usize {
        match &self.intake {
            Intake::Raw(link) => link.waiting(),
            Intake::Coded(_) => 0,
        }
    }

    /// Stops both queues. What is inside is lost.
    ///
    /// # Errors
    /// When the driver refuses.
    pub(super) fn stop(&mut self) -> Result<(), Fault> {
        self.lose_inside();
        (self.changing, self.draining, self.queued) = (false, false, 0);
        let stopped = self.device.stop();
        stopped.map_err(|error| self.failed(error))
    }

    /// Starts both queues, after `stop` or the first time, with every buffer that is free behind it.
    ///
    /// # Errors
    /// When the driver refuses.
    pub(super) fn start(&mut self, onward: &mut dyn Onward, now_ns: u64) -> Result<(), Fault> {
        self.give_buffers(onward, now_ns)?;
        self.device.start().map_err(|error| self.failed(error))
    }

    /// What is inside is dropped, for this reason.
    pub(super) fn abandon(&mut self, reason: Counter) {
        for _ in 0..self.clear() {
            self.stats.lost(reason);
        }
    }

    /// It is started again because it failed.
    pub(super) fn count_restart(&self) {
        self.stats.count(self.counters().2);
    }

    /// What it loses, the time that it takes, and its restarts are counted here.
    fn counters(&self) -> (Counter, Counter, Counter) {
        use Counter as C;
        match self.intake {
            Intake::Coded(_) => (C::DroppedDecoder, C::DecodeUs, C::DecoderRestarts),
            Intake::Raw(_) => (C::DroppedConverter, C::ConvertUs, C::ConverterRestarts),
        }
    }

    /// What is inside is lost.
    fn lose_inside(&mut self) {
        let inside = self.clear();
        self.lose(inside);
    }

    /// Nothing is inside any more, and nothing waits. Gives how many frames that were.
    fn clear(&mut self) -> usize {
        let waited = match &mut self.intake {
            Intake::Raw(link) => link.reset(),
            Intake::Coded(_) => 0,
        };
        self.inside.clear() + waited
    }

    /// Of so many frames nothing comes out.
    fn lose(&mut self, frames: usize) {
        self.gap |= frames > 0;
        for _ in 0..frames {
            self.stats.lost(self.counters().0);
        }
    }
}

/// Whoever closes it has no use for what is inside.
impl Drop for Middle<'_> {
    fn drop(&mut self) {
        self.lose_inside();
    }
}
