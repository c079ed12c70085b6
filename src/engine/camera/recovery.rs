//! A camera that fails, leaves, or comes back.
//!
//! A camera that fails is stopped and started again, at once. If that does not help, or if it left, it is closed, reopened and
//! attached again, with growing pauses, until a frame comes or the time given is up. A change of the signal goes the same way.
//!
//! Knows when which step is due and what is logged. Knows no encoder: the engine attaches the camera when this says that it is time.

use rustix::io::Errno;

use super::config::{Fault, Part};
use super::identity::{self, Identity};
use super::{CameraEvent, CameraSource, Health, start};
use crate::engine::error::EngineError;
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::limits::{CAMERA_PAUSE_MS, CAMERA_SETTLE_MS};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::stats::Counter;
use crate::text::Escaped;
use crate::time::{MS, now};
use crate::v4l2::camera::Camera;
use crate::v4l2::device::NotUsable;
use crate::v4l2::negotiate::Refused;

impl<'a> CameraSource<'a> {
    /// A device failed. The first time since the latest frame all is started again; if that does not help, it has to be reopened.
    ///
    /// # Errors
    /// When it did not come back in time.
    pub(super) fn fail(
        &mut self,
        mut fault: Fault,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<CameraEvent, EngineError<'a>> {
        let Fault { of, error } = fault;
        // Where its frames lie otherwise, both ends have to agree again.
        let lies = error.call == Call::GFmt;
        self.config.own_rows |= lies;
        if self.failed == 0 && !error.is_loss() && !lies {
            note!(
                warn,
                "{} failed ({error}): starting it again",
                of.name(self.config)
            );
            self.failed = now_ns;
            self.chain.count_restart(of);
            match self.stop(pipeline, now_ns) {
                Ok(()) => return Ok(CameraEvent::None),
                Err(again) => fault = again,
            }
        }
        self.lose(fault.of, &fault.error.into(), now_ns)
    }

    /// Stops the camera and what is between it and the encoder, which give back what they have. They are started again when the encoder is empty: some drivers sleep for
    /// seconds in STREAMON, and no packet is to wait for that.
    pub(super) fn stop(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<(), Fault> {
        if let Some(camera) = &self.camera {
            let stopped = camera.capture.stop();
            stopped.map_err(|error| Part::Camera.failed(error))?;
        }
        self.chain.stop()?;
        self.flushing = false;
        pipeline.reclaim();
        self.health = Health::Stopped(now_ns);
        Ok(())
    }

    /// Starts the camera that was stopped.
    pub(super) fn start(&mut self, pipeline: &mut Pipeline<'_>) -> Result<(), Fault> {
        self.stats.count(Counter::CameraRestarts);
        let now_ns = self.begin_try();
        self.clock.restart();
        self.discontinuity = true;
        self.health = Health::Streaming;
        if let Some(camera) = &self.camera {
            start(camera, &mut self.chain, pipeline, now_ns)?;
        }
        self.tried = None;
        Ok(())
    }

    /// Notes that calls follow which may sleep for seconds: the heartbeat says that the engine was alive before. Gives the time, ns.
    fn begin_try(&mut self) -> u64 {
        let now_ns = now();
        self.header.status.heartbeat.store(now_ns, Relaxed);
        self.tried = Some(now_ns);
        now_ns
    }

    /// Opens the camera, if it is there and is the one that was there before.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn open_again(&mut self) -> Result<Camera, Refused> {
        self.begin_try();
        let opened = match self.camera.take() {
            Some(camera) => Ok(camera),
            None => identity::open(self.config.choice, Some(&self.identity)),
        };
        match opened {
            Ok(camera) if self.is_same(&camera) => Ok(camera),
            Ok(_) | Err(NotUsable::NotM2m(_)) => {
                Err(IoctlError::new(Call::QueryCap, Errno::NODEV).into())
            }
            Err(NotUsable::Call(error)) => Err(error.into()),
        }
    }

    /// The camera is no use as it is: it is closed, and reopened after a pause.
    ///
    /// # Errors
    /// When it did not come back in time.
    pub(super) fn lose(
        &mut self,
        of: Part,
        error: &Refused,
        now_ns: u64,
    ) -> Result<CameraEvent, EngineError<'a>> {
        let patience_ns = self.config.patience_ns;
        let config = self.config;
        // One that was there for so long since may have had nothing to show: it is another failure.
        let attached = core::mem::take(&mut self.attached);
        if self.failed == 0 || attached != 0 && now_ns.saturating_sub(attached) > patience_ns {
            self.failed = now_ns;
            match of {
                Part::Camera => note!(
                    warn,
                    "{} is gone ({error}): waiting for it",
                    of.name(config)
                ),
                Part::Middle(_) => note!(
                    warn,
                    "{} does not work ({error}): opening it again",
                    of.name(config)
                ),
            }
        }
        // As long as it took again, at least: whatever sleeps in the kernel, clients have half of the time.
        let tried = self.tried.take();
        let took = tried.map_or(0, |tried| now_ns.saturating_sub(tried));
        let gone = now_ns.saturating_sub(self.failed);
        if gone >= patience_ns {
            let patience_ms = patience_ns / MS;
            return Err(match of.in_middle(config) {
                Some(one) => {
                    let (kind, path) = (one.input.kind(), Escaped(one.node.to_bytes()));
                    EngineError::MiddleLost(kind, path, patience_ms, *error)
                }
                None => EngineError::CameraLost(config.choice, patience_ms, *error),
            });
        }
        let (min, max) = (CAMERA_SETTLE_MS, CAMERA_PAUSE_MS);
        let pause = gone.clamp(u64::from(min) * MS, u64::from(max) * MS);
        let pause = pause.max(took).min(patience_ns - gone);
        let closed = self.close(0, now_ns);
        self.health = Health::Away(now_ns.saturating_add(pause));
        Ok(closed)
    }

    /// Whether this is the camera that was there before. Another one is logged, once, and so is another bus.
    fn is_same(&mut self, camera: &Camera) -> bool {
        let (config, now) = (self.config, Identity::of(&camera.capability));
        if !now.continues(&self.identity, config.choice) {
            if self.stranger != Some(now) {
                self.stranger = Some(now);
                note!(
                    warn,
                    "{config}: another camera is there, {now}: waiting for {}",
                    self.identity
                );
            }
            return false;
        }
        self.stranger = None;
        if now != self.identity {
            note!(info, "{config}: the camera is {now} now");
            self.identity = now;
        }
        true
    }
}
