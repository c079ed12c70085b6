//! The connections: who is there, and what role each one has. Knows sockets and roles; knows no frames.

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;
use rustix::io;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::limits::{CLIENTS, HELLO_MS};
use crate::time::MS;

/// What a client is.
#[derive(Debug)]
pub enum Role {
    /// It has not said yet.
    New,
    /// It fills the frame ring. The wake sockets: slots filled (to poll), slots free (to signal).
    Producer {
        /// Signalled by the producer.
        filled: OwnedFd,
        /// Its other end, kept open so that the pair does not hang up when the producer closes its own.
        held: OwnedFd,
        /// Signalled by the engine.
        free: OwnedFd,
    },
    /// It is to be the producer, and waits for the encoder to be set up for it.
    Waiting,
    /// It reads the packet ring, with or without a wake socket.
    Consumer(Option<OwnedFd>),
    /// It looks at the packet ring's header.
    Observer,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: OwnedFd,
    /// Its role.
    pub role: Role,
    /// When it connected, `CLOCK_MONOTONIC` ns.
    pub since: u64,
    /// Until then it is not listened to, so that one that talks without end does not keep the loop awake; ns.
    pub deaf_until: u64,
}

impl Client {
    /// When it must have said what it is, `CLOCK_MONOTONIC` ns; `None` when it has.
    #[must_use]
    pub fn hello_deadline(&self) -> Option<u64> {
        matches!(self.role, Role::New).then(|| self.since.saturating_add(u64::from(HELLO_MS) * MS))
    }
}

/// All connections.
#[derive(Debug, Default)]
pub struct Clients {
    list: ArrayVec<Client, CLIENTS>,
}

impl Clients {
    /// A new connection.
    ///
    /// # Errors
    /// Gives the socket back when there are as many as can be served.
    pub fn add(&mut self, socket: OwnedFd, now: u64) -> Result<(), OwnedFd> {
        let client = Client {
            socket,
            role: Role::New,
            since: now,
            deaf_until: 0,
        };
        self.list
            .try_push(client)
            .map_err(|full| full.element().socket)
    }

    /// Ends a connection; the last one takes its place.
    pub fn remove(&mut self, index: usize) -> Client {
        self.list.swap_remove(index)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Client] {
        &self.list
    }

    /// One of them.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.list.get_mut(index)
    }

    /// The producer's place, and its wake sockets: filled, free.
    #[must_use]
    pub fn producer(&self) -> Option<(usize, &OwnedFd, &OwnedFd)> {
        self.list
            .iter()
            .enumerate()
            .find_map(|(index, client)| match &client.role {
                Role::Producer { filled, free, .. } => Some((index, filled, free)),
                _ => None,
            })
    }

    /// The place of the client that waits to be the producer.
    #[must_use]
    pub fn waiting(&self) -> Option<usize> {
        self.list
            .iter()
            .position(|client| matches!(client.role, Role::Waiting))
    }

    /// Consumers connected.
    #[must_use]
    pub fn consumers(&self) -> u32 {
        self.list
            .iter()
            .filter(|client| matches!(client.role, Role::Consumer(_)))
            .count() as u32
    }

    /// Signals the wake sockets of all consumers that have one.
    pub fn notify_consumers(&self) {
        for client in &self.list {
            if let Role::Consumer(Some(wake)) = &client.role {
                signal(wake);
            }
        }
    }
}

/// A new pair of sockets to wake somebody with: the end to read, the end to write. Not an eventfd, whose one description both
/// sides would share: a peer could make the engine's end blocking, and hang it. Not a pipe, which raises SIGPIPE.
///
/// # Errors
/// Those of socketpair(2).
pub fn new_wake() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Wakes whoever polls the other end.
pub fn signal(wake: &OwnedFd) {
    // AGAIN: there is no room, so the other side is awake or does not care. PIPE: it is gone.
    let _ = send(wake, &[1], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_setfl};

    #[test]
    fn a_peer_that_makes_its_end_blocking_and_never_reads_costs_nothing() {
        let (theirs, ours) = new_wake().unwrap();
        fcntl_setfl(&theirs, OFlags::empty()).unwrap();
        for _ in 0..100_000 {
            signal(&ours);
        }
    }
}
