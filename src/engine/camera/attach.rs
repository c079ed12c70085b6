//! Camera and encoder are brought together: one format and size, rows in the same places, and one set of buffers, the encoder's or the
//! camera's; or, where that cannot be, one copy of each frame, which the log names.
//!
//! Knows what both ends must agree on. Knows no frame: the encoder is idle meanwhile, at the start and later.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::{CameraConfig, CameraSource, Health, give_slots};
use crate::engine::error::EngineError;
use crate::engine::request::Buffers;
use crate::engine::setup::Setup;
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::limits::{CAMERA_PAUSE_MS, CAMERA_RESERVE, FRAME_SIDE_MAX, FRAME_SIDE_MIN, PLANES};
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::NoSignal;
use crate::shm::stats::Counter;
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::v4l2::camera::{Camera, PictureFormat, Signal};
use crate::v4l2::negotiate::{Refused, Wanted};

/// The rate at which this camera's frames come, in lowest terms: its answer to the requested rate, or its signal's.
/// The requested one when the camera does not say. Logged when it is neither the requested one nor `present`.
#[must_use]
pub fn source_rate(
    camera: &Camera,
    name: impl core::fmt::Display,
    format: PictureFormat,
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
enum NotAttached<'a> {
    /// The camera refused.
    Camera(Refused),
    /// The encoder refused.
    Encoder(EngineError<'a>),
}

impl<T: Into<Refused>> From<T> for NotAttached<'_> {
    fn from(error: T) -> Self {
        Self::Camera(error.into())
    }
}

/// What became of the try to attach the camera again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// It streams, and its buffers are the slots.
    Streaming,
    /// It is there, and has no signal that can be worked with.
    NoSignal {
        /// The encoder was set up again as it was before the try.
        reconfigured: bool,
    },
    /// It is closed.
    Closed,
    /// The encoder could not be set up, neither for the camera nor as before.
    NoEncoder,
}

impl<'a> CameraSource<'a> {
    /// Attaches the camera, before the loop.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn attach_first(
        &mut self,
        setup: &mut Setup<'_, 'a>,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<(), EngineError<'a>> {
        let Some(mut camera) = self.camera.take() else {
            return Ok(());
        };
        let wanted = setup.stage.wanted;
        match self.begin(setup, pipeline, &mut camera, &wanted) {
            Ok(()) => {
                self.keep(camera, Health::Streaming, now());
                Ok(())
            }
            Err(NotAttached::Camera(error)) => Err(EngineError::Camera(self.config.choice, error)),
            Err(NotAttached::Encoder(error)) => Err(error),
        }
    }

    /// Opens and attaches the camera, if it is there and has a signal.
    ///
    /// # Errors
    /// When it did not come back in time.
    pub fn attach_again(
        &mut self,
        setup: &mut Setup<'_, 'a>,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Attached, EngineError<'a>> {
        let mut camera = match self.open_again() {
            Ok(camera) => camera,
            Err(error) => return self.closed(&error),
        };
        if let Some(edid) = self.config.edid
            && let Err(error) = camera.show_edid(edid)
        {
            return self.closed(&error.into());
        }
        let signal = camera.signal();
        let mut reconfigured = false;
        let lost = match signal {
            Signal::Failed(error) => return self.closed(&error.into()),
            Signal::Lost(error) => Refused::Call(error),
            Signal::Own | Signal::Steady => {
                let present = setup.stage.wanted;
                let wanted = self.wanted_of(setup, &camera, &signal);
                match self.begin(setup, pipeline, &mut camera, &wanted) {
                    Ok(()) => {
                        self.stats.count(Counter::CameraRestarts);
                        self.set_no_signal(NoSignal::No);
                        self.keep(camera, Health::Streaming, now());
                        return Ok(Attached::Streaming);
                    }
                    // The source may send another size again.
                    Err(NotAttached::Camera(
                        error @ (Refused::Size(..) | Refused::Interlaced(_)),
                    )) if matches!(signal, Signal::Steady) => error,
                    Err(NotAttached::Camera(error)) => return self.closed(&error),
                    Err(NotAttached::Encoder(error)) => {
                        setup.stage.log(error);
                        if wanted == present || !set_up_as_before(setup, &present) {
                            setup.stage.wanted = present;
                            return Ok(Attached::NoEncoder);
                        }
                        reconfigured = true;
                        let size = (wanted.width, wanted.height);
                        Refused::Size(size, (present.width, present.height))
                    }
                }
            }
        };
        // Not every bridge has the event.
        let again_ns = match signal {
            Signal::Lost(_) => now().saturating_add(u64::from(CAMERA_PAUSE_MS) * MS),
            _ => u64::MAX,
        };
        self.log_signal(&lost);
        self.keep(camera, Health::NoSignal(again_ns), now());
        Ok(Attached::NoSignal { reconfigured })
    }

    fn closed(&mut self, error: &Refused) -> Result<Attached, EngineError<'a>> {
        self.lose(error, now()).map(|_| Attached::Closed)
    }

    /// Logs and publishes why there is no signal. What is wrong may change: each cause once, and again when there was a signal.
    fn log_signal(&self, lost: &Refused) {
        let (reason, word) = (no_signal(lost), &self.header.status.no_signal);
        if !matches!(self.health, Health::NoSignal(_)) || word.load(Relaxed) != reason as u32 {
            note!(warn, "{}: {lost}: waiting for a signal", self.config);
        }
        self.set_no_signal(reason);
    }

    /// Sets encoder and camera up, makes the camera's buffers the slots, and starts it.
    fn begin(
        &self,
        setup: &mut Setup<'_, 'a>,
        pipeline: &mut Pipeline<'_>,
        camera: &mut Camera,
        wanted: &Wanted,
    ) -> Result<(), NotAttached<'a>> {
        let slots = attach(setup, camera, self.config, wanted)?;
        pipeline.replace_slots(slots);
        give_slots(&camera.pictures, pipeline, now())?;
        Ok(camera.pictures.start()?)
    }

    /// What is to be encoded of a camera that has a signal, or needs none.
    fn wanted_of(&self, setup: &Setup<'_, '_>, camera: &Camera, signal: &Signal) -> Wanted {
        let (mut wanted, options) = (setup.stage.wanted, setup.stage.session.options);
        if let (Signal::Steady, 0, Ok(size)) = (signal, options.size.width, camera.size()) {
            (wanted.width, wanted.height) = size;
        }
        let present = FrameRate {
            numerator: wanted.rate.0,
            denominator: wanted.rate.1,
        };
        let size = (wanted.width, wanted.height);
        let (config, requested) = (self.config, options.frame_rate);
        let rate = source_rate(
            camera,
            config,
            PictureFormat::Raw(config.format),
            size,
            requested,
            present,
        );
        wanted.rate = (rate.numerator, rate.denominator);
        wanted
    }
}

/// Why there is no signal that can be worked with.
fn no_signal(lost: &Refused) -> NoSignal {
    match lost {
        Refused::Call(error) if error.errno == Errno::NOLINK => NoSignal::NoCable,
        Refused::Call(error) if error.errno == Errno::NOLCK => NoSignal::Unstable,
        Refused::Call(_) => NoSignal::OutOfRange,
        _ => NoSignal::Size,
    }
}

/// Sets encoder and camera up for each other. The camera is not started yet. Gives how many slots there are.
///
/// # Errors
/// When the camera refuses format or size, or memory is short; when the encoder refuses, nothing of it may be left.
fn attach<'a>(
    setup: &mut Setup<'_, 'a>,
    camera: &mut Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
) -> Result<u32, NotAttached<'a>> {
    let size = (wanted.width, wanted.height);
    let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
    if !sides.contains(&size.0) || !sides.contains(&size.1) {
        return Err(Refused::Size(size, size).into());
    }
    let options = setup.stage.session.options;
    let colour = camera.colour(PictureFormat::Raw(config.format), size, options.progressive)?;
    let wanted = &Wanted {
        colour: colour.overridden_by(options.colour),
        ..*wanted
    };
    let idle = setup.stage.encoder().is_none_or(|one| one.slots() == 0);
    if *wanted != setup.stage.wanted || idle {
        unbound(setup, wanted)?;
    }
    // The camera is asked for the encoder's rows. If it has rows of its own, the encoder is asked for those.
    let alike = config.format.has_layout_of(wanted.format);
    let strides = match setup.stage.encoder() {
        Some(encoder) if alike => encoder.agreed().layout.placement().bytesperline,
        _ => [0; PLANES],
    };
    let layout = camera.negotiate(PictureFormat::Raw(config.format), wanted, &strides)?;
    let layout = layout.unwrap_or_default();
    let mut slots = lend(setup, camera, config, wanted, &layout, alike)?;
    if slots.is_none() {
        camera.pictures.allocate(setup.stage.session.slots)?;
        slots = import(setup, camera, config, wanted, &layout, alike)?;
    }
    if slots.is_none() {
        let outputs = unbound(setup, wanted)?;
        if let Some(encoder) = setup.stage.encoder() {
            setup
                .memory
                .copy_camera(encoder, &camera.pictures, &layout, options.memory)?;
        }
        slots = Some(outputs.min(camera.pictures.slots()));
    }
    slots
        .filter(|&slots| slots > CAMERA_RESERVE as u32)
        .ok_or_else(|| IoctlError::new(Call::ReqBufs, Errno::NOMEM).into())
}

/// Makes the encoder's buffers the camera's, which then writes its pictures where the encoder reads them; a camera behind USB has no memory
/// that an encoder without an IOMMU could read. `None` where that cannot be: there are other ways.
fn lend<'a>(
    setup: &mut Setup<'_, 'a>,
    camera: &mut Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    layout: &FrameLayout,
    alike: bool,
) -> Result<Option<u32>, NotAttached<'a>> {
    let choice = setup.stage.session.options.memory;
    let encoder = setup.stage.encoder();
    let fits = encoder.is_some_and(|one| one.agreed().layout.placement() == layout.placement());
    if choice == MemoryChoice::Copy || !alike || !fits {
        return Ok(None);
    }
    let mut buffers = match setup.stage.has_own_buffers() {
        true => Buffers::Kept(MemoryChoice::Export),
        false => Buffers::Driver(MemoryChoice::Export),
    };
    let answer = setup.set_up(wanted, &mut buffers);
    let answer = answer.map(|slots| (slots, camera.pictures.borrow(setup.memory.lend())));
    match answer {
        Ok((slots, Ok(()))) => {
            note!(
                info,
                "{config}: fills the encoder's buffers, no frame is copied"
            );
            Ok(Some(slots))
        }
        Ok((_, Err(error))) => {
            note!(
                info,
                "{config}: does not fill the encoder's buffers ({error})"
            );
            Ok(None)
        }
        Err(error) => {
            setup.stage.log(error);
            Ok(None)
        }
    }
}

/// Makes the camera's buffers the encoder's. `None` where they have to be copied, which is logged in one line. With
/// `--memory export` whatever stands in the way is an error.
fn import<'a>(
    setup: &mut Setup<'_, 'a>,
    camera: &Camera,
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
            "{config}: {} becomes {} by a copy, {} bytes a second",
            config.format.fourcc,
            wanted.format.fourcc,
            wanted.bytes_a_second()
        );
        return Ok(None);
    }
    let mut planes = ArrayVec::new();
    if let Err(error) = camera.pictures.export(&mut planes) {
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
    let mut buffers = Buffers::Imported(camera.pictures.slots(), layout.placement(), planes);
    match setup.set_up(wanted, &mut buffers) {
        Ok(slots) => Ok(Some(slots)),
        Err(error) if insists => Err(NotAttached::Encoder(error)),
        Err(error) => {
            setup.stage.log(error);
            Ok(None)
        }
    }
}

/// Sets the encoder up as it was before a camera did not fit. Whether that succeeded.
fn set_up_as_before(setup: &mut Setup<'_, '_>, present: &Wanted) -> bool {
    let answer = setup.set_up(present, &mut Buffers::Unbound);
    answer.map_err(|error| setup.stage.log(error)).is_ok()
}

/// Sets the encoder up with buffers of its own, which nobody has.
///
/// # Errors
/// When the encoder refuses.
fn unbound<'a>(setup: &mut Setup<'_, 'a>, wanted: &Wanted) -> Result<u32, NotAttached<'a>> {
    let answer = setup.set_up(wanted, &mut Buffers::Unbound);
    answer.map_err(NotAttached::Encoder)
}
