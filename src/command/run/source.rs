//! Where `run`'s frames come from, and what follows from it: their size, their format, their rate, and which encoder fits.
//!
//! Knows producers as a default size, and a camera by what it gives. Starts neither; the engine does.

use arrayvec::ArrayVec;
use rustix::fd::AsFd;

use super::converter::{self, From};
use super::decoder;
use super::middle::Middle;
use crate::command::devices::{find, find_camera};
use crate::command::formats::{RawFormats, fit, offered, raw_formats};
use crate::engine::camera::CameraSource;
use crate::engine::camera::attach::source_rate;
use crate::engine::camera::config::{CameraConfig, Input, MiddleConfig};
use crate::errno::call::IoctlError;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::limits::{
    CAMERA_SLOTS_DEFAULT, FRAME_SLOTS_DEFAULT, MIDDLE_STAGES, PLANES, SIZE_DEFAULT,
};
use crate::log::note;
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::shm::layout::PacketHeader;
use crate::shm::stats::Stats;
use crate::signals::Signals;
use crate::time::MS;
use crate::types::devices::{CameraChoice, CameraFormat};
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::Queue;
use crate::v4l2::camera::{Camera, CaptureFormat};
use crate::v4l2::device::{Device, NodePath};
use crate::v4l2::ioctl;
use crate::v4l2::negotiate::{Rows, Wanted};
use crate::v4l2::pixel_aspect::oblong;

/// The source, found and asked.
pub(super) struct Found<'a> {
    /// `None`: a producer will come.
    camera: Option<(Camera, CameraChoice<'a>)>,
    /// What it shows to its source.
    edid: Option<&'a [u8]>,
    /// What is between it and the encoder.
    middle: Middle<'a>,
    /// The raw formats that the last of these gives, or the camera.
    gives: FormatSet,
    /// The coded format in which the camera's frames are passed on.
    passes: Option<Fourcc>,
    /// Width and height: the user's, the camera's present ones, or those for the time until a producer brings its own.
    size: (u32, u32),
}

impl<'a> Found<'a> {
    /// # Errors
    /// When there is no such camera, or it does not say what it gives; when the formats that the user named cannot be brought together.
    #[inline(never)]
    pub(super) fn find(
        options: &RunOptions<'a>,
        edid: Option<&'a [u8]>,
        signals: &Signals,
    ) -> Result<Self, Failure> {
        let raw = options.camera_format.and_then(CameraFormat::raw);
        let named = options.camera_format.and_then(CameraFormat::coded);
        let passes = named.filter(|&coded| coded == options.codec);
        let mut size = converter::stream_size(options);
        check_formats(raw, size, options)?;
        let Some(choice) = options.camera else {
            if size.0 == 0 {
                size = SIZE_DEFAULT;
            }
            return Ok(Self {
                camera: None,
                edid,
                middle: Middle::default(),
                gives: FormatSet::default(),
                passes,
                size,
            });
        };
        let camera = find_camera(choice, edid, options, signals)?;
        let failed = |error: IoctlError| {
            let exit = exit_of(When::SettingUp, error.errno);
            failure!(exit, "{choice}: {error}")
        };
        if size.0 == 0 {
            size = camera.size().map_err(failed)?;
        }
        let queue = camera.capture.kind();
        let mut gives = offered(camera.as_fd(), queue, raw).map_err(failed)?;
        let mut middle = Middle::default();
        match passes {
            Some(coded) => {
                // Of its sizes in this format the one nearest to its present one, or to the user's, which is then refused.
                let given = camera.set(CaptureFormat::Coded(coded), size, &[0; PLANES]);
                let given = given.map_err(|no| failure!(no.exit(), "{choice}: {no}"))?;
                if options.size.width == 0 {
                    size = given.size();
                }
            }
            None => between(&camera, choice, &mut middle, &mut gives, size, options)?,
        }
        Ok(Self {
            camera: Some((camera, choice)),
            middle,
            edid,
            gives,
            passes,
            size,
        })
    }

    /// Whether the camera's frames are passed on: no encoder is needed.
    pub(super) fn passes(&self) -> bool {
        self.passes.is_some()
    }

    /// The encoder that takes what the source gives, and the formats for both.
    ///
    /// # Errors
    /// When there is none.
    #[inline(never)]
    pub(super) fn find_encoder(
        &mut self,
        options: &RunOptions<'a>,
        signals: &Signals,
    ) -> Result<(Device, NodePath<'a>, RawFormats), Failure> {
        if let Some((camera, choice)) = &self.camera
            && !self.middle.converts()
        {
            let from = From {
                camera,
                choice: *choice,
                middle: &self.middle,
                gives: self.gives,
            };
            let fits = |device: &Device| Ok(self.raw_formats(device, options)?.is_some());
            if let Some((found, made)) = converter::for_lack(&from, self.size, options, &fits) {
                self.middle.0.push(found);
                self.gives = made;
            }
        }
        let (device, found) = find(options, signals, &|device| self.fits(device, options))?;
        let path = found.shown();
        let raw = self.raw_formats(&device, options).map_err(|error| {
            let exit = exit_of(When::SettingUp, error.errno);
            failure!(exit, "{path}: {error}")
        })?;
        let raw = raw.ok_or_else(|| match self.camera {
            Some(_) => failure!(
                Exit::Refused,
                "the camera gives no raw format that {path} takes: they need one with the same samples"
            ),
            None => failure!(
                Exit::NoDevice,
                "{path} takes no raw format that is known here; framemill probe lists what it takes"
            ),
        })?;
        let checked = raw.encoder.check_size(self.size);
        checked.map_err(|odd| match (&self.camera, options.size.width) {
            (Some((_, choice)), 0) => failure!(Exit::Refused, "{choice}: {odd}"),
            _ => failure!(Exit::Usage, "--size {odd}"),
        })?;
        Ok((device, found, raw))
    }

    /// Whether an encoder takes what the source gives.
    fn fits(&self, device: &Device, options: &RunOptions<'_>) -> bool {
        let raw = self.raw_formats(device, options).ok().flatten();
        raw.is_some_and(|raw| device.encodes(raw.encoder.fourcc, options.codec))
    }

    /// The formats for both ends, if any fit.
    fn raw_formats(
        &self,
        device: &Device,
        options: &RunOptions<'_>,
    ) -> ioctl::Result<Option<RawFormats>> {
        match &self.camera {
            Some((camera, _)) => {
                let size = self.size;
                let rows =
                    |raw, strides: &[u32; PLANES]| self.middle.rows(camera, raw, size, strides);
                raw_formats(&rows, self.gives, device, options, size)
            }
            None => {
                let takes = offered(device.as_fd(), device.queue(Queue::Output), options.format)?;
                Ok(takes.preferred().map(RawFormats::both))
            }
        }
    }

    /// What the encoder is to be set up for.
    pub(super) fn wanted(&self, raw: RawFormats, options: &RunOptions<'_>) -> Wanted {
        let mut rate = options.frame_rate;
        if let Some((camera, choice)) = &self.camera {
            let of_camera = self.middle.camera_size(self.size);
            rate = source_rate(camera, choice, self.frames(raw), of_camera, rate, rate);
            if let Some((width, height)) = oblong(camera.as_fd(), of_camera) {
                note!(
                    warn,
                    "{choice}: its pixels are {width}:{height}, not square: V4L2 has no word for that to an encoder, players show square ones"
                );
            }
        }
        Wanted {
            width: self.size.0,
            height: self.size.1,
            rate: (rate.numerator, rate.denominator),
            format: raw.encoder,
            codec: options.codec,
            colour: options.colour,
            rows: Rows::default(),
        }
    }

    /// What the camera is asked for.
    fn frames(&self, raw: RawFormats) -> CaptureFormat {
        let of_middle = self.middle.frames();
        let coded = of_middle.or(self.passes.map(CaptureFormat::Coded));
        coded.unwrap_or(CaptureFormat::Raw(raw.camera))
    }

    /// OUTPUT buffers to ask for.
    pub(super) fn slots(&self, options: &RunOptions<'_>) -> u32 {
        let default = match self.camera {
            Some(_) => CAMERA_SLOTS_DEFAULT,
            None => FRAME_SLOTS_DEFAULT,
        };
        options.frame_slots.unwrap_or(default)
    }

    /// The paths of what is between the camera and the encoder: the engine opens it for itself.
    #[inline(never)]
    pub(super) fn take_middle(&mut self) -> ArrayVec<(NodePath<'a>, Input), MIDDLE_STAGES> {
        let found = self.middle.0.drain(..);
        found.map(|one| (one.path, one.input)).collect()
    }

    /// The camera as the engine takes it over, with what is between it and the encoder.
    pub(super) fn camera<'c>(
        &mut self,
        raw: RawFormats,
        middle: &'c [MiddleConfig<'c>],
        options: &RunOptions<'c>,
        stats: Stats<'c>,
        header: &'c PacketHeader,
    ) -> Option<CameraSource<'c>>
    where
        'a: 'c,
    {
        let (camera, choice) = self.camera.take()?;
        let config = CameraConfig {
            choice,
            format: raw.camera,
            middle,
            passes: self.passes,
            edid: self.edid,
            stall_ns: u64::from(options.stall_ms) * MS,
            patience_ns: u64::from(options.camera_wait_ms) * MS,
            copied: false,
            own_rows: false,
        };
        let frames = options.frames;
        Some(CameraSource::new(camera, config, frames, stats, header))
    }
}

/// Finds what is between the camera and the encoder, as far as that follows from the camera and the options. `gives`: the camera's raw formats,
/// and then those in which frames come out there.
#[inline(never)]
fn between<'a>(
    camera: &Camera,
    choice: CameraChoice<'a>,
    middle: &mut Middle<'a>,
    gives: &mut FormatSet,
    size: (u32, u32),
    options: &RunOptions<'a>,
) -> Result<(), Failure> {
    let of_camera = converter::camera_size(size, options).unwrap_or(size);
    let coded = match options.camera_format {
        None => decoder::instead_of_raw(camera, choice, *gives, of_camera, options),
        Some(format) => format.coded(),
    };
    if let Some(coded) = coded {
        let found = decoder::find(options.decoder, coded, of_camera, choice, *gives)?;
        *gives = found.gives().map_err(|error| found.failed(error))?;
        middle.0.push(found);
    }
    if converter::needed(size, options) {
        let from = From {
            camera,
            choice,
            middle,
            gives: *gives,
        };
        let found = converter::find(&from, size, options)?;
        *gives = found.gives().map_err(|error| found.failed(error))?;
        middle.0.push(found);
    }
    Ok(())
}

/// That the formats that the user named can be brought together.
fn check_formats(
    raw: Option<Fourcc>,
    size: (u32, u32),
    options: &RunOptions<'_>,
) -> Result<(), Failure> {
    match (raw, options.format) {
        (Some(given), Some(taken)) if !fit(given, taken) && !converter::needed(size, options) => {
            Err(failure!(
                Exit::Usage,
                "--camera-format {given} cannot become --format {taken}: only their memory planes may differ without a --converter"
            ))
        }
        _ => Ok(()),
    }
}
