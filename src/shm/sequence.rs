//! Words that belong together, under a word that counts their changes: odd while they are being written.
//!
//! One process writes and never waits; readers load the count, then the words, then the count again, and try again when it was odd or
//! has changed. Loading some other word before and after, such as the generation, does not do: words that are being written are then
//! taken for whole. Knows the count; knows no words.

use crate::limits::SEQUENCE_TRIES;
use crate::shm::atomic::{
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use crate::shm::word::{Access, Word32};

/// Has `store` store words that belong together. There is one writer.
pub fn store_whole(version: &Word32, store: impl FnOnce()) {
    let odd = version.load(Relaxed) | 1;
    version.store(odd, Relaxed);
    fence(Release); // pairs with the Acquire fence of `load_whole`
    store();
    version.store(odd.wrapping_add(1), Release); // pairs with the first load of `load_whole`
}

/// What `load` loads, of one making. `None` when `SEQUENCE_TRIES` tries met a writer; one that died half-way leaves it so.
pub fn load_whole<A: Access, T>(version: &Word32<A>, mut load: impl FnMut() -> T) -> Option<T> {
    for _ in 0..SEQUENCE_TRIES {
        let before = version.load(Acquire); // pairs with the last store of `store_whole`
        let loaded = load();
        fence(Acquire); // pairs with the Release fence of `store_whole`
        if before.is_multiple_of(2) && version.load(Relaxed) == before {
            return Some(loaded);
        }
        core::hint::spin_loop();
    }
    None
}
