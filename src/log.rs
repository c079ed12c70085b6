//! Log lines: the `log` facade, each line through a bounded stack buffer in one write.
//!
//! Knows a level and a file descriptor. Allocates nothing, never waits for a reader, and loses what
//! does not fit rather than splitting a line.

use core::fmt;

use ::log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};

use crate::shm::atomic::{AtomicU32, Ordering::Relaxed};
use crate::stdio::stderr;
use crate::text::Text;
use crate::time::timespec;

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
        let prefix = match (KMSG.load(Relaxed) != 0, record.level()) {
            (false, Level::Error) => "error: ",
            (false, Level::Warn) => "warning: ",
            (false, _) => "",
            (true, Level::Error) => "<3>",
            (true, Level::Warn) => "<4>",
            (true, Level::Info) => "<6>",
            (true, _) => "<7>",
        };
        write(prefix, record.args());
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

/// Writes one line, whatever the level: how a command says why it failed.
pub fn last_word(sentence: fmt::Arguments<'_>) {
    write("", &sentence);
}

/// Logs what a user should know.
#[inline(never)]
pub fn info(text: fmt::Arguments<'_>) {
    ::log::info!("{text}");
}

/// Logs what a user should look into.
#[inline(never)]
pub fn warn(text: fmt::Arguments<'_>) {
    ::log::warn!("{text}");
}

/// Logs through one of the functions above: `note!(warn, "…", …)`. The `log` crate's own macros build a record in each
/// place, which is four times the code.
#[macro_export]
macro_rules! note {
    ($level:ident, $($text:tt)+) => {
        $crate::log::$level(format_args!($($text)+))
    };
}

/// Writes one line in one write.
fn write(prefix: &str, text: &fmt::Arguments<'_>) {
    let kmsg = KMSG.load(Relaxed);
    // The kernel takes the level from the first bytes.
    let line = if kmsg == 0 {
        Text::new(format_args!("framemill: {prefix}{text}"))
    } else {
        Text::new(format_args!("{prefix}framemill: {text}"))
    }
    .into_line();
    // A log that cannot be written is no reason to stop.
    let _ = match kmsg.checked_sub(1) {
        // Whoever reads it may have stopped: then the line is lost, not the time.
        None => match poll(
            &mut [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)],
            Some(&timespec(0)),
        ) {
            Ok(1) => rustix::io::write(stderr(), &line),
            _ => Ok(0),
        },
        Some(number) => kmsg::with(number, |fd| rustix::io::write(fd, &line)),
    };
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
