//! What to do about a device that fails: restart it, close and reopen it with growing pauses, give it up. Pure: time is an
//! argument, ns of `CLOCK_MONOTONIC`.
//!
//! Knows how often and how long. Knows no device: what a restart is, and what counts as working, is the caller's.

use crate::limits::{REOPENED_MS, RESTARTS};
use crate::time::MS;

/// The failures of one device since it worked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovery {
    restarts: u32,
    /// When it was reopened, ns; `None` when it worked since.
    reopened_ns: Option<u64>,
}

impl Recovery {
    /// The device works: a packet came.
    pub fn works(&mut self) {
        *self = Self::default();
    }

    /// The device was reopened.
    pub fn reopened(&mut self, now_ns: u64) {
        self.reopened_ns = Some(now_ns);
    }

    /// Whether it was restarted since it worked.
    #[must_use]
    pub fn restarted(&self) -> bool {
        self.restarts > 0
    }

    /// The device failed. Whether it is to be restarted: `RESTARTS` times in a row.
    #[must_use]
    pub fn restart(&mut self) -> bool {
        self.restarts += 1;
        self.restarts <= RESTARTS
    }

    /// A restart is no use. Whether the device is to be reopened. A second failure within `REOPENED_MS` and twice `stall_ns` after it
    /// was reopened is the last: nothing changed. A later one gets another try, because nobody may have sent a frame in between.
    #[must_use]
    pub fn reopen(&self, now_ns: u64, stall_ns: u64) -> bool {
        let lately = stall_ns
            .saturating_mul(2)
            .saturating_add(u64::from(REOPENED_MS) * MS);
        self.reopened_ns
            .is_none_or(|at| now_ns.saturating_sub(at) >= lately)
    }
}

/// The tries to reopen a device: each pause is twice as long as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    next_ns: u64,
    pause_ns: u64,
    patience_ns: u64,
    until_ns: u64,
}

impl Retry {
    /// The first try is after `pause_ns`, the last one after `patience_ns`.
    #[must_use]
    pub fn new(now_ns: u64, pause_ns: u64, patience_ns: u64) -> Self {
        Self {
            next_ns: now_ns.saturating_add(pause_ns),
            pause_ns,
            patience_ns,
            until_ns: now_ns.saturating_add(patience_ns),
        }
    }

    /// When the next try is, ns.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// A try failed. With `endless` there is always another one, and failures of another kind have the whole time after it. False when that
    /// was the last.
    #[must_use]
    pub fn again(&mut self, now_ns: u64, longest_ns: u64, endless: bool) -> bool {
        if !endless && now_ns >= self.until_ns {
            return false;
        }
        self.pause_ns = self.pause_ns.saturating_mul(2).min(longest_ns);
        self.next_ns = now_ns.saturating_add(self.pause_ns);
        if endless {
            self.until_ns = self.next_ns.saturating_add(self.patience_ns);
        } else {
            self.next_ns = self.next_ns.min(self.until_ns);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: u64 = 2000 * MS;
    const LATELY: u64 = 2 * STALL + REOPENED_MS as u64 * MS;

    #[test]
    fn a_device_is_restarted_then_reopened_then_given_up() {
        let mut recovery = Recovery::default();
        for _ in 0..RESTARTS {
            assert!(recovery.restart());
        }
        assert!(!recovery.restart() && recovery.reopen(0, STALL));
        recovery.reopened(100);
        assert!(!recovery.restart() && !recovery.reopen(101, STALL));
    }

    #[test]
    fn a_packet_resets_the_escalation() {
        let mut recovery = Recovery::default();
        for _ in 0..10 {
            for _ in 0..RESTARTS {
                assert!(recovery.restart());
            }
            recovery.reopened(0);
            recovery.works();
            assert!(recovery.reopen(0, STALL) && !recovery.restarted());
        }
    }

    #[test]
    fn a_failure_long_after_a_reopening_gets_another_one() {
        let mut recovery = Recovery::default();
        recovery.reopened(5);
        assert!(!recovery.reopen(4 + LATELY, STALL) && recovery.reopen(5 + LATELY, STALL));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_the_last_try_is_at_the_end() {
        let mut retry = Retry::new(1000, 50, 500);
        let mut tries = std::vec![retry.next_ns()];
        while retry.again(retry.next_ns(), 200, false) {
            tries.push(retry.next_ns());
        }
        assert_eq!(tries, [1050, 1150, 1350, 1500]);
    }

    #[test]
    fn an_endless_retry_does_not_end_and_later_failures_of_another_kind_may_end_it() {
        let mut retry = Retry::new(0, 50, 500);
        for _ in 0..100 {
            assert!(retry.again(retry.next_ns(), 800, true));
        }
        assert!(retry.next_ns() > 10_000);
        // One failure of another kind is not yet the end.
        assert!(retry.again(retry.next_ns(), 800, false));
        let until_ns = retry.next_ns() + 500;
        while retry.again(retry.next_ns(), 800, false) {}
        assert!(retry.next_ns() <= until_ns);
    }
}
