//! What is between a camera and the encoder is opened, and each device has what comes into it: coded frames, each copied once, or raw ones
//! in buffers that it shares with whoever fills them.
//!
//! Knows formats, rows and memory. Knows no frame and no encoder.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::buffers::NotAttached;
use super::config::{CameraConfig, Input, Part};
use crate::errno::call::{Call, IoctlError};
use crate::limits::{
    CAMERA_CODED_SLOTS, CONVERTER_BUFFERS, DECODED_BUFFERS, MIDDLE_STAGES, PLANES,
};
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::v4l2::camera::Camera;
use crate::v4l2::capture::CaptureQueue;
use crate::v4l2::decoder::Decoder;
use crate::v4l2::device::NotUsable;
use crate::v4l2::negotiate::{Refused, Wanted};

/// The devices between a camera and the encoder, in the order in which frames go through them.
pub(super) type Opened = ArrayVec<Decoder, MIDDLE_STAGES>;

/// Opens what is between camera and encoder and sets what comes into each device. What the last one gives is not set yet. A decoder's camera
/// has its buffers then.
///
/// # Errors
/// When a device does not take what the one before it gives.
#[inline(never)]
pub(super) fn open_chain<'a>(
    camera: &mut Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    opened: &mut Opened,
) -> Result<(), NotAttached<'a>> {
    for (at, between) in config.middle.iter().enumerate() {
        let of = Part::Middle(at);
        let size = config.size_into(at, (wanted.width, wanted.height));
        let wanted = Wanted {
            width: size.0,
            height: size.1,
            ..*wanted
        };
        let mut one = Decoder::open(between.node).map_err(|error| match error {
            NotUsable::Call(error) => of.refused(error),
            NotUsable::NotM2m(_) => of.refused(IoctlError::new(Call::QueryCap, Errno::NODEV)),
        })?;
        let frames = between.input.frames();
        match between.input {
            Input::Coded(coded) => {
                camera.negotiate(frames, &wanted, &[0; PLANES])?;
                camera.capture.allocate(CAMERA_CODED_SLOTS)?;
                let bytes = camera.capture.buffer_bytes()?;
                let taken = one.take(coded, size, bytes);
                taken.map_err(|error| of.refused(error))?;
            }
            Input::Raw { format, flip, .. } => {
                one.flip(flip).map_err(|error| of.refused(error))?;
                let one = (&mut one, of);
                match opened.last_mut() {
                    None => agree(one, format, size, true, &mut |strides| {
                        let given = camera.negotiate(frames, &wanted, strides);
                        given.map(Option::unwrap_or_default).map_err(Into::into)
                    })?,
                    Some(before) => agree(one, format, size, !config.own_rows, &mut |strides| {
                        let given = before.negotiate(format, size, strides);
                        given.map_err(|error| Part::Middle(at - 1).refused(error))
                    })?,
                }
            }
        }
        opened.push(one);
    }
    Ok(())
}

/// Rows lie alike for a converter and for whoever fills its buffers: as that one has them, or else, where it `can_change`, as the converter
/// has them. `give` sets what it gives, with so many bytes from one row to the next.
#[inline(never)]
fn agree<'a>(
    (one, of): (&mut Decoder, Part),
    format: &'static RawFormat,
    size: (u32, u32),
    can_change: bool,
    give: &mut dyn FnMut(&[u32; PLANES]) -> Result<FrameLayout, NotAttached<'a>>,
) -> Result<(), NotAttached<'a>> {
    let mut given = give(&[0; PLANES])?;
    let mut taken = one.take_raw_like(format, size, &given);
    if let Ok(rows) = &taken
        && rows.placement() != given.placement()
        && can_change
    {
        given = give(&rows.placement().bytesperline)?;
        taken = one.take_raw_like(format, size, &given);
    }
    let rows = taken.map_err(|error| of.refused(error))?;
    match rows.placement() == given.placement() {
        true => Ok(()),
        false => Err(of.refused(IoctlError::new(Call::SFmt, Errno::PROTO))),
    }
}

/// Each device has buffers for what comes into it: a decoder its own, a converter those that whoever fills them has, too.
///
/// # Errors
/// When memory is short, or neither can use the other's.
pub(super) fn share_inputs<'a>(
    opened: &mut Opened,
    camera: &mut Camera,
) -> Result<(), NotAttached<'a>> {
    let mut filler = (&mut camera.capture, Part::Camera, CONVERTER_BUFFERS);
    for (at, one) in opened.iter_mut().enumerate() {
        let of = Part::Middle(at);
        match one.converts() {
            false => one.allocate_inputs().map_err(|error| of.refused(error))?,
            true => share((one, of), filler)?,
        }
        filler = (&mut one.capture, of, DECODED_BUFFERS);
    }
    Ok(())
}

/// One set of buffers for a converter and whoever fills them: the converter's OUTPUT buffers, or the other's, which the converter reads.
#[inline(never)]
fn share<'a>(
    (one, of): (&mut Decoder, Part),
    (filler, by, slots): (&mut CaptureQueue, Part, u32),
) -> Result<(), NotAttached<'a>> {
    let mut needed = slots;
    for _ in 0..2 {
        let exported = match one.allocate_raw(needed) {
            Err(error) if error.call == Call::ExpBuf && !error.is_loss() => break,
            exported => exported.map_err(|error| of.refused(error))?,
        };
        match filler.import(exported) {
            Ok(None) => return Ok(()),
            // One that needs more says so when it is given less.
            Ok(Some(more)) => needed = more,
            Err(_) => break,
        }
    }
    let failed = |error: IoctlError| by.refused(Refused::Call(error));
    filler.allocate(slots).map_err(failed)?;
    let mut planes = ArrayVec::new();
    filler.export(&mut planes).map_err(failed)?;
    one.import_raw(planes).map_err(|error| of.refused(error))
}
