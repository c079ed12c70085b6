//! Names of raw and coded formats besides V4L2's four-character codes: those that FFmpeg and GStreamer users know.
//!
//! Knows words. What a raw format looks like is `format`'s subject; which of them a device takes, the device's.

use super::fourcc::Fourcc;
use crate::nearest::nearest;
use crate::text::words;

/// Names of each format of `format::FORMATS`: its code, FFmpeg's pixel format, GStreamer's video format. Of the multi-planar
/// formats, which those programs do not have, the end of V4L2's name (`V4L2_PIX_FMT_NV12M`). In lower case, a space between two.
/// Names that change their meaning with the machine's byte order (`rgb32`) or that say more than the layout (`yuvj420p`) are left out.
const RAW: &[(Fourcc, &str)] = &[
    (Fourcc::new(*b"YU12"), "yu12 yuv420p i420 iyuv yuv420"),
    (Fourcc::new(*b"YV12"), "yv12 yvu420p yvu420"),
    (Fourcc::new(*b"NV12"), "nv12"),
    (Fourcc::new(*b"NV21"), "nv21"),
    (Fourcc::new(*b"422P"), "422p yuv422p y42b"),
    (Fourcc::new(*b"NV16"), "nv16"),
    (Fourcc::new(*b"NV61"), "nv61"),
    (Fourcc::new(*b"NV24"), "nv24"),
    (Fourcc::new(*b"NV42"), "nv42"),
    (Fourcc::new(*b"YM12"), "ym12 yuv420m"),
    (Fourcc::new(*b"YM21"), "ym21 yvu420m"),
    (Fourcc::new(*b"NM12"), "nm12 nv12m"),
    (Fourcc::new(*b"NM21"), "nm21 nv21m"),
    (Fourcc::new(*b"YM16"), "ym16 yuv422m"),
    (Fourcc::new(*b"YM61"), "ym61 yvu422m"),
    (Fourcc::new(*b"NM16"), "nm16 nv16m"),
    (Fourcc::new(*b"NM61"), "nm61 nv61m"),
    (Fourcc::new(*b"YM24"), "ym24 yuv444m"),
    (Fourcc::new(*b"YM42"), "ym42 yvu444m"),
    (Fourcc::new(*b"YUYV"), "yuyv yuyv422 yuy2"),
    (Fourcc::new(*b"YVYU"), "yvyu yvyu422"),
    (Fourcc::new(*b"UYVY"), "uyvy uyvy422"),
    (Fourcc::new(*b"VYUY"), "vyuy vyuy422"),
    (Fourcc::new(*b"RGB3"), "rgb3 rgb24 rgb"),
    (Fourcc::new(*b"BGR3"), "bgr3 bgr24 bgr"),
    (Fourcc::new(*b"BGR4"), "bgr4"),
    (Fourcc::new(*b"XR24"), "xr24 bgr0 bgrx"),
    (Fourcc::new(*b"AR24"), "ar24 bgra"),
    (Fourcc::new(*b"RGB4"), "rgb4"),
    (Fourcc::new(*b"BX24"), "bx24 0rgb xrgb"),
    (Fourcc::new(*b"BA24"), "ba24 argb"),
    (Fourcc::new(*b"XB24"), "xb24 rgb0 rgbx"),
    (Fourcc::new(*b"AB24"), "ab24 rgba"),
    (Fourcc::new(*b"RX24"), "rx24 0bgr xbgr"),
    (Fourcc::new(*b"RA24"), "ra24 abgr"),
    (Fourcc::new(*b"RGBP"), "rgbp rgb565le rgb565 rgb16"),
    (Fourcc::new(*b"RGBR"), "rgbr rgb565be"),
    (Fourcc::new(*b"GREY"), "grey gray gray8 y8"),
];

/// Names of coded formats, in lower case. `jpeg` is the still format (`V4L2_PIX_FMT_JPEG`), `mjpeg` the moving one.
const CODED: &[(Fourcc, &str)] = &[
    (Fourcc::H264, "h264 h.264 x264 avc avc1"),
    (Fourcc::HEVC, "hevc h265 h.265 x265 hvc1 hev1"),
    (Fourcc::MJPG, "mjpeg mjpg motion-jpeg"),
    (Fourcc::JPEG, "jpeg jpg"),
    (Fourcc::FWHT, "fwht"),
    (Fourcc::new(*b"MPG4"), "mpeg4 mpg4"),
    (Fourcc::new(*b"MPG2"), "mpeg2 mpeg2video mpg2"),
    (Fourcc::new(*b"H263"), "h263 h.263"),
    (Fourcc::new(*b"VP80"), "vp8 vp80"),
    (Fourcc::new(*b"VP90"), "vp9 vp90"),
];

/// The raw format that a user names: a code or a name, in upper or lower case. `None` for a format that is not known here.
#[must_use]
pub fn raw(name: &[u8]) -> Option<Fourcc> {
    listed(RAW, name)
}

/// The coded format that a user names, likewise, or any four-character code, for the driver to judge. `None` for what is neither.
#[must_use]
pub fn coded(name: &[u8]) -> Option<Fourcc> {
    known_coded(name).or_else(|| Fourcc::parse(name))
}

/// The coded format that a user names, if it is one of those with a name.
#[must_use]
pub fn known_coded(name: &[u8]) -> Option<Fourcc> {
    listed(CODED, name)
}

/// The name of a raw format nearest to a mistyped one.
#[must_use]
pub fn nearest_raw(name: &[u8]) -> Option<&'static [u8]> {
    let names = RAW.iter().flat_map(|(_, names)| words(names.as_bytes()));
    nearest(name, names)
}

/// The name of a coded format nearest to a mistyped one.
#[must_use]
pub fn nearest_coded(name: &[u8]) -> Option<&'static [u8]> {
    nearest(
        name,
        CODED.iter().flat_map(|(_, names)| words(names.as_bytes())),
    )
}

fn listed(list: &[(Fourcc, &str)], name: &[u8]) -> Option<Fourcc> {
    let has = |names: &str| words(names.as_bytes()).any(|word| word.eq_ignore_ascii_case(name));
    list.iter()
        .find(|(_, names)| has(names))
        .map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::media::format::{FORMATS, lookup};

    fn named(name: &str) -> std::string::String {
        raw(name.as_bytes()).map_or(std::string::String::new(), |code| code.to_string())
    }

    #[test]
    fn names_of_ffmpeg_and_gstreamer_are_formats_in_upper_and_lower_case() {
        for (names, code) in [
            ("I420 yuv420p IYUV YUV420P yu12", "YU12"),
            ("nv12 NV12 Nv12", "NV12"),
            ("uyvy422 UYVY uyvy", "UYVY"),
            ("YUY2 yuyv422 yuyv", "YUYV"),
            ("RGB rgb24 RGB24", "RGB3"),
            ("RGBA rgba", "AB24"),
            ("BGRx bgr0", "XR24"),
            ("Y42B yuv422p", "422P"),
            ("GRAY8 gray grey", "GREY"),
        ] {
            for name in names.split(' ') {
                assert_eq!(named(name), code, "{name}");
            }
        }
        for name in ["yuvj420p", "NV13", "H264", "", "rgb32"] {
            assert_eq!(named(name), "", "{name}");
        }
    }

    #[test]
    fn every_name_is_of_a_known_format_and_of_one_only() {
        let mut seen = Vec::new();
        for (code, names) in RAW {
            assert!(lookup(*code).is_some(), "{code}");
            for name in names.split(' ') {
                assert!(!seen.contains(&name), "{name}");
                assert_eq!(name, name.to_lowercase());
                // A name that is another format's code would never be found.
                assert_eq!(raw(name.as_bytes()), Some(*code), "{name}");
                seen.push(name);
            }
        }
        for (code, names) in CODED {
            for name in names.split(' ') {
                assert_eq!(coded(name.as_bytes()), Some(*code), "{name}");
            }
        }
        for format in FORMATS {
            let code = format.fourcc.to_string();
            assert_eq!(raw(code.as_bytes()), Some(format.fourcc), "{code}");
        }
    }

    #[test]
    fn codecs_have_names_and_any_code_goes() {
        for (name, code) in [
            ("h264", Fourcc::H264),
            ("H.265", Fourcc::HEVC),
            ("HEVC", Fourcc::HEVC),
            ("jpeg", Fourcc::JPEG),
            ("MJPEG", Fourcc::MJPG),
            ("VP8F", Fourcc::new(*b"VP8F")),
        ] {
            assert_eq!(coded(name.as_bytes()), Some(code), "{name}");
        }
        assert_eq!(coded(b"H264X"), None);
        assert_eq!(nearest_raw(b"yuvj420p"), Some(&b"yuv420p"[..]));
        assert_eq!(nearest_raw(b"YU21"), Some(&b"yu12"[..]));
    }
}
