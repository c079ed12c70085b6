//! Colours looked up by hand.

use super::super::format::lookup;
use super::super::fourcc::Fourcc;
use super::*;
use std::vec;

/// A row of bars alone, of 360.
const BELOW_BOX: u32 = 200;

fn row(code: &[u8; 4], plane: usize, row: u32, width: u32, frame: u64) -> vec::Vec<u8> {
    let mut out = vec![0xaa; width as usize * 4];
    let format = lookup(Fourcc::new(*code)).unwrap();
    fill_row(format, plane, row, width, 360, frame, &mut out);
    out
}

#[test]
fn first_frame_shows_the_bars_from_white_to_black() {
    let luma = row(b"GREY", 0, BELOW_BOX, 640, 0);
    let middles: vec::Vec<u8> = luma[40..640].iter().step_by(80).copied().collect();
    assert_eq!(middles, [235, 210, 170, 145, 106, 81, 41, 16]);
    assert_eq!(luma[640], 0xaa, "past the row nothing is written");
}

#[test]
fn bars_move_left_by_the_scroll_each_frame() {
    let (before, after) = (
        row(b"GREY", 0, BELOW_BOX, 640, 0),
        row(b"GREY", 0, BELOW_BOX, 640, 1),
    );
    assert_eq!(before[4..640], after[..636]);
    assert_eq!(before[..4], after[636..640]);
}

#[test]
fn packed_formats_put_the_same_colours_where_their_name_says() {
    // The second bar: yellow, Y 210, Cb 16, Cr 146.
    assert_eq!(
        row(b"YUYV", 0, BELOW_BOX, 640, 0)[160..164],
        [210, 16, 210, 146]
    );
    assert_eq!(
        row(b"VYUY", 0, BELOW_BOX, 640, 0)[160..164],
        [146, 210, 16, 210]
    );
    assert_eq!(row(b"NV21", 1, BELOW_BOX / 2, 640, 0)[80..82], [146, 16]);
    assert_eq!(row(b"RGB3", 0, BELOW_BOX, 640, 0)[240..243], [255, 255, 0]);
    assert_eq!(
        row(b"XR24", 0, BELOW_BOX, 640, 0)[320..324],
        [0, 255, 255, 255]
    );
    assert_eq!(
        row(b"RGB4", 0, BELOW_BOX, 640, 0)[320..324],
        [255, 255, 255, 0]
    );
    assert_eq!(row(b"RGBP", 0, BELOW_BOX, 640, 0)[160..162], [0xe0, 0xff]);
    assert_eq!(row(b"RGBR", 0, BELOW_BOX, 640, 0)[160..162], [0xff, 0xe0]);
}

#[test]
fn bars_are_the_same_colour_in_both_worlds() {
    for bar in BAR_COLOURS {
        let (r, g, b) = (i32::from(bar.r), i32::from(bar.g), i32::from(bar.b));
        // BT.601, limited range, in thousandths.
        let y = 16_000 + (257 * r + 504 * g + 98 * b);
        let u = 128_000 + (-148 * r - 291 * g + 439 * b);
        let v = 128_000 + (439 * r - 368 * g - 71 * b);
        for (exact, written) in [(y, bar.y), (u, bar.u), (v, bar.v)] {
            assert!((exact - i32::from(written) * 1000).abs() <= 1000, "{bar:?}");
        }
    }
}

#[test]
fn the_frame_number_survives_blurred_blocks_but_not_grey_ones() {
    let luma = row(b"GREY", 0, 0, 640, 0x1_a5c3);
    let blurred = |x: u32, _| Some(luma[x as usize].saturating_sub(40).max(50));
    assert_eq!(read_frame_number(640, 360, blurred), Some(0xa5c3));
    assert_eq!(read_frame_number(640, 360, |_, _| Some(126)), None);
    assert_eq!(read_frame_number(15, 360, |_, _| Some(16)), None);
}
