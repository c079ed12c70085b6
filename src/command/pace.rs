//! When a frame of `push` is due, which timestamp it gets, and what is said when frames are late or dropped.
//!
//! Pure: time is an argument, `CLOCK_MONOTONIC` in nanoseconds. Knows no input, no slot and no clock.

use crate::types::frame_rate::FrameRate;

/// Nanoseconds a second.
const SECOND: u64 = 1_000_000_000;

/// So far behind is worth a line: a viewer notices it, and a scheduler's hiccup is never as long.
const BEHIND_NS: u64 = SECOND;

/// Where timestamps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// The frame's number and the rate: ns from the first frame. Each frame waits for its time.
    Paced,
    /// The same, but no frame waits.
    Unpaced,
    /// The time at which the frame arrived, `CLOCK_MONOTONIC` ns. No frame waits.
    Arrival,
}

/// Why frames are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No slot was free: the encoder is slower than the frames.
    Encoder,
    /// The input delivers fewer frames than its rate says.
    Input,
}

/// The times of one `push`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    timing: Timing,
    rate: FrameRate,
    /// When frame 0 was due; `None` before the first frame after `restart`.
    start_ns: Option<u64>,
    /// The newest timestamp by arrival.
    stamped_ns: u64,
    /// How long frames waited for a slot since `restart`.
    waited_ns: u64,
    /// That frames are late was said.
    said: bool,
    /// Frames dropped for want of a slot.
    dropped: u64,
}

impl Pacer {
    pub(super) fn new(timing: Timing, rate: FrameRate) -> Self {
        Self {
            timing,
            rate,
            start_ns: None,
            stamped_ns: 0,
            waited_ns: 0,
            said: false,
            dropped: 0,
        }
    }

    /// The connection is new: the next frame is due at once, and later ones follow at this rate.
    pub(super) fn restart(&mut self, rate: FrameRate) {
        self.rate = rate;
        self.start_ns = None;
        self.waited_ns = 0;
    }

    /// Whether timestamps are the times of arrival.
    pub(super) fn by_arrival(&self) -> bool {
        self.timing == Timing::Arrival
    }

    /// When this frame is due, given that it is ready now; `None`: at once.
    pub(super) fn due_ns(&mut self, frame: u64, now_ns: u64) -> Option<u64> {
        let offset_ns = media_time(frame, self.rate);
        let start_ns = *self
            .start_ns
            .get_or_insert(now_ns.saturating_sub(offset_ns));
        (self.timing == Timing::Paced).then(|| start_ns.saturating_add(offset_ns))
    }

    /// The frame's timestamp, given that it is due now. Timestamps by arrival rise strictly.
    pub(super) fn timestamp_ns(&mut self, frame: u64, now_ns: u64) -> u64 {
        match self.timing {
            Timing::Paced | Timing::Unpaced => media_time(frame, self.rate),
            Timing::Arrival => {
                self.stamped_ns = now_ns.max(self.stamped_ns.saturating_add(1));
                self.stamped_ns
            }
        }
    }

    /// A frame that was due at `due_ns` waited for a slot from `asked_ns` until now. Gives, once, how late frames are and why, when that
    /// is more than a second.
    pub(super) fn got_slot(
        &mut self,
        due_ns: u64,
        asked_ns: u64,
        now_ns: u64,
    ) -> Option<(u64, Cause)> {
        self.waited_ns += now_ns.saturating_sub(asked_ns);
        let behind_ns = now_ns.saturating_sub(due_ns);
        if self.said || self.timing == Timing::Unpaced || behind_ns <= BEHIND_NS {
            return None;
        }
        self.said = true;
        let cause = if self.waited_ns >= behind_ns / 2 {
            Cause::Encoder
        } else {
            Cause::Input
        };
        Some((behind_ns, cause))
    }

    /// A frame was dropped for want of a slot. Gives the number of them when it is to be said: at the 1st, 2nd, 4th, 8th …
    pub(super) fn drop_frame(&mut self) -> Option<u64> {
        self.dropped += 1;
        self.dropped.is_power_of_two().then_some(self.dropped)
    }

    /// Frames dropped for want of a slot.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// When frame `n` of the stream is due, ns from its start. Whole seconds and the rest are taken apart, so that no product
/// needs more than 64 bits.
fn media_time(n: u64, rate: FrameRate) -> u64 {
    let (numerator, denominator) = (
        u64::from(rate.numerator.max(1)),
        u64::from(rate.denominator),
    );
    let ticks = n.saturating_mul(denominator);
    let rest = ticks % numerator * SECOND / numerator;
    (ticks / numerator)
        .saturating_mul(SECOND)
        .saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const RATE: FrameRate = FrameRate {
        numerator: 25,
        denominator: 1,
    };
    const FRAME_NS: u64 = SECOND / 25;

    #[test]
    fn paced_frames_follow_the_first_one_at_the_rate() {
        let mut pacer = Pacer::new(Timing::Paced, RATE);
        // The first is ready at 5 s, and due then.
        assert_eq!(pacer.due_ns(0, 5 * SECOND), Some(5 * SECOND));
        for frame in 1..100 {
            // However late a frame is ready.
            let due = pacer.due_ns(frame, 9 * SECOND);
            assert_eq!(due, Some(5 * SECOND + frame * FRAME_NS));
            assert_eq!(pacer.timestamp_ns(frame, 9 * SECOND), frame * FRAME_NS);
        }
        // Another connection: the next frame is due at once, and keeps its timestamp.
        pacer.restart(RATE);
        assert_eq!(pacer.due_ns(100, 20 * SECOND), Some(20 * SECOND));
        assert_eq!(pacer.timestamp_ns(100, 20 * SECOND), 100 * FRAME_NS);
        assert_eq!(pacer.due_ns(101, 0), Some(20 * SECOND + FRAME_NS));
    }

    #[test]
    fn unpaced_frames_wait_for_nothing_and_have_the_rates_timestamps() {
        let mut pacer = Pacer::new(Timing::Unpaced, RATE);
        for frame in 0..3 {
            assert_eq!(pacer.due_ns(frame, 7), None);
            assert_eq!(pacer.timestamp_ns(frame, 7), frame * FRAME_NS);
            // They have no time, so none is late.
            assert_eq!(pacer.got_slot(7, 7, 9 * SECOND), None);
        }
    }

    #[test]
    fn timestamps_by_arrival_are_the_clock_and_rise_strictly() {
        let mut pacer = Pacer::new(Timing::Arrival, RATE);
        let mut stamps = Vec::new();
        for (frame, now_ns) in [(0, 100), (1, 180), (2, 180), (3, 180), (4, 400)] {
            assert_eq!(pacer.due_ns(frame, now_ns), None);
            stamps.push(pacer.timestamp_ns(frame, now_ns));
        }
        assert_eq!(stamps, [100, 180, 181, 182, 400]);
    }

    #[test]
    fn a_slow_encoder_is_named_once_when_frames_are_a_second_late() {
        // Frames every 40 ms, a slot every 80 ms: frame n is 40 ms later than frame n - 1.
        let mut pacer = Pacer::new(Timing::Paced, RATE);
        let mut now_ns = 0;
        let mut said = Vec::new();
        for frame in 0..60 {
            let due_ns = pacer.due_ns(frame, now_ns).unwrap();
            let asked_ns = now_ns.max(due_ns);
            now_ns = frame * 2 * FRAME_NS;
            said.extend(pacer.got_slot(due_ns, asked_ns, now_ns));
        }
        assert_eq!(said, [(26 * FRAME_NS, Cause::Encoder)]);
    }

    #[test]
    fn an_input_slower_than_its_rate_is_named_as_the_cause() {
        let mut pacer = Pacer::new(Timing::Paced, RATE);
        let mut said = Vec::new();
        for frame in 0..60 {
            let ready_ns = frame * 2 * FRAME_NS;
            let due_ns = pacer.due_ns(frame, ready_ns).unwrap();
            // A slot is there at once.
            said.extend(pacer.got_slot(due_ns, ready_ns, ready_ns));
        }
        assert_eq!(said, [(26 * FRAME_NS, Cause::Input)]);
    }

    #[test]
    fn frames_in_time_are_never_called_late() {
        let mut pacer = Pacer::new(Timing::Paced, RATE);
        for frame in 0..1000 {
            let due_ns = pacer.due_ns(frame, 0).unwrap();
            assert_eq!(pacer.got_slot(due_ns, due_ns, due_ns + SECOND), None);
        }
    }

    #[test]
    fn dropped_frames_are_said_at_powers_of_two_and_counted() {
        let mut pacer = Pacer::new(Timing::Paced, RATE);
        let said: Vec<u64> = (0..20).filter_map(|_| pacer.drop_frame()).collect();
        assert_eq!(said, [1, 2, 4, 8, 16]);
        assert_eq!(pacer.dropped(), 20);
        // A new connection forgets none.
        pacer.restart(RATE);
        assert_eq!(pacer.dropped(), 20);
    }

    #[test]
    fn media_time_is_exact_for_fractions_and_does_not_wrap() {
        let ntsc = FrameRate {
            numerator: 30_000,
            denominator: 1001,
        };
        assert_eq!(media_time(30_000, ntsc), 1001 * SECOND);
        assert_eq!(media_time(1, ntsc), 33_366_666);
        assert_eq!(media_time(u64::MAX, ntsc), u64::MAX);
    }
}
