//! The engine: the frame's life, the poll loop, and the one structure that owns everything.
//!
//! `wait` and `reactor` wait, `engine` takes turns, and each part does one thing: `frame_memory` holds the slots, `pipeline` follows
//! the frames, `publisher` makes packets, `clients` keeps the connections, `session` and `controls` set the encoder up.
//! `camera` is a producer in the loop; `service`, `changes`, `attach` and `lifecycle` are the engine's dealings with clients,
//! with their wishes and with trouble.

pub mod attach;
pub mod camera;
mod changes;
pub mod clients;
mod colour;
mod controls;
#[expect(
    clippy::module_inception,
    reason = "the structure that the module is named after"
)]
pub mod engine;
mod flush;
pub mod frame_memory;
mod life;
mod lifecycle;
pub mod publisher;
pub mod reactor;
mod service;
pub mod session;
mod wait;
