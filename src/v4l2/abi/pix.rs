//! The two halves of a format that video queues use: an image in one piece of memory, and in several.
//!
//! Source: `include/uapi/linux/videodev2.h`. Widths and heights are pixels, sizes are bytes.

use super::VIDEO_MAX_PLANES;
use super::layout::{layout, widths};
use crate::media::fourcc::Fourcc;

/// `v4l2_pix_format`: an image in one piece of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PixFormat {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The format's code.
    pub pixelformat: Fourcc,
    /// `FIELD_*`.
    pub field: u32,
    /// Bytes from row to row of the first colour plane; 0 for coded formats.
    pub bytesperline: u32,
    /// Bytes that hold any image of the format.
    pub sizeimage: u32,
    /// `COLORSPACE_*`.
    pub colorspace: u32,
    /// `PIX_FMT_PRIV_MAGIC` when the fields after this one count.
    pub priv_: u32,
    /// `V4L2_PIX_FMT_FLAG_*`.
    pub flags: u32,
    /// `YCBCR_ENC_*`.
    pub ycbcr_enc: u32,
    /// `QUANTIZATION_*`.
    pub quantization: u32,
    /// `XFER_FUNC_*`.
    pub xfer_func: u32,
}

layout! { PixFormat = "v4l2_pix_format", size 48;
    width: 0, height: 4, pixelformat: 8, field: 12, bytesperline: 16, sizeimage: 20, colorspace: 24,
    priv_: 28, flags: 32, ycbcr_enc: 36, quantization: 40, xfer_func: 44,
}

/// `v4l2_plane_pix_format`: one memory plane of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PlanePixFormat {
    /// Bytes that hold this plane of any image of the format.
    pub sizeimage: u32,
    /// Bytes from row to row; 0 for coded formats.
    pub bytesperline: u32,
    reserved: [u16; 6],
}

layout! { PlanePixFormat = "v4l2_plane_pix_format", size 20; sizeimage: 0, bytesperline: 4, reserved: 8 }

/// `v4l2_pix_format_mplane`: an image in several pieces of memory.
///
/// Packed in C; every field is aligned all the same, so that sizes and offsets agree and fields can be borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PixFormatMplane {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The format's code.
    pub pixelformat: Fourcc,
    /// `FIELD_*`.
    pub field: u32,
    /// `COLORSPACE_*`.
    pub colorspace: u32,
    /// The memory planes; the first `num_planes` count.
    pub plane_fmt: [PlanePixFormat; VIDEO_MAX_PLANES as usize],
    /// Memory planes, 1 to `VIDEO_MAX_PLANES`.
    pub num_planes: u8,
    /// `V4L2_PIX_FMT_FLAG_*`.
    pub flags: u8,
    /// `YCBCR_ENC_*`.
    pub ycbcr_enc: u8,
    /// `QUANTIZATION_*`.
    pub quantization: u8,
    /// `XFER_FUNC_*`.
    pub xfer_func: u8,
    pub(super) reserved: [u8; 7],
}

layout! { PixFormatMplane = "v4l2_pix_format_mplane", size 192;
    width: 0, height: 4, pixelformat: 8, field: 12, colorspace: 16, plane_fmt: 20, num_planes: 180, flags: 181,
    ycbcr_enc: 182, quantization: 183, xfer_func: 184, reserved: 185,
}
