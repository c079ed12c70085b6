//! The one clock: `CLOCK_MONOTONIC`, in nanoseconds. Pure code takes times as arguments instead of asking here.

#![expect(
    unsafe_code,
    reason = "a raw system call, and the kernel's function that does without"
)]

#[cfg(target_pointer_width = "64")]
use core::ptr::null_mut;
#[cfg(target_pointer_width = "64")]
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::Timespec;
use syscalls::{Sysno, syscall};

#[cfg(target_pointer_width = "64")]
use crate::vdso;

/// Nanoseconds a millisecond.
pub const MS: u64 = 1_000_000;

/// `CLOCK_MONOTONIC` now, ns since an arbitrary start.
///
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
    #[cfg(target_pointer_width = "64")]
    if let Some(function) = vdso_function()
        // SAFETY: the kernel's function writes one `struct timespec`, two 64-bit words, to the address given.
        && unsafe { function(id as i32, &mut time) } == 0
    {
        return time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1]);
    }
    // SAFETY: the kernel writes one `struct timespec`, two 64-bit words, to the address given.
    let answer = unsafe { syscall!(CLOCK_GETTIME, id, &raw mut time) };
    debug_assert!(answer.is_ok(), "the clocks are always there");
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// `clock_gettime` without a system call, where the kernel has it: `id`, `struct timespec`. Null before it was looked for. 32-bit kernels
/// have it, too; there the call is made.
#[cfg(target_pointer_width = "64")]
static VDSO_FUNCTION: AtomicPtr<()> = AtomicPtr::new(null_mut());

#[cfg(target_pointer_width = "64")]
type ClockGettime = unsafe extern "C" fn(i32, &mut [u64; 2]) -> i32;

#[cfg(target_pointer_width = "64")]
fn vdso_function() -> Option<ClockGettime> {
    let address = VDSO_FUNCTION.load(Relaxed);
    // SAFETY: null, or what `use_vdso` found to be this function; `Option` of a function has null for `None`.
    unsafe { core::mem::transmute::<*mut (), Option<ClockGettime>>(address) }
}

/// Reads clocks by the kernel's own function from now on, if it is in the image.
///
/// # Safety
/// `image` is where the kernel mapped its image into this process (AT_SYSINFO_EHDR), which stays as it is.
#[cfg(target_pointer_width = "64")]
pub unsafe fn use_vdso(image: *const u8) {
    const NAME: &[u8] = match () {
        () if cfg!(target_arch = "aarch64") => b"__kernel_clock_gettime",
        () => b"__vdso_clock_gettime",
    };
    // SAFETY: the caller's promise; a page at least is mapped.
    let header = unsafe { core::slice::from_raw_parts(image, vdso::HEADER_BYTES) };
    let Some(length) = vdso::length(header) else {
        return;
    };
    // SAFETY: the caller's promise; so much the kernel's image says of itself.
    let whole = unsafe { core::slice::from_raw_parts(image, length) };
    if let Some(place) = vdso::function(whole, NAME) {
        VDSO_FUNCTION.store(image.wrapping_add(place).cast_mut().cast(), Relaxed);
    }
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
