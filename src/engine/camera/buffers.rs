//! One set of buffers for whoever fills them and the encoder: the encoder's, or the other's; or, where that cannot be, one copy of each
//! frame, which the log names.
//!
//! Knows memory and rows. Knows nothing of what the frames show.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::config::{CameraConfig, Fault, Part};
use crate::engine::error::EngineError;
use crate::engine::request::Buffers;
use crate::engine::setup::Setup;
use crate::errno::call::{Call, IoctlError};
use crate::limits::CAMERA_RESERVE;
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::types::memory::MemoryChoice;
use crate::v4l2::capture::CaptureQueue;
use crate::v4l2::negotiate::{Refused, Wanted};

/// Why a camera is not attached.
pub(super) enum NotAttached<'a> {
    /// The camera refused, or what is between it and the encoder.
    Source(Part, Refused),
    /// The encoder refused.
    Encoder(EngineError<'a>),
}

impl<T: Into<Refused>> From<T> for NotAttached<'_> {
    fn from(error: T) -> Self {
        Self::Source(Part::Camera, error.into())
    }
}

impl From<Fault> for NotAttached<'_> {
    fn from(fault: Fault) -> Self {
        Self::Source(fault.of, fault.error.into())
    }
}

impl Part {
    /// It refused something.
    pub(super) fn refused<'a>(self, error: impl Into<Refused>) -> NotAttached<'a> {
        NotAttached::Source(self, error.into())
    }
}

/// Brings the buffers of both ends together: the encoder's, those of whoever fills them, or a copy from one to the other. Gives how many
/// slots there are.
pub(super) fn bring_together<'a>(
    setup: &mut Setup<'_, 'a>,
    filler: &mut CaptureQueue,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    layout: &FrameLayout,
    alike: bool,
) -> Result<u32, NotAttached<'a>> {
    let of = config.filler_part();
    let mut slots = export_slots(setup, filler, config, wanted, layout, alike)?;
    if slots.is_none() {
        let allocated = filler.allocate(setup.stage.session.slots);
        allocated.map_err(|error| of.refused(error))?;
        slots = import(setup, filler, config, wanted, layout, alike)?;
    }
    if slots.is_none() {
        let outputs = unbound(setup, wanted)?;
        let choice = setup.stage.session.options.memory;
        if let Some(encoder) = setup.stage.encoder() {
            let mapped = setup.memory.copy_camera(encoder, filler, layout, choice);
            mapped.map_err(|error| of.refused(error))?;
        }
        slots = Some(outputs.min(filler.slots()));
    }
    slots
        .filter(|&slots| slots > CAMERA_RESERVE as u32)
        .ok_or_else(|| of.refused(IoctlError::new(Call::ReqBufs, Errno::NOMEM)))
}

/// Makes the encoder's buffers those of whoever fills them, which then writes its frames where the encoder reads them; a camera behind
/// USB has no memory that an encoder without an IOMMU could read. `None` where that cannot be: there are other ways.
#[inline(never)]
fn export_slots<'a>(
    setup: &mut Setup<'_, 'a>,
    filler: &mut CaptureQueue,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    layout: &FrameLayout,
    alike: bool,
) -> Result<Option<u32>, NotAttached<'a>> {
    let choice = setup.stage.session.options.memory;
    if choice == MemoryChoice::Copy || !alike || !has_rows(setup, layout) {
        return Ok(None);
    }
    // A driver that needs more buffers says so when it is asked for less.
    for _ in 0..2 {
        let mut buffers = match setup.stage.has_own_buffers() {
            true => Buffers::Kept(MemoryChoice::Export),
            false => Buffers::Driver(MemoryChoice::Export),
        };
        let slots = match setup.set_up(wanted, &mut buffers) {
            Ok(slots) => slots,
            Err(error) => {
                setup.stage.log(error);
                return Ok(None);
            }
        };
        match filler.import(setup.memory.take_exported()) {
            Ok(None) => {
                note!(
                    info,
                    "{}: fills the encoder's buffers, no frame is copied",
                    config.filler()
                );
                return Ok(Some(slots));
            }
            Ok(Some(needed)) => {
                setup.stage.session.slots = needed;
                unbound(setup, wanted)?;
            }
            Err(error) => {
                note!(
                    info,
                    "{}: does not fill the encoder's buffers ({error})",
                    config.filler()
                );
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// Makes the camera's buffers the encoder's. `None` where they have to be copied, which is logged in one line. With
/// `--memory export` whatever stands in the way is an error.
#[inline(never)]
fn import<'a>(
    setup: &mut Setup<'_, 'a>,
    filler: &CaptureQueue,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    layout: &FrameLayout,
    alike: bool,
) -> Result<Option<u32>, NotAttached<'a>> {
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
            "{}: {} becomes {} by a copy, {} bytes a second",
            config.filler(),
            config.format.fourcc,
            wanted.format.fourcc,
            wanted.bytes_a_second()
        );
        return Ok(None);
    }
    let mut planes = ArrayVec::new();
    if let Err(error) = filler.export(&mut planes) {
        if insists {
            return Err(config.filler_part().refused(error));
        }
        note!(
            warn,
            "{}: {error}: each frame is copied, {} bytes a second",
            config.filler(),
            wanted.bytes_a_second()
        );
        return Ok(None);
    }
    let mut buffers = Buffers::Imported(filler.slots(), layout.placement(), planes);
    match setup.set_up(wanted, &mut buffers) {
        Ok(slots) => Ok(Some(slots)),
        Err(error) if insists => Err(NotAttached::Encoder(error)),
        Err(error) => {
            setup.stage.log(error);
            Ok(None)
        }
    }
}

/// Whether the encoder's rows lie as these.
pub(super) fn has_rows(setup: &Setup<'_, '_>, layout: &FrameLayout) -> bool {
    let encoder = setup.stage.encoder();
    encoder.is_some_and(|one| one.agreed().layout.placement() == layout.placement())
}

/// Sets the encoder up with buffers of its own, which nobody has.
///
/// # Errors
/// When the encoder refuses.
pub(super) fn unbound<'a>(
    setup: &mut Setup<'_, 'a>,
    wanted: &Wanted,
) -> Result<u32, NotAttached<'a>> {
    let answer = setup.set_up(wanted, &mut Buffers::Unbound);
    answer.map_err(NotAttached::Encoder)
}
