//! Waiting: one ppoll over everything, with one deadline. Knows descriptors and times; knows no meaning.

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::limits::{CLIENTS, HEARTBEAT_MS};
use crate::time::{MS, timespec};

/// What is waited for.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// The encoder, and what is wanted of it.
    pub encoder: (BorrowedFd<'a>, PollFlags),
    /// Signals.
    pub signals: BorrowedFd<'a>,
    /// The listening socket, unless it is to be left alone.
    pub listener: Option<BorrowedFd<'a>>,
    /// The producer's "filled" eventfd.
    pub filled: Option<BorrowedFd<'a>>,
    /// The clients' sockets, in their order.
    pub clients: ArrayVec<BorrowedFd<'a>, CLIENTS>,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The encoder's flags.
    pub encoder: PollFlags,
    /// A signal came.
    pub signals: bool,
    /// Somebody connects.
    pub listener: bool,
    /// The producer signalled.
    pub filled: bool,
    /// Which clients have something to say or are gone, in their order.
    pub clients: ArrayVec<bool, CLIENTS>,
}

/// The time at which something is due.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(u64);

impl Deadline {
    /// The latest time that the loop sleeps to: a heartbeat from now.
    #[must_use]
    pub fn heartbeat(now: u64) -> Self {
        Self(now.saturating_add(u64::from(HEARTBEAT_MS) * MS))
    }

    /// This or the other, whichever is first.
    #[must_use]
    pub fn or(self, other: Option<u64>) -> Self {
        Self(other.map_or(self.0, |at| at.min(self.0)))
    }

    /// How long from `now`, ns.
    #[must_use]
    pub fn from(self, now: u64) -> u64 {
        self.0.saturating_sub(now)
    }
}

/// Waits until something happens, at most `timeout` ns.
///
/// # Errors
/// Those of ppoll(2), except an interruption, which is as good as a time-out.
pub fn wait(sources: &Sources<'_>, timeout: u64) -> rustix::io::Result<Ready> {
    const FIXED: usize = 4;
    let mut set: ArrayVec<PollFd<'_>, { CLIENTS + FIXED }> = ArrayVec::new();
    set.push(PollFd::from_borrowed_fd(
        sources.encoder.0,
        sources.encoder.1,
    ));
    set.push(PollFd::from_borrowed_fd(sources.signals, PollFlags::IN));
    // Descriptors that are left out stand as the signals' once more, with nothing wanted: the places stay fixed.
    for fd in [sources.listener, sources.filled] {
        let flags = if fd.is_some() {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        set.push(PollFd::from_borrowed_fd(
            fd.unwrap_or(sources.signals),
            flags,
        ));
    }
    set.extend(
        sources
            .clients
            .iter()
            .map(|&client| PollFd::from_borrowed_fd(client, PollFlags::IN)),
    );
    match poll(&mut set, Some(&timespec(timeout))) {
        Ok(_) => {}
        // Interrupted: nothing is known, so nothing is reported.
        Err(Errno::INTR) => set.iter_mut().for_each(PollFd::clear_revents),
        Err(errno) => return Err(errno),
    }
    let happened = |place: usize| !set[place].revents().is_empty();
    Ok(Ready {
        encoder: set[0].revents(),
        signals: happened(1),
        listener: sources.listener.is_some() && happened(2),
        filled: sources.filled.is_some() && happened(3),
        clients: set[FIXED..]
            .iter()
            .map(|client| !client.revents().is_empty())
            .collect(),
    })
}
