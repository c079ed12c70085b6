//! Descriptors that stay open while the loop turns, registered once with epoll: a wait costs the same however many there are, and looks only at
//! those where something happened.
//!
//! Knows descriptors and their tokens. Must never know what is said there, nor until when is waited.

use core::cell::Cell;
use core::mem::MaybeUninit;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::time::{MS, timespec};

/// How a descriptor is registered: its token, the one for urgent news, and what is news. It lies beside the descriptor and goes with it: the
/// kernel forgets a file that is closed, and a number that is used again is another file.
#[derive(Debug, Default)]
pub struct Registered(Cell<Option<(Tokens, EventFlags)>>);

/// What happened at a descriptor is told under its first token; POLLPRI, and failures, under the second.
pub type Tokens = [u8; 2];

/// Those descriptors.
#[derive(Debug)]
pub struct Registry<const TOKENS: usize> {
    epoll: Option<OwnedFd>,
    /// For descriptors that stay open to the end.
    pub fixed: [Registered; TOKENS],
}

impl<const TOKENS: usize> Registry<TOKENS> {
    /// None yet. Where there is no epoll, they are waited for like all others.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoll: create(),
            fixed: [const { Registered(Cell::new(None)) }; TOKENS],
        }
    }

    /// The descriptor to wait for, in place of `wait`.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.epoll.as_ref().map(AsFd::as_fd)
    }

    /// Registers a descriptor, unless it is: `news` is what is waited for, beside its end. False where that does not work: then it is to be
    /// waited for in another way.
    pub fn register(
        &self,
        tokens: Tokens,
        fd: BorrowedFd<'_>,
        news: EventFlags,
        registered: &Registered,
    ) -> bool {
        let wanted = Some((tokens, news));
        if registered.0.get() == wanted {
            return true;
        }
        self.register_anew(tokens, fd, news, registered)
    }

    #[inline(never)]
    fn register_anew(
        &self,
        tokens: Tokens,
        fd: BorrowedFd<'_>,
        news: EventFlags,
        registered: &Registered,
    ) -> bool {
        let Some(epoll) = &self.epoll else {
            return false;
        };
        let data = EventData::new_u64(u16::from_le_bytes(tokens).into());
        let done = match registered.0.get() {
            None => epoll::add(epoll, fd, data, news),
            Some(_) => epoll::modify(epoll, fd, data, news),
        };
        registered.0.set(Some((tokens, news)));
        if done.is_err() {
            // If it is registered otherwise, it would go on waking the loop.
            self.forget(fd, registered);
        }
        done.is_ok()
    }

    /// What happens at this descriptor wakes nobody, until it is registered again.
    pub fn forget(&self, fd: BorrowedFd<'_>, registered: &Registered) {
        if let (Some(epoll), Some(_)) = (&self.epoll, registered.0.take()) {
            // It fails where there is nothing to forget.
            let _ = epoll::delete(epoll, fd);
        }
    }

    /// Waits until something happens, at most `timeout_ns`, rounded up to whole milliseconds: every kernel can do that. Gives a bit for each
    /// token at which something happened.
    ///
    /// # Errors
    /// Those of epoll_pwait(2).
    pub fn wait(&self, timeout_ns: u64) -> rustix::io::Result<u64> {
        let Some(epoll) = &self.epoll else {
            return Ok(0);
        };
        let timeout = timespec(timeout_ns.div_ceil(MS) * MS);
        let mut events = [MaybeUninit::<Event>::uninit(); TOKENS];
        let (events, _) = epoll::wait(epoll, &mut events, Some(&timeout))?;
        Ok(events.iter().fold(0, |bits, event| {
            let [token, urgent] = ((event.data.u64() & 0xffff) as u16).to_le_bytes();
            let flags = event.flags;
            let both = EventFlags::ERR | EventFlags::HUP;
            let bit = |token: u8, holds: bool| u64::from(holds) << (token % 64);
            bits | bit(token, flags != EventFlags::PRI)
                | bit(urgent, flags.intersects(both | EventFlags::PRI))
        }))
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
        let registry = Registry::<8>::new();
        let ((one, peer), registered) = (pair(), Registered::default());
        let listens = EventFlags::IN;
        assert!(registry.register([3; 2], one.as_fd(), listens, &registered));
        assert_eq!(registry.wait(0), Ok(0));
        say(&peer);
        assert_eq!(registry.wait(0), Ok(1 << 3));
        assert!(registry.register([5; 2], one.as_fd(), listens, &registered));
        assert_eq!(registry.wait(0), Ok(1 << 5));
        let deaf = EventFlags::empty();
        assert!(registry.register([5; 2], one.as_fd(), deaf, &registered));
        assert_eq!(registry.wait(0), Ok(0));
        drop(peer);
        assert_eq!(registry.wait(0), Ok(1 << 5));
        registry.forget(one.as_fd(), &registered);
        assert_eq!(registry.wait(0), Ok(0));
        assert!(registry.register([4; 2], one.as_fd(), deaf, &registered));
        assert_eq!(registry.wait(0), Ok(1 << 4));
    }

    #[test]
    fn urgent_news_and_failures_have_a_token_of_their_own() {
        let registry = Registry::<8>::new();
        let ((one, peer), registered) = (pair(), Registered::default());
        let both = EventFlags::IN | EventFlags::PRI;
        assert!(registry.register([1, 2], one.as_fd(), both, &registered));
        say(&peer);
        assert_eq!(registry.wait(0), Ok(1 << 1));
        drop(peer);
        assert_eq!(registry.wait(0), Ok(1 << 1 | 1 << 2));
    }

    #[test]
    fn a_wait_ends_with_the_time_and_not_before() {
        let registry = Registry::<8>::new();
        let begun_ns = crate::time::now();
        assert_eq!(registry.wait(MS + 1), Ok(0));
        assert!(crate::time::now() - begun_ns > MS);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_file() {
        let registry = Registry::<8>::new();
        let ((one, peer), registered) = (pair(), Registered::default());
        let listens = EventFlags::IN;
        assert!(registry.register([1; 2], one.as_fd(), listens, &registered));
        say(&peer);
        drop(one);
        assert_eq!(registry.wait(0), Ok(0));
        // The lowest number that is free: the same, if no other test opens a file meanwhile.
        let ((one, peer), registered) = (pair(), Registered::default());
        assert!(registry.register([1; 2], one.as_fd(), listens, &registered));
        assert_eq!(registry.wait(0), Ok(0));
        say(&peer);
        assert_eq!(registry.wait(0), Ok(1 << 1));
    }

    #[test]
    fn one_that_is_registered_unknown_to_us_is_none_now_and_is_one_the_next_time() {
        let registry = Registry::<8>::new();
        let (one, peer) = pair();
        let (before, registered) = (Registered::default(), Registered::default());
        let listens = EventFlags::IN;
        assert!(registry.register([1; 2], one.as_fd(), listens, &before));
        assert!(!registry.register([2; 2], one.as_fd(), listens, &registered));
        assert!(registry.register([2; 2], one.as_fd(), listens, &registered));
        say(&peer);
        assert_eq!(registry.wait(0), Ok(1 << 2));
    }

    #[test]
    fn a_descriptor_that_cannot_be_registered_is_said_to_be_none() {
        let registry = Registry::<8>::new();
        let file = rustix::fs::memfd_create(c"test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let listens = EventFlags::IN;
        assert!(!registry.register([0; 2], file.as_fd(), listens, &Registered::default()));
        assert_eq!(registry.wait(0), Ok(0));
    }
}
