//! A stage without an encoder: a camera's coded frames are passed on.
//!
//! Knows what such a stage says of its stream. Knows no camera, and passes nothing on: `output/relay` does.

use core::cell::Cell;

use super::{Stage, State};
use crate::engine::session::Session;
use crate::flow::key_frame::KeyFrame;
use crate::flow::recovery::Recovery;
use crate::flow::wakeups::Wakeups;
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;
use crate::shm::stats::Stats;
use crate::time::MS;
use crate::v4l2::negotiate::Wanted;

impl<'a> Stage<'a> {
    /// No encoder: what the camera gives is passed on.
    pub fn relay(session: Session<'a>, wanted: Wanted, stats: Stats<'a>) -> Self {
        Self {
            stall_ns: u64::from(session.options.stall_ms) * MS,
            can_force: false,
            session,
            wanted,
            recovery: Recovery::default(),
            key: KeyFrame::new(false),
            propose_again_ns: Cell::new(0),
            state: State::Relay,
            wakeups: Wakeups::default(),
            refused: 0,
            stats,
        }
    }

    /// Whether there is no encoder.
    #[must_use]
    pub fn relays(&self) -> bool {
        matches!(self.state, State::Relay)
    }

    /// The coded size and the colour of the stream; `None` while the encoder is closed.
    #[must_use]
    pub fn agreed(&self) -> Option<((u32, u32), Colour)> {
        match &self.state {
            State::Up(encoder) => Some((encoder.agreed().coded, encoder.agreed().colour)),
            State::Relay => Some(((self.wanted.width, self.wanted.height), self.wanted.colour)),
            State::Down(_) => None,
        }
    }

    /// The format that the source gives.
    #[must_use]
    pub fn source_format(&self) -> Fourcc {
        match &self.state {
            State::Relay => self.wanted.codec,
            _ => self.wanted.format.fourcc,
        }
    }
}
