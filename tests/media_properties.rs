//! What holds for every size, stride, format and byte that `framemill::internals::media` may meet.

use framemill::internals::media::bitstream::{BITSTREAM_SCAN_BYTES, inspect};
use framemill::internals::media::format::{Content, FORMATS, RawFormat, lookup};
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::media::layout::{FrameLayout, copy_rows};
use framemill::internals::media::pattern::{fill_row, read_frame_number};
use framemill::internals::media::rows::{Rows, SPREAD_BYTES, scatter};
use framemill::internals::media::y4m;
use proptest::prelude::*;

fn any_format() -> impl Strategy<Value = &'static RawFormat> {
    (0..FORMATS.len()).prop_map(|index| &FORMATS[index])
}

/// A layout as a driver may return it: rows padded to an alignment, rows added at the bottom, bytes added at the end.
fn driver_layout(
    format: &RawFormat,
    (width, height): (u32, u32),
    (align, extra_rows, extra_bytes): (u32, u32, u32),
) -> FrameLayout {
    let tight = format.tight(width, height).unwrap();
    let coded_height = height + extra_rows;
    let count = format.memory_plane_count() as usize;
    let (mut strides, mut lengths) = ([0u32; 3], [0u32; 3]);
    for (plane, placed) in format.planes.iter().zip(tight.planes()) {
        let memory_plane = usize::from(plane.memory_plane);
        // The first colour plane's stride from which this one's is derived.
        let first = (placed.row_bytes * 2).div_ceil(u32::from(plane.stride_halves));
        strides[memory_plane] = strides[memory_plane].max(first.next_multiple_of(align * 2));
    }
    for plane in format.planes {
        let memory_plane = usize::from(plane.memory_plane);
        let stride = strides[memory_plane] * u32::from(plane.stride_halves) / 2;
        lengths[memory_plane] += stride * coded_height.div_ceil(u32::from(plane.vertical));
    }
    for length in &mut lengths {
        *length += extra_bytes;
    }
    format
        .layout(
            width,
            height,
            coded_height,
            &strides[..count],
            &lengths[..count],
        )
        .unwrap()
}

fn any_padding() -> impl Strategy<Value = (u32, u32, u32)> {
    (
        prop::sample::select(vec![1, 2, 16, 32, 64]),
        0u32..20,
        0u32..100,
    )
}

/// Planes lie within their memory planes and apart from each other.
fn assert_sound(layout: &FrameLayout) {
    let mut spans: Vec<(u32, u64, u64)> = Vec::new();
    for plane in layout.planes() {
        assert!(plane.rows >= 1 && plane.rows <= plane.allocated_rows);
        assert!(plane.row_bytes >= 1 && plane.row_bytes <= plane.bytesperline);
        assert!(plane.memory_plane < layout.memory_plane_count);
        let start = u64::from(plane.offset);
        let end = start + u64::from(plane.bytesperline) * u64::from(plane.allocated_rows);
        assert!(plane.visible_end() <= end);
        assert!(end <= u64::from(layout.memory_length[plane.memory_plane as usize]));
        for &(memory_plane, other_start, other_end) in &spans {
            assert!(memory_plane != plane.memory_plane || end <= other_start || other_end <= start);
        }
        spans.push((plane.memory_plane, start, end));
    }
}

/// Empty memory planes of a layout.
fn blank(layout: &FrameLayout) -> Vec<Vec<u8>> {
    let count = layout.memory_plane_count as usize;
    layout.memory_length[..count]
        .iter()
        .map(|&length| vec![0; length as usize])
        .collect()
}

/// The test picture, drawn straight into a layout.
fn draw(format: &RawFormat, layout: &FrameLayout, size: (u32, u32), frame: u64) -> Vec<Vec<u8>> {
    let mut memory = blank(layout);
    for (index, plane) in layout.planes().iter().enumerate() {
        for row in 0..plane.rows {
            let start = plane.row_start(row).unwrap();
            let out = &mut memory[plane.memory_plane as usize][start..][..plane.row_bytes as usize];
            fill_row(format, index, row, size.0, size.1, frame, out);
        }
    }
    memory
}

/// A raw file's bytes of one frame: memory planes of a tight layout, one after the other.
fn raw_file(format: &RawFormat, size: (u32, u32), frame: u64) -> Vec<u8> {
    let tight = format.tight(size.0, size.1).unwrap();
    draw(format, &tight, size, frame).concat()
}

/// Pieces of a byte stream: NAL header, filling without zeros, and whether the start code has four bytes.
fn any_units() -> impl Strategy<Value = Vec<(u8, Vec<u8>, bool)>> {
    let filling = prop::collection::vec(1u8..=255, 1..40);
    prop::collection::vec((1u8..0x80, filling, any::<bool>()), 1..8)
}

fn byte_stream(units: &[(u8, Vec<u8>, bool)], four: impl Fn(bool) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, filling, long) in units {
        let code: &[u8] = if four(*long) {
            &[0, 0, 0, 1]
        } else {
            &[0, 0, 1]
        };
        bytes.extend_from_slice(code);
        bytes.push(*header);
        bytes.extend_from_slice(filling);
    }
    bytes
}

proptest! {
    #[test]
    fn layouts_never_overlap_and_always_fit(
        format in any_format(), width in 1u32..5000, height in 1u32..3000, padding in any_padding(),
    ) {
        let layout = driver_layout(format, (width, height), padding);
        assert_sound(&layout);
        let tight = format.tight(width, height).unwrap();
        assert_sound(&tight);
        prop_assert!(tight.is_packed());
        prop_assert_eq!(layout.frame_bytes(), tight.frame_bytes());
        let lengths: u64 = tight.memory_length.iter().map(|&length| u64::from(length)).sum();
        prop_assert_eq!(tight.frame_bytes(), lengths);
    }

    #[test]
    fn absurd_numbers_are_refused_or_sound(
        format in any_format(), size in any::<(u32, u32, u32)>(),
        strides in any::<[u32; 3]>(), lengths in any::<[u32; 3]>(), described in 0usize..=3,
    ) {
        let layout = format.layout(
            size.0, size.1, size.2, &strides[..described], &lengths[..described],
        );
        if let Ok(layout) = layout {
            assert_sound(&layout);
        }
        if let Ok(tight) = format.tight(size.0, size.1) {
            assert_sound(&tight);
        }
    }

    #[test]
    fn copied_rows_come_back_as_they_were(
        format in any_format(), width in 1u32..100, height in 1u32..50, padding in any_padding(),
    ) {
        let size = (width, height);
        let tight = format.tight(width, height).unwrap();
        let padded = driver_layout(format, size, padding);
        let original = draw(format, &tight, size, 7);
        let (mut there, mut back) = (blank(&padded), blank(&tight));
        for (from, to) in tight.planes().iter().zip(padded.planes()) {
            let memory_plane = from.memory_plane as usize;
            let (dst, home) = (&mut there[memory_plane], &mut back[memory_plane]);
            prop_assert!(copy_rows(&original[memory_plane], from, dst, to));
            prop_assert!(copy_rows(dst, to, home, from));
        }
        prop_assert_eq!(&original, &back);
        prop_assert_eq!(there, draw(format, &padded, size, 7));
    }

    #[test]
    fn rows_reach_each_visible_byte_once_and_no_other(
        source in any_format(), destination in any_format(),
        width in 1u32..100, height in 1u32..50, padding in any_padding(),
    ) {
        let layout = driver_layout(destination, (width, height), padding);
        // Also each format into itself: a random pair is rarely alike.
        for source in [source, destination] {
            let Ok(rows) = Rows::new(source, destination, &layout) else {
                prop_assert!(source != destination);
                continue;
            };
            let mut written = blank(&layout);
            let mut bytes = 0;
            for target in rows {
                prop_assert!(target.bytes >= 1);
                prop_assert!(target.step == 1 || target.bytes as usize <= SPREAD_BYTES);
                bytes += u64::from(target.bytes);
                for byte in written[target.memory_plane as usize][target.span()]
                    .iter_mut()
                    .step_by(target.step as usize)
                {
                    *byte += 1;
                }
            }
            prop_assert_eq!(bytes, source.tight(width, height).unwrap().frame_bytes());
            let mut expected = blank(&layout);
            for plane in layout.planes() {
                for row in 0..plane.rows {
                    let start = plane.row_start(row).unwrap();
                    expected[plane.memory_plane as usize][start..][..plane.row_bytes as usize].fill(1);
                }
            }
            prop_assert_eq!(written, expected);
        }
    }

    #[test]
    fn a_planar_file_becomes_the_same_picture_in_every_format_that_takes_it(
        // With how many destinations: for 4:2:0 YU12 YV12 NV12 NV21 and the same four in memory planes.
        (source, takers) in prop::sample::select(
            vec![(*b"YU12", 8), (*b"422P", 7), (*b"YM24", 4), (*b"GREY", 1)],
        ),
        width in 1u32..100, height in 1u32..50, padding in any_padding(), frame: u64,
    ) {
        let source = lookup(Fourcc::new(source)).unwrap();
        let file = raw_file(source, (width, height), frame);
        let mut taken = 0;
        for destination in FORMATS {
            let layout = driver_layout(destination, (width, height), padding);
            let Ok(rows) = Rows::new(source, destination, &layout) else { continue };
            taken += 1;
            let mut memory = blank(&layout);
            let mut rest = &file[..];
            for target in rows {
                let (run, after) = rest.split_at(target.bytes as usize);
                prop_assert!(scatter(run, &target, memory[target.memory_plane as usize].as_mut_slice().into()));
                rest = after;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(memory, draw(destination, &layout, (width, height), frame));
        }
        prop_assert_eq!(taken, takers);
    }

    #[test]
    fn frame_numbers_are_read_back_from_noisy_pictures(
        format in any_format(), width in 16u32..400, height in 2u32..200, frame: u64,
        noise in prop::collection::vec(-60i16..=60, 97),
    ) {
        let plane = format.planes[0];
        let (at, every) = match plane.content {
            Content::Packed422 { y, .. } => (usize::from(y), 2),
            Content::Rgb { g, .. } => (usize::from(g), usize::from(plane.group_bytes)),
            Content::Rgb565 { .. } => return Ok(()),
            _ => (0, 1),
        };
        let tight = format.tight(width, height).unwrap();
        let memory = draw(format, &tight, (width, height), frame);
        let read = read_frame_number(width, height, |x, y| {
            let start = tight.planes[0].row_start(y)?;
            let luma = i16::from(*memory[0].get(start + x as usize * every + at)?);
            let noisy = luma + noise[(x * 7 + y * 31) as usize % noise.len()];
            Some(noisy.clamp(0, 255) as u8)
        });
        prop_assert_eq!(read, Some((frame & 0xffff) as u16));
    }

    #[test]
    fn the_pattern_keeps_to_the_row_for_any_size(
        format in any_format(), plane in 0usize..4, row: u32, width: u32, height: u32, frame: u64,
        length in 0usize..64,
    ) {
        fill_row(format, plane, row, width, height, frame, &mut vec![0; length]);
    }

    #[test]
    fn inspection_of_any_bytes_stays_within_them(
        codec in prop::sample::select(vec![Fourcc::H264, Fourcc::HEVC, Fourcc::MJPG, Fourcc::FWHT]),
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..300),
    ) {
        let found = inspect(codec, &bytes);
        if let Some(range) = found.headers {
            prop_assert!(range.start < range.end && range.end <= bytes.len());
            prop_assert!(bytes[range].starts_with(&[0, 0]));
        } else {
            prop_assert!(!found.headers_only);
        }
    }

    #[test]
    fn the_length_of_start_codes_does_not_matter(
        codec in prop::sample::select(vec![Fourcc::H264, Fourcc::HEVC]), units in any_units(),
    ) {
        let mixed = inspect(codec, &byte_stream(&units, |long| long));
        for all_long in [true, false] {
            let found = inspect(codec, &byte_stream(&units, |_| all_long));
            prop_assert_eq!(found.key, mixed.key);
            prop_assert_eq!(found.headers_only, mixed.headers_only);
            prop_assert_eq!(found.headers.is_some(), mixed.headers.is_some());
        }
    }

    #[test]
    fn headers_are_the_units_from_the_first_to_the_last_parameter_set(units in any_units()) {
        let bytes = byte_stream(&units, |long| long);
        let kind = |unit: &(u8, Vec<u8>, bool)| unit.0 & 0x1f;
        let slice = units.iter().position(|unit| (1..=5).contains(&kind(unit)));
        let before = &units[..slice.unwrap_or(units.len())];
        let is_set = |unit: &(u8, Vec<u8>, bool)| matches!(kind(unit), 7 | 8 | 13 | 15);
        let expected = before.iter().position(is_set).map(|first| {
            let last = before.iter().rposition(is_set).unwrap();
            byte_stream(&before[first..=last], |long| long)
        });
        let found = inspect(Fourcc::H264, &bytes);
        prop_assert_eq!(found.headers.map(|range| bytes[range].to_vec()), expected.clone());
        prop_assert_eq!(found.key, Some(slice.is_some_and(|at| kind(&units[at]) == 5)));
        prop_assert_eq!(found.headers_only, slice.is_none() && expected.is_some());
    }

    #[test]
    fn bytes_past_the_window_are_not_looked_at(
        units in any_units(), one in prop::collection::vec(any::<u8>(), 1..50), other: u8,
    ) {
        let mut bytes = byte_stream(&units, |long| long);
        bytes.resize(BITSTREAM_SCAN_BYTES, 0xff);
        let mut with_other = bytes.clone();
        bytes.extend(one);
        with_other.push(other);
        prop_assert_eq!(inspect(Fourcc::H264, &bytes), inspect(Fourcc::H264, &with_other));
    }

    #[test]
    fn no_y4m_line_is_a_surprise(
        line in prop::collection::vec(any::<u8>(), 0..300),
        words in prop::collection::vec("[WHFICAX]?[0-9pt?:.]{0,12}", 0..8),
    ) {
        let _ = y4m::parse_frame(&line);
        let _ = y4m::parse_header(&line);
        if let Ok(Some(end)) = y4m::line_end(&line) {
            prop_assert!(end <= line.len().min(y4m::LINE_BYTES));
            prop_assert_eq!(line[end - 1], b'\n');
        }
        let worded = format!("YUV4MPEG2 {}", words.join(" "));
        match y4m::parse_header(worded.as_bytes()) {
            Ok(header) => {
                prop_assert!(header.width >= 1 && header.height >= 1);
                prop_assert!(lookup(header.chroma.fourcc()).is_some());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
