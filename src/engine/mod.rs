//! The engine: the parts that touch descriptors and memory, the poll loop, and the one structure that owns everything.
//!
//! `engine` takes turns. It has two sides, which do not know each other: the `stream`, from the source of frames to the packet ring, and the
//! `clients`; what happens to one, `engine` and `reconfigure` tell the other. The stream's parts are the `source` (a producer's frame ring or
//! a camera), the memory of the slots, and an `output`: the `stage` (an encoder) with its sink (`publisher`). What they decide without a kernel
//! stands in `flow`.

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
pub mod stream;
pub mod supervisor;
