//! What it costs to wake a client. A client decides how many wait on a socket or word that the engine signals, and the kernel walks
//! through all of them in the engine's turn.
//!
//! Pure: counts processor time that others measured. Knows no client and no socket.

use crate::limits::{
    LONG_TURN_US, MEASURE_MS, WAKE_ALLOWED_US, WAKE_COUNTED_US, WAKE_OVERDRAWN_US,
};
use crate::time::MS;

const US: u64 = 1000;

/// What the calls made for one client have cost, beyond what such calls may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeCost {
    /// ns of the engine's processor time.
    overdrawn: u64,
}

impl WakeCost {
    /// Charges a call that took `ns` of the engine's processor time. One call alone cannot exceed the bound: an interrupt, or a
    /// hypervisor that has other work, can make any call long.
    pub fn charge(&mut self, ns: u64) {
        let counted = ns.min(WAKE_COUNTED_US * US);
        self.overdrawn = (self.overdrawn + counted).saturating_sub(WAKE_ALLOWED_US * US);
    }

    /// Whether the client costs more than a client may.
    #[must_use]
    pub fn exceeded(self) -> bool {
        self.overdrawn > WAKE_OVERDRAWN_US * US
    }
}

/// Whether calls for clients are measured. To measure takes two more system calls, so it is done only for a while after a turn that
/// was long, for whatever reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// `CLOCK_MONOTONIC` ns.
    until: u64,
}

impl Meter {
    /// A turn took `ns`, and ended at `now`, `CLOCK_MONOTONIC` ns.
    pub fn turn_took(&mut self, ns: u64, now: u64) {
        if ns > LONG_TURN_US * US {
            self.until = now.saturating_add(u64::from(MEASURE_MS) * MS);
        }
    }

    /// Whether calls are measured at `now`, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn measures(self, now: u64) -> bool {
        now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_always_costs_much_is_out_after_a_few_calls_and_one_that_did_once_is_not() {
        let mut cost = WakeCost::default();
        let calls = (1..).find(|_| {
            cost.charge(50_000 * US);
            cost.exceeded()
        });
        assert!((5..=9).contains(&calls.unwrap()), "{calls:?}");
        let mut cost = WakeCost::default();
        for round in 0..100 {
            cost.charge(50_000 * US);
            for _ in 0..17 {
                cost.charge(20 * US);
                assert!(!cost.exceeded(), "{round}");
            }
        }
    }

    #[test]
    fn what_is_allowed_never_adds_up_and_twice_as_much_does() {
        let (mut fair, mut greedy) = (WakeCost::default(), WakeCost::default());
        for _ in 0..100_000 {
            fair.charge(WAKE_ALLOWED_US * US);
        }
        assert_eq!(fair, WakeCost::default());
        for _ in 0..100 {
            greedy.charge(2 * WAKE_ALLOWED_US * US);
        }
        assert!(greedy.exceeded());
    }

    #[test]
    fn a_long_turn_starts_the_meter_and_short_ones_let_it_end() {
        let mut meter = Meter::default();
        meter.turn_took(LONG_TURN_US * US, 5);
        assert!(!meter.measures(5));
        meter.turn_took(LONG_TURN_US * US + 1, 10);
        meter.turn_took(1, 20);
        let end = 10 + u64::from(MEASURE_MS) * MS;
        assert!(meter.measures(end - 1) && !meter.measures(end));
    }
}
