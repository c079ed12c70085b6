//! memcpy and its like, under the names by which the compiler calls them.
//!
//! Knows C's contracts. What is done stands in the library's `mem`, where it is tested.
#![expect(unsafe_code, reason = "functions of C's")]

use core::ffi::{c_char, c_int};

use framemill::internals::mem;

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: C's contract for this name, of which ours is a part.
    unsafe { mem::copy(from, to, count) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { mem::copy_overlapping(from, to, count) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, count: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { mem::set(to, byte as u8, count) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> c_int {
    // SAFETY: as above.
    unsafe { mem::compare(one, other, count) }
}

/// Not the same as memcmp: of two equal functions LLVM makes one, and LLVM 22 then crashes where it wants to call the other.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> c_int {
    // SAFETY: as above.
    let difference = unsafe { mem::compare(one, other, count) };
    (difference != 0).into()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    // SAFETY: as above.
    unsafe { mem::length(text.cast()) }
}
