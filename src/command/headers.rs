//! The codec headers that the engine keeps beside the ring, for packets that come without theirs.

use crate::client::{Packet, PacketConsumer};
use crate::limits::CODEC_HEADER_BYTES;
use crate::shm::atomic::Ordering::Relaxed;

/// Codec headers of a stream.
#[derive(Debug)]
pub(super) struct Headers {
    bytes: [u8; CODEC_HEADER_BYTES],
    length: usize,
}

impl Headers {
    /// None.
    pub(super) const NONE: Self = Self {
        bytes: [0; CODEC_HEADER_BYTES],
        length: 0,
    };

    /// Their bytes.
    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Loads those that the engine keeps, if they are those of the packet's generation.
    pub(super) fn load(&mut self, consumer: &PacketConsumer, packet: &Packet) {
        let present = consumer.header().status.generation.load(Relaxed);
        if packet.generation == present as u16 {
            self.length = consumer.codec_headers(&mut self.bytes);
        }
    }
}
