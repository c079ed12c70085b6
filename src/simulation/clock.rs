//! The virtual time of one thread. Knows nothing of what happens in it.

use core::cell::Cell;

std::thread_local! {
    static NOW: Cell<Option<u64>> = const { Cell::new(None) };
}

/// When a world begins, virtual ns: past 32 bits of microseconds.
pub(super) const BEGIN: u64 = 5_000_000_000_000;

/// The virtual time, ns; `None` where this thread has no world.
pub(super) fn now() -> Option<u64> {
    NOW.get()
}

pub(super) fn set(ns: u64) {
    NOW.set(Some(ns));
}

pub(super) fn advance(ns: u64) {
    NOW.set(NOW.get().map(|now| now + ns));
}

/// This thread has no world any more.
pub(super) fn forget() {
    NOW.set(None);
}
