//! Runs worked out by hand.

use super::super::format::lookup;
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
    };
    let mut bytes = [0; 5];
    assert!(scatter(b"ab", &target, bytes.as_mut_slice().into()));
    assert_eq!(&bytes, b"\0a\0b\0");
    assert!(!scatter(b"abc", &target, bytes.as_mut_slice().into()));
    assert!(!scatter(b"ab", &target, (&mut bytes[..3]).into()));
}
