//! Log lines: the `log` facade, each line through a bounded stack buffer in one write.
//!
//! Knows a level and a file descriptor. Allocates nothing, never waits for a reader, and loses what
//! does not fit rather than splitting a line.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ::log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};

use crate::stdio::{Kept, stderr};
use crate::text::Text;
use crate::time::timespec;

/// `/dev/kmsg`, when that is where the log goes; standard error otherwise.
static KMSG: Kept = Kept::new();
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
        let prefix = match (KMSG.get().is_some(), record.level()) {
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
        KMSG.keep(fd);
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
macro_rules! note {
    ($level:ident, $($text:tt)+) => {
        $crate::log::$level(format_args!($($text)+))
    };
}
pub(crate) use note;

/// A line at the terminal stands where the next one belongs.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Writes a line to a terminal in place of the one before (ECMA-48: CR, EL). The next line of the log takes its place.
pub fn in_place(text: fmt::Arguments<'_>) {
    let text = Text::new(format_args!("\r{text}\x1b[K"));
    if has_room() {
        OPEN.store(true, Relaxed);
        let _ = rustix::io::write(stderr(), text.as_str().as_bytes());
    }
}

/// Whether standard error takes a line: whoever reads it may have stopped. Also when the kernel does not say: no process ends silently.
fn has_room() -> bool {
    let mut set = [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)];
    poll(&mut set, Some(&timespec(0))) != Ok(0)
}

/// Writes one line in one write.
fn write(prefix: &str, text: &fmt::Arguments<'_>) {
    #[cfg(test)]
    if crate::simulation::logged(text) {
        return;
    }
    let kmsg = KMSG.get();
    // The kernel takes the level from the first bytes.
    let line = if kmsg.is_none() {
        Text::new(format_args!("framemill: {prefix}{text}"))
    } else {
        Text::new(format_args!("{prefix}framemill: {text}"))
    }
    .into_line();
    // A log that cannot be written is no reason to stop.
    let _ = match kmsg {
        None if has_room() => {
            if OPEN.load(Relaxed) {
                OPEN.store(false, Relaxed);
                let _ = rustix::io::write(stderr(), b"\r\x1b[K");
            }
            rustix::io::write(stderr(), &line)
        }
        // The line is lost, not the time.
        None => Ok(0),
        Some(kmsg) => rustix::io::write(kmsg, &line),
    };
}
