//! Connecting to an engine that may not be there yet, and telling why it did not work.

use core::fmt;

use rustix::fs::AtFlags;

use crate::client::{ClientError, EngineAddress, PacketConsumer, Start, Step};
use crate::command::stop::{STOPPED, Stop};
use crate::control::claim::other_than_socket;
use crate::control::message::Refusal;
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::{Exit, When, exit_of};
use crate::limits::CONNECT_RETRY_MS;
use crate::shm::region::PrivateBytes;
use crate::text::Escaped;
use crate::time::{MS, now};
use crate::types::socket_name::SocketName;

/// The first pauses, ms, and how many: an engine that is started together with its clients listens some milliseconds later.
const CONNECT_FIRST_RETRY_MS: u32 = 2;
const CONNECT_FIRST_RETRIES: u32 = 20;

/// How long a client waits for an engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// So many ms, which may be 0.
    Ms(u32),
    /// Without end, with a try every so many ms.
    Every(u32),
}

/// Connects to an engine that runs as root, as this user or as `uid`, again and again as long as `patience` lasts while there is no
/// engine, it does not answer, or it has another producer.
pub(super) fn connect<T>(
    socket: &SocketName<'_>,
    uid: Option<u32>,
    patience: Patience,
    stop: &Stop,
    mut attempt: impl FnMut(&EngineAddress<'_>) -> Result<T, ClientError>,
) -> Result<T, Failure> {
    let deadline = match patience {
        Patience::Ms(ms) => now().saturating_add(u64::from(ms) * MS),
        Patience::Every(_) => u64::MAX,
    };
    let mut tries = 0;
    loop {
        match attempt(&EngineAddress {
            socket: *socket,
            uid,
            stop: stop.descriptor(),
        }) {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                let pause_ms = match tries {
                    0..CONNECT_FIRST_RETRIES => CONNECT_FIRST_RETRY_MS,
                    _ => CONNECT_RETRY_MS,
                };
                tries = tries.saturating_add(1);
                try_again(socket, patience, stop, (deadline, pause_ms), error)?;
            }
        }
    }
}

/// Connects as a consumer that starts at `start`, in the same way.
#[inline(never)]
pub(super) fn consume(
    socket: &SocketName<'_>,
    uid: Option<u32>,
    patience: Patience,
    stop: &Stop,
    start: Start,
) -> Result<PacketConsumer, Failure> {
    connect(socket, uid, patience, stop, |engine| {
        PacketConsumer::connect(engine, start)
    })
}

/// Memory for the largest packet that the consumer can get.
///
/// # Errors
/// `Exit::Resource` when there is none.
pub(super) fn packet_memory(consumer: &PacketConsumer) -> Result<PrivateBytes, Failure> {
    PrivateBytes::new(consumer.largest_packet()).map_err(|errno| {
        failure!(
            Exit::Resource,
            "no memory for the largest packet: {}",
            Explained(errno)
        )
    })
}

/// Sleeps a little before the next try, if there is to be one.
#[inline(never)]
fn try_again(
    socket: &SocketName<'_>,
    patience: Patience,
    stop: &Stop,
    (deadline, pause_ms): (u64, u32),
    error: ClientError,
) -> Result<(), Failure> {
    if stop.asked()? {
        return Err(STOPPED);
    }
    let may_change = matches!(
        error,
        ClientError::NoEngine(_)
            | ClientError::Gone
            | ClientError::System(Step::Answer, _)
            | ClientError::Refused(
                Refusal::ProducerPresent | Refusal::Busy | Refusal::Reopened | Refusal::Resources
            )
    );
    match patience {
        Patience::Ms(wait_ms) if may_change && wait_ms > 0 && now() >= deadline => Err(failure!(
            Exit::Timeout,
            "{}: {error}, for {wait_ms} ms",
            Name(socket)
        )),
        Patience::Ms(1..) if may_change => stop.pause(pause_ms),
        Patience::Every(ms) if may_change => stop.pause(ms),
        _ => Err(lost(socket, error)),
    }
}

/// A failure on a connection that was there.
pub(super) fn lost(socket: &SocketName<'_>, error: ClientError) -> Failure {
    if let (ClientError::NoEngine(_), SocketName::Path(path)) = (&error, socket)
        && let Some(kind) = other_than_socket(path, AtFlags::empty())
    {
        return failure!(
            Exit::Socket,
            "{} is {kind}, not an engine's socket",
            Name(socket)
        );
    }
    failure!(exit(&error), "{}: {error}", Name(socket))
}

fn exit(error: &ClientError) -> Exit {
    match error {
        ClientError::NoEngine(errno) => exit_of(When::AtSocket, *errno),
        ClientError::Gone
        | ClientError::Protocol
        | ClientError::Untrusted(_)
        | ClientError::System(Step::Answer, _) => Exit::Socket,
        ClientError::Refused(_) => Exit::Rejected,
        // Who hands the signals over ends without a sentence.
        ClientError::Stopped => Exit::Success,
        ClientError::System(_, errno) => exit_of(When::Connecting, *errno),
    }
}

/// A socket's name as it is written on the command line.
pub(super) struct Name<'a>(pub(super) &'a SocketName<'a>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketName::Path(path) => Escaped(path.to_bytes()).fmt(f),
            SocketName::Abstract(name) => write!(f, "@{}", Escaped(name)),
        }
    }
}
