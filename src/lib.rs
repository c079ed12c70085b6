//! Send frames to a hardware video encoder and read its packets, through shared memory: a client of the program `framemill`, and that
//! program.
//!
//! **Start at [`client`]**: a [`FrameProducer`](client::FrameProducer) draws into the encoder's own buffers, a
//! [`PacketConsumer`](client::PacketConsumer) reads the coded packets, an [`Observer`](client::Observer) looks at the engine's state, and
//! [`change`](client::change) changes it while it runs. There is no heap and no std in it, and no thread of its own.
//!
//! ```no_run
//! use framemill::client::{ClientError, Next, PacketConsumer, SocketName, Start};
//!
//! # fn main() -> Result<(), ClientError> {
//! let mut consumer = PacketConsumer::connect(&SocketName::DEFAULT, Start::Key)?;
//! let mut bytes = vec![0; consumer.largest_packet()];
//! loop {
//!     while let Next::Packet(packet) = consumer.next(&mut bytes) {
//!         println!("{} bytes, timestamp {} ns", packet.length, packet.timestamp);
//!     }
//!     consumer.wait(None)?;
//! }
//! # }
//! ```
//!
//! [`shm::layout`] and [`control::message`] are the protocol for other languages, word by word; `src/client/PROTOCOL.md` explains it, and
//! `src/client/framemill.h` is a client in C. What follows is about the program.
//!
//! # The engine
//!
//! Framemill keeps a hardware video encoder fed. Raw frames come in through a shared-memory ring, pass a V4L2
//! memory-to-memory encoder, and leave as coded packets in a second shared-memory ring that any number of processes
//! read.
//!
//! ```text
//!                       framemill run: one thread, one ppoll loop
//!            ┌──────────────────────────────────────────────────────────────┐
//!            │              OUTPUT                   CAPTURE                │
//!  producer ─┼─ frame ring ─▶ queue ─▶  encoder  ─▶  queue ─▶ packet ring ──┼─▶ consumer
//!     ▲      │      │           (kernel, hardware)              │           │─▶ consumer
//!     │      └──────┼───────────────────────────────────────────┼───────────┘─▶ stat
//!     └─ free slots ┘                                  one copy, front to back
//! ```
//!
//! # The way of a frame
//!
//! Raw frames are zero-copy. The engine exports the encoder's OUTPUT buffers as dma-bufs (VIDIOC_EXPBUF) and passes them to the producer,
//! which maps them once and writes in place. A producer with its own dma-bufs can have them imported instead. If neither works, frames go
//! through a memfd and are copied once; the log and `framemill stat` report it.
//!
//! The producer commits a slot by its number. The engine queues it to the driver under a timestamp of its own, and remembers the frame
//! by that timestamp, because the driver's two queues are independent: one frame may give one coded buffer, several, or none. A slot
//! returns to the producer when its own buffer returns, not when its packet comes.
//!
//! Coded bytes are read once, in order, because the driver's memory may be uncached, and are written to the packet
//! ring. The writer moves the ring's tail before it overwrites anything; a reader copies first and looks at the tail
//! afterwards, so it knows whether its copy is whole. Nobody waits for a reader. One that was too slow learns how many
//! packets it lost, and goes on at the newest key frame.
//!
//! # What always holds
//!
//! * Every committed frame ends in exactly one counter: published, or dropped for a named reason. What is in neither
//!   is still inside (`flow::pipeline`).
//! * While frames flow, it does not allocate, map or unmap memory. Buffers are remapped only when the encoder is reconfigured (between two
//!   producers, for a camera that came back or changed its size) or reopened after a failure; and each producer gets a frame ring that
//!   nobody had before. There is no heap at all; each capacity stands in `limits`, with its reason.
//! * The work of a turn is bounded: no client and no queue can keep the others waiting.
//! * What a peer writes is untrusted. The engine keeps its own cursors and its own record of who has which slot;
//!   the worst a client can do with the words it may write is to lose its own connection. What that does not cover: a
//!   producer can write into the buffers that it was given for as long as it lives.
//! * Consumers can map the packet ring for reading only; the kernel's seals see to that.
//! * Before the loop, a failure ends the process with a code of `exit`'s table and one sentence. After that it ends only
//!   on a signal, on `ctl drain`, after the first producer (`--once`) or the last requested camera frame (`--frames`), when the encoder
//!   cannot be revived, or when the camera does not return. Each wait has a deadline, with four exceptions: a producer, a camera that
//!   sends neither frames nor errors, a camera's signal, and memory for an encoder that has to be set up again.
//! * The loop has no right that it does not need: files and system calls are given up before it (`sandbox`).
//! * A parameter is changed between two frames. Nothing is torn down for it: a firmware survives few teardowns. Only another
//!   size, format, rate or memory reconfigures the encoder, when it is empty.
//! * A peer that misbehaves, a device that fails and a bug of ours are three different things: a value, an error, a
//!   panic.
//!
//! # Where things are
//!
//! Each file imports from its own module and from the layers below it. Modules of one layer do not know each other, and no files
//! import each other in a circle. `tests/structure.rs` has the list of layers and checks this: `use` lines and paths that are written
//! out, those of tests left out. `simulation`, which is compiled into tests only, has no layer, and no circle either.
//!
//! ```text
//! main
//! entry                            argv in, an exit code out
//! internals                        names for `entry` and for tests
//! command                          argv to work, and how it ended to a sentence and an exit code
//! cli        engine                the command line; the owner of everything while it runs
//! client     sandbox               producers and consumers in Rust; rights that are given up
//! control    flow       v4l2       the socket; what the engine decides, without a kernel; devices
//! types                            what the command line, the socket and the engine share
//! media                            formats, layouts, bitstreams
//! shm                              the ABI in shared memory, its mappings, the rings
//! error                            a sentence and an exit code
//! child  exit  log  signals  schedule  free_memory
//! errno  stdio
//! nearest  text  time
//! limits  mem                      every capacity, with its reason; memcpy and its like
//! ```
//!
//! `flow`, `shm::layout`, `control::message`, `media`, `types` and `cli` are pure: no descriptor, no clock. They are tested on any host.
//! `shm::layout` and `control::message` together are the ABI for programs in other languages. They and `client` are public: what is, stands in
//! `tests/public_api.txt`.
//! So is `internals`, for tests and without a promise; nothing else is.
//!
//! # What it will not do
//!
//! No heap, no threads, no async runtime. No network, no container files, no recording in the engine: a consumer does that, such as `tap`. No
//! scaling, no colour conversion and no decoding by the processor: a producer delivers what the encoder takes, and what a camera gives goes
//! through a decoder and a converter of the board, where there are such. No software encoder to fall back
//! on: where there is no hardware, it says so. No configuration file. No second producer at a time: mixing frames is
//! a producer's work.
#![no_std]
#![deny(unsafe_code)]
#![deny(
    missing_docs,
    unsafe_op_in_unsafe_fn,
    unused_must_use,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::allow_attributes_without_reason,
    clippy::missing_safety_doc
)]
#![allow(
    clippy::large_enum_variant,
    reason = "there is no heap to box the large ones into"
)]
#![cfg_attr(
    loom,
    allow(dead_code, reason = "the model checker takes the rings alone")
)]

#[cfg(test)]
extern crate std;

#[cfg(not(loom))]
mod child;
#[cfg(not(loom))]
mod cli;
#[cfg(not(loom))]
pub mod client;
#[cfg(not(loom))]
mod command;
#[cfg(not(loom))]
pub mod control;
#[cfg(not(loom))]
mod engine;
#[cfg(not(loom))]
mod errno;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod exit;
#[cfg(not(loom))]
mod flow;
#[cfg(not(loom))]
mod free_memory;
#[doc(hidden)]
pub mod internals;
mod limits;
#[cfg(not(loom))]
mod log;
#[cfg(not(loom))]
mod media;
mod mem;
#[cfg(not(loom))]
mod nearest;
#[cfg(not(loom))]
mod sandbox;
#[cfg(not(loom))]
mod schedule;
pub mod shm;
#[cfg(not(loom))]
mod signals;
#[cfg(all(test, not(loom)))]
mod simulation;
#[cfg(not(loom))]
mod stdio;
#[cfg(not(loom))]
mod text;
#[cfg(not(loom))]
mod time;
#[cfg(not(loom))]
mod types;
#[cfg(not(loom))]
mod v4l2;
#[cfg(target_pointer_width = "64")]
mod vdso;
