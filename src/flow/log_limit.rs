//! How often the log speaks of what clients do: once in `LOG_PAUSE_MS`, so that nobody can fill it. Counters tell the rest.
//!
//! Pure: time is an argument, ns of `CLOCK_MONOTONIC`. Knows no sentence.

use core::cell::Cell;

use crate::limits::LOG_PAUSE_MS;
use crate::time::MS;

/// When the log may speak again.
#[derive(Clone, Debug, Default)]
pub struct LogLimit {
    again_ns: Cell<u64>,
}

impl LogLimit {
    /// Whether the log may speak now. Whoever asks, and may, speaks.
    #[must_use]
    pub fn may_log(&self, now_ns: u64) -> bool {
        let may = now_ns >= self.again_ns.get();
        if may {
            let pause = u64::from(LOG_PAUSE_MS) * MS;
            self.again_ns.set(now_ns.saturating_add(pause));
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_a_while() {
        let limit = LogLimit::default();
        let pause = u64::from(LOG_PAUSE_MS) * MS;
        assert!(limit.may_log(5) && !limit.may_log(4 + pause) && limit.may_log(5 + pause));
    }
}
