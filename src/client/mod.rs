#![doc = include_str!("README.md")]

mod address;
mod change;
mod consumer;
mod observer;
mod producer;
mod slots;
mod wait;

use core::fmt;

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

pub use crate::control::message::{Change, FormatRequest, Outcome};
use crate::control::message::{Message, Refusal};
use crate::control::socket::{Descriptors, Received, dial, peer_uid, receive, send};
use crate::errno::name::Explained;
pub use crate::media::colour::Colour;
pub use crate::media::format::{ColourPlane, Content, RawFormat};
pub use crate::media::fourcc::Fourcc;
pub use crate::media::layout::{FrameLayout, LayoutError, Placement, PlaneLayout};
pub use crate::media::size::OddSize;
pub use crate::shm::bytes::SharedBytes;
pub use crate::shm::circle::{Bytes, Circle};
pub use crate::shm::packet_ring::{Next, Packet, Payload, Start};
use crate::text::nth;
use crate::time::{MS, now, timespec};
pub use crate::types::socket_name::SocketName;
pub use address::EngineAddress;
pub use change::change;
pub use consumer::{PacketConsumer, Wait};
pub use observer::Observer;
pub use producer::{Buffers, FrameProducer, HeldSlot, SlotGuard};
#[cfg(test)]
pub(crate) use slots::load_layout;

/// Why a client cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// Nobody listens at the socket.
    NoEngine(Errno),
    /// The engine refused or disconnected this client, with this reason.
    Refused(Refusal),
    /// The engine closed the connection.
    Gone,
    /// What the engine sent makes no sense: it is of another version, or no engine.
    Protocol,
    /// The process that listens there runs as this user, and the client did not say that it trusts that user.
    Untrusted(u32),
    /// `EngineAddress::stop` was readable before the engine answered.
    Stopped,
    /// A system call on this side failed.
    System(Step, Errno),
}

/// What a client was about when a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Mapping the packet ring or the slots.
    Mapping,
    /// `DMA_BUF_IOCTL_SYNC` around writes.
    Sync,
    /// Waiting for the engine's answer: it is there, and does not give one.
    Answer,
    /// recvmsg(2).
    Receiving,
    /// sendmsg(2).
    Sending,
    /// poll(2).
    Polling,
}

/// Their names, in the same order.
const STEPS: &str = "mapping DMA_BUF_IOCTL_SYNC answering recvmsg sendmsg poll";

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEngine(Errno::NOENT | Errno::CONNREFUSED) => {
                f.write_str("no engine listens there (is framemill run started?)")
            }
            Self::NoEngine(Errno::ACCESS | Errno::PERM) => {
                f.write_str("no permission to connect (see --socket-mode)")
            }
            Self::NoEngine(errno) => write!(f, "cannot connect: {}", Explained(*errno)),
            Self::Refused(reason) => f.write_str(reason.text()),
            Self::Gone => f.write_str("the engine closed the connection"),
            Self::Protocol => f.write_str("what answers there is no engine of this version"),
            Self::Untrusted(uid) => write!(
                f,
                "user {uid} listens there, neither root nor this user (--engine-uid {uid} trusts that user)"
            ),
            Self::Stopped => f.write_str("stopped by a signal before the engine answered"),
            Self::System(Step::Answer, _) => f.write_str("the engine does not answer"),
            Self::System(call, errno) => {
                write!(
                    f,
                    "{} failed: {}",
                    nth(STEPS, *call as usize),
                    Explained(*errno)
                )
            }
        }
    }
}

impl core::error::Error for ClientError {}

const LATE: ClientError = ClientError::System(Step::Answer, Errno::TIMEDOUT);

/// Connects, sends the first message and waits for the answer, all of it at most `patience_ms`. Nothing is said to a process of a
/// user that the client does not trust.
fn ask(
    engine: &EngineAddress<'_>,
    patience_ms: u32,
    hello: &Message,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(OwnedFd, Message, Descriptors), ClientError> {
    let deadline = now().saturating_add(u64::from(patience_ms) * MS);
    let socket = dial(&engine.socket, deadline, engine.stop).map_err(|errno| match errno {
        Errno::TIMEDOUT => LATE,
        Errno::CANCELED => ClientError::Stopped,
        errno => ClientError::NoEngine(errno),
    })?;
    let uid = peer_uid(&socket).map_err(ClientError::NoEngine)?;
    if !engine.trusts(uid) {
        return Err(ClientError::Untrusted(uid));
    }
    let (answer, descriptors) = exchange(&socket, deadline, engine.stop, hello, descriptors)?;
    Ok((socket, answer, descriptors))
}

/// Sends a message and waits for the answer until `deadline`, `CLOCK_MONOTONIC` ns, or until `stop` is readable.
fn exchange(
    socket: &OwnedFd,
    deadline: u64,
    stop: Option<BorrowedFd<'_>>,
    message: &Message,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(Message, Descriptors), ClientError> {
    // An engine that is just ending may have closed already; its answer, if any, is still to be read.
    let sent = send(socket, message, descriptors);
    loop {
        let time = now();
        let patience = timespec(deadline.saturating_sub(time));
        let mut set = ArrayVec::<PollFd<'_>, 2>::new();
        set.push(PollFd::new(socket, PollFlags::IN));
        set.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop, PollFlags::IN)));
        match poll(&mut set, Some(&patience)) {
            Ok(0) => return Err(LATE),
            // An answer that is there, too, is worth more.
            Ok(_) if set[0].revents().is_empty() => return Err(ClientError::Stopped),
            Err(Errno::INTR) if time < deadline => continue,
            Err(Errno::INTR) => return Err(LATE),
            Ok(_) => {}
            Err(errno) => return Err(ClientError::System(Step::Polling, errno)),
        }
        match receive(socket).map_err(|errno| ClientError::System(Step::Receiving, errno))? {
            Received::Message(Message::Refused(reason), _) => {
                return Err(ClientError::Refused(reason));
            }
            Received::Message(message, descriptors) => return Ok((message, descriptors)),
            Received::Malformed => return Err(ClientError::Protocol),
            Received::Closed => return Err(ClientError::Gone),
            Received::Nothing if time >= deadline => return Err(LATE),
            Received::Nothing => sent.map_err(|_| ClientError::Gone)?,
        }
    }
}

fn sending(errno: Errno) -> ClientError {
    match errno {
        Errno::PIPE | Errno::CONNRESET => ClientError::Gone,
        errno => ClientError::System(Step::Sending, errno),
    }
}
