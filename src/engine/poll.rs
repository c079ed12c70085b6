//! Waiting: one ppoll over everything, with one deadline. What rarely happens stands behind one of its descriptors (`rare`). Knows descriptors, their tokens and times. Knows no meaning: each part adds what it
//! waits for, and looks for its own tokens afterwards.

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::engine::rare::{Rare, Registered};
use crate::limits::{CLIENTS, HEARTBEAT_MS, MIDDLE_STAGES};
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
/// Token of the first device between the camera and the encoder; the others follow.
pub const FIRST_MIDDLE: usize = 5;
/// Token of what rarely happens.
const RARE: usize = FIRST_MIDDLE + MIDDLE_STAGES;
/// Token of the first client's socket; the others follow.
pub const FIRST_CLIENT: usize = RARE + 1;

/// How many tokens there are.
pub const TOKENS: usize = FIRST_CLIENT + CLIENTS;
const _: () = assert!(TOKENS <= 64, "each token has a bit in `Ready`");

/// What is waited for, and until when. A source that is not there is not added.
#[derive(Clone, Debug)]
pub struct PollSet<'a> {
    set: ArrayVec<PollFd<'a>, TOKENS>,
    tokens: ArrayVec<usize, TOKENS>,
    rare: &'a Rare<TOKENS>,
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
    /// No sources but those that are registered in `rare`; the latest time to wake up is a heartbeat after `now`.
    #[must_use]
    pub fn new(now: u64, rare: &'a Rare<TOKENS>) -> Self {
        let mut set = Self {
            set: ArrayVec::new(),
            tokens: ArrayVec::new(),
            rare,
            deadline: now.saturating_add(u64::from(HEARTBEAT_MS) * MS),
        };
        if let Some(fd) = rare.as_fd() {
            set.add(RARE, fd, PollFlags::IN);
        }
        set
    }

    /// Waits for a source where something rarely happens. It stays registered until it is closed, and has to be added each time all the same:
    /// `listens` and the token may be others. False where it cannot be registered, and is waited for this time only.
    pub fn add_rare(
        &mut self,
        token: usize,
        fd: BorrowedFd<'a>,
        listens: bool,
        registered: &Registered,
    ) -> bool {
        let registers = self.rare.register(token, fd, listens, registered);
        if !registers {
            let flags = if listens {
                PollFlags::IN
            } else {
                PollFlags::empty()
            };
            self.add(token, fd, flags);
        }
        registers
    }

    /// The same for one that stays open to the end.
    pub fn add_fixed(&mut self, token: usize, fd: BorrowedFd<'a>, listens: bool) -> bool {
        self.add_rare(token, fd, listens, &self.rare.fixed[token])
    }

    /// Waits for a source too.
    #[inline(never)]
    pub fn add(&mut self, token: usize, fd: BorrowedFd<'a>, flags: PollFlags) {
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
    /// Those of ppoll(2), except an interruption, which is as good as the deadline.
    pub fn wait(&mut self, now: u64) -> rustix::io::Result<Ready> {
        #[cfg(test)]
        if let Some(happened) = crate::simulation::wait(&mut self.set, self.deadline) {
            let happened = happened?;
            let bit = |(at, token): (usize, &usize)| (happened >> at & 1) << token;
            return Ok(Ready {
                bits: self.tokens.iter().enumerate().map(bit).sum(),
                polled: self.tokens.iter().map(|token| 1 << token).sum(),
            });
        }
        let timeout = timespec(self.deadline.saturating_sub(now));
        match poll(&mut self.set, Some(&timeout)) {
            Ok(_) => {}
            // Interrupted: nothing is known, so nothing is reported.
            Err(Errno::INTR) => self.set.clear(),
            Err(errno) => return Err(errno),
        }
        let (mut bits, mut polled) = (0, 0);
        for (fd, token) in self.set.iter().zip(&self.tokens) {
            bits |= u64::from(!fd.revents().is_empty()) << token;
            polled |= 1 << token;
        }
        if bits >> RARE & 1 == 1 {
            bits = bits & !(1 << RARE) | self.rare.happened();
        }
        Ok(Ready { bits, polled })
    }
}
