//! Which converter scales, mirrors or changes the format of the frames of a camera, or of a camera's decoder.
//!
//! Knows nodes and what they take. Sets formats on the one that it tries, of which nobody else learns.

use core::ffi::CStr;

use super::middle::{FoundMiddle, Middle};
use crate::command::devices::Unopened;
use crate::command::formats::pair;
use crate::engine::camera::config::Input;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::limits::PLANES;
use crate::log::note;
use crate::media::format::RawFormat;
use crate::media::format_set::FormatSet;
use crate::text::Escaped;
use crate::types::devices::{CameraChoice, DeviceChoice, MiddleChoice};
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::Queue;
use crate::v4l2::camera::Camera;
use crate::v4l2::decoder::Decoder;
use crate::v4l2::device::{Device, NodePath, NotUsable, scan};
use crate::v4l2::ioctl;
use crate::v4l2::role::Role;

/// The stream's size as the user gave it, or the camera's; width 0: neither.
pub(super) fn stream_size(options: &RunOptions<'_>) -> (u32, u32) {
    match options.camera_size {
        Some(given) if options.size.width == 0 => (given.width, given.height),
        _ => (options.size.width, options.size.height),
    }
}

/// The size that the camera is asked for, where it is not the stream's.
pub(super) fn camera_size(size: (u32, u32), options: &RunOptions<'_>) -> Option<(u32, u32)> {
    let given = options.camera_size?;
    Some((given.width, given.height)).filter(|&given| given != size)
}

/// Whether something is wanted that only a converter does. `size`: the stream's.
pub(super) fn needed(size: (u32, u32), options: &RunOptions<'_>) -> bool {
    camera_size(size, options).is_some()
        || options.flip.any()
        || matches!(options.converter, MiddleChoice::Path(_))
}

/// Who gives the frames that are to be converted.
pub(super) struct From<'f, 'a> {
    pub(super) camera: &'f Camera,
    /// As the user named it.
    pub(super) choice: CameraChoice<'a>,
    /// Its decoder, where there is one.
    pub(super) middle: &'f Middle<'a>,
    /// The raw formats in which they come.
    pub(super) gives: FormatSet,
}

/// A converter for frames in none of whose raw formats an encoder takes them, and the formats that it makes; `None` where the user wants none,
/// or there is none that helps, or a device does not say what it takes: then it is not known that something is lacking. `fits`: whether a device
/// takes one of the formats.
pub(super) fn for_lack<'a>(
    from: &From<'_, '_>,
    size: (u32, u32),
    options: &RunOptions<'a>,
    fits: &dyn Fn(&Device) -> ioctl::Result<bool>,
) -> Option<(FoundMiddle<'a>, FormatSet)> {
    if options.converter != MiddleChoice::Auto {
        return None;
    }
    // What encoders of the codec take, as far as the user leaves it open. Where one fits, nothing is to be converted.
    let (mut taken, mut fitting) = (None, false);
    let mut look = |device: &Device| -> ioctl::Result<()> {
        if !ioctl::gives(device, device.queue(Queue::Capture), options.codec)? {
            return Ok(());
        }
        fitting |= fits(device)?;
        let takes = ioctl::raw_formats(device, device.queue(Queue::Output))?;
        if taken.is_none() {
            taken = Some(match options.format {
                Some(format) if takes.contains_code(format) => FormatSet::of(format),
                Some(_) => FormatSet::default(),
                None => takes,
            });
        }
        Ok(())
    };
    match options.device {
        DeviceChoice::Path(path) => look(&Device::open(path).ok()?).ok()?,
        DeviceChoice::Auto => {
            for (_, device) in scan() {
                match device {
                    Ok(device) => look(&device).ok()?,
                    Err(NotUsable::Call(error)) if !error.is_missing() => return None,
                    Err(_) => {}
                }
            }
        }
    }
    let taken = taken.filter(|_| !fitting)?;
    let helps = |found: &FoundMiddle<'_>| {
        let made = found.gives().ok()?;
        pair(made, taken)?;
        Some(made)
    };
    let found = first(&|device, path| {
        let found = fitted(device, path, from, size, options)?;
        helps(&found).map(|_| found)
    })?;
    let made = helps(&found)?;
    note!(
        info,
        "{}: a converter, because no encoder here takes what it gives ({})",
        from.choice,
        from.gives
    );
    Some((found, made))
}

/// The first converter of which `fitted` makes something.
#[inline(never)]
fn first<'a>(
    fitted: &dyn Fn(Device, NodePath<'a>) -> Option<FoundMiddle<'a>>,
) -> Option<FoundMiddle<'a>> {
    scan().find_map(|(path, device)| {
        let device = device.ok()?;
        let converts = Role::of(&device) == Some(Role::Converter);
        converts.then(|| fitted(device, path))?
    })
}

/// A device as the converter, if it does what is wanted.
fn fitted<'a>(
    device: Device,
    path: NodePath<'a>,
    from: &From<'_, '_>,
    size: (u32, u32),
    options: &RunOptions<'_>,
) -> Option<FoundMiddle<'a>> {
    let (other, flip) = (camera_size(size, options), options.flip);
    let (device, format) = fit(device, from, other.unwrap_or(size), options)?;
    let input = Input::Raw {
        format,
        size: other,
        flip,
    };
    Some(FoundMiddle {
        path,
        device,
        input,
    })
}

/// Finds the converter, and sets what comes into it.
///
/// # Errors
/// When there is none, or none takes what comes.
pub(super) fn find<'a>(
    from: &From<'_, '_>,
    size: (u32, u32),
    options: &RunOptions<'a>,
) -> Result<FoundMiddle<'a>, Failure> {
    let of_camera = camera_size(size, options).unwrap_or(size);
    let fitted = |device, path| fitted(device, path, from, size, options);
    let (choice, gives) = (from.choice, from.gives);
    let (width, height) = of_camera;
    match options.converter {
        MiddleChoice::Path(path) => {
            let named = NodePath::Given(path);
            let shown = Escaped(path.to_bytes());
            let device = open(path)?;
            fitted(device, named).ok_or_else(|| {
                failure!(
                    Exit::Refused,
                    "--converter {shown}: it does not take {width}x{height} of what {choice} gives ({gives}), or does not do --flip"
                )
            })
        }
        MiddleChoice::Off => Err(failure!(
            Exit::Usage,
            "--camera-size {width}x{height} is not the stream's size, which needs a converter, and --converter off allows none"
        )),
        MiddleChoice::Auto => {
            // Once more: a device may have failed to answer once.
            let found = first(&fitted).or_else(|| first(&fitted));
            found.ok_or_else(|| {
                failure!(
                    Exit::NoDevice,
                    "no converter takes {width}x{height} of what {choice} gives ({gives}) and does what is wanted (see framemill probe){}",
                    silent()
                )
            })
        }
    }
}

/// A device set to the first format that both have in this size and whose rows lie alike, or else to the first, if it does what is wanted.
fn fit(
    device: Device,
    from: &From<'_, '_>,
    size: (u32, u32),
    options: &RunOptions<'_>,
) -> Option<(Decoder, &'static RawFormat)> {
    let mut converter = Decoder::of(device);
    converter.flip(options.flip).ok()?;
    let mut alike = |format| {
        let given = from.middle.rows(from.camera, format, size, &[0; PLANES])?;
        let taken = converter.take_raw_like(format, size, &given).ok()?;
        Some(given.placement() == taken.placement())
    };
    let mut found = None;
    for format in from.gives.iter() {
        match alike(format) {
            Some(true) => {
                found = Some(format);
                break;
            }
            Some(false) => found = found.or(Some(format)),
            None => {}
        }
    }
    let format = found?;
    Some((converter, format))
}

/// Nodes that do not answer what every memory-to-memory device does: the converter may be one of them.
fn silent() -> Unopened {
    let mut silent = Unopened::default();
    for (_, device) in scan() {
        let answer = device.and_then(|device| {
            ioctl::raw_formats(&device, device.queue(Queue::Output))?;
            ioctl::raw_formats(&device, device.queue(Queue::Capture))?;
            Ok(())
        });
        if let Err(reason) = answer {
            silent.count(&reason);
        }
    }
    silent
}

/// The converter that the user named.
fn open(path: &CStr) -> Result<Device, Failure> {
    let shown = Escaped(path.to_bytes());
    let device = Device::open(path).map_err(|error| match error {
        NotUsable::NotM2m(capability) => failure!(
            Exit::NoDevice,
            "--converter {shown}: no memory-to-memory device: it is {}",
            Escaped(capability.card_name())
        ),
        NotUsable::Call(error) => failure!(
            exit_of(When::Opening, error.errno),
            "--converter {shown}: {error}"
        ),
    })?;
    match Role::of(&device) {
        None | Some(Role::Converter) => Ok(device),
        Some(other) => Err(failure!(
            Exit::NoDevice,
            "--converter {shown}: it is no converter, but of the kind: {}",
            other.name()
        )),
    }
}
