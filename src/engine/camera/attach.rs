//! Camera, encoder, and what is between them, are brought together: one format and size, rows in the same places, and one set of buffers at
//! each place where raw frames go from one device to the next.
//!
//! Knows what they must agree on. Knows no frame: the encoder is idle meanwhile, at the start and later.

use rustix::io::Errno;

use super::buffers::{NotAttached, bring_together, has_rows, unbound};
use super::chain_line::ChainLine;
use super::config::{CameraConfig, Input, Part};
use super::opening::{Opened, open_chain, share_inputs};
use super::{CameraSource, Health, start};
use crate::engine::error::EngineError;
use crate::engine::request::Buffers;
use crate::engine::setup::Setup;
use crate::flow::pipeline::Pipeline;
use crate::limits::{CAMERA_PAUSE_MS, PLANES};
use crate::log::note;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::NoSignal;
use crate::shm::stats::Counter;
use crate::text::Escaped;
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;
use crate::v4l2::camera::{Camera, CaptureFormat, Signal};
use crate::v4l2::negotiate::{Refused, Rows, Wanted, check_size};

/// The rate at which this camera's frames come, in lowest terms: its answer to the requested rate, or its signal's.
/// The requested one when the camera does not say. Logged when it is neither the requested one nor `present`.
#[must_use]
pub fn source_rate(
    camera: &Camera,
    name: impl core::fmt::Display,
    format: CaptureFormat,
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
            Err(NotAttached::Source(of, error)) => Err(match of.in_middle(self.config) {
                Some(one) => EngineError::Middle(Escaped(one.node.to_bytes()), error),
                None => EngineError::Camera(self.config.choice, error),
            }),
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
            Err(error) => return self.closed(Part::Camera, &error),
        };
        if let Some(edid) = self.config.edid
            && let Err(error) = camera.show_edid(edid)
        {
            return self.closed(Part::Camera, &error.into());
        }
        let signal = camera.signal();
        let mut reconfigured = false;
        let lost = match signal {
            Signal::Failed(error) => return self.closed(Part::Camera, &error.into()),
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
                    Err(NotAttached::Source(
                        Part::Camera,
                        error @ (Refused::Size(..) | Refused::Interlaced(_)),
                    )) if matches!(signal, Signal::Steady) => error,
                    Err(NotAttached::Source(of, error)) => return self.closed(of, &error),
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

    fn closed(&mut self, of: Part, error: &Refused) -> Result<Attached, EngineError<'a>> {
        self.lose(of, error, now()).map(|_| Attached::Closed)
    }

    /// Logs and publishes why there is no signal. What is wrong may change: each cause once, and again when there was a signal.
    fn log_signal(&self, lost: &Refused) {
        let (reason, word) = (no_signal(lost), &self.header.status.no_signal);
        if !matches!(self.health, Health::NoSignal(_)) || word.load(Relaxed) != reason as u32 {
            note!(warn, "{}: {lost}: waiting for a signal", self.config);
        }
        self.set_no_signal(reason);
    }

    /// Sets encoder and camera up, with what is between them, brings their buffers together, and starts the camera.
    fn begin(
        &mut self,
        setup: &mut Setup<'_, 'a>,
        pipeline: &mut Pipeline<'_>,
        camera: &mut Camera,
        wanted: &Wanted,
    ) -> Result<(), NotAttached<'a>> {
        let begun = self.try_begin(setup, pipeline, camera, wanted);
        if begun.is_err() {
            self.chain.clear();
        }
        begun
    }

    #[inline(never)]
    fn try_begin(
        &mut self,
        setup: &mut Setup<'_, 'a>,
        pipeline: &mut Pipeline<'_>,
        camera: &mut Camera,
        wanted: &Wanted,
    ) -> Result<(), NotAttached<'a>> {
        // Filled where it is: what is handed up from call to call lies on the stack once for each of them.
        let mut opened = Opened::new();
        let slots = match self.config.passes {
            Some(_) => {
                let (session, frames) = (&setup.stage.session, self.config.frames());
                setup.stage.wanted = self.coded.set_up(camera, frames, wanted, session)?;
                camera.capture.slots()
            }
            None => attach(setup, camera, self.config, wanted, &mut opened)?,
        };
        pipeline.replace_slots(slots);
        let size = (wanted.width, wanted.height);
        let chain = &mut self.chain;
        chain.set_up(&mut opened, camera, self.config, size, self.stats)?;
        start(camera, chain, pipeline, now())?;
        Ok(())
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
        let rate = source_rate(camera, config, config.frames(), size, requested, present);
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

/// Sets encoder and camera up for each other, and what is between them. The camera is not started yet. Gives how many slots there are.
///
/// # Errors
/// When the camera refuses format or size, or memory is short; when the encoder refuses, nothing of it may be left.
#[inline(never)]
fn attach<'a>(
    setup: &mut Setup<'_, 'a>,
    camera: &mut Camera,
    config: CameraConfig<'_>,
    wanted: &Wanted,
    opened: &mut Opened,
) -> Result<u32, NotAttached<'a>> {
    let size = (wanted.width, wanted.height);
    check_size(size)?;
    let options = setup.stage.session.options;
    let of_camera = config.camera_size(size);
    let mut colour = camera.colour(config.frames(), of_camera, options.progressive)?;
    if let Some(Input::Coded(coded)) = config.middle.first().map(|first| first.input) {
        colour = colour.of_coded(coded);
    }
    let mut wanted = Wanted {
        colour: colour.overridden_by(options.colour),
        ..*wanted
    };
    let present = setup.stage.wanted;
    if size != (present.width, present.height) {
        wanted.rows = Rows::default();
    }
    let idle = setup.stage.encoder().is_none_or(|one| one.slots() == 0);
    if wanted != present || idle {
        unbound(setup, &wanted)?;
    }
    // Whoever fills the slots is asked for the encoder's rows. If it has rows of its own, the encoder is asked for those.
    let alike = config.format.has_layout_of(wanted.format);
    let strides = match setup.stage.encoder() {
        Some(encoder) if alike && !config.own_rows => {
            encoder.agreed().layout.placement().bytesperline
        }
        _ => [0; PLANES],
    };
    open_chain(camera, config, &wanted, opened)?;
    let (filler, layout) = match opened.last_mut() {
        Some(last) => {
            let layout = last.negotiate(config.format, size, &strides);
            let layout = layout.map_err(|error| config.filler_part().refused(error))?;
            (&mut last.capture, layout)
        }
        None => {
            let layout = camera.negotiate(config.frames(), &wanted, &strides)?;
            (&mut camera.capture, layout.unwrap_or_default())
        }
    };
    if alike && Rows::of(&layout) != wanted.rows && !has_rows(setup, &layout) {
        adopt_rows(setup, &mut wanted, &layout)?;
    }
    let slots = bring_together(setup, filler, config, &wanted, &layout, alike)?;
    share_inputs(opened, camera)?;
    if let Some(encoder) = setup.stage.encoder()
        && !opened.is_empty()
    {
        let line = ChainLine {
            config,
            devices: opened,
            encoder: (setup.stage.session.path, encoder),
            wanted: &wanted,
        };
        note!(info, "chain: {line}");
    }
    Ok(slots)
}

/// Sets the encoder up for rows that lie as these, such as the 1088 of a decoder for 1080, of which the crop shows 1080. Where it cannot,
/// it has rows of its own as before.
fn adopt_rows<'a>(
    setup: &mut Setup<'_, 'a>,
    wanted: &mut Wanted,
    layout: &FrameLayout,
) -> Result<(), NotAttached<'a>> {
    let own = *wanted;
    wanted.rows = Rows::of(layout);
    if unbound(setup, wanted).is_ok() && has_rows(setup, layout) {
        return Ok(());
    }
    *wanted = own;
    unbound(setup, wanted).map(|_| ())
}

/// Sets the encoder up as it was before a camera did not fit. Whether that succeeded.
fn set_up_as_before(setup: &mut Setup<'_, '_>, present: &Wanted) -> bool {
    let answer = setup.set_up(present, &mut Buffers::Unbound);
    answer.map_err(|error| setup.stage.log(error)).is_ok()
}
