//! Simulated producers: the client library on one end of real sockets and memory, in steps that never wait.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec::Vec;

use super::actors::{Actor, dial, is_quiet, since, trace, violated, waited};
use super::clock;
use super::drawing::{commit, draw};
use super::memory::{pages, watched};
use super::random::Random;
use super::world;
use crate::client::{Buffers, ClientError, FrameProducer, HeldSlot, load_layout};
use crate::control::message::{FormatRequest, Message, Offer, Refusal};
use crate::control::socket::{Descriptors, Received, receive, send};
use crate::limits::ANSWER_MS;
use crate::shm::map::FrameMap;
use crate::time::MS;

/// How long a producer waits for slots, or for its accounts, before the engine is at fault, ns of time in which the engine could act.
const PATIENCE: u64 = 45_000 * MS;

/// How a producer behaves.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// It comes so long after the beginning, ns.
    pub(super) after: u64,
    pub(super) interval: u64,
    /// Frames of one attachment.
    pub(super) frames: u64,
    pub(super) requested: FormatRequest,
    /// It offers memory of its own; whether rows lie as the encoder has them.
    pub(super) offers: Option<bool>,
    /// It draws for so long, ns.
    pub(super) draws: u64,
    /// After each so many frames it waits until it has every slot.
    pub(super) gathers: Option<u64>,
    /// It dies with a slot in hand after so many frames.
    pub(super) dies_after: Option<u64>,
    /// It says that it is done, and waits for its accounts.
    pub(super) finishes: bool,
    /// So often it comes again.
    pub(super) returns: u32,
    /// The same timestamp for each frame.
    pub(super) constant_time: bool,
}

enum State {
    Away,
    Asking(OwnedFd),
    Offering(OwnedFd, Buffers),
    Here(FrameProducer),
    Finishing(FrameProducer),
    Gone,
}

/// A producer.
pub(super) struct Producer {
    socket: Rc<[u8]>,
    manner: Manner,
    state: State,
    next: u64,
    number: u32,
    left: u64,
    sent: u64,
    /// Slots with frames that are not committed yet, their numbers and timestamps.
    held: VecDeque<(HeldSlot, u64, u64)>,
    /// Slots to have before the next frame is committed.
    wants: usize,
    /// Since when it waits, virtual ns, and what calls had taken by then.
    since: (u64, u64),
    random: Random,
}

impl Producer {
    pub(super) fn new(socket: Rc<[u8]>, manner: Manner, random: Random) -> Self {
        Self {
            socket,
            next: clock::BEGIN + manner.after,
            state: State::Away,
            number: 0,
            left: 0,
            sent: 0,
            held: VecDeque::new(),
            wants: 1,
            since: (0, 0),
            random,
            manner,
        }
    }

    fn ask(&mut self, now: u64) {
        let Ok(socket) = dial(&self.socket) else {
            return;
        };
        if send(&socket, &Message::Produce(self.manner.requested), &[]).is_ok() {
            self.since = since(now);
            self.state = State::Asking(socket);
        }
    }

    /// What the engine answered, if it did.
    fn hear(&mut self, socket: OwnedFd, buffers: Option<Buffers>, now: u64) {
        match receive(&socket) {
            Ok(Received::Nothing) => {
                let late = waited(self.since, now) > u64::from(ANSWER_MS) * MS;
                if late {
                    trace(format_args!("a producer gives up"));
                    let excused = world::with(|kernel| !kernel.shared.liberties.none());
                    if excused == Some(false) {
                        violated(format_args!("a producer got no answer"));
                    }
                    return self.away(now);
                }
                self.state = match buffers {
                    Some(buffers) => State::Offering(socket, buffers),
                    None => State::Asking(socket),
                };
            }
            Ok(Received::Message(answer @ Message::Frames { .. }, descriptors)) => {
                match (self.manner.offers, buffers) {
                    (Some(fits), None) => self.offer(socket, &answer, &descriptors, fits, now),
                    (_, buffers) => self.attach(socket, answer, descriptors, buffers, now),
                }
            }
            other => {
                trace(format_args!("a producer is refused: {other:?}"));
                self.away(now);
            }
        }
    }

    fn attach(
        &mut self,
        socket: OwnedFd,
        answer: Message,
        descriptors: Descriptors,
        buffers: Option<Buffers>,
        now: u64,
    ) {
        match FrameProducer::join(socket, answer, descriptors, buffers.unwrap_or_default()) {
            Ok(producer) => {
                self.number = world::with(|kernel| kernel.shared.frames.attached()).unwrap_or(0);
                trace(format_args!(
                    "producer {} attaches, {} slots",
                    self.number,
                    producer.slots()
                ));
                (self.left, self.sent) = (self.manner.frames, 0);
                self.wants = 1;
                self.since = since(now);
                self.state = State::Here(producer);
            }
            Err(error) => {
                violated(format_args!("a producer cannot use what it got: {error:?}"));
                self.state = State::Gone;
            }
        }
    }

    /// Offers memory in place of the slots that it was given.
    fn offer(
        &mut self,
        socket: OwnedFd,
        answer: &Message,
        given: &Descriptors,
        fits: bool,
        now: u64,
    ) {
        let &Message::Frames {
            slots,
            memory_planes,
            ..
        } = answer
        else {
            return;
        };
        let Some(Ok(map)) = given.first().map(FrameMap::open) else {
            violated(format_args!("no frame ring came with the answer"));
            return;
        };
        let layout = load_layout(map.ring());
        let mut rows = layout.placement();
        if !fits {
            rows.bytesperline[0] += 16;
        }
        let mut buffers = Buffers::new();
        for _ in 0..slots {
            for &length in &layout.memory_length[..memory_planes as usize] {
                let (fd, handle) = watched(pages(length as usize));
                world::with(|kernel| kernel.offered(handle));
                buffers.push(fd);
            }
        }
        let offered: Vec<BorrowedFd<'_>> = buffers.iter().map(AsFd::as_fd).collect();
        let offer = Offer {
            slots,
            memory_planes,
            rows,
        };
        let sent = send(&socket, &Message::Import(offer), &offered);
        drop(offered);
        self.since = since(now);
        match sent {
            Ok(()) => self.state = State::Offering(socket, buffers),
            Err(_) => self.away(now),
        }
    }

    /// The connection is over.
    fn away(&mut self, now: u64) {
        self.held.clear();
        if self.manner.returns == 0 || is_quiet() {
            self.state = State::Gone;
            return;
        }
        self.manner.returns -= 1;
        self.state = State::Away;
        self.next = now + self.random.range(20, 600) * MS;
    }

    /// One frame, or a part of one.
    fn produce(&mut self, producer: FrameProducer, now: u64) {
        if self.held.len() >= self.wants.min(producer.slots() as usize) {
            return self.send(producer, now);
        }
        if (self.left == 0 || is_quiet()) && self.held.is_empty() {
            return self.stop(producer, now);
        }
        self.acquire(producer, now);
    }

    /// Commits a frame, or dies with it.
    fn send(&mut self, mut producer: FrameProducer, now: u64) {
        let dies = self.manner.dies_after == Some(self.sent);
        let Some((held, stamp, timestamp)) = self.held.pop_front() else {
            return;
        };
        if dies || commit(&mut producer, held, stamp, timestamp).is_err() {
            trace(format_args!(
                "producer {} dies, or its connection did",
                self.number
            ));
            drop(producer);
            return self.away(now);
        }
        self.sent += 1;
        self.left = self.left.saturating_sub(1);
        let gathers = self
            .manner
            .gathers
            .is_some_and(|often| self.sent.is_multiple_of(often));
        self.wants = if gathers && self.left > 0 {
            usize::MAX
        } else {
            1
        };
        self.since = since(now);
        self.next = now + self.manner.interval;
        self.state = State::Here(producer);
    }

    /// All frames were sent.
    fn stop(&mut self, producer: FrameProducer, now: u64) {
        self.since = since(now);
        if self.manner.finishes {
            self.state = State::Finishing(producer);
        } else {
            trace(format_args!("producer {} leaves", self.number));
            drop(producer);
            self.away(now);
        }
    }

    /// Draws a frame, if there is a slot.
    fn acquire(&mut self, mut producer: FrameProducer, now: u64) {
        let timestamp = if self.manner.constant_time { 7 } else { now };
        match draw(&mut producer, self.number, timestamp) {
            Ok(Some((held, stamp))) => {
                self.since = since(now);
                self.held.push_back((held, stamp, timestamp));
                self.next = now + self.manner.draws;
                self.state = State::Here(producer);
            }
            Ok(None) => {
                if waited(self.since, now) > PATIENCE {
                    let slots = producer.slots();
                    let (number, held) = (self.number, self.held.len());
                    violated(format_args!(
                        "producer {number} has {held} of {slots} slots"
                    ));
                }
                // Whoever waits for every slot sends what it has when everybody is to leave.
                self.wants = if is_quiet() { 1 } else { self.wants };
                self.next = now + self.manner.interval;
                self.state = State::Here(producer);
            }
            Err(error) => self.ended(error, now),
        }
    }

    /// Waits for the accounts.
    fn finish(&mut self, mut producer: FrameProducer, now: u64) {
        match producer.finish(Some(0)) {
            Ok(false) => {
                if waited(self.since, now) > PATIENCE {
                    let (accounts, sent) = (producer.accounts(), producer.committed());
                    violated(format_args!(
                        "producer {} waits for its accounts: {accounts:?} of {sent}",
                        self.number
                    ));
                }
                self.next = now + 20 * MS;
                self.state = State::Finishing(producer);
            }
            Ok(true) => {
                let (published, dropped) = producer.accounts();
                trace(format_args!(
                    "producer {}: {published} published, {dropped} dropped",
                    self.number
                ));
                if published + dropped != producer.committed() {
                    violated(format_args!(
                        "{published} published and {dropped} dropped of {}",
                        producer.committed()
                    ));
                }
                drop(producer);
                self.away(now);
            }
            Err(error) => self.ended(error, now),
        }
    }

    fn ended(&mut self, error: ClientError, now: u64) {
        trace(format_args!("producer {}: {error:?}", self.number));
        let odd = matches!(error, ClientError::Protocol | ClientError::System(..));
        if odd || error == ClientError::Refused(Refusal::BadMessage) {
            violated(format_args!(
                "producer {} cannot go on: {error:?}",
                self.number
            ));
        }
        self.away(now);
    }
}

impl Actor for Producer {
    fn next(&self) -> u64 {
        match self.state {
            State::Gone => u64::MAX,
            _ => self.next,
        }
    }

    fn step(&mut self, now: u64) {
        self.next = now + 5 * MS;
        match core::mem::replace(&mut self.state, State::Gone) {
            State::Away if is_quiet() => {}
            State::Away => {
                self.state = State::Away;
                self.next = now + 50 * MS;
                self.ask(now);
            }
            State::Asking(socket) => self.hear(socket, None, now),
            State::Offering(socket, buffers) => self.hear(socket, Some(buffers), now),
            State::Here(producer) => self.produce(producer, now),
            State::Finishing(producer) => self.finish(producer, now),
            State::Gone => {}
        }
    }
}
