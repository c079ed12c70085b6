//! Clients that are wrong or mean harm.

use rustix::fd::OwnedFd;
use rustix::net::{SendFlags, send as send_bytes};
use std::rc::Rc;

use super::actors::{Actor, dial, is_quiet, since, trace, violated, waited};
use super::clock;
use super::random::Random;
use crate::control::message::{Change, FormatRequest, Message};
use crate::control::socket::{Descriptors, Received, receive, send};
use crate::limits::HELLO_MS;
use crate::shm::atomic::Ordering::Release;
use crate::shm::frame_ring::{Entry, Pusher};
use crate::shm::map::FrameMap;
use crate::time::MS;

/// How long a connection that must end may stay, ns of time in which the engine could act.
const PATIENCE: u64 = HELLO_MS as u64 * MS + 1_000 * MS;

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Connects and says nothing.
    Silent,
    /// Sends what is no message.
    Garbage,
    /// Asks for key frames without end.
    Flood,
    /// Says what only a producer may say.
    OutOfTurn,
    /// Is let in as the producer, and writes an impossible cursor into the ring.
    BadCursor,
    /// Commits a slot that there is not.
    BadSlot,
}

impl Manner {
    pub(super) const ALL: [Self; 6] = [
        Self::Silent,
        Self::Garbage,
        Self::Flood,
        Self::OutOfTurn,
        Self::BadCursor,
        Self::BadSlot,
    ];
}

/// A stranger, again and again.
pub(super) struct Stranger {
    socket: Rc<[u8]>,
    manner: Manner,
    there: Option<OwnedFd>,
    /// What it was given as the producer.
    given: Option<Descriptors>,
    lied: bool,
    since: (u64, u64),
    next: u64,
    random: Random,
}

impl Stranger {
    pub(super) fn new(socket: Rc<[u8]>, manner: Manner, mut random: Random) -> Self {
        Self {
            socket,
            manner,
            there: None,
            given: None,
            lied: false,
            since: (0, 0),
            next: clock::BEGIN + random.range(100, 3000) * MS,
            random,
        }
    }

    fn come(&mut self, now: u64) {
        let Ok(socket) = dial(&self.socket) else {
            return;
        };
        let sent = match self.manner {
            Manner::Silent => Ok(()),
            Manner::Garbage => {
                let bytes = [self.random.next() as u8; 64];
                let length = self.random.range(1, 64) as usize;
                send_bytes(&socket, &bytes[..length], SendFlags::NOSIGNAL).map(|_| ())
            }
            Manner::Flood => send(&socket, &Message::Consume { wake: false }, &[]),
            Manner::OutOfTurn => send(&socket, &Message::Finish, &[]),
            Manner::BadCursor | Manner::BadSlot => {
                send(&socket, &Message::Produce(FormatRequest::default()), &[])
            }
        };
        if sent.is_ok() {
            self.since = since(now);
            self.lied = false;
            self.there = Some(socket);
        }
    }

    /// Writes what no producer writes.
    fn lie(&mut self) {
        let Some(given) = &self.given else { return };
        let (Some(Ok(map)), Some(wake)) = (given.first().map(FrameMap::open), given.get(1)) else {
            return;
        };
        let queue = &map.ring().filled;
        if self.manner == Manner::BadCursor {
            queue
                .head
                .store(self.random.range(40, u32::MAX.into()) as u32, Release);
        } else {
            let slot = self.random.pick(&[32, 33, 1 << 20, u32::MAX]);
            Pusher::default().push(
                queue,
                Entry {
                    slot,
                    ..Entry::default()
                },
            );
        }
        trace(format_args!("a stranger lies: {:?}", self.manner));
        let _ = send_bytes(wake, &[1], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        self.lied = true;
    }

    /// Whether it was sent away.
    fn hear(&mut self, socket: &OwnedFd) -> bool {
        match receive(socket) {
            Ok(Received::Nothing) => false,
            Ok(Received::Message(Message::Frames { .. }, given)) => {
                self.given = Some(given);
                false
            }
            Ok(Received::Message(Message::Packets { .. }, _)) => false,
            _ => true,
        }
    }
}

impl Actor for Stranger {
    fn next(&self) -> u64 {
        self.next
    }

    fn step(&mut self, now: u64) {
        self.next = now + 40 * MS;
        let Some(socket) = self.there.take() else {
            self.given = None;
            if is_quiet() {
                self.next = u64::MAX;
            } else {
                self.come(now);
            }
            return;
        };
        let gone = self.hear(&socket);
        let ends = match self.manner {
            Manner::Flood => {
                let _ = send(&socket, &Message::Change(Change::KeyFrame), &[]);
                false
            }
            Manner::BadCursor | Manner::BadSlot => {
                if self.given.is_some() && !self.lied {
                    self.lie();
                    self.since = since(now);
                }
                self.lied
            }
            _ => true,
        };
        if gone || is_quiet() {
            self.next = now + self.random.range(200, 2000) * MS;
            return;
        }
        if ends && waited(self.since, now) > PATIENCE {
            violated(format_args!(
                "a stranger is still served: {:?}",
                self.manner
            ));
        }
        self.there = Some(socket);
    }
}
