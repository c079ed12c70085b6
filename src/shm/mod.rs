//! Shared memory: the ABI, its mappings, and the two rings. Knows words in memory; knows no device and no socket.

pub mod atomic;
pub mod bytes;
pub mod circle;
pub mod frame_ring;
pub mod layout;
#[cfg(not(loom))]
pub mod map;
#[cfg(not(loom))]
pub mod measured_rate;
#[cfg(not(loom))]
pub mod memfd;
pub mod packet_ring;
#[cfg(not(loom))]
pub mod region;
pub mod sequence;
pub mod stats;
pub mod stream;
pub mod word;
