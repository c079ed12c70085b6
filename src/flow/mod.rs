//! How frames flow through the engine, decided without a kernel: each file is a state machine or a table.
//!
//! Pure: time is an argument, `CLOCK_MONOTONIC` ns; there is no descriptor and no memory but its own. Events go in, decisions come out.
//! Knows limits and counters. Knows no device, no socket and no client.

pub mod allowance;
pub mod frame_clock;
pub mod idle;
pub mod inside;
pub mod key_frame;
pub mod link;
pub mod log_limit;
pub mod pending;
pub mod pipeline;
pub mod raw_link;
pub mod recording;
pub mod recovery;
pub mod run_state;
pub mod wake_cost;
pub mod wakeups;
