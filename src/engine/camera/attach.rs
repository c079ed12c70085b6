//! Camera and encoder are brought together: one format and size, rows in the same places, and the camera's buffers imported
//! into the encoder; or, where that cannot be, one copy of each frame, which the log names.
//!
//! Knows what both ends must agree on. Knows no frame: the encoder is idle meanwhile, at the start and later.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::CameraConfig;
use crate::engine::request::Buffers;
use crate::engine::setup::Setup;
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::limits::{CAMERA_RESERVE, FRAME_SIDE_MAX, FRAME_SIDE_MIN, PLANES};
use crate::log::note;
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::v4l2::camera::Camera;
use crate::v4l2::negotiate::{Refused, Wanted};

/// The rate at which this camera's frames come, in lowest terms: its answer to the requested rate, or its signal's.
/// The requested one when the camera does not say. Logged when it is neither the requested one nor `present`.
#[must_use]
pub fn source_rate(
    camera: &Camera,
    name: impl core::fmt::Display,
    format: &RawFormat,
    size: (u32, u32),
    requested: FrameRate,
    present: FrameRate,
) -> FrameRate {
    let asked = (requested.numerator, requested.denominator);
    let answer = camera.rate(format, size, asked);
    let Some(rate) = answer.and_then(|(n, d)| FrameRate::new(n, d)) else {
        return requested;
    };
    if rate != requested && rate != present {
        note!(
            info,
            "{name}: gives {rate} frames/s, not the requested {requested}: the encoder is set up for {rate}"
        );
    }
    rate
}

/// Why a camera is not attached.
#[derive(Debug)]
pub enum NotAttached {
    /// The camera refused.
    Camera(Refused),
    /// The encoder refused, which was logged.
    Encoder(Failure),
}

impl<T: Into<Refused>> From<T> for NotAttached {
    fn from(error: T) -> Self {
        Self::Camera(error.into())
    }
}

/// Sets encoder and camera up for each other. The camera is not started yet. Gives how many slots there are.
///
/// # Errors
/// When the camera refuses format or size, or memory is short; when the encoder refuses, nothing of it may be left.
pub fn attach(
    setup: &mut Setup<'_, '_>,
    camera: &mut Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
) -> Result<u32, NotAttached> {
    let size = (wanted.width, wanted.height);
    let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
    if !sides.contains(&size.0) || !sides.contains(&size.1) {
        return Err(Refused::Size(size, size).into());
    }
    let options = setup.stage.session.options;
    let colour = camera.colour(config.format, size, options.progressive)?;
    let wanted = &Wanted {
        colour: colour.overridden_by(options.colour),
        ..*wanted
    };
    let idle = setup.stage.encoder().is_none_or(|one| one.slots() == 0);
    if *wanted != setup.stage.wanted || idle {
        unbound(setup, wanted)?;
    }
    // The camera is asked for the encoder's rows. If it has rows of its own, the encoder is asked for those.
    let alike = config.format.lies_as(wanted.format);
    let strides = match setup.stage.encoder() {
        Some(encoder) if alike => encoder.agreed().layout.placement().bytesperline,
        _ => [0; PLANES],
    };
    let layout = camera.negotiate(config.format, wanted, &strides)?;
    camera.allocate(setup.stage.session.slots)?;
    let mut slots = import(setup, camera, config, wanted, &layout, alike)?;
    if slots.is_none() {
        let outputs = unbound(setup, wanted)?;
        if let Some(encoder) = setup.stage.encoder() {
            setup
                .memory
                .copy_camera(encoder, camera, &layout, options.memory)?;
        }
        slots = Some(outputs.min(camera.slots()));
    }
    slots
        .filter(|&slots| slots > CAMERA_RESERVE as u32)
        .ok_or_else(|| IoctlError::new(Call::ReqBufs, Errno::NOMEM).into())
}

/// Makes the camera's buffers the encoder's. `None` where they have to be copied, which is logged in one line. With
/// `--memory export` whatever stands in the way is an error.
fn import(
    setup: &mut Setup<'_, '_>,
    camera: &Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    layout: &FrameLayout,
    alike: bool,
) -> Result<Option<u32>, NotAttached> {
    let choice = setup.stage.session.options.memory;
    if choice == MemoryChoice::Copy || config.copied {
        return Ok(None);
    }
    let insists = choice == MemoryChoice::Export;
    if !alike && insists {
        return Err(Refused::Format(config.format.fourcc, wanted.format.fourcc).into());
    }
    if !alike {
        note!(
            warn,
            "{config}: {} becomes {} by a copy, {} bytes a second",
            config.format.fourcc,
            wanted.format.fourcc,
            wanted.bytes_a_second()
        );
        return Ok(None);
    }
    let mut planes = ArrayVec::new();
    if let Err(error) = camera.export(&mut planes) {
        if insists {
            return Err(error.into());
        }
        note!(
            warn,
            "{config}: {error}: each frame is copied, {} bytes a second",
            wanted.bytes_a_second()
        );
        return Ok(None);
    }
    let mut buffers = Buffers::Imported(camera.slots(), layout.placement(), planes);
    match setup.set_up(wanted, &mut buffers) {
        Err(failure) if insists => Err(NotAttached::Encoder(failure)),
        answer => Ok(answer.ok()),
    }
}

/// Sets the encoder up with buffers of its own, which nobody has.
///
/// # Errors
/// When the encoder refuses.
pub fn unbound(setup: &mut Setup<'_, '_>, wanted: &Wanted) -> Result<u32, NotAttached> {
    let answer = setup.set_up(wanted, &mut Buffers::Unbound);
    answer.map_err(NotAttached::Encoder)
}
