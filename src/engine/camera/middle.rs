//! What is between a camera and the encoder is opened, and has what the camera gives: coded pictures, each copied once, or raw ones in buffers
//! that both have.
//!
//! Knows formats and memory. Knows no frame and no encoder.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::buffers::{NotAttached, decoder};
use super::config::{DecoderConfig, Input};
use crate::errno::call::{Call, IoctlError};
use crate::limits::{CAMERA_CODED_SLOTS, CONVERTER_BUFFERS, PLANES};
use crate::v4l2::camera::Camera;
use crate::v4l2::decoder::Decoder;
use crate::v4l2::device::NotUsable;
use crate::v4l2::negotiate::Wanted;

/// Opens what is between camera and encoder and sets what comes into it. A decoder's camera has its buffers then.
///
/// # Errors
/// When it does not take what the camera gives.
pub(super) fn open_middle<'a>(
    camera: &mut Camera,
    between: DecoderConfig<'_>,
    wanted: &Wanted,
) -> Result<Decoder, NotAttached<'a>> {
    let size = between.input.size((wanted.width, wanted.height));
    let wanted = Wanted {
        width: size.0,
        height: size.1,
        ..*wanted
    };
    let mut opened = Decoder::open(between.node).map_err(|error| match error {
        NotUsable::Call(error) => decoder(error),
        NotUsable::NotM2m(_) => decoder(IoctlError::new(Call::QueryCap, Errno::NODEV)),
    })?;
    let pictures = between.input.pictures();
    match between.input {
        Input::Coded(coded) => {
            camera.negotiate(pictures, &wanted, &[0; PLANES])?;
            camera.pictures.allocate(CAMERA_CODED_SLOTS)?;
            let bytes = camera.pictures.buffer_bytes()?;
            opened.take(coded, size, bytes).map_err(decoder)?;
        }
        Input::Raw { format, flip, .. } => {
            opened.flip(flip).map_err(decoder)?;
            let rows = opened.take_raw(format, size, &[0; PLANES]);
            let rows = rows.map_err(decoder)?.placement();
            let given = camera.negotiate(pictures, &wanted, &rows.bytesperline)?;
            let given = given.unwrap_or_default().placement();
            if given != rows {
                // The camera's rows are its own: the converter has to read those.
                let again = opened.take_raw(format, size, &given.bytesperline);
                if again.map_err(decoder)?.placement() != given {
                    return Err(decoder(IoctlError::new(Call::SFmt, Errno::PROTO)));
                }
            }
        }
    }
    Ok(opened)
}

/// One set of buffers for the camera and the converter: the converter's OUTPUT buffers, which the camera fills, or the camera's, which the
/// converter reads.
///
/// # Errors
/// When neither can use the other's.
pub(super) fn share_inputs<'a>(
    one: &mut Decoder,
    camera: &mut Camera,
) -> Result<(), NotAttached<'a>> {
    let mut slots = CONVERTER_BUFFERS;
    for _ in 0..2 {
        let lent = match one.allocate_raw(slots) {
            Err(error) if error.call == Call::ExpBuf && !error.is_loss() => break,
            lent => lent.map_err(decoder)?,
        };
        match camera.pictures.borrow(lent) {
            Ok(None) => return Ok(()),
            // A camera that needs more says so when it is given less.
            Ok(Some(needed)) => slots = needed,
            Err(_) => break,
        }
    }
    camera.pictures.allocate(CONVERTER_BUFFERS)?;
    let mut planes = ArrayVec::new();
    camera.pictures.export(&mut planes)?;
    one.import_raw(planes).map_err(decoder)
}
