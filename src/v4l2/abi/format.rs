//! A queue's format: `v4l2_format`, whose union is read and written through accessors.
//!
//! Source: `include/uapi/linux/videodev2.h`. Widths and heights are pixels, sizes are bytes.

use core::fmt;

use super::layout::{layout, widths};
use super::pix::{PixFormat, PixFormatMplane, PlanePixFormat};
use super::{BufferType, FIELD_NONE, PIX_FMT_PRIV_MAGIC, VIDEO_MAX_PLANES};
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;

/// The union of `v4l2_format`: 200 bytes, aligned as its member with pointers (`v4l2_window`, never used here) wants it.
#[derive(Clone, Copy)]
#[repr(C)]
struct FormatUnion {
    align: [usize; 0],
    raw: [u8; 200],
}

impl FormatUnion {
    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.raw.as_chunks().0[at])
    }

    fn set_word(&mut self, at: usize, value: u32) {
        self.raw.as_chunks_mut().0[at] = value.to_ne_bytes();
    }
}

/// `v4l2_format`: what a queue carries. The buffer type is fixed at construction, and with it which half of the union counts.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Format {
    pub(crate) type_: u32,
    fmt: FormatUnion,
}

layout! { Format = "v4l2_format", size 208 | 204; type_: 0, fmt: 8 | 4 }

// Positions in the union, in words. The first four and their meaning are the same in both halves.
const WIDTH: usize = 0;
const HEIGHT: usize = 1;
const PIXELFORMAT: usize = 2;
const FIELD: usize = 3;
const PIX_BYTESPERLINE: usize = 4;
const PIX_SIZEIMAGE: usize = 5;
const PIX_COLORSPACE: usize = 6;
const PIX_PRIV: usize = 7;
const MP_COLORSPACE: usize = 4;
const MP_PLANES: usize = 5;
const MP_PLANE_WORDS: usize = 5;
/// Of the bytes behind the planes: `num_planes`, `flags`, `ycbcr_enc`, `quantization`, `xfer_func`.
const MP_BYTES: usize = 180;

impl Format {
    /// An empty format of a queue: all zero, progressive, and with the extended colour fields in force.
    #[must_use]
    pub fn new(buffer_type: BufferType) -> Self {
        let mut format = Self {
            type_: buffer_type as u32,
            fmt: FormatUnion {
                align: [],
                raw: [0; 200],
            },
        };
        format.fmt.set_word(FIELD, FIELD_NONE);
        if !format.is_mplane() {
            format.fmt.set_word(PIX_PRIV, PIX_FMT_PRIV_MAGIC);
        }
        format
    }

    /// Whether the multi-planar half of the union counts.
    #[must_use]
    pub const fn is_mplane(&self) -> bool {
        self.type_ == BufferType::VideoOutputMplane as u32
            || self.type_ == BufferType::VideoCaptureMplane as u32
    }

    /// The single-planar half; meaningless when `is_mplane`.
    #[must_use]
    pub fn pix(&self) -> PixFormat {
        let word = |at| self.fmt.word(at);
        PixFormat {
            width: word(WIDTH),
            height: word(HEIGHT),
            pixelformat: Fourcc(word(PIXELFORMAT)),
            field: word(FIELD),
            bytesperline: word(PIX_BYTESPERLINE),
            sizeimage: word(PIX_SIZEIMAGE),
            colorspace: word(PIX_COLORSPACE),
            priv_: word(PIX_PRIV),
            flags: word(PIX_PRIV + 1),
            ycbcr_enc: word(PIX_PRIV + 2),
            quantization: word(PIX_PRIV + 3),
            xfer_func: word(PIX_PRIV + 4),
        }
    }

    /// Replaces the single-planar half; no effect when `is_mplane`.
    pub fn set_pix(&mut self, pix: &PixFormat) {
        if self.is_mplane() {
            return;
        }
        let words = [
            pix.width,
            pix.height,
            pix.pixelformat.0,
            pix.field,
            pix.bytesperline,
            pix.sizeimage,
            pix.colorspace,
            pix.priv_,
            pix.flags,
            pix.ycbcr_enc,
            pix.quantization,
            pix.xfer_func,
        ];
        for (at, word) in words.into_iter().enumerate() {
            self.fmt.set_word(at, word);
        }
    }

    /// The multi-planar half; meaningless unless `is_mplane`.
    #[must_use]
    pub fn pix_mp(&self) -> PixFormatMplane {
        let word = |at| self.fmt.word(at);
        let mut plane_fmt = [PlanePixFormat::default(); VIDEO_MAX_PLANES as usize];
        for (plane, format) in plane_fmt.iter_mut().enumerate() {
            let at = MP_PLANES + plane * MP_PLANE_WORDS;
            format.sizeimage = word(at);
            format.bytesperline = word(at + 1);
        }
        let byte = |at: usize| self.fmt.raw[MP_BYTES + at];
        PixFormatMplane {
            width: word(WIDTH),
            height: word(HEIGHT),
            pixelformat: Fourcc(word(PIXELFORMAT)),
            field: word(FIELD),
            colorspace: word(MP_COLORSPACE),
            plane_fmt,
            num_planes: byte(0),
            flags: byte(1),
            ycbcr_enc: byte(2),
            quantization: byte(3),
            xfer_func: byte(4),
            ..PixFormatMplane::default()
        }
    }

    /// Replaces the multi-planar half; no effect unless `is_mplane`.
    pub fn set_pix_mp(&mut self, pix: &PixFormatMplane) {
        if !self.is_mplane() {
            return;
        }
        let words = [
            pix.width,
            pix.height,
            pix.pixelformat.0,
            pix.field,
            pix.colorspace,
        ];
        for (at, word) in words.into_iter().enumerate() {
            self.fmt.set_word(at, word);
        }
        for (plane, format) in pix.plane_fmt.iter().enumerate() {
            let at = MP_PLANES + plane * MP_PLANE_WORDS;
            self.fmt.set_word(at, format.sizeimage);
            self.fmt.set_word(at + 1, format.bytesperline);
        }
        let bytes = [
            pix.num_planes,
            pix.flags,
            pix.ycbcr_enc,
            pix.quantization,
            pix.xfer_func,
        ];
        self.fmt.raw[MP_BYTES..MP_BYTES + bytes.len()].copy_from_slice(&bytes);
    }

    /// Width and height, pixels, whichever the API.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.fmt.word(WIDTH), self.fmt.word(HEIGHT))
    }

    /// Sets width and height, pixels.
    pub fn set_size(&mut self, width: u32, height: u32) {
        self.fmt.set_word(WIDTH, width);
        self.fmt.set_word(HEIGHT, height);
    }

    /// The format's code, whichever the API.
    #[must_use]
    pub fn pixelformat(&self) -> Fourcc {
        Fourcc(self.fmt.word(PIXELFORMAT))
    }

    /// Sets the format's code.
    pub fn set_pixelformat(&mut self, code: Fourcc) {
        self.fmt.set_word(PIXELFORMAT, code.0);
    }

    /// `FIELD_*`, whichever the API.
    #[must_use]
    pub fn field(&self) -> u32 {
        self.fmt.word(FIELD)
    }

    /// Sets `FIELD_*`.
    pub fn set_field(&mut self, field: u32) {
        self.fmt.set_word(FIELD, field);
    }

    /// What the samples mean, whichever the API. A driver that does not know the extended fields leaves only the colorspace.
    #[must_use]
    pub fn colour(&self) -> Colour {
        let (colorspace, [transfer, matrix, range]) = if self.is_mplane() {
            let pix = self.pix_mp();
            let extended = [pix.xfer_func, pix.ycbcr_enc, pix.quantization];
            (pix.colorspace, extended.map(u32::from))
        } else {
            let pix = self.pix();
            let extended = match pix.priv_ {
                PIX_FMT_PRIV_MAGIC => [pix.xfer_func, pix.ycbcr_enc, pix.quantization],
                _ => [0; 3],
            };
            (pix.colorspace, extended)
        };
        Colour::new(colorspace, transfer, matrix, range)
    }

    /// Sets what the samples mean.
    pub fn set_colour(&mut self, colour: Colour) {
        if self.is_mplane() {
            let mut pix = self.pix_mp();
            pix.colorspace = colour.colorspace.into();
            (pix.xfer_func, pix.ycbcr_enc) = (colour.transfer, colour.matrix);
            pix.quantization = colour.range;
            self.set_pix_mp(&pix);
        } else {
            let mut pix = self.pix();
            pix.colorspace = colour.colorspace.into();
            (pix.xfer_func, pix.ycbcr_enc) = (colour.transfer.into(), colour.matrix.into());
            pix.quantization = colour.range.into();
            self.set_pix(&pix);
        }
    }

    /// Memory planes: 1 with the single-planar API, what the driver wrote (at most `VIDEO_MAX_PLANES`) with the other.
    #[must_use]
    pub fn planes(&self) -> usize {
        if self.is_mplane() {
            usize::from(self.fmt.raw[MP_BYTES]).min(VIDEO_MAX_PLANES as usize)
        } else {
            1
        }
    }

    /// Sets the number of memory planes; no effect with the single-planar API.
    pub fn set_planes(&mut self, planes: u8) {
        if self.is_mplane() {
            self.fmt.raw[MP_BYTES] = planes;
        }
    }

    /// Bytes that a plane's buffer must hold; 0 for a plane that cannot exist.
    #[must_use]
    pub fn sizeimage(&self, plane: usize) -> u32 {
        self.plane_words(plane)
            .map_or(0, |(size, _)| self.fmt.word(size))
    }

    /// Sets the bytes that a plane's buffer must hold; no effect for a plane that cannot exist.
    pub fn set_sizeimage(&mut self, plane: usize, bytes: u32) {
        if let Some((size, _)) = self.plane_words(plane) {
            self.fmt.set_word(size, bytes);
        }
    }

    /// Bytes from row to row of a plane; 0 for coded formats and for a plane that cannot exist.
    #[must_use]
    pub fn bytesperline(&self, plane: usize) -> u32 {
        self.plane_words(plane)
            .map_or(0, |(_, line)| self.fmt.word(line))
    }

    /// Sets the bytes from row to row of a plane; no effect for a plane that cannot exist.
    pub fn set_bytesperline(&mut self, plane: usize, bytes: u32) {
        if let Some((_, line)) = self.plane_words(plane) {
            self.fmt.set_word(line, bytes);
        }
    }

    /// Where a plane's `sizeimage` and `bytesperline` are.
    fn plane_words(&self, plane: usize) -> Option<(usize, usize)> {
        if !self.is_mplane() {
            (plane == 0).then_some((PIX_SIZEIMAGE, PIX_BYTESPERLINE))
        } else if plane < VIDEO_MAX_PLANES as usize {
            let at = MP_PLANES + plane * MP_PLANE_WORDS;
            Some((at, at + 1))
        } else {
            None
        }
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_mplane() {
            fmt::Debug::fmt(&self.pix_mp(), f)
        } else {
            fmt::Debug::fmt(&self.pix(), f)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn single_planar_format_comes_back_as_it_was_set() {
        let mut format = Format::new(BufferType::VideoOutput);
        assert_eq!(format.pix().priv_, PIX_FMT_PRIV_MAGIC);
        let pix = PixFormat {
            width: 1,
            height: 2,
            pixelformat: Fourcc(3),
            field: 4,
            bytesperline: 5,
            sizeimage: 6,
            colorspace: 7,
            priv_: 8,
            flags: 9,
            ycbcr_enc: 10,
            quantization: 11,
            xfer_func: 12,
        };
        format.set_pix(&pix);
        assert_eq!(format.pix(), pix);
        assert_eq!(format.size(), (1, 2));
        assert_eq!((format.bytesperline(0), format.sizeimage(0)), (5, 6));
        assert_eq!((format.bytesperline(1), format.planes()), (0, 1));
    }

    #[test]
    fn multi_planar_format_comes_back_as_it_was_set() {
        let mut format = Format::new(BufferType::VideoCaptureMplane);
        let mut pix = PixFormatMplane {
            width: 1,
            height: 2,
            pixelformat: Fourcc(3),
            field: 4,
            colorspace: 5,
            num_planes: 3,
            flags: 6,
            ycbcr_enc: 7,
            quantization: 8,
            xfer_func: 9,
            ..PixFormatMplane::default()
        };
        for (n, plane) in (10..).zip(&mut pix.plane_fmt) {
            plane.sizeimage = n;
            plane.bytesperline = n * 100;
        }
        format.set_pix_mp(&pix);
        assert_eq!(format.pix_mp(), pix);
        assert_eq!(format.planes(), 3);
        assert_eq!((format.sizeimage(7), format.bytesperline(7)), (17, 1700));
        assert_eq!((format.sizeimage(8), format.bytesperline(8)), (0, 0));
        format.set_sizeimage(2, 99);
        assert_eq!(format.pix_mp().plane_fmt[2].sizeimage, 99);
    }

    #[test]
    fn colour_comes_back_as_it_was_set_with_either_api() {
        let colour = Colour::new(3, 1, 2, 1);
        for queue in [BufferType::VideoOutput, BufferType::VideoOutputMplane] {
            let mut format = Format::new(queue);
            format.set_size(640, 480);
            format.set_sizeimage(0, 9);
            assert_eq!(format.colour(), Colour::UNKNOWN);
            format.set_colour(colour);
            assert_eq!(format.colour(), colour);
            assert_eq!((format.size(), format.sizeimage(0)), ((640, 480), 9));
        }
        // Without the magic the fields behind it are not the driver's.
        let mut format = Format::new(BufferType::VideoOutput);
        format.set_colour(colour);
        let mut pix = format.pix();
        pix.priv_ = 0;
        format.set_pix(&pix);
        assert_eq!(format.colour(), Colour::new(3, 0, 0, 0));
    }

    #[test]
    fn the_half_that_does_not_count_is_not_written() {
        let mut format = Format::new(BufferType::VideoOutput);
        format.set_pix_mp(&PixFormatMplane {
            width: 9,
            ..PixFormatMplane::default()
        });
        assert_eq!(format.size(), (0, 0));
    }

    #[test]
    fn positions_in_the_union_are_those_of_the_structures() {
        assert_eq!(PIX_PRIV * 4, offset_of!(PixFormat, priv_));
        assert_eq!(PIX_COLORSPACE * 4, offset_of!(PixFormat, colorspace));
        assert_eq!(PIX_SIZEIMAGE * 4, offset_of!(PixFormat, sizeimage));
        assert_eq!(PIX_BYTESPERLINE * 4, offset_of!(PixFormat, bytesperline));
        assert_eq!(MP_COLORSPACE * 4, offset_of!(PixFormatMplane, colorspace));
        assert_eq!(MP_PLANES * 4, offset_of!(PixFormatMplane, plane_fmt));
        assert_eq!(MP_PLANE_WORDS * 4, size_of::<PlanePixFormat>());
        assert_eq!(MP_BYTES, offset_of!(PixFormatMplane, num_planes));
        assert_eq!(FIELD * 4, offset_of!(PixFormatMplane, field));
    }
}
