//! What a container needs of an HEVC sequence parameter set (ITU-T H.265, 7.3.2.2.1 and 7.3.3).
//!
//! Knows the syntax up to the bit depths. Trusts nothing: a set that ends early is no set.

use super::bits::Bits;
use super::sps::{Samples, shown};

/// The parts of a sequence parameter set that are looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HevcSps {
    /// `sps_max_sub_layers_minus1` and `sps_temporal_id_nesting_flag`: three bits and one.
    pub(super) layers: u8,
    /// Profile, its compatibility flags, constraint flags and level: the general part of `profile_tier_level`, as it is.
    pub(super) profile: [u8; 12],
    pub(super) samples: Samples,
}

/// Reads a set, from the byte behind its NAL header (of two bytes) on.
pub(super) fn parse_hevc_sps(bytes: &[u8]) -> Option<HevcSps> {
    let mut bits = Bits::new(bytes);
    bits.take(4)?; // sps_video_parameter_set_id
    let layers = bits.take(4)?;
    let more = layers >> 1;
    let mut profile = [0; 12];
    for byte in &mut profile {
        *byte = bits.take(8)? as u8;
    }
    let mut skip = 0;
    for _ in 0..more {
        // A profile has 88 bits, a level 8.
        skip += 88 * bits.take(1)? + 8 * bits.take(1)?;
    }
    if more > 0 {
        skip += 2 * (8 - more);
    }
    for _ in 0..skip {
        bits.take(1)?;
    }
    bits.ue()?; // sps_seq_parameter_set_id
    let mut samples = Samples {
        chroma: bits.few()?,
        ..Samples::default()
    };
    if samples.chroma == 3 {
        bits.take(1)?; // separate_colour_plane_flag
    }
    let coded = (bits.ue()?.into(), bits.ue()?.into());
    samples.size = shown(&mut bits, samples.chroma, coded, 1)?;
    samples.depth = (bits.few()?, bits.few()?);
    Some(HevcSps {
        layers: layers as u8,
        profile,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets that x265 wrote, through FFmpeg: what was asked for stands with each.
    fn parsed(set: &[u8]) -> (u8, [u8; 12], Samples) {
        let sps = parse_hevc_sps(set).unwrap();
        (sps.layers, sps.profile, sps.samples)
    }

    #[test]
    fn size_and_kind_of_the_pictures_are_read_behind_the_profile() {
        // 320x180, yuv420p: four rows are cropped.
        let main = b"\x01\x01\x60\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x3c\xa0\x0a\x08\x0b\x9f\x79\x65\x66\x92\x4c";
        let samples = Samples {
            size: (320, 180),
            chroma: 1,
            depth: (0, 0),
        };
        let profile = [1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 60];
        assert_eq!(parsed(main), (1, profile, samples));
        // 1920x1080, yuv420p10le
        let ten = b"\x01\x02\x20\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x78\xa0\x03\xc0\x80\x10\xe4\xd9\x65\x66\x92";
        let (_, _, samples) = parsed(ten);
        assert_eq!((samples.size, samples.depth), ((1920, 1080), (2, 2)));
        // 66x34, yuv422p
        let wide = b"\x01\x04\x08\0\0\x03\0\x9d\x08\0\0\x03\0\0\x1e\xb0\x24\x82\x9c\x93\xe5\x95\x9a\xe4\xca";
        let (_, _, samples) = parsed(wide);
        assert_eq!((samples.size, samples.chroma), ((66, 34), 2));
        for length in 0..18 {
            assert_eq!(parse_hevc_sps(&main[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_is_said_of_sub_layers_is_stepped_over() {
        // Two more: one with a profile and a level, one with a level.
        let mut set = std::vec![0x05, 1, 0x60, 0x55, 0x55];
        set.extend([0x55; 8]);
        set.push(0b1101_0000);
        set.push(0);
        set.extend([0xaa; 13]);
        // Id 0; 4:2:0; 2 x 1, not cropped; 8 bits each.
        set.extend([0b1010_0110, 0b1001_1100]);
        let (layers, _, samples) = parsed(&set);
        assert_eq!((layers, samples.size, samples.depth), (5, (2, 1), (0, 0)));
    }
}
