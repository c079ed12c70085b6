//! What an H.264 sequence parameter set says of picture, colour and pixel shape (ITU-T H.264, 7.3.2.1.1 and annex E.1.1).
//!
//! Knows the syntax up to the colour description, and nothing behind it. Trusts nothing: a set that ends early or counts too far is no
//! set. Never knows V4L2's numbers (`colour` does).

use super::bits::Bits;
use super::nal::units;

/// How the samples are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSignal {
    /// `video_full_range_flag`: 0 to 255 and not 16 to 235.
    pub full_range: bool,
    /// `colour_primaries`, `transfer_characteristics` and `matrix_coefficients`, tables E-3 to E-5; `None` when they are not there.
    pub description: Option<(u8, u8, u8)>,
}

/// What a sequence parameter set says of the samples; that of HEVC (`hevc`), too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Width and height of what is shown, pixels.
    pub size: (u32, u32),
    /// `chroma_format_idc`: 0 has none, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma: u8,
    /// `bit_depth_luma_minus8` and `bit_depth_chroma_minus8`.
    pub depth: (u8, u8),
}

/// The parts of a sequence parameter set that are looked at here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sps {
    /// Size and kind of the pictures.
    pub samples: Samples,
    /// Width to height of a pixel; `None` when nothing is said.
    pub pixel_aspect: Option<(u16, u16)>,
    /// `None` when there is no `video_signal_type`.
    pub video_signal: Option<VideoSignal>,
}

/// Table E-1: `aspect_ratio_idc` from 1 on.
const PIXEL_ASPECTS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];
/// `Extended_SAR`: the two numbers follow.
const EXTENDED_SAR: u32 = 255;

/// The NAL unit type of a sequence parameter set.
const NAL_SPS: u8 = 7;

/// The first sequence parameter set in codec headers with start codes; `None` when there is none, or it is damaged.
#[must_use]
pub fn find_sps(headers: &[u8]) -> Option<Sps> {
    let set = units(headers).find(|unit| unit[0] & 0x9f == NAL_SPS)?;
    parse_sps(&set[1..])
}

/// Reads a set, from the byte behind its NAL header on; bytes behind its end do not matter.
#[must_use]
pub fn parse_sps(bytes: &[u8]) -> Option<Sps> {
    let mut bits = Bits::new(bytes);
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags, level
    bits.ue()?; // seq_parameter_set_id
    let mut samples = Samples {
        chroma: 1,
        ..Samples::default()
    };
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma_and_scaling(&mut bits, &mut samples)?;
    }
    bits.ue()?; // log2_max_frame_num_minus4
    picture_order(&mut bits)?;
    bits.ue()?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    let wide = 16 * (u64::from(bits.ue()?) + 1); // pic_width_in_mbs_minus1
    let high = 16 * (u64::from(bits.ue()?) + 1); // pic_height_in_map_units_minus1
    let mut fields = 1;
    if !bits.flag()? {
        bits.take(1)?; // not frame_mbs_only: mb_adaptive_frame_field_flag
        fields = 2;
    }
    bits.take(1)?; // direct_8x8_inference_flag
    samples.size = shown(&mut bits, samples.chroma, (wide, high), fields)?;
    let mut sps = Sps {
        samples,
        ..Sps::default()
    };
    if bits.flag()? {
        vui(&mut bits, &mut sps)?;
    }
    Some(sps)
}

/// What of a picture is shown: all but what is cropped, in units of a chroma sample, and of so many rows of it. HEVC has the same
/// (`conformance_window_flag`).
pub(super) fn shown(
    bits: &mut Bits<'_>,
    chroma: u8,
    (wide, high): (u64, u64),
    fields: u64,
) -> Option<(u32, u32)> {
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = u64::from(bits.ue()?);
        }
    }
    let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let down = if chroma == 1 { 2 } else { 1 };
    let wide = wide.checked_sub((crop[0] + crop[1]) * across)?;
    let high = (high * fields).checked_sub((crop[2] + crop[3]) * down * fields)?;
    Some((wide.try_into().ok()?, high.try_into().ok()?))
}

/// What the profiles from High on have more.
fn chroma_and_scaling(bits: &mut Bits<'_>, samples: &mut Samples) -> Option<()> {
    samples.chroma = bits.few()?;
    if samples.chroma == 3 {
        bits.take(1)?; // separate_colour_plane_flag
    }
    samples.depth = (bits.few()?, bits.few()?);
    bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        let lists = if samples.chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

fn scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.ue()? {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?; // delta_pic_order_always_zero_flag
            bits.se()?; // offset_for_non_ref_pic
            bits.se()?; // offset_for_top_to_bottom_field
            let count = bits.ue()?;
            if count > 255 {
                return None;
            }
            for _ in 0..count {
                bits.se()?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    Some(())
}

/// The VUI up to the colour description.
fn vui(bits: &mut Bits<'_>, sps: &mut Sps) -> Option<()> {
    if bits.flag()? {
        sps.pixel_aspect = match bits.take(8)? {
            EXTENDED_SAR => Some((bits.take(16)? as u16, bits.take(16)? as u16)),
            index => PIXEL_ASPECTS.get((index as usize).wrapping_sub(1)).copied(),
        };
    }
    if bits.flag()? {
        bits.take(1)?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.take(3)?; // video_format
        sps.video_signal = Some(VideoSignal {
            full_range: bits.flag()?,
            description: if bits.flag()? {
                // Eight bits each.
                Some((
                    bits.take(8)? as u8,
                    bits.take(8)? as u8,
                    bits.take(8)? as u8,
                ))
            } else {
                None
            },
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Bytes from text like `67 64 00`.
    fn bytes(text: &str) -> Vec<u8> {
        let words = text.split(' ');
        words
            .map(|word| u8::from_str_radix(word, 16).unwrap())
            .collect()
    }

    fn parsed(text: &str) -> Sps {
        let mut headers = std::vec![0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1];
        headers.extend(bytes(text));
        headers.extend([0, 0, 0, 1, 0x68, 0xeb]);
        find_sps(&headers).unwrap()
    }

    fn signal(full_range: bool, description: Option<(u8, u8, u8)>) -> Option<VideoSignal> {
        Some(VideoSignal {
            full_range,
            description,
        })
    }

    // Sets that x264 wrote, through FFmpeg; what was asked for stands in each test.

    #[test]
    fn a_set_without_a_colour_description_says_nothing() {
        let sps = parsed("67 64 00 0b ac d9 42 c4 ec 04 40 00 00 03 00 40 00 00 0c 83 c5 0a 65 80");
        assert_eq!(sps.video_signal, None);
        assert_eq!(sps.pixel_aspect, Some((1, 1)));
        // The guest's model of the Pi's encoder, Baseline: a VUI, and no colour in it. The same without VUI.
        let sps = parse_sps(&bytes("42 c0 0b d9 02 c4 e8")).unwrap();
        assert_eq!((sps.video_signal, sps.pixel_aspect), (None, None));
        let samples = Samples {
            size: (176, 144),
            chroma: 1,
            depth: (0, 0),
        };
        assert_eq!(sps.samples, samples);
    }

    #[test]
    fn range_and_colour_description_are_read() {
        // -color_range pc
        let full =
            parsed("67 64 00 0b ac d9 42 c4 ec 05 b2 00 00 03 00 02 00 00 03 00 64 1e 28 53 2c");
        assert_eq!(full.video_signal, signal(true, None));
        // -color_range tv, and bt709 three times
        let limited = parsed(
            "67 64 00 0b ac d9 42 c4 ec 05 a8 08 08 0a 00 00 03 00 02 00 00 03 00 64 1e 28 53 2c",
        );
        assert_eq!(limited.video_signal, signal(false, Some((1, 1, 1))));
        // -profile baseline, and smpte170m three times: emulation prevention right behind.
        let baseline = parsed(
            "67 42 c0 0b d9 02 c4 ec 05 a8 30 30 32 00 00 03 00 02 00 00 03 00 64 1e 28 54 90",
        );
        assert_eq!(baseline.video_signal, signal(false, Some((6, 6, 6))));
    }

    #[test]
    fn fields_before_the_colour_are_stepped_over() {
        // Main, interlaced, HRD parameters behind, -color_range pc
        let interlaced = parsed(
            "67 4d 40 15 ec a1 65 7e 5c 05 b2 00 00 03 00 02 00 00 03 00 64 c0 c0 01 e8 48 00 3d 09 4d 86 01 f1 42 99 60",
        );
        assert_eq!(interlaced.video_signal, signal(true, None));
        assert_eq!(interlaced.samples.size, (176, 144));
        // High 4:4:4 Predictive
        let full_chroma =
            parsed("67 f4 00 0b 91 9b 28 58 9d 80 b6 40 00 00 03 00 40 00 00 0c 83 c5 0a 65 80");
        assert_eq!(full_chroma.video_signal, signal(true, None));
        let samples = Samples {
            size: (176, 144),
            chroma: 3,
            depth: (0, 0),
        };
        assert_eq!(full_chroma.samples, samples);
    }

    #[test]
    fn pixel_aspects_are_read_from_the_table_and_in_full() {
        let setsar = parsed(
            "67 64 00 0b ac d9 42 c4 ef fc 01 74 01 54 40 00 00 03 00 40 00 00 0c 83 c5 0a 65 80",
        );
        assert_eq!(setsar.pixel_aspect, Some((93, 85)));
        let aspect = parsed(
            "67 64 00 0b ac d9 42 c4 ec 09 b8 08 08 0a 00 00 03 00 02 00 00 03 00 64 1e 28 53 2c",
        );
        assert_eq!(aspect.pixel_aspect, Some((12, 11)));
        assert_eq!(aspect.video_signal, signal(true, Some((1, 1, 1))));
    }

    #[test]
    fn a_set_that_is_cut_anywhere_is_no_set_or_says_less() {
        let whole = bytes(
            "64 00 0b ac d9 42 c4 ec 05 a8 08 08 0a 00 00 03 00 02 00 00 03 00 64 1e 28 53 2c",
        );
        for length in 0..13 {
            assert_eq!(parse_sps(&whole[..length]), None, "{length}");
        }
        assert_eq!(find_sps(&[0, 0, 1, 0x68, 1, 2]), None);
        assert_eq!(find_sps(&[]), None);
        // A number without an end, and a start code inside.
        assert_eq!(parse_sps(&[0; 64]), None);
        assert_eq!(parse_sps(&[0x42, 0, 0, 1, 0x68, 1]), None);
    }
}
