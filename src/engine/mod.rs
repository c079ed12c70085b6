//! The engine: the parts that touch descriptors and memory, the poll loop, and the one structure that owns everything.
//!
//! `engine` takes turns; `reconfigure` stops the encoder and starts it again. They alone see two parts at once. The parts are the `source`
//! (a producer's frame ring or a camera), the `stage` (the encoder), the sink (`publisher`), the memory of the slots, and the `clients`.
//! What the parts decide without a kernel stands in `flow`.

mod admission;
pub mod camera;
mod changes;
pub mod clients;
pub mod colour;
mod combination;
mod controls;
pub mod copying;
#[expect(
    clippy::module_inception,
    reason = "the structure that the module is named after"
)]
pub mod engine;
pub mod error;
mod idle;
pub mod output;
pub mod poll;
pub mod publisher;
mod rare;
mod reconfigure;
pub mod request;
pub mod ring_source;
pub mod session;
pub mod setup;
pub mod slot_memory;
pub mod source;
pub mod stage;
mod status;
pub mod supervisor;
