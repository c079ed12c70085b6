//! What everybody who acts beside the engine is, and what they share. Knows none of them.

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::world;

/// Somebody who acts beside the engine.
pub(super) trait Actor {
    /// When it acts next, virtual ns.
    fn next(&self) -> u64;
    /// It acts.
    fn step(&mut self, now: u64);
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
