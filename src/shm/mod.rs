//! Shared memory: the ABI, its mappings, and the two rings. Knows words in memory; knows no device and no socket.

pub(crate) mod atomic;
pub(crate) mod bytes;
pub(crate) mod circle;
pub(crate) mod frame_ring;
pub mod layout;
#[cfg(not(loom))]
pub(crate) mod map;
#[cfg(not(loom))]
pub(crate) mod measured_rate;
#[cfg(not(loom))]
pub(crate) mod memfd;
pub(crate) mod packet_ring;
pub(crate) mod recent;
#[cfg(not(loom))]
pub(crate) mod region;
pub(crate) mod sequence;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod word;
