//! The atomics that the rings are built from: the processor's own, or loom's when the rings are model-checked.
//!
//! Nothing else in the tree may import `core::sync::atomic` for shared words: the model checker would not see it.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// The payload bytes of the packet ring: a circle of bytes that readers copy while the writer may overwrite it.
///
/// Reads and writes carry no ordering of their own; the ring's cursors and fences do. A read that races with a write
/// gives some bytes or other, never undefined behaviour, and the ring's protocol finds out afterwards.
pub trait Bytes {
    /// Size of the circle, bytes; a power of two.
    fn size(&self) -> u64;
    /// Copies `source` in at `position` modulo `size`, wrapping. `source` is no longer than `size`.
    fn write(&self, position: u64, source: &[u8]);
    /// Copies out from `position` modulo `size`, wrapping. `target` is no longer than `size`.
    fn read(&self, position: u64, target: &mut [u8]);
}
