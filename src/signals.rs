//! Signals as a file descriptor, so that the one poll loop waits for them too; and SIGPIPE out of everybody's way.
//!
//! rustix has neither `sigprocmask` nor `signalfd`; these are the two raw system calls.
#![expect(unsafe_code, reason = "raw system calls")]

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

/// SIGINT, SIGPIPE and SIGTERM: the same numbers on every Linux but MIPS, Alpha and PA-RISC.
const INT: u32 = 2;
const PIPE: u32 = 13;
const TERM: u32 = 15;

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

/// Blocks these signals for the rest of the process's life.
fn block(signals: &[u32]) -> rustix::io::Result<()> {
    const BLOCK: usize = 0;
    let blocked = set(signals);
    // SAFETY: reads the eight bytes of `blocked`, writes nothing (no old set is asked for).
    unsafe { syscall!(Sysno::rt_sigprocmask, BLOCK, &raw const blocked, 0, 8) }.map_err(errno)?;
    Ok(())
}

/// Blocks SIGPIPE: that nobody reads any more what is written, output or log, is an error like any other.
pub fn block_pipe() {
    // It fails for wrong arguments only.
    let _ = block(&[PIPE]);
}

/// SIGTERM and SIGINT as a descriptor.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks SIGTERM and SIGINT for the rest of the process's life, and opens a descriptor for them.
    ///
    /// # Errors
    /// Those of signalfd(2).
    pub fn block() -> rustix::io::Result<Self> {
        const NONBLOCK_CLOEXEC: usize = 0o2_004_000;
        block(&[INT, TERM])?;
        let wanted = set(&[INT, TERM]);
        let none = -1isize as usize;
        // SAFETY: reads the eight bytes of `wanted`; -1 asks for a new descriptor.
        let fd = unsafe {
            syscall!(
                Sysno::signalfd4,
                none,
                &raw const wanted,
                8,
                NONBLOCK_CLOEXEC
            )
        }
        .map_err(errno)?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Takes one signal, if one came.
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

fn errno(errno: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(errno.into_raw())
}
