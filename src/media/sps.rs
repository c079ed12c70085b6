//! What an H.264 sequence parameter set tells a player about colour and pixel shape (ITU-T H.264, 7.3.2.1.1 and annex E.1.1).
//!
//! Knows the syntax up to the colour description, and nothing behind it. Trusts nothing: a set that ends early or counts too far is no
//! set. Never knows V4L2's numbers (`colour` does).

/// How the samples are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSignal {
    /// `video_full_range_flag`: 0 to 255 and not 16 to 235.
    pub full_range: bool,
    /// `colour_primaries`, `transfer_characteristics` and `matrix_coefficients`, tables E-3 to E-5; `None` when they are not there.
    pub description: Option<(u8, u8, u8)>,
}

/// The parts of a sequence parameter set that are looked at here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sps {
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
    let mut rest = headers;
    loop {
        let start = rest.windows(3).position(|code| code == [0, 0, 1])?;
        let unit = rest.get(start + 3..)?;
        if unit.first().is_some_and(|header| header & 0x9f == NAL_SPS) {
            return parse_sps(unit.get(1..)?);
        }
        rest = unit;
    }
}

/// Reads a set, from the byte behind its NAL header on; bytes behind its end do not matter.
#[must_use]
pub fn parse_sps(bytes: &[u8]) -> Option<Sps> {
    let mut bits = Bits::new(bytes);
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags, level
    bits.ue()?; // seq_parameter_set_id
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma_and_scaling(&mut bits)?;
    }
    bits.ue()?; // log2_max_frame_num_minus4
    picture_order(&mut bits)?;
    bits.ue()?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    bits.ue()?; // pic_width_in_mbs_minus1
    bits.ue()?; // pic_height_in_map_units_minus1
    if !bits.flag()? {
        bits.take(1)?; // not frame_mbs_only: mb_adaptive_frame_field_flag
    }
    bits.take(1)?; // direct_8x8_inference_flag
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // frame_crop_*_offset
        }
    }
    if bits.flag()? {
        vui(&mut bits)
    } else {
        Some(Sps::default())
    }
}

/// What the profiles from High on have more.
fn chroma_and_scaling(bits: &mut Bits<'_>) -> Option<()> {
    let chroma_format = bits.ue()?;
    if chroma_format == 3 {
        bits.take(1)?; // separate_colour_plane_flag
    }
    bits.ue()?; // bit_depth_luma_minus8
    bits.ue()?; // bit_depth_chroma_minus8
    bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.flag()? {
        let lists = if chroma_format == 3 { 12 } else { 8 };
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
fn vui(bits: &mut Bits<'_>) -> Option<Sps> {
    let mut sps = Sps::default();
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
    Some(sps)
}

/// Reads bits, the highest first, and leaves out the bytes that keep start codes from appearing (`emulation_prevention_three_byte`).
struct Bits<'a> {
    bytes: &'a [u8],
    /// Zeros just read.
    zeros: u32,
    /// The byte being read, and how many of its bits are left.
    byte: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            zeros: 0,
            byte: 0,
            left: 0,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if self.zeros >= 2 {
            self.zeros = 0;
            match byte {
                3 => return self.next_byte(),
                // A start code: the unit has ended.
                0..3 => return None,
                _ => {}
            }
        }
        self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        Some(byte)
    }

    /// A number of `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            if self.left == 0 {
                self.byte = self.next_byte()?;
                self.left = 8;
            }
            self.left -= 1;
            number = number << 1 | u32::from(self.byte >> self.left & 1);
        }
        Some(number)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// An unsigned Exp-Golomb number (9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// A signed one (9.1.1).
    fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 {
            code / 2 + 1
        } else {
            -(code / 2)
        })
    }
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
        assert_eq!(
            parse_sps(&bytes("42 c0 0b d9 02 c4 e8")),
            Some(Sps::default())
        );
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
        // High 4:4:4 Predictive
        let full_chroma =
            parsed("67 f4 00 0b 91 9b 28 58 9d 80 b6 40 00 00 03 00 40 00 00 0c 83 c5 0a 65 80");
        assert_eq!(full_chroma.video_signal, signal(true, None));
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

    #[test]
    fn emulation_prevention_is_left_out_and_a_start_code_ends_the_unit() {
        let read = |bytes: &[u8], count| Bits::new(bytes).take(count);
        assert_eq!(read(&[0, 0, 3, 1], 24), Some(1));
        assert_eq!(read(&[0, 0, 3, 0, 0, 3, 2], 32), Some(0));
        assert_eq!(read(&[0, 3, 0, 3], 32), Some(0x0003_0003));
        assert_eq!(read(&[0, 0, 1, 0xff], 24), None);
        let mut numbers = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let found = [0; 4].map(|_| numbers.ue().unwrap());
        assert_eq!(found, [0, 1, 2, 3]);
    }
}
