//! The engine's service to its clients: who may connect, what each may say, and how a connection ends.
//!
//! What a client does wrong ends its own connection, with a counted reason, and nothing else.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::control::message::{Change, Message, Outcome, Refusal};
use crate::control::socket::{Received, peer_uid, receive, receive_plain, send, trusted};
use crate::engine::attach::Request;
use crate::engine::clients::{Client, Role, charged, new_wake};
use crate::engine::engine::Engine;
use crate::engine::life::{Life, Phase};
use crate::engine::reactor::{FIRST_CLIENT, LISTENER, Ready};
use crate::errno::name::Explained;
use crate::limits::{ACCEPT_PAUSE_MS, CLIENTS, CLIENTS_RESERVED, KEY_FRAME_PAUSE_MS, TURN_BUDGET};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::stats::Counter;
use crate::time::{MS, now};

const _: () = assert!(
    Counter::RefusedFormat as usize - Counter::RefusedProducerPresent as usize
        == Refusal::Format as usize - Refusal::ProducerPresent as usize,
    "each reason has its counter"
);

impl Engine<'_> {
    #[inline(never)]
    pub(super) fn serve_clients(&mut self, life: &mut Life, ready: Ready, time: u64) {
        // A crowd takes turns: each begins where the one before ended. One that moves to the place of another, which was removed, may be
        // passed over until the next.
        let clients = life.clients.list().len();
        let mut budget = TURN_BUDGET;
        let begin = life.next_client;
        for place in (0..clients).map(|step| (begin + step) % clients) {
            if ready.at(FIRST_CLIENT + place) {
                if budget > 0 {
                    life.next_client = place + 1;
                }
                let mut more = true;
                while more && budget > 0 {
                    budget -= 1;
                    more = self.serve_client(life, place, time);
                }
            } else if let Some(client) = life.clients.list().get(place)
                && client.hello_deadline().is_some_and(|at| at <= time)
            {
                self.refuse(life, place, Refusal::BadMessage);
            }
        }
        while let Some(place) = life.clients.costly_client() {
            self.disconnect_costly(life, place, time);
        }
        life.clients.forget_sleepers();
        if ready.at(LISTENER) {
            // However many speak, those who come are let in.
            self.accept(life, time, budget.max(1));
        }
        let status = &self.header.status;
        status.consumers.store(life.clients.consumers(), Relaxed);
        status
            .producers
            .store(u32::from(life.clients.producer().is_some()), Relaxed);
    }

    fn accept(&mut self, life: &mut Life, time: u64, most: usize) {
        for _ in 0..most {
            match self.listener.accept() {
                Ok(Some(socket)) => {
                    let refused = if self.has_place(life, &socket) {
                        life.clients.add(socket, time).err()
                    } else {
                        Some(socket)
                    };
                    if let Some(socket) = refused {
                        self.stats.count(Counter::ClientsRefused);
                        self.turn_away(&socket, Refusal::TooManyClients);
                    }
                }
                Ok(None) => break,
                Err(errno) => {
                    note!(warn, "cannot accept a client ({})", Explained(errno));
                    life.accept_again = time.saturating_add(u64::from(ACCEPT_PAUSE_MS) * MS);
                    break;
                }
            }
        }
    }

    /// Whether the last places are for this peer, too, or it does not take one of them.
    fn has_place(&self, life: &Life, socket: &OwnedFd) -> bool {
        life.clients.list().len() < CLIENTS - CLIENTS_RESERVED
            || trusted(socket, &self.settings.producers)
            || trusted(socket, &self.settings.changers)
    }

    /// One message of one client. Whether there may be more of the kind that are one with it.
    #[inline(never)]
    fn serve_client(&mut self, life: &mut Life, place: usize, time: u64) -> bool {
        let allowed = life.clients.meter.allows(time, 1);
        let shunned = self.shuns(life, place, time);
        let Some(client) = life.clients.get_mut(place) else {
            return false;
        };
        // Only who may import may send descriptors at all, and to connect is not enough for that.
        let imports = matches!(client.role, Role::Producer { .. })
            && self.settings.import
            && trusted(&client.socket, &self.settings.producers);
        let (socket, cost) = (&client.socket, &mut client.cost);
        let received = charged(cost, allowed, || match imports {
            true => receive(socket),
            false => receive_plain(socket),
        });
        let (message, descriptors) = match received {
            Ok(Received::Message(message, descriptors)) => (message, descriptors),
            Ok(Received::Nothing) => return false,
            Ok(Received::Garbage) => {
                self.refuse(life, place, Refusal::BadMessage);
                return false;
            }
            Ok(Received::Closed) | Err(_) => {
                self.leave(life, place, time);
                return false;
            }
        };
        let answer = match (message, &client.role) {
            (_, Role::New) if shunned => Err(Refusal::Costly),
            (message, Role::New) if !self.allows(&message, &client.socket) => {
                Err(Refusal::NotAllowed)
            }
            (Message::Change(change), Role::New) => match self.change(life, change) {
                Ok(outcome) => {
                    self.answer(life, place, outcome);
                    Ok(())
                }
                Err(refusal) => Err(refusal),
            },
            (Message::Change(Change::KeyFrame), Role::Consumer(_) | Role::Producer { .. }) => {
                client.deaf_until = time.saturating_add(u64::from(KEY_FRAME_PAUSE_MS) * MS);
                self.want_key_frame(life);
                return true;
            }
            (Message::Produce(wish), Role::New) => self
                .may_produce(life)
                .and_then(|()| self.wish(life, place, &wish)),
            (Message::Import(_), Role::Producer { .. }) if descriptors.is_empty() => {
                // It need not say so more often.
                client.deaf_until = time.saturating_add(u64::from(KEY_FRAME_PAUSE_MS) * MS);
                if life.may_tell(time) {
                    note!(warn, "a producer offers memory and may not: it has to copy");
                }
                self.reclaim();
                self.admit_producer(life, place)
            }
            (Message::Import(offer), Role::Producer { .. }) => {
                self.offered(life, place, &offer, descriptors)
            }
            (Message::Consume { wake }, Role::New) => self.admit_consumer(client, wake),
            (Message::Observe, Role::New) => {
                client.role = Role::Observer;
                self.send_ring(client, None)
            }
            (Message::Finish, Role::Producer { .. }) => {
                self.finish_producer(life, time);
                Ok(())
            }
            _ => Err(Refusal::BadMessage),
        };
        if let Err(refusal) = answer {
            self.refuse(life, place, refusal);
        }
        false
    }

    /// Whether there is room for a producer.
    fn may_produce(&self, life: &Life) -> Result<(), Refusal> {
        if life.ending || (self.settings.once && life.finished) {
            return Err(Refusal::Ending);
        }
        if life.phase != Phase::Running && !life.flushing() {
            return Err(Refusal::Busy);
        }
        if self.camera.is_some() {
            return Err(Refusal::CameraFeeds);
        }
        if life.clients.producer().is_some() {
            return Err(Refusal::ProducerPresent);
        }
        if life.away.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// Whether the client is of a user who is refused for what its clients cost.
    fn shuns(&self, life: &Life, place: usize, time: u64) -> bool {
        let uid = || {
            let socket = &life.clients.list().get(place)?.socket;
            peer_uid(socket).ok()
        };
        life.clients.shuns(uid, time)
    }

    /// Disconnects a client whose wake-ups take too long, and refuses its user for a while, unless it is one that is trusted.
    fn disconnect_costly(&mut self, life: &mut Life, place: usize, time: u64) {
        let Some(client) = life.clients.get_mut(place) else {
            return;
        };
        let uid = peer_uid(&client.socket).unwrap_or(u32::MAX);
        let trusts = trusted(&client.socket, &self.settings.producers)
            || trusted(&client.socket, &self.settings.changers);
        if life.may_tell(time) {
            note!(
                warn,
                "a client of user {uid} is disconnected: {}",
                Refusal::Costly.text()
            );
        }
        if !trusts {
            life.clients.shun(uid, time);
        }
        self.refuse(life, place, Refusal::Costly);
    }

    /// Whether the peer may ask for this. Where nobody is named, whoever may connect may: a socket's file has a mode and a folder for
    /// that, an abstract name has nothing, so it is for root, the engine's own user and users named for either right.
    fn allows(&self, message: &Message, socket: &OwnedFd) -> bool {
        let (producers, changers) = (&self.settings.producers, &self.settings.changers);
        match message {
            Message::Produce(_) if !producers.all() => trusted(socket, producers),
            Message::Change(_) if !changers.all() => trusted(socket, changers),
            _ => {
                !self.settings.abstract_socket
                    || trusted(socket, producers)
                    || trusted(socket, changers)
            }
        }
    }

    pub(super) fn admit_producer(&mut self, life: &mut Life, place: usize) -> Result<(), Refusal> {
        let (Ok((filled, held)), Ok((refill, free))) = (new_wake(), new_wake()) else {
            return Err(Refusal::Resources);
        };
        let client = life.clients.get_mut(place).ok_or(Refusal::BadMessage)?;
        self.memory.attach().map_err(|_| Refusal::Resources)?;
        let (message, descriptors) = self.memory.invitation(held.as_fd(), refill.as_fd());
        let sent = send(&client.socket, &message, &descriptors);
        drop(descriptors);
        sent.map_err(|_| Refusal::Resources)?;
        self.memory.given_to(peer_uid(&client.socket).ok());
        client.role = Role::Producer { filled, held, free };
        self.pipeline.attach();
        life.expected = None;
        life.left = false;
        self.stats.count(Counter::Producers);
        self.give_slots(life, now());
        Ok(())
    }

    fn admit_consumer(&self, client: &mut Client, wants_wake: bool) -> Result<(), Refusal> {
        let (read, write) = if wants_wake {
            let (read, write) = new_wake().map_err(|_| Refusal::Resources)?;
            (Some(read), Some(write))
        } else {
            (None, None)
        };
        self.send_ring(client, read.as_ref())?;
        client.role = Role::Consumer(write);
        self.stats.count(Counter::Consumers);
        Ok(())
    }

    fn send_ring(&self, client: &Client, wake: Option<&OwnedFd>) -> Result<(), Refusal> {
        let message = Message::Packets {
            wake: wake.is_some(),
        };
        let mut list = ArrayVec::<BorrowedFd<'_>, 2>::new();
        list.push(self.packets.as_fd());
        list.extend(wake.map(AsFd::as_fd));
        send(&client.socket, &message, &list).map_err(|_| Refusal::Resources)
    }

    /// The producer says that it is done; it stays until its frames are accounted for.
    fn finish_producer(&mut self, life: &mut Life, time: u64) {
        if let Some((place, _, _)) = life.clients.producer()
            && !self.drain_commits(time)
        {
            return self.cut_off(life, place, Refusal::BadFrameRing);
        }
        self.producer_left(life, time);
    }

    /// A client is gone, on its own account.
    fn leave(&mut self, life: &mut Life, place: usize, time: u64) {
        let producer = life.clients.producer().is_some_and(|(at, ..)| at == place);
        if producer {
            // What it committed before it went is a frame like any other; nonsense is nobody's.
            let _ = self.drain_commits(time);
        }
        self.dismiss(life, place, time);
        if producer {
            self.reclaim();
            self.producer_left(life, time);
        }
    }

    /// Takes a client off the list. One that waits with memory of its own was the producer.
    fn dismiss(&mut self, life: &mut Life, place: usize, time: u64) -> Client {
        let client = life.clients.remove(place);
        let offered = life.request.as_ref().is_some_and(Request::offers);
        if offered && matches!(client.role, Role::Waiting) {
            self.producer_left(life, time);
        }
        client
    }

    pub(super) fn producer_left(&mut self, life: &mut Life, time: u64) {
        life.finished = true;
        life.left = true;
        if self.settings.once {
            self.begin_end(life, time);
        }
    }

    pub(super) fn reclaim(&mut self) {
        let slots = self.pipeline.reclaim();
        self.stats.add(Counter::SlotsReclaimed, u64::from(slots));
    }

    /// What came of a change; the connection has done its work.
    fn answer(&mut self, life: &mut Life, place: usize, outcome: Outcome) {
        let client = life.clients.remove(place);
        // Whoever did not wait for the answer got the change all the same.
        let _ = send(&client.socket, &Message::Changed(outcome), &[]);
    }

    /// Ends a connection with a reason; counts it.
    pub(super) fn refuse(&mut self, life: &mut Life, place: usize, refusal: Refusal) {
        if life.clients.producer().is_some_and(|(at, ..)| at == place) {
            return self.cut_off(life, place, refusal);
        }
        self.stats.count(Counter::ClientsRefused);
        let client = self.dismiss(life, place, now());
        self.turn_away(&client.socket, refusal);
    }

    /// Tells a client why its connection ends, and counts the reason.
    pub(super) fn turn_away(&self, socket: &OwnedFd, reason: Refusal) {
        let first = Counter::RefusedProducerPresent;
        self.stats.count_behind(first, reason as usize - 1);
        // Whether it hears it is its own affair.
        let _ = send(socket, &Message::Refused(reason), &[]);
    }

    /// Ends the producer's connection because of what it did.
    pub(super) fn cut_off(&mut self, life: &mut Life, place: usize, refusal: Refusal) {
        if life.may_tell(now()) {
            note!(warn, "the producer is cut off: {}", refusal.text());
        }
        self.stats.count(Counter::ProducersCutOff);
        let client = life.clients.remove(place);
        self.turn_away(&client.socket, refusal);
        self.reclaim();
        self.producer_left(life, now());
    }
}
