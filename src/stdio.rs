//! The three standard descriptors, made sure to be open.
//!
//! An early init may be started with none of them; the next file opened would then be taken for standard error, and a
//! log line written into it.
#![expect(
    unsafe_code,
    reason = "without std nobody vouches that descriptors 0 to 2 are open; `secure` does"
)]

use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::{Mode, OFlags, open};

/// Opens `/dev/null` in place of each standard descriptor that is closed. Called first of all.
pub fn secure() {
    for number in 0..3 {
        // SAFETY: only asks for the descriptor's flags; a closed one answers EBADF and nothing else happens.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if rustix::io::fcntl_getfd(fd).is_ok() {
            continue;
        }
        // The lowest free number is `number`, because those below are open. Where there is no /dev/null there is
        // nothing better to do.
        if let Ok(null) = open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
            let _ = null.into_raw_fd();
        }
    }
}

/// Standard input.
#[must_use]
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: open since `secure`, and nothing in this crate closes it.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Standard output.
#[must_use]
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: open since `secure`, and nothing in this crate closes it.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Standard error.
#[must_use]
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: open since `secure`, and nothing in this crate closes it.
    unsafe { BorrowedFd::borrow_raw(2) }
}
