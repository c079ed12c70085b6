//! Waiting: one ppoll over everything, with one deadline. Knows descriptors and times; knows no meaning.

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::limits::{CLIENTS, HEARTBEAT_MS};
use crate::time::{MS, timespec};

/// Place of the encoder.
pub const ENCODER: usize = 0;
/// Place of the signals.
pub const SIGNALS: usize = 1;
/// Place of the listening socket.
pub const LISTENER: usize = 2;
/// Place of the producer's "filled" wake socket, or of the camera.
pub const FILLED: usize = 3;
/// Place of the camera's events.
pub const CAMERA_EVENT: usize = 4;
/// Place of the first client's socket; the others follow.
pub const FIRST_CLIENT: usize = 5;

const PLACES: usize = FIRST_CLIENT + CLIENTS;
const _: () = assert!(PLACES <= 64, "each place has a bit in `Ready`");

/// What is waited for, and until when. A source that is not there is not added.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    set: ArrayVec<PollFd<'a>, PLACES>,
    places: ArrayVec<usize, PLACES>,
    deadline: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// A bit for each place.
    bits: u64,
}

impl Ready {
    /// Nobody knows: everything is worth a look.
    pub const PERHAPS: Self = Self { bits: u64::MAX };

    /// Whether nobody knows what happened.
    #[must_use]
    pub fn guessed(self) -> bool {
        self.bits == u64::MAX
    }

    /// Whether something happened at this place.
    #[must_use]
    pub fn at(self, place: usize) -> bool {
        self.bits >> place & 1 == 1
    }
}

impl<'a> Sources<'a> {
    /// No sources; the latest time to wake up is a heartbeat after `now`.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            set: ArrayVec::new(),
            places: ArrayVec::new(),
            deadline: now.saturating_add(u64::from(HEARTBEAT_MS) * MS),
        }
    }

    /// Waits for a source too.
    #[inline(never)]
    pub fn add(&mut self, place: usize, fd: BorrowedFd<'a>, flags: PollFlags) {
        self.set.push(PollFd::from_borrowed_fd(fd, flags));
        self.places.push(place);
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
            let places = self.places.iter().enumerate();
            let bits = places.map(|(at, place)| (happened >> at & 1) << place);
            return Ok(Ready { bits: bits.sum() });
        }
        let timeout = timespec(self.deadline.saturating_sub(now));
        match poll(&mut self.set, Some(&timeout)) {
            Ok(_) => {}
            // Interrupted: nothing is known, so nothing is reported.
            Err(Errno::INTR) => self.set.clear(),
            Err(errno) => return Err(errno),
        }
        let mut bits = 0;
        for (fd, place) in self.set.iter().zip(&self.places) {
            bits |= u64::from(!fd.revents().is_empty()) << place;
        }
        Ok(Ready { bits })
    }
}
