//! What stands in the boxes, for streams that x264 and x265 wrote.

use super::*;
use crate::limits::CODEC_HEADER_BYTES;
use std::string::ToString;
use std::vec::Vec;

/// High, 66x34, with what FFmpeg's `avcC` says of it.
const AVC: &[u8] = b"\0\0\0\x01\x67\x64\0\x0a\xac\xd9\x45\x7e\x22\x23\x01\x10\0\0\x03\0\x10\0\0\x03\0\xa0\xf1\x22\x59\x60\
\0\0\x01\x68\xeb\xe3\xcb\x22\xc0";
const AVCC: &[u8] = b"\x01\x64\0\x0a\xff\xe1\0\x1a\x67\x64\0\x0a\xac\xd9\x45\x7e\x22\x23\x01\x10\0\0\x03\0\x10\0\0\x03\0\xa0\xf1\x22\x59\x60\
\x01\0\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\0";

/// Main 10, 1920x1080, with the beginning of FFmpeg's `hvcC`.
const HEVC: &[u8] = b"\0\0\0\x01\x40\x01\x0c\x01\xff\xff\x02\x20\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x78\x95\x98\x09\
\0\0\0\x01\x42\x01\x01\x02\x20\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x78\xa0\x03\xc0\x80\x10\xe4\xd9\x65\x66\x92\x4c\xaf\
\0\0\0\x01\x44\x01\xc1\x72\xb4\x62\x40";
const HVCC: &[u8] = b"\x01\x02\x20\0\0\0\x90\0\0\0\0\0\x78\xf0\0\xfc\xfd\xfa\xfa\0\0\x0f\x03\xa0\0\x01\0\x18\x40\x01\x0c\x01";

fn begun(codec: Fourcc, headers: &[u8]) -> Option<(Description, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut mp4 = Mp4::new(codec, 3000).unwrap();
    let description = mp4.begin(headers, (640, 480), true, &mut |part| {
        bytes.extend_from_slice(part)
    })?;
    Some((description, bytes))
}

/// Whether a box of this name begins with this content.
fn has(bytes: &[u8], name: &[u8], content: &[u8]) -> bool {
    let expected = [name, content].concat();
    bytes.windows(expected.len()).any(|found| found == expected)
}

#[test]
fn configurations_are_those_that_ffmpeg_makes() {
    let (description, bytes) = begun(Fourcc::H264, AVC).unwrap();
    assert!(has(&bytes, b"avcC", AVCC));
    assert_eq!(description.to_string(), "codecs=\"avc1.64000a\" 66x34");
    let (description, bytes) = begun(Fourcc::HEVC, HEVC).unwrap();
    assert!(has(&bytes, b"hvcC", HVCC));
    assert_eq!(
        description.to_string(),
        "codecs=\"hvc1.2.4.L120.90\" 1920x1080"
    );
    let (description, _) = begun(Fourcc::MJPG, b"").unwrap();
    assert_eq!(description.to_string(), "codecs=\"mp4v.6c\" 640x480");
}

#[test]
fn headers_that_describe_no_stream_begin_none() {
    for headers in [b"", &AVC[30..], &AVC[..10], b"\0\0\x01\x67\x64"] {
        assert!(begun(Fourcc::H264, headers).is_none());
        assert!(begun(Fourcc::HEVC, headers).is_none());
    }
    let long = [AVC, &[1; CODEC_HEADER_BYTES * 2]].concat();
    assert!(begun(Fourcc::H264, &long).is_none());
    assert!(Mp4::new(Fourcc::FWHT, 3000).is_none());
}

#[test]
fn initial_boxes_have_room_for_the_longest_headers() {
    for (codec, sets, more) in [
        (Fourcc::H264, AVC, &[0, 0, 1, 0x68][..]),
        (Fourcc::HEVC, HEVC, &[0, 0, 1, 0x44]),
    ] {
        let mut headers = [sets, &more.repeat(29)].concat();
        headers.resize(CODEC_HEADER_BYTES, 0x55);
        assert!(begun(codec, &headers).is_some());
    }
}

#[test]
fn duration_follows_the_longest_of_the_latest_steps_and_no_pause() {
    let mut mp4 = Mp4::new(Fourcc::MJPG, 3000).unwrap();
    let mut duration_at = |ticks| {
        mp4.decode_time(ticks);
        mp4.duration
    };
    let found = [0, 3000, 21_000, 24_000, 27_000, 297_000, 300_000].map(&mut duration_at);
    assert_eq!(found, [3000, 3000, 18_000, 15_750, 13_782, 13_782, 12_060]);
}

#[test]
fn reordered_frames_are_decoded_one_after_the_other() {
    let mut mp4 = Mp4::new(Fourcc::H264, 3000).unwrap();
    let found = [0, 9000, 3000, 6000, 18_000].map(|ticks| mp4.decode_time(ticks));
    assert_eq!(found, [0, 9000, 9001, 9002, 18_000]);
}

#[test]
fn streams_are_described_again_when_they_are_others_or_begin_again() {
    let mut mp4 = Mp4::new(Fourcc::MJPG, 3000).unwrap();
    let mut begun = |size, again| mp4.begin(b"", size, again, &mut |_| {}).is_some();
    assert!(begun((64, 48), false));
    assert!(!begun((64, 48), false));
    assert!(begun((64, 48), true));
    assert!(begun((64, 50), false));
}
