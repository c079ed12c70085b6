//! Colour as V4L2 describes it, and how a source's description, the user's and a stream's go together.
//!
//! Knows the numbers of `include/uapi/linux/v4l2-controls.h` and `videodev2.h`, their defaults (kernel documentation:
//! `userspace-api/media/v4l/colorspaces-details.rst`), and the code points of H.264 (ITU-T H.264, tables E-3 to E-5). Converts no sample.

use core::fmt;

use super::format::{Content, RawFormat};
use super::fourcc::Fourcc;
use super::sps::Sps;
use crate::text::place;

/// Names of `V4L2_COLORSPACE_*`, in the order of their values from 1 on.
pub const COLORSPACES: &str =
    "smpte170m smpte240m rec709 bt878 470m 470bg jpeg srgb oprgb bt2020 raw dci-p3";
/// Names of `V4L2_XFER_FUNC_*`.
const TRANSFERS: &str = "709 srgb oprgb smpte240m none dci-p3 smpte2084";
/// Names of `V4L2_YCBCR_ENC_*`.
const MATRICES: &str = "601 709 xv601 xv709 sycc bt2020 bt2020-const-lum smpte240m";
/// Names of `V4L2_QUANTIZATION_*`.
pub const RANGES: &str = "full limited";

const SMPTE170M: u8 = 1;
const SMPTE240M: u8 = 2;
const REC709: u8 = 3;
const JPEG: u8 = 7;
const SRGB: u8 = 8;
const OPRGB: u8 = 9;
const BT2020: u8 = 10;
const RAW: u8 = 11;
const DCI_P3: u8 = 12;

/// `V4L2_YCBCR_ENC_601`.
const MATRIX_601: u8 = 1;

/// `V4L2_QUANTIZATION_FULL_RANGE`.
pub const FULL_RANGE: u8 = 1;
/// `V4L2_QUANTIZATION_LIM_RANGE`.
pub const LIMITED_RANGE: u8 = 2;

/// What the samples of a frame mean. Each field is V4L2's number; 0 is unknown, and follows from `colorspace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colour {
    /// `V4L2_COLORSPACE_*`, 0 to 12.
    pub colorspace: u8,
    /// `V4L2_XFER_FUNC_*`, 0 to 7.
    pub transfer: u8,
    /// `V4L2_YCBCR_ENC_*`, 0 to 8.
    pub matrix: u8,
    /// `V4L2_QUANTIZATION_*`, 0 to 2.
    pub range: u8,
}

impl Colour {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        colorspace: 0,
        transfer: 0,
        matrix: 0,
        range: 0,
    };

    /// From a driver's numbers; one that V4L2 does not define is unknown.
    #[must_use]
    pub fn new(colorspace: u32, transfer: u32, matrix: u32, range: u32) -> Self {
        let known = |number: u32, names: &str| {
            let count = names.split(' ').count();
            u8::try_from(number)
                .ok()
                .filter(|&known| usize::from(known) <= count)
                .unwrap_or(0)
        };
        Self {
            colorspace: known(colorspace, COLORSPACES),
            transfer: known(transfer, TRANSFERS),
            matrix: known(matrix, MATRICES),
            range: known(range, RANGES),
        }
    }

    /// The same for pictures coded so: those of JFIF are of the full range and the matrix of BT.601, whatever the driver says of the bytes
    /// (V4L2_COLORSPACE_JPEG).
    #[must_use]
    pub fn of_coded(self, coded: Fourcc) -> Self {
        match coded {
            Fourcc::MJPG | Fourcc::JPEG => Self {
                matrix: MATRIX_601,
                range: FULL_RANGE,
                ..self
            },
            _ => self,
        }
    }

    /// All four in one word of a message, the colorspace in the lowest byte.
    #[must_use]
    pub fn to_word(self) -> u32 {
        u32::from_le_bytes([self.colorspace, self.transfer, self.matrix, self.range])
    }

    /// From such a word; `None` when a number is none of V4L2's.
    #[must_use]
    pub fn from_word(word: u32) -> Option<Self> {
        let [colorspace, transfer, matrix, range] = word.to_le_bytes().map(u32::from);
        let colour = Self::new(colorspace, transfer, matrix, range);
        (colour.to_word() == word).then_some(colour)
    }

    /// The colorspace of this name, the rest as it follows from it.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(Self {
            colorspace: u8::try_from(place(name, COLORSPACES)? + 1).ok()?,
            ..Self::UNKNOWN
        })
    }

    /// The same with what `other` knows in place of one's own. Another colorspace brings its own transfer function and matrix.
    #[must_use]
    pub fn overridden_by(self, other: Self) -> Self {
        let choose = |own, other| if other == 0 { own } else { other };
        let base = if other.colorspace == 0 {
            self
        } else {
            Self {
                range: self.range,
                ..Self::UNKNOWN
            }
        };
        Self {
            colorspace: choose(base.colorspace, other.colorspace),
            transfer: choose(base.transfer, other.transfer),
            matrix: choose(base.matrix, other.matrix),
            range: choose(base.range, other.range),
        }
    }

    /// The same for frames of a format, with V4L2's defaults for what is not known beside a colorspace or a range
    /// (`V4L2_MAP_XFER_FUNC_DEFAULT` and the two like it).
    #[must_use]
    pub fn resolved(self, format: &RawFormat) -> Self {
        let or = |known: u8, default: u8| if known == 0 { default } else { known };
        let (transfer, matrix) = match self.colorspace {
            0 => (0, 0),
            SMPTE240M => (4, 8),
            REC709 => (1, 2),
            JPEG | SRGB => (2, 1),
            OPRGB => (3, 1),
            BT2020 => (1, 6),
            RAW => (5, 1),
            DCI_P3 => (6, 2),
            _ => (1, 1),
        };
        let range = match self.colorspace {
            _ if is_rgb(format) => FULL_RANGE,
            JPEG => FULL_RANGE,
            _ => LIMITED_RANGE,
        };
        Self {
            colorspace: self.colorspace,
            transfer: or(self.transfer, transfer),
            matrix: or(self.matrix, matrix),
            range: or(self.range, range),
        }
    }

    /// The same with a colorspace: V4L2 takes the other three from nobody who names none (`v4l_sanitize_colorspace`). It is the one that
    /// players assume for frames of this size when a stream says nothing. Where all is unknown it stays so.
    #[must_use]
    pub fn with_colorspace(self, (width, height): (u32, u32)) -> Self {
        if self.colorspace != 0 || self == Self::UNKNOWN {
            return self;
        }
        let hd = width >= 1280 || height > 576;
        Self {
            colorspace: if hd { REC709 } else { SMPTE170M },
            ..self
        }
    }

    /// Colour primaries, transfer characteristics and matrix coefficients as H.264 numbers them; 2 is unspecified.
    fn code_points(self) -> (u8, u8, u8) {
        let primaries = match self.colorspace {
            SMPTE170M => 6,
            SMPTE240M => 7,
            5 => 4, // 470M
            6 => 5, // 470BG
            REC709 | JPEG | SRGB => 1,
            BT2020 => 9,
            DCI_P3 => 11,
            _ => 2,
        };
        let transfer = match self.transfer {
            1 => 1,
            2 => 13,
            4 => 7,
            5 => 8,
            6 => 17,
            7 => 16,
            _ => 2,
        };
        let matrix = match self.matrix {
            1 | 3 => 6,
            2 | 4 => 1,
            6 => 9,
            7 => 10,
            8 => 7,
            _ => 2,
        };
        (primaries, transfer, matrix)
    }
}

/// `rec709/709/709/limited`: colorspace, transfer function, matrix, range.
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [colorspace, transfer, matrix, range] = self.names();
        write!(f, "{colorspace}/{transfer}/{matrix}/{range}")
    }
}

impl Colour {
    /// The names of the four, in the order of the fields.
    #[must_use]
    pub fn names(self) -> [&'static str; 4] {
        [
            (COLORSPACES, self.colorspace),
            (TRANSFERS, self.transfer),
            (MATRICES, self.matrix),
            (RANGES, self.range),
        ]
        .map(|(names, number)| match number {
            0 => "unknown",
            _ => names
                .split(' ')
                .nth(usize::from(number) - 1)
                .unwrap_or("unknown"),
        })
    }
}

/// Whether the samples are red, green and blue: an encoder converts them with a matrix of its own.
#[must_use]
pub fn is_rgb(format: &RawFormat) -> bool {
    matches!(
        format.planes[0].content,
        Content::Rgb { .. } | Content::Rgb565 { .. }
    )
}

/// What a stream's parameter set does not say of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsignalled {
    /// What was set.
    set: Colour,
    /// The range is another one, or a player takes another one for it.
    range: bool,
    /// Colorspace, transfer function or matrix are others, or are not there.
    description: bool,
}

/// What is lost between a colour that was set for frames of `format` and the stream's parameter set; `None` when nothing is.
#[must_use]
pub fn unsignalled(set: Colour, format: &RawFormat, sps: &Sps) -> Option<Unsignalled> {
    if is_rgb(format) || set == Colour::UNKNOWN {
        return None;
    }
    let full = set.resolved(format).range == FULL_RANGE;
    // Without the flag a player takes limited range.
    let signalled_full = sps.video_signal.is_some_and(|signal| signal.full_range);
    let (primaries, transfer, matrix) = set.resolved(format).code_points();
    let like = |code: u8, signalled: u8, family: &[u8]| {
        code == 2 || code == signalled || family.contains(&code) && family.contains(&signalled)
    };
    let described = sps.video_signal.and_then(|signal| signal.description);
    let matches = described.is_some_and(|found| {
        // The curves of 1, 6, 14 and 15 are one, and so are the matrices 5 and 6.
        like(primaries, found.0, &[])
            && like(transfer, found.1, &[1, 6, 14, 15])
            && like(matrix, found.2, &[5, 6])
    });
    let found = Unsignalled {
        set,
        range: full != signalled_full,
        description: set.colorspace != 0 && !matches,
    };
    (found.range || found.description).then_some(found)
}

impl fmt::Display for Unsignalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.range, self.description) {
            (true, true) => "range and colorspace",
            (true, false) => "range",
            _ => "colorspace",
        };
        write!(
            f,
            "the encoder's SPS does not signal the {what} of {}: players guess, and may show other colours",
            self.set
        )
    }
}

#[cfg(test)]
mod tests;
