//! The entry shell: the first instruction in, an exit code out.
//!
//! Knows how a process starts (argv) and how it dies of a bug (the panic handler). Knows no option and no
//! command: those are `framemill::internals::command`'s.
#![expect(
    unsafe_code,
    reason = "the stack as the kernel left it, and the last system call"
)]

use core::ffi::{CStr, c_char};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use framemill::internals::exit::Exit;
use framemill::internals::limits::ARGUMENTS;
#[cfg(target_env = "musl")]
use framemill::internals::limits::TRACE;
use framemill::internals::{command, log};
use syscalls::{Sysno, syscall};

// memcpy, memset and their like, which the compiler calls. Static, and not bundled: the linker picks out these few objects.
#[cfg(target_env = "musl")]
#[link(name = "c", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

// The first instructions: the kernel leaves the stack pointer at argc, with argv behind it. No C runtime: it would set up
// thread-local storage, constructors and standard I/O that nobody uses, in 2 KiB. Zeros end the chain of frames.
#[cfg(all(target_env = "musl", target_arch = "aarch64"))]
core::arch::global_asm!(
    ".globl _start",
    "_start: mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "and sp, x0, #-16",
    "b {start}",
    start = sym start,
);
#[cfg(all(target_env = "musl", target_arch = "x86_64"))]
core::arch::global_asm!(
    ".globl _start",
    "_start: xor %ebp, %ebp",
    "mov %rsp, %rdi",
    "and $-16, %rsp",
    "call {start}",
    start = sym start,
    options(att_syntax),
);

/// Where `_start` leads. `stack` points at argc.
#[cfg(target_env = "musl")]
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel put argc there.
    let count = unsafe { *stack };
    // SAFETY: argv begins behind argc.
    let argv = unsafe { stack.add(1) };
    let code = run(count, argv.cast());
    exit(code)
}

/// Called by the C runtime's start code.
#[cfg(not(target_env = "musl"))]
#[unsafe(no_mangle)]
extern "C" fn main(argc: core::ffi::c_int, argv: *const *const c_char) -> core::ffi::c_int {
    std::panic::set_hook(std::boxed::Box::new(panic));
    run(usize::try_from(argc).unwrap_or(0), argv).into()
}

/// Ends the process at once: no handlers, no flushing.
fn exit(code: u8) -> ! {
    loop {
        // SAFETY: exit_group does not return, and touches no memory of ours.
        let _ = unsafe { syscall!(Sysno::exit_group, code) };
    }
}

fn run(count: usize, argv: *const *const c_char) -> u8 {
    if count > ARGUMENTS {
        if let Err(failure) = command::begin() {
            return failure.exit as u8;
        }
        log::last_word(format_args!(
            "{count} words are more than the {ARGUMENTS} that a command line may have"
        ));
        return Exit::Usage as u8;
    }
    // SAFETY: the argc and argv that the kernel made, and nobody has touched them.
    let words = unsafe { words(count, argv) };
    // The first word is the program's name. There may be none at all: execve allows that.
    // SAFETY: a null pointer ends argv, and the environment begins behind it.
    let environment = unsafe { argv.add(count + 1) };
    // SAFETY: as for argv; and the environment is never changed.
    let variable = |name: &str| unsafe { variable(environment, name) };
    command::main(words.get(1..).unwrap_or_default(), &variable)
}

/// The value of a variable.
///
/// # Safety
/// `environment` points at C strings that are never written to or freed, up to a null pointer.
unsafe fn variable(mut environment: *const *const c_char, name: &str) -> Option<&'static CStr> {
    loop {
        // SAFETY: the caller's promise; the null pointer is not passed.
        let text = unsafe { *environment };
        if text.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(text) };
        let rest = text.to_bytes().strip_prefix(name.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(b"=")) {
            return Some(&text[name.len() + 1..]);
        }
        // SAFETY: there is a next one, because this one was not null.
        environment = unsafe { environment.add(1) };
    }
}

/// The command line.
///
/// # Safety
/// `argv` points at `count` C strings that are never written to or freed; `count` is at most `ARGUMENTS`.
unsafe fn words(count: usize, argv: *const *const c_char) -> ArrayVec<&'static CStr, ARGUMENTS> {
    // SAFETY: the caller's promise: that many pointers, never written to.
    let pointers = unsafe { core::slice::from_raw_parts(argv, count) };
    pointers
        .iter()
        // SAFETY: the caller's promise, for each of them.
        .map(|&text| unsafe { CStr::from_ptr(text) })
        .collect()
}

/// Ends the process after a bug of our own: one bounded line, then the exit code that a supervisor can tell from all others.
fn panic_line(what: &dyn fmt::Display) -> ! {
    // Set for good by the first panic. A second one can only come from writing the first one's line; then the code alone
    // must do. Relaxed: one thread, and nothing else is published by it.
    static DYING: AtomicBool = AtomicBool::new(false);
    if !DYING.swap(true, Ordering::Relaxed) {
        log::last_word(format_args!("internal error {what}"));
    }
    exit(Exit::Internal as u8)
}

/// Writes the version and the return addresses: `addr2line -e framemill.unstripped ADDRESS` gives file and line of each. The panic's own
/// message and place are left out, and with that the compiler drops those of all panics: 6 % of the file.
#[cfg(target_env = "musl")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    panic_line(&format_args!(
        "in version {} at{}",
        env!("CARGO_PKG_VERSION"),
        Trace(frame_pointer())
    ))
}

/// The frames below this one, each a pair of words: the frame above, and the address to return to.
#[cfg(target_env = "musl")]
struct Trace(usize);

#[cfg(target_env = "musl")]
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STACK: usize = 8 << 20;
        let mut frame = self.0;
        for _ in 0..TRACE {
            // SAFETY: a frame pointer of our own code, or of the start code: both words lie on the stack. The checks below
            // end the walk where the chain does, and where a function kept no frame.
            let [above, address] = unsafe { core::ptr::read(frame as *const [usize; 2]) };
            if address == 0 {
                break;
            }
            // The call itself: behind one that never returns another function begins. The program lies below 4 GiB.
            write!(f, " {:#x}", address.wrapping_sub(1) as u32)?;
            if above <= frame || above - frame > STACK || !above.is_multiple_of(size_of::<usize>())
            {
                break;
            }
            frame = above;
        }
        Ok(())
    }
}

#[cfg(target_env = "musl")]
#[inline(always)]
fn frame_pointer() -> usize {
    let frame: usize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    }
    frame
}

/// The same end where std owns the panic handler.
#[cfg(not(target_env = "musl"))]
fn panic(info: &std::panic::PanicHookInfo<'_>) {
    panic_line(info)
}
