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

#[cfg(test)]
extern crate std;

pub mod cli;
pub mod command;
pub mod control;
pub mod engine;
pub mod error;
pub mod limits;
pub mod log;
pub mod media;
pub mod shm;
pub mod stats;
pub mod time;
pub mod v4l2;
