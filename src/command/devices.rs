//! The devices that `run` is to work with: which encoder, and which camera. Waits where that was asked for.
//!
//! Knows nodes and how their absence is told; what is done with an encoder is `run`'s business.

use core::ffi::CStr;

use rustix::event::{PollFd, PollFlags, poll};

use crate::cli::{DeviceChoice, RunOptions};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::DEVICE_RETRY_MS;
use crate::signals::Signals;
use crate::text::Escaped;
use crate::time::{MS, now, timespec};
use crate::v4l2::camera::Camera;
use crate::v4l2::device::{Device, NodePath, NotUsable, scan};
use crate::v4l2::encoder::Encoder;
use crate::v4l2::errno::Call;
use crate::v4l2::negotiate::Wanted;
pub(super) fn open_camera(path: &CStr) -> Result<Camera, Failure> {
    let name = Escaped(path.to_bytes());
    Camera::open(path).map_err(|error| match error {
        NotUsable::NotM2m(capability) => failure!(
            Exit::NoDevice,
            "{name} is no camera: it is {}",
            Escaped(capability.card_name())
        ),
        NotUsable::Call(error) => failure!(Exit::NoDevice, "{name}: {error}"),
    })
}

/// The camera with its buffers imported into the encoder: no picture is copied on the way.
#[inline(never)]
pub(super) fn attach(
    mut camera: Camera,
    encoder: &mut Encoder,
    wanted: &Wanted,
    path: &CStr,
    slots: u32,
) -> Result<Camera, Failure> {
    let name = Escaped(path.to_bytes());
    let rows = camera
        .negotiate(wanted)
        .map_err(|refused| failure!(Exit::Refused, "{name}: {refused}"))?;
    let buffers = camera
        .allocate(slots)
        .map_err(|error| failure!(Exit::Resource, "{name}: {error}"))?;
    encoder
        .import(wanted, camera.slots(), &rows, buffers)
        .map_err(|error| {
            failure!(
                Exit::Refused,
                "{name}: the encoder cannot read the camera's buffers: {error}"
            )
        })?;
    Ok(camera)
}

/// The device, waiting for it as long as was asked.
#[inline(never)]
pub(super) fn find(
    options: &RunOptions<'_>,
    signals: &Signals,
) -> Result<(Device, NodePath), Failure> {
    let deadline = now().saturating_add(u64::from(options.wait_device_ms) * MS);
    loop {
        let left = deadline.saturating_sub(now());
        let found = match options.device {
            DeviceChoice::Auto => find_auto(options, left == 0)?,
            DeviceChoice::Path(path) => find_named(path, left == 0)?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        // Asleep, but not deaf.
        let pause = timespec(left.min(u64::from(DEVICE_RETRY_MS) * MS));
        let _ = poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&pause));
        if signals.take() {
            return Err(failure!(
                Exit::NoDevice,
                "told to stop while waiting for the device"
            ));
        }
    }
}

/// The node of this name; `None` when it cannot be opened yet and this is not the last try.
fn find_named(path: &CStr, last: bool) -> Result<Option<(Device, NodePath)>, Failure> {
    let name = Escaped(path.to_bytes());
    match Device::open(path) {
        Ok(device) => Ok(Some((device, shown(path)))),
        Err(NotUsable::NotM2m(capability)) => Err(failure!(
            Exit::NoDevice,
            "{name} is no memory-to-memory encoder: it is {}",
            Escaped(capability.card_name())
        )),
        // A node appears before udev has set who may open it.
        Err(NotUsable::Call(error)) if error.call == Call::Open && !last => Ok(None),
        Err(NotUsable::Call(error)) => Err(failure!(Exit::NoDevice, "{name}: {error}")),
    }
}

/// The first node that does the job; `None` when there is none and this is not the last try.
fn find_auto(options: &RunOptions<'_>, last: bool) -> Result<Option<(Device, NodePath)>, Failure> {
    let (mut nodes, mut encoders) = (0u32, 0u32);
    for (path, device) in scan() {
        nodes += 1;
        let Ok(device) = device else { continue };
        if device.encodes(options.format, options.codec) {
            return Ok(Some((device, path)));
        }
        encoders += 1;
    }
    if !last {
        return Ok(None);
    }
    Err(failure!(
        Exit::NoDevice,
        "no device encodes {} to {}: {nodes} video nodes, {encoders} of them memory-to-memory (see framemill probe)",
        options.format,
        options.codec
    ))
}

/// A path as text, cut to what fits.
fn shown(path: &CStr) -> NodePath {
    let mut text = NodePath::new();
    for &byte in path.to_bytes() {
        // Past the end the rest is left out.
        let _ = text.push(if byte.is_ascii_graphic() {
            byte as char
        } else {
            '?'
        });
    }
    text
}
