//! The first instructions, and the way out.
//!
//! Knows what the kernel leaves on the stack of a new process. Knows nothing of what the process is for.
#![expect(
    unsafe_code,
    reason = "the stack as the kernel left it, and the last system call"
)]

use core::ffi::c_char;
use core::sync::atomic::{AtomicUsize, Ordering};

use syscalls::{Sysno, syscall};

// The kernel leaves the stack pointer at argc, with argv behind it. No C runtime: it would set up thread-local storage, constructors and
// standard I/O that nobody uses, in 2 KiB. Zeros end the chain of frames. Not called `_start`, so that a C runtime's start files,
// which some build systems link in any case, do no harm. `build.rs` names it to the linker.
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl framemill_start",
    "framemill_start: mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "and sp, x0, #-16",
    "b {start}",
    start = sym start,
);
// The kernel enters in ARM state, where the frame pointer is r11; in Thumb it is r7. The linker makes the call change state.
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".arm",
    ".globl framemill_start",
    ".type framemill_start, %function",
    "framemill_start: mov r11, #0",
    "mov r7, #0",
    "mov r0, sp",
    "bic sp, sp, #7",
    "bl {start}",
    start = sym start,
);
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl framemill_start",
    "framemill_start: xor %ebp, %ebp",
    "mov %rsp, %rdi",
    "and $-16, %rsp",
    "call {start}",
    start = sym start,
    options(att_syntax),
);

/// Where the stack was at the start: all of ours lies below.
static BOTTOM: AtomicUsize = AtomicUsize::new(0);

/// Where `framemill_start` leads. `stack` points at argc.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // Relaxed: one thread.
    BOTTOM.store(stack.addr(), Ordering::Relaxed);
    // SAFETY: the kernel put argc there.
    let count = unsafe { *stack };
    // SAFETY: argv begins behind argc.
    let argv = unsafe { stack.add(1) };
    // SAFETY: the argc and argv that the kernel made, and nobody has touched them.
    let code = unsafe { super::run(count, argv.cast::<*const c_char>()) };
    exit(code)
}

/// The end of the stack that the program uses: an address behind its last byte.
pub(super) fn stack_bottom() -> usize {
    BOTTOM.load(Ordering::Relaxed)
}

/// Ends the process at once: no handlers, no flushing.
pub(super) fn exit(code: u8) -> ! {
    loop {
        // SAFETY: exit_group does not return, and touches no memory of ours.
        let _ = unsafe { syscall!(Sysno::exit_group, code) };
    }
}
