//! What a simulated decoder has inside: images, and what becomes of each.

use super::super::jpeg::Found;
use super::super::random::Random;
use super::super::shared::Shared;
use super::nature::Mishaps;

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    Lost,
    Error,
    EmptyError,
    WrongTime,
    WrongIndex,
    SuddenLast,
    SuddenPipe,
    SuddenEvent,
    WrongInput,
}

impl Fate {
    /// What becomes of the next image.
    pub(super) fn next(mishaps: &Mishaps, random: &mut Random, shared: &mut Shared) -> Self {
        if shared.now() >= mishaps.until {
            return Self::Good;
        }
        let fates = [
            (mishaps.losses, Self::Lost),
            (mishaps.errors, Self::Error),
            (mishaps.empty_errors, Self::EmptyError),
            (mishaps.wrong_times, Self::WrongTime),
            (mishaps.wrong_index, Self::WrongIndex),
            (mishaps.sudden_last, Self::SuddenLast),
            (mishaps.sudden_pipe, Self::SuddenPipe),
            (mishaps.sudden_event, Self::SuddenEvent),
            (mishaps.wrong_input, Self::WrongInput),
        ];
        for (chance, fate) in fates {
            if random.chance(chance) {
                shared.trace(format_args!(
                    "the decoder plans for its next image: {fate:?}"
                ));
                return fate;
            }
        }
        Self::Good
    }
}

/// An image inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) slot: u32,
    /// What the decoder reads in it; `None` where it is no image.
    pub(super) found: Option<Found>,
    /// Its timestamp, us.
    pub(super) time: u64,
    /// What its decoding takes, ns.
    pub(super) latency: u64,
    /// When its frame is there, virtual ns; `None` before its decoding began.
    pub(super) ready_at: Option<u64>,
    /// When its buffer comes back, if that is before.
    pub(super) return_at: u64,
    pub(super) returned: bool,
    pub(super) fate: Fate,
}
