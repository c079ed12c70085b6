//! The built-in moving test picture: colour bars that scroll, a box that bounces, a grey ramp, and the frame's number.
//!
//! Knows what colour each pixel of frame N has, in RGB and in BT.601 limited-range YUV, and writes it row by row into any raw format.
//! Deterministic: the same frame has the same bytes on every machine. Must never know a buffer's layout or the time.
//!
//! From the top: sixteen black or white blocks, the low 16 bits of the frame's number, highest first; bars with the box; the ramp.

use core::ops::Range;

use super::format::{Content, RawFormat};

/// Blocks of the frame number, one a bit.
const NUMBER_BITS: u32 = 16;
/// Steps of the ramp: enough to look smooth, few enough to be runs of ten pixels and more.
const GREYS: u32 = 64;
/// Pixels that bars and ramp move from frame to frame. Even, so that chroma moves with luma.
const SCROLL: u64 = 4;
/// Pixels that the box moves from frame to frame, to the right and down.
const BOX_STEP: (u64, u64) = (6, 2);
/// The box's grey: no bar has it.
const BOX_GREY: u32 = 96;
/// A block's luma below this is a 0, above `WHITE_LUMA` a 1, and between them unreadable. Written are 16 and 235; coding moves them.
const BLACK_LUMA: u32 = 100;
/// See `BLACK_LUMA`.
const WHITE_LUMA: u32 = 150;

/// One colour, in both worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Colour {
    y: u8,
    u: u8,
    v: u8,
    r: u8,
    g: u8,
    b: u8,
}

const fn colour([y, u, v]: [u8; 3], [r, g, b]: [u8; 3]) -> Colour {
    Colour { y, u, v, r, g, b }
}

const WHITE: Colour = colour([235, 128, 128], [255, 255, 255]);
const BLACK: Colour = colour([16, 128, 128], [0, 0, 0]);

/// Full bars, ITU-R BT.601 limited range, from the brightest to the darkest.
const BAR_COLOURS: [Colour; 8] = [
    WHITE,
    colour([210, 16, 146], [255, 255, 0]),
    colour([170, 166, 16], [0, 255, 255]),
    colour([145, 54, 34], [0, 255, 0]),
    colour([106, 202, 222], [255, 0, 255]),
    colour([81, 90, 240], [255, 0, 0]),
    colour([41, 240, 110], [0, 0, 255]),
    BLACK,
];

/// Grey of a level of 0..=255.
fn grey(level: u32) -> Colour {
    let luma = 16 + (level * 219 + 127) / 255;
    let (y, level) = (luma as u8, level as u8);
    colour([y, 128, 128], [level, level, level])
}

/// Rows that the frame number takes at the top: even, an eighth of the picture but at least 16, so that coding blurs only its edges.
#[must_use]
pub fn number_rows(height: u32) -> u32 {
    (height / 8).max(16).min(height) & !1
}

/// Writes one row of one colour plane of frame `frame`: as much of the row as `out` holds in whole sample groups. `row` counts the
/// plane's own rows; `width` and `height` are the picture's, pixels. A plane that the format does not have is left alone.
pub fn fill_row(
    format: &RawFormat,
    colour_plane: usize,
    row: u32,
    width: u32,
    height: u32,
    frame: u64,
    mut out: &mut [u8],
) {
    let Some(plane) = format.planes.get(colour_plane) else {
        return;
    };
    if width == 0 || height == 0 {
        return;
    }
    let picture_row = row.saturating_mul(u32::from(plane.vertical));
    let line = Line::new(picture_row, width, height, frame);
    let (across, group_bytes) = (u64::from(plane.horizontal), usize::from(plane.group_bytes));
    let mut x = 0u64;
    // Runs of one colour: a division for each instead of some for each pixel.
    while x < u64::from(width) {
        let (left, end) = line.run(x);
        let (right, groups) = match (end.min(u64::from(width)) - x) / across {
            // The run's last pixel, in a group with the next run's first.
            0 => (line.run(x + 1).0, 1),
            whole => (left, whole),
        };
        let space = (out.len() / group_bytes) as u64;
        let bytes = groups.min(space) as usize * group_bytes;
        let (run, rest) = out.split_at_mut(bytes);
        let mut group = [0xff; 4];
        write_group(&mut group[..group_bytes], plane.content, left, right);
        repeat(group, group_bytes, run);
        if rest.is_empty() {
            return;
        }
        out = rest;
        x += groups * across;
    }
}

/// Fills `out`, a whole number of groups, with the first `bytes` (1..=4) of a group.
fn repeat(group: [u8; 4], bytes: usize, out: &mut [u8]) {
    let [a, b, c, _] = group;
    match bytes {
        1 => out.fill(a),
        2 => out.as_chunks_mut().0.fill([a, b]),
        3 => out.as_chunks_mut().0.fill([a, b, c]),
        _ => out.as_chunks_mut().0.fill(group),
    }
}

/// One sample group; chroma shared by two pixels is the left one's. A fourth byte of RGB stays as it is.
fn write_group(group: &mut [u8], content: Content, left: Colour, right: Colour) {
    match (content, group) {
        (Content::Y, [y]) => *y = left.y,
        (Content::U, [u]) => *u = left.u,
        (Content::V, [v]) => *v = left.v,
        (Content::Uv, [u, v]) | (Content::Vu, [v, u]) => (*u, *v) = (left.u, left.v),
        (Content::Packed422 { y, u, v }, group @ [_, _, _, _]) => {
            group[usize::from(y)] = left.y;
            group[usize::from(y) + 2] = right.y;
            group[usize::from(u)] = left.u;
            group[usize::from(v)] = left.v;
        }
        (Content::Rgb { r, g, b }, group) => {
            group[usize::from(r)] = left.r;
            group[usize::from(g)] = left.g;
            group[usize::from(b)] = left.b;
        }
        (Content::Rgb565 { big_endian }, [first, second]) => {
            let bits = |value: u8, kept: u32| u16::from(value >> (8 - kept));
            let word = bits(left.r, 5) << 11 | bits(left.g, 6) << 5 | bits(left.b, 5);
            [*first, *second] = if big_endian {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            };
        }
        _ => {}
    }
}

/// What a row of the picture shows.
enum Band {
    /// The frame number's bits, highest first.
    Number(u16),
    /// Bars, and the box's first pixel and the one past its last.
    Bars(Range<u64>),
    /// The grey ramp.
    Grey,
}

/// One picture row: a band of equal steps over the width, moved to the left.
struct Line {
    band: Band,
    /// How many steps the width has: blocks, bars or greys.
    steps: u64,
    /// Pixels by which the steps are moved, 0..=`width`.
    moved: u64,
    width: u64,
}

impl Line {
    fn new(row: u32, width: u32, height: u32, frame: u64) -> Self {
        let number_end = number_rows(height);
        let bars_end = number_end.max((height - height / 4) & !1);
        let width = u64::from(width);
        let scrolled = frame.wrapping_mul(SCROLL) % width;
        let (band, steps, moved) = if row < number_end {
            (
                Band::Number((frame & 0xffff) as u16),
                u64::from(NUMBER_BITS),
                0,
            )
        } else if row < bars_end {
            let (rows, row) = (
                u64::from(bars_end - number_end),
                u64::from(row - number_end),
            );
            let size = width.min(rows) / 3;
            let left = bounce(frame, BOX_STEP.0, width - size);
            let top = bounce(frame, BOX_STEP.1, rows - size);
            let across = if (top..top + size).contains(&row) {
                size
            } else {
                0
            };
            (
                Band::Bars(left..left + across),
                BAR_COLOURS.len() as u64,
                scrolled,
            )
        } else {
            (Band::Grey, u64::from(GREYS), width - scrolled)
        };
        Self {
            band,
            steps,
            moved,
            width,
        }
    }

    /// The colour of pixel `x`, and the first pixel after it that may have another. Goes on past the right edge.
    fn run(&self, x: u64) -> (Colour, u64) {
        let step = (x + self.moved) * self.steps / self.width;
        let end = ((step + 1) * self.width).div_ceil(self.steps) - self.moved;
        match &self.band {
            Band::Number(bits) => {
                let bit = u64::from(NUMBER_BITS - 1).saturating_sub(step);
                (if bits >> bit & 1 == 1 { WHITE } else { BLACK }, end)
            }
            Band::Bars(bar_box) if bar_box.contains(&x) => (grey(BOX_GREY), bar_box.end),
            Band::Bars(bar_box) => {
                let colour = BAR_COLOURS[(step % BAR_COLOURS.len() as u64) as usize];
                let cut = if x < bar_box.start {
                    bar_box.start
                } else {
                    end
                };
                (colour, end.min(cut))
            }
            Band::Grey => {
                let step = (step % u64::from(GREYS)) as u32;
                (grey(step * 255 / (GREYS - 1)), end)
            }
        }
    }
}

/// A position that goes to and fro between 0 and `range`, `step` a frame; even, so that chroma's edges lie on luma's.
fn bounce(frame: u64, step: u64, range: u64) -> u64 {
    let range = range.max(1);
    let phase = frame.wrapping_mul(step) % (2 * range);
    phase.min(2 * range - phase) & !1
}

/// Reads the low 16 bits of the frame number back. `luma_at(x, y)` is the luma (or the green) of a pixel; it is asked for the middle
/// quarter of each block. `None` when the picture is too narrow for the blocks, a pixel is missing, or a block is neither black nor white.
pub fn read_frame_number(
    width: u32,
    height: u32,
    mut luma_at: impl FnMut(u32, u32) -> Option<u8>,
) -> Option<u16> {
    let rows = number_rows(height);
    if width < NUMBER_BITS || rows == 0 {
        return None;
    }
    // Pixels from `centre - quarter` to `centre + quarter` of a span.
    let middle = |start: u32, end: u32| {
        let inset = (end - start) / 4;
        start + inset..end - inset
    };
    let edge =
        |block: u32| (u64::from(block) * u64::from(width)).div_ceil(u64::from(NUMBER_BITS)) as u32;
    let mut number = 0u16;
    for block in 0..NUMBER_BITS {
        let (mut sum, mut count) = (0u64, 0u64);
        for y in middle(0, rows) {
            for x in middle(edge(block), edge(block + 1)) {
                sum += u64::from(luma_at(x, y)?);
                count += 1;
            }
        }
        let mean = u32::try_from(sum.checked_div(count)?).ok()?;
        let bit = match mean {
            ..BLACK_LUMA => 0,
            BLACK_LUMA..=WHITE_LUMA => return None,
            _ => 1,
        };
        number = number << 1 | bit;
    }
    Some(number)
}

#[cfg(test)]
mod tests;
