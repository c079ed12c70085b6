//! One line of time for all packets of a stream, whatever its producers say.
//!
//! Knows a packet's two times: the producer's own (`timestamp`) and when the frame was committed. Knows no clock and no container.

/// What a timestamp may run ahead of `committed` at a cut, ns; more is another clock.
const AHEAD_NS: i64 = 1_000_000_000;

/// From one packet to the next where nothing better is known, ns: a tick of 1/90000 s, rounded up.
const NEXT_NS: u64 = 11_112;

/// Gives packets their time in the order in which they come.
///
/// A producer's timestamps are believed as long as they go on. Where they step back (the next producer counts from 0 again), or at a
/// cut run ahead (it counts from somewhere else), time goes on by what passed between the commits. With a packet of reordered frames
/// both step back together: no step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeline {
    /// Of the latest packet that had a frame; `None` before the first.
    latest: Option<Latest>,
    /// The time given last, ns.
    ns: u64,
    /// The first timestamp, less the time that it was given.
    origin: u64,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    timestamp: u64,
    committed: u64,
    /// What is added to a timestamp.
    offset: u64,
}

/// A packet's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Since the first packet, ns.
    pub ns: u64,
    /// The same on the first producer's clock: its own timestamps until there is a step.
    pub timestamp: u64,
    /// It does not follow from the packet's own timestamp.
    pub step: bool,
}

impl Timeline {
    /// The time of a packet with this timestamp, ns, committed at this time (`CLOCK_MONOTONIC` ns, 0 when it has no frame). `cut` says
    /// that something was lost or restarted before it.
    pub fn next(&mut self, timestamp: u64, committed: u64, cut: bool) -> Time {
        let mut step = false;
        if committed == 0 {
            self.ns = self.ns.wrapping_add(NEXT_NS);
        } else {
            let offset = match self.latest {
                None => {
                    self.origin = timestamp.wrapping_sub(self.ns);
                    0u64.wrapping_sub(self.origin)
                }
                Some(last) => {
                    let forward = timestamp.wrapping_sub(last.timestamp).cast_signed();
                    let passed = committed.wrapping_sub(last.committed).cast_signed();
                    step = forward <= 0 && passed >= 0
                        || cut && forward.saturating_sub(passed) > AHEAD_NS;
                    if step {
                        // As if this had been the timestamp.
                        let instead = last
                            .timestamp
                            .wrapping_add(NEXT_NS.max(passed.max(0).cast_unsigned()));
                        last.offset.wrapping_add(instead.wrapping_sub(timestamp))
                    } else {
                        last.offset
                    }
                }
            };
            self.latest = Some(Latest {
                timestamp,
                committed,
                offset,
            });
            self.ns = timestamp.wrapping_add(offset);
        }
        Time {
            ns: self.ns,
            timestamp: self.ns.wrapping_add(self.origin),
            step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// Times and steps of packets with these timestamps, commits and cuts.
    fn times(packets: &[(u64, u64, bool)]) -> std::vec::Vec<(u64, bool)> {
        let mut line = Timeline::default();
        let time = |&(timestamp, committed, cut)| {
            let time = line.next(timestamp, committed, cut);
            (time.ns, time.step)
        };
        packets.iter().map(time).collect()
    }

    #[test]
    fn timestamps_that_go_on_are_kept_to_the_nanosecond() {
        let packets = [
            (7 * S, 100 * S, false),
            (7 * S + 33_333_333, 100 * S + 1, false),
            // A pause of the producer's, and an input that hesitated.
            (10 * S, 103 * S, false),
            (11 * S, 123 * S, true),
            // As fast as it goes.
            (15 * S, 123 * S + 1, false),
        ];
        let expected = [0, 33_333_333, 3 * S, 4 * S, 8 * S];
        assert_eq!(times(&packets), expected.map(|ns| (ns, false)));
        let mut line = Timeline::default();
        let kept = packets.map(|(timestamp, committed, cut)| {
            line.next(timestamp, committed, cut).timestamp == timestamp
        });
        assert_eq!(kept, [true; 5]);
    }

    #[test]
    fn next_producer_continues_by_the_time_between_the_commits() {
        let packets = [
            (0, 50 * S, false),
            (S, 51 * S, false),
            // It counts from 0, after three seconds.
            (0, 54 * S, true),
            (S / 5, 54 * S + S / 5, false),
            // It has the machine's clock.
            (60 * S, 60 * S, true),
            (61 * S, 61 * S, false),
            // The same timestamp again, at once.
            (61 * S, 61 * S, true),
        ];
        let expected = [
            (0, false),
            (S, false),
            (4 * S, true),
            (4 * S + S / 5, false),
            (10 * S, true),
            (11 * S, false),
            (11 * S + NEXT_NS, true),
        ];
        assert_eq!(times(&packets), expected);
    }

    #[test]
    fn reordered_frames_step_back_and_are_no_step() {
        let packets = [
            (S, 10 * S, false),
            (4 * S, 13 * S, false),
            (2 * S, 11 * S, false),
            (3 * S, 12 * S, false),
            (7 * S, 16 * S, false),
        ];
        let expected = [0, 3 * S, S, 2 * S, 6 * S];
        assert_eq!(times(&packets), expected.map(|ns| (ns, false)));
    }

    #[test]
    fn packets_without_a_frame_follow_the_one_before() {
        let packets = [
            (0, 0, false),
            (90 * S, 90 * S, false),
            (0, 0, false),
            (91 * S, 91 * S, false),
        ];
        let expected = [NEXT_NS, NEXT_NS, 2 * NEXT_NS, S + NEXT_NS];
        assert_eq!(times(&packets), expected.map(|ns| (ns, false)));
    }

    #[test]
    fn any_numbers_give_a_time() {
        for timestamp in [0, 1, i64::MAX as u64, u64::MAX] {
            for committed in [0, 1, i64::MAX as u64, u64::MAX] {
                times(&[
                    (5, 5, false),
                    (timestamp, committed, true),
                    (0, u64::MAX, true),
                ]);
                times(&[(timestamp, committed, true), (5, 5, false)]);
            }
        }
    }
}
