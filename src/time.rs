//! The one clock: `CLOCK_MONOTONIC`, in nanoseconds. Pure code takes times as arguments instead of asking here.

#![expect(unsafe_code, reason = "a raw system call")]

use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::Timespec;
use syscalls::{Sysno, syscall};

/// Nanoseconds a millisecond.
pub const MS: u64 = 1_000_000;

/// `CLOCK_MONOTONIC` now, ns since an arbitrary start.
///
/// A system call, a few times a turn. The vDSO would answer in a tenth of the time, which nobody would notice beside one
/// ioctl, but takes 1.4 KiB of code to find, and the auxiliary vector to find it by.
#[must_use]
pub fn now() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    clock(CLOCK_MONOTONIC)
}

/// `CLOCK_MONOTONIC_RAW` now, ns: the same without the corrections of a time server.
#[must_use]
pub fn raw_now() -> u64 {
    const CLOCK_MONOTONIC_RAW: usize = 4;
    clock(CLOCK_MONOTONIC_RAW)
}

/// Processor time that this thread has used, ns. Unlike `now` it stands still while others run.
#[must_use]
pub fn processor_time() -> u64 {
    const CLOCK_THREAD_CPUTIME_ID: usize = 3;
    clock(CLOCK_THREAD_CPUTIME_ID)
}

/// What a clock of the kernel's shows, ns.
#[must_use]
pub fn clock(id: usize) -> u64 {
    #[cfg(test)]
    if let Some(now_ns) = crate::simulation::now() {
        return now_ns;
    }
    #[cfg(target_pointer_width = "64")]
    const CLOCK_GETTIME: Sysno = Sysno::clock_gettime;
    #[cfg(target_pointer_width = "32")]
    const CLOCK_GETTIME: Sysno = Sysno::clock_gettime64;
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes one `struct timespec`, two 64-bit words, to the address given.
    let answer = unsafe { syscall!(CLOCK_GETTIME, id, &raw mut time) };
    debug_assert!(answer.is_ok(), "the clocks are always there");
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Sleeps for `ns`, or until a signal comes.
pub fn pause(ns: u64) {
    #[cfg(test)]
    if crate::simulation::pause(ns) {
        return;
    }
    let _: NanosleepRelativeResult = nanosleep(&timespec(ns));
}

/// A span of `ns` as the kernel wants it.
#[must_use]
pub const fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as _,
    }
}
