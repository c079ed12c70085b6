//! The kernel's V4L2 interface and the session with the encoder.

pub mod abi;
pub mod ioctl;
