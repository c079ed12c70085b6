//! An observer of an engine: it sees the packet ring's header and descriptors, and nothing else is mapped. It is not counted as a consumer, and
//! not woken.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::slots::mapping;
use super::{ClientError, EngineAddress};
use crate::control::message::Message;
use crate::limits::ANSWER_MS;
use crate::shm::layout::PacketHeader;
use crate::shm::map::HeaderMap;
use crate::shm::measured_rate::measured_rate;
use crate::shm::recent::{Recent, newest_first};
use crate::shm::word::LoadOnly;

/// A connection to an engine, to read its header.
#[derive(Debug)]
pub struct Observer {
    socket: OwnedFd,
    map: HeaderMap,
}

impl Observer {
    /// Connects.
    ///
    /// # Errors
    /// When there is no engine, it refuses, or it is of another version.
    pub fn connect<'a>(engine: impl Into<EngineAddress<'a>>) -> Result<Self, ClientError> {
        Self::connect_within(engine, ANSWER_MS)
    }

    /// The same, and waits for the engine at most `patience_ms`.
    ///
    /// # Errors
    /// As `connect`.
    pub fn connect_within<'a>(
        engine: impl Into<EngineAddress<'a>>,
        patience_ms: u32,
    ) -> Result<Self, ClientError> {
        Self::join(&engine.into(), patience_ms)
    }

    fn join(engine: &EngineAddress<'_>, patience_ms: u32) -> Result<Self, ClientError> {
        let answer = super::ask(engine, patience_ms, &Message::Observe, &[])?;
        let (socket, Message::Packets { wake: false }, mut descriptors) = answer else {
            return Err(ClientError::Protocol);
        };
        let ring = descriptors.pop().ok_or(ClientError::Protocol)?;
        let map = HeaderMap::open(&ring).map_err(mapping)?;
        Ok(Self { socket, map })
    }

    /// The engine's state, formats, counters and latencies.
    #[must_use]
    pub fn header(&self) -> &PacketHeader<LoadOnly> {
        self.map.header()
    }

    /// Frames in 1000 seconds, as they really came lately: `shm::measured_rate` has the rules. 0 before two packets are there.
    #[must_use]
    pub fn measured_rate(&self) -> u64 {
        measured_rate(&self.header().cursors, self.map.descriptors())
    }

    /// The packets that are still described, the newest one first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = Recent> {
        newest_first(&self.header().cursors, self.map.descriptors())
    }

    /// The connection, to poll: the engine has nothing to say to an observer, so that whatever comes is the end.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
