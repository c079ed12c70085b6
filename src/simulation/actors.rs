//! Who acts beside the engine, and what happens at a time that the plan says.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::boxed::Box;

use super::consumer::Consumer;
use super::exam::Exam;
use super::kernel::Kernel;
use super::world::{self, Stage};
use crate::time::MS;

/// Somebody who acts beside the engine.
pub(super) trait Actor {
    /// When it acts next, virtual ns.
    fn next(&self) -> u64;
    /// It acts.
    fn step(&mut self, now: u64);
}

/// What happens to a device, or to the engine's process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The device is taken away.
    Remove(usize),
    /// It is back.
    Return(usize),
    /// Another camera is at its node.
    Replace(usize),
    /// The camera is at another node.
    Move(usize),
    /// It cannot be opened for this reason, though it is there.
    Shut(usize, Errno),
    /// It does nothing for so long, ns.
    Hang(usize, u64),
    /// poll(2) reports errors for so long, ns.
    PollErrors(usize, u64),
    /// STREAMON and STREAMOFF take so long from now on, ns.
    Slow(usize, u64),
    /// The camera's signal is there, or not.
    Signal(usize, bool),
    /// So much memory is free, bytes.
    Memory(u64),
    /// ppoll(2) fails for so long, ns.
    PollFails(u64),
    /// The process is not scheduled for so long, ns.
    Suspend(u64),
    /// Everybody leaves.
    Quiet,
    /// What was broken is whole: it is seen whether the engine works.
    Exam,
    /// SIGTERM.
    Terminate,
    /// The engine has to have ended so long from now, ns.
    EndWithin(u64),
}

impl Event {
    /// It happens.
    pub(super) fn happen(self, stage: &mut Stage) {
        let now = world::now().unwrap_or(0);
        world::with(|kernel| {
            kernel.shared.trace(format_args!("{self:?}"));
            self.happen_to(kernel, now);
        });
        match self {
            Self::PollFails(ns) => stage.poll_fails_until = now + ns,
            Self::Suspend(ns) => world::advance(ns),
            Self::Exam => stage.begin_exam(now),
            Self::Terminate => stage.terminate(),
            Self::EndWithin(ns) => stage.judge.end_by = now + ns,
            _ => {}
        }
    }

    fn happen_to(self, kernel: &mut Kernel, now: u64) {
        match self {
            Self::Remove(node) => kernel.remove(node),
            Self::Return(node) => kernel.nodes[node].absent = None,
            Self::Replace(node) => kernel.replace(node),
            Self::Move(node) => kernel.nodes[node].path = c"/dev/video8",
            Self::Shut(node, errno) => {
                kernel.shared.liberties.removed = true;
                kernel.nodes[node].absent = Some(errno);
            }
            Self::Hang(node, ns) => {
                kernel.shared.liberties.hung = true;
                kernel.nodes[node].hangs_until = now.saturating_add(ns);
            }
            Self::PollErrors(node, ns) => {
                kernel.shared.liberties.hung = true;
                kernel.nodes[node].poll_error_until = now.saturating_add(ns);
            }
            Self::Slow(node, ns) => {
                kernel.shared.liberties.hung |= ns > 100 * MS;
                kernel.nodes[node].stream_ns = ns;
            }
            Self::Signal(node, signal) => {
                kernel.shared.liberties.lossy = true;
                kernel.nodes[node].signal = signal;
                kernel.with_cameras(node, |camera| camera.set_signal(signal));
            }
            Self::Memory(bytes) => {
                kernel.shared.liberties.faulted(Errno::NOMEM);
                kernel.free_memory = bytes;
            }
            Self::Quiet => kernel.shared.quiet = true,
            _ => {}
        }
    }
}

impl Stage {
    /// Tells the engine to stop.
    pub(super) fn terminate(&mut self) {
        self.told += 1;
        let _ = rustix::io::write(&self.signals, &[0; 128]);
    }

    fn begin_exam(&mut self, now: u64) {
        let exam: Box<dyn Actor> = match self.camera {
            true => Box::new(super::consumer::CameraExam::new(now)),
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

/// Connects to the engine without waiting.
pub(super) fn dial(name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&fd, &SocketAddrUnix::new_abstract_name(name)?)?;
    Ok(fd)
}

/// Whether everybody is to leave.
pub(super) fn is_quiet() -> bool {
    world::with(|kernel| kernel.shared.quiet).unwrap_or(true)
}

/// Something must not be.
pub(super) fn violated(what: core::fmt::Arguments<'_>) {
    world::with(|kernel| kernel.shared.violated(what));
}

/// For the trace.
pub(super) fn trace(what: core::fmt::Arguments<'_>) {
    world::with(|kernel| kernel.shared.trace(what));
}

/// Time in which calls kept the engine.
fn spent() -> u64 {
    world::with(|kernel| kernel.spent_ns).unwrap_or(0)
}

/// How long somebody has waited for the engine, without the time that calls took.
pub(super) fn waited(since: (u64, u64), now: u64) -> u64 {
    (now - since.0).saturating_sub(spent() - since.1)
}

/// From now on.
pub(super) fn since(now: u64) -> (u64, u64) {
    (now, spent())
}
