#![doc = include_str!("README.md")]

mod change;
mod consumer;
mod producer;
mod slots;

use core::fmt;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::control::SocketName;
pub use crate::control::message::{Change, Outcome, Wish};
use crate::control::message::{Message, Refusal};
use crate::control::socket::{Descriptors, Received, dial, receive, send};
pub use crate::media::layout::Placement;
pub use crate::shm::packet_ring::{Next, Packet, Payload, Start};
use crate::text::nth;
use crate::time::{MS, now, timespec};
use crate::v4l2::errno::Named;
pub use change::change;
pub use consumer::{PacketConsumer, Wait};
pub use producer::{Buffers, FrameProducer, SlotGuard};

/// Why a client cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// Nobody listens at the socket.
    NoEngine(Errno),
    /// The engine said no, or cut the connection off with this reason.
    Refused(Refusal),
    /// The engine closed the connection.
    Gone,
    /// What the engine sent makes no sense: it is of another version, or no engine.
    Protocol,
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
            Self::NoEngine(errno) => write!(f, "cannot connect: {}", Named(*errno)),
            Self::Refused(reason) => f.write_str(reason.text()),
            Self::Gone => f.write_str("the engine closed the connection"),
            Self::Protocol => f.write_str("what answers there is no engine of this version"),
            Self::System(Step::Answer, _) => f.write_str("the engine does not answer"),
            Self::System(call, errno) => {
                write!(
                    f,
                    "{} failed: {}",
                    nth(STEPS, *call as usize),
                    Named(*errno)
                )
            }
        }
    }
}

impl core::error::Error for ClientError {}

const LATE: ClientError = ClientError::System(Step::Answer, Errno::TIMEDOUT);

/// Connects, sends the first message and waits for the answer, all of it at most `patience_ms`.
fn ask(
    engine: &SocketName<'_>,
    patience_ms: u32,
    hello: &Message,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(OwnedFd, Message, Descriptors), ClientError> {
    let deadline = now().saturating_add(u64::from(patience_ms) * MS);
    let socket = dial(engine, deadline).map_err(|errno| match errno {
        Errno::TIMEDOUT => LATE,
        errno => ClientError::NoEngine(errno),
    })?;
    let (answer, descriptors) = exchange(&socket, deadline, hello, descriptors)?;
    Ok((socket, answer, descriptors))
}

/// Sends a message and waits for the answer until `deadline`, `CLOCK_MONOTONIC` ns.
fn exchange(
    socket: &OwnedFd,
    deadline: u64,
    message: &Message,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(Message, Descriptors), ClientError> {
    // An engine that is just ending may have closed already; its answer, if any, is still to be read.
    let sent = send(socket, message, descriptors);
    loop {
        let patience = timespec(deadline.saturating_sub(now()));
        let heard = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&patience));
        if heard == Err(Errno::INTR) {
            continue;
        }
        if heard == Ok(0) {
            return Err(LATE);
        }
        match receive(socket).map_err(|errno| ClientError::System(Step::Receiving, errno))? {
            Received::Message(Message::Refused(reason), _) => {
                return Err(ClientError::Refused(reason));
            }
            Received::Message(message, descriptors) => return Ok((message, descriptors)),
            Received::Garbage => return Err(ClientError::Protocol),
            Received::Closed => return Err(ClientError::Gone),
            Received::Nothing => sent.map_err(|_| ClientError::Gone)?,
        }
    }
}

/// Waits until the wake socket is written to (and empties it) or the engine says something, at most `timeout` ns, without limit for
/// `None`. False when the time is up.
#[inline(never)]
fn wait(event: &OwnedFd, socket: &OwnedFd, timeout: Option<u64>) -> Result<bool, ClientError> {
    let mut set = [
        PollFd::new(event, PollFlags::IN),
        PollFd::new(socket, PollFlags::IN),
    ];
    match poll(&mut set, timeout.map(timespec).as_ref()) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(true),
        Err(errno) => return Err(ClientError::System(Step::Polling, errno)),
    }
    // An end of file is the engine's end; its reason, if any, is at the connection.
    if set[0].revents().contains(PollFlags::IN) && !clear(event) {
        return Ok(true);
    }
    // The engine has nothing to say to a client that is in, but why it is out.
    match receive(socket).map_err(|errno| ClientError::System(Step::Receiving, errno))? {
        Received::Closed => Err(ClientError::Gone),
        Received::Message(Message::Refused(reason), _) => Err(ClientError::Refused(reason)),
        Received::Nothing => Ok(true),
        _ => Err(ClientError::Protocol),
    }
}

/// Empties a wake socket, which may be as blocking as whoever made it likes. Whether it is at its end.
fn clear(event: impl AsFd) -> bool {
    matches!(recv(event, &mut [0; 64], RecvFlags::DONTWAIT), Ok((0, _)))
}

fn sending(errno: Errno) -> ClientError {
    match errno {
        Errno::PIPE | Errno::CONNRESET => ClientError::Gone,
        errno => ClientError::System(Step::Sending, errno),
    }
}
