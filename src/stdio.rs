//! The three standard descriptors, made sure to be open; and descriptors that are kept as long as the process lives.
//!
//! An early init may be started with none of them; the next file opened would then be taken for standard error, and a
//! log line written into it.
#![expect(
    unsafe_code,
    reason = "without std nobody vouches that descriptors 0 to 2 are open; `secure` does"
)]

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::fs::{FileType, fstat};
use rustix::io::{FdFlags, Result, dup2, fcntl_getfd, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::limits::TEXT_BYTES;

/// Puts a pipe whose other end is closed in place of each standard descriptor that is closed: standard input is at its end, and
/// writing to the others fails with `PIPE`. A pipe needs no file system, and takes no memory. Called first of all.
///
/// # Errors
/// `MFILE` and `NFILE` when there is no room for a pipe; those that a seccomp filter makes.
pub fn secure() -> Result<()> {
    for number in 0..3 {
        if is_open(number) {
            continue;
        }
        // The lowest free number is `number`, because those below are open: the reading end's.
        let (mut end, writer) = pipe_with(PipeFlags::empty())?;
        if number != 0 {
            dup2(&writer, &mut end)?;
        }
        let _ = end.into_raw_fd();
    }
    SECURED.store(true, Relaxed);
    Ok(())
}

/// Whether somebody looks at it.
#[must_use]
pub fn is_terminal(fd: impl AsFd) -> bool {
    rustix::termios::isatty(fd)
}

/// Characters that a line of this terminal has room for.
#[must_use]
pub fn columns(fd: impl AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(fd).map_or(0, |size| size.ws_col);
    // The last column is the cursor's. Where the terminal does not know, a line is not cut.
    usize::from(size).checked_sub(1).unwrap_or(TEXT_BYTES)
}

/// Whether nobody is at the other end of a pipe or socket any more.
#[must_use]
pub fn has_ended(fd: impl AsFd) -> bool {
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(&fd, PollFlags::empty())], Some(&at_once)) == Ok(1)
}

/// Whether a descriptor is that of a file or block device: what is read or written there is never waited for.
///
/// # Errors
/// Those of fstat(2).
pub fn is_stored(fd: impl AsFd) -> Result<bool> {
    let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
    Ok(matches!(
        kind,
        FileType::RegularFile | FileType::BlockDevice
    ))
}

/// Whether `secure` did its work.
static SECURED: AtomicBool = AtomicBool::new(false);

fn is_open(number: i32) -> bool {
    // SAFETY: only asks for the descriptor's flags; a closed one answers EBADF and nothing else happens.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(fd).is_ok()
}

/// Takes over a descriptor that the process was started with. Called once for each, before anything is opened: later the number may be
/// that of a descriptor of our own.
///
/// # Errors
/// `BADF` when it is not open.
pub fn inherited(number: u32) -> Result<OwnedFd> {
    // SAFETY: only sets a flag; a closed one answers EBADF and nothing else happens.
    let fd = unsafe { BorrowedFd::borrow_raw(number as i32) };
    fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    // SAFETY: open, as just seen, and nobody in this process has opened it.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

/// A descriptor that is opened once and never closed.
#[derive(Debug)]
pub struct Kept(AtomicU32);

impl Kept {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Keeps this one from now on.
    pub fn keep(&self, fd: OwnedFd) {
        // 0 is none.
        self.0.store(fd.into_raw_fd() as u32 + 1, Relaxed);
    }

    /// The descriptor, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<BorrowedFd<'static>> {
        let number = self.0.load(Relaxed).checked_sub(1)?;
        // SAFETY: the number comes from `keep`, which gave up the OwnedFd: it is never closed.
        Some(unsafe { BorrowedFd::borrow_raw(number as i32) })
    }
}

/// One of the three. For those that never called `secure`, it is called now.
///
/// # Panics
/// When the descriptor is closed and no pipe can be put in its place; not after `secure`.
fn standard(number: i32) -> BorrowedFd<'static> {
    let open = SECURED.load(Relaxed) || is_open(number) || secure().is_ok();
    assert!(open, "a standard descriptor is closed");
    // SAFETY: open, as just seen or since `secure`. A descriptor that has no owner in Rust is closed by unsafe code only.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Standard input.
#[must_use]
pub fn stdin() -> BorrowedFd<'static> {
    standard(0)
}

/// Standard output.
#[must_use]
pub fn stdout() -> BorrowedFd<'static> {
    standard(1)
}

/// Standard error.
#[must_use]
pub fn stderr() -> BorrowedFd<'static> {
    standard(2)
}
