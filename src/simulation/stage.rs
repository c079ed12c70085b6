//! The stage on which actors act while the engine waits, and the events of the plan.

use core::cell::RefCell;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io;
use std::boxed::Box;
use std::rc::Rc;
use std::vec::Vec;

use super::actors::Actor;
use super::clock;
use super::consumer::{CameraExam, Consumer};
use super::event::Event;
use super::exam::Exam;
use super::judge::Judge;
use super::kernel::Kernel;
use super::world::{self, with};
use crate::time::MS;

std::thread_local! {
    static WANTED: RefCell<Vec<PollFlags>> = const { RefCell::new(Vec::new()) };
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// An engine that works ends within so long when it is told to, ns.
const END_NS: u64 = 30_000 * MS;

/// Everything that acts beside the engine.
pub(super) struct Stage {
    pub(super) actors: Vec<Box<dyn Actor>>,
    /// What happens when, soonest first.
    pub(super) timeline: Vec<(u64, Event)>,
    pub(super) judge: Judge,
    /// ppoll(2) fails until then.
    pub(super) poll_fails_until: u64,
    pub(super) turns: u64,
    /// The engine's socket.
    pub(super) socket: Rc<[u8]>,
    /// Where signals are written to.
    pub(super) signals: OwnedFd,
    /// The frames come from a camera.
    pub(super) camera: bool,
    /// The engine stops when nobody watches.
    pub(super) idles: bool,
    /// How often the engine was told to end.
    pub(super) told: u32,
}

/// The world begins.
pub(super) fn install(kernel: Kernel, stage: Stage) {
    world::install(kernel);
    STAGE.set(Some(stage));
}

/// Everybody, at the end of the world.
pub(super) fn take() -> Option<Stage> {
    STAGE.take()
}

/// What the next descriptor that is added to the set is waited for.
pub(super) fn waits_for(flags: PollFlags) {
    if clock::now().is_some() {
        WANTED.with_borrow_mut(|wanted| wanted.push(flags));
    }
}

/// Lets the world go on until something happens that the engine waits for, or its deadline comes.
#[expect(clippy::panic, reason = "how a run that went wrong ends")]
pub(super) fn wait(set: &mut [PollFd<'_>], deadline_ns: u64) -> io::Result<u64> {
    // Out of its place, because actors use hooks.
    let Some(mut stage) = STAGE.take() else {
        return Ok(0);
    };
    let mut wanted = WANTED.take();
    let answer = stage.wait(set, &wanted, deadline_ns);
    wanted.clear();
    WANTED.set(wanted);
    let violation = with(|kernel| kernel.shared.violation.clone()).flatten();
    STAGE.set(Some(stage));
    if let Some(violation) = violation {
        panic!("{violation}");
    }
    answer
}

impl Stage {
    fn wait(
        &mut self,
        set: &mut [PollFd<'_>],
        wanted: &[PollFlags],
        deadline: u64,
    ) -> io::Result<u64> {
        self.turns += 1;
        self.judge.turn(self.turns);
        let mut listen = true;
        // Nobody opens or closes a device while the engine waits.
        let places: Vec<Place> = set
            .iter()
            .zip(wanted)
            .map(|(fd, &wanted)| Place {
                file: with(|kernel| kernel.file(fd.as_fd())).flatten(),
                wanted,
            })
            .collect();
        loop {
            let now = clock::now().unwrap_or(0);
            listen |= self.act(now);
            if self.poll_fails_until > now {
                return Err(io::Errno::NOMEM);
            }
            let happened = happened(set, &places, listen)?;
            if happened != 0
                || now >= deadline
                || with(|k| k.shared.violation.is_some()) == Some(true)
            {
                return Ok(happened);
            }
            listen = false;
            let devices = with(|kernel| kernel.next()).unwrap_or(u64::MAX);
            let actors = self.actors.iter().map(|actor| actor.next()).min();
            let events = self.timeline.first().map(|(at, _)| *at);
            let next = devices
                .min(actors.unwrap_or(u64::MAX))
                .min(events.unwrap_or(u64::MAX));
            clock::set(next.min(deadline).max(now));
        }
    }

    /// Everybody does what is due. Whether anybody did something that a socket may tell.
    fn act(&mut self, now: u64) -> bool {
        let mut acted = false;
        while let Some((at, event)) = self.timeline.first().copied()
            && at <= now
        {
            self.timeline.remove(0);
            self.happen(event, now);
            acted = true;
        }
        with(|kernel| kernel.step());
        if self.told == 0 && with(|kernel| kernel.shared.passed) == Some(true) {
            self.terminate();
            self.judge.end_by = now + END_NS;
        }
        for actor in &mut self.actors {
            if actor.next() <= now {
                actor.step(now);
                acted = true;
            }
        }
        acted
    }

    /// What the plan says happens.
    fn happen(&mut self, event: Event, now: u64) {
        world::with(|kernel| {
            kernel.shared.trace(format_args!("{event:?}"));
            event.happen_to(kernel, now);
        });
        match event {
            Event::PollFails(ns) => self.poll_fails_until = now + ns,
            Event::Suspend(ns) => {
                clock::advance(ns);
                // Nobody waited for the engine meanwhile.
                world::with(|kernel| kernel.spent_ns += ns);
            }
            Event::Exam => self.begin_exam(now),
            Event::Terminate => self.terminate(),
            Event::EndWithin(ns) => self.judge.end_by = now + ns,
            _ => {}
        }
    }

    /// Tells the engine to stop.
    fn terminate(&mut self) {
        self.told += 1;
        let _ = rustix::io::write(&self.signals, &[0; 128]);
    }

    fn begin_exam(&mut self, now: u64) {
        let exam: Box<dyn Actor> = match self.camera {
            true => Box::new(CameraExam::new(now)),
            false => Box::new(Exam::new(self.socket.clone(), now)),
        };
        self.actors.push(exam);
        if self.idles {
            // An engine that nobody watches has nothing to show.
            let watcher = Consumer::watching(self.socket.clone(), now);
            self.actors.push(Box::new(watcher));
        }
    }
}

/// What is waited for at one place of the set.
struct Place {
    /// An open file of the kernel's.
    file: Option<usize>,
    wanted: PollFlags,
}

/// What happened at each place of the set. Sockets are asked only where they may have news.
fn happened(set: &mut [PollFd<'_>], places: &[Place], listen: bool) -> io::Result<u64> {
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if listen {
        poll(set, Some(&at_once))?;
    }
    let bits = with(|kernel| {
        let all = set.iter().zip(places).enumerate();
        all.map(|(at, (fd, place))| {
            let ready = match place.file {
                Some(file) => kernel.poll(file, place.wanted),
                None => listen && !fd.revents().is_empty(),
            };
            u64::from(ready) << at
        })
        .sum()
    });
    Ok(bits.unwrap_or(0))
}
