//! What was set against what real parameter sets say.

use super::super::format::lookup;
use super::super::fourcc::Fourcc;
use super::super::sps::{VideoSignal, find_sps};
use super::*;
use std::string::{String, ToString};

fn format(code: &[u8; 4]) -> &'static RawFormat {
    lookup(Fourcc::new(*code)).unwrap()
}

fn named(name: &str) -> Colour {
    Colour::named(name.as_bytes()).unwrap()
}

fn with_range(range: u8) -> Colour {
    Colour {
        range,
        ..Colour::UNKNOWN
    }
}

fn sps(full_range: bool, description: Option<(u8, u8, u8)>) -> Sps {
    Sps {
        video_signal: Some(VideoSignal {
            full_range,
            description,
        }),
        ..Sps::default()
    }
}

fn lost(set: Colour, sps: &Sps) -> String {
    unsignalled(set, format(b"YU12"), sps).map_or(String::new(), |lost| lost.to_string())
}

#[test]
fn words_hold_v4l2s_numbers_and_no_others() {
    let colour = Colour::new(3, 1, 2, 2);
    assert_eq!(colour.to_word(), 0x0202_0103);
    assert_eq!(Colour::from_word(0x0202_0103), Some(colour));
    assert_eq!(Colour::from_word(0), Some(Colour::UNKNOWN));
    for word in [13, 8 << 8, 9 << 16, 3 << 24, u32::MAX] {
        assert_eq!(Colour::from_word(word), None, "{word:#x}");
    }
    // A driver's invalid value is unknown.
    assert_eq!(Colour::new(99, 8, 9, 3), Colour::UNKNOWN);
    assert_eq!(Colour::new(3, 1 << 8, 2, 2).transfer, 0);
}

#[test]
fn names_are_those_of_v4l2() {
    assert_eq!(
        Colour::new(12, 7, 8, 1).to_string(),
        "dci-p3/smpte2084/smpte240m/full"
    );
    // V4L2_COLORSPACE_SMPTE170M to V4L2_COLORSPACE_DCI_P3.
    for (name, number) in [
        ("smpte170m", 1),
        ("smpte240m", 2),
        ("rec709", 3),
        ("bt878", 4),
        ("470m", 5),
        ("470bg", 6),
        ("jpeg", 7),
        ("srgb", 8),
        ("oprgb", 9),
        ("bt2020", 10),
        ("raw", 11),
        ("dci-p3", 12),
    ] {
        assert_eq!(named(name).colorspace, number, "{name}");
    }
    assert_eq!(Colour::named(b"unknown"), None);
    assert_eq!(Colour::named(b"yuv"), None);
}

#[test]
fn what_the_user_says_comes_before_what_the_source_says() {
    let camera = Colour::new(8, 2, 1, 1);
    assert_eq!(camera.overridden_by(Colour::UNKNOWN), camera);
    let limited = with_range(LIMITED_RANGE);
    assert_eq!(camera.overridden_by(limited), Colour::new(8, 2, 1, 2));
    // Not sRGB's curve with another colorspace.
    let other = camera.overridden_by(named("rec709"));
    assert_eq!(other, Colour::new(3, 0, 0, 1));
    assert_eq!(other.resolved(format(b"YU12")), Colour::new(3, 1, 2, 1));
}

#[test]
fn defaults_are_those_of_the_kernels_macros() {
    let yuv = |name: &str| named(name).resolved(format(b"NV12")).to_string();
    assert_eq!(yuv("smpte170m"), "smpte170m/709/601/limited");
    assert_eq!(yuv("rec709"), "rec709/709/709/limited");
    assert_eq!(yuv("srgb"), "srgb/srgb/601/limited");
    assert_eq!(yuv("jpeg"), "jpeg/srgb/601/full");
    assert_eq!(yuv("bt2020"), "bt2020/709/bt2020/limited");
    let rgb = named("srgb").resolved(format(b"RGB3"));
    assert_eq!(rgb.range, FULL_RANGE);
    // A range alone says nothing of the colorspace.
    let full = with_range(FULL_RANGE).resolved(format(b"YU12"));
    assert_eq!(full.to_string(), "unknown/unknown/unknown/full");
    assert_eq!(
        with_range(LIMITED_RANGE).resolved(format(b"YU12")),
        Colour::UNKNOWN.resolved(format(b"YU12"))
    );
}

#[test]
fn a_range_without_a_colorspace_gets_the_one_that_players_assume() {
    let full = with_range(FULL_RANGE);
    for (size, colorspace) in [
        ((640, 480), "smpte170m"),
        ((720, 576), "smpte170m"),
        ((1279, 544), "smpte170m"),
        ((1280, 544), "rec709"),
        ((960, 577), "rec709"),
        ((1280, 720), "rec709"),
    ] {
        let found = full.with_colorspace(size).to_string();
        assert_eq!(found, std::format!("{colorspace}/unknown/unknown/full"));
        assert_eq!(Colour::UNKNOWN.with_colorspace(size), Colour::UNKNOWN);
        assert_eq!(named("bt2020").with_colorspace(size), named("bt2020"));
    }
}

#[test]
fn a_full_range_that_is_not_signalled_is_told() {
    let full = with_range(FULL_RANGE);
    assert!(lost(full, &Sps::default()).contains("does not signal the range of"));
    assert!(lost(full, &sps(false, None)).contains("the range of"));
    assert_eq!(lost(full, &sps(true, None)), "");
    // And the other way round.
    let limited = with_range(LIMITED_RANGE);
    assert_eq!(lost(limited, &Sps::default()), "");
    assert!(lost(limited, &sps(true, None)).contains("the range of"));
}

#[test]
fn a_colorspace_that_is_not_signalled_is_told() {
    assert!(lost(named("rec709"), &Sps::default()).contains("the colorspace of rec709"));
    assert!(lost(named("jpeg"), &Sps::default()).contains("range and colorspace of jpeg"));
    assert_eq!(lost(named("rec709"), &sps(false, Some((1, 1, 1)))), "");
    assert!(lost(named("rec709"), &sps(false, Some((6, 6, 6)))).contains("the colorspace"));
    // One curve under two numbers, and one matrix.
    assert_eq!(lost(named("smpte170m"), &sps(false, Some((6, 1, 5)))), "");
    assert_eq!(lost(named("smpte170m"), &sps(false, Some((6, 6, 6)))), "");
    assert_eq!(lost(named("bt2020"), &sps(false, Some((9, 14, 9)))), "");
    // What H.264 has no number for cannot be missed.
    assert_eq!(lost(named("oprgb"), &sps(false, Some((1, 1, 6)))), "");
}

#[test]
fn nothing_is_told_of_what_was_not_set_or_is_converted() {
    assert_eq!(lost(Colour::UNKNOWN, &sps(true, Some((9, 16, 9)))), "");
    let rgb = unsignalled(named("srgb"), format(b"RGB3"), &Sps::default());
    assert_eq!(rgb, None);
}

#[test]
fn a_real_set_signals_what_x264_was_told() {
    // -color_range pc, and bt709 three times
    let headers = [
        0, 0, 0, 1, 0x67, 0x64, 0x00, 0x0b, 0xac, 0xd9, 0x42, 0xc4, 0xec, 0x09, 0xb8, 0x08, 0x08,
        0x0a, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x64, 0x1e, 0x28, 0x53, 0x2c,
    ];
    let found = find_sps(&headers).unwrap();
    let set = named("rec709").overridden_by(with_range(FULL_RANGE));
    assert_eq!(lost(set, &found), "");
    assert!(lost(named("rec709"), &found).contains("the range of"));
}
