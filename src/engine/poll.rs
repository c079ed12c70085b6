//! Waiting: one call for everything, with one deadline. What stays open is registered for it (`registry`); what cannot be, or seldom is there, is
//! polled beside that. Knows descriptors, their tokens and times. Knows no meaning: each part adds what it
//! waits for, and looks for its own tokens afterwards.

use arrayvec::ArrayVec;
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::engine::registry::{Registered, Registry, Tokens};
use crate::limits::{CLIENTS, HEARTBEAT_MS};
use crate::time::{MS, timespec};

/// Token of the encoder.
pub const ENCODER: usize = 0;
/// Token of the signals.
pub const SIGNALS: usize = 1;
/// Token of the listening socket.
pub const LISTENER: usize = 2;
/// Token of the producer's "filled" wake socket, or of the camera.
pub const FILLED: usize = 3;
/// Token of the camera's events.
pub const CAMERA_EVENT: usize = 4;
/// Token of a decoder between the camera and the encoder.
pub const DECODER: usize = 5;
/// Token of all that is registered, where something else is polled.
const REGISTRY: usize = 6;
/// Token of the first client's socket; the others follow.
pub const FIRST_CLIENT: usize = 7;

/// How many tokens there are.
pub const TOKENS: usize = FIRST_CLIENT + CLIENTS;
const _: () = assert!(TOKENS <= 64, "each token has a bit in `Ready`");

/// What is waited for, and until when. A source that is not there is not added.
#[derive(Clone, Debug)]
pub struct PollSet<'a> {
    /// What is not registered.
    set: ArrayVec<PollFd<'a>, TOKENS>,
    tokens: ArrayVec<usize, TOKENS>,
    registry: &'a Registry<TOKENS>,
    /// A bit for each token that is waited for.
    waited: u64,
    deadline: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// A bit for each token where something happened.
    bits: u64,
    /// A bit for each token that was waited for.
    polled: u64,
}

impl Ready {
    /// Nobody knows: everything is worth a look.
    pub const PERHAPS: Self = Self {
        bits: u64::MAX,
        polled: u64::MAX,
    };

    /// Whether nobody knows what happened.
    #[must_use]
    pub fn guessed(self) -> bool {
        self.bits == u64::MAX
    }

    /// Whether something happened at this token.
    #[must_use]
    pub fn at(self, token: usize) -> bool {
        self.bits >> token & 1 == 1
    }

    /// Whether something happened at this token or at one that follows it.
    #[must_use]
    pub fn at_any_from(self, token: usize) -> bool {
        self.bits >> token != 0
    }

    /// Whether this token was waited for, and nothing happened there.
    #[must_use]
    pub fn quiet_at(self, token: usize) -> bool {
        self.polled >> token & 1 == 1 && !self.at(token)
    }

    /// Whether nobody but a deadline woke the loop.
    #[must_use]
    pub fn nothing(self) -> bool {
        self.bits == 0
    }
}

impl<'a> PollSet<'a> {
    /// No sources; the latest time to wake up is a heartbeat after `now`.
    #[must_use]
    pub fn new(now: u64, registry: &'a Registry<TOKENS>) -> Self {
        Self {
            set: ArrayVec::new(),
            tokens: ArrayVec::new(),
            registry,
            waited: 0,
            deadline: now.saturating_add(u64::from(HEARTBEAT_MS) * MS),
        }
    }

    /// Waits for a source that stays registered until it is closed or `leave` is called. It has to be added each time all the same: the token,
    /// and what is waited for, may be others. False where it cannot be registered, and is waited for this time only.
    pub fn keep(
        &mut self,
        token: usize,
        fd: BorrowedFd<'a>,
        flags: PollFlags,
        registered: &Registered,
    ) -> bool {
        self.waited |= 1 << token;
        let keeps = self.register([token as u8; 2], fd, flags, registered);
        if !keeps {
            self.add(token, fd, flags);
        }
        keeps
    }

    /// Waits for sources that are registered under these tokens, and have not changed.
    pub fn keep_settled(&mut self, tokens: u64) {
        self.waited |= tokens;
    }

    /// The same for one with POLLPRI under a token of its own, and with other news if `listens`.
    pub fn keep_both(
        &mut self,
        [token, urgent]: [usize; 2],
        fd: BorrowedFd<'a>,
        listens: bool,
        registered: &Registered,
    ) {
        let mut flags = PollFlags::PRI;
        flags.set(PollFlags::IN, listens);
        self.waited |= 1 << urgent | u64::from(listens) << token;
        if self.register([token as u8, urgent as u8], fd, flags, registered) {
            return;
        }
        self.add(urgent, fd, PollFlags::PRI);
        if listens {
            self.add(token, fd, PollFlags::IN);
        }
    }

    /// The same for one that stays open to the end, where it is news that there is something to read if `listens`.
    pub fn keep_fixed(&mut self, token: usize, fd: BorrowedFd<'a>, listens: bool) -> bool {
        self.keep_reading(token, fd, listens, &self.registry.fixed[token])
    }

    /// The same for any.
    pub fn keep_reading(
        &mut self,
        token: usize,
        fd: BorrowedFd<'a>,
        listens: bool,
        registered: &Registered,
    ) -> bool {
        let flags = match listens {
            true => PollFlags::IN,
            false => PollFlags::empty(),
        };
        self.keep(token, fd, flags, registered)
    }

    fn register(
        &self,
        tokens: Tokens,
        fd: BorrowedFd<'a>,
        flags: PollFlags,
        registered: &Registered,
    ) -> bool {
        // The two calls have the same numbers for the same news.
        let news = EventFlags::from_bits_retain(flags.bits().into());
        self.registry.register(tokens, fd, news, registered)
    }

    /// Does not wait for a source that may be registered.
    pub fn leave(&self, fd: BorrowedFd<'_>, registered: &Registered) {
        self.registry.forget(fd, registered);
    }

    /// Waits for a source this time.
    #[inline(never)]
    pub fn add(&mut self, token: usize, fd: BorrowedFd<'a>, flags: PollFlags) {
        self.waited |= 1 << token;
        self.set.push(PollFd::from_borrowed_fd(fd, flags));
        self.tokens.push(token);
        // `PollFd` does not tell.
        #[cfg(test)]
        crate::simulation::waits_for(flags);
    }

    /// Wakes up at `at` (`CLOCK_MONOTONIC` ns) at the latest.
    pub fn until(&mut self, at: Option<u64>) {
        self.deadline = self.deadline.min(at.unwrap_or(u64::MAX));
    }

    /// Waits until something happens or the deadline comes.
    ///
    /// # Errors
    /// Those of epoll_pwait(2) or ppoll(2), except an interruption, which is as good as the deadline.
    pub fn wait(&mut self, now: u64) -> rustix::io::Result<Ready> {
        let timeout_ns = self.deadline.saturating_sub(now);
        let happened = match self.set.is_empty() {
            true => self.registry.wait(timeout_ns),
            false => self.poll(timeout_ns),
        };
        match happened {
            Ok(bits) => Ok(Ready {
                bits: bits & self.waited,
                polled: self.waited,
            }),
            // Nothing is known, so nothing is reported.
            Err(Errno::INTR) => Ok(Ready { bits: 0, polled: 0 }),
            Err(errno) => Err(errno),
        }
    }

    /// The same where something is not registered.
    #[inline(never)]
    fn poll(&mut self, timeout_ns: u64) -> rustix::io::Result<u64> {
        #[cfg(test)]
        if let Some(happened) = crate::simulation::wait(&mut self.set, self.deadline) {
            let happened = happened?;
            let bit = |(at, token): (usize, &usize)| (happened >> at & 1) << token;
            return Ok(self.tokens.iter().enumerate().map(bit).sum());
        }
        if let Some(fd) = self.registry.as_fd() {
            self.add(REGISTRY, fd, PollFlags::IN);
        }
        poll(&mut self.set, Some(&timespec(timeout_ns)))?;
        let mut bits = 0;
        for (fd, token) in self.set.iter().zip(&self.tokens) {
            bits |= u64::from(!fd.revents().is_empty()) << token;
        }
        if bits >> REGISTRY & 1 == 1 {
            bits |= self.registry.wait(0)?;
        }
        Ok(bits & !(1 << REGISTRY))
    }
}
