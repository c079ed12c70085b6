//! What the rings are built from, as far as the model checker has its own: atomics, the processor's own or loom's.
//!
//! Nothing else in the tree may import `core::sync::atomic` for shared words: the model checker would not see it. Words are in `word`.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
