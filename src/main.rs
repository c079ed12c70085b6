//! The program `framemill`. What it does is in the library; how it starts and how it dies of a bug is in `entry`.
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

// The product is linked with musl and has no std. Builds for any other environment serve the host's tests, and these must
// have std: a dev-dependency turns on `log/std`, Cargo unites features within one build, and std brings its own panic
// handler. A second one would not compile; so there std's handler calls ours.
#[cfg(not(target_env = "musl"))]
extern crate std;

#[cfg(not(loom))]
mod entry;

/// Under loom the library is its rings alone, and Cargo still builds a program beside their tests.
#[cfg(loom)]
fn main() {}
