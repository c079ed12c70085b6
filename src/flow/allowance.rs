//! How often somebody may cause something: so many times at once, and then once in a while.
//!
//! Pure: time is an argument, ns of `CLOCK_MONOTONIC`. Knows neither who nor what.

/// What may still be caused.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// At most so many at once.
    burst: u32,
    /// From one to the next in the long run, ns.
    pause_ns: u64,
    left: u32,
    /// When the latest one was added to `left`, ns.
    added_ns: u64,
}

impl Allowance {
    /// `burst` at once, then one every `pause_ns`.
    #[must_use]
    pub const fn new(burst: u32, pause_ns: u64) -> Self {
        Self {
            burst,
            pause_ns,
            left: burst,
            added_ns: 0,
        }
    }

    /// Whether it may be caused now. If so, it counts.
    #[must_use]
    pub fn take(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(self.added_ns);
        let added = since_ns / self.pause_ns;
        self.added_ns = now_ns - since_ns % self.pause_ns;
        let left = u64::from(self.left).saturating_add(added);
        self.left = left.min(u64::from(self.burst)) as u32;
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_in_a_while() {
        let mut allowance = Allowance::new(3, 100);
        let taken = (0..1000u64).filter(|&now| allowance.take(10_000 + now));
        assert_eq!(taken.count(), 3 + 9);
    }

    #[test]
    fn what_was_not_used_adds_up_to_the_burst_only() {
        let mut allowance = Allowance::new(2, 100);
        assert!(allowance.take(1_000_000) && allowance.take(1_000_000));
        assert!(!allowance.take(1_000_000));
        assert!(allowance.take(u64::MAX) && allowance.take(u64::MAX) && !allowance.take(u64::MAX));
    }
}
