//! Which decoder makes raw pictures of a camera's coded ones.
//!
//! Knows nodes and what they take. Sets a format on the one that it finds, and nothing on others.

use rustix::fd::AsFd;

use crate::errno::call::IoctlError;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::types::devices::{CameraChoice, MiddleChoice};
use crate::v4l2::abi::Queue;
use crate::v4l2::decoder::{Decoder, names};
use crate::v4l2::device::{Device, NodePath, NotUsable, scan};
use crate::v4l2::ioctl;

/// A decoder that takes the pictures.
pub(super) struct FoundDecoder<'a> {
    pub(super) path: NodePath<'a>,
    pub(super) decoder: Decoder,
    /// What the camera gives.
    pub(super) coded: Fourcc,
}

impl FoundDecoder<'_> {
    /// The raw formats that it gives.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) fn gives(&self) -> ioctl::Result<FormatSet> {
        ioctl::raw_formats(self.decoder.as_fd(), self.decoder.pictures.kind())
    }

    /// The sentence of a call on it that failed.
    pub(super) fn failed(&self, error: IoctlError) -> Failure {
        let exit = exit_of(When::SettingUp, error.errno);
        failure!(exit, "{}: {error}", self.path.shown())
    }
}

/// Finds the decoder of a camera's pictures, and sets what comes into it. `raw`: what the camera gives without one.
///
/// # Errors
/// When there is none, or it does not take pictures of this size.
pub(super) fn find<'a>(
    choice: MiddleChoice<'a>,
    coded: Fourcc,
    size: (u32, u32),
    camera: CameraChoice<'_>,
    raw: FormatSet,
) -> Result<FoundDecoder<'a>, Failure> {
    let found = match choice {
        MiddleChoice::Off => None,
        MiddleChoice::Auto => scan().find_map(|(path, device)| {
            let device = device.ok().filter(|device| decodes(device, coded))?;
            Some((path, device))
        }),
        MiddleChoice::Path(path) => {
            let named = NodePath::Given(path);
            match Device::open(path) {
                Ok(device) if decodes(&device, coded) => Some((named, device)),
                Ok(device) => {
                    return Err(failure!(
                        Exit::NoDevice,
                        "--decoder {}: it does not decode {coded}: it is {}",
                        named.shown(),
                        crate::text::Escaped(device.capability.card_name())
                    ));
                }
                Err(NotUsable::NotM2m(capability)) => {
                    return Err(failure!(
                        Exit::NoDevice,
                        "--decoder {}: no memory-to-memory device: it is {}",
                        named.shown(),
                        crate::text::Escaped(capability.card_name())
                    ));
                }
                Err(NotUsable::Call(error)) => {
                    return Err(failure!(
                        exit_of(When::Opening, error.errno),
                        "--decoder {}: {error}",
                        named.shown()
                    ));
                }
            }
        }
    };
    let Some((path, device)) = found else {
        return Err(failure!(
            Exit::NoDevice,
            "no decoder for {coded} (see framemill probe); without one {camera} gives {raw}: choose with --camera-format",
        ));
    };
    let decoder = Decoder::of(device);
    if let Err(refused) = decoder.take(coded, size, 0) {
        return Err(failure!(refused.exit(), "{}: {refused}", path.shown()));
    }
    Ok(FoundDecoder {
        path,
        decoder,
        coded,
    })
}

/// Whether a device makes raw pictures of such coded ones.
fn decodes(device: &Device, coded: Fourcc) -> bool {
    let takes = device
        .formats(Queue::Output)
        .any(|format| names(coded).contains(&format.pixelformat));
    let raw = ioctl::raw_formats(device.as_fd(), device.queue(Queue::Capture));
    takes && raw.is_ok_and(|raw| raw.preferred().is_some())
}
