//! What it costs to wake a client. A client decides how many wait on a socket or word that the engine signals, and the kernel walks
//! through all of them in the engine's turn.
//!
//! What is much is the machine's affair: an overloaded host, a tracer or a slow processor makes every call long. So each measured turn
//! makes a call of the same kind for nobody, the reference, and what a client may cost rises with what that took.
//!
//! Pure: counts processor time that others measured. Knows no client and no socket.

use crate::limits::{
    LONG_TURN_US, MEASURE_MS, REFERENCE_SHARE, WAKE_ALLOWED_US, WAKE_COUNTED_US, WAKE_OVERDRAWN_US,
    WAKE_REFERENCES,
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
    /// Charges a call that took `ns` of the engine's processor time, of which `allowed_ns` are free. One call alone cannot exceed the
    /// bound: an interrupt, or a hypervisor that has other work, can make any call long.
    pub fn charge(&mut self, ns: u64, allowed_ns: u64) {
        let counted = ns.min(WAKE_COUNTED_US * US);
        self.overdrawn = (self.overdrawn + counted).saturating_sub(allowed_ns);
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
    /// What the reference takes of late, ns of processor time.
    reference_ns: u64,
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

    /// The reference took `ns` of processor time. What is remembered is the mean of the latest ones, of which a long one is counted as of
    /// a client's call.
    pub fn reference_took(&mut self, ns: u64) {
        let counted = ns.min(WAKE_COUNTED_US * US);
        let share = |ns| ns / REFERENCE_SHARE;
        self.reference_ns = self.reference_ns - share(self.reference_ns) + share(counted);
    }

    /// What a call at `now` (`CLOCK_MONOTONIC` ns) that wakes so many may take in the long run, ns of processor time; `None` while calls
    /// are not measured.
    #[must_use]
    pub fn allows(self, now: u64, woken: u32) -> Option<u64> {
        let usual = u64::from(woken.max(1)) * WAKE_REFERENCES * self.reference_ns;
        self.measures(now).then_some(WAKE_ALLOWED_US * US + usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meter that measures, on a machine whose reference takes so long.
    fn meter(reference_ns: u64) -> Meter {
        let mut meter = Meter::default();
        meter.turn_took(2 * LONG_TURN_US * US, 0);
        for _ in 0..100 {
            meter.reference_took(reference_ns);
        }
        meter
    }

    /// The call of so long after which the client is disconnected, on such a machine; `None` when it never is.
    fn calls_until_out(call_ns: u64, reference_ns: u64, woken: u32) -> Option<u32> {
        let allowed = meter(reference_ns).allows(0, woken).unwrap();
        let mut cost = WakeCost::default();
        (1..1000).find(|_| {
            cost.charge(call_ns, allowed);
            cost.exceeded()
        })
    }

    #[test]
    fn a_client_that_always_costs_much_is_out_after_a_few_calls_and_one_that_did_once_is_not() {
        let calls = calls_until_out(50_000 * US, 2 * US, 1);
        assert!((5..=9).contains(&calls.unwrap()), "{calls:?}");
        let mut cost = WakeCost::default();
        for round in 0..100 {
            cost.charge(50_000 * US, WAKE_ALLOWED_US * US);
            for _ in 0..17 {
                cost.charge(20 * US, WAKE_ALLOWED_US * US);
                assert!(!cost.exceeded(), "{round}");
            }
        }
    }

    #[test]
    fn what_is_allowed_never_adds_up_and_twice_as_much_does() {
        assert_eq!(calls_until_out(WAKE_ALLOWED_US * US, 0, 1), None);
        assert!(calls_until_out(2 * WAKE_ALLOWED_US * US, 0, 1).is_some_and(|calls| calls < 100));
    }

    #[test]
    fn on_a_slow_machine_a_client_may_cost_more() {
        // Eight times the reference, as an honest client that is asleep, for 1 ms and for all that is counted of a call.
        for reference in [500 * US, 1000 * US, 20_000 * US] {
            assert_eq!(
                calls_until_out(8 * reference, reference, 1),
                None,
                "{reference}"
            );
        }
        assert_eq!(calls_until_out(8000 * US, 40 * US, 28), None);
        // Forty times as slow as a small board: whoever has many waiters there is out all the same, and somewhat later.
        let calls = calls_until_out(50_000 * US, 200 * US, 1);
        assert!((9..=20).contains(&calls.unwrap()), "{calls:?}");
    }

    #[test]
    fn one_long_reference_excuses_nobody_for_long() {
        let mut meter = meter(2 * US);
        let before = meter.allows(0, 1).unwrap();
        meter.reference_took(1_000_000 * US);
        let turns = (1..1000).find(|_| {
            meter.reference_took(2 * US);
            meter.allows(0, 1).unwrap() < 2 * before
        });
        assert!(turns.is_some_and(|turns| turns < 25), "{turns:?}");
    }

    #[test]
    fn the_allowance_follows_a_machine_that_becomes_slow_before_a_client_is_out() {
        // Each turn the client and the reference take a call each, eight and one of a time that is a hundredth of what it will be.
        let (mut meter, mut cost) = (meter(10 * US), WakeCost::default());
        for turn in 0..1000 {
            cost.charge(8000 * US, meter.allows(0, 1).unwrap());
            meter.reference_took(1000 * US);
            assert!(!cost.exceeded(), "{turn}");
        }
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
        assert!(meter.allows(end - 1, 1).is_some() && meter.allows(end, 1).is_none());
    }
}
