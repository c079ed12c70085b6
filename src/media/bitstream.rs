//! What a coded packet's first bytes tell: whether decoding can start there, and where the codec's headers lie.
//!
//! Knows the NAL unit types of H.264 (ITU-T H.264, table 7-1) and HEVC (ITU-T H.265, table 7-1), byte streams with start codes
//! (annex B of both), and vicodec's frame header (kernel: `drivers/media/test-drivers/vicodec/codec-fwht.h`). Must never know a buffer's
//! flags or where the bytes come from. Decodes nothing: what follows the first byte of a NAL unit is only searched for the next one.

use core::ops::Range;

use super::fourcc::Fourcc;

/// How far a packet is read in search of its first slice, bytes. Parameter sets take about a hundred bytes and encoders' SEI messages a
/// few hundred; the memory may be uncached, so each byte more would be paid for in every packet that has neither.
pub const BITSTREAM_SCAN_BYTES: usize = 4096;

/// What a packet's bytes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Whether decoding can start at this packet. `None`: the bytes do not say (unknown codec, no NAL unit, no slice
    /// within `BITSTREAM_SCAN_BYTES`), rely on the driver's flag.
    pub key: Option<bool>,
    /// The codec headers (parameter sets) with their start codes, from the first one to the end of the last before the first
    /// slice; bytes within the packet, not empty. SEI between two of them is part of it.
    pub headers: Option<Range<usize>>,
    /// Whether the packet holds codec headers and no picture.
    pub headers_only: bool,
}

/// Reads the start of a packet, at most `BITSTREAM_SCAN_BYTES`, each byte once and in order.
#[must_use]
pub fn inspect(codec: Fourcc, bytes: &[u8]) -> Inspection {
    inspect_start(codec, bytes, true)
}

/// The same for the first bytes of a packet; `complete` when they are all of it.
#[must_use]
pub fn inspect_start(codec: Fourcc, bytes: &[u8], complete: bool) -> Inspection {
    match codec {
        Fourcc::H264 => annex_b(bytes, complete, h264_unit),
        Fourcc::HEVC => annex_b(bytes, complete, hevc_unit),
        Fourcc::MJPG | Fourcc::JPEG => Inspection {
            key: (!bytes.is_empty()).then_some(true),
            ..Inspection::default()
        },
        Fourcc::FWHT => Inspection {
            key: fwht_key(bytes),
            ..Inspection::default()
        },
        _ => Inspection::default(),
    }
}

/// What a NAL unit is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// SPS, PPS, VPS.
    ParameterSet,
    /// A slice of a picture, at which decoding can start or not.
    Slice { key: bool },
    /// SEI, access unit delimiter, filler, reserved, damaged.
    Other,
}

/// The unit that an H.264 NAL header starts. A recovery-point SEI makes no key frame: a decoder that starts there has no references.
fn h264_unit(header: u8) -> Unit {
    match header {
        // forbidden_zero_bit: no NAL unit.
        0x80.. => Unit::Other,
        _ => match header & 0x1f {
            5 => Unit::Slice { key: true },
            1..=4 => Unit::Slice { key: false },
            // SPS, PPS, SPS extension, subset SPS.
            7 | 8 | 13 | 15 => Unit::ParameterSet,
            _ => Unit::Other,
        },
    }
}

/// The unit that the first byte of an HEVC NAL header starts.
fn hevc_unit(header: u8) -> Unit {
    match header {
        0x80.. => Unit::Other,
        _ => match header >> 1 {
            // BLA, IDR and CRA pictures: the random access points.
            16..=21 => Unit::Slice { key: true },
            0..=31 => Unit::Slice { key: false },
            // VPS, SPS, PPS.
            32..=34 => Unit::ParameterSet,
            _ => Unit::Other,
        },
    }
}

/// Walks the NAL units of a byte stream up to the first slice.
fn annex_b(bytes: &[u8], complete: bool, unit_of: fn(u8) -> Unit) -> Inspection {
    let window = bytes.len().min(BITSTREAM_SCAN_BYTES);
    let mut headers: Option<Range<usize>> = None;
    let mut in_parameter_set = false;
    let mut key = None;
    let mut units = false;
    let mut zeros = 0usize;
    // Where the start code begins whose NAL header comes next.
    let mut start_code: Option<usize> = None;
    for (at, &byte) in bytes[..window].iter().enumerate() {
        if let Some(start) = start_code.take() {
            let unit = unit_of(byte);
            units = true;
            if let Some(range) = &mut headers
                && in_parameter_set
            {
                range.end = start;
            }
            in_parameter_set = unit == Unit::ParameterSet;
            if in_parameter_set && headers.is_none() {
                // The end is known when the next unit starts, or the packet ends.
                headers = Some(start..start);
            }
            if let Unit::Slice { key: found } = unit {
                key = Some(found);
                break;
            }
        }
        if byte == 1 && zeros >= 2 {
            // The zero before a three-byte start code belongs to it; more zeros trail the unit before.
            start_code = Some(at - zeros.min(3));
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    let whole = complete && window == bytes.len();
    if in_parameter_set {
        // Half a header helps nobody: it counts only when the packet, not the window, ended it.
        headers = headers
            .filter(|_| whole)
            .map(|range| range.start..bytes.len());
    }
    let pictureless = whole && units && key.is_none();
    Inspection {
        key: if pictureless { Some(false) } else { key },
        headers_only: pictureless && headers.is_some(),
        headers,
    }
}

/// Bytes of vicodec's frame header: eleven big-endian words.
const FWHT_HEADER_BYTES: usize = 44;
/// The first two words.
const FWHT_MAGIC: [u8; 8] = [0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xff, 0xff, 0xff];
/// Where the word of flags lies, after magic, version, width and height.
const FWHT_FLAGS_AT: usize = 20;
/// `V4L2_FWHT_FL_I_FRAME`.
const FWHT_I_FRAME: u32 = 1 << 10;

/// Whether a vicodec frame is an I frame; `None` when it is no such frame.
fn fwht_key(bytes: &[u8]) -> Option<bool> {
    let header = bytes.get(..FWHT_HEADER_BYTES)?;
    if !header.starts_with(&FWHT_MAGIC) {
        return None;
    }
    let flags = header[FWHT_FLAGS_AT..].first_chunk()?;
    Some(u32::from_be_bytes(*flags) & FWHT_I_FRAME != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Headers as x264 writes them for 1280x720 High: three-byte emulation prevention inside the SPS.
    const SPS: &[u8] = &[
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03,
        0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    ];
    const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
    const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00, 0x33, 0xff];
    const NON_IDR: &[u8] = &[0x41, 0x9a, 0x24, 0x6c, 0x42];
    const AUD: &[u8] = &[0x09, 0x10];
    /// Recovery point, zero frames away.
    const SEI: &[u8] = &[0x06, 0x06, 0x01, 0xc4, 0x80];

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for unit in units {
            bytes.extend_from_slice(&[0, 0, 0, 1]);
            bytes.extend_from_slice(unit);
        }
        bytes
    }

    fn h264(units: &[&[u8]]) -> Inspection {
        inspect(Fourcc::H264, &stream(units))
    }

    fn found(key: bool, headers: Option<Range<usize>>, headers_only: bool) -> Inspection {
        Inspection {
            key: Some(key),
            headers,
            headers_only,
        }
    }

    #[test]
    fn headers_before_an_idr_slice_are_spanned_with_their_start_codes() {
        // 4 + 26 bytes of SPS, 4 + 6 of PPS.
        assert_eq!(h264(&[SPS, PPS, IDR]), found(true, Some(0..40), false));
        // A delimiter before is not part of it, nor is an SEI after.
        assert_eq!(
            h264(&[AUD, SPS, PPS, SEI, IDR]),
            found(true, Some(6..46), false)
        );
        // The Raspberry Pi's firmware writes nal_ref_idc 1: 0x27, 0x28, 0x25.
        let pi: [&[u8]; 3] = [&[0x27, 0x64, 0x00, 0x28], &[0x28, 0xee], &[0x25, 0x88]];
        assert_eq!(h264(&pi), found(true, Some(0..14), false));
    }

    #[test]
    fn three_byte_start_codes_and_trailing_zeros_are_understood() {
        let mut bytes = std::vec![0, 0, 1];
        bytes.extend_from_slice(PPS);
        // Two trailing zeros, then a four-byte start code.
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(IDR);
        assert_eq!(
            inspect(Fourcc::H264, &bytes),
            found(true, Some(0..11), false)
        );
    }

    #[test]
    fn packets_of_headers_alone_are_told_from_pictures() {
        assert_eq!(h264(&[SPS, PPS]), found(false, Some(0..40), true));
        assert_eq!(h264(&[AUD, SEI]), found(false, None, false));
        assert_eq!(h264(&[NON_IDR]), found(false, None, false));
        assert_eq!(h264(&[SPS, PPS, NON_IDR]).key, Some(false));
    }

    #[test]
    fn a_recovery_point_makes_no_key_frame() {
        assert_eq!(h264(&[SEI, NON_IDR]), found(false, None, false));
    }

    #[test]
    fn later_slices_do_not_count() {
        assert_eq!(
            h264(&[NON_IDR, SPS, PPS, IDR]),
            found(false, None, false),
            "the first slice decides, and what follows it is not read"
        );
    }

    #[test]
    fn hevc_random_access_pictures_are_key() {
        let (vps, sps, pps) = ([0x40, 1, 0x0c], [0x42, 1, 1], [0x44, 1, 0xc1]);
        for (slice, key) in [(0x26, true), (0x28, true), (0x2a, true), (0x02, false)] {
            let bytes = stream(&[&[0x46, 1, 0x50], &vps, &sps, &pps, &[slice, 1, 0xaf]]);
            assert_eq!(
                inspect(Fourcc::HEVC, &bytes),
                found(key, Some(7..28), false)
            );
        }
    }

    #[test]
    fn bytes_that_say_nothing_leave_it_to_the_flag() {
        let silent = Inspection::default();
        assert_eq!(h264(&[]), silent);
        // Lengths instead of start codes.
        assert_eq!(inspect(Fourcc::H264, &[0, 0, 0, 2, 0x65, 0x88]), silent);
        assert_eq!(inspect(Fourcc::new(*b"VP80"), &[0; 64]), silent);
        let long_sei = [&[6][..], &[5; BITSTREAM_SCAN_BYTES]].concat();
        assert_eq!(h264(&[&long_sei, IDR]), silent);
        // A header whose end the window does not show.
        let long_pps = [&[0x68][..], &[5; BITSTREAM_SCAN_BYTES]].concat();
        assert_eq!(h264(&[SPS, &long_pps, IDR]), silent);
    }

    #[test]
    fn jpeg_is_always_key_and_fwht_says_so_in_its_header() {
        assert_eq!(inspect(Fourcc::MJPG, &[0xff, 0xd8]).key, Some(true));
        assert_eq!(inspect(Fourcc::JPEG, &[]).key, None);
        let mut frame = [0u8; FWHT_HEADER_BYTES];
        frame[..8].copy_from_slice(&FWHT_MAGIC);
        assert_eq!(inspect(Fourcc::FWHT, &frame).key, Some(false));
        frame[20..24].copy_from_slice(&0x000a_0400_u32.to_be_bytes());
        assert_eq!(inspect(Fourcc::FWHT, &frame).key, Some(true));
        assert_eq!(inspect(Fourcc::FWHT, &frame[..43]).key, None);
        frame[0] = 0;
        assert_eq!(inspect(Fourcc::FWHT, &frame).key, None);
    }
}
