//! The lines beside the packets: the index, and the file of times.
//!
//! Knows their text. Never knows where it is written.

use core::fmt::Write;

use arrayvec::ArrayString;

use crate::client::Packet;
use crate::shm::layout::flag;

/// First line of the index.
pub(super) const INDEX_NAMES: &[u8] =
    b"# sequence bytes flags generation timestamp committed queued dequeued published\n";

/// First line of a file of times, as muxers know it.
pub(super) const PTS_NAME: &[u8] = b"# timestamp format v2\n";

/// Longest line, bytes: eight numbers of 20 digits, flags, spaces.
const LINE_BYTES: usize = 192;

/// A line of the index, to be written whole.
pub(super) fn index_line(packet: &Packet, after_loss: bool) -> ArrayString<LINE_BYTES> {
    let mut line = ArrayString::new();
    let letters = [
        (packet.flags & flag::KEY != 0, 'K'),
        (packet.flags & flag::CONFIG != 0, 'C'),
        (packet.flags & flag::CORRUPT != 0, 'X'),
        (packet.flags & flag::DISCONTINUITY != 0, 'D'),
        (packet.flags & flag::END != 0, 'E'),
        (after_loss, 'L'),
    ];
    let mut flags = ArrayString::<6>::new();
    for (_, letter) in letters.iter().filter(|(there, _)| *there) {
        flags.push(*letter);
    }
    if flags.is_empty() {
        flags.push('-');
    }
    // It has room for the longest numbers.
    let _ = writeln!(
        line,
        "{} {} {flags} {} {} {} {} {} {}",
        packet.sequence,
        packet.length,
        packet.generation,
        packet.timestamp,
        packet.committed,
        packet.queued,
        packet.dequeued,
        packet.published
    );
    line
}

/// A line of the file of times: milliseconds with three digits behind the point.
pub(super) fn pts_line(ns: u64) -> ArrayString<LINE_BYTES> {
    let mut line = ArrayString::new();
    let us = ns / 1000;
    // It has room for the longest number.
    let _ = writeln!(line, "{}.{:03}", us / 1000, us % 1000);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_index_has_room_for_the_longest_numbers_and_all_letters() {
        let packet = Packet {
            sequence: u64::MAX,
            length: u32::MAX,
            flags: flag::ALL,
            generation: u16::MAX,
            timestamp: u64::MAX,
            committed: u64::MAX,
            queued: u64::MAX,
            dequeued: u64::MAX,
            published: u64::MAX,
        };
        let text = index_line(&packet, true);
        let words: std::vec::Vec<_> = text.split([' ', '\n']).collect();
        assert_eq!(words.len(), 10);
        assert_eq!(
            (words[2], words[8], words[9]),
            ("KCXDEL", "18446744073709551615", "")
        );
        let text = index_line(&Packet::default(), false);
        assert_eq!(&*text, "0 0 - 0 0 0 0 0 0\n");
    }

    #[test]
    fn times_are_milliseconds_with_three_digits() {
        for (ns, line) in [
            (0, "0.000\n"),
            (1_999, "0.001\n"),
            (3_040_500_999, "3040.500\n"),
        ] {
            assert_eq!(&*pts_line(ns), line);
        }
    }
}
