//! The kernel's V4L2 interface: devices, an encoder and a camera with their buffers, controls.

pub mod abi;
pub mod camera;
pub mod capture;
pub mod controls;
mod crop;
pub mod decoder;
pub mod device;
pub mod encoder;
pub mod ioctl;
mod memory;
pub mod menu;
pub mod negotiate;
pub mod pixel_aspect;
pub mod quirks;
pub mod role;
