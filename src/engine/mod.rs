//! The engine: the frame's life, the poll loop, and the one structure that owns everything.
//!
//! `reactor` waits, `engine` takes turns, and each part does one thing: `frame_memory` holds the slots, `pipeline`
//! follows the frames, `publisher` makes packets, `clients` keeps the connections. `service`, `changes`, `import` and
//! `lifecycle` are the engine's dealings with clients, with their wishes and with trouble.

pub mod camera;
mod changes;
pub mod clients;
#[expect(
    clippy::module_inception,
    reason = "the structure that the module is named after"
)]
pub mod engine;
pub mod frame_memory;
mod import;
mod lifecycle;
pub mod pipeline;
pub mod publisher;
pub mod reactor;
mod service;
