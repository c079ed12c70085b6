//! A consumer of packets. It can only read the ring; the engine does not wait for it.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::slots::mapping;
use super::wait::{check_wake, clear, hear, wait};
use super::{ClientError, EngineAddress, Next, Start};
use crate::control::message::{Change, Message};
use crate::control::socket::{Descriptors, send};
use crate::limits::{ANSWER_MS, CODEC_HEADER_BYTES, KEY_FRAME_PAUSE_MS};
use crate::shm::circle::Circle;
use crate::shm::layout::PacketHeader;
use crate::shm::map::PacketMap;
use crate::shm::packet_ring::{Payload, Reader, load_codec_headers};
use crate::shm::recent::{Recent, newest_first};
use crate::shm::word::LoadOnly;
use crate::time::{MS, now};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There may be packets.
    Ready,
    /// The time is up.
    TimedOut,
    /// The engine is gone; the packets that are in the ring can still be read.
    Gone,
}

/// A connection to an engine's packet ring.
#[derive(Debug)]
pub struct PacketConsumer {
    socket: OwnedFd,
    map: PacketMap<LoadOnly>,
    event: OwnedFd,
    reader: Reader,
    /// When a key frame was last requested by itself, `CLOCK_MONOTONIC` ns; 0 before.
    key_requested_ns: u64,
}

impl PacketConsumer {
    /// Connects as a consumer that starts at `start`. One that is to begin with a key packet, or with the oldest, and finds no key
    /// packet in the ring requests a key frame; so does each that was lapped, as long as none is there. Other requests: `request_key_frame`.
    ///
    /// # Errors
    /// When there is no engine, it refuses, or it is of another version.
    pub fn connect<'a>(
        engine: impl Into<EngineAddress<'a>>,
        start: Start,
    ) -> Result<Self, ClientError> {
        Self::join(&engine.into(), start)
    }

    #[inline(never)]
    fn join(engine: &EngineAddress<'_>, start: Start) -> Result<Self, ClientError> {
        let hello = Message::Consume { wake: true };
        let (socket, answer, descriptors) = super::ask(engine, ANSWER_MS, &hello, &[])?;
        Self::admitted(socket, answer, descriptors, start)
    }

    /// What follows from the engine's answer.
    pub(crate) fn admitted(
        socket: OwnedFd,
        answer: Message,
        descriptors: Descriptors,
        start: Start,
    ) -> Result<Self, ClientError> {
        let Message::Packets { wake: true } = answer else {
            return Err(ClientError::Protocol);
        };
        let mut descriptors = descriptors.into_iter();
        let (Some(ring), Some(event)) = (descriptors.next(), descriptors.next()) else {
            return Err(ClientError::Protocol);
        };
        check_wake(&event)?;
        let map = PacketMap::open(&ring).map_err(mapping)?;
        let reader = Reader::new(&map.ring(), start);
        let mut consumer = Self {
            socket,
            map,
            event,
            reader,
            key_requested_ns: 0,
        };
        consumer.find_key(start);
        Ok(consumer)
    }

    /// Moves the reader to `start`, and returns the number of packets skipped.
    pub(crate) fn restart(&mut self, start: Start) -> u64 {
        let before = self.position();
        self.reader = Reader::new(&self.map.ring(), start);
        self.find_key(start);
        self.position().saturating_sub(before)
    }

    /// Moves the reader to the newest key packet that is at least so many ns old, or to the oldest one in the ring; and returns how old
    /// that is, ns. Without one it stands before the next key packet to come.
    pub(crate) fn rewind(&mut self, age_ns: u64) -> Option<u64> {
        let time = now();
        let (reader, published) = Reader::since(&self.map.ring(), time.saturating_sub(age_ns));
        self.reader = reader;
        published.map(|published| time.saturating_sub(published))
    }

    fn find_key(&mut self, start: Start) {
        if start != Start::Live && self.map.ring().lacks_key() {
            self.request_missing_key(now());
        }
    }

    /// Copies the next packet's bytes to `target`. Never waits.
    pub fn next(&mut self, target: &mut [u8]) -> Next {
        let next = self.reader.next(&self.map.ring(), target);
        self.mend();
        next
    }

    /// Shows the next packet to `look` where it lies in the ring, for those that need only a part of it, or take it in pieces. Never
    /// waits. What `look` saw is worth something only if the answer is `Next::Packet`; with `Next::Lapped` it was being
    /// overwritten.
    ///
    /// ```no_run
    /// use framemill::client::{ClientError, Next, PacketConsumer, Start};
    /// use framemill::client::SocketName;
    ///
    /// # fn main() -> Result<(), ClientError> {
    /// let mut consumer = PacketConsumer::connect(&SocketName::DEFAULT, Start::Live)?;
    /// // The type of the first NAL unit of each packet.
    /// consumer.wait(None)?;
    /// let mut start = [0; 5];
    /// if let Next::Packet(packet) = consumer.next_in_place(|payload| {
    ///     payload.read(0, &mut start);
    /// }) {
    ///     println!("packet {}: NAL unit type {}", packet.sequence, start[4] & 0x1f);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn next_in_place(&mut self, look: impl FnMut(&Payload<'_, Circle<'_>>)) -> Next {
        let next = self.reader.next_in_place(&self.map.ring(), look);
        self.mend();
        next
    }

    /// Steps over the next packet without a copy, after `Next::TooSmall`.
    pub fn skip(&mut self) {
        self.reader.skip();
    }

    /// Sequence of the packet that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    /// The stream's codec headers: how many bytes of `target` they are; 0 when the stream has none (yet).
    pub fn codec_headers(&self, target: &mut [u8; CODEC_HEADER_BYTES]) -> usize {
        load_codec_headers(&self.map.header().codec_headers, target)
    }

    /// The engine's state, formats, counters and latencies.
    #[must_use]
    pub fn header(&self) -> &PacketHeader<LoadOnly> {
        self.map.header()
    }

    /// The packets that are still described, the newest one first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = Recent> {
        newest_first(&self.header().cursors, self.map.ring().descriptors)
    }

    /// Bytes of the largest packet there can be.
    #[must_use]
    pub fn largest_packet(&self) -> usize {
        self.map.data_bytes()
    }

    /// The descriptor to poll for POLLIN in a loop of one's own; call `clear` before reading packets.
    ///
    /// ```no_run
    /// use framemill::client::{ClientError, Next, PacketConsumer, Start};
    /// use framemill::client::SocketName;
    /// use rustix::event::{PollFd, PollFlags, poll};
    ///
    /// # fn main() -> Result<(), ClientError> {
    /// let mut consumer = PacketConsumer::connect(&SocketName::DEFAULT, Start::Key)?;
    /// let mut bytes = vec![0; consumer.largest_packet()];
    /// consumer.request_key_frame()?;
    /// loop {
    ///     // Beside whatever else the program waits for.
    ///     let event = consumer.event();
    ///     let socket = consumer.socket();
    ///     let mut set = [PollFd::new(&event, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
    ///     poll(&mut set, None).unwrap();
    ///     let gone = set.iter().any(|one| one.revents().contains(PollFlags::HUP));
    ///     consumer.clear();
    ///     while let Next::Packet(packet) = consumer.next(&mut bytes) {
    ///         println!("{} bytes", packet.length);
    ///     }
    ///     if gone {
    ///         return Err(ClientError::Gone);
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The connection, to poll for POLLHUP in a loop of one's own. An end of `event` (POLLHUP) is the engine's end, too.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Asks for a key frame, soon; never waits. Requests of all clients are merged and limited in number; there is no answer, and
    /// an encoder that cannot do it does not.
    ///
    /// # Errors
    /// `Gone` when the engine is; otherwise those of sendmsg(2).
    pub fn request_key_frame(&self) -> Result<(), ClientError> {
        match send(&self.socket, &Message::Change(Change::KeyFrame), &[]) {
            // So many wait to be heard that one more says nothing new.
            Err(Errno::AGAIN) => Ok(()),
            sent => sent.map_err(super::sending),
        }
    }

    /// Requests a key frame if the reader waits for one and none is in the ring: after a lap. Again after `KEY_FRAME_PAUSE_MS`, as long
    /// as none came, because an encoder that is restarted may have lost the request.
    fn mend(&mut self) {
        if !self.reader.waits_for_key() || !self.map.ring().lacks_key() {
            return;
        }
        let time = now();
        let pause = u64::from(KEY_FRAME_PAUSE_MS) * MS;
        if self.key_requested_ns == 0 || time.saturating_sub(self.key_requested_ns) >= pause {
            self.request_missing_key(time);
        }
    }

    fn request_missing_key(&mut self, time: u64) {
        self.key_requested_ns = time;
        // If the engine is gone, the next wait says so.
        let _ = self.request_key_frame();
    }

    /// Resets the descriptor that `event` gives.
    pub fn clear(&self) {
        // What it is instead, if it cannot be emptied, the next wait shows.
        let _ = clear(&self.event);
    }

    /// Waits for packets, at most `timeout` ns; without a limit for `None`.
    ///
    /// # Errors
    /// When poll(2) fails, or the engine disconnected this consumer.
    pub fn wait(&self, timeout: Option<u64>) -> Result<Wait, ClientError> {
        self.waited(wait(&self.event, &self.socket, timeout))
    }

    /// The same after a wait of one's own: what it found at `event` and at `socket`.
    pub(crate) fn heard(&self, wakes: bool, says: bool) -> Result<Wait, ClientError> {
        self.waited(hear(&self.event, &self.socket, wakes, says))
    }

    fn waited(&self, answer: Result<bool, ClientError>) -> Result<Wait, ClientError> {
        match answer {
            Ok(true) => Ok(Wait::Ready),
            Ok(false) => Ok(Wait::TimedOut),
            Err(ClientError::Gone) => Ok(Wait::Gone),
            Err(error) => Err(error),
        }
    }
}
