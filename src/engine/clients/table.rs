//! The connections: who is there, what role each one has, and what calls for it have cost.
//!
//! Knows sockets and roles. Knows no message and no frame.

use core::cell::Cell;

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;
use rustix::io;
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown, socketpair,
};

use crate::engine::rare::Registered;
use crate::flow::wake_cost::{Meter, WakeCost};
use crate::limits::{CLIENTS, COSTLY_PAUSE_MS, COSTLY_USERS, HELLO_MS};
use crate::time::{MS, processor_time};

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
        #[expect(dead_code, reason = "it is kept open")]
        held: OwnedFd,
        /// Signalled by the engine.
        free: OwnedFd,
    },
    /// It is to be the producer, and waits for the encoder to be reconfigured for it.
    Waiting {
        /// It was the producer until it offered memory.
        was_producer: bool,
    },
    /// It reads the packet ring, with or without a wake socket.
    Consumer(Option<OwnedFd>),
    /// It looks at the packet ring's header.
    Observer,
}

impl Role {
    /// Whether it is the producer, or was until it offered memory.
    #[must_use]
    pub fn was_producer(&self) -> bool {
        match self {
            Self::Producer { .. } => true,
            Self::Waiting { was_producer } => *was_producer,
            Self::New | Self::Consumer(_) | Self::Observer => false,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub socket: OwnedFd,
    /// How the loop waits for it.
    pub registered: Registered,
    /// Its role.
    pub role: Role,
    /// When it connected, `CLOCK_MONOTONIC` ns.
    pub since: u64,
    /// Until then its messages wait, so that one that sends without end does not keep the loop awake; `CLOCK_MONOTONIC` ns.
    pub throttled_until: u64,
    /// What calls for it have cost.
    pub cost: WakeCost,
}

impl Client {
    /// When it must have said what it is, `CLOCK_MONOTONIC` ns; `None` when it has.
    #[must_use]
    pub fn hello_deadline(&self) -> Option<u64> {
        matches!(self.role, Role::New).then(|| self.since.saturating_add(u64::from(HELLO_MS) * MS))
    }
}

/// What the connections' roles add up to.
#[derive(Debug, Default)]
struct Tally {
    /// No client came, left, or may have got another role since.
    holds: Cell<bool>,
    /// The producer's index.
    producer: Cell<Option<usize>>,
    consumers: Cell<u32>,
    /// Consumers that have no wake socket.
    sleepers: Cell<u32>,
    /// Somebody has not said yet what it is.
    newcomers: Cell<bool>,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Table {
    list: ArrayVec<Client, CLIENTS>,
    tally: Tally,
    /// All descriptors are registered as they are to stay.
    settled: Cell<bool>,
    /// Whether calls for clients are measured.
    pub meter: Meter,
    /// Where the reference's wake-up goes: nobody polls it.
    reference: Option<(OwnedFd, OwnedFd)>,
    /// A consumer was not signalled, for want of memory.
    owes: bool,
    /// What it has cost to wake the consumers that sleep on the futex word, who cannot be distinguished.
    sleepers_cost: WakeCost,
    /// Users who are refused for what their clients cost, and until when, `CLOCK_MONOTONIC` ns.
    costly: ArrayVec<(u32, u64), COSTLY_USERS>,
}

impl Table {
    /// No connections yet. Where there is no descriptor left for the reference, clients may cost no more on a slow machine.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reference: new_wake().ok(),
            ..Self::default()
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Gives the socket back when there are as many as can be served.
    pub fn add(&mut self, socket: OwnedFd, now: u64) -> Result<(), OwnedFd> {
        let client = Client {
            socket,
            registered: Registered::default(),
            role: Role::New,
            since: now,
            throttled_until: 0,
            cost: WakeCost::default(),
        };
        self.look_again();
        self.list
            .try_push(client)
            .map_err(|full| full.element().socket)
    }

    /// Ends a connection; the last one takes its index.
    pub fn remove(&mut self, index: usize) -> Client {
        self.look_again();
        self.list.swap_remove(index)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Client] {
        &self.list
    }

    /// One of them.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.look_again();
        self.list.get_mut(index)
    }

    /// A client came, left, or may change.
    fn look_again(&self) {
        self.tally.holds.set(false);
        self.settled.set(false);
    }

    /// Whether nothing has changed since `settle`.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.get()
    }

    /// Whether all descriptors are registered, and none is to be registered otherwise as time goes by.
    pub fn settle(&self, settled: bool) {
        self.settled.set(settled);
    }

    /// What the roles add up to. They are looked at once after each change: the loop asks many times a turn, and there may be many clients.
    fn tally(&self) -> &Tally {
        if !self.tally.holds.get() {
            self.count();
        }
        &self.tally
    }

    #[inline(never)]
    fn count(&self) {
        let (mut producer, mut consumers, mut sleepers, mut newcomers) = (None, 0, 0, false);
        for (index, client) in self.list.iter().enumerate() {
            match &client.role {
                Role::New => newcomers = true,
                Role::Producer { .. } => producer = Some(index),
                Role::Consumer(wake) => {
                    consumers += 1;
                    sleepers += u32::from(wake.is_none());
                }
                Role::Waiting { .. } | Role::Observer => {}
            }
        }
        let tally = &self.tally;
        tally.producer.set(producer);
        tally.consumers.set(consumers);
        tally.sleepers.set(sleepers);
        tally.newcomers.set(newcomers);
        tally.holds.set(true);
    }

    /// The producer's index.
    #[must_use]
    pub fn producer(&self) -> Option<usize> {
        self.tally().producer.get()
    }

    /// The wake socket that the producer signals.
    #[must_use]
    pub fn filled(&self) -> Option<&OwnedFd> {
        match &self.list.get(self.producer()?)?.role {
            Role::Producer { filled, .. } => Some(filled),
            _ => None,
        }
    }

    /// Whether somebody has not said yet what it is.
    #[must_use]
    pub fn has_newcomers(&self) -> bool {
        self.tally().newcomers.get()
    }

    /// The index of the client that waits to be the producer.
    #[must_use]
    pub fn waiting(&self) -> Option<usize> {
        self.list
            .iter()
            .position(|client| matches!(client.role, Role::Waiting { .. }))
    }

    /// Consumers connected.
    #[must_use]
    pub fn consumers(&self) -> u32 {
        self.tally().consumers.get()
    }

    /// Consumers that have no wake socket: they sleep on the futex word, or not at all.
    #[must_use]
    pub fn sleepers(&self) -> u32 {
        self.tally().sleepers.get()
    }

    /// Wakes all consumers; `wake` as for `wake_sleepers`.
    pub fn wake_consumers(&mut self, now: u64, wake: impl FnOnce(u32)) {
        self.wake_sleepers(now, wake);
        self.notify_consumers(now);
    }

    /// Signals the wake sockets of all consumers that have one; `now` is `CLOCK_MONOTONIC` ns.
    pub fn notify_consumers(&mut self, now: u64) {
        let allowed = self.meter.allows(now, 1);
        for client in &mut self.list {
            if let Role::Consumer(Some(wake)) = &client.role {
                let woken = charged(&mut client.cost, allowed, || signal(wake));
                self.owes |= !woken;
            }
        }
    }

    /// Signals them again when a wake-up was lost for want of memory, and its reader sleeps.
    pub fn notify_consumers_again(&mut self, now: u64) {
        if core::mem::take(&mut self.owes) {
            self.notify_consumers(now);
        }
    }

    /// Wakes the consumers that sleep on the futex word by `wake`, which is given the most that it may wake: as many as there are. Not
    /// called where there is none.
    pub fn wake_sleepers(&mut self, now: u64, wake: impl FnOnce(u32)) {
        let sleepers = self.sleepers();
        if sleepers > 0 {
            let allowed = self.meter.allows(now, sleepers);
            charged(&mut self.sleepers_cost, allowed, || wake(sleepers));
        }
    }

    /// Signals the producer that there are free slots, or news of its frames.
    pub fn notify_producer(&mut self, now: u64) {
        let allowed = self.meter.allows(now, 1);
        if let Some(client) = self.producer().and_then(|index| self.list.get_mut(index))
            && let Role::Producer { free, .. } = &client.role
        {
            charged(&mut client.cost, allowed, || signal(free));
        }
    }

    /// Reads what the producer signalled; whether its socket is at its end. How often it was signalled says nothing.
    pub fn hear_producer(&mut self, now: u64) -> bool {
        let allowed = self.meter.allows(now, 1);
        if let Some(client) = self.producer().and_then(|index| self.list.get_mut(index))
            && let Role::Producer { filled, .. } = &client.role
        {
            return charged(&mut client.cost, allowed, || {
                io::read(filled, &mut [0; 64]) == Ok(0)
            });
        }
        false
    }

    /// A turn took `ns` and ended at `now`, `CLOCK_MONOTONIC` ns. While calls are measured, so is the reference.
    pub fn turn_took(&mut self, ns: u64, now: u64) {
        self.meter.turn_took(ns, now);
        if !self.meter.measures(now) {
            return;
        }
        if let Some((read, write)) = &self.reference {
            let before = processor_time();
            signal(write);
            let took = processor_time().saturating_sub(before);
            self.meter.reference_took(took);
            // There is no more in it than that.
            let _ = io::read(read, &mut [0; 64]);
        }
    }

    /// A client whose wake-ups cost more than they may.
    #[must_use]
    pub fn costly_client(&self) -> Option<usize> {
        self.list.iter().position(|client| match client.role {
            Role::Consumer(None) => self.sleepers_cost.exceeded(),
            _ => client.cost.exceeded(),
        })
    }

    /// A client of this user was disconnected for what it cost: the user is refused for a while.
    pub fn shun(&mut self, uid: u32, now: u64) {
        let until = now.saturating_add(u64::from(COSTLY_PAUSE_MS) * MS);
        self.costly.retain(|(user, end)| *user != uid && *end > now);
        if self.costly.is_full() {
            self.costly.remove(0);
        }
        self.costly.push((uid, until));
    }

    /// Whether anybody is refused for what clients cost, and this user is.
    #[must_use]
    pub fn shuns(&self, uid: impl FnOnce() -> Option<u32>, now: u64) -> bool {
        let refused = |uid| {
            let mut users = self.costly.iter();
            users.any(|&(user, end)| user == uid && end > now)
        };
        !self.costly.is_empty() && uid().is_some_and(refused)
    }

    /// Nobody sleeps on the futex word any more.
    pub fn forget_sleepers(&mut self) {
        if self.sleepers() == 0 {
            self.sleepers_cost = WakeCost::default();
        }
    }
}

/// Makes a call for a client; what it takes beyond `allowed` ns is charged to the client, while calls are measured.
pub fn charged<T>(cost: &mut WakeCost, allowed: Option<u64>, call: impl FnOnce() -> T) -> T {
    let Some(allowed) = allowed else {
        return call();
    };
    let before = processor_time();
    let result = call();
    cost.charge(processor_time().saturating_sub(before), allowed);
    result
}

/// A new pair of sockets to wake somebody with: the end to read, the end to write. Not an eventfd, whose one description both
/// sides would share: a peer could make the engine's end blocking, and hang it. Not a pipe, which raises SIGPIPE. Nothing can be sent
/// into the end to read: whatever waited there unread, the engine would free at the close, with all descriptors in it.
///
/// # Errors
/// Those of socketpair(2) and shutdown(2).
pub fn new_wake() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (read, write) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    shutdown(&write, Shutdown::Read)?;
    Ok((read, write))
}

/// Wakes whoever polls the other end. False when that has to be tried again.
pub fn signal(wake: &OwnedFd) -> bool {
    let sent = send(wake, &[1], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    // AGAIN: there is no room, so the other side is awake or does not care. PIPE, CONNRESET: it is gone.
    !sent.is_err_and(|errno| {
        !matches!(
            errno,
            io::Errno::AGAIN | io::Errno::PIPE | io::Errno::CONNRESET
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_setfl};

    #[test]
    fn nothing_can_be_sent_into_the_end_to_read_and_it_can_still_be_signalled() {
        let (read, write) = new_wake().unwrap();
        let sent = send(&read, &[1], SendFlags::NOSIGNAL);
        assert_eq!(sent, Err(io::Errno::PIPE));
        signal(&write);
        assert_eq!(io::read(&read, &mut [0; 64]), Ok(1));
        assert_eq!(io::read(&read, &mut [0; 64]), Err(io::Errno::AGAIN));
        drop(write);
        assert_eq!(io::read(&read, &mut [0; 64]), Ok(0));
    }

    #[test]
    fn a_user_is_refused_for_a_while_and_the_one_refused_for_longest_makes_room() {
        let mut clients = Table::default();
        assert!(!clients.shuns(|| panic!("nobody is refused"), 0));
        for uid in 0..=COSTLY_USERS as u32 {
            clients.shun(uid, 1);
        }
        let pause = u64::from(COSTLY_PAUSE_MS) * MS;
        assert!(!clients.shuns(|| Some(0), 1) && clients.shuns(|| Some(1), pause));
        assert!(!clients.shuns(|| Some(1), 1 + pause) && !clients.shuns(|| None, 1));
    }

    #[test]
    fn a_peer_that_makes_its_end_blocking_and_never_reads_costs_nothing() {
        let (theirs, ours) = new_wake().unwrap();
        fcntl_setfl(&theirs, OFlags::empty()).unwrap();
        for _ in 0..100_000 {
            signal(&ours);
        }
    }
}
