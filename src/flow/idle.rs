//! When an engine that nobody watches is to stop. Pure: time is an argument, ns of `CLOCK_MONOTONIC`.
//!
//! Knows whether there are consumers, and since when there are none. Knows no device: what a stop is, `run_state` and the engine know.

/// How long nobody has watched.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Nobody watched for so long: the engine stops. `None`: it never does.
    after_ns: Option<u64>,
    /// Since when there is no consumer; `None` while there is one.
    unwatched_ns: Option<u64>,
}

impl Idle {
    /// The time begins with the first look.
    #[must_use]
    pub fn new(after_ns: Option<u64>) -> Self {
        Self {
            after_ns,
            unwatched_ns: None,
        }
    }

    /// Whether there are consumers now.
    pub fn look(&mut self, watched: bool, now_ns: u64) {
        self.unwatched_ns = match watched {
            true => None,
            false => self.unwatched_ns.or(Some(now_ns)),
        };
    }

    /// When the engine is to stop, if nobody comes, ns.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        Some(self.unwatched_ns?.saturating_add(self.after_ns?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_begins_when_the_last_consumer_leaves() {
        let mut idle = Idle::new(Some(50));
        assert_eq!(idle.due_ns(), None);
        for (watched, now, due) in [
            (false, 7, Some(57)),
            (false, 30, Some(57)),
            (true, 56, None),
            (true, 90, None),
            (false, 100, Some(150)),
            // Past the time, as long as nobody comes.
            (false, 400, Some(150)),
            (true, 500, None),
            (false, u64::MAX - 1, Some(u64::MAX)),
        ] {
            idle.look(watched, now);
            assert_eq!(idle.due_ns(), due, "{now}");
        }
    }

    #[test]
    fn an_engine_that_is_not_to_stop_never_does() {
        let mut idle = Idle::new(None);
        idle.look(false, 7);
        assert_eq!(idle.due_ns(), None);
    }
}
