//! The whole engine on a simulated kernel: `framemill run` as it is, in virtual time, repeatable from a seed. Only in tests.
//!
//! The boundary to the kernel is simulated, so everything above it runs: the start, the V4L2 sessions, recovery, clients. The functions
//! of this file are the hooks; product code calls each at one place. Devices and clocks are the world's; sockets, memfds and mappings are
//! real. Where the thread has no world, a hook gives `None`, and the real kernel is asked.
//!
//! One thread: actors (producers, consumers, strangers, the plan's events) act while the engine waits. Knows nothing of the engine's inside:
//! what is judged is what other processes see, and the calls that the engine makes.

mod actors;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod board_plans;
mod camera;
mod chain;
#[cfg(test)]
mod chain_plans;
#[cfg(test)]
mod chain_tests;
mod clock;
mod coded;
mod consumer;
mod controller;
#[cfg(test)]
mod converter_plans;
mod decoder;
#[cfg(test)]
mod decoder_tests;
mod device;
mod drawing;
mod encoder;
mod escalation;
mod event;
mod exam;
mod faults;
mod format;
mod frames;
#[cfg(test)]
mod idle_plans;
mod jpeg;
mod judge;
mod kernel;
mod memory;
#[cfg(test)]
mod named;
mod natures;
mod node;
mod packets;
#[cfg(test)]
mod passing_plans;
#[cfg(test)]
mod plans;
mod producer;
mod queue;
mod random;
#[cfg(test)]
mod recovery_plans;
mod runner;
mod scenario;
mod shared;
mod shrink;
mod stage;
#[cfg(test)]
mod stage_plans;
mod stranger;
mod supervisor;
#[cfg(test)]
mod tests;
mod watching;
mod webcam;
mod world;

use core::any::Any;
use core::ffi::CStr;
use core::fmt;

use std::string::ToString;

use rustix::event::{PollFd, PollFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io;

use crate::v4l2::abi::{ExtControl, Plane};

/// The virtual time, ns; `None` where this thread has no world.
pub(crate) fn now() -> Option<u64> {
    clock::now()
}

/// Sleeps for `ns` in virtual time. False where this thread has no world.
pub(crate) fn pause(ns: u64) -> bool {
    let simulated = now().is_some();
    if simulated {
        clock::advance(ns);
    }
    simulated
}

/// What the next descriptor that is added to the set is waited for.
pub(crate) fn waits_for(flags: PollFlags) {
    stage::waits_for(flags);
}

/// ppoll(2): a bit for each place of `set` at which something happened.
pub(crate) fn wait(set: &mut [PollFd<'_>], deadline_ns: u64) -> Option<io::Result<u64>> {
    now()?;
    Some(stage::wait(set, deadline_ns))
}

/// open(2) of a device node.
pub(crate) fn open(path: &CStr) -> Option<io::Result<OwnedFd>> {
    world::with(|kernel| kernel.open(path))
}

/// ioctl(2). `planes` and `control` are what addresses in `argument` lead to.
pub(crate) fn ioctl(
    fd: BorrowedFd<'_>,
    number: u32,
    argument: &mut dyn Any,
    planes: &mut [Plane],
    control: Option<&mut ExtControl>,
) -> Option<io::Result<()>> {
    world::with(|kernel| kernel.ioctl(fd, number, argument, planes, control)).flatten()
}

/// signalfd(2): the end to read of what the world sends signals by.
pub(crate) fn signals() -> Option<OwnedFd> {
    world::with(|kernel| kernel.signals.take()).flatten()
}

/// The engine made shared memory.
pub(crate) fn made(name: &CStr, fd: &OwnedFd) {
    world::with(|kernel| kernel.made(name, fd));
}

/// Bytes of memory that are free.
pub(crate) fn free_memory() -> Option<u64> {
    world::with(|kernel| kernel.free_memory)
}

/// The engine wrote a line to its log. False where this thread has no world.
pub(crate) fn logged(line: &fmt::Arguments<'_>) -> bool {
    let simulated = now().is_some();
    if simulated {
        // Whatever is asked while it is written out is asked of the world, too.
        let line = line.to_string();
        world::with(|kernel| kernel.logged(line));
    }
    simulated
}
