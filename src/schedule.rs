//! When and where the engine's one thread runs: a real-time priority, a processor of its own.
//!
//! rustix has no `sched_setscheduler`; this is the raw system call. Timer slack is left alone: the kernel gives real-time threads none,
//! and what the engine's time-outs are for, stalls and heartbeats, is not a frame's way.
#![expect(unsafe_code, reason = "a raw system call")]

use rustix::io::{Errno, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use syscalls::{Sysno, syscall};

/// Runs before everything of a lower priority, 1 to 99, and before everything that has none.
///
/// # Errors
/// `PERM` without `CAP_SYS_NICE` and when `RLIMIT_RTPRIO` is lower.
pub fn realtime(priority: u32) -> Result<()> {
    const FIFO: usize = 1;
    const SELF: usize = 0;
    // SAFETY: reads the four bytes of `struct sched_param`, which has one member.
    unsafe { syscall!(Sysno::sched_setscheduler, SELF, FIFO, &raw const priority) }
        .map(drop)
        .map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
}

/// Runs on this processor only.
///
/// # Errors
/// `INVAL` when there is no such processor, or it is not allowed here.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}
