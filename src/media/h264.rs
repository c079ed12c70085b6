//! Profiles and levels of H.264 as V4L2 counts them, and what a level allows (ITU-T H.264, table A-1).
//!
//! Knows numbers and names; knows no device and no bitstream. A level is its `V4L2_CID_MPEG_VIDEO_H264_LEVEL` value:
//! the levels' order in the table, so a higher value allows at least as much.

use crate::text::{Escaped, nth, place};

/// Names of the profiles, in the order of their `V4L2_CID_MPEG_VIDEO_H264_PROFILE` values.
pub const PROFILES: &str = "baseline constrained-baseline main extended high";

/// Names of the levels, in the order of their values.
pub const LEVELS: &str = "1 1b 1.1 1.2 1.3 2 2.1 2.2 3 3.1 3.2 4 4.1 4.2 5 5.1 5.2 6 6.1 6.2";

/// What each level allows: macroblocks a second, macroblocks a frame, kbit/s.
const LIMITS: [(u32, u32, u32); 20] = [
    (1_485, 99, 64),
    (1_485, 99, 128),
    (3_000, 396, 192),
    (6_000, 396, 384),
    (11_880, 396, 768),
    (11_880, 396, 2_000),
    (19_800, 792, 4_000),
    (20_250, 1_620, 4_000),
    (40_500, 1_620, 10_000),
    (108_000, 3_600, 14_000),
    (216_000, 5_120, 20_000),
    (245_760, 8_192, 20_000),
    (245_760, 8_192, 50_000),
    (522_240, 8_704, 50_000),
    (589_824, 22_080, 135_000),
    (983_040, 36_864, 240_000),
    (2_073_600, 36_864, 240_000),
    (4_177_920, 139_264, 240_000),
    (8_355_840, 139_264, 480_000),
    (16_711_680, 139_264, 800_000),
];

/// The highest level.
pub const LEVEL_MAX: u32 = LIMITS.len() as u32 - 1;

/// The profile of this name.
#[must_use]
pub fn profile(name: &[u8]) -> Option<u32> {
    Some(place(name, PROFILES)? as u32)
}

/// The profile's name, to be written.
#[must_use]
pub fn profile_name(profile: i64) -> Escaped<'static> {
    nth(PROFILES, profile as usize)
}

/// The level of this name; `4` and `4.0` are the same.
#[must_use]
pub fn level(name: &[u8]) -> Option<u32> {
    Some(place(name.strip_suffix(b".0").unwrap_or(name), LEVELS)? as u32)
}

/// The level's name, to be written.
#[must_use]
pub fn level_name(level: i64) -> Escaped<'static> {
    nth(LEVELS, level as usize)
}

/// Most bits per second of a level; from High on a quarter more. Without limit for a level that is not known.
#[must_use]
pub fn max_bitrate(level: i64, profile: i64) -> i64 {
    let limits = usize::try_from(level)
        .ok()
        .and_then(|level| LIMITS.get(level));
    limits.map_or(i64::MAX, |&(_, _, kilobits)| {
        i64::from(kilobits) * if profile >= 4 { 1250 } else { 1000 }
    })
}

/// What a stream asks of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamParams {
    /// Picture size, pixels.
    pub size: (u32, u32),
    /// Frames per second, numerator and denominator.
    pub rate: (u32, u32),
    /// Bits per second; 0 when the encoder does not say.
    pub bitrate: u32,
    /// `V4L2_CID_MPEG_VIDEO_H264_PROFILE`: from High on a level allows a quarter more bits.
    pub profile: i64,
}

impl StreamParams {
    /// Macroblocks per second, rounded up.
    #[must_use]
    pub fn macroblocks_per_second(&self) -> u64 {
        let (wide, high) = self.macroblocks();
        let frames = u64::from(wide) * u64::from(high) * u64::from(self.rate.0);
        frames.div_ceil(u64::from(self.rate.1.max(1)))
    }

    /// The lowest level that allows it; `None` when none does.
    #[must_use]
    pub fn level(&self) -> Option<u32> {
        let (wide, high) = self.macroblocks();
        let per_second = self.macroblocks_per_second();
        let lowest = LIMITS
            .iter()
            .enumerate()
            .position(|(level, &(speed, area, _))| {
                // A picture may not be narrower than an eighth of its level's square.
                let longest = wide.max(high);
                per_second <= u64::from(speed)
                    && wide * high <= area
                    && longest * longest <= 8 * area
                    && i64::from(self.bitrate) <= max_bitrate(level as i64, self.profile)
            })?;
        Some(lowest as u32)
    }

    fn macroblocks(&self) -> (u32, u32) {
        (self.size.0.div_ceil(16), self.size.1.div_ceil(16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::abi;
    use std::string::{String, ToString};

    fn demand(width: u32, height: u32, rate: u32, bitrate: u32, profile: i64) -> Option<String> {
        let demand = StreamParams {
            size: (width, height),
            rate: (rate, 1),
            bitrate,
            profile,
        };
        demand
            .level()
            .map(|level| level_name(level.into()).to_string())
    }

    #[test]
    fn names_stand_at_the_kernels_values() {
        assert_eq!(level(b"1b"), Some(abi::MPEG_VIDEO_H264_LEVEL_1B));
        assert_eq!(level(b"3.1"), Some(abi::MPEG_VIDEO_H264_LEVEL_3_1));
        assert_eq!(level(b"4.0"), Some(abi::MPEG_VIDEO_H264_LEVEL_4_0));
        assert_eq!(level(b"5.2"), Some(abi::MPEG_VIDEO_H264_LEVEL_5_2));
        assert_eq!(profile(b"main"), Some(abi::MPEG_VIDEO_H264_PROFILE_MAIN));
        assert_eq!(profile(b"high"), Some(abi::MPEG_VIDEO_H264_PROFILE_HIGH));
        for bad in [&b""[..], b"1.4", b"7", b"4.0.0", b"auto", b"1 1b"] {
            assert_eq!((level(bad), profile(bad)), (None, None), "{bad:?}");
        }
        let shown = [level_name(11), level_name(-1), profile_name(9)];
        assert_eq!(shown.map(|name| name.to_string()), ["4", "", ""]);
    }

    #[test]
    fn each_limit_of_a_level_counts() {
        // The published pairs of sizes and rates (table A-6).
        assert_eq!(demand(176, 144, 15, 0, 2).as_deref(), Some("1"));
        assert_eq!(demand(640, 480, 30, 0, 2).as_deref(), Some("3"));
        assert_eq!(demand(1280, 720, 30, 0, 2).as_deref(), Some("3.1"));
        assert_eq!(demand(1280, 720, 60, 0, 2).as_deref(), Some("3.2"));
        assert_eq!(demand(1920, 1080, 30, 0, 2).as_deref(), Some("4"));
        assert_eq!(demand(1920, 1080, 60, 0, 2).as_deref(), Some("4.2"));
        // Bits, with a quarter more for High.
        assert_eq!(demand(640, 480, 30, 12_500_000, 2).as_deref(), Some("3.1"));
        assert_eq!(demand(640, 480, 30, 12_500_000, 4).as_deref(), Some("3"));
        assert_eq!(demand(1920, 1080, 30, 25_000_000, 4).as_deref(), Some("4"));
        assert_eq!(
            demand(1920, 1080, 30, 25_000_001, 4).as_deref(),
            Some("4.1")
        );
        // Long and flat.
        assert_eq!(demand(1920, 16, 1, 0, 2).as_deref(), Some("3.1"));
        assert_eq!(demand(8192, 8192, 1000, 0, 2).as_deref(), None);
    }

    #[test]
    fn fractions_of_a_rate_are_rounded_up() {
        let demand = StreamParams {
            size: (1920, 1088),
            rate: (30_000, 1001),
            bitrate: 0,
            profile: 4,
        };
        assert_eq!(demand.macroblocks_per_second(), 244_556);
    }
}
