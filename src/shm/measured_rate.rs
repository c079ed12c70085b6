//! The rate at which frames really come, from the commit times that stand beside the packets.
//!
//! Knows descriptors of the packet ring; reads no payload and writes nothing. Whoever can map the ring can compute it.

use crate::limits::{PACKET_DESCRIPTORS, RATE_WINDOW_MS};
use crate::shm::layout::{Cursors, Descriptor, flag};
use crate::shm::recent::{Recent, newest_first};
use crate::shm::word::Access;
use crate::time::MS;

/// Frames in 1000 seconds, by the packets in the ring whose frames were committed within `RATE_WINDOW_MS` before the newest
/// one's. The time before a packet with DISCONTINUITY does not count, because frames are missing there. 0: fewer than two
/// such packets.
#[must_use]
pub fn measured_rate<A: Access>(
    cursors: &Cursors<A>,
    descriptors: &[Descriptor<A>; PACKET_DESCRIPTORS],
) -> u64 {
    rate_of(newest_first(cursors, descriptors))
}

fn rate_of(newest_first: impl Iterator<Item = Recent>) -> u64 {
    let mut newest = None;
    let mut newer: Option<Recent> = None;
    let (mut frames, mut elapsed) = (0u64, 0u64);
    for packet in newest_first {
        if packet.committed == 0 {
            // The end mark, or a packet without a frame: the one before it is not the newer one's neighbour.
            newer = None;
            continue;
        }
        let newest = *newest.get_or_insert(packet.committed);
        if newest.saturating_sub(packet.committed) > u64::from(RATE_WINDOW_MS) * MS {
            break;
        }
        if let Some(newer) = newer
            && newer.flags & flag::DISCONTINUITY == 0
        {
            frames += 1;
            // Wrapping, because packets of B-frames step back; the sum is what counts.
            elapsed = elapsed.wrapping_add(newer.committed.wrapping_sub(packet.committed));
        }
        newer = Some(packet);
    }
    (frames * 1_000_000 * MS).checked_div(elapsed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The rate of packets with these commit times, ms, oldest first, each with its flags.
    fn rate(packets: &[(u64, u32)]) -> u64 {
        let packets: Vec<_> = packets
            .iter()
            .map(|&(ms, flags)| Recent {
                committed: ms * MS,
                flags,
                ..Recent::default()
            })
            .collect();
        rate_of(packets.into_iter().rev())
    }

    #[test]
    fn rate_is_that_of_the_commit_times() {
        assert_eq!(rate(&[(1000, 0), (1040, 0), (1080, 0)]), 25_000);
        // A jitter of one frame changes nothing.
        assert_eq!(rate(&[(1000, 0), (1070, 0), (1080, 0)]), 25_000);
    }

    #[test]
    fn time_in_which_frames_were_lost_does_not_count() {
        let lost = flag::DISCONTINUITY;
        assert_eq!(
            rate(&[(1000, 0), (1040, 0), (1400, lost), (1440, 0)]),
            25_000
        );
        // Nor does that around a packet without a frame, and the end mark is none.
        assert_eq!(
            rate(&[
                (1000, 0),
                (1040, 0),
                (0, 0),
                (1400, 0),
                (1440, 0),
                (0, flag::END)
            ]),
            25_000
        );
    }

    #[test]
    fn only_the_newest_seconds_count() {
        let pause = u64::from(RATE_WINDOW_MS);
        assert_eq!(
            rate(&[(1000, 0), (1100 + pause, 0), (1120 + pause, 0)]),
            50_000
        );
    }

    #[test]
    fn packets_out_of_order_have_a_rate() {
        assert_eq!(rate(&[(1000, 0), (1080, 0), (1040, 0), (1120, 0)]), 25_000);
    }

    #[test]
    fn too_few_packets_have_no_rate() {
        for packets in [
            &[][..],
            &[(1000, 0)],
            &[(1000, 0), (1000, 0)],
            &[(0, 0), (0, 0)],
        ] {
            assert_eq!(rate(packets), 0, "{packets:?}");
        }
    }
}
