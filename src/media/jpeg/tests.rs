//! JPEG headers as they should be, and as they should not.

use super::*;
use std::vec::Vec;

/// Segments of a small picture: quantization, frame, tables, and the scan.
const DQT: &[u8] = &[0xff, 0xdb, 0, 4, 0, 1];
const SOF: &[u8] = &[
    0xff, 0xc0, 0, 17, 8, 0x01, 0xe0, 0x02, 0x80, 3, 1, 0x21, 0, 2, 0x11, 1, 3, 0x11, 1,
];
const OWN: &[u8] = &[0xff, 0xc4, 0, 3, 0];
const SOS: &[u8] = &[0xff, 0xda, 0, 3, 1, 0x12, 0xff, 0, 0x34, 0xff, 0xd9];

fn picture(segments: &[&[u8]]) -> Vec<u8> {
    [&[&[0xff, START][..]], segments].concat().concat()
}

fn repaired(bytes: &[u8]) -> Vec<u8> {
    let jpeg = inspect(bytes.into()).unwrap();
    let mut target = std::vec![0; bytes.len() + DHT.len()];
    let length = jpeg.write(bytes.into(), (&mut target[..]).into()).unwrap();
    target.truncate(length);
    assert_eq!(length, jpeg.bytes());
    target
}

fn error(bytes: &[u8]) -> JpegError {
    inspect(bytes.into()).unwrap_err()
}

#[test]
fn whole_picture_is_left_as_it_is_and_padding_behind_it_is_not_taken() {
    let whole = picture(&[DQT, SOF, OWN, SOS]);
    let jpeg = inspect(whole[..].into()).unwrap();
    assert_eq!((jpeg.size, jpeg.sampling), ((640, 480), Sampling::Yuv422));
    assert!(!jpeg.lacks_tables && jpeg.bytes() == whole.len());
    assert_eq!(repaired(&whole), whole);
    for padding in [1, 2, 255, 256, 257, 5000] {
        let padded = [&whole[..], &std::vec![0; padding]].concat();
        assert_eq!(repaired(&padded), whole, "{padding}");
    }
    assert_eq!(repaired(&[b"\0\xff\xd7", &whole[..]].concat()), whole);
}

#[test]
fn missing_tables_are_inserted_before_the_scan() {
    let bare = picture(&[DQT, SOF, SOS]);
    assert_eq!(repaired(&bare), picture(&[DQT, SOF, &DHT, SOS]));
    // Each table has as many values as its lengths say, and the segment is as long as it says.
    let mut rest = &DHT[4..];
    for class in [0x00, 0x10, 0x01, 0x11] {
        let values: usize = rest[1..17].iter().map(|&count| usize::from(count)).sum();
        assert_eq!(rest[0], class);
        rest = &rest[17 + values..];
    }
    assert!(rest.is_empty() && DHT[2..4] == 418u16.to_be_bytes());
}

#[test]
fn fill_bytes_between_markers_are_dropped() {
    let expected = picture(&[DQT, SOF, OWN, SOS]);
    for fill in 1..9 {
        let fill = &std::vec![0xff; fill][..];
        let filled = picture(&[fill, DQT, fill, SOF, OWN, fill, SOS]);
        assert_eq!(repaired(&filled), expected);
    }
    // Those of too many places stay.
    let many: Vec<&[u8]> = (0..20).flat_map(|_| [&[0xff][..], DQT]).collect();
    let filled = picture(&[&many.concat()[..], SOF, OWN, SOS]);
    assert_eq!(repaired(&filled).len(), filled.len() - CUTS);
    let endless = [&[0xff, START][..], &[0xff; 4000]].concat();
    assert!(matches!(error(&endless), JpegError::BadMarker(_, 0xff)));
}

#[test]
fn picture_that_was_cut_off_anywhere_is_told() {
    let whole = picture(&[DQT, SOF, OWN, SOS]);
    assert_eq!(error(&[]), JpegError::NoStart);
    assert_eq!(error(&whole[..1]), JpegError::NoStart);
    for length in 2..whole.len() {
        assert_eq!(error(&whole[..length]), JpegError::CutOff, "{length}");
    }
    // The end of a picture inside the headers is none.
    let thumbnail = &[0xff, 0xe1, 0, 4, 0xff, 0xd9][..];
    let cut = picture(&[thumbnail, SOF, OWN, &SOS[..8]]);
    assert_eq!(error(&cut), JpegError::CutOff);
}

#[test]
fn end_is_found_where_two_looks_meet() {
    for length in 250..260 {
        let scan = [&SOS[..6], &std::vec![7; length], &[0xff, END, 0, 0]].concat();
        let bytes = picture(&[SOF, OWN, &scan]);
        assert_eq!(repaired(&bytes).len(), bytes.len() - 2);
    }
}

#[test]
fn frames_that_a_baseline_decoder_does_not_take_are_refused_in_words() {
    for (marker, words) in [
        (0xc1, "extended sequential JPEG (SOF1), not baseline"),
        (0xc2, "progressive JPEG (SOF2), not baseline"),
        (0xc3, "lossless JPEG (SOF3), not baseline"),
        (0xc5, "hierarchical JPEG (SOF5), not baseline"),
        (0xc9, "arithmetic JPEG (SOF9), not baseline"),
    ] {
        let mut bytes = picture(&[SOF, OWN, SOS]);
        bytes[3] = marker;
        assert_eq!(std::format!("{}", error(&bytes)), words);
    }
    for (at, value) in [(6, 16), (5, 14), (11, 4), (13, 0x51), (13, 0x20)] {
        let mut bytes = picture(&[SOF, OWN, SOS]);
        bytes[at] = value;
        assert_eq!(error(&bytes), JpegError::BadFrame, "{at}");
    }
    assert_eq!(error(&picture(&[OWN, SOS])), JpegError::BadFrame);
    let mut flat = picture(&[SOF, OWN, SOS]);
    flat[7..9].fill(0);
    assert_eq!(error(&flat), JpegError::BadFrame);
}

#[test]
fn bytes_that_are_no_markers_are_named() {
    let bytes = picture(&[DQT, b"\x12\x34\x56\x78"]);
    assert_eq!(error(&bytes), JpegError::BadMarker(8, 0x12));
    for marker in [0x00, 0x01, 0xc8, 0xcc, 0xd0, 0xd8, 0xd9] {
        let bytes = picture(&[&[0xff, marker, 0, 2]]);
        assert_eq!(error(&bytes), JpegError::BadMarker(2, marker));
    }
    let short = picture(&[&[0xff, 0xe0, 0, 1]]);
    assert_eq!(error(&short), JpegError::BadMarker(2, 0xe0));
}

#[test]
fn sampling_follows_from_the_factors() {
    for (luma, chroma, expected) in [
        (0x11, 0x11, Sampling::Yuv444),
        (0x21, 0x11, Sampling::Yuv422),
        (0x22, 0x12, Sampling::Yuv422),
        (0x22, 0x11, Sampling::Yuv420),
        (0x12, 0x11, Sampling::Other),
        (0x41, 0x11, Sampling::Other),
    ] {
        assert_eq!(sampling(luma, chroma, chroma), Ok(expected));
    }
    assert_eq!(sampling(0x21, 0x11, 0x21), Ok(Sampling::Other));
}
