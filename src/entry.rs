//! The entry shell: the C runtime's `main` in, an exit code out.
//!
//! Knows how a process starts (argv, auxiliary vector) and how it dies of a bug (the panic handler). Knows no option and no
//! command: those are `framemill::command`'s.
#![expect(
    unsafe_code,
    reason = "raw pointers from the C runtime, and names that it calls"
)]

use core::ffi::{CStr, c_char, c_int};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use framemill::error::Exit;
use framemill::limits::ARGUMENTS;
#[cfg(target_env = "musl")]
use framemill::limits::TRACE;
use framemill::{command, log, stdio};

// Without std nobody else asks for libc. Static, and not bundled: it is the linker that picks out the few objects needed.
#[cfg(target_env = "musl")]
#[link(name = "c", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

unsafe extern "C" {
    /// Ends the process at once: `exit_group`, no handlers, no flushing.
    safe fn _exit(status: c_int) -> !;
}

/// Called by the C runtime's start code.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char, envp: *mut *mut u8) -> c_int {
    start(envp);
    let count = usize::try_from(argc).unwrap_or(0);
    if count > ARGUMENTS {
        stdio::secure();
        log::last_word(format_args!(
            "{count} words are more than the {ARGUMENTS} that a command line may have"
        ));
        return Exit::Usage as c_int;
    }
    // SAFETY: the C runtime passes the argc and argv that it got from the kernel, and nobody has touched them.
    let words = unsafe { words(count, argv) };
    // The first word is the program's name. There may be none at all: execve allows that.
    c_int::from(command::main(words.get(1..).unwrap_or_default()))
}

/// What must have happened before anything else runs. `envp` is the environment block as the kernel made it.
#[cfg(target_env = "musl")]
fn start(envp: *mut *mut u8) {
    // Behind the environment lies the auxiliary vector: rustix takes it from there, and needs neither /proc nor a recent
    // kernel for it.
    // SAFETY: the block is the kernel's own, unmodified, and no other function of rustix has been called.
    unsafe { rustix::param::init(envp) };
}

#[cfg(not(target_env = "musl"))]
fn start(_envp: *mut *mut u8) {
    std::panic::set_hook(std::boxed::Box::new(panic));
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
fn last_words(what: &dyn fmt::Display) -> ! {
    // Set for good by the first panic. A second one can only come from writing the first one's line; then the code alone
    // must do. Relaxed: one thread, and nothing else is published by it.
    static DYING: AtomicBool = AtomicBool::new(false);
    if !DYING.swap(true, Ordering::Relaxed) {
        log::last_word(format_args!("internal error {what}"));
    }
    _exit(Exit::Internal as c_int)
}

/// What the panic says is not looked at: then the compiler drops all panic texts and places, a tenth of the file. The
/// return addresses say where it was, given the unstripped program: `addr2line -e framemill.unstripped ADDRESS`.
#[cfg(target_env = "musl")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    last_words(&Trace(frame_pointer()))
}

/// The frames below this one, each a pair of words: the frame above, and the address to return to.
#[cfg(target_env = "musl")]
struct Trace(usize);

#[cfg(target_env = "musl")]
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STACK: usize = 8 << 20;
        let mut frame = self.0;
        f.write_str("at")?;
        for _ in 0..TRACE {
            // SAFETY: a frame pointer of our own code, or of the start code: both words lie on the stack. The checks below
            // end the walk where the chain does, and where a function kept no frame.
            let [above, address] = unsafe { core::ptr::read(frame as *const [usize; 2]) };
            write!(f, " {address:#x}")?;
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
    last_words(info)
}
