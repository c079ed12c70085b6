//! Layouts worked out by hand.

use super::super::format::lookup;
use super::super::fourcc::Fourcc;
use super::*;
use std::string::ToString;

fn format(code: &[u8; 4]) -> &'static RawFormat {
    lookup(Fourcc::new(*code)).unwrap()
}

/// Memory plane, offset, bytesperline, visible bytes a row, visible rows, allocated rows.
fn planes<const N: usize>(layout: &FrameLayout) -> [[u32; 6]; N] {
    assert_eq!(layout.planes().len(), N);
    core::array::from_fn(|i| {
        let p = layout.planes[i];
        let place = [p.memory_plane, p.offset, p.bytesperline];
        let size = [p.row_bytes, p.rows, p.allocated_rows];
        [place[0], place[1], place[2], size[0], size[1], size[2]]
    })
}

#[test]
fn planar_chroma_follows_the_rows_that_the_driver_laid_out() {
    // vicodec makes 368 rows of 360; 704 * 368 * 3 / 2 = 388608.
    let layout = format(b"YU12")
        .layout(640, 360, 368, &[704], &[388_608])
        .unwrap();
    assert_eq!(
        planes(&layout),
        [
            [0, 0, 704, 640, 360, 368],
            [0, 259_072, 352, 320, 180, 184],
            [0, 323_840, 352, 320, 180, 184],
        ]
    );
    assert_eq!(layout.memory_plane_count, 1);
    assert_eq!(layout.memory_length, [388_608, 0, 0]);
    assert_eq!(layout.frame_bytes(), 640 * 360 * 3 / 2);
    assert!(!layout.is_packed());
}

#[test]
fn pairs_of_chroma_have_the_stride_that_their_subsampling_gives() {
    let nv12 = format(b"NV12").layout(1280, 720, 736, &[1344], &[2_000_000]);
    assert_eq!(
        planes(&nv12.unwrap()),
        [
            [0, 0, 1344, 1280, 720, 736],
            [0, 989_184, 1344, 1280, 360, 368]
        ]
    );
    let nv24 = format(b"NV24").layout(640, 360, 360, &[704], &[760_320]);
    assert_eq!(
        planes(&nv24.unwrap()),
        [
            [0, 0, 704, 640, 360, 360],
            [0, 253_440, 1408, 1280, 360, 360]
        ]
    );
}

#[test]
fn packed_formats_have_one_plane() {
    let yuyv = format(b"YUYV").layout(640, 360, 360, &[1280], &[460_800]);
    assert_eq!(planes(&yuyv.unwrap()), [[0, 0, 1280, 1280, 360, 360]]);
    assert!(yuyv.unwrap().is_packed());
    let rgb3 = format(b"RGB3").layout(640, 360, 368, &[1920], &[706_560]);
    assert_eq!(planes(&rgb3.unwrap()), [[0, 0, 1920, 1920, 360, 368]]);
}

#[test]
fn memory_planes_have_strides_of_their_own() {
    let layout = format(b"YM12")
        .layout(
            640,
            360,
            368,
            &[704, 384, 320],
            &[259_072, 70_656, 58_880, 7],
        )
        .unwrap();
    assert_eq!(
        planes(&layout),
        [
            [0, 0, 704, 640, 360, 368],
            [1, 0, 384, 320, 180, 184],
            [2, 0, 320, 320, 180, 184],
        ]
    );
    assert_eq!(layout.memory_plane_count, 3);
    assert_eq!(layout.memory_length, [259_072, 70_656, 58_880]);
}

#[test]
fn tight_frames_round_chroma_of_odd_sizes_up() {
    let layout = format(b"YU12").tight(641, 361).unwrap();
    assert_eq!(
        planes(&layout),
        [
            [0, 0, 641, 641, 361, 361],
            [0, 231_401, 321, 321, 181, 181],
            [0, 289_502, 321, 321, 181, 181],
        ]
    );
    assert_eq!(layout.frame_bytes(), 347_603);
    assert_eq!(layout.memory_length, [347_603, 0, 0]);
    assert!(layout.is_packed());
    let yuyv = format(b"YUYV").tight(3, 1).unwrap();
    assert_eq!(planes(&yuyv), [[0, 0, 8, 8, 1, 1]]);
    let nm12 = format(b"NM12").tight(4, 4).unwrap();
    assert_eq!(nm12.memory_length, [16, 8, 0]);
    assert!(nm12.is_packed());
}

#[test]
fn refusals_say_what_does_not_fit() {
    let yu12 = format(b"YU12");
    let sentence = |r: Result<FrameLayout, LayoutError>| r.unwrap_err().to_string();
    assert_eq!(
        sentence(yu12.layout(640, 360, 368, &[704], &[388_607])),
        "sizeimage is less than a frame"
    );
    assert_eq!(
        sentence(yu12.layout(640, 360, 368, &[638], &[388_608])),
        "bytesperline is less than a row"
    );
    assert_eq!(
        sentence(format(b"NM12").layout(640, 360, 368, &[704], &[388_608])),
        "fewer memory planes than the format"
    );
    assert_eq!(
        sentence(yu12.layout(640, 360, 352, &[704], &[388_608])),
        "fewer rows than the picture"
    );
    assert!(matches!(
        yu12.tight(0, 4),
        Err(LayoutError::Size { width: 0, .. })
    ));
    assert!(matches!(
        format(b"RGB4").tight(u32::MAX, u32::MAX),
        Err(LayoutError::Length { .. })
    ));
}

#[test]
fn rows_are_copied_past_the_padding_and_leave_it_alone() {
    let source = format(b"GREY").tight(3, 2).unwrap();
    let padded = format(b"GREY").layout(3, 2, 3, &[5], &[15]).unwrap();
    let mut frame = *b"...............";
    assert!(copy_rows(
        b"abcdef",
        &source.planes[0],
        &mut frame,
        &padded.planes[0]
    ));
    assert_eq!(&frame, b"abc..def.......");
    let mut back = [0; 6];
    assert!(copy_rows(
        &frame,
        &padded.planes[0],
        &mut back,
        &source.planes[0]
    ));
    assert_eq!(&back, b"abcdef");
}

#[test]
fn rows_that_do_not_fit_are_not_copied() {
    let plane = format(b"GREY").tight(3, 2).unwrap().planes[0];
    let wider = format(b"GREY").tight(4, 2).unwrap().planes[0];
    let overlapping = PlaneLayout {
        bytesperline: 2,
        ..plane
    };
    let mut out = [0; 8];
    assert!(!copy_rows(b"abcde", &plane, &mut out, &plane));
    assert!(!copy_rows(b"abcdef", &plane, &mut out[..5], &plane));
    assert!(!copy_rows(b"abcdefgh", &plane, &mut out, &wider));
    assert!(!copy_rows(b"abcdefgh", &overlapping, &mut out, &plane));
    assert_eq!(out, [0; 8]);
}

#[test]
fn a_frame_is_whole_up_to_its_last_visible_row() {
    // 3x2 in rows of 5 bytes, and padding below.
    let padded = format(b"GREY").layout(3, 2, 3, &[5], &[15]).unwrap();
    assert_eq!(padded.visible_ends(), [5 + 3, 0, 0]);
    // Two colour planes in one memory plane, and each in its own.
    let together = format(b"NV12").layout(4, 2, 2, &[8], &[24]).unwrap();
    assert_eq!(together.visible_ends(), [16 + 4, 0, 0]);
    let apart = format(b"NM12").layout(4, 2, 2, &[8, 8], &[16, 8]).unwrap();
    assert_eq!(apart.visible_ends(), [8 + 4, 4, 0]);
}
