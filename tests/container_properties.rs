//! What holds of each container for every frame that `framemill::internals::media` may be given.

#[path = "containers/demux.rs"]
mod demux;

use demux::Piece;
use framemill::internals::media::coded_frame::{CodedFrame, ticks};
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::media::mp4::Mp4;
use framemill::internals::media::nal::units;
use framemill::internals::media::timeline::Timeline;
use framemill::internals::media::ts::TransportStream;
use proptest::collection::vec;
use proptest::prelude::*;

/// A time stamp has 33 bits.
const WRAP: u64 = (1 << 33) - 1;

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
struct Owned {
    /// Since the one before.
    passed: u64,
    key: bool,
    cut: bool,
    headers: Vec<u8>,
    bytes: Vec<u8>,
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    // NAL units of all kinds, and bytes that are none.
    let unit = (prop::sample::select(vec![3, 4]), vec(any::<u8>(), 1..60));
    let unit = unit.prop_map(|(zeros, bytes)| [&[0, 0, 0, 1][4 - zeros..], &bytes].concat());
    prop_oneof![
        vec(unit, 1..5).prop_map(|units| units.concat()),
        vec(0u8..3, 0..400),
        (0usize..140_000).prop_map(|length| {
            let mut bytes = vec![0x41; length + 5];
            bytes[..5].copy_from_slice(&[0, 0, 0, 1, 0x65]);
            bytes
        }),
    ]
}

fn any_frame() -> impl Strategy<Value = Owned> {
    let passed = prop_oneof![4 => 1u64..20_000, 1 => 1u64..10_000_000, 1 => Just(1 << 31)];
    let headers = prop_oneof![Just(Vec::new()), any_stream()];
    (passed, any::<bool>(), any::<bool>(), headers, any_stream()).prop_map(
        |(passed, key, cut, headers, bytes)| Owned {
            passed,
            key,
            cut,
            headers,
            bytes,
        },
    )
}

/// Hands the frames on with their times.
fn each(frames: &[Owned], mut with: impl FnMut(&CodedFrame<'_>)) {
    let mut ticks = 0;
    for (number, frame) in frames.iter().enumerate() {
        ticks += if number == 0 { 0 } else { frame.passed };
        with(&CodedFrame {
            ticks,
            key: frame.key,
            cut: frame.cut,
            headers: &frame.headers,
            bytes: &frame.bytes,
        });
    }
}

/// The first unit's header, if there is a unit.
fn first_header(bytes: &[u8]) -> Option<u8> {
    let code = bytes.windows(4).find(|code| code[..3] == [0, 0, 1])?;
    Some(code[3])
}

/// Units with their lengths, found as plainly as can be.
fn with_lengths(bytes: &[u8]) -> Vec<u8> {
    let codes = (0..bytes.len().saturating_sub(2)).filter(|&at| bytes[at..at + 3] == [0, 0, 1]);
    let mut codes: Vec<_> = codes.collect();
    codes.push(bytes.len());
    let mut out = Vec::new();
    for pair in codes.windows(2) {
        let mut unit = &bytes[pair[0] + 3..pair[1]];
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        if !unit.is_empty() {
            out.extend((unit.len() as u32).to_be_bytes());
            out.extend(unit);
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn transport_stream_holds_each_frame_with_its_time(frames in vec(any_frame(), 1..6), hevc: bool) {
        let (codec, stream_type) = if hevc { (Fourcc::HEVC, 0x24) } else { (Fourcc::H264, 0x1b) };
        let mut writer = TransportStream::new(codec).unwrap();
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        each(&frames, |frame| {
            writer.write(frame, &mut |part| bytes.extend_from_slice(part));
            expected.push(frame.ticks);
        });
        let found = demux::ts(&bytes, stream_type);
        prop_assert_eq!(found.len(), frames.len());
        let mut clock = 0;
        for ((found, frame), ticks) in found.iter().zip(&frames).zip(expected) {
            prop_assert_eq!(found.pts, (ticks + 9000) & WRAP);
            prop_assert_eq!((found.key, found.cut), (frame.key, frame.cut));
            let first = first_header(&frame.bytes).unwrap_or(0);
            let own = if hevc { first >> 1 == 35 } else { first & 31 == 9 };
            let delimiter: &[u8] = match (own, hevc) {
                (true, _) => &[],
                (false, false) => &[0, 0, 0, 1, 9, 0xf0],
                (false, true) => &[0, 0, 0, 1, 70, 1, 0x50],
            };
            prop_assert!(found.bytes == [delimiter, &frame.headers, &frame.bytes].concat());
            // The clock: it goes on to the frame's time, in steps of a tenth of a second where there are bytes for them.
            for &found in &found.clocks {
                prop_assert_eq!(found % 300, 0);
                let step = (found / 300).wrapping_sub(clock) & WRAP;
                let room = frame.passed < 9000 * frame.bytes.len().min(100) as u64;
                prop_assert!(step <= 9000 || !room && step < 1 << 32, "{step}");
                clock = found / 300;
            }
            prop_assert_eq!(clock, ticks & WRAP);
        }
    }

    #[test]
    fn mp4_holds_each_frame_with_its_time(frames in vec(any_frame(), 1..6), jpeg: bool) {
        let codec = if jpeg { Fourcc::MJPG } else { Fourcc::H264 };
        let mut writer = Mp4::new(codec, 3000).unwrap();
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        each(&frames, |frame| {
            writer.write(frame, &mut |part| bytes.extend_from_slice(part));
            let parts = [frame.headers, frame.bytes];
            let content = if jpeg { parts.concat() } else { parts.map(with_lengths).concat() };
            expected.push(Piece::Frame(demux::Mp4Frame {
                pts: frame.ticks,
                dts: frame.ticks,
                key: frame.key,
                bytes: content,
            }));
        });
        prop_assert!(demux::mp4(&bytes) == expected);
    }

    #[test]
    fn headers_begin_a_stream_or_write_nothing(headers in any_stream(), kind in 0usize..3) {
        let codec = [Fourcc::H264, Fourcc::HEVC, Fourcc::MJPG][kind];
        let mut bytes = Vec::new();
        let mut writer = Mp4::new(codec, 3000).unwrap();
        let begun = writer.begin(&headers, (640, 480), true, &mut |part| bytes.extend_from_slice(part));
        let pieces = demux::mp4(&bytes);
        prop_assert_eq!(pieces.len(), usize::from(begun.is_some()));
    }

    #[test]
    fn units_are_those_of_a_plain_search(bytes in vec(0u8..4, 0..200)) {
        let mut expected = Vec::new();
        for unit in units(&bytes) {
            expected.extend((unit.len() as u32).to_be_bytes());
            expected.extend(unit);
        }
        prop_assert_eq!(expected, with_lengths(&bytes));
    }

    /// Commits go on. A producer's timestamps go on as well, and each begins somewhere.
    #[test]
    fn times_go_on_whatever_producers_say(
        producers in vec((any::<u64>(), vec((1u64..1 << 40, 1u64..1 << 40), 1..6)), 1..5),
    ) {
        let mut line = Timeline::default();
        let (mut committed, mut last) = (1, None);
        for (mut timestamp, frames) in producers {
            for (number, (step, passed)) in frames.into_iter().enumerate() {
                committed += passed;
                let time = line.next(timestamp, committed, number == 0 && last.is_some());
                if let Some(before) = last {
                    let on = time.ns.wrapping_sub(before);
                    prop_assert!(on > 0 && on.cast_signed() > 0, "{} after {before}", time.ns);
                    if time.step {
                        prop_assert_eq!(on, passed.max(11_112));
                    }
                }
                last = Some(time.ns);
                timestamp = timestamp.wrapping_add(step);
            }
        }
    }

    #[test]
    fn ticks_are_exact(ns: u64) {
        prop_assert_eq!(u128::from(ticks(ns)), u128::from(ns) * 9 / 100_000);
    }
}
