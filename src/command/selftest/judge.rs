//! Whether packets are what the frames promised: a verdict for each check, from the packets' words alone.
//!
//! Pure: knows which frame was committed when, and what is wrong with a packet. Knows no engine and no device.

use crate::client::Packet;
use crate::shm::layout::flag;
use crate::time::MS;

/// What is checked, in the report's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Check {
    Start,
    Frames,
    Order,
    Keys,
    Headers,
    Damage,
    Times,
    Steady,
    KeyRequest,
    Bitrate,
    Drain,
    Restart,
}

/// Their names.
pub(super) const CHECKS: &str =
    "start frames order keys headers damage times steady key_request bitrate drain restart";

/// Frames from key frame to key frame.
pub(super) const GOP: u64 = 15;
/// From one frame's timestamp to the next, ns.
pub(super) const INTERVAL_NS: u64 = 1_000_000_000 / 30;
/// A key frame is requested behind this frame, between two that come by themselves …
pub(super) const ASK_AT: u64 = 2 * GOP + 3;
/// … and has come so many frames later.
const ANSWER_FRAMES: u64 = 8;
/// A frame takes less from its commit to its publication, ns.
const PATIENCE_NS: u64 = 500 * MS;

/// What was seen of one engine's stream.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// A bit for each check that failed.
    pub(super) failed: u32,
    /// A bit for each check that was made.
    made: u32,
    pub(super) packets: u64,
    pub(super) keys: u64,
    /// Frames keep their pace, and a key frame is asked for.
    paced: bool,
    /// Publication of the first packet, ns.
    first_ns: u64,
    last: Packet,
    since_key: u64,
    answered: bool,
}

impl Judge {
    /// Nothing was seen. `paced`: the frames keep their pace, and a key frame is asked for.
    pub(super) fn new(paced: bool) -> Self {
        Self {
            paced,
            ..Self::default()
        }
    }

    /// A check failed if it did not hold.
    pub(super) fn holds(&mut self, check: Check, holds: bool) {
        self.made |= 1 << check as u8;
        self.failed |= u32::from(!holds) << check as u8;
    }

    /// Another's verdicts count here, too.
    pub(super) fn add(&mut self, other: &Self) {
        self.made |= other.made;
        self.failed |= other.failed;
    }

    /// The word for the check with this number. What was not reached is neither right nor wrong.
    pub(super) fn verdict(&self, check: usize) -> &'static str {
        match (self.made >> check & 1, self.failed >> check & 1) {
            (0, _) => "null",
            (_, 0) => "true",
            _ => "false",
        }
    }

    /// The next packet.
    pub(super) fn packet(&mut self, packet: &Packet) {
        let has = |bit| packet.flags & bit != 0;
        let first = self.packets == 0;
        let follows = first || packet.timestamp > self.last.timestamp;
        self.holds(Check::Order, packet.sequence == self.packets && follows);
        self.since_key += 1;
        if has(flag::KEY) {
            self.keys += 1;
            self.since_key = 0;
            self.holds(Check::Headers, has(flag::CONFIG));
        }
        let frame = packet.timestamp / INTERVAL_NS;
        self.answered |= has(flag::KEY) && (ASK_AT + 1..=ASK_AT + ANSWER_FRAMES).contains(&frame);
        self.holds(
            Check::Keys,
            has(flag::KEY) || !first && self.since_key < GOP,
        );
        self.holds(Check::Damage, !has(flag::CORRUPT));
        let times = [
            packet.committed,
            packet.queued,
            packet.dequeued,
            packet.published,
        ];
        let took_ns = packet.published.wrapping_sub(packet.committed);
        let in_time = took_ns < PATIENCE_NS || !self.paced;
        self.holds(Check::Times, times[0] > 0 && times.is_sorted() && in_time);
        // Each engine's first packet begins a stream.
        self.holds(Check::Steady, first || !has(flag::DISCONTINUITY));
        if first {
            self.first_ns = packet.published;
        }
        self.packets += 1;
        self.last = *packet;
    }

    /// Every frame was committed; `steady`: the engine had to do nothing to the encoder.
    pub(super) fn end(&mut self, frames: u64, steady: bool) {
        self.holds(Check::Frames, self.packets == frames);
        self.holds(Check::KeyRequest, self.answered || !self.paced);
        self.holds(Check::Steady, steady);
    }

    /// Tenths of frames a second, from the first packet to the last.
    pub(super) fn rate(&self) -> u64 {
        let ns = self.last.published.saturating_sub(self.first_ns).max(1);
        self.packets.saturating_sub(1) * 10_000_000_000 / ns
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::text::words;

    const FRAMES: u64 = 60;

    fn packet(frame: u64) -> Packet {
        let key = frame.is_multiple_of(GOP) || frame == ASK_AT + 2;
        let now = 1_000_000_000 + frame * INTERVAL_NS;
        Packet {
            sequence: frame,
            length: 100,
            flags: if key { flag::KEY | flag::CONFIG } else { 0 },
            generation: 1,
            timestamp: frame * INTERVAL_NS,
            committed: now,
            queued: now + 1,
            dequeued: now + 2,
            published: now + 3,
        }
    }

    /// The checks that fail when the packets are changed.
    fn failed(change: impl FnOnce(&mut Vec<Packet>)) -> Vec<&'static str> {
        let mut packets: Vec<_> = (0..FRAMES).map(packet).collect();
        change(&mut packets);
        let mut judge = Judge::new(true);
        packets.iter().for_each(|packet| judge.packet(packet));
        judge.end(FRAMES, true);
        let names = words(CHECKS.as_bytes()).enumerate();
        names
            .filter(|(bit, _)| judge.verdict(*bit) == "false")
            .map(|(_, name)| core::str::from_utf8(name).unwrap())
            .collect()
    }

    #[test]
    fn each_check_has_its_name() {
        let names = words(CHECKS.as_bytes());
        assert_eq!(names.count(), Check::Restart as usize + 1);
    }

    #[test]
    fn what_was_not_reached_has_no_verdict() {
        let mut judge = Judge::default();
        judge.add(&Judge::default());
        judge.holds(Check::Start, false);
        judge.packet(&packet(0));
        let verdicts = [
            Check::Start,
            Check::Order,
            Check::Headers,
            Check::Bitrate,
            Check::Drain,
        ]
        .map(|check| judge.verdict(check as usize));
        assert_eq!(verdicts, ["false", "true", "true", "null", "null"]);
    }

    #[test]
    fn a_whole_stream_passes() {
        assert_eq!(failed(|_| {}), [""; 0]);
    }

    #[test]
    fn each_fault_fails_its_check() {
        let clear = |packet: &mut Packet| packet.flags = 0;
        for (name, fault) in [
            (
                "frames",
                (|p| p.truncate(p.len() - 1)) as fn(&mut Vec<Packet>),
            ),
            ("order", |p| p[7].timestamp = p[6].timestamp),
            ("order", |p| p[7].sequence = 9),
            ("keys", |p| p[15].flags = 0),
            ("headers", |p| p[15].flags = flag::KEY),
            ("damage", |p| p[7].flags = flag::CORRUPT),
            ("times", |p| p[7].queued = p[7].dequeued + 1),
            ("times", |p| p[7].committed -= PATIENCE_NS),
            ("times", |p| {
                (p[7].committed, p[7].queued) = (0, 0);
            }),
            ("steady", |p| p[7].flags = flag::DISCONTINUITY),
            ("key_request", |p| p[ASK_AT as usize + 2].flags = 0),
        ] {
            assert_eq!(failed(fault), [name]);
        }
        // The first one has to be a key packet.
        assert_eq!(failed(|p| clear(&mut p[0])), ["keys"]);
    }

    #[test]
    fn the_rate_is_that_of_publication() {
        let mut judge = Judge::default();
        (0..FRAMES).for_each(|frame| judge.packet(&packet(frame)));
        assert_eq!(judge.rate(), 300);
    }
}
