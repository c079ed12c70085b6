//! What must hold in every run: the look at everything after each turn.

use std::format;
use std::string::String;

use super::clock;
use super::escalation::{Counts, Escalation};
use super::packets::Packets;
use super::watching::{Idle, Look};
use super::world;
use crate::exit::Exit;
use crate::limits::COUNTERS;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::State;
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;

/// Calls on devices in a turn in which no queue is set up: eight coded buffers dequeued and given back, 32 slots dequeued, queued and
/// made key frames, as many of a camera, and some of each kind to learn that there are no more.
const CALLS_OF_A_TURN: u32 = 2 * 8 + 3 * 32 + 2 * 32 + 16;
/// The same where the encoder or camera is set up, twice where a change is taken back: controls, formats, and three calls for each of 64 buffers.
const CALLS_OF_A_SETUP: u32 = 2 * (3 * 64 + 600);
/// Turns in a second of virtual time: no plan has a tenth as many events.
const TURNS_OF_A_SECOND: u64 = 12_000;

/// Looks at everything after each turn.
pub(super) struct Judge {
    pub(super) packets: Packets,
    escalation: Escalation,
    stall_ns: u64,
    generation: u32,
    /// The second that is counted, and the turns in it.
    second: (u64, u64),
    idle: Idle,
    /// The engine has to have ended by then, virtual ns.
    pub(super) end_by: u64,
}

impl Judge {
    pub(super) fn new(packets: Packets, stall_ns: u64, idle_ns: Option<u64>) -> Self {
        Self {
            packets,
            escalation: Escalation::default(),
            stall_ns,
            generation: 0,
            second: (0, 0),
            idle: Idle::new(idle_ns),
            end_by: u64::MAX,
        }
    }

    /// The engine begins to wait.
    pub(super) fn turn(&mut self, turns: u64) {
        let now = clock::now().unwrap_or(0);
        world::with(|kernel| {
            let calls = core::mem::take(&mut kernel.calls_in_turn);
            let set_up = core::mem::take(&mut kernel.set_up_in_turn);
            let most = if set_up || turns == 1 {
                CALLS_OF_A_SETUP
            } else {
                CALLS_OF_A_TURN
            };
            let missing = kernel.captures_missing();
            let shared = &mut kernel.shared;
            if missing > 0 {
                shared.violated(format_args!("the encoder lacks {missing} CAPTURE buffers"));
            }
            if calls > most {
                shared.violated(format_args!("{calls} calls in one turn"));
            }
            if now / (1000 * MS) != self.second.0 {
                self.second = (now / (1000 * MS), 0);
            }
            self.second.1 += 1;
            if self.second.1 > TURNS_OF_A_SECOND {
                shared.violated(format_args!("{} turns within a second", self.second.1));
            }
            if now > self.end_by {
                shared.violated(format_args!("the engine does not end"));
            }
            self.packets.read(kernel);
        });
        let Some(header) = self.packets.header() else {
            return;
        };
        let unbalanced = header.counters[Counter::Unbalanced as usize].load(Relaxed);
        let generation = header.status.generation.load(Relaxed);
        let counts = Counts {
            packets: self.count(Counter::Packets),
            restarts: self.count(Counter::Restarts),
            reopens: self.count(Counter::Reopens),
        };
        if self.packets.camera {
            let committed = self.count(Counter::FramesCommitted);
            world::with(|kernel| kernel.check_counted(committed));
        }
        world::with(|kernel| {
            let shared = &mut kernel.shared;
            self.escalation.turn(counts, now, self.stall_ns, shared);
            if unbalanced != 0 {
                shared.violated(format_args!(
                    "frames are not accounted for: {}",
                    kernel.last_line
                ));
            }
            if generation < self.generation {
                shared.violated(format_args!(
                    "generation {generation} after {}",
                    self.generation
                ));
            }
        });
        self.generation = generation;
        let look = Look {
            state: header.status.state.load(Relaxed),
            consumers: header.status.consumers.load(Relaxed),
            held: header.cursors.head.load(Relaxed) - header.cursors.tail.load(Relaxed),
            packets: counts.packets,
        };
        world::with(|kernel| self.idle.turn(look, now, kernel));
        if look.state == State::Idle as u32 {
            self.packets.begins_again = true;
        }
    }

    /// All counters.
    pub(super) fn counters(&self) -> [u64; COUNTERS] {
        let header = self.packets.header();
        header.map_or([0; COUNTERS], |header| {
            core::array::from_fn(|at| header.counters[at].load(Relaxed))
        })
    }

    /// One of them.
    pub(super) fn count(&self, counter: Counter) -> u64 {
        let header = self.packets.header();
        header.map_or(0, |header| header.counters[counter as usize].load(Relaxed))
    }

    /// The engine ended: gives what is wrong with how it left everything.
    pub(super) fn end(&mut self, exit: Exit) -> Result<(), String> {
        world::with(|kernel| self.packets.read(kernel));
        let violation = world::with(|kernel| kernel.shared.violation.clone()).flatten();
        if let Some(violation) = violation {
            return Err(violation);
        }
        let last_line = world::with(|kernel| kernel.last_line.clone()).unwrap_or_default();
        if exit != Exit::Success && last_line.is_empty() {
            return Err(format!("exit {exit:?} without a sentence"));
        }
        let Some(header) = self.packets.header() else {
            return Ok(());
        };
        let state = header.status.state.load(Relaxed);
        if state == State::Starting as u32 {
            return Ok(());
        }
        if state != State::Ended as u32 {
            return Err(format!("the state at the end is {}", State::name(state)));
        }
        if !self.packets.ended {
            return Err("there is no end mark".into());
        }
        let dropped: u64 = DROPS.iter().map(|&drop| self.count(drop)).sum();
        let (committed, published) = (
            self.count(Counter::FramesCommitted),
            self.count(Counter::FramesPublished),
        );
        if committed != published + dropped {
            return Err(format!(
                "{committed} frames in, {published} published, {dropped} dropped"
            ));
        }
        let (packets, matched) = (self.count(Counter::Packets), self.packets.matched);
        if packets != self.packets.count || published != matched {
            return Err(format!(
                "{packets} packets and {published} frames counted, {} and {matched} seen",
                self.packets.count
            ));
        }
        let commits = world::with(|kernel| kernel.shared.frames.commits).unwrap_or(0);
        let dequeued = world::with(|kernel| kernel.shared.frames.dequeued).unwrap_or(0);
        if self.packets.camera && committed != dequeued {
            return Err(format!(
                "{dequeued} frames were taken from the camera, {committed} frames counted"
            ));
        }
        let cut_off = self.count(Counter::ProducersCutOff);
        if committed > commits || committed < commits && cut_off == 0 && !self.packets.camera {
            return Err(format!(
                "{commits} frames were committed, {committed} taken"
            ));
        }
        Ok(())
    }
}
