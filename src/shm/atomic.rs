//! What the rings are built from, as far as the model checker has its own: atomics and payload bytes, the processor's own or loom's.
//!
//! Nothing else in the tree may import `core::sync::atomic` for shared words: the model checker would not see it. Words are in `word`.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::bytes::SharedBytes;

/// The payload bytes of the packet ring: a circle of bytes that readers copy while the writer may overwrite it.
///
/// Reads and writes carry no ordering of their own; the ring's cursors and fences do. A read that races with a write
/// gives some bytes or other, never undefined behaviour, and the ring's protocol finds out afterwards.
pub trait Bytes {
    /// Size of the circle, bytes; a power of two.
    fn size(&self) -> u64;
    /// Copies `source` in at `position` modulo `size`, wrapping. `source` is no longer than `size`.
    fn write(&self, position: u64, source: SharedBytes<'_>);
    /// Copies out from `position` modulo `size`, wrapping. `target` is no longer than `size`.
    fn read(&self, position: u64, target: &mut [u8]);
}
