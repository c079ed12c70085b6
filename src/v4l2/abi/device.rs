//! The device, and what can be asked of it before a format is chosen: capabilities, formats, frame sizes.
//!
//! Source: `include/uapi/linux/videodev2.h`. Widths and heights are pixels.

use super::layout::{layout, widths};
use super::{BufferType, CAP_DEVICE_CAPS, FRMSIZE_TYPE_DISCRETE};
use crate::media::fourcc::Fourcc;

/// The bytes before the first NUL.
pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    &text[..end]
}

/// `v4l2_capability`: who the device is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Capability {
    /// Driver name, padded with NULs.
    pub driver: [u8; 16],
    /// Device name, padded with NULs.
    pub card: [u8; 32],
    /// Where it sits, padded with NULs.
    pub bus_info: [u8; 32],
    /// Kernel version: `major << 16 | minor << 8 | patch`.
    pub version: u32,
    /// `CAP_*` of the whole physical device.
    pub capabilities: u32,
    /// `CAP_*` of this node, when `CAP_DEVICE_CAPS` is set.
    pub device_caps: u32,
    reserved: [u32; 3],
}

layout! { Capability = "v4l2_capability", size 104;
    driver: 0, card: 16, bus_info: 48, version: 80, capabilities: 84, device_caps: 88, reserved: 92,
}

impl Capability {
    /// `CAP_*` of the node that was opened.
    #[must_use]
    pub const fn node_caps(&self) -> u32 {
        if self.capabilities & CAP_DEVICE_CAPS != 0 {
            self.device_caps
        } else {
            self.capabilities
        }
    }

    /// Driver name without padding.
    #[must_use]
    pub fn driver_name(&self) -> &[u8] {
        until_nul(&self.driver)
    }

    /// Device name without padding.
    #[must_use]
    pub fn card_name(&self) -> &[u8] {
        until_nul(&self.card)
    }

    /// Bus position without padding.
    #[must_use]
    pub fn bus_name(&self) -> &[u8] {
        until_nul(&self.bus_info)
    }
}

/// `v4l2_fmtdesc`: one format that a queue takes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FmtDesc {
    /// Number in the enumeration, from 0.
    pub index: u32,
    /// `v4l2_buf_type`.
    pub type_: u32,
    /// `FMT_FLAG_*`.
    pub flags: u32,
    /// The driver's words for the format, padded with NULs.
    pub description: [u8; 32],
    /// The format's code.
    pub pixelformat: Fourcc,
    /// Media bus code, 0 for any.
    pub mbus_code: u32,
    reserved: [u32; 3],
}

layout! { FmtDesc = "v4l2_fmtdesc", size 64;
    index: 0, type_: 4, flags: 8, description: 12, pixelformat: 44, mbus_code: 48, reserved: 52,
}

impl FmtDesc {
    /// The question "what is the queue's format number `index`?".
    #[must_use]
    pub fn new(buffer_type: BufferType, index: u32) -> Self {
        Self {
            index,
            type_: buffer_type as u32,
            ..Self::default()
        }
    }

    /// The driver's words without padding.
    #[must_use]
    pub fn description(&self) -> &[u8] {
        until_nul(&self.description)
    }
}

/// `v4l2_frmsize_discrete`: one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FrmSizeDiscrete {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

layout! { FrmSizeDiscrete = "v4l2_frmsize_discrete", size 8; width: 0, height: 4 }

/// `v4l2_frmsize_stepwise`: a range of sizes, pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FrmSizeStepwise {
    /// Least width.
    pub min_width: u32,
    /// Greatest width.
    pub max_width: u32,
    /// Widths are `min_width` and whole steps.
    pub step_width: u32,
    /// Least height.
    pub min_height: u32,
    /// Greatest height.
    pub max_height: u32,
    /// Heights are `min_height` and whole steps.
    pub step_height: u32,
}

layout! { FrmSizeStepwise = "v4l2_frmsize_stepwise", size 24;
    min_width: 0, max_width: 4, step_width: 8, min_height: 12, max_height: 16, step_height: 20,
}

/// `v4l2_frmsizeenum`: one size or one range of sizes of a format. Where the kernel has a union, this has its larger half.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FrmSizeEnum {
    /// Number in the enumeration, from 0.
    pub index: u32,
    /// The format asked about.
    pub pixel_format: Fourcc,
    /// `FRMSIZE_TYPE_*`.
    pub type_: u32,
    stepwise: FrmSizeStepwise,
    reserved: [u32; 2],
}

layout! { FrmSizeEnum = "v4l2_frmsizeenum", size 44;
    index: 0, pixel_format: 4, type_: 8, stepwise: 12, reserved: 36,
}

/// What one entry of the frame size enumeration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrmSize {
    /// One size; more may follow.
    Discrete(FrmSizeDiscrete),
    /// All sizes of a range (a continuous range has steps of 1); the only entry.
    Stepwise(FrmSizeStepwise),
}

impl FrmSizeEnum {
    /// The question "what is the format's frame size number `index`?".
    #[must_use]
    pub fn new(pixel_format: Fourcc, index: u32) -> Self {
        Self {
            index,
            pixel_format,
            ..Self::default()
        }
    }

    /// The answer.
    #[must_use]
    pub const fn size(&self) -> FrmSize {
        if self.type_ == FRMSIZE_TYPE_DISCRETE {
            // The union's discrete half is the first two words.
            FrmSize::Discrete(FrmSizeDiscrete {
                width: self.stepwise.min_width,
                height: self.stepwise.max_width,
            })
        } else {
            FrmSize::Stepwise(self.stepwise)
        }
    }
}
