//! Runs worked out by hand.

use super::super::format::lookup;
use super::super::source::Padding;
use super::*;
use std::vec::Vec;

fn targets(source: &[u8; 4], destination: &[u8; 4], layout: &FrameLayout) -> Vec<[u32; 4]> {
    let format = |code: &[u8; 4]| lookup(Fourcc::new(*code)).unwrap();
    Rows::new(format(source), format(destination), layout)
        .unwrap()
        .map(|t| [t.memory_plane, t.offset, t.bytes, t.step])
        .collect()
}

fn tight(code: &[u8; 4], width: u32, height: u32) -> FrameLayout {
    let format = lookup(Fourcc::new(*code)).unwrap();
    format.tight(width, height).unwrap()
}

#[test]
fn a_frame_without_padding_is_one_run() {
    let yu12 = tight(b"YU12", 640, 360);
    assert_eq!(targets(b"YU12", b"YU12", &yu12), [[0, 0, 345_600, 1]]);
    let ym12 = tight(b"YM12", 640, 360);
    assert_eq!(
        targets(b"YU12", b"YM12", &ym12),
        [[0, 0, 230_400, 1], [1, 0, 57_600, 1], [2, 0, 57_600, 1]]
    );
}

#[test]
fn padded_rows_come_one_by_one() {
    let format = lookup(Fourcc::new(*b"YU12")).unwrap();
    let layout = format.layout(6, 2, 4, &[8], &[48]).unwrap();
    assert_eq!(
        targets(b"YU12", b"YU12", &layout),
        [[0, 0, 6, 1], [0, 8, 6, 1], [0, 32, 3, 1], [0, 40, 3, 1]]
    );
}

#[test]
fn chroma_goes_where_the_destination_has_it() {
    let planar = tight(b"YV12", 4, 2);
    assert_eq!(
        targets(b"YU12", b"YV12", &planar),
        [[0, 0, 8, 1], [0, 10, 2, 1], [0, 8, 2, 1]]
    );
    let pairs = tight(b"NV12", 4, 2);
    assert_eq!(
        targets(b"YU12", b"NV12", &pairs),
        [[0, 0, 8, 1], [0, 8, 2, 2], [0, 9, 2, 2]]
    );
    assert_eq!(
        targets(b"YU12", b"NV21", &pairs),
        [[0, 0, 8, 1], [0, 9, 2, 2], [0, 8, 2, 2]]
    );
}

#[test]
fn rows_that_come_at_once_are_those_that_come_one_by_one() {
    for (source, destination) in [(b"YU12", b"YU12"), (b"YU12", b"NV12"), (b"YUYV", b"YUYV")] {
        let format = |code: &[u8; 4]| lookup(Fourcc::new(*code)).unwrap();
        let (source, destination) = (format(source), format(destination));
        let mut layout = destination.tight(640, 480).unwrap();
        for plane in &mut layout.planes {
            plane.bytesperline += 64;
            plane.offset *= 2;
        }
        layout.memory_length[0] *= 2;
        let alone = Rows::new(source, destination, &layout).unwrap();
        let mut together = alone.clone();
        let mut singles = Vec::new();
        let mut calls = 0;
        while let Some((first, rows, pitch)) = together.next_rows() {
            calls += 1;
            singles.extend((0..rows).map(|row| RowTarget {
                offset: first.offset + row * pitch,
                skip: if row + 1 == rows { first.skip } else { 0 },
                ..first
            }));
        }
        assert_eq!(singles, alone.collect::<Vec<_>>());
        assert!(calls < singles.len());
    }
}

#[test]
fn rows_that_must_be_spread_come_in_pieces_that_fit_the_buffer() {
    let wide = tight(b"NV12", 16384, 2);
    assert_eq!(
        targets(b"YU12", b"NV12", &wide)[1..3],
        [[0, 32768, 4096, 2], [0, 32768 + 8192, 4096, 2]]
    );
}

#[test]
fn formats_with_other_samples_are_refused() {
    for (source, destination) in [
        (b"YU12", b"YUYV"),
        (b"YU12", b"NV16"),
        (b"NV12", b"YU12"),
        (b"GREY", b"NV12"),
        (b"YU12", b"GREY"),
        (b"RGB3", b"XB24"),
    ] {
        let format = |code: &[u8; 4]| lookup(Fourcc::new(*code)).unwrap();
        let layout = tight(destination, 64, 64);
        let error = Rows::new(format(source), format(destination), &layout).unwrap_err();
        assert!(matches!(error, RowsError::Unlike { .. }));
    }
}

#[test]
fn a_layout_that_no_format_made_is_refused() {
    let format = lookup(Fourcc::new(*b"NV12")).unwrap();
    let good = tight(b"NV12", 64, 64);
    let refused = |edit: fn(&mut FrameLayout)| {
        let mut layout = good;
        edit(&mut layout);
        Rows::new(format, format, &layout).err() == Some(RowsError::Layout)
    };
    assert!(refused(|l| l.plane_count = 1));
    assert!(refused(|l| l.planes[1].offset += 1));
    assert!(refused(|l| l.planes[1].memory_plane = 3));
    assert!(refused(|l| l.planes[0].rows = 0));
    assert!(refused(|l| l.planes[0].bytesperline = 1));
}

#[test]
fn scatter_writes_nothing_that_is_not_its_own() {
    let target = RowTarget {
        memory_plane: 0,
        offset: 1,
        bytes: 2,
        step: 2,
        skip: 0,
    };
    let mut bytes = [0; 5];
    assert!(scatter(b"ab", &target, bytes.as_mut_slice().into()));
    assert_eq!(&bytes, b"\0a\0b\0");
    assert!(!scatter(b"abc", &target, bytes.as_mut_slice().into()));
    assert!(!scatter(b"ab", &target, (&mut bytes[..3]).into()));
}

/// A raw file of one frame: sample `f(plane, row, byte)` where the picture is, 0xee in the padding.
fn padded_file(input: &SourceLayout, sample: fn(usize, u32, u32) -> u8) -> Vec<u8> {
    let mut file = Vec::new();
    for (number, plane) in input.planes().iter().enumerate() {
        for row in 0..plane.allocated_rows {
            for byte in 0..plane.stride {
                let padding = row >= plane.rows || byte >= plane.row_bytes;
                file.push(if padding {
                    0xee
                } else {
                    sample(number, row, byte)
                });
            }
        }
    }
    file
}

/// What reading that file into a slot gives.
fn read_padded(
    (source, input): (&[u8; 4], &SourceLayout),
    (destination, layout): (&[u8; 4], &FrameLayout),
    file: &[u8],
) -> Vec<Vec<u8>> {
    let format = |code: &[u8; 4]| lookup(Fourcc::new(*code)).unwrap();
    let (source, destination) = (format(source), format(destination));
    let lengths = &layout.memory_length[..layout.memory_plane_count as usize];
    let mut memory: Vec<_> = lengths
        .iter()
        .map(|&l| std::vec![0u8; l as usize])
        .collect();
    let mut rest = file;
    for target in Rows::padded(source, input, destination, layout).unwrap() {
        let (run, after) = rest.split_at(target.bytes as usize);
        assert!(scatter(
            run,
            &target,
            memory[target.memory_plane as usize].as_mut_slice().into()
        ));
        rest = &after[target.skip as usize..];
    }
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    for (number, plane) in layout.planes().iter().enumerate() {
        let filled = filled(source, input, destination, number);
        let group_bytes = destination.planes[number].group_bytes.into();
        extend_edges(
            memory[plane.memory_plane as usize].as_mut_slice().into(),
            plane,
            group_bytes,
            filled,
        );
    }
    memory
}

#[test]
fn padded_rows_of_a_file_reach_their_places_and_the_padding_none() {
    let sample =
        |plane: usize, row: u32, byte: u32| (plane as u32 * 80 + row * 7 + byte) as u8 % 0xee;
    let padding = Padding {
        stride: Some(16),
        rows: Some(8),
    };
    let yu12 = lookup(Fourcc::new(*b"YU12")).unwrap();
    let input = SourceLayout::new(yu12, (10, 6), padding).unwrap();
    let file = padded_file(&input, sample);
    assert_eq!(file.len(), 16 * 8 * 3 / 2);
    // Into packed rows, rows further apart, three memory planes, and pairs.
    let apart = yu12.layout(10, 6, 6, &[32], &[32 * 9]).unwrap();
    for (code, layout) in [
        (b"YU12", tight(b"YU12", 10, 6)),
        (b"YU12", apart),
        (b"YM12", tight(b"YM12", 10, 6)),
        (b"NV12", tight(b"NV12", 10, 6)),
    ] {
        let memory = read_padded((b"YU12", &input), (code, &layout), &file);
        let found: usize = memory.iter().flatten().filter(|&&b| b == 0xee).count();
        assert_eq!(found, 0, "padding in the picture");
        for (number, plane) in layout.planes().iter().enumerate() {
            for row in 0..plane.rows {
                let start = plane.row_start(row).unwrap();
                for byte in 0..plane.row_bytes {
                    let (from, at) = match code {
                        b"NV12" if number == 1 => (1 + byte as usize % 2, byte / 2),
                        _ => (number, byte),
                    };
                    let got = memory[plane.memory_plane as usize][start + byte as usize];
                    assert_eq!(got, sample(from, row, at), "{number} {row} {byte}");
                }
            }
        }
    }
}

#[test]
fn an_odd_picture_is_continued_by_its_last_column_and_row() {
    let sample = |plane: usize, row: u32, byte: u32| (plane as u32 * 80 + row * 9 + byte) as u8;
    let yu12 = lookup(Fourcc::new(*b"YU12")).unwrap();
    let input = SourceLayout::new(yu12, (17, 19), Padding::default()).unwrap();
    let file = padded_file(&input, sample);
    for code in [b"YU12", b"NV12"] {
        let layout = tight(code, 18, 20);
        let memory = read_padded((b"YU12", &input), (code, &layout), &file);
        let luma = |x: u32, y: u32| memory[0][layout.planes[0].row_start(y).unwrap() + x as usize];
        for y in 0..20 {
            for x in 0..18 {
                assert_eq!(luma(x, y), sample(0, y.min(18), x.min(16)), "{x} {y}");
            }
        }
        // Chroma was rounded up in the file already.
        let last = layout.planes.last().filter(|plane| plane.rows != 0);
        let chroma = last.unwrap_or(&layout.planes[1]);
        assert_eq!((chroma.rows, chroma.visible_bytes() % 90), (10, 0));
        let end = chroma.visible_end() as usize;
        assert_eq!(memory[0][end - 1], sample(2, 9, 8));
    }
}

#[test]
fn a_picture_larger_than_the_slot_is_refused() {
    let yu12 = lookup(Fourcc::new(*b"YU12")).unwrap();
    for size in [(18, 16), (16, 18)] {
        let input = SourceLayout::new(yu12, size, Padding::default()).unwrap();
        let error = Rows::padded(yu12, &input, yu12, &tight(b"YU12", 16, 16)).unwrap_err();
        assert_eq!(error, RowsError::Size, "{size:?}");
    }
}
