//! Waiting for the engine, which is not trusted: whatever it passed as a wake socket, a wait ends, and none of them spins.
//!
//! Knows descriptors and the control messages that end a connection. Knows no rings.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketType, recv, sockopt};

use super::{ClientError, Step};
use crate::control::message::Message;
use crate::control::socket::{Received, receive};
use crate::time::timespec;

/// Checks that a descriptor which the engine passed is what it has to be: one end of a pair of Unix stream sockets.
///
/// # Errors
/// `Protocol` for everything else: a device such as `/dev/zero` is always readable and cannot be emptied.
pub(super) fn check_wake(wake: &OwnedFd) -> Result<(), ClientError> {
    let right = sockopt::socket_domain(wake) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(wake) == Ok(SocketType::STREAM);
    right.then_some(()).ok_or(ClientError::Protocol)
}

/// Waits until the wake socket is written to (and empties it) or the engine says something, at most `timeout` ns, without limit for
/// `None`. False when the time is up.
///
/// # Errors
/// `Gone` when the connection or the wake socket is at its end, `Refused` with the engine's reason, `Protocol` when it says
/// anything else; `System` when poll(2) or recvmsg(2) fails.
#[inline(never)]
pub(super) fn wait(
    wake: &OwnedFd,
    socket: &OwnedFd,
    timeout: Option<u64>,
) -> Result<bool, ClientError> {
    let mut set = [
        PollFd::new(wake, PollFlags::IN),
        PollFd::new(socket, PollFlags::IN),
    ];
    match poll(&mut set, timeout.map(timespec).as_ref()) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(true),
        Err(errno) => return Err(ClientError::System(Step::Polling, errno)),
    }
    let [wakes, says] = [0, 1].map(|at: usize| !set[at].revents().is_empty());
    hear(wake, socket, wakes, says)
}

/// The same after a wait of one's own, which found that the wake socket was written to, or that the engine says something. Always true.
///
/// # Errors
/// As `wait`.
pub(super) fn hear(
    wake: &OwnedFd,
    socket: &OwnedFd,
    wakes: bool,
    says: bool,
) -> Result<bool, ClientError> {
    // The connection first, whenever it has something: a wake socket that never falls silent must not hide the end.
    if says {
        listen(socket)?;
    }
    if !wakes || clear(wake)? {
        return Ok(true);
    }
    // The engine closes both together, and its reason, if any, before the wake socket.
    listen(socket)?;
    Err(ClientError::Gone)
}

/// Hears what the engine says: nothing, or why the connection ends.
fn listen(socket: &OwnedFd) -> Result<(), ClientError> {
    match receive(socket).map_err(|errno| ClientError::System(Step::Receiving, errno))? {
        Received::Closed => Err(ClientError::Gone),
        Received::Message(Message::Refused(reason), _) => Err(ClientError::Refused(reason)),
        Received::Nothing => Ok(()),
        _ => Err(ClientError::Protocol),
    }
}

/// Empties a wake socket, which may be as blocking as whoever made it likes. False when it is at its end.
///
/// # Errors
/// `Protocol` when it cannot be emptied: then it would be readable for ever.
pub(super) fn clear(wake: impl AsFd) -> Result<bool, ClientError> {
    match recv(wake, &mut [0; 64], RecvFlags::DONTWAIT) {
        Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => Ok(false),
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(_) => Err(ClientError::Protocol),
    }
}
