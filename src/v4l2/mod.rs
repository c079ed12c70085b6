//! The kernel's V4L2 interface and the session with the encoder.

pub mod abi;
pub mod camera;
pub mod controls;
mod crop;
pub mod device;
pub mod encoder;
pub mod ioctl;
mod memory;
pub mod menu;
pub mod negotiate;
pub mod pixel_aspect;
pub mod quirks;
