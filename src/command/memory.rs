//! The memory of a command: its stack, the packet ring, and the lock that keeps both present.
//!
//! Knows the resource limits that stand in the way, and how to say so. Must never know what is done with the memory.

use core::fmt;
use core::hint::black_box;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use crate::errno::call::{Call, IoctlError};
use crate::errno::name::Named;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::free_memory::{self, Free};
use crate::limits::{STACK_MIN_BYTES, STACK_PREFAULT_BYTES};
use crate::log::note;
use crate::shm::map::PacketMap;
use crate::shm::region::seal_for_readers;

/// That the stack may become as large as a command needs it: past the limit the kernel ends a process with SIGSEGV.
pub(super) fn check_stack() -> Result<(), Failure> {
    match getrlimit(Resource::Stack).current {
        Some(bytes) if bytes < STACK_MIN_BYTES => Err(failure!(
            Exit::Resource,
            "the stack may take {bytes} bytes, and {STACK_MIN_BYTES} are needed: raise ulimit -s"
        )),
        _ => Ok(()),
    }
}

/// A packet ring that no consumer can write to.
pub(super) fn packet_ring(bytes: u32) -> Result<(PacketMap, OwnedFd), Failure> {
    let (map, packets) = PacketMap::create(bytes as usize).map_err(|error| {
        failure!(
            Exit::Resource,
            "no packet ring of {bytes} bytes: {}",
            Shortage(error)
        )
    })?;
    if let Err(errno) = seal_for_readers(&packets) {
        note!(
            warn,
            "this kernel cannot seal the packet ring ({}): consumers could write to it",
            Named(errno)
        );
    }
    Ok((map, packets))
}

/// Why there is no memory, with the bytes that there are.
struct Shortage(IoctlError);

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.call, self.0.errno) {
            (Call::FreeMemory, errno) => write!(f, "{}: {Free}", Named(errno)),
            _ => self.0.fmt(f),
        }
    }
}

/// Makes every page that the loop will touch present, and keeps it so where that is permitted. `ring` is the largest part of it, bytes.
#[inline(never)]
pub(super) fn stay_in_memory(ring: u32) {
    #[cfg(test)]
    if crate::simulation::now().is_some() {
        // The process is the tests', too.
        return;
    }
    // The ring and the buffers were made present when they were mapped; the stack grows as it is used.
    let limit = getrlimit(Resource::Stack).current;
    let spare = limit.map_or(u64::MAX, |bytes| bytes.saturating_sub(STACK_MIN_BYTES));
    touch_stack(STACK_PREFAULT_BYTES.min(usize::try_from(spare).unwrap_or(usize::MAX)));
    lock(ring);
}

/// Touches so many bytes of the stack, page by page.
#[inline(never)]
fn touch_stack(bytes: usize) {
    const PAGE: usize = 4096;
    let page = black_box([0u8; PAGE]);
    if let Some(rest) = bytes.checked_sub(PAGE) {
        touch_stack(rest);
    }
    // After the call, so that the frames lie one below the other.
    black_box(&page);
}

/// Locks what is mapped; what is mapped later, too, for those whom no limit holds: for others mmap(2) would fail at the limit, in the
/// middle of the work.
fn lock(ring: u32) {
    let limit = getrlimit(Resource::Memlock).current;
    let exempt =
        capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::IPC_LOCK));
    let (flags, limit) = match limit {
        Some(limit) if !exempt => (MlockAllFlags::CURRENT, Some(limit)),
        _ => (MlockAllFlags::CURRENT | MlockAllFlags::FUTURE, None),
    };
    match (mlockall(flags), limit) {
        (Ok(()), None) => {}
        (Ok(()), Some(limit)) => note!(
            info,
            "memory is locked, but what is mapped later will not be: {limit} bytes may be locked (ulimit -l, systemd: LimitMEMLOCK)"
        ),
        (Err(errno), limit) => note!(
            warn,
            "memory is not locked, latency can suffer: {}",
            NotLocked { errno, limit, ring }
        ),
    }
}

/// Why memory is not locked, and what would help.
struct NotLocked {
    errno: Errno,
    limit: Option<u64>,
    ring: u32,
}

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Named(self.errno).fmt(f)?;
        let Some(limit) = self.limit else {
            return Ok(());
        };
        match free_memory::mapped() {
            Some(bytes) => write!(f, ": {bytes} bytes are mapped")?,
            // Without /proc: the ring and little else.
            None => write!(f, ": more than {} bytes are mapped", self.ring)?,
        }
        write!(
            f,
            " and {limit} may be locked: raise ulimit -l (systemd: LimitMEMLOCK)"
        )
    }
}
