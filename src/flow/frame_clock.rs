//! What a camera's buffers say of time and of their number: untrusted, and checked here.
//!
//! A driver stamps a frame with `CLOCK_MONOTONIC` and counts frames in `sequence`, also those for which it had no buffer.
//! Timestamps that cannot be true are replaced, so that those of a stream always rise; gaps in the count are frames that were
//! lost before the engine saw them. Pure: no descriptor and no clock of its own.

use crate::limits::{CAMERA_AHEAD_MS, CAMERA_JUMP_FACTOR, CAMERA_JUMP_MS};
use crate::time::MS;

/// The timestamp and number of a frame, as its driver wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Ns; `None`: the driver says that it is not of `CLOCK_MONOTONIC`, or there is none.
    pub timestamp: Option<u64>,
    /// Frames before this one since the stream began, modulo 2^32; 0 for each with drivers that do not count.
    pub sequence: u32,
}

/// What is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Ns; later than that of each frame before.
    pub timestamp: u64,
    /// The driver's timestamp stepped back, or is of the future: the one above keeps the pace at which frames arrive.
    pub corrected: bool,
    /// Frames that were lost before this one.
    pub lost: u32,
    /// What comes before this frame in the stream is not what came before it at the camera, as far as one can tell.
    pub discontinuity: bool,
}

/// The checks' memory of the frames before.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameClock {
    /// The latest timestamp that was given out, ns; 0: none.
    last: u64,
    /// When its frame arrived, `CLOCK_MONOTONIC` ns.
    arrived: u64,
    /// From the timestamp before it to it, ns.
    interval: u64,
    /// What is added to the driver's timestamps after they stepped back, modulo 2^64; 0: nothing.
    offset: u64,
    /// The number that the next frame should have; `None` after a start.
    expected: Option<u32>,
}

impl FrameClock {
    /// The stream starts again: drivers restart their count. Timestamps go on.
    pub fn restart(&mut self) {
        self.offset = 0;
        self.expected = None;
    }

    /// Checks the next frame, which arrived at `now_ns`.
    pub fn check(&mut self, claimed: Claimed, now_ns: u64) -> Checked {
        let lost = self.count(claimed.sequence);
        let (timestamp, corrected, resumed) = self.timestamp(claimed.timestamp, now_ns);
        let interval = timestamp.saturating_sub(self.last);
        let jumped = self.last != 0
            && interval > u64::from(CAMERA_JUMP_MS) * MS
            && interval / u64::from(CAMERA_JUMP_FACTOR) > self.interval;
        let first = self.last == 0;
        (self.last, self.arrived) = (timestamp, now_ns);
        self.interval = interval;
        Checked {
            timestamp,
            corrected,
            lost,
            discontinuity: !first && (lost != 0 || corrected || resumed || jumped),
        }
    }

    /// Frames that are missing before the one of this number.
    fn count(&mut self, sequence: u32) -> u32 {
        let missing = match self.expected {
            Some(expected) => sequence.wrapping_sub(expected),
            None => 0,
        };
        self.expected = Some(sequence.wrapping_add(1));
        // Below the expected number: a driver that does not count, or restarted its count by itself.
        if missing < 1 << 31 { missing } else { 0 }
    }

    /// The timestamp to use; whether it had to be corrected; whether the driver's own are used again after some that were.
    fn timestamp(&mut self, claimed: Option<u64>, now_ns: u64) -> (u64, bool, bool) {
        // Wherever there is nothing to believe, time goes on as frames arrive.
        let pace = match self.last {
            0 => now_ns,
            last => last.saturating_add(now_ns.saturating_sub(self.arrived).max(1000)),
        };
        let Some(claimed) = claimed else {
            return (pace, false, false);
        };
        let latest = now_ns.saturating_add(u64::from(CAMERA_AHEAD_MS) * MS);
        let believable = |timestamp: u64| timestamp > self.last && timestamp <= latest;
        if believable(claimed) {
            let resumed = core::mem::take(&mut self.offset) != 0;
            return (claimed, false, resumed);
        }
        let shifted = claimed.wrapping_add(self.offset);
        if self.offset != 0 && believable(shifted) {
            return (shifted, false, false);
        }
        self.offset = pace.wrapping_sub(claimed);
        (pace, true, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Frames of 40 ms, each as (timestamp, sequence); they arrive 10 ms after a good timestamp. Gives what is made of them.
    fn checked(frames: &[(Option<u64>, u32)]) -> Vec<Checked> {
        let mut clock = FrameClock::default();
        (0..)
            .zip(frames)
            .map(|(index, &(timestamp, sequence))| {
                let claimed = Claimed {
                    timestamp: timestamp.map(|ms| ms * MS),
                    sequence,
                };
                clock.check(claimed, (1010 + 40 * index) * MS)
            })
            .collect()
    }

    fn timestamps(checked: &[Checked]) -> Vec<u64> {
        checked.iter().map(|one| one.timestamp / MS).collect()
    }

    /// Places of the frames that are flagged, and of those whose timestamps were corrected.
    fn flagged(checked: &[Checked]) -> (Vec<usize>, Vec<usize>) {
        let places = |which: fn(&Checked) -> bool| {
            let frames = checked.iter().enumerate();
            frames
                .filter(|(_, one)| which(one))
                .map(|(at, _)| at)
                .collect()
        };
        (places(|one| one.discontinuity), places(|one| one.corrected))
    }

    #[test]
    fn good_frames_pass_unchanged() {
        let frames = checked(&[(Some(1000), 7), (Some(1040), 8), (Some(1080), 9)]);
        assert_eq!(timestamps(&frames), [1000, 1040, 1080]);
        assert_eq!(flagged(&frames), (Vec::new(), Vec::new()));
        assert!(frames.iter().all(|one| one.lost == 0));
    }

    #[test]
    fn gaps_in_the_sequence_are_counted_and_flagged() {
        let frames = [
            (Some(1000), u32::MAX - 1),
            (Some(1040), 1),
            (Some(1080), 2),
            (Some(1200), 5),
        ];
        let frames = checked(&frames);
        let lost: Vec<_> = frames.iter().map(|one| one.lost).collect();
        assert_eq!(lost, [0, 2, 0, 2]);
        assert_eq!(flagged(&frames).0, [1, 3]);
    }

    #[test]
    fn drivers_that_do_not_count_lose_nothing() {
        for second in [0, 5] {
            let frames = checked(&[(Some(1000), second), (Some(1040), 0), (Some(1080), 0)]);
            assert!(frames.iter().all(|one| one.lost == 0), "{frames:?}");
        }
    }

    #[test]
    fn a_start_is_no_gap() {
        let mut clock = FrameClock::default();
        let claimed = |sequence| Claimed {
            timestamp: None,
            sequence,
        };
        assert_eq!(clock.check(claimed(3), MS).lost, 0);
        clock.restart();
        assert_eq!(clock.check(claimed(100), 2 * MS).lost, 0);
        assert_eq!(clock.check(claimed(102), 3 * MS).lost, 1);
    }

    #[test]
    fn a_clock_that_steps_back_is_carried_on() {
        let frames = checked(&[
            (Some(1000), 0),
            (Some(1040), 1),
            (Some(20), 2),
            (Some(60), 3),
            (Some(100), 4),
        ]);
        assert_eq!(timestamps(&frames), [1000, 1040, 1080, 1120, 1160]);
        assert_eq!(flagged(&frames), (std::vec![2], std::vec![2]));
    }

    #[test]
    fn one_timestamp_out_of_order_costs_one_correction() {
        for wrong in [1030, 1040, 900_000] {
            let frames = checked(&[
                (Some(1000), 0),
                (Some(1040), 1),
                (Some(wrong), 2),
                (Some(1120), 3),
                (Some(1160), 4),
            ]);
            assert_eq!(
                timestamps(&frames),
                [1000, 1040, 1080, 1120, 1160],
                "{wrong}"
            );
            // That it is believed again is flagged, too: the step may be larger.
            assert_eq!(flagged(&frames), (std::vec![2, 3], std::vec![2]), "{wrong}");
        }
    }

    #[test]
    fn a_clock_of_the_future_is_brought_back_until_it_wraps() {
        let far = u64::MAX / MS;
        let frames = checked(&[
            (Some(far - 40), 0),
            (Some(far), 1),
            (Some(39), 2),
            (Some(79), 3),
        ]);
        let times = timestamps(&frames);
        assert!(
            times
                .windows(2)
                .all(|pair| (39..=41).contains(&(pair[1] - pair[0]))),
            "{times:?}"
        );
        assert_eq!(times[0], 1010);
    }

    #[test]
    fn a_jump_ahead_is_flagged_and_kept() {
        let mut clock = FrameClock::default();
        let mut check = |ms: u64, sequence| {
            let claimed = Claimed {
                timestamp: Some(ms * MS),
                sequence,
            };
            clock.check(claimed, (ms + 10) * MS)
        };
        assert!(!check(1000, 0).discontinuity);
        assert!(!check(1040, 1).discontinuity);
        let jumped = check(3500, 2);
        assert!(jumped.discontinuity && !jumped.corrected);
        assert_eq!(jumped.timestamp, 3500 * MS);
        // A camera that is as slow as that does not jump each time.
        assert!(!check(6000, 3).discontinuity);
    }

    #[test]
    fn frames_without_a_timestamp_have_the_time_of_their_arrival() {
        let frames = checked(&[(None, 0), (None, 1), (None, 2)]);
        assert_eq!(timestamps(&frames), [1010, 1050, 1090]);
        assert_eq!(flagged(&frames), (Vec::new(), Vec::new()));
    }

    #[test]
    fn whatever_a_driver_claims_timestamps_rise() {
        let mut clock = FrameClock::default();
        let (mut random, mut last, mut now) = (1u64, 0, 0);
        for _ in 0..10_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            now += random >> 36;
            let timestamp = match random >> 60 {
                0..4 => None,
                4..8 => Some(random),
                8..12 => Some(now),
                _ => Some(now.wrapping_sub(random >> 34)),
            };
            let claimed = Claimed {
                timestamp,
                sequence: (random >> 20) as u32,
            };
            let checked = clock.check(claimed, now);
            assert!(
                checked.timestamp > last,
                "{claimed:?} at {now}: {checked:?} after {last}"
            );
            assert!(checked.timestamp <= now + 2 * u64::from(CAMERA_AHEAD_MS) * MS);
            last = checked.timestamp;
        }
    }
}
