//! The engine's clients: who may connect, what each may say, and how a connection ends.
//!
//! Receives messages, checks them against the sender's role and rights, and gives what is the engine's to answer as events. What a client
//! does wrong ends its own connection, with a counted reason, and nothing else. Knows sockets and messages. Knows no frame and no encoder.

pub mod admit;
pub mod rights;
pub mod table;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};

use crate::control::message::{Change, FormatRequest, Message, Offer, Outcome, Refusal};
use crate::control::socket::{
    Descriptors, Listener, Received, peer_uid, receive, receive_plain, send, trusted,
};
use crate::engine::poll::{FILLED, FIRST_CLIENT, LISTENER, PollSet, Ready, TOKENS};
use crate::engine::rare::Rare;
use crate::errno::name::Explained;
use crate::flow::allowance::Allowance;
use crate::flow::log_limit::LogLimit;
use crate::limits::{
    ACCEPT_PAUSE_MS, CLIENTS, CLIENTS_RESERVED, KEY_FRAME_PAUSE_MS, STRANGERS_CHANGE_MS,
    STRANGERS_CHANGES, TURN_BUDGET,
};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::Status;
use crate::shm::stats::{Counter, Stats};
use crate::time::MS;
use rights::Rights;
use table::{Role, Table, charged};

const _: () = assert!(
    Counter::RefusedFormat as usize - Counter::RefusedProducerPresent as usize
        == Refusal::Format as usize - Refusal::ProducerPresent as usize,
    "each reason has its counter"
);

/// What the engine is to do for a client, which is named by its index.
#[derive(Debug)]
pub enum Event {
    /// It asks to be the producer.
    Produce(usize, FormatRequest),
    /// The producer offers memory of its own.
    Import(usize, Offer, Descriptors),
    /// The producer offers memory and may not: it is to have the engine's slots.
    NoImport(usize),
    /// It asks for a change.
    Change(usize, Change),
    /// Somebody asks for a key frame.
    KeyFrame,
    /// The producer says that it is done; it stays until its frames are accounted for.
    Finished(usize),
    /// It ended the connection (`None`), or is to be disconnected for this reason.
    Disconnect(usize, Option<Refusal>),
}

/// One round of service. A crowd takes turns: each round begins where the one before ended.
#[derive(Debug)]
pub struct Round {
    ready: Ready,
    first: usize,
    clients: usize,
    step: usize,
    /// Messages that may still be received.
    budget: usize,
}

/// The connections, and the socket where new ones come in.
pub struct Clients<'a> {
    /// Who is connected.
    pub table: Table,
    /// How often the log speaks of what clients do.
    pub log_limit: LogLimit,
    /// What is waited for by way of one descriptor.
    pub rare: Rare<TOKENS>,
    listener: Listener<'a>,
    /// The memfd of the packet ring, for consumers.
    packets: OwnedFd,
    rights: Rights,
    /// Reconfigurations that clients of users who are not trusted may cause.
    strangers: Allowance,
    stats: Stats<'a>,
    /// The listening socket is left alone until then, ns.
    accept_again_ns: u64,
    /// The index of the client whose turn is next.
    next: usize,
}

impl<'a> Clients<'a> {
    /// Nobody is connected. `packets` is the packet ring's memfd.
    pub fn new(listener: Listener<'a>, packets: OwnedFd, rights: Rights, stats: Stats<'a>) -> Self {
        Self {
            table: Table::new(),
            log_limit: LogLimit::default(),
            rare: Rare::new(),
            listener,
            packets,
            rights,
            strangers: Allowance::new(STRANGERS_CHANGES, u64::from(STRANGERS_CHANGE_MS) * MS),
            stats,
            accept_again_ns: 0,
            next: 0,
        }
    }

    /// Adds what is waited for.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, now_ns: u64) {
        if let Some(filled) = self.table.filled() {
            set.add(FILLED, filled.as_fd(), PollFlags::IN);
        }
        let accepts = self.accept_again_ns <= now_ns;
        if accepts && self.table.is_settled() {
            return;
        }
        let mut settled = set.add_fixed(LISTENER, self.listener.as_fd(), accepts) && accepts;
        set.until(Some(self.accept_again_ns).filter(|_| !accepts));
        for (index, client) in self.table.list().iter().enumerate() {
            let throttled = client.throttled_until > now_ns;
            let (token, socket) = (FIRST_CLIENT + index, client.socket.as_fd());
            settled &= set.add_rare(token, socket, !throttled, &client.registered);
            set.until(client.hello_deadline());
            set.until(throttled.then_some(client.throttled_until));
            settled &= !throttled && client.hello_deadline().is_none();
        }
        self.table.settle(settled);
    }

    /// Begins a round. A producer comes first: it may be gone, and the next client is not to hear that it is present.
    #[must_use]
    pub fn begin_round(&self, ready: Ready) -> Round {
        let first = match self.table.producer() {
            Some(index) if ready.at(FIRST_CLIENT + index) => index,
            _ => self.next,
        };
        let clients = match ready.at_any_from(FIRST_CLIENT) || self.table.has_newcomers() {
            true => self.table.list().len(),
            false => 0,
        };
        Round {
            ready,
            first,
            clients,
            step: 0,
            budget: TURN_BUDGET,
        }
    }

    /// The next thing to do for a client; `None` at the end of the round.
    pub fn next_event(&mut self, round: &mut Round, now_ns: u64) -> Option<Event> {
        while round.step < round.clients {
            let index = (round.first + round.step) % round.clients;
            let mut more = false;
            let mut event = None;
            if round.ready.at(FIRST_CLIENT + index) {
                if round.budget > 0 {
                    self.next = index + 1;
                    round.budget -= 1;
                    event = self.receive(index, now_ns);
                    // More requests for key frames are one with it; a producer that is done leaves next.
                    let goes_on = matches!(event, Some(Event::KeyFrame | Event::Finished(_)));
                    more = goes_on && round.budget > 0;
                }
            } else if let Some(client) = self.table.list().get(index)
                && client.hello_deadline().is_some_and(|at| at <= now_ns)
            {
                event = Some(Event::Disconnect(index, Some(Refusal::BadMessage)));
            }
            round.step += usize::from(!more);
            if event.is_some() {
                return event;
            }
        }
        let index = self.table.costly_client()?;
        self.shun_user(index, now_ns);
        Some(Event::Disconnect(index, Some(Refusal::Costly)))
    }

    /// Ends a round: lets new clients in.
    pub fn end_round(&mut self, round: &Round, now_ns: u64) {
        self.table.forget_sleepers();
        if round.ready.at(LISTENER) {
            // However many speak, those who come are let in.
            self.accept(round.budget.max(1), now_ns);
        }
    }

    /// Publishes how many there are.
    pub fn publish(&self, status: &Status) {
        status.consumers.store(self.table.consumers(), Relaxed);
        let producers = u32::from(self.table.producer().is_some());
        status.producers.store(producers, Relaxed);
    }

    fn accept(&mut self, max: usize, now_ns: u64) {
        for _ in 0..max {
            match self.listener.accept() {
                Ok(Some(socket)) => {
                    let refused = if self.has_room(&socket) {
                        self.table.add(socket, now_ns).err()
                    } else {
                        Some(socket)
                    };
                    if let Some(socket) = refused {
                        self.stats.count(Counter::ClientsRefused);
                        self.tell(&socket, Refusal::TooManyClients);
                    }
                }
                Ok(None) => break,
                Err(errno) => {
                    note!(warn, "cannot accept a client ({})", Explained(errno));
                    self.accept_again_ns = now_ns.saturating_add(u64::from(ACCEPT_PAUSE_MS) * MS);
                    break;
                }
            }
        }
    }

    /// Whether the last connections are for this peer, too, or it does not take one of them.
    fn has_room(&self, socket: &OwnedFd) -> bool {
        self.table.list().len() < CLIENTS - CLIENTS_RESERVED || self.rights.trust(socket)
    }

    /// Receives one message of a client. Gives what the engine is to do about it.
    fn receive(&mut self, index: usize, now_ns: u64) -> Option<Event> {
        let shunned = self.table.shuns(|| self.uid(index), now_ns);
        let allowed = self.table.meter.allows(now_ns, 1);
        let client = self.table.get_mut(index)?;
        // Only who may import may send descriptors at all, and to connect is not enough for that.
        let imports = matches!(client.role, Role::Producer { .. })
            && self.rights.import
            && trusted(&client.socket, &self.rights.producers);
        let (socket, cost) = (&client.socket, &mut client.cost);
        let received = charged(cost, allowed, || match imports {
            true => receive(socket),
            false => receive_plain(socket),
        });
        let (message, descriptors) = match received {
            Ok(Received::Message(message, descriptors)) => (message, descriptors),
            Ok(Received::Nothing) => return None,
            Ok(Received::Malformed) => {
                return Some(Event::Disconnect(index, Some(Refusal::BadMessage)));
            }
            Ok(Received::Closed) | Err(_) => return Some(Event::Disconnect(index, None)),
        };
        let throttled_until = now_ns.saturating_add(u64::from(KEY_FRAME_PAUSE_MS) * MS);
        let refused = |reason| Some(Event::Disconnect(index, Some(reason)));
        let admitted = match (message, &client.role) {
            (_, Role::New) if shunned => return refused(Refusal::Costly),
            (message, Role::New) if !self.rights.allow(&message, &client.socket) => {
                return refused(Refusal::NotAllowed);
            }
            (Message::Change(change), Role::New) => return Some(Event::Change(index, change)),
            (Message::Change(Change::KeyFrame), Role::Consumer(_) | Role::Producer { .. }) => {
                client.throttled_until = throttled_until;
                return Some(Event::KeyFrame);
            }
            (Message::Produce(requested), Role::New) => {
                return Some(Event::Produce(index, requested));
            }
            (Message::Import(_), Role::Producer { .. }) if descriptors.is_empty() => {
                // It need not say so more often.
                client.throttled_until = throttled_until;
                if self.log_limit.may_log(now_ns) {
                    note!(warn, "a producer offers memory and may not: it has to copy");
                }
                return Some(Event::NoImport(index));
            }
            (Message::Import(offer), Role::Producer { .. }) => {
                return Some(Event::Import(index, offer, descriptors));
            }
            (Message::Finish, Role::Producer { .. }) => return Some(Event::Finished(index)),
            (Message::Consume { wake }, Role::New) => admit::consumer(client, &self.packets, wake)
                .inspect(|()| self.stats.count(Counter::Consumers)),
            (Message::Observe, Role::New) => {
                client.role = Role::Observer;
                admit::packet_ring(client, &self.packets, None)
            }
            _ => Err(Refusal::BadMessage),
        };
        admitted.err().and_then(refused)
    }

    /// The user of a client.
    #[must_use]
    pub fn uid(&self, index: usize) -> Option<u32> {
        peer_uid(&self.table.list().get(index)?.socket).ok()
    }

    /// Whether a client may cause a reconfiguration now. Users who are not trusted share an allowance.
    pub fn may_change(&mut self, index: usize, now_ns: u64) -> bool {
        let client = self.table.list().get(index);
        let trusts = client.is_some_and(|client| self.rights.trust(&client.socket));
        trusts || self.strangers.take(now_ns)
    }

    /// A client's wake-ups take too long: its user is refused for a while, unless it is one that is trusted.
    fn shun_user(&mut self, index: usize, now_ns: u64) {
        let Some(client) = self.table.list().get(index) else {
            return;
        };
        let trusts = self.rights.trust(&client.socket);
        let uid = self.uid(index).unwrap_or(u32::MAX);
        if self.log_limit.may_log(now_ns) {
            note!(
                warn,
                "a client of user {uid} is disconnected: {}",
                Refusal::Costly.text()
            );
        }
        if !trusts {
            self.table.shun(uid, now_ns);
        }
    }

    /// The client waits until the encoder is reconfigured for it, to be the producer. False when there is no such client.
    pub fn make_wait(&mut self, index: usize) -> bool {
        let Some(client) = self.table.get_mut(index) else {
            return false;
        };
        let was_producer = matches!(client.role, Role::Producer { .. });
        client.role = Role::Waiting { was_producer };
        true
    }

    /// Answers a request for a change; the connection has done its work.
    pub fn answer(&mut self, index: usize, outcome: Outcome) {
        let client = self.table.remove(index);
        // Whoever did not wait for the answer got the change all the same.
        let _ = send(&client.socket, &Message::Changed(outcome), &[]);
    }

    /// Ends a connection: the peer did (`None`), or for this reason, which is sent and counted. Gives the role that it had.
    pub fn disconnect(&mut self, index: usize, reason: Option<Refusal>, now_ns: u64) -> Role {
        let client = self.table.remove(index);
        let Some(reason) = reason else {
            return client.role;
        };
        match &client.role {
            // It did nothing wrong, and is expected to attach again.
            Role::Producer { .. } if reason == Refusal::Reopened => {}
            Role::Producer { .. } => {
                if self.log_limit.may_log(now_ns) {
                    note!(warn, "the producer is cut off: {}", reason.text());
                }
                self.stats.count(Counter::ProducersCutOff);
            }
            _ => self.stats.count(Counter::ClientsRefused),
        }
        self.tell(&client.socket, reason);
        client.role
    }

    /// Tells a client why its connection ends, and counts the reason.
    fn tell(&self, socket: &OwnedFd, reason: Refusal) {
        let first = Counter::RefusedProducerPresent;
        self.stats.count_behind(first, reason as usize - 1);
        // Whether it hears it is its own affair.
        let _ = send(socket, &Message::Refused(reason), &[]);
    }
}
