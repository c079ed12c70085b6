//! Which decoder makes raw pictures of a camera's coded ones.
//!
//! Knows nodes and what they take. Sets a format on the one that it finds, and nothing on others.

use rustix::fd::AsFd;

use crate::errno::call::IoctlError;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::limits::PLANES;
use crate::log::note;
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;
use crate::types::devices::{CameraChoice, MiddleChoice};
use crate::types::frame_rate::FrameRate;
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::Queue;
use crate::v4l2::camera::{Camera, PictureFormat};
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

/// What the camera codes, where raw pictures of this size come not at all or too slowly, coded ones faster, and there is a decoder; which is
/// logged. `raw`: the raw formats that it gives.
pub(super) fn instead_of_raw(
    camera: &Camera,
    choice: CameraChoice<'_>,
    raw: FormatSet,
    size: (u32, u32),
    options: &RunOptions<'_>,
) -> Option<Fourcc> {
    let gives = ioctl::gives(camera.as_fd(), camera.pictures.kind(), Fourcc::MJPG);
    if options.decoder == MiddleChoice::Off || options.codec == Fourcc::MJPG || !gives {
        return None;
    }
    let wanted = options.frame_rate;
    let asked = (wanted.numerator, wanted.denominator);
    let rate = |format| {
        let (frames, seconds) = camera.rate(format, size, asked)?;
        FrameRate::new(frames, seconds)
    };
    let of_raw = raw
        .iter()
        .filter(|raw| camera.rows(raw, size, &[0; PLANES]).is_some())
        .find_map(|raw| rate(PictureFormat::Raw(raw)));
    if of_raw.is_some_and(|of_raw| !of_raw.is_below(wanted)) {
        return None;
    }
    let of_coded = rate(PictureFormat::Coded(Fourcc::MJPG))?;
    if of_raw.is_some_and(|of_raw| !of_raw.is_below(of_coded)) || first(Fourcc::MJPG).is_none() {
        return None;
    }
    let (width, height) = size;
    match of_raw {
        Some(of_raw) => note!(
            info,
            "{choice}: MJPG at {of_coded} frames/s, because raw pictures of {width}x{height} come at {of_raw}"
        ),
        None => note!(
            info,
            "{choice}: MJPG, because it has no raw pictures of {width}x{height}"
        ),
    }
    Some(Fourcc::MJPG)
}

/// The first device that decodes this.
fn first(coded: Fourcc) -> Option<(NodePath<'static>, Device)> {
    scan().find_map(|(path, device)| {
        let device = device.ok().filter(|device| decodes(device, coded))?;
        Some((path, device))
    })
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
        MiddleChoice::Auto => first(coded),
        MiddleChoice::Path(path) => {
            let named = NodePath::Given(path);
            match Device::open(path) {
                Ok(device) if decodes(&device, coded) => Some((named, device)),
                Ok(device) => {
                    return Err(failure!(
                        Exit::NoDevice,
                        "--decoder {}: it does not decode {coded}: it is {}",
                        named.shown(),
                        Escaped(device.capability.card_name())
                    ));
                }
                Err(NotUsable::NotM2m(capability)) => {
                    return Err(failure!(
                        Exit::NoDevice,
                        "--decoder {}: no memory-to-memory device: it is {}",
                        named.shown(),
                        Escaped(capability.card_name())
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
