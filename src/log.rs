//! Log lines: the `log` facade, each line through a bounded stack buffer in one write.
//!
//! Knows a level and a file descriptor. Allocates nothing, never blocks longer than the write itself, and loses what
//! does not fit rather than splitting a line.

use core::fmt::{self, Write};

use ::log::{Level, LevelFilter, Log, Metadata, Record};
use heapless::String;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};

use crate::limits::LOG_LINE_BYTES;
use crate::shm::atomic::{AtomicU32, Ordering::Relaxed};
use crate::stdio::stderr;

/// 0 is standard error; otherwise the descriptor of `/dev/kmsg` plus one.
static KMSG: AtomicU32 = AtomicU32::new(0);
static LOGGER: Logger = Logger;

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= ::log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let kmsg = KMSG.load(Relaxed);
        let mut line = Line(String::new());
        let prefix = match (kmsg != 0, record.level()) {
            (false, Level::Error) => "framemill: error: ",
            (false, Level::Warn) => "framemill: warning: ",
            (false, _) => "framemill: ",
            (true, Level::Error) => "<3>framemill: ",
            (true, Level::Warn) => "<4>framemill: ",
            (true, Level::Info) => "<6>framemill: ",
            (true, _) => "<7>framemill: ",
        };
        let _ = line.write_str(prefix);
        let _ = line.write_fmt(*record.args());
        line.write_to(kmsg);
    }

    fn flush(&self) {}
}

/// Starts logging, to `/dev/kmsg` (what an initramfs has before it has anything else) or to standard error. Called
/// once, before anything logs.
///
/// # Errors
/// Those of opening `/dev/kmsg`.
pub fn start(level: LevelFilter, to_kmsg: bool) -> rustix::io::Result<()> {
    if to_kmsg {
        let fd: OwnedFd = open(
            c"/dev/kmsg",
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        kmsg::keep(fd);
    }
    // A second start (in tests) keeps the first logger, which is the same one.
    let _ = ::log::set_logger(&LOGGER);
    ::log::set_max_level(level);
    Ok(())
}

/// Writes one line to standard error, whatever the level: how a command says why it failed.
pub fn last_word(sentence: fmt::Arguments<'_>) {
    let mut line = Line(String::new());
    let _ = line.write_str("framemill: ");
    let _ = line.write_fmt(sentence);
    line.write_to(KMSG.load(Relaxed));
}

/// A line that is cut at its end instead of failing.
struct Line(String<LOG_LINE_BYTES>);

impl Line {
    fn write_to(mut self, kmsg: u32) {
        if self.0.push('\n').is_err() {
            self.0.pop();
            // One character was just removed, so there is room.
            let _ = self.0.push('\n');
        }
        let bytes = self.0.as_bytes();
        // A log that cannot be written is no reason to stop.
        let _ = match kmsg.checked_sub(1) {
            None => rustix::io::write(stderr(), bytes),
            Some(number) => kmsg::with(number, |fd| rustix::io::write(fd.as_fd(), bytes)),
        };
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // A newline inside would look like a second line.
            let shown = if character.is_control() {
                ' '
            } else {
                character
            };
            if self.0.push(shown).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// The descriptor of `/dev/kmsg`, kept as a number for the whole life of the process.
mod kmsg {
    #![expect(unsafe_code, reason = "a static can hold no OwnedFd that is set once")]
    use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd};

    use super::{KMSG, Relaxed};

    pub(super) fn keep(fd: OwnedFd) {
        KMSG.store(fd.into_raw_fd() as u32 + 1, Relaxed);
    }

    pub(super) fn with<T>(number: u32, act: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        // SAFETY: the number comes from `keep`, which gave up the OwnedFd: it is never closed.
        act(unsafe { BorrowedFd::borrow_raw(number as i32) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_limit_and_has_one_newline_at_most() {
        let mut line = Line(String::new());
        write!(line, "{}\n{}", "x".repeat(300), "y".repeat(600)).unwrap();
        assert_eq!(line.0.len(), LOG_LINE_BYTES);
        assert!(!line.0.contains('\n'));
    }
}
