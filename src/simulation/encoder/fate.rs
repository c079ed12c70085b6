//! What a simulated encoder makes of a frame, good or not.

use super::super::shared::Shared;
use super::Encoder;

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

impl Encoder {
    /// What becomes of the next frame.
    pub(super) fn fate(&mut self, shared: &mut Shared) -> Fate {
        let m = self.nature.mischief;
        if shared.now() >= m.until {
            return Fate::Good;
        }
        let fates = [
            (m.drops, Fate::Dropped),
            (m.empties, Fate::Empty),
            (m.errors, Fate::ErrorEmpty),
            (m.damages, Fate::Damaged),
            (m.zero_times, Fate::ZeroTime),
            (m.wrong_times, Fate::WrongTime),
            (m.twice, Fate::Twice),
            (m.wrong_index, Fate::WrongIndex),
            (m.wrong_size, Fate::WrongSize),
            (m.sudden_last, Fate::SuddenLast),
        ];
        for (chance, fate) in fates {
            if self.random.chance(chance) {
                shared.trace(format_args!(
                    "the encoder plans for its next frame: {fate:?}"
                ));
                return fate;
            }
        }
        Fate::Good
    }
}
