//! Whether a packet ring holds a group of pictures (GOP): a key frame and all frames up to the next one. Pure.
//!
//! A consumer starts at the newest key packet in the ring. Where a GOP is larger than the ring there is often none, and each
//! consumer that joins or falls behind requests a key frame.

use core::fmt;

use crate::limits::{PACKET_DESCRIPTORS, PACKET_RING_MAX};

/// A GOP at the bitrate that the encoder was set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gop {
    /// Frames from one key frame to the next; at least 1.
    pub frames: u32,
    /// Bits per second; 0 when the encoder has no bitrate.
    pub bitrate: u32,
    /// Frames per second, numerator and denominator.
    pub frame_rate: (u32, u32),
}

/// A GOP that a ring cannot hold. Its text is for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    gop: Gop,
    ring_bytes: u32,
}

impl Gop {
    /// Average bytes of a GOP: bitrate × frames / frame rate.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (numerator, denominator) = self.frame_rate;
        let bits = u64::from(self.bitrate) * u64::from(self.frames);
        // A rate's denominator is small: what does not fit into 64 bits is larger than any ring.
        bits.saturating_mul(denominator.into()) / 8 / u64::from(numerator.max(1))
    }

    /// `Some` when a packet ring of so many payload bytes cannot hold it.
    #[must_use]
    pub fn exceeds(&self, ring_bytes: u32) -> Option<TooLong> {
        let too_long =
            self.frames as usize > PACKET_DESCRIPTORS || self.bytes() > u64::from(ring_bytes);
        too_long.then_some(TooLong {
            gop: *self,
            ring_bytes,
        })
    }

    /// The most frames of a GOP that a ring of so many bytes holds.
    fn longest(&self, ring_bytes: u32) -> u32 {
        let mut frames = self.frames.min(PACKET_DESCRIPTORS as u32);
        while frames > 1 && (Self { frames, ..*self }).bytes() > u64::from(ring_bytes) {
            frames -= 1;
        }
        frames
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gop, ring_bytes } = self;
        write!(f, "a GOP of {} frames", gop.frames)?;
        let bytes = gop.bytes();
        if bytes > 0 {
            write!(f, " at {} bit/s has {bytes} bytes", gop.bitrate)?;
        }
        write!(
            f,
            ", the packet ring holds {PACKET_DESCRIPTORS} packets and {ring_bytes} bytes: a consumer that joins or falls behind \
             has to request a key frame; use --gop {} or less",
            gop.longest(*ring_bytes)
        )?;
        if gop.frames as usize <= PACKET_DESCRIPTORS && bytes <= u64::from(PACKET_RING_MAX) {
            write!(f, ", or --packet-ring {}", bytes.next_power_of_two())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const RING: u32 = 4 << 20;

    fn gop(frames: u32, bitrate: u32) -> Gop {
        Gop {
            frames,
            bitrate,
            frame_rate: (30, 1),
        }
    }

    #[test]
    fn a_gop_that_fits_is_not_mentioned() {
        assert_eq!(gop(60, 10_000_000).exceeds(RING), None);
        // No bitrate is known.
        assert_eq!(gop(512, 0).exceeds(RING), None);
        // To the byte: 4 MiB is 33554432 bits.
        assert_eq!(gop(30, 33_554_432).exceeds(RING), None);
        assert!(gop(30, 33_554_440).exceeds(RING).is_some());
    }

    #[test]
    fn a_gop_with_too_many_bytes_names_the_ring_and_the_gop_that_would_do() {
        let text = gop(120, 10_000_000).exceeds(RING).unwrap().to_string();
        assert_eq!(
            text,
            "a GOP of 120 frames at 10000000 bit/s has 5000000 bytes, the packet ring holds 512 packets and 4194304 bytes: a consumer \
             that joins or falls behind has to request a key frame; use --gop 100 or less, or --packet-ring 8388608"
        );
        assert!(gop(100, 10_000_000).exceeds(RING).is_none());
        assert!(gop(120, 10_000_000).exceeds(8_388_608).is_none());
    }

    #[test]
    fn a_gop_with_too_many_packets_is_too_long_whatever_its_bytes() {
        let text = gop(513, 0).exceeds(RING).unwrap().to_string();
        assert!(text.starts_with("a GOP of 513 frames, the packet ring holds 512 packets"));
        assert!(text.ends_with("use --gop 512 or less"), "{text}");
        let text = gop(u32::MAX, u32::MAX).exceeds(RING).unwrap().to_string();
        assert!(text.ends_with("use --gop 1 or less"), "{text}");
    }

    #[test]
    fn a_slow_rate_makes_frames_larger() {
        let slow = Gop {
            frame_rate: (1, 1),
            ..gop(60, 1_000_000)
        };
        assert_eq!(slow.bytes(), 7_500_000);
        let slower = Gop {
            frame_rate: (1, 2),
            ..slow
        };
        assert_eq!(slower.bytes(), 15_000_000);
        assert!(slow.exceeds(RING).is_some());
    }
}
