//! The raw formats that camera and encoder work with, where the user leaves a choice.
//!
//! Nothing here converts pixels, so the two must be one format (possibly under two names), or differ in how the colour
//! planes are spread over memory planes alone, which costs a copy. Knows lists of formats; sets none.

use rustix::fd::{AsFd, BorrowedFd};

use crate::limits::PLANES;
use crate::media::format::{FORMATS, RawFormat};
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::media::layout::FrameLayout;
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::{BufferType, Queue};
use crate::v4l2::device::Device;
use crate::v4l2::ioctl;
use crate::v4l2::negotiate::output_rows;

/// A format for each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawFormats {
    pub(super) camera: &'static RawFormat,
    pub(super) encoder: &'static RawFormat,
}

impl RawFormats {
    /// Where frames are coded, and no raw format matters.
    pub(super) const UNUSED: Self = Self {
        camera: &FORMATS[0],
        encoder: &FORMATS[0],
    };

    /// The same for both.
    pub(super) fn both(format: &'static RawFormat) -> Self {
        Self {
            camera: format,
            encoder: format,
        }
    }
}

/// Where the rows of whoever fills the slots lie in a format, when it is asked for so many bytes from one to the next in each memory plane.
pub(super) type RowsOf<'a> = dyn Fn(&'static RawFormat, &[u32; PLANES]) -> Option<FrameLayout> + 'a;

/// What the user leaves open is chosen: the first of `FORMATS` that both offer and whose rows lie alike, with the camera in this size where
/// it has a choice; then one whose rows do not, which is copied. `None` when nothing fits.
///
/// # Errors
/// When the encoder does not say what it takes.
#[inline(never)]
pub(super) fn raw_formats(
    rows: &RowsOf<'_>,
    mut gives: FormatSet,
    device: &Device,
    options: &RunOptions<'_>,
    size: (u32, u32),
) -> ioctl::Result<Option<RawFormats>> {
    let takes = offered(device.as_fd(), device.queue(Queue::Output), options.format)?;
    let (mut first, mut copied) = (None, None);
    while let Some(pair) = pair(gives, takes) {
        match agree(rows, device, pair, size) {
            Some(true) => return Ok(Some(pair)),
            Some(false) => copied = copied.or(Some(pair)),
            // None in this size: the first will say so.
            None => first = first.or(Some(pair)),
        }
        gives.remove(pair.camera);
    }
    Ok(copied.or(first))
}

/// Whether both ends have rows that lie alike, or one of them does as the other; `None` when the camera has no frames of this size.
fn agree(rows: &RowsOf<'_>, device: &Device, pair: RawFormats, size: (u32, u32)) -> Option<bool> {
    let mut given = rows(pair.camera, &[0; PLANES])?;
    let own = |strides: &[u32; PLANES]| output_rows(device, pair.encoder, size, strides);
    let Some(taken) = own(&[0; PLANES]) else {
        return Some(false);
    };
    let strides = |layout: &FrameLayout| layout.placement().bytesperline;
    if strides(&given) != strides(&taken)
        && let Some(asked) = rows(pair.camera, &strides(&taken))
    {
        given = asked;
    }
    let alike = strides(&given) == strides(&taken)
        || own(&strides(&given)).is_some_and(|layout| strides(&layout) == strides(&given));
    Some(alike)
}

/// What is asked for, whether it is offered or not: the driver has the last word. Otherwise all that is offered.
///
/// # Errors
/// When the device does not say what it offers.
pub(super) fn offered(
    device: BorrowedFd<'_>,
    queue: BufferType,
    asked: Option<Fourcc>,
) -> ioctl::Result<FormatSet> {
    match asked {
        Some(asked) => Ok(FormatSet::of(asked)),
        None => ioctl::raw_formats(device, queue),
    }
}

/// The first pair that needs no copy, then the first that needs one.
pub(super) fn pair(gives: FormatSet, takes: FormatSet) -> Option<RawFormats> {
    for alike in [true, false] {
        for encoder in takes.iter() {
            for camera in gives.iter() {
                if camera.has_samples_of(encoder) && (!alike || camera.has_layout_of(encoder)) {
                    return Some(RawFormats { camera, encoder });
                }
            }
        }
    }
    None
}

/// Whether two formats that the user gave can be brought together at all.
pub(super) fn fit(one: Fourcc, other: Fourcc) -> bool {
    pair(FormatSet::of(one), FormatSet::of(other)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    fn set(codes: &str) -> FormatSet {
        let mut set = FormatSet::default();
        for code in codes.split(' ').filter(|code| !code.is_empty()) {
            set.insert(Fourcc::parse(code.as_bytes()).unwrap());
        }
        set
    }

    fn chosen(gives: &str, takes: &str) -> String {
        pair(set(gives), set(takes)).map_or(String::new(), |pair| {
            pair.camera.fourcc.to_string() + " " + &pair.encoder.fourcc.to_string()
        })
    }

    #[test]
    fn planar_comes_before_packed_and_colour_before_grey() {
        assert_eq!(chosen("GREY YUYV NV12", "YUYV GREY NV12 YU12"), "NV12 NV12");
        assert_eq!(chosen("GREY RGB3 YUYV", "GREY RGB3 YUYV"), "YUYV YUYV");
        assert_eq!(chosen("GREY YUYV", "GREY YU12"), "GREY GREY");
    }

    #[test]
    fn no_copy_comes_before_a_copy() {
        assert_eq!(chosen("NM12 YUYV", "NV12 YUYV"), "YUYV YUYV");
        assert_eq!(chosen("NM12 YM12", "NV12"), "NM12 NV12");
        assert_eq!(chosen("AR24", "XR24"), "AR24 XR24");
    }

    #[test]
    fn nothing_is_converted() {
        for (gives, takes) in [
            ("YUYV", "YU12"),
            ("NV12", "NV21"),
            ("", "YU12"),
            ("YU12", ""),
        ] {
            assert_eq!(chosen(gives, takes), "");
        }
        assert!(!fit(Fourcc::new(*b"NV12"), Fourcc::new(*b"YU12")));
    }
}
