//! The control socket: what clients and the engine say to each other, and how file descriptors change hands.

pub(crate) mod claim;
pub mod message;
pub(crate) mod socket;
