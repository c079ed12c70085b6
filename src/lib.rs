//! Framemill keeps a hardware video encoder fed.
#![no_std]
#![deny(unsafe_code)]
#![deny(
    missing_docs,
    unsafe_op_in_unsafe_fn,
    unused_must_use,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::allow_attributes_without_reason,
    clippy::missing_safety_doc
)]
#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "there is no heap to box the large ones into"
)]

#[cfg(test)]
extern crate std;

#[cfg(not(loom))]
pub mod cli;
#[cfg(not(loom))]
pub mod client;
#[cfg(not(loom))]
pub mod command;
#[cfg(not(loom))]
pub mod control;
#[cfg(not(loom))]
pub mod engine;
pub mod error;
pub mod limits;
#[cfg(not(loom))]
pub mod log;
#[cfg(not(loom))]
pub mod media;
pub mod shm;
#[cfg(not(loom))]
pub mod signals;
pub mod stats;
#[cfg(not(loom))]
pub mod stdio;
#[cfg(not(loom))]
pub mod time;
#[cfg(not(loom))]
pub mod v4l2;
