//! One line of what an engine does now, from two readings of its header and the packets between them.
//!
//! Knows counters and descriptors. Never knows where the line is written.

use core::fmt;

use crate::limits::HISTOGRAM_BUCKETS;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State, flag};
use crate::shm::recent::Recent;
use crate::shm::stats::{Counter, Stats, bucket_limit, bucket_of};
use crate::shm::word::Access;
use crate::time::MS;

/// What an engine had counted at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// `CLOCK_MONOTONIC` ns.
    ns: u64,
    committed: u64,
    published: u64,
    dropped: u64,
    bytes: u64,
    /// Sequence of the next packet.
    head: u64,
    consumers: u32,
    state: u32,
}

impl Reading {
    pub(super) fn take<A: Access>(header: &PacketHeader<A>, ns: u64) -> Self {
        let stats = Stats {
            counters: &header.counters,
            latency: &header.latency,
        };
        // Where frames end is read before where they begin: those that move on meanwhile count as in flight.
        let (published, dropped) = (stats.get(Counter::FramesPublished), stats.dropped());
        Self {
            ns,
            committed: stats.get(Counter::FramesCommitted),
            published,
            dropped,
            bytes: stats.get(Counter::PacketBytes),
            head: header.cursors.head.load(Relaxed),
            consumers: header.status.consumers.load(Relaxed),
            state: header.status.state.load(Relaxed),
        }
    }
}

/// The line.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusLine {
    before: Reading,
    after: Reading,
    /// When the newest key frame was published, if that is known.
    key_ns: Option<u64>,
    /// From commit to publication, ns, of the packets since the reading before: what half of them did not exceed (within 25 %), and the
    /// longest. `None` without such packets.
    latency: Option<(u64, u64)>,
}

impl StatusLine {
    pub(super) fn new(
        before: Reading,
        after: Reading,
        newest_first: impl Iterator<Item = Recent>,
    ) -> Self {
        let mut buckets = [0u32; HISTOGRAM_BUCKETS];
        let (mut frames, mut longest) = (0u32, 0);
        let mut key_ns = None;
        for packet in newest_first {
            let recent = packet.sequence >= before.head;
            if key_ns.is_none() && packet.flags & flag::KEY != 0 {
                key_ns = Some(packet.published);
            }
            if !recent && key_ns.is_some() {
                break;
            }
            if recent && packet.committed != 0 {
                let ns = packet.published.saturating_sub(packet.committed);
                buckets[bucket_of(ns)] += 1;
                frames += 1;
                longest = ns.max(longest);
            }
        }
        let mut seen = 0;
        let half = buckets.iter().position(|count| {
            seen += count;
            seen >= frames.div_ceil(2)
        });
        let half = bucket_limit(half.unwrap_or(0)).min(longest);
        Self {
            before,
            after,
            key_ns,
            latency: (frames > 0).then_some((half, longest)),
        }
    }
}

impl fmt::Display for StatusLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (&self.before, &self.after);
        let us = (after.ns.saturating_sub(before.ns) / 1000).max(1);
        // An engine that was not trusted to count upwards is not divided by either.
        let passed = |from: u64, to: u64| to.saturating_sub(from);
        let frames = passed(before.published, after.published);
        let bits = passed(before.bytes, after.bytes).saturating_mul(8);
        write!(
            f,
            "{} fps  {} Mbit/s  ",
            Tenths(frames.saturating_mul(10_000_000) / us),
            Tenths(bits.saturating_mul(10) / us)
        )?;
        match self.key_ns {
            Some(ns) => write!(f, "key {} ago  ", Span(passed(ns, after.ns)))?,
            None => f.write_str("no key  ")?,
        }
        let in_flight = after
            .committed
            .saturating_sub(after.published)
            .saturating_sub(after.dropped);
        let dropped = passed(before.dropped, after.dropped);
        let consumers = after.consumers;
        write!(
            f,
            "in flight {in_flight}  dropped {dropped}  consumers {consumers}  "
        )?;
        if let Some((half, longest)) = self.latency {
            write!(f, "p50 {}  max {}  ", Span(half), Span(longest))?;
        }
        f.write_str(State::name(after.state))
    }
}

/// A number of tenths.
struct Tenths(u64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// A time in ns, in the unit that suits it.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ns if ns < MS => write!(f, "{} us", ns / 1000),
            ns if ns < 1000 * MS => write!(f, "{} ms", Tenths(ns / (MS / 10))),
            ns => write!(f, "{} s", Tenths(ns / (100 * MS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    const SECOND: u64 = 1000 * MS;

    /// Packets, oldest first: when they were committed, how long they took, whether they are key frames.
    fn line(before: Reading, after: Reading, packets: &[(u64, u64, bool)]) -> String {
        let packets: Vec<_> = (0..)
            .zip(packets)
            .map(|(sequence, &(committed, took, key))| Recent {
                sequence,
                committed,
                published: committed + took,
                flags: if key { flag::KEY } else { 0 },
            })
            .collect();
        StatusLine::new(before, after, packets.into_iter().rev()).to_string()
    }
    use std::string::String;

    #[test]
    fn a_line_is_what_happened_between_two_readings() {
        let before = Reading {
            ns: 10 * SECOND,
            committed: 100,
            published: 97,
            dropped: 1,
            bytes: 1_000_000,
            head: 2,
            ..Reading::default()
        };
        let after = Reading {
            ns: 12 * SECOND,
            committed: 162,
            published: 156,
            dropped: 4,
            bytes: 1_540_000,
            head: 6,
            consumers: 3,
            state: State::Running as u32,
        };
        let us = 1000;
        let packets = [
            (8 * SECOND, 90 * MS, false),
            (9 * SECOND + 990 * MS, 10 * MS, true),
            (10 * SECOND, 24 * us, false),
            (10 * SECOND, 20 * us, false),
            (10 * SECOND, 23 * us, false),
            (11 * SECOND, 5_800 * us, false),
        ];
        assert_eq!(
            line(before, after, &packets),
            "29.5 fps  2.1 Mbit/s  key 2.0 s ago  in flight 2  dropped 3  consumers 3  p50 24 us  max 5.8 ms  running"
        );
        // Nothing came: of what was before nothing is said but the key frame.
        assert_eq!(
            line(
                after,
                Reading {
                    ns: 13 * SECOND,
                    ..after
                },
                &packets
            ),
            "0.0 fps  0.0 Mbit/s  key 3.0 s ago  in flight 2  dropped 0  consumers 3  running"
        );
    }

    #[test]
    fn an_engine_that_has_done_nothing_has_a_line() {
        let none = Reading::default();
        assert_eq!(
            line(none, none, &[]),
            "0.0 fps  0.0 Mbit/s  no key  in flight 0  dropped 0  consumers 0  starting"
        );
        // Nor does what somebody makes up break it.
        let all = Reading {
            ns: u64::MAX,
            committed: 0,
            published: u64::MAX,
            dropped: u64::MAX,
            bytes: u64::MAX,
            head: 0,
            consumers: u32::MAX,
            state: u32::MAX,
        };
        for (before, after) in [(none, all), (all, none)] {
            let text = line(before, after, &[(u64::MAX - 9, 9, true), (9, 0, false)]);
            assert!(text.len() < 200, "{text}");
        }
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        for (ns, text) in [
            (0, "0 us"),
            (999_999, "999 us"),
            (MS, "1.0 ms"),
            (SECOND - 1, "999.9 ms"),
            (SECOND, "1.0 s"),
            (3600 * SECOND, "3600.0 s"),
        ] {
            assert_eq!(Span(ns).to_string(), text);
        }
    }
}
