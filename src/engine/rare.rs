//! Descriptors at which something rarely happens: signals, newcomers, clients that say something. They stand behind one descriptor, epoll's, so
//! that a wait costs the same however many there are.
//!
//! Devices are not among them: before Linux 5.12 (726daf6) the queue of a V4L2 device that epoll has may never wake it, and ppoll always works.
//!
//! Knows descriptors and their tokens. Must never know what is said there, nor for how long is waited.

use core::cell::Cell;
use core::mem::MaybeUninit;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// How a descriptor is registered. It lies beside the descriptor and goes with it: the kernel forgets a file that is closed, and a number that
/// is used again is another file.
#[derive(Debug, Default)]
pub struct Registered(Cell<Option<(usize, bool)>>);

/// Those descriptors.
#[derive(Debug)]
pub struct Rare<const TOKENS: usize> {
    epoll: Option<OwnedFd>,
    /// For descriptors that stay open to the end.
    pub fixed: [Registered; TOKENS],
}

impl<const TOKENS: usize> Rare<TOKENS> {
    /// None yet. Where there is no epoll, they are waited for like all others.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoll: create(),
            fixed: [const { Registered(Cell::new(None)) }; TOKENS],
        }
    }

    /// The descriptor to wait for.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.epoll.as_ref().map(AsFd::as_fd)
    }

    /// Registers a descriptor under its token, unless it is: what is said there is news if `listens`, its end in any case. False where that
    /// does not work: then it is to be waited for in another way.
    pub fn register(
        &self,
        token: usize,
        fd: BorrowedFd<'_>,
        listens: bool,
        registered: &Registered,
    ) -> bool {
        let Some(epoll) = &self.epoll else {
            return false;
        };
        let wanted = Some((token, listens));
        if registered.0.get() == wanted {
            return true;
        }
        let flags = if listens {
            EventFlags::IN
        } else {
            EventFlags::empty()
        };
        let data = EventData::new_u64(token as u64);
        let done = match registered.0.get() {
            None => epoll::add(epoll, fd, data, flags),
            Some(_) => epoll::modify(epoll, fd, data, flags),
        };
        registered.0.set(wanted.filter(|_| done.is_ok()));
        if done.is_err() {
            // If it is registered otherwise, it would go on waking the loop.
            let _ = epoll::delete(epoll, fd);
        }
        done.is_ok()
    }

    /// A bit for each token at which something happened; all of them when the kernel does not tell.
    #[must_use]
    pub fn happened(&self) -> u64 {
        let mut events = [MaybeUninit::<Event>::uninit(); TOKENS];
        let now = rustix::time::Timespec::default();
        let events = match &self.epoll {
            Some(epoll) => epoll::wait(epoll, &mut events, Some(&now)),
            None => return 0,
        };
        match events {
            Ok((events, _)) => events
                .iter()
                .fold(0, |bits, event| bits | 1 << (event.data.u64() % 64)),
            Err(Errno::INTR) => 0,
            Err(_) => u64::MAX,
        }
    }
}

fn create() -> Option<OwnedFd> {
    // The simulated kernel's files are none that epoll knows.
    #[cfg(test)]
    if crate::simulation::now().is_some() {
        return None;
    }
    epoll::create(CreateFlags::CLOEXEC).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    fn say(socket: &OwnedFd) {
        assert_eq!(send(socket, &[1], SendFlags::empty()), Ok(1));
    }

    #[test]
    fn what_happens_is_told_under_the_latest_token_and_an_end_to_those_who_do_not_listen() {
        let rare = Rare::<8>::new();
        let ((one, peer), registered) = (pair(), Registered::default());
        assert!(rare.register(3, one.as_fd(), true, &registered));
        assert_eq!(rare.happened(), 0);
        say(&peer);
        assert_eq!(rare.happened(), 1 << 3);
        assert!(rare.register(5, one.as_fd(), true, &registered));
        assert_eq!(rare.happened(), 1 << 5);
        assert!(rare.register(5, one.as_fd(), false, &registered));
        assert_eq!(rare.happened(), 0);
        drop(peer);
        assert_eq!(rare.happened(), 1 << 5);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_file() {
        let rare = Rare::<8>::new();
        let ((one, peer), registered) = (pair(), Registered::default());
        assert!(rare.register(1, one.as_fd(), true, &registered));
        say(&peer);
        drop(one);
        assert_eq!(rare.happened(), 0);
        // The lowest number that is free: the same, if no other test opens a file meanwhile.
        let ((one, peer), registered) = (pair(), Registered::default());
        assert!(rare.register(1, one.as_fd(), true, &registered));
        assert_eq!(rare.happened(), 0);
        say(&peer);
        assert_eq!(rare.happened(), 1 << 1);
    }

    #[test]
    fn a_descriptor_that_cannot_be_registered_is_said_to_be_none() {
        let rare = Rare::<8>::new();
        let file = rustix::fs::memfd_create(c"test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert!(!rare.register(0, file.as_fd(), true, &Registered::default()));
        assert_eq!(rare.happened(), 0);
    }
}
