//! What a supervisor hands to `run`: a socket that listens (`LISTEN_FDS`), a descriptor to be ready at (`--ready-fd`), a socket for
//! messages (`NOTIFY_SOCKET`), and how often it wants one (`WATCHDOG_USEC`).
//!
//! Knows these names and what is wrong with their values. What the supervisor hears later is `engine::supervisor`'s business.

use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::getpid;

use crate::command::connect::Name;
use crate::control::socket::{Listener, dial_datagrams};
use crate::engine::supervisor::Supervisor;
use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::log::note;
use crate::stdio::inherited;
use crate::text::digits;
use crate::types::run_options::RunOptions;
use crate::types::socket_name::SocketName;

/// The value of an environment variable, by its name.
pub(crate) type Environment<'e> = dyn Fn(&str) -> Option<&'static CStr> + 'e;

/// The number that a variable has, if it is one.
#[inline(never)]
fn number(environment: &Environment<'_>, name: &str) -> Option<u64> {
    digits(environment(name)?.to_bytes(), 10)
}

fn pid() -> u64 {
    getpid().as_raw_nonzero().get() as u64
}

/// The socket that listens already, and the descriptor to be ready at. Called before anything is opened.
///
/// # Errors
/// When they are not there, or not what they should be.
pub(super) fn descriptors(
    options: &RunOptions<'_>,
    environment: &Environment<'_>,
) -> Result<(Option<Listener<'static>>, Option<OwnedFd>), Failure> {
    /// The first of those that `LISTEN_FDS` counts.
    const FIRST: u32 = 3;
    let sockets = match number(environment, "LISTEN_PID") == Some(pid()) {
        true => number(environment, "LISTEN_FDS").unwrap_or(0),
        false => 0,
    };
    let taken = match sockets {
        0 => Ok(None),
        1 if options.socket_mode.or(options.socket_group).is_some() => {
            return Err(failure!(
                Exit::Usage,
                "--socket-mode and --socket-group are for a socket of framemill's own, and the supervisor made this one (LISTEN_FDS)"
            ));
        }
        1 => inherited(FIRST).and_then(Listener::adopt).map(Some),
        _ => Err(Errno::TOOMANYREFS),
    };
    let listener = taken.map_err(|errno| {
        failure!(
            Exit::Socket,
            "LISTEN_FDS: {}: framemill takes one AF_UNIX SOCK_SEQPACKET socket (ListenSequentialPacket=)",
            Explained(errno)
        )
    })?;
    let ready = match options.ready_fd {
        None => Ok(None),
        Some(FIRST) if listener.is_some() => Err(Errno::BUSY),
        Some(number) => inherited(number).map(Some),
    };
    let ready = ready.map_err(|errno| {
        failure!(
            Exit::Usage,
            "--ready-fd: {}: the supervisor has to open it for framemill",
            Explained(errno)
        )
    })?;
    Ok((listener, ready))
}

/// Whom to tell. One that cannot be reached is no reason not to run.
pub(super) fn supervisor(environment: &Environment<'_>, ready: Option<OwnedFd>) -> Supervisor {
    let socket = environment("NOTIFY_SOCKET").and_then(|text| {
        let name = match text.to_bytes() {
            [b'@', name @ ..] => SocketName::Abstract(name),
            _ => SocketName::Path(text),
        };
        // Now, because the loop may not look for it.
        let result = dial_datagrams(&name);
        if let Err(errno) = result {
            note!(warn, "NOTIFY_SOCKET {}: {}", Name(&name), Explained(errno));
        }
        result.ok()
    });
    let for_us = number(environment, "WATCHDOG_PID").is_none_or(|watched| watched == pid());
    let interval_ns = match number(environment, "WATCHDOG_USEC") {
        // Half of that time.
        Some(us @ 1..) if for_us => us.saturating_mul(500),
        _ => u64::MAX,
    };
    Supervisor::new(socket, ready, interval_ns)
}
