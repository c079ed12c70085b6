//! The exam of an engine that had troubles: when nothing is wrong any more, it has to work as if nothing had been.

use rustix::fd::OwnedFd;
use std::rc::Rc;
use std::vec::Vec;

use super::actors::{Actor, dial, trace, violated};
use super::drawing::{commit, draw};
use super::world;
use crate::client::{Buffers, FrameProducer, HeldSlot};
use crate::control::message::{FormatRequest, Message};
use crate::control::socket::{Received, receive, send};
use crate::time::MS;

/// How long an engine has to pass, virtual ns.
const PATIENCE: u64 = 90_000 * MS;
/// How long each try may take, virtual ns.
const TRY: u64 = 30_000 * MS;
/// Frames beside one for each slot.
const MORE_FRAMES: u64 = 8;
/// Frames that an encoder may keep, or lose in a drain.
const KEPT: u64 = 8;

enum State {
    Away,
    Asking(OwnedFd),
    /// Every slot has to be given to a producer when no frame is inside.
    Gathering(FrameProducer, Vec<(HeldSlot, u64)>),
    Producing(FrameProducer, u64),
    Finishing(FrameProducer),
    Done,
}

/// A producer that has to get every slot, and a packet for nearly each frame.
pub(super) struct Exam {
    socket: Rc<[u8]>,
    state: State,
    number: u32,
    began: u64,
    tried: u64,
    next: u64,
}

impl Exam {
    pub(super) fn new(socket: Rc<[u8]>, now: u64) -> Self {
        Self {
            socket,
            state: State::Away,
            number: 0,
            began: now,
            tried: now,
            next: now,
        }
    }

    fn ask(&mut self, now: u64) -> State {
        self.tried = now;
        match dial(&self.socket) {
            Ok(socket)
                if send(&socket, &Message::Produce(FormatRequest::default()), &[]).is_ok() =>
            {
                State::Asking(socket)
            }
            _ => State::Away,
        }
    }

    fn hear(&mut self, socket: OwnedFd) -> State {
        match receive(&socket) {
            Ok(Received::Nothing) => State::Asking(socket),
            Ok(Received::Message(answer @ Message::Frames { .. }, descriptors)) => {
                self.number = world::with(|kernel| kernel.shared.frames.attached()).unwrap_or(0);
                match FrameProducer::join(socket, answer, descriptors, Buffers::new()) {
                    Ok(producer) => State::Gathering(producer, Vec::new()),
                    Err(_) => State::Away,
                }
            }
            other => {
                trace(format_args!("the exam is refused: {other:?}"));
                State::Away
            }
        }
    }

    fn gather(
        &mut self,
        mut producer: FrameProducer,
        mut held: Vec<(HeldSlot, u64)>,
        now: u64,
    ) -> State {
        loop {
            match draw(&mut producer, self.number, now) {
                Ok(Some(one)) => held.push(one),
                Ok(None) => break,
                Err(_) => return State::Away,
            }
        }
        if held.len() < producer.slots() as usize {
            return State::Gathering(producer, held);
        }
        for (slot, stamp) in held {
            let timestamp =
                world::with(|kernel| kernel.shared.frames.get(stamp).map(|f| f.timestamp));
            let timestamp = timestamp.flatten().unwrap_or(0);
            if commit(&mut producer, slot, stamp, timestamp).is_err() {
                return State::Away;
            }
        }
        State::Producing(producer, MORE_FRAMES)
    }

    fn produce(&mut self, mut producer: FrameProducer, left: u64, now: u64) -> State {
        self.next = now + 33 * MS;
        if left == 0 {
            return State::Finishing(producer);
        }
        match draw(&mut producer, self.number, now) {
            Ok(Some((slot, stamp))) => match commit(&mut producer, slot, stamp, now) {
                Ok(()) => State::Producing(producer, left - 1),
                Err(_) => State::Away,
            },
            Ok(None) => State::Producing(producer, left),
            Err(_) => State::Away,
        }
    }

    fn finish(&mut self, mut producer: FrameProducer) -> State {
        match producer.finish(Some(0)) {
            Ok(false) => State::Finishing(producer),
            Ok(true) => {
                let (published, dropped) = producer.accounts();
                trace(format_args!(
                    "exam: {published} published, {dropped} dropped"
                ));
                if published + dropped != producer.committed() {
                    violated(format_args!(
                        "{published} and {dropped} of {}",
                        producer.committed()
                    ));
                }
                if published + KEPT < producer.committed() {
                    return State::Away;
                }
                world::with(|kernel| kernel.shared.passed = true);
                State::Done
            }
            Err(_) => State::Away,
        }
    }
}

impl Actor for Exam {
    fn next(&self) -> u64 {
        match self.state {
            State::Done => u64::MAX,
            _ => self.next,
        }
    }

    fn step(&mut self, now: u64) {
        self.next = now + 10 * MS;
        if now - self.began > PATIENCE {
            violated(format_args!(
                "the engine does not work again when nothing is wrong any more"
            ));
        }
        if now - self.tried > TRY {
            self.tried = now;
            self.state = State::Away;
        }
        self.state = match core::mem::replace(&mut self.state, State::Away) {
            State::Away => {
                self.next = now + 100 * MS;
                self.ask(now)
            }
            State::Asking(socket) => self.hear(socket),
            State::Gathering(producer, held) => self.gather(producer, held, now),
            State::Producing(producer, left) => self.produce(producer, left, now),
            State::Finishing(producer) => self.finish(producer),
            State::Done => State::Done,
        };
    }
}
