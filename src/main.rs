//! The program `framemill`. What it does is in the library; how it starts and how it dies of a bug is in `entry`.
//!
//! It is the same for every target: no std and no C library, also on a developer's machine. A dependency that turns on somebody's `std`,
//! perhaps for tests only, does not link, because std has a panic handler of its own.
#![no_std]
#![cfg_attr(not(loom), no_main)]
#![deny(unsafe_code)]
#![deny(
    unsafe_op_in_unsafe_fn,
    unused_must_use,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::allow_attributes_without_reason,
    clippy::missing_safety_doc
)]

#[cfg(not(loom))]
mod entry;

/// The model checker needs std, and is tests only.
#[cfg(loom)]
extern crate std;

/// Under loom the library is its rings alone, and Cargo still builds a program beside their tests.
#[cfg(loom)]
fn main() {}
