//! Simulated consumers, and the exam of an engine with a camera.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::rc::Rc;
use std::vec::Vec;

use super::actors::{Actor, dial, is_quiet, since, trace, violated, waited};
use super::clock;
use super::random::Random;
use super::world;
use crate::client::{Next, PacketConsumer, Start};
use crate::control::message::Message;
use crate::control::socket::{Received, receive, send};
use crate::limits::ANSWER_MS;
use crate::shm::layout::flag;
use crate::time::MS;

/// How a consumer behaves.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) after: u64,
    /// From one look to the next, ns.
    pub(super) interval: u64,
    pub(super) start: Start,
    /// It leaves after so many looks, and comes again.
    pub(super) leaves_after: u64,
    /// Out of 1000 looks so many ask for a key frame.
    pub(super) asks: u32,
}

enum State {
    Away,
    Asking(OwnedFd, (u64, u64)),
    Here(PacketConsumer),
    Gone,
}

/// A consumer.
pub(super) struct Consumer {
    socket: Rc<[u8]>,
    manner: Manner,
    state: State,
    next: u64,
    looks: u64,
    /// The next packet is its first, or its first after a lap.
    fresh: bool,
    last: Option<u64>,
    bytes: Vec<u8>,
    random: Random,
}

impl Consumer {
    pub(super) fn new(socket: Rc<[u8]>, manner: Manner, random: Random) -> Self {
        Self {
            socket,
            next: clock::BEGIN + manner.after,
            manner,
            state: State::Away,
            looks: 0,
            fresh: true,
            last: None,
            bytes: Vec::new(),
            random,
        }
    }

    /// One that comes now and does not leave.
    pub(super) fn watching(socket: Rc<[u8]>, now: u64) -> Self {
        let manner = Manner {
            after: now - clock::BEGIN,
            interval: 50 * MS,
            start: Start::Key,
            leaves_after: u64::MAX,
            asks: 0,
        };
        Self::new(socket, manner, Random::new(0))
    }

    fn hear(&mut self, socket: OwnedFd, asked: (u64, u64), now: u64) {
        match receive(&socket) {
            Ok(Received::Nothing) => {
                if waited(asked, now) > u64::from(ANSWER_MS) * MS {
                    violated(format_args!("a consumer got no answer"));
                }
                self.state = State::Asking(socket, asked);
            }
            Ok(Received::Message(answer @ Message::Packets { .. }, descriptors)) => {
                match PacketConsumer::admitted(socket, answer, descriptors, self.manner.start) {
                    Ok(consumer) => {
                        self.bytes.resize(consumer.largest_packet(), 0);
                        (self.fresh, self.last, self.looks) = (true, None, 0);
                        self.state = State::Here(consumer);
                    }
                    Err(error) => {
                        violated(format_args!("a consumer cannot use what it got: {error:?}"))
                    }
                }
            }
            other => {
                trace(format_args!("a consumer is refused: {other:?}"));
                self.state = State::Away;
                self.next = now + 500 * MS;
            }
        }
    }

    fn look(&mut self, mut consumer: PacketConsumer, now: u64) {
        let signalled = match recv(consumer.event(), &mut [0; 64], RecvFlags::DONTWAIT) {
            Ok((0, _)) => None,
            Ok(_) => Some(true),
            Err(Errno::AGAIN) => Some(false),
            Err(_) => None,
        };
        let mut came = false;
        loop {
            match consumer.next(&mut self.bytes) {
                Next::Packet(packet) => {
                    came = true;
                    let key = packet.flags & (flag::KEY | flag::END) != 0;
                    if self.fresh && self.manner.start == Start::Key && !key {
                        violated(format_args!("a consumer begins with {packet:?}"));
                    }
                    if self.last.is_some_and(|last| packet.sequence <= last) {
                        violated(format_args!(
                            "a consumer got {packet:?} after {:?}",
                            self.last
                        ));
                    }
                    (self.fresh, self.last) = (false, Some(packet.sequence));
                }
                Next::Lapped(_) => self.fresh = true,
                Next::Empty => break,
                Next::TooSmall(bytes) => {
                    violated(format_args!(
                        "a packet of {bytes} bytes is larger than the ring"
                    ));
                    break;
                }
            }
        }
        if came && signalled == Some(false) && self.looks > 0 {
            violated(format_args!("packets came, and nobody woke the consumer"));
        }
        self.looks += 1;
        if signalled.is_none() || self.looks > self.manner.leaves_after {
            trace(format_args!("a consumer leaves"));
            self.state = State::Away;
            self.next = now + 300 * MS;
            return;
        }
        if self.random.chance(self.manner.asks) {
            let _ = consumer.request_key_frame();
        }
        self.state = State::Here(consumer);
    }
}

impl Actor for Consumer {
    fn next(&self) -> u64 {
        match self.state {
            State::Gone => u64::MAX,
            _ => self.next,
        }
    }

    fn step(&mut self, now: u64) {
        self.next = now + self.manner.interval;
        match core::mem::replace(&mut self.state, State::Gone) {
            State::Away if is_quiet() && self.manner.leaves_after != u64::MAX => {}
            State::Away => {
                self.state = State::Away;
                self.next = now + 50 * MS;
                if let Ok(socket) = dial(&self.socket)
                    && send(&socket, &Message::Consume { wake: true }, &[]).is_ok()
                {
                    self.state = State::Asking(socket, since(now));
                    self.next = now + 5 * MS;
                }
            }
            State::Asking(socket, asked) => self.hear(socket, asked, now),
            State::Here(consumer) => self.look(consumer, now),
            State::Gone => {}
        }
    }
}

/// Packets that have to come of the camera's frames when nothing is wrong any more.
const EXAM_PACKETS: u64 = 10;
/// How long they may take, ns.
const EXAM_PATIENCE: u64 = 90_000 * MS;

/// Whether packets come again.
pub(super) struct CameraExam {
    began: u64,
    first: u64,
    next: u64,
}

impl CameraExam {
    pub(super) fn new(now: u64) -> Self {
        let first = world::with(|kernel| kernel.shared.seen).unwrap_or(0);
        Self {
            began: now,
            first,
            next: now,
        }
    }
}

impl Actor for CameraExam {
    fn next(&self) -> u64 {
        self.next
    }

    fn step(&mut self, now: u64) {
        self.next = now + 50 * MS;
        let seen = world::with(|kernel| kernel.shared.seen).unwrap_or(0);
        if seen >= self.first + EXAM_PACKETS {
            world::with(|kernel| kernel.shared.passed = true);
            self.next = u64::MAX;
        } else if now - self.began > EXAM_PATIENCE {
            violated(format_args!(
                "{} packets came after everything was well again",
                seen - self.first
            ));
        }
    }
}
