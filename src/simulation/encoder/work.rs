//! What a simulated encoder has inside: frames, what becomes of each, and coded bytes that wait for a buffer.

use std::vec::Vec;

use super::super::random::Random;
use super::super::shared::Shared;
use super::nature::Mischief;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    Dropped,
    Empty,
    ErrorEmpty,
    Damaged,
    ZeroTime,
    WrongTime,
    Twice,
    WrongIndex,
    WrongSize,
    SuddenLast,
}

impl Fate {
    /// What becomes of the next frame.
    pub(super) fn next(mischief: &Mischief, random: &mut Random, shared: &mut Shared) -> Self {
        let m = mischief;
        if shared.now() >= m.until {
            return Self::Good;
        }
        let fates = [
            (m.drops, Self::Dropped),
            (m.empties, Self::Empty),
            (m.errors, Self::ErrorEmpty),
            (m.damages, Self::Damaged),
            (m.zero_times, Self::ZeroTime),
            (m.wrong_times, Self::WrongTime),
            (m.twice, Self::Twice),
            (m.wrong_index, Self::WrongIndex),
            (m.wrong_size, Self::WrongSize),
            (m.sudden_last, Self::SuddenLast),
        ];
        for (chance, fate) in fates {
            if random.chance(chance) {
                shared.trace(format_args!(
                    "the encoder plans for its next frame: {fate:?}"
                ));
                return fate;
            }
        }
        Self::Good
    }
}

/// A frame inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) slot: u32,
    pub(super) stamp: u64,
    /// Its timestamp, us.
    pub(super) time: u64,
    pub(super) coded_at: u64,
    pub(super) return_at: u64,
    pub(super) returned: bool,
    pub(super) fate: Fate,
    pub(super) key: bool,
    pub(super) length: u64,
}

/// A buffer's worth of coded bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Coded {
    pub(super) bytes: Vec<u8>,
    pub(super) flags: u32,
    pub(super) time: u64,
    /// What is said of index, bytes and offset, where that is wrong.
    pub(super) claimed: Option<u32>,
    pub(super) bytesused: Option<u32>,
    pub(super) data_offset: u32,
}
