//! Waiting in a command that a signal asks to finish. Beside whatever it waits for, the command waits for the signal (signalfd), so
//! that nothing is cut off in the middle; as process 1 of a container, too, whose default action for a signal is none.
//!
//! The first signal asks: the command finishes what it has begun, for `STOP_MS` at most. A second one ends it at once. Knows
//! descriptors and signals; what there is to finish is the command's affair.

use core::cell::Cell;

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::child::{Child, terminate};
use crate::errno::name::Named;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::STOP_MS;
use crate::signals::Signals;
use crate::time::{MS, now, timespec};

/// How often a loop goes round until it asks whether a signal came.
const ROUNDS: u8 = 16;

/// Most descriptors that a command waits for, the signals' left out.
const DESCRIPTORS: usize = 3;

/// The end of a command that a signal asked to finish, where there was nothing to finish: no failure, and without a sentence.
pub(super) const STOPPED: Failure = Failure {
    exit: Exit::Success,
};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Descriptors have an event: a bit for each.
    Ready(u8),
    /// The time is up.
    TimedOut,
    /// The first signal came. Said once.
    Asked,
}

/// The signals that ask a command to finish. By default they are not watched: each has its default action, which is right for a
/// command with nothing to finish.
#[derive(Debug, Default)]
pub(super) struct Stop {
    signals: Option<Signals>,
    /// When a command that was asked to finish has to be done, `CLOCK_MONOTONIC` ns.
    deadline_ns: Cell<Option<u64>>,
    /// The engine that is asked instead, and how long it takes at most, ms: the command finishes when the engine has.
    engine: Cell<Option<(Pid, u32)>>,
}

impl Stop {
    /// Watches the signals from now on.
    ///
    /// # Errors
    /// `Exit::Resource` when there is no descriptor left for them.
    pub(super) fn on_signals() -> Result<Self, Failure> {
        let signals = Signals::block()
            .map_err(|errno| failure!(Exit::Resource, "signalfd failed: {}", Named(errno)))?;
        Ok(Self {
            signals: Some(signals),
            ..Self::default()
        })
    }

    /// From now on signals are passed on to an engine that takes at most so many ms to end.
    pub(super) fn pass_on_to(&self, engine: &Child, drain_ms: u32) {
        self.engine.set(Some((engine.pid(), drain_ms)));
    }

    /// Whether a signal is waited for: then no call may wait but `wait`.
    pub(super) fn watches(&self) -> bool {
        self.signals.is_some()
    }

    /// What is readable when a signal came.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.signals.as_ref().map(AsFd::as_fd)
    }

    /// Whether a signal asked the command to finish. Never waits.
    ///
    /// # Errors
    /// As `wait`.
    pub(super) fn asked(&self) -> Result<bool, Failure> {
        self.wait(&[], Some(0))?;
        Ok(self.was_asked())
    }

    /// The same in a loop that waits in each round or takes little time for it: asks the kernel in one of so many rounds.
    ///
    /// # Errors
    /// As `wait`.
    pub(super) fn asked_in_round(&self, round: &mut u8) -> Result<bool, Failure> {
        *round = (*round + 1) % ROUNDS;
        match *round {
            0 => self.asked(),
            _ => Ok(self.was_asked()),
        }
    }

    fn was_asked(&self) -> bool {
        self.deadline_ns.get().is_some() && self.engine.get().is_none()
    }

    /// Waits for one of the descriptors, at most `timeout_ns`; without a limit for `None`.
    ///
    /// # Errors
    /// `Exit::DrainTimeout` for a second signal, or when a command that was asked to finish is not done in time;
    /// `Exit::Resource` when poll(2) fails.
    #[inline(never)]
    pub(super) fn wait(
        &self,
        descriptors: &[(BorrowedFd<'_>, PollFlags)],
        timeout_ns: Option<u64>,
    ) -> Result<Woken, Failure> {
        let begun = now();
        let until = timeout_ns.map(|ns| begun.saturating_add(ns));
        loop {
            let time = now();
            let deadline = self.deadline_ns.get();
            let first = until.into_iter().chain(deadline).min();
            let left = first.map(|at| timespec(at.saturating_sub(time)));
            let mut set = ArrayVec::<PollFd<'_>, { DESCRIPTORS + 1 }>::new();
            set.extend(
                descriptors
                    .iter()
                    .map(|&(fd, flags)| PollFd::from_borrowed_fd(fd, flags)),
            );
            let signals = self.signals.as_ref();
            set.extend(signals.map(|signals| PollFd::new(signals, PollFlags::IN)));
            match poll(&mut set, left.as_ref()) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    return Err(failure!(Exit::Resource, "poll failed: {}", Named(errno)));
                }
            }
            let happened =
                |(at, one): (usize, &PollFd<'_>)| u8::from(!one.revents().is_empty()) << at;
            let bits: u8 = set.iter().enumerate().map(happened).sum();
            let ready = bits & !(u8::MAX << descriptors.len());
            if bits != ready && signals.is_some_and(Signals::take) {
                match self.signalled(time, deadline)? {
                    Some(woken) => return Ok(woken),
                    None => continue,
                }
            }
            let time = now();
            if deadline.is_some_and(|at| at <= time) {
                return Err(failure!(
                    Exit::DrainTimeout,
                    "asked to finish by a signal, and not done after {} ms",
                    self.limit_ms()
                ));
            }
            if ready != 0 {
                return Ok(Woken::Ready(ready));
            }
            if until.is_some_and(|at| at <= time) {
                return Ok(Woken::TimedOut);
            }
        }
    }

    /// How long a command that was asked to finish may take.
    fn limit_ms(&self) -> u32 {
        let engine = self.engine.get();
        STOP_MS + engine.map_or(0, |(_, drain_ms)| drain_ms)
    }

    fn signalled(&self, time: u64, deadline: Option<u64>) -> Result<Option<Woken>, Failure> {
        let engine = self.engine.get();
        if let Some((engine, _)) = engine {
            terminate(engine);
        }
        if deadline.is_some() {
            return Err(failure!(
                Exit::DrainTimeout,
                "a second signal: ended at once"
            ));
        }
        // Those that came together with the first one are one request.
        while self.signals.as_ref().is_some_and(Signals::take) {}
        self.deadline_ns
            .set(Some(time.saturating_add(u64::from(self.limit_ms()) * MS)));
        Ok(engine.is_none().then_some(Woken::Asked))
    }

    /// The same for a command that has nothing to finish while it waits: the first signal ends it.
    ///
    /// # Errors
    /// As `wait`; `Exit::Success`, without a sentence, for the first signal.
    pub(super) fn wait_or_end(
        &self,
        descriptors: &[(BorrowedFd<'_>, PollFlags)],
        timeout_ns: Option<u64>,
    ) -> Result<bool, Failure> {
        match self.wait(descriptors, timeout_ns)? {
            Woken::Ready(_) => Ok(true),
            Woken::TimedOut => Ok(false),
            Woken::Asked => Err(STOPPED),
        }
    }

    /// The same for a pause of so many ms.
    ///
    /// # Errors
    /// As `wait_or_end`.
    pub(super) fn pause(&self, ms: u32) -> Result<(), Failure> {
        self.wait_or_end(&[], Some(u64::from(ms) * MS)).map(|_| ())
    }
}
