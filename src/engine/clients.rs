//! The connections: who is there, and what role each one has. Knows sockets and roles; knows no frames.

use arrayvec::ArrayVec;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::io;

use crate::limits::{CLIENTS, HELLO_MS};
use crate::time::MS;

/// What a client is.
#[derive(Debug)]
pub enum Role {
    /// It has not said yet.
    New,
    /// It fills the frame ring. The eventfds: slots filled (to poll), slots free (to signal).
    Producer {
        /// Signalled by the producer.
        filled: OwnedFd,
        /// Signalled by the engine.
        free: OwnedFd,
    },
    /// It reads the packet ring, with or without an eventfd to be woken by.
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

    /// The producer's place, and its eventfds: filled, free.
    #[must_use]
    pub fn producer(&self) -> Option<(usize, &OwnedFd, &OwnedFd)> {
        self.list
            .iter()
            .enumerate()
            .find_map(|(index, client)| match &client.role {
                Role::Producer { filled, free } => Some((index, filled, free)),
                _ => None,
            })
    }

    /// Consumers connected.
    #[must_use]
    pub fn consumers(&self) -> u32 {
        self.list
            .iter()
            .filter(|client| matches!(client.role, Role::Consumer(_)))
            .count() as u32
    }

    /// Signals the eventfds of all consumers that have one.
    pub fn notify_consumers(&self) {
        for client in &self.list {
            if let Role::Consumer(Some(event)) = &client.role {
                signal(event);
            }
        }
    }
}

/// A new eventfd; non-blocking, so that a counter at its limit costs nothing.
///
/// # Errors
/// Those of eventfd(2).
pub fn new_event() -> io::Result<OwnedFd> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
}

/// Signals an eventfd.
pub fn signal(event: &OwnedFd) {
    // AGAIN: its counter is full, so it is signalled.
    let _ = io::write(event, &1u64.to_ne_bytes());
}
