//! Packets that a consumer did not get: how many, and when that is logged. What counts is pure: there time is an argument,
//! `CLOCK_MONOTONIC` ns.

use crate::limits::LOG_PAUSE_MS;
use crate::log::note;
use crate::time::{MS, now};

/// Packets lost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    total: u64,
    /// Of these, those that no line in the log has.
    unlogged: u64,
    /// When the latest line was logged.
    logged_ns: Option<u64>,
    /// Nothing came since the latest loss.
    gap: bool,
}

impl Losses {
    /// So many packets are lost. Gives the number for a line in the log, which is due at once for the first loss; for a reader that is
    /// too slow for good, once in `LOG_PAUSE_MS`.
    pub(super) fn add(&mut self, packets: u64, now_ns: u64) -> Option<u64> {
        if packets == 0 {
            return None;
        }
        self.total = self.total.saturating_add(packets);
        self.unlogged = self.unlogged.saturating_add(packets);
        self.gap = true;
        let pause_ns = u64::from(LOG_PAUSE_MS) * MS;
        if self
            .logged_ns
            .is_some_and(|at| now_ns.saturating_sub(at) < pause_ns)
        {
            return None;
        }
        self.logged_ns = Some(now_ns);
        Some(core::mem::take(&mut self.unlogged))
    }

    /// So many packets of the ring are lost, and logged when that is due. The next one is that of `sequence`, or a later one.
    pub(super) fn log(&mut self, packets: u64, sequence: u64) {
        if let Some(packets) = self.add(packets, now()) {
            note!(
                warn,
                "{packets} packets lost before packet {sequence}: overwritten before they were read, or skipped up to a key frame"
            );
        }
    }

    /// A packet came: whether it is the first one after a loss.
    pub(super) fn packet(&mut self) -> bool {
        core::mem::take(&mut self.gap)
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_first_packet_after_a_loss_is_marked_and_no_other() {
        let mut losses = Losses::default();
        assert!(!losses.packet());
        losses.add(3, 1);
        losses.add(1, 2);
        assert!(losses.packet());
        assert!(!losses.packet());
        losses.add(0, 3);
        assert!(!losses.packet());
        assert_eq!(losses.total(), 4);
    }

    #[test]
    fn a_loss_is_logged_at_once_and_those_of_the_next_second_together() {
        let mut losses = Losses::default();
        assert_eq!(losses.add(5, SECOND), Some(5));
        assert_eq!(losses.add(1, SECOND + 1), None);
        assert_eq!(losses.add(1, 2 * SECOND - 1), None);
        assert_eq!(losses.add(2, 2 * SECOND), Some(4));
        assert_eq!(losses.add(7, 9 * SECOND), Some(7));
        assert_eq!(losses.total(), 16);
    }
}
