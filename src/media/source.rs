//! Where the rows of a frame lie in a raw file or pipe: tightly packed, or with padding after each row and below the last.
//!
//! Knows the arithmetic. Knows no file, and no driver's buffers (`layout` does).

use core::fmt;

use super::format::{ColourPlane, RawFormat};
use super::fourcc::Fourcc;
use crate::limits::PLANES;

/// What is known of the padding in a raw input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// From one row's start to the next one's in the first colour plane, bytes; `None`: rows follow each other.
    pub stride: Option<u32>,
    /// Rows of the first colour plane, those below the picture included; `None`: no more than the picture has.
    pub rows: Option<u32>,
}

/// One colour plane of a frame in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourcePlane {
    /// Bytes of a row that belong to the picture, at least 1.
    pub row_bytes: u32,
    /// From one row's start to the next one's, bytes; at least `row_bytes`.
    pub stride: u32,
    /// Rows that belong to the picture, at least 1.
    pub rows: u32,
    /// Rows in the input, at least `rows`.
    pub allocated_rows: u32,
}

impl SourcePlane {
    /// Bytes of the plane, padding included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.stride) * u64::from(self.allocated_rows)
    }
}

/// A frame in a raw input: its colour planes one after the other, in the order of `RawFormat::planes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLayout {
    planes: [SourcePlane; PLANES],
    count: usize,
}

/// Why a padding does not go with a format and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaddingError {
    /// The stride is less than a row.
    Stride {
        /// The one given, bytes.
        stride: u32,
        /// Bytes of a row.
        row_bytes: u32,
        /// Width, pixels.
        width: u32,
        /// The raw format.
        format: Fourcc,
    },
    /// There are fewer rows than the picture has.
    Rows {
        /// The ones given.
        rows: u32,
        /// Height of the picture, rows.
        height: u32,
    },
    /// Rows or bytes of the first colour plane that the other planes have no whole part of.
    Fraction {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u32,
        /// What it must be a multiple of.
        step: u32,
        /// The raw format.
        format: Fourcc,
    },
}

impl fmt::Display for PaddingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stride {
                stride,
                row_bytes,
                width,
                format,
            } => write!(
                f,
                "--stride {stride} is less than a row: {width} pixels of {format} have {row_bytes} bytes"
            ),
            Self::Rows { rows, height } => {
                write!(f, "--rows {rows} is less than the height, {height}")
            }
            Self::Fraction {
                option,
                value,
                step,
                format,
            } => write!(
                f,
                "{option} {value}: {format} needs a multiple of {step}, {} or {}",
                value - value % step,
                value.next_multiple_of(step)
            ),
        }
    }
}

impl core::error::Error for PaddingError {}

impl SourceLayout {
    /// Lays out a frame of this size. Stride and rows of the other colour planes follow from those of the first as V4L2 has them:
    /// in proportion to their samples. `YU12` with a stride of 832 and 368 rows has chroma rows 416 bytes apart, 184 of them.
    ///
    /// # Errors
    /// When a row is longer than the stride, there are fewer rows than the picture has, or a part of them is not whole.
    pub fn new(
        format: &RawFormat,
        size: (u32, u32),
        padding: Padding,
    ) -> Result<Self, PaddingError> {
        let first = format.planes[0];
        let mut layout = Self {
            planes: [SourcePlane::default(); PLANES],
            count: format.planes.len(),
        };
        for (plane, placed) in format.planes.iter().zip(&mut layout.planes) {
            let row_bytes = row_bytes(plane, size.0);
            let rows = size.1.div_ceil(u32::from(plane.vertical));
            *placed = SourcePlane {
                row_bytes,
                stride: match padding.stride {
                    Some(stride) => part_of_stride(format, &first, plane, stride)?,
                    None => row_bytes,
                },
                rows,
                allocated_rows: match padding.rows {
                    Some(all) => part_of_rows(format, plane, all)?,
                    None => rows,
                },
            };
            if placed.stride < row_bytes {
                return Err(PaddingError::Stride {
                    stride: padding.stride.unwrap_or(0),
                    row_bytes: self::row_bytes(&first, size.0),
                    width: size.0,
                    format: format.fourcc,
                });
            }
            if placed.allocated_rows < rows {
                return Err(PaddingError::Rows {
                    rows: padding.rows.unwrap_or(0),
                    height: size.1,
                });
            }
        }
        Ok(layout)
    }

    /// The colour planes.
    #[must_use]
    pub fn planes(&self) -> &[SourcePlane] {
        self.planes.get(..self.count).unwrap_or(&self.planes)
    }

    /// Bytes of a frame in the input, padding included.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        self.planes().iter().map(SourcePlane::bytes).sum()
    }
}

/// Bytes of a row of so many pixels; chroma of odd widths is rounded up.
fn row_bytes(plane: &ColourPlane, width: u32) -> u32 {
    width.div_ceil(u32::from(plane.horizontal)) * u32::from(plane.group_bytes)
}

/// The plane's stride, given the first plane's.
fn part_of_stride(
    format: &RawFormat,
    first: &ColourPlane,
    plane: &ColourPlane,
    stride: u32,
) -> Result<u32, PaddingError> {
    // Bytes a pixel, as a fraction, over those of the first plane.
    let part = u32::from(plane.group_bytes) * u32::from(first.horizontal);
    let whole = u32::from(plane.horizontal) * u32::from(first.group_bytes);
    if !(stride * part).is_multiple_of(whole) {
        return Err(PaddingError::Fraction {
            option: "--stride",
            value: stride,
            step: whole / part,
            format: format.fourcc,
        });
    }
    Ok(stride * part / whole)
}

/// The plane's rows, given the first plane's.
fn part_of_rows(format: &RawFormat, plane: &ColourPlane, rows: u32) -> Result<u32, PaddingError> {
    let step = u32::from(plane.vertical);
    if !rows.is_multiple_of(step) {
        return Err(PaddingError::Fraction {
            option: "--rows",
            value: rows,
            step,
            format: format.fourcc,
        });
    }
    Ok(rows / step)
}

/// Distances between rows that cameras and codecs use: multiples of these, bytes.
const USUAL_STRIDES: [u32; 6] = [16, 32, 64, 128, 256, 512];
/// Heights that they round up to: multiples of these, rows.
const USUAL_ROWS: [u32; 4] = [1, 8, 16, 32];

/// A padding of the usual kind with which so many bytes are a whole number of frames: the smallest; `None` when there is none. Only a
/// guess, for a message.
#[must_use]
pub fn likely_padding(format: &RawFormat, size: (u32, u32), bytes: u64) -> Option<Padding> {
    let row = row_bytes(format.planes.first()?, size.0);
    for rows in USUAL_ROWS {
        for stride in USUAL_STRIDES {
            let padding = Padding {
                stride: Some(row.next_multiple_of(stride)),
                rows: Some(size.1.next_multiple_of(rows)),
            };
            let Ok(layout) = SourceLayout::new(format, size, padding) else {
                continue;
            };
            if bytes != 0 && bytes.is_multiple_of(layout.frame_bytes()) {
                return Some(Padding {
                    stride: padding.stride.filter(|&stride| stride != row),
                    rows: padding.rows.filter(|&rows| rows != size.1),
                });
            }
        }
    }
    None
}

/// As options of `push`: ` --stride 832 --rows 368`.
impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stride) = self.stride {
            write!(f, " --stride {stride}")?;
        }
        if let Some(rows) = self.rows {
            write!(f, " --rows {rows}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{FORMATS, lookup};
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    fn format(code: &[u8; 4]) -> &'static RawFormat {
        lookup(Fourcc::new(*code)).unwrap()
    }

    fn padded(stride: u32, rows: u32) -> Padding {
        Padding {
            stride: Some(stride),
            rows: Some(rows),
        }
    }

    #[test]
    fn the_other_planes_follow_from_the_first_as_in_v4l2() {
        for (code, expected) in [
            (b"YU12", &[(832, 368), (416, 184), (416, 184)][..]),
            (b"YM12", &[(832, 368), (416, 184), (416, 184)]),
            (b"NV12", &[(832, 368), (832, 184)]),
            (b"422P", &[(832, 368), (416, 368), (416, 368)]),
            (b"NV16", &[(832, 368), (832, 368)]),
            (b"NV24", &[(832, 368), (1664, 368)]),
            (b"YM24", &[(832, 368), (832, 368), (832, 368)]),
            (b"GREY", &[(832, 368)]),
        ] {
            let layout = SourceLayout::new(format(code), (780, 360), padded(832, 368)).unwrap();
            let found: Vec<_> = (layout.planes().iter())
                .map(|plane| (plane.stride, plane.allocated_rows))
                .collect();
            assert_eq!(found, expected);
            let bytes: u32 = expected.iter().map(|(stride, rows)| stride * rows).sum();
            assert_eq!(layout.frame_bytes(), u64::from(bytes));
        }
        let yuyv = SourceLayout::new(format(b"YUYV"), (780, 360), padded(1664, 360)).unwrap();
        assert_eq!(yuyv.planes()[0].row_bytes, 1560);
        assert_eq!(yuyv.frame_bytes(), 1664 * 360);
    }

    #[test]
    fn without_padding_it_is_the_tight_frame_of_every_format_and_size() {
        for format in FORMATS {
            for size in [(16, 16), (17, 16), (16, 17), (853, 479)] {
                let tight = format.tight(size.0, size.1).unwrap().frame_bytes();
                let layout = SourceLayout::new(format, size, Padding::default()).unwrap();
                assert_eq!(layout.frame_bytes(), tight, "{} {size:?}", format.fourcc);
            }
        }
    }

    #[test]
    fn a_padding_that_cannot_be_names_the_option_and_the_value_that_works() {
        let error = |code, padding| {
            let answer = SourceLayout::new(format(code), (780, 360), padding);
            answer.unwrap_err().to_string()
        };
        assert_eq!(
            error(b"YU12", padded(700, 360)),
            "--stride 700 is less than a row: 780 pixels of YU12 have 780 bytes"
        );
        assert_eq!(
            error(b"YUYV", padded(832, 360)),
            "--stride 832 is less than a row: 780 pixels of YUYV have 1560 bytes"
        );
        assert_eq!(
            error(b"NV12", padded(832, 358)),
            "--rows 358 is less than the height, 360"
        );
        assert_eq!(
            error(b"YU12", padded(833, 360)),
            "--stride 833: YU12 needs a multiple of 2, 832 or 834"
        );
        assert_eq!(
            error(b"NV12", padded(832, 361)),
            "--rows 361: NV12 needs a multiple of 2, 360 or 362"
        );
    }

    #[test]
    fn the_usual_paddings_are_recognised_by_the_total() {
        let guess = |code, size, frame: u64, frames: u64| {
            likely_padding(format(code), size, frame * frames).map(|padding| padding.to_string())
        };
        let yu12 = |stride: u64, rows: u64| stride * rows * 3 / 2;
        // Seven frames of a camera that aligns rows to 64 bytes.
        assert_eq!(
            guess(b"YU12", (780, 360), yu12(832, 360), 7).as_deref(),
            Some(" --stride 832")
        );
        // 1080 rows that an encoder keeps as 1088.
        assert_eq!(
            guess(b"NV12", (1920, 1080), yu12(1920, 1088), 1).as_deref(),
            Some(" --rows 1088")
        );
        assert_eq!(guess(b"YU12", (780, 360), 1, 1), None);
        assert_eq!(guess(b"YU12", (780, 360), 0, 1), None);
    }
}
