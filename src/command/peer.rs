//! Sockets that packets are written to. Knows addresses, and how long a connection may take. Never knows what is written.

use core::ffi::CStr;

use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, connect, socket_with, sockopt,
};

use crate::cli::Peer;
use crate::command::stop::Stop;
use crate::control::socket::dial_stream;
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::limits::PEER_MS;
use crate::log::note;
use crate::text::Escaped;
use crate::time::MS;

/// Connects to the peer, and again every `again_ms` until it is there; that one that was `lost` is back, is logged. The inner errno is the answer to the one attempt without them.
///
/// # Errors
/// Those of `Stop::wait_or_end`.
pub(super) fn reach(
    peer: &Peer<'_>,
    name: &CStr,
    again_ms: Option<u32>,
    lost: bool,
    stop: &Stop,
) -> Result<Result<OwnedFd, Errno>, Failure> {
    let mut logged = false;
    loop {
        let errno = match dial(peer, stop)? {
            Ok(socket) if logged || lost => {
                note!(info, "connected to {}", Escaped(name.to_bytes()));
                return Ok(Ok(socket));
            }
            Ok(socket) => return Ok(Ok(socket)),
            Err(errno) => errno,
        };
        let Some(again_ms) = again_ms else {
            return Ok(Err(errno));
        };
        if !logged {
            note!(
                warn,
                "cannot connect to {}: {}; again every {again_ms} ms",
                Escaped(name.to_bytes()),
                Explained(errno)
            );
            logged = true;
        }
        stop.pause(again_ms)?;
    }
}

/// One attempt, of `PEER_MS` at most.
fn dial(peer: &Peer<'_>, stop: &Stop) -> Result<Result<OwnedFd, Errno>, Failure> {
    let (address, kind) = match peer {
        Peer::Unix(name) => return Ok(dial_stream(name)),
        Peer::Tcp(address) => (address, SocketType::STREAM),
        Peer::Udp(address) => (address, SocketType::DGRAM),
    };
    let family = match address.is_ipv4() {
        true => AddressFamily::INET,
        false => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match socket_with(family, kind, flags, None) {
        Ok(socket) => socket,
        Err(errno) => return Ok(Err(errno)),
    };
    match connect(&socket, &SocketAddrAny::from(*address)) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            let made = [(socket.as_fd(), PollFlags::OUT)];
            if !stop.wait_or_end(&made, Some(u64::from(PEER_MS) * MS))? {
                return Ok(Err(Errno::TIMEDOUT));
            }
            if let Err(errno) = sockopt::socket_error(&socket).and_then(|refused| refused) {
                return Ok(Err(errno));
            }
        }
        Err(errno) => return Ok(Err(errno)),
    }
    if kind == SocketType::STREAM {
        // The end of a frame does not wait for the peer's word about its beginning.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
    }
    Ok(Ok(socket))
}
