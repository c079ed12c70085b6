//! What a user asks for, as values: the types that the command line, the control socket and the engine share.
//!
//! Knows ranges and how a value prints. Knows no option, no device and no socket.

pub mod control_setting;
pub mod devices;
pub mod flip;
pub mod frame_rate;
pub mod memory;
pub mod mux;
pub mod run_options;
pub mod segments;
pub mod size;
pub mod socket_name;
pub mod users;
