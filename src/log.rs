//! Log lines: each through a bounded stack buffer in one write.
//!
//! Knows a level and a file descriptor. Allocates nothing, never waits for a reader, and loses what
//! does not fit rather than splitting a line.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};

use crate::stdio::{Kept, stderr};
use crate::text::Text;
use crate::time::timespec;

/// `/dev/kmsg`, when that is where the log goes; standard error otherwise.
static KMSG: Kept = Kept::new();
/// A `Level`; 0 until `start`.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Off as u8);

/// How much is logged: lines of this level, and of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    Off,
    /// Nothing yet: what ends a command is written whatever the level.
    Error,
    /// What a user should look into.
    Warn,
    /// What a user should know.
    Info,
    /// No more yet.
    Debug,
    /// No more yet.
    Trace,
}

/// Starts logging, to `/dev/kmsg` (what an initramfs has before it has anything else) or to standard error. Called
/// once, before anything logs.
///
/// # Errors
/// Those of opening `/dev/kmsg`.
pub fn start(level: Level, to_kmsg: bool) -> rustix::io::Result<()> {
    if to_kmsg {
        let fd: OwnedFd = open(
            c"/dev/kmsg",
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        KMSG.keep(fd);
    }
    LEVEL.store(level as u8, Relaxed);
    Ok(())
}

/// Writes one line, whatever the level: how a command says why it failed.
pub fn last_word(sentence: fmt::Arguments<'_>) {
    write("", sentence);
}

/// Logs what a user should know.
#[inline(never)]
pub fn info(text: fmt::Arguments<'_>) {
    if logs(Level::Info) {
        write(if KMSG.get().is_some() { "<6>" } else { "" }, text);
    }
}

/// Logs what a user should look into.
#[inline(never)]
pub fn warn(text: fmt::Arguments<'_>) {
    if logs(Level::Warn) {
        write(
            if KMSG.get().is_some() {
                "<4>"
            } else {
                "warning: "
            },
            text,
        );
    }
}

fn logs(level: Level) -> bool {
    LEVEL.load(Relaxed) >= level as u8
}

/// Logs through one of the functions above: `note!(warn, "…", …)`.
macro_rules! note {
    ($level:ident, $($text:tt)+) => {
        $crate::log::$level(format_args!($($text)+))
    };
}
pub(crate) use note;

/// Writes one line in one write.
fn write(prefix: &str, text: fmt::Arguments<'_>) {
    #[cfg(test)]
    if crate::simulation::logged(&text) {
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
        // Whoever reads it may have stopped: then the line is lost, not the time.
        None => match poll(
            &mut [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)],
            Some(&timespec(0)),
        ) {
            Ok(1) => rustix::io::write(stderr(), &line),
            _ => Ok(0),
        },
        Some(kmsg) => rustix::io::write(kmsg, &line),
    };
}
