//! How often an encoder may be restarted and reopened before the engine gives it up, as its documentation says.

use super::shared::Shared;
use crate::limits::{REOPENED_MS, RESTARTS};
use crate::time::MS;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) restarts: u64,
    pub(super) reopens: u64,
}

/// The steps since the latest packet.
#[derive(Debug, Default)]
pub(super) struct Escalation {
    /// When the latest packet was seen.
    at_packet: Counts,
    last: Counts,
    /// When the encoder was closed last, virtual ns; 0: not since the latest packet.
    reopened: u64,
}

impl Escalation {
    /// A turn ended at `now`. `stall_ns` is the time after which no progress is a stall.
    pub(super) fn turn(&mut self, counts: Counts, now: u64, stall_ns: u64, shared: &mut Shared) {
        let packets = counts.packets != self.last.packets;
        if counts.reopens > self.last.reopens {
            // One that cannot be set up for want of memory is tried on and on.
            let pause = 2 * stall_ns + u64::from(REOPENED_MS) * MS;
            let again = self.reopened != 0 && !packets && now - self.reopened < pause;
            if again && !shared.liberties.short() {
                shared.violated(format_args!(
                    "reopened again after {} ns",
                    now - self.reopened
                ));
            }
            self.reopened = now;
        }
        if packets {
            self.at_packet = counts;
            self.reopened = 0;
        }
        let restarts = counts.restarts - self.at_packet.restarts;
        if restarts > u64::from(RESTARTS) {
            shared.violated(format_args!("{restarts} restarts without a packet"));
        }
        self.last = counts;
    }
}
