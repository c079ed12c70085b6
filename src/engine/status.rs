//! What the engine says of itself each turn: its state, and whether the frames add up.
//!
//! Looks at the parts, and changes nothing but the words that others read.

use crate::engine::camera::Health;
use crate::engine::source::Source;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::RunState;
use crate::log::note;
use crate::shm::layout::State;
use crate::shm::stats::{Counter, Stats};

/// What the engine is doing. `up`: the encoder is open.
#[must_use]
pub fn state_of<R>(run_state: &RunState<R>, up: bool, source: &Source<'_>) -> State {
    match source {
        _ if run_state.ending() => State::Draining,
        _ if !up => State::Recovering,
        _ if run_state.is_idle() => State::Idle,
        _ if !run_state.takes_frames() => State::Draining,
        Source::Ring(_) => State::Running,
        Source::Camera(camera) => match camera.health {
            Health::Streaming | Health::Stopped(_) => State::Running,
            Health::Away(_) => State::NoCamera,
            Health::NoSignal(_) => State::NoSignal,
        },
    }
}

/// Each turn ends with every committed frame published, dropped or inside. A mistake of ours is logged once and counted, and ends
/// nothing: it is in the numbers, not in the stream.
pub fn check_balance(pipeline: &Pipeline<'_>, stats: &Stats<'_>) {
    if pipeline.balances() {
        return;
    }
    debug_assert!(false, "frames are out of balance");
    stats.count(Counter::Unbalanced);
    if stats.get(Counter::Unbalanced) == 1 {
        note!(
            warn,
            "internal error: {} frames committed, but {} published, {} dropped and {} inside",
            stats.get(Counter::FramesCommitted),
            stats.get(Counter::FramesPublished),
            stats.dropped(),
            pipeline.in_flight()
        );
    }
}
