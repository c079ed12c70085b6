//! Where `run`'s frames come from, and what follows from it: their size, their format, their rate, and which encoder fits.
//!
//! Knows producers as a default size, and a camera by what it gives. Starts neither; the engine does.

use rustix::fd::AsFd;

use super::converter;
use super::decoder::{self, FoundDecoder};
use crate::command::devices::{find, find_camera};
use crate::command::formats::{RawFormats, fit, offered, raw_formats};
use crate::engine::camera::CameraSource;
use crate::engine::camera::attach::source_rate;
use crate::engine::camera::config::Input;
use crate::engine::camera::config::{CameraConfig, DecoderConfig};
use crate::errno::call::IoctlError;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::limits::{CAMERA_SLOTS_DEFAULT, FRAME_SLOTS_DEFAULT, PLANES, SIZE_DEFAULT};
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
use crate::v4l2::camera::{Camera, PictureFormat};
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
    /// The decoder of its pictures, where they are coded.
    decoder: Option<FoundDecoder<'a>>,
    /// The raw formats that the camera gives, or its decoder.
    gives: FormatSet,
    /// The coded format in which the camera's frames are passed on.
    passes: Option<Fourcc>,
    /// Width and height: the user's, the camera's present ones, or those for the time until a producer brings its own.
    size: (u32, u32),
}

impl<'a> Found<'a> {
    /// # Errors
    /// When there is no such camera, or it does not say what it gives; when the formats that the user named cannot be brought together.
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
                decoder: None,
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
        let queue = camera.pictures.kind();
        let mut gives = offered(camera.as_fd(), queue, raw).map_err(failed)?;
        let coded = match options.camera_format {
            None if converter::needed(size, options) => None,
            None => decoder::instead_of_raw(&camera, choice, gives, size, options),
            Some(format) => format.coded(),
        };
        let decoder = match coded {
            None => None,
            Some(coded) if passes.is_some() => {
                // Of its sizes in this format the one nearest to its present one, or to the user's, which is then refused.
                let given = camera.set(PictureFormat::Coded(coded), size, &[0; PLANES]);
                let given = given.map_err(|no| failure!(no.exit(), "{choice}: {no}"))?;
                if options.size.width == 0 {
                    size = given.size();
                }
                None
            }
            Some(coded) => {
                let found = decoder::find(options.decoder, coded, size, choice, gives)?;
                gives = found.gives().map_err(|error| found.failed(error))?;
                Some(found)
            }
        };
        let decoder = match passes {
            Some(_) => decoder,
            None => converter::or(decoder, &camera, choice, size, &mut gives, options)?,
        };
        Ok(Self {
            camera: Some((camera, choice)),
            decoder,
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
    pub(super) fn find_encoder(
        &mut self,
        options: &RunOptions<'a>,
        signals: &Signals,
    ) -> Result<(Device, NodePath<'a>, RawFormats), Failure> {
        if let Some((camera, choice)) = &self.camera
            && self.decoder.is_none()
            && let Some((found, made)) =
                converter::for_lack(camera, *choice, self.size, self.gives, options, &|device| {
                    Ok(self.raw_formats(device, options)?.is_some())
                })
        {
            (self.decoder, self.gives) = (Some(found), made);
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
                let of_camera = |raw, strides: &[u32; PLANES]| camera.rows(raw, size, strides);
                match &self.decoder {
                    None => raw_formats(&of_camera, self.gives, device, options, size),
                    // Rows that it is asked for are lost when the stream changes.
                    Some(found) => {
                        let of_decoder = |raw, _: &[u32; PLANES]| found.decoder.gives(raw, size);
                        raw_formats(&of_decoder, self.gives, device, options, size)
                    }
                }
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
            let of_camera = self
                .decoder
                .as_ref()
                .map(|found| found.input.size(self.size));
            let of_camera = of_camera.unwrap_or(self.size);
            rate = source_rate(camera, choice, self.pictures(raw), of_camera, rate, rate);
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
    fn pictures(&self, raw: RawFormats) -> PictureFormat {
        let of_middle = self.decoder.as_ref().map(|found| found.input.pictures());
        let coded = of_middle.or(self.passes.map(PictureFormat::Coded));
        coded.unwrap_or(PictureFormat::Raw(raw.camera))
    }

    /// OUTPUT buffers to ask for.
    pub(super) fn slots(&self, options: &RunOptions<'_>) -> u32 {
        let default = match self.camera {
            Some(_) => CAMERA_SLOTS_DEFAULT,
            None => FRAME_SLOTS_DEFAULT,
        };
        options.frame_slots.unwrap_or(default)
    }

    /// The decoder's path, to open it: the engine opens it for itself.
    pub(super) fn take_decoder(&mut self) -> Option<(NodePath<'a>, Input)> {
        self.decoder.take().map(|found| (found.path, found.input))
    }

    /// The camera as the engine takes it over, with the decoder of its pictures.
    pub(super) fn camera(
        self,
        raw: RawFormats,
        decoder: Option<DecoderConfig<'a>>,
        options: &RunOptions<'a>,
        stats: Stats<'a>,
        header: &'a PacketHeader,
    ) -> Option<CameraSource<'a>> {
        let (camera, choice) = self.camera?;
        let config = CameraConfig {
            choice,
            format: raw.camera,
            decoder,
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
