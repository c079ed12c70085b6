//! The one clock: `CLOCK_MONOTONIC`, in nanoseconds. Pure code takes times as arguments instead of asking here.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds a millisecond.
pub const MS: u64 = 1_000_000;

/// `CLOCK_MONOTONIC` now, ns since an arbitrary start. Answered by the vDSO: no system call.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}

/// A span of `ns` as the kernel wants it.
#[must_use]
pub const fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as _,
    }
}
