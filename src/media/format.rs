//! The raw pixel formats that encoders take: which bytes of which plane hold which samples.
//!
//! Knows V4L2's 8-bit formats (kernel documentation: `userspace-api/media/v4l/pixfmt-*.rst`) and their subsampling.
//! Must never know a driver's bytesperline or buffer sizes (`layout` does), nor what a coded format looks like.

use Content::{U, Uv, V, Vu};

use super::fourcc::Fourcc;

/// What one sample group of a colour plane holds, byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One byte of luma.
    Y,
    /// One byte of blue difference (Cb).
    U,
    /// One byte of red difference (Cr).
    V,
    /// Two bytes: Cb, then Cr.
    Uv,
    /// Two bytes: Cr, then Cb.
    Vu,
    /// Four bytes for two pixels that share their chroma; each field is a byte's place in the group, 0..=3.
    Packed422 {
        /// Luma of the left pixel; the right pixel's is two bytes on.
        y: u8,
        /// Cb.
        u: u8,
        /// Cr.
        v: u8,
    },
    /// Three or four bytes for one pixel; each field is a byte's place in the group, 0..=3. A fourth byte is alpha or nothing.
    Rgb {
        /// Red.
        r: u8,
        /// Green.
        g: u8,
        /// Blue.
        b: u8,
    },
    /// Two bytes, five, six and five bits of red, green and blue, red in the highest bits.
    Rgb565 {
        /// Whether the byte with red in it comes first (`RGBR`), not second (`RGBP`).
        big_endian: bool,
    },
}

/// One colour plane of a format: how its rows relate to the picture and to the driver's bytesperline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColourPlane {
    /// What a sample group holds.
    pub content: Content,
    /// Bytes of one sample group, 1..=4.
    pub group_bytes: u8,
    /// Pixels that one sample group covers horizontally, 1 or 2.
    pub horizontal: u8,
    /// Picture rows that one row of this plane covers, 1 or 2.
    pub vertical: u8,
    /// The plane's bytesperline over that of the first plane in the same memory plane, in halves: 1, 2 or 4.
    pub stride_halves: u8,
    /// The memory plane (dma-buf) it lies in, 0..=2.
    pub memory_plane: u8,
}

/// One raw format.
#[derive(Clone, Copy, Debug, Eq)]
pub struct RawFormat {
    /// V4L2's code for it.
    pub fourcc: Fourcc,
    /// The colour planes in the order in which they lie in memory, 1..=3.
    pub planes: &'static [ColourPlane],
}

/// There is one for each code.
impl PartialEq for RawFormat {
    fn eq(&self, other: &Self) -> bool {
        self.fourcc == other.fourcc
    }
}

impl RawFormat {
    /// How many memory planes (separate buffers) a frame has, 1..=3; more than one only in V4L2's "M" formats.
    #[must_use]
    pub fn memory_plane_count(&self) -> u32 {
        self.planes
            .last()
            .map_or(0, |last| u32::from(last.memory_plane) + 1)
    }

    /// Whether a frame of one is a frame of the other row for row, colour plane for colour plane: only where the colour
    /// planes lie may differ.
    #[must_use]
    pub fn has_samples_of(&self, other: &Self) -> bool {
        let shape = |plane: &ColourPlane| (plane.group_bytes, plane.horizontal, plane.vertical);
        self.planes.len() == other.planes.len()
            && (self.planes.iter().zip(other.planes))
                .all(|(a, b)| a.content == b.content && shape(a) == shape(b))
    }

    /// Whether the colour planes also lie in the same memory planes: then the two are one format with two names.
    #[must_use]
    pub fn has_layout_of(&self, other: &Self) -> bool {
        self.memory_plane_count() == other.memory_plane_count() && self.has_samples_of(other)
    }

    /// Whether Cr comes before Cb, in planes or within a pair.
    #[must_use]
    pub fn v_before_u(&self) -> bool {
        match self.planes.get(1).unwrap_or(&self.planes[0]).content {
            Content::V | Content::Vu => true,
            Content::Packed422 { u, v, .. } => v < u,
            _ => false,
        }
    }
}

/// The format of a code; `None` when it is no raw format known here.
#[must_use]
pub fn lookup(fourcc: Fourcc) -> Option<&'static RawFormat> {
    FORMATS.iter().find(|format| format.fourcc == fourcc)
}

/// A plane of one byte a sample, or of two for a Cb/Cr pair.
const fn plane(
    content: Content,
    (horizontal, vertical): (u8, u8),
    stride_halves: u8,
    memory_plane: u8,
) -> ColourPlane {
    let group_bytes = match content {
        Content::Y | Content::U | Content::V => 1,
        Content::Uv | Content::Vu => 2,
        // Not planes of a planar format; `packed` makes those.
        Content::Packed422 { .. } | Content::Rgb { .. } | Content::Rgb565 { .. } => panic!(),
    };
    ColourPlane {
        content,
        group_bytes,
        horizontal,
        vertical,
        stride_halves,
        memory_plane,
    }
}

/// The only plane of a packed format.
const fn packed(content: Content, group_bytes: u8, horizontal: u8) -> ColourPlane {
    ColourPlane {
        content,
        group_bytes,
        horizontal,
        vertical: 1,
        stride_halves: 2,
        memory_plane: 0,
    }
}

const fn format(code: [u8; 4], planes: &'static [ColourPlane]) -> RawFormat {
    RawFormat {
        fourcc: Fourcc::new(code),
        planes,
    }
}

/// One packed plane of Y, U and V in groups of four bytes for two pixels.
const fn packed422(y: u8, u: u8, v: u8) -> ColourPlane {
    packed(Content::Packed422 { y, u, v }, 4, 2)
}

/// One packed plane of three or four bytes a pixel.
const fn rgb(bytes: u8, r: u8, g: u8, b: u8) -> ColourPlane {
    packed(Content::Rgb { r, g, b }, bytes, 1)
}

/// Luma: a byte a pixel, in the first memory plane.
const Y: ColourPlane = plane(Content::Y, (1, 1), 2, 0);

/// Horizontal and vertical subsampling of chroma, as the J:a:b names say.
const S420: (u8, u8) = (2, 2);
const S422: (u8, u8) = (2, 1);
const S444: (u8, u8) = (1, 1);

/// Every raw format known. V4L2 names its 32-bit RGB formats by the word's bits, so the bytes in memory read the other way round:
/// `XR24` (`V4L2_PIX_FMT_XBGR32`) is B, G, R, X in memory. The old `BGR4` and `RGB4` leave open whether the fourth byte is alpha.
pub const FORMATS: &[RawFormat] = &[
    // Planar and semi-planar, one memory plane.
    format(*b"YU12", &[Y, plane(U, S420, 1, 0), plane(V, S420, 1, 0)]),
    format(*b"YV12", &[Y, plane(V, S420, 1, 0), plane(U, S420, 1, 0)]),
    format(*b"NV12", &[Y, plane(Uv, S420, 2, 0)]),
    format(*b"NV21", &[Y, plane(Vu, S420, 2, 0)]),
    format(*b"422P", &[Y, plane(U, S422, 1, 0), plane(V, S422, 1, 0)]),
    format(*b"NV16", &[Y, plane(Uv, S422, 2, 0)]),
    format(*b"NV61", &[Y, plane(Vu, S422, 2, 0)]),
    format(*b"NV24", &[Y, plane(Uv, S444, 4, 0)]),
    format(*b"NV42", &[Y, plane(Vu, S444, 4, 0)]),
    // The same in as many memory planes as colour planes: each has a bytesperline of its own.
    format(*b"YM12", &[Y, plane(U, S420, 2, 1), plane(V, S420, 2, 2)]),
    format(*b"YM21", &[Y, plane(V, S420, 2, 1), plane(U, S420, 2, 2)]),
    format(*b"NM12", &[Y, plane(Uv, S420, 2, 1)]),
    format(*b"NM21", &[Y, plane(Vu, S420, 2, 1)]),
    format(*b"YM16", &[Y, plane(U, S422, 2, 1), plane(V, S422, 2, 2)]),
    format(*b"YM61", &[Y, plane(V, S422, 2, 1), plane(U, S422, 2, 2)]),
    format(*b"NM16", &[Y, plane(Uv, S422, 2, 1)]),
    format(*b"NM61", &[Y, plane(Vu, S422, 2, 1)]),
    format(*b"YM24", &[Y, plane(U, S444, 2, 1), plane(V, S444, 2, 2)]),
    format(*b"YM42", &[Y, plane(V, S444, 2, 1), plane(U, S444, 2, 2)]),
    // Packed 4:2:2.
    format(*b"YUYV", &[packed422(0, 1, 3)]),
    format(*b"YVYU", &[packed422(0, 3, 1)]),
    format(*b"UYVY", &[packed422(1, 0, 2)]),
    format(*b"VYUY", &[packed422(1, 2, 0)]),
    // RGB.
    format(*b"RGB3", &[rgb(3, 0, 1, 2)]),
    format(*b"BGR3", &[rgb(3, 2, 1, 0)]),
    format(*b"BGR4", &[rgb(4, 2, 1, 0)]),
    format(*b"XR24", &[rgb(4, 2, 1, 0)]),
    format(*b"AR24", &[rgb(4, 2, 1, 0)]),
    format(*b"RGB4", &[rgb(4, 1, 2, 3)]),
    format(*b"BX24", &[rgb(4, 1, 2, 3)]),
    format(*b"BA24", &[rgb(4, 1, 2, 3)]),
    format(*b"XB24", &[rgb(4, 0, 1, 2)]),
    format(*b"AB24", &[rgb(4, 0, 1, 2)]),
    format(*b"RX24", &[rgb(4, 3, 2, 1)]),
    format(*b"RA24", &[rgb(4, 3, 2, 1)]),
    format(
        *b"RGBP",
        &[packed(Content::Rgb565 { big_endian: false }, 2, 1)],
    ),
    format(
        *b"RGBR",
        &[packed(Content::Rgb565 { big_endian: true }, 2, 1)],
    ),
    // Last, because it has no colour: where there is a choice the first counts.
    format(*b"GREY", &[Y]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PLANES;

    fn by_name(code: &[u8; 4]) -> &'static RawFormat {
        lookup(Fourcc::new(*code)).unwrap()
    }

    #[test]
    fn every_format_is_found_by_its_code_once() {
        for format in FORMATS {
            let same = FORMATS.iter().filter(|f| f.fourcc == format.fourcc);
            assert_eq!(same.count(), 1, "{}", format.fourcc);
            assert_eq!(lookup(format.fourcc), Some(format));
        }
        assert_eq!(lookup(Fourcc::H264), None);
    }

    #[test]
    fn planes_keep_to_the_ranges_that_their_fields_state() {
        for format in FORMATS {
            assert!((1..=PLANES).contains(&format.planes.len()));
            assert_eq!(format.planes[0].memory_plane, 0);
            assert_eq!(format.planes[0].stride_halves, 2);
            let count = format.memory_plane_count() as usize;
            assert!(count == 1 || count == format.planes.len());
            for plane in format.planes {
                assert!((1..=4).contains(&plane.group_bytes));
                assert!(matches!(plane.horizontal, 1 | 2) && matches!(plane.vertical, 1 | 2));
                assert!(matches!(plane.stride_halves, 1 | 2 | 4));
            }
        }
    }

    #[test]
    fn formats_that_differ_in_name_or_memory_planes_alone_are_told_from_others() {
        for (one, other, rows, place) in [
            (b"NV12", b"NM12", true, false),
            (b"YU12", b"YM12", true, false),
            (b"XR24", b"AR24", true, true),
            (b"YU12", b"YV12", false, false),
            (b"RGB3", b"XB24", false, false),
            (b"NV12", b"NV16", false, false),
            (b"GREY", b"YU12", false, false),
        ] {
            let (one, other) = (by_name(one), by_name(other));
            for (a, b) in [(one, other), (other, one)] {
                assert_eq!((a.has_samples_of(b), a.has_layout_of(b)), (rows, place));
            }
        }
        for format in FORMATS {
            assert!(format.has_layout_of(format));
        }
    }

    #[test]
    fn chroma_order_is_what_the_name_says() {
        for code in [
            b"YV12", b"NV21", b"NV61", b"NV42", b"YM21", b"YVYU", b"VYUY",
        ] {
            assert!(by_name(code).v_before_u());
        }
        for code in [
            b"YU12", b"NV12", b"NM12", b"YUYV", b"UYVY", b"GREY", b"RGB3",
        ] {
            assert!(!by_name(code).v_before_u());
        }
    }
}
