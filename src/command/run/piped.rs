//! `framemill run --stdout`: an engine and one consumer that writes its packets to standard output, for callers who want one process that
//! ends with its reader. The engine is a child process; this one is the consumer, passes signals on to the engine, and ends with its code.
//!
//! Knows two processes and how each learns of the other's end. Knows no packet (`tap`) and no device (`run`).

use rustix::event::PollFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{getpid, setpgid};
use rustix::stdio::dup2_stdout;

use super::run;
use crate::child::Child;
use crate::cli::{Progress, StartAt, TapOptions};
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::command::tap;
use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::log::{self, note};
use crate::stdio::{is_terminal, stderr, stdout};
use crate::text::Text;
use crate::time::now;
use crate::types::run_options::{LogTarget, RunOptions};
use crate::types::socket_name::SocketName;

pub(crate) fn run_piped(options: RunOptions<'_>) -> Result<(), Failure> {
    if options.ready_fd.is_some() {
        return Err(failure!(
            Exit::Usage,
            "--ready-fd does not go with --stdout: its reader sees when the engine runs"
        ));
    }
    if is_terminal(stdout()) {
        return Err(failure!(
            Exit::Usage,
            "--stdout: standard output is a terminal; give it a reader, such as | ffplay -, or a file"
        ));
    }
    // The engine says what is wrong with it.
    let _ = log::start(options.log, options.log_to == LogTarget::Kmsg);
    let name = Text::new(format_args!(
        "framemill-stdout-{}-{}",
        getpid().as_raw_nonzero(),
        now()
    ));
    let mut options = options;
    if options.camera.is_some() && !options.names_socket {
        options.socket = SocketName::Abstract(name.as_str().as_bytes());
    }
    let stop = Stop::on_signals()?;
    let (ready, child) = start(&mut options).map_err(|errno| {
        failure!(
            Exit::Resource,
            "the engine's process cannot be started: {}",
            Explained(errno)
        )
    })?;
    stop.pass_on_to(&child, options.drain_ms);
    let result = wait_until_ready(&ready, &stop).and_then(|()| {
        tap::packets(
            &TapOptions {
                socket: options.socket,
                mux: options.mux.unwrap_or_default(),
                start: StartAt::Oldest,
                ends_with_reader: true,
                progress: Progress::Off,
                ..TapOptions::default()
            },
            &stop,
        )
    });
    if result == Err(STOPPED) {
        note!(
            info,
            "nobody reads standard output any more: the engine is to end"
        );
    }
    child.terminate();
    let code = child.wait();
    match (result, Exit::of(code)) {
        // The engine ended, in whatever way.
        (Ok(()) | Err(ENGINE_GONE), Some(Exit::Success)) => Ok(()),
        (Ok(()) | Err(ENGINE_GONE), Some(exit)) => Err(Failure { exit }),
        (Ok(()), None) => Err(failure!(
            Exit::Internal,
            "the engine's process was killed by signal {}",
            code & 0x7f
        )),
        (Err(failure), _) => Err(failure),
    }
}

/// The engine went away without an end mark: its code says more, if it has one.
const ENGINE_GONE: Failure = Failure { exit: Exit::Socket };

/// Starts the engine. Gives what has a newline when it runs, and comes to its end when it does not.
fn start(options: &mut RunOptions<'_>) -> rustix::io::Result<(OwnedFd, Child)> {
    let (ready, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    options.ready_fd = Some(writer.as_raw_fd() as u32);
    let child = Child::start(|| {
        // Signals to a group are for the consumer, who passes one on. They cannot fail: it is our own child.
        let _ = setpgid(None, None);
        // The output's end is the consumer's.
        let _ = dup2_stdout(stderr());
        run(options, &|_| None).map_or_else(|failure| failure.exit, |()| Exit::Success) as u8
    })?;
    Ok((ready, child))
}

/// Waits until the engine runs.
///
/// # Errors
/// `ENGINE_GONE` when it ended instead, which it has said; `STOPPED` when the reader is gone.
fn wait_until_ready(ready: &OwnedFd, stop: &Stop) -> Result<(), Failure> {
    loop {
        let either: [(BorrowedFd<'_>, PollFlags); 2] = [
            (ready.as_fd(), PollFlags::IN),
            (stdout(), PollFlags::empty()),
        ];
        if !matches!(stop.wait(&either, None)?, Woken::Ready(_)) {
            continue;
        }
        return match read(ready, &mut [0]) {
            Ok(0) => Err(ENGINE_GONE),
            Err(Errno::AGAIN) => Err(STOPPED),
            _ => Ok(()),
        };
    }
}
