//! Simulated controllers: changes of a running engine, as `framemill ctl` asks for them.

use rustix::fd::OwnedFd;
use std::rc::Rc;

use super::actors::{Actor, dial, is_quiet, since, trace, violated, waited};
use super::clock;
use super::random::Random;
use super::world;
use crate::control::message::{Change, Message};
use crate::control::socket::{Received, receive, send};
use crate::limits::ANSWER_MS;
use crate::time::MS;
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD,
    CID_MPEG_VIDEO_H264_LEVEL,
};

/// How a controller behaves.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) after: u64,
    pub(super) interval: u64,
    /// After so many changes it asks for the end.
    pub(super) drains_after: Option<u64>,
}

/// A controller.
pub(super) struct Controller {
    socket: Rc<[u8]>,
    manner: Manner,
    asked: Option<(OwnedFd, (u64, u64))>,
    changes: u64,
    next: u64,
    random: Random,
}

impl Controller {
    pub(super) fn new(socket: Rc<[u8]>, manner: Manner, random: Random) -> Self {
        Self {
            socket,
            next: clock::BEGIN + manner.after,
            manner,
            asked: None,
            changes: 0,
            random,
        }
    }

    fn change(&mut self) -> Change {
        self.changes += 1;
        if self
            .manner
            .drains_after
            .is_some_and(|after| self.changes > after)
        {
            world::with(|kernel| kernel.shared.drained = true);
            return Change::Drain;
        }
        let bits = self
            .random
            .pick(&[25_000, 1_000_000, 4_000_000, 90_000_000]);
        match self.random.below(7) {
            0 | 1 => Change::KeyFrame,
            2 => Change::Bitrate(bits),
            3 => Change::Gop(self.random.pick(&[1, 2, 10, 60])),
            4 => Change::ControlId(CID_MPEG_VIDEO_BITRATE, bits.into()),
            5 => {
                let ids = [
                    CID_MPEG_VIDEO_H264_LEVEL,
                    CID_MPEG_VIDEO_GOP_SIZE,
                    CID_MPEG_VIDEO_H264_I_PERIOD,
                ];
                Change::ControlId(self.random.pick(&ids), 5)
            }
            _ => {
                let mut name = [0; 32];
                name[..13].copy_from_slice(b"video_bitrate");
                Change::FindControl(name)
            }
        }
    }
}

impl Actor for Controller {
    fn next(&self) -> u64 {
        self.next
    }

    fn step(&mut self, now: u64) {
        self.next = now + self.manner.interval;
        let Some((socket, asked)) = self.asked.take() else {
            if is_quiet() {
                self.next = u64::MAX;
                return;
            }
            let change = self.change();
            if let Ok(socket) = dial(&self.socket)
                && send(&socket, &Message::Change(change), &[]).is_ok()
            {
                trace(format_args!("a controller asks for {change:?}"));
                self.asked = Some((socket, since(now)));
                self.next = now + 5 * MS;
            }
            return;
        };
        match receive(&socket) {
            Ok(Received::Nothing) => {
                if waited(asked, now) > u64::from(ANSWER_MS) * MS {
                    violated(format_args!("a controller got no answer"));
                }
                self.next = now + 5 * MS;
                self.asked = Some((socket, asked));
            }
            Ok(Received::Message(answer, _)) => {
                trace(format_args!("a controller hears {answer:?}"))
            }
            // An engine that ends does not hear everybody.
            Ok(Received::Closed) | Err(_) => {}
            Ok(Received::Malformed) => violated(format_args!("a controller got garbage")),
        }
    }
}
