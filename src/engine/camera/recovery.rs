//! A camera that fails, leaves, comes back, or has no signal.
//!
//! A camera that fails is stopped and started again, at once. If that does not help, or if it left, it is closed, reopened and
//! attached again, with growing pauses, until a frame comes or the time given is up. A change of the signal goes the same way.
//! A signal that is lost is waited for without an end: consumers stay, and `state` tells.
//!
//! Knows when which step is due and what is logged. The steps themselves are the camera's own and `attach`'s.

use rustix::io::Errno;

use super::attach::{NotAttached, source_rate};
use super::identity::{self, Identity};
use super::{CameraFeed, Health, fill};
use crate::engine::engine::{Engine, lost};
use crate::engine::life::Life;
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{CAMERA_PAUSE_MS, CAMERA_SETTLE_MS};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{NoSignal, State};
use crate::shm::stats::Counter;
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;
use crate::v4l2::camera::{Camera, Signal};
use crate::v4l2::device::NotUsable;
use crate::v4l2::negotiate::Refused;

impl CameraFeed<'_> {
    /// Whether this is the camera that was there before. Another one is logged, once, and so is another place.
    fn is_same(&mut self, camera: &Camera) -> bool {
        let (terms, now) = (self.terms, Identity::of(&camera.capability));
        if !now.continues(&self.identity, terms.choice) {
            if self.stranger != Some(now) {
                self.stranger = Some(now);
                note!(
                    warn,
                    "{terms}: another camera is there, {now}: waiting for {}",
                    self.identity
                );
            }
            return false;
        }
        self.stranger = None;
        if now != self.identity {
            note!(info, "{terms}: the camera is {now} now");
            self.identity = now;
        }
        true
    }
}

impl Engine<'_> {
    /// The camera failed. The first time since the latest picture it is started again; if that does not help, it has to be
    /// opened anew.
    pub(super) fn restart_camera(&mut self, mut error: IoctlError) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        if feed.failed == 0 && !lost(error.errno) {
            note!(
                warn,
                "{}: the camera failed ({error}): starting it again",
                feed.terms
            );
            feed.failed = now();
            match self.stop_camera() {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        self.camera_left(&error.into())
    }

    /// Stops the camera, which gives back what it has. It is started again when the encoder is empty: some drivers sleep for
    /// seconds in STREAMON, and no packet is to wait for that.
    pub(super) fn stop_camera(&mut self) -> Result<(), IoctlError> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        if let Some(camera) = &feed.camera {
            camera.stop()?;
        }
        self.pipeline.reclaim();
        feed.health = Health::Stopped(now());
        Ok(())
    }

    /// Starts the camera that was stopped.
    pub(super) fn start_camera(&mut self) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        self.stats.count(Counter::CameraRestarts);
        self.header.status.heartbeat.store(now(), Relaxed);
        feed.tried = Some(now());
        feed.clock.restart();
        feed.discontinuity = true;
        feed.health = Health::Streaming;
        let Some(camera) = &feed.camera else {
            return Ok(());
        };
        match fill(camera, self.pipeline).and_then(|()| camera.start()) {
            Ok(()) => feed.tried = None,
            Err(error) => self.camera_left(&error.into())?,
        }
        Ok(())
    }

    /// The camera is no use as it is: it is closed, and opened again after a pause.
    pub(super) fn camera_left(&mut self, error: &Refused) -> Result<(), Failure> {
        self.detach(0);
        let patience = u64::from(self.session.options.camera_wait_ms) * MS;
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        let time = now();
        // One that was there for so long since may have had nothing to show: it is another failure.
        let attached = core::mem::take(&mut feed.attached);
        if feed.failed == 0 || attached != 0 && time.saturating_sub(attached) > patience {
            feed.failed = time;
            note!(
                warn,
                "{}: the camera is gone ({error}): waiting for it",
                feed.terms
            );
        }
        // As long as it took again, at least: whatever sleeps in the kernel, clients have half of the time.
        let took = feed
            .tried
            .take()
            .map_or(0, |tried| time.saturating_sub(tried));
        let gone = time.saturating_sub(feed.failed);
        if gone >= patience {
            return Err(failure!(
                Exit::DeviceLost,
                "{}: the camera did not come back within {} ms: {error}",
                feed.terms,
                patience / MS
            ));
        }
        let (least, most) = (CAMERA_SETTLE_MS, CAMERA_PAUSE_MS);
        let pause = gone
            .clamp(u64::from(least) * MS, u64::from(most) * MS)
            .max(took);
        feed.health = Health::Away(time.saturating_add(pause.min(patience - gone)));
        Ok(())
    }

    /// Closes the camera; it is opened again after `pause` ms, when the encoder is done with its pictures.
    pub(in crate::engine) fn detach(&mut self, pause: u32) {
        let Some(feed) = &mut self.camera else {
            return;
        };
        feed.camera = None;
        feed.health = Health::Away(now().saturating_add(u64::from(pause) * MS));
        // A mapping would keep it open. What was to be copied from there is lost.
        self.memory.clear();
        self.pipeline.drop_filled(Counter::DroppedCamera);
        self.pipeline.reclaim();
        let word = &self.header.status.no_signal;
        word.store(NoSignal::No as u32, Relaxed);
        self.set_state(State::NoCamera);
    }

    pub(super) fn keep_camera(&mut self, camera: Camera, health: Health) {
        if let Some(feed) = &mut self.camera {
            feed.attached = now();
            feed.tried = None;
            if let Health::NoSignal(_) = health {
                // It works, as far as it can.
                feed.failed = 0;
            }
            feed.camera = Some(camera);
            feed.health = health;
            feed.clock.restart();
        }
    }

    /// Opens and attaches the camera, if it is there and has a signal: a new generation.
    #[inline(never)]
    pub(super) fn revive_camera(&mut self, life: &mut Life) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        let (terms, health) = (feed.terms, feed.health);
        self.header.status.heartbeat.store(now(), Relaxed);
        feed.tried = Some(now());
        let opened = match feed.camera.take() {
            Some(camera) => Ok(camera),
            None => identity::open(terms.choice, Some(&feed.identity)),
        };
        let another = IoctlError::new(Call::QueryCap, Errno::NODEV);
        let mut camera = match opened {
            Ok(camera) if feed.is_same(&camera) => camera,
            Ok(_) | Err(NotUsable::NotM2m(_)) => return self.camera_left(&another.into()),
            Err(NotUsable::Call(error)) => return self.camera_left(&error.into()),
        };
        let present = self.memory.wanted();
        let mut wanted = present;
        let signal = camera.signal();
        let lost: Refused = match signal {
            Signal::Lost(error) => error.into(),
            Signal::Failed(error) => return self.camera_left(&error.into()),
            Signal::Own | Signal::Steady => {
                if let (Signal::Steady, 0, Ok(size)) =
                    (signal, self.session.options.size.width, camera.size())
                {
                    (wanted.width, wanted.height) = size;
                }
                let requested = self.session.options.frame_rate;
                let rate = FrameRate {
                    numerator: present.rate.0,
                    denominator: present.rate.1,
                };
                let size = (wanted.width, wanted.height);
                let rate = source_rate(&camera, terms, size, requested, rate);
                wanted.rate = (rate.numerator, rate.denominator);
                match (self.attach_camera(&mut camera, terms, &wanted), signal) {
                    (Ok(()), _) => {
                        self.stats.count(Counter::CameraRestarts);
                        self.want_key_frame(life);
                        let word = &self.header.status.no_signal;
                        word.store(NoSignal::No as u32, Relaxed);
                        self.set_state(State::Running);
                        self.keep_camera(camera, Health::Streaming);
                        return Ok(());
                    }
                    // The source may send another size again.
                    (
                        Err(NotAttached::Camera(
                            error @ (Refused::Size(..) | Refused::Interlaced(_)),
                        )),
                        Signal::Steady,
                    ) => error,
                    (Err(NotAttached::Camera(error)), _) => return self.camera_left(&error),
                    (Err(NotAttached::Encoder(_)), _) => {
                        let size = (wanted.width, wanted.height);
                        let back = wanted != present && self.bare(&present).is_ok();
                        if !back {
                            self.detach(CAMERA_PAUSE_MS);
                            self.memory.want(&present);
                            return self.open_anew(life, None);
                        }
                        self.new_generation();
                        Refused::Size(size, (present.width, present.height))
                    }
                }
            }
        };
        let mut again = u64::MAX;
        if let Signal::Lost(_) = signal {
            // Not every bridge has the event.
            again = now().saturating_add(u64::from(CAMERA_PAUSE_MS) * MS);
        }
        // What is wrong may change: each cause once, and again when there was a signal.
        let (reason, word) = (no_signal(&lost), &self.header.status.no_signal);
        if !matches!(health, Health::NoSignal(_)) || word.load(Relaxed) != reason as u32 {
            note!(warn, "{terms}: {lost}: waiting for a signal");
        }
        word.store(reason as u32, Relaxed);
        self.keep_camera(camera, Health::NoSignal(again));
        self.set_state(State::NoSignal);
        Ok(())
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
