//! What happens to devices at a time that the plan says. Knows the kernel, and not who acts beside the engine.

use rustix::io::Errno;

use super::kernel::Kernel;
use crate::time::MS;

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
    /// The camera's coded frames are of another size than it was asked for, or of that one again.
    Shows(usize, Option<(u32, u32)>),
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
    /// It happens, as far as it is the kernel's.
    pub(super) fn happen_to(self, kernel: &mut Kernel, now: u64) {
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
            Self::Shows(node, size) => {
                kernel.shared.liberties.lossy = true;
                kernel.nodes[node].shows = size;
                kernel.with_cameras(node, |camera| camera.show(size));
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
