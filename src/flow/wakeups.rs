//! Wake-ups by a device that brings nothing. Pure: no descriptor, and time is an argument.
//!
//! A broken driver may report POLLERR, or a buffer, for ever while there is nothing to dequeue. The loop would spin. Such a device is not
//! polled for a pause after each of these wake-ups, and has failed when they do not end.

use crate::limits::{BLIND_PAUSE_MS, EMPTY_WAKEUPS};
use crate::time::MS;

/// The wake-ups in a row that brought nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wakeups {
    empty: u32,
    /// When the first of them was, `CLOCK_MONOTONIC` ns.
    since: u64,
    /// The device is not polled until then, `CLOCK_MONOTONIC` ns.
    quiet_until: u64,
}

impl Wakeups {
    /// Whether the device is to be polled.
    #[must_use]
    pub fn polls(&self, now: u64) -> bool {
        now >= self.quiet_until
    }

    /// Until when it is not to be polled, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn quiet_until(&self, now: u64) -> Option<u64> {
        (!self.polls(now)).then_some(self.quiet_until)
    }

    /// The device was polled and had nothing to report, or something was dequeued.
    pub fn fine(&mut self) {
        *self = Self::default();
    }

    /// The device woke the loop, and there was nothing to dequeue. Whether it has failed: it did nothing else for `limit` ns.
    #[must_use]
    pub fn brought_nothing(&mut self, now: u64, limit: u64) -> bool {
        if self.empty == 0 {
            self.since = now;
        }
        self.empty = self.empty.saturating_add(1);
        if self.empty < EMPTY_WAKEUPS {
            return false;
        }
        self.quiet_until = now.saturating_add(u64::from(BLIND_PAUSE_MS) * MS);
        let failed = now.saturating_sub(self.since) >= limit;
        if failed {
            self.fine();
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 2_000 * MS;

    #[test]
    fn a_device_that_wakes_the_loop_for_nothing_is_left_alone_more_and_more_and_then_has_failed() {
        let mut wakeups = Wakeups::default();
        let (mut now, mut turns) = (0, 0);
        loop {
            turns += 1;
            if wakeups.brought_nothing(now, LIMIT) {
                break;
            }
            now = wakeups.quiet_until(now).unwrap_or(now + 1000);
        }
        assert!((LIMIT..LIMIT + 20 * MS).contains(&now), "{now}");
        assert!(turns < 250, "{turns} turns");
        assert!(wakeups.polls(now), "the next try begins at once");
    }

    #[test]
    fn now_and_then_is_no_failure() {
        let mut wakeups = Wakeups::default();
        for turn in 0..1000 {
            for _ in 1..EMPTY_WAKEUPS {
                assert!(!wakeups.brought_nothing(turn * LIMIT, LIMIT));
                assert!(wakeups.polls(turn * LIMIT));
            }
            wakeups.fine();
        }
    }
}
