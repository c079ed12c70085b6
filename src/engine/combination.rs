//! What decides whether an H.264 encoder starts: size, rate, bitrate, bitrate mode and profile together.
//!
//! Knows how to read them from the driver, and how they are written in a sentence. Knows not what is done about them.

use core::fmt;

use crate::errno::call::IoctlError;
use crate::media::h264::{StreamParams, profile_name};
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE, CID_MPEG_VIDEO_H264_PROFILE,
};
use crate::v4l2::controls;
use crate::v4l2::device::Device;

/// The settings, as the driver has them by now.
#[derive(Clone, Copy, Debug)]
pub struct Combination {
    /// What the H.264 level follows from.
    pub demand: StreamParams,
    /// The bitrate mode is constant.
    pub constant: bool,
}

impl Combination {
    /// Reads the settings. `size` in pixels, `declared` in frames a second as a fraction.
    ///
    /// # Errors
    /// When the driver has a control and does not give its value.
    pub fn read(
        device: &Device,
        size: (u32, u32),
        declared: (u32, u32),
    ) -> Result<Self, IoctlError> {
        let bitrate = controls::read(device, CID_MPEG_VIDEO_BITRATE)?;
        Ok(Self {
            demand: StreamParams {
                size,
                rate: declared,
                bitrate: bitrate.map_or(0, |bits| u32::try_from(bits).unwrap_or(0)),
                profile: controls::read(device, CID_MPEG_VIDEO_H264_PROFILE)?.unwrap_or(0),
            },
            constant: controls::read(device, CID_MPEG_VIDEO_BITRATE_MODE)? == Some(1),
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((width, height), (frames, seconds)) = (self.demand.size, self.demand.rate);
        write!(
            f,
            "{width}x{height} at {frames}/{seconds} frames/s, {} bit/s {}, profile {}",
            self.demand.bitrate,
            if self.constant { "cbr" } else { "vbr" },
            profile_name(self.demand.profile)
        )
    }
}
