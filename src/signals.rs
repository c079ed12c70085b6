//! Signals as a file descriptor, so that one poll loop waits for them too; and those that must not end a process out of its way.
//!
//! rustix has neither `sigprocmask` nor `signalfd`, and `sigaction` only with a runtime of its own; these are the three raw system
//! calls.
#![expect(unsafe_code, reason = "raw system calls")]

use core::ptr::null;

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

/// The signals' numbers: the same on every Linux but MIPS, Alpha and PA-RISC.
const HUP: u32 = 1;
const INT: u32 = 2;
const QUIT: u32 = 3;
const ILL: u32 = 4;
const TRAP: u32 = 5;
const ABRT: u32 = 6;
const BUS: u32 = 7;
const FPE: u32 = 8;
const SEGV: u32 = 11;
const PIPE: u32 = 13;
const TERM: u32 = 15;
const CONT: u32 = 18;
const TSTP: u32 = 20;
const TTIN: u32 = 21;
const XFSZ: u32 = 25;
const SYS: u32 = 31;

/// What `block_strays` leaves alone: signals that report a bug of our own, which must end the process where it stands; SIGQUIT, by
/// which a user ends a process at once; and those by which a shell stops it and lets it go on. SIGKILL and SIGSTOP cannot be blocked.
const NOT_STRAY: [u32; 11] = [QUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, CONT, TSTP, TTIN, SYS];

/// The kernel's own set: one bit a signal, 64 of them.
const fn set(signals: &[u32]) -> u64 {
    let mut bits = 0;
    let mut index = 0;
    while index < signals.len() {
        bits |= 1 << (signals[index] - 1);
        index += 1;
    }
    bits
}

/// Blocks these signals until the process ends, besides those that are blocked already.
fn block(signals: u64) -> rustix::io::Result<()> {
    const BLOCK: usize = 0;
    // SAFETY: reads the eight bytes of `signals`, writes nothing (no old set is asked for).
    unsafe { syscall!(Sysno::rt_sigprocmask, BLOCK, &raw const signals, 0, 8) }.map_err(errno)?;
    Ok(())
}

/// Blocks the signals that a write can raise, in every command: that nobody reads any more what is written (SIGPIPE), or that a
/// file may not become larger (SIGXFSZ, `RLIMIT_FSIZE`), is an errno like any other: `PIPE`, `FBIG`.
pub fn block_write_signals() {
    // It fails for wrong arguments only.
    let _ = block(set(&[PIPE, XFSZ]));
}

/// Blocks every signal that would end the process and asks for nothing that it can do: SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
/// SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGXCPU and the real-time signals; and SIGTTOU, so that a log in a terminal of others stops
/// nobody. Only for a process that `Signals` can end.
pub fn block_strays() {
    // It fails for wrong arguments only.
    let _ = block(!set(&NOT_STRAY));
}

/// The signals that ask a process to finish, as a descriptor: SIGTERM, SIGINT, and SIGHUP unless it is ignored, as under `nohup`.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks these signals until the process ends, and opens a descriptor for them. Readable (`PollFlags::IN`) while
    /// one waits.
    ///
    /// # Errors
    /// Those of signalfd(2).
    pub fn block() -> rustix::io::Result<Self> {
        const NONBLOCK_CLOEXEC: usize = 0o2_004_000;
        #[cfg(test)]
        if let Some(fd) = crate::simulation::signals() {
            return Ok(Self(fd));
        }
        let mut finish = set(&[INT, TERM]);
        if !ignored(HUP) {
            finish |= set(&[HUP]);
        }
        block(finish)?;
        let new = -1isize as usize;
        // SAFETY: reads the eight bytes of `finish`; -1 asks for a new descriptor.
        let fd = unsafe {
            syscall!(
                Sysno::signalfd4,
                new,
                &raw const finish,
                8,
                NONBLOCK_CLOEXEC
            )
        }
        .map_err(errno)?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Takes one signal, if one came. Never waits.
    #[must_use]
    pub fn take(&self) -> bool {
        // struct signalfd_siginfo is 128 bytes; what it says does not matter.
        matches!(rustix::io::read(&self.0, &mut [0u8; 128]), Ok(128))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the process was started with this signal ignored.
fn ignored(signal: u32) -> bool {
    const IGNORE: usize = 1;
    // `struct sigaction` of the kernel: the handler first, and at most five words on any architecture.
    let mut action = [0usize; 5];
    // SAFETY: without a new action the kernel only writes the old one to `action`, which has room for it.
    let answer = unsafe {
        syscall!(
            Sysno::rt_sigaction,
            signal,
            null::<usize>(),
            &raw mut action,
            8
        )
    };
    answer.is_ok() && action[0] == IGNORE
}

fn errno(errno: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(errno.into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_are_all_signals_but_bugs_quit_and_job_control() {
        let strays = !set(&NOT_STRAY);
        let stray = |number: u32| strays & set(&[number]) != 0;
        // PIPE, USR1, USR2, ALRM, VTALRM, PROF, IO, PWR, STKFLT, XCPU, XFSZ, TTOU, the first and the last real-time signal.
        for number in [13, 10, 12, 14, 26, 27, 29, 30, 16, 24, 25, 22, 32, 64] {
            assert!(stray(number), "{number}");
        }
        for number in [3, 4, 5, 6, 7, 8, 11, 18, 20, 21, 31] {
            assert!(!stray(number), "{number}");
        }
    }
}
