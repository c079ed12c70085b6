//! Which decoder makes raw frames of a camera's coded ones.
//!
//! Knows nodes and what they take. Sets a format on the one that it finds, and nothing on others.

use core::ffi::CStr;

use rustix::fd::AsFd;

use super::middle::FoundMiddle;
use crate::command::devices::Unopened;
use crate::engine::camera::config::Input;
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
use crate::v4l2::camera::{Camera, CaptureFormat};
use crate::v4l2::decoder::{Decoder, names};
use crate::v4l2::device::{Device, NodePath, NotUsable, scan};
use crate::v4l2::ioctl;

/// What the camera codes, where raw frames of this size come not at all or too slowly, coded ones faster, and there is a decoder; which is
/// logged. `raw`: the raw formats that it gives.
pub(super) fn instead_of_raw(
    camera: &Camera,
    choice: CameraChoice<'_>,
    raw: FormatSet,
    size: (u32, u32),
    options: &RunOptions<'_>,
) -> Option<Fourcc> {
    let gives = ioctl::gives(camera.as_fd(), camera.capture.kind(), Fourcc::MJPG);
    if options.decoder == MiddleChoice::Off || options.codec == Fourcc::MJPG || gives != Ok(true) {
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
        .find_map(|raw| rate(CaptureFormat::Raw(raw)));
    if of_raw.is_some_and(|of_raw| !of_raw.is_below(wanted)) {
        return None;
    }
    let of_coded = rate(CaptureFormat::Coded(Fourcc::MJPG))?;
    if of_raw.is_some_and(|of_raw| !of_raw.is_below(of_coded))
        || first(Fourcc::MJPG, &mut Unopened::default()).is_none()
    {
        return None;
    }
    let (width, height) = size;
    match of_raw {
        Some(of_raw) => note!(
            info,
            "{choice}: MJPG at {of_coded} frames/s, because raw frames of {width}x{height} come at {of_raw}"
        ),
        None => note!(
            info,
            "{choice}: MJPG, because it has no raw frames of {width}x{height}"
        ),
    }
    Some(Fourcc::MJPG)
}

/// The first device that decodes this; nodes that do not answer are counted.
fn first(coded: Fourcc, unopened: &mut Unopened) -> Option<(NodePath<'static>, Device)> {
    for (path, device) in scan() {
        let found = device.and_then(|device| Ok(decodes(&device, coded)?.then_some(device)));
        match found {
            Ok(Some(device)) => return Some((path, device)),
            Ok(None) => {}
            Err(reason) => unopened.count(&reason),
        }
    }
    None
}

/// Finds the decoder of a camera's frames, and sets what comes into it. `raw`: what the camera gives without one.
///
/// # Errors
/// When there is none, or it does not take frames of this size.
pub(super) fn find<'a>(
    choice: MiddleChoice<'a>,
    coded: Fourcc,
    size: (u32, u32),
    camera: CameraChoice<'_>,
    raw: FormatSet,
) -> Result<FoundMiddle<'a>, Failure> {
    if !matches!(coded, Fourcc::MJPG | Fourcc::JPEG) {
        return Err(failure!(
            Exit::Usage,
            "--camera-format {coded}: frames of JPEG alone are decoded here; with --codec {coded} they are passed on"
        ));
    }
    let mut unopened = Unopened::default();
    let found = match choice {
        MiddleChoice::Off => None,
        MiddleChoice::Auto => first(coded, &mut unopened),
        MiddleChoice::Path(path) => Some((NodePath::Given(path), named(path, coded)?)),
    };
    let Some((path, device)) = found else {
        return Err(failure!(
            Exit::NoDevice,
            "no decoder for {coded} (see framemill probe); without one {camera} gives {raw}: choose with --camera-format{unopened}",
        ));
    };
    let device = Decoder::of(device);
    if let Err(refused) = device.take(coded, size, 0) {
        return Err(failure!(refused.exit(), "{}: {refused}", path.shown()));
    }
    Ok(FoundMiddle {
        path,
        device,
        input: Input::Coded(coded),
    })
}

/// The device that the user named.
fn named(path: &CStr, coded: Fourcc) -> Result<Device, Failure> {
    let name = Escaped(path.to_bytes());
    let failed = |error: IoctlError| {
        let exit = exit_of(When::Opening, error.errno);
        failure!(exit, "--decoder {name}: {error}")
    };
    let other = |card: &[u8]| {
        failure!(
            Exit::NoDevice,
            "--decoder {name} does not decode {coded}: it is {}",
            Escaped(card)
        )
    };
    match Device::open(path) {
        Ok(device) if decodes(&device, coded).map_err(failed)? => Ok(device),
        Ok(device) => Err(other(device.capability.card_name())),
        Err(NotUsable::NotM2m(capability)) => Err(other(capability.card_name())),
        Err(NotUsable::Call(error)) => Err(failed(error)),
    }
}

/// Whether a device makes raw frames of such coded ones.
///
/// # Errors
/// When it does not say.
fn decodes(device: &Device, coded: Fourcc) -> ioctl::Result<bool> {
    let [first, second] = names(coded);
    let (fd, queue) = (device.as_fd(), device.queue(Queue::Output));
    let takes = ioctl::gives(fd, queue, first)? || ioctl::gives(fd, queue, second)?;
    let raw = ioctl::raw_formats(fd, device.queue(Queue::Capture))?;
    Ok(takes && raw.preferred().is_some())
}
