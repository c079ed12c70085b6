//! Shared words: integers in memory that another process may map, too.
//!
//! A word's type says what its mapping permits. `LoadOnly` words have no `store`: one that is mapped read-only would end the process.
//! Knows one word at a time; what several words mean together is the protocol's business.
#![cfg_attr(
    target_arch = "arm",
    expect(unsafe_code, reason = "a 64-bit load that does not store")
)]

use core::fmt;
use core::marker::PhantomData;

use super::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// What the mapping of a word permits.
pub trait Access: Copy + fmt::Debug + 'static + sealed::Sealed {
    /// Whether the word may be stored to.
    const STORES: bool;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::LoadOnly {}
    impl Sealed for super::LoadStore {}
}

/// Words of a read-only mapping. There is no way to store to them:
///
/// ```compile_fail,E0599
/// use framemill::internals::shm::atomic::Ordering::Relaxed;
/// use framemill::internals::shm::map::PacketMap;
/// # fn ring() -> rustix::fd::OwnedFd { unimplemented!() }
/// let map = PacketMap::open(&ring()).unwrap();
/// map.header().cursors.head.store(1, Relaxed);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoadOnly;

/// Words of a writable mapping.
#[derive(Clone, Copy, Debug)]
pub struct LoadStore;

impl Access for LoadOnly {
    const STORES: bool = false;
}

impl Access for LoadStore {
    const STORES: bool = true;
}

/// Any load of a word, ordered by a fence behind it. In read-only memory a relaxed load is all that Rust defines; a fence behind it
/// pairs with the same Release stores as an Acquire load would.
fn ordered<T>(value: T, ordering: Ordering) -> T {
    if ordering != Ordering::Relaxed {
        fence(ordering);
    }
    value
}

/// A shared word of 32 bits.
#[repr(transparent)]
pub struct Word32<A: Access = LoadStore> {
    word: AtomicU32,
    access: PhantomData<A>,
}

/// A shared word of 64 bits.
#[repr(transparent)]
pub struct Word64<A: Access = LoadStore> {
    word: AtomicU64,
    access: PhantomData<A>,
}

impl<A: Access> Word32<A> {
    /// The value, with `Relaxed` or `Acquire` ordering.
    pub fn load(&self, ordering: Ordering) -> u32 {
        ordered(self.word.load(Ordering::Relaxed), ordering)
    }
}

impl<A: Access> Word64<A> {
    /// The value, with `Relaxed` or `Acquire` ordering.
    pub fn load(&self, ordering: Ordering) -> u64 {
        #[cfg(target_arch = "arm")]
        if !A::STORES {
            return ordered(load_exclusive(&self.word), ordering);
        }
        ordered(self.word.load(Ordering::Relaxed), ordering)
    }
}

/// A load in one piece. Rust has none of 64 bits for read-only memory here: it may make the load of a compare and a store.
#[cfg(target_arch = "arm")]
fn load_exclusive(word: &AtomicU64) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the word is mapped and aligned to 8 bytes. LDREXD loads both halves at once and stores nothing; without a STREXD behind it
    // the exclusive monitor's state does not matter.
    unsafe {
        core::arch::asm!(
            "ldrexd r0, r1, [{word}]",
            word = in(reg) word.as_ptr(),
            out("r0") low,
            out("r1") high,
            options(nostack, preserves_flags, readonly),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

impl Word32 {
    /// A word of this process alone.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            access: PhantomData,
        }
    }

    /// A word of this process alone.
    #[cfg(loom)]
    #[must_use]
    pub fn new(value: u32) -> Self {
        Self {
            word: AtomicU32::new(value),
            access: PhantomData,
        }
    }

    /// Stores a value, with `Relaxed` or `Release` ordering.
    pub fn store(&self, value: u32, ordering: Ordering) {
        self.word.store(value, ordering);
    }

    /// The word as futex(2) wants it.
    pub fn futex(&self) -> &AtomicU32 {
        &self.word
    }
}

impl Word64 {
    /// A word of this process alone.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self {
            word: AtomicU64::new(value),
            access: PhantomData,
        }
    }

    /// A word of this process alone.
    #[cfg(loom)]
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self {
            word: AtomicU64::new(value),
            access: PhantomData,
        }
    }

    /// Stores a value, with `Relaxed` or `Release` ordering.
    pub fn store(&self, value: u64, ordering: Ordering) {
        self.word.store(value, ordering);
    }
}

impl Default for Word32 {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Default for Word64 {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<A: Access> fmt::Debug for Word32<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load(Ordering::Relaxed).fmt(f)
    }
}

impl<A: Access> fmt::Debug for Word64<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load(Ordering::Relaxed).fmt(f)
    }
}
