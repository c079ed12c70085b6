//! One line that describes what is between a camera and the stream, and the contiguous memory that it takes.
//!
//! Knows names, formats and sizes. Changes nothing.

use core::fmt;

use super::config::CameraConfig;
use crate::text::Escaped;
use crate::v4l2::decoder::Decoder;
use crate::v4l2::encoder::{Encoder, buffer_bytes};
use crate::v4l2::negotiate::Wanted;

/// All devices, set up for each other.
pub(super) struct ChainLine<'l> {
    pub(super) config: CameraConfig<'l>,
    pub(super) devices: &'l [Decoder],
    pub(super) encoder: (Escaped<'l>, &'l Encoder),
    pub(super) wanted: &'l Wanted,
}

impl fmt::Display for ChainLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            config,
            devices,
            encoder: (path, encoder),
            wanted,
        } = self;
        let of_stream = (wanted.width, wanted.height);
        let of_camera = config.camera_size(of_stream);
        write!(f, "{config}")?;
        if let Some(first) = config.middle.first() {
            write!(f, " {} {}x{}", first.input, of_camera.0, of_camera.1)?;
        }
        let mut bytes = buffer_bytes(encoder.agreed(), encoder.slots());
        for (at, (one, device)) in config.middle.iter().zip(*devices).enumerate() {
            let (width, height) = config.size_into(at + 1, of_stream);
            let rows = match at + 1 < config.middle.len() {
                true => device.rows(),
                // It fills the encoder's buffers.
                false => wanted.rows.count,
            };
            write!(
                f,
                " to {} {} {width}x{}",
                Escaped(one.node.to_bytes()),
                config.format_from(at).fourcc,
                height.max(rows)
            )?;
            bytes += device.input_bytes();
        }
        let codec = wanted.codec;
        write!(f, " to {path} {codec}; its buffers have {bytes} bytes")
    }
}
