//! A camera as the producer, in the engine's own loop: its buffers are the slots, and go round between camera and encoder.
//!
//! The camera never starves: when the encoder holds so many buffers that fewer than `CAMERA_RESERVE` would be left to
//! fill, the picture just taken is dropped, and counted.
//!
//! The ladder for a camera that fails: it is stopped and started again, at once. If that does not help, or if it left, it is
//! closed, opened again and attached anew, with growing pauses, until a picture comes or the time given is up. A change
//! of the signal goes the same way. A signal that is lost is waited for without an end: consumers stay, and `state` tells.

pub mod attach;

use rustix::io::Errno;

use crate::engine::engine::{Engine, lost};
use crate::engine::life::{Life, Phase};
use crate::engine::pipeline::Pipeline;
use crate::engine::reactor::{CAMERA_EVENT, FILLED, Ready};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::{CAMERA_PAUSE_MS, CAMERA_RESERVE, CAMERA_SETTLE_MS};
use crate::note;
use crate::shm::layout::State;
use crate::stats::Counter;
use crate::time::{MS, now};
use crate::v4l2::camera::{Camera, Signal};
use crate::v4l2::device::NotUsable;
use crate::v4l2::errno::{Call, IoctlError};
use crate::v4l2::negotiate::Refused;
use attach::{NotAttached, Terms};

/// The camera while the engine runs.
#[derive(Debug)]
pub struct CameraFeed<'a> {
    /// How it is used.
    pub terms: Terms<'a>,
    /// The device, with its buffers; `None` while it is away.
    pub camera: Option<Camera>,
    /// Pictures to take; the end comes after them.
    pub frames: Option<u64>,
    /// How it is.
    pub health: Health,
    /// The first failure since the latest picture, `CLOCK_MONOTONIC` ns; 0: none.
    pub failed: u64,
    /// When it was attached, `CLOCK_MONOTONIC` ns; 0 while it is away.
    pub attached: u64,
}

/// How the camera is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Pictures come, or will.
    Streaming,
    /// To be opened and attached at this time, `CLOCK_MONOTONIC` ns.
    Away(u64),
    /// There is no signal; it is looked at again at this time or at the next event.
    NoSignal(u64),
}

impl CameraFeed<'_> {
    /// When it is to be attached, `CLOCK_MONOTONIC` ns; `None` while it streams.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match self.health {
            Health::Streaming => None,
            Health::Away(at) | Health::NoSignal(at) => Some(at),
        }
    }
}

/// Gives the camera every free slot.
fn fill(camera: &Camera, pipeline: &mut Pipeline<'_>) -> Result<(), IoctlError> {
    while let Some(slot) = pipeline.lend(now()) {
        camera.queue(slot)?;
    }
    Ok(())
}

impl Engine<'_> {
    /// Before the loop: attaches the camera, where there is one.
    ///
    /// # Errors
    /// When it cannot be done.
    #[inline(never)]
    pub fn begin_camera(&mut self) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        let terms = feed.terms;
        let Some(mut camera) = feed.camera.take() else {
            return Ok(());
        };
        let wanted = self.memory.wanted();
        match self.attach_camera(&mut camera, terms, &wanted) {
            Ok(()) => self.keep_camera(camera, Health::Streaming),
            Err(NotAttached::Camera(error)) => {
                return Err(failure!(error.exit(), "{terms}: {error}"));
            }
            Err(NotAttached::Encoder(failure)) => return Err(failure),
        }
        Ok(())
    }

    /// Takes the pictures that are there, and gives free slots to the camera. One that is not there is tried when it is time.
    ///
    /// # Errors
    /// When the camera did not come back in time.
    #[inline(never)]
    pub(super) fn serve_camera(&mut self, life: &mut Life, ready: Ready) -> Result<(), Failure> {
        if life.phase != Phase::Running {
            return Ok(());
        }
        if ready.at(CAMERA_EVENT)
            && let Some(feed) = &self.camera
            && let Some(camera) = &feed.camera
        {
            match camera.changed() {
                Ok(false) => {}
                // A driver may have stopped all the same.
                Ok(true) if feed.due().is_none() && camera.unchanged() => {
                    if let Err(error) = self.start_again() {
                        self.camera_left(&error.into())?;
                    }
                }
                // What became of it is asked when it has settled.
                Ok(true) => self.detach(CAMERA_SETTLE_MS),
                Err(error) => self.camera_left(&error.into())?,
            }
        }
        match self.camera.as_ref().map(CameraFeed::due) {
            Some(None) => match self.take_pictures(life, ready.at(FILLED)) {
                Ok(()) => Ok(()),
                Err(error) => self.restart_camera(error),
            },
            Some(Some(at)) if at <= now() && self.may_attach(life) => self.revive_camera(life),
            _ => Ok(()),
        }
    }

    /// Whether the encoder is there, and has no frame.
    pub(super) fn may_attach(&self, life: &Life) -> bool {
        life.away.is_none() && self.pipeline.in_flight() == 0 && !self.pipeline.busy()
    }

    /// Takes at most one round of pictures.
    fn take_pictures(&mut self, life: &mut Life, ready: bool) -> Result<(), IoctlError> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        let Some(camera) = &feed.camera else {
            return Ok(());
        };
        for _ in 0..camera.slots() {
            if !ready {
                break;
            }
            let Some(picture) = camera.dequeue()? else {
                break;
            };
            if core::mem::take(&mut feed.failed) != 0 {
                note!(info, "{}: pictures come again", feed.terms);
            }
            let time = now();
            let stamp = picture.micros.saturating_mul(1000);
            if self
                .pipeline
                .commit(picture.slot, stamp, time, time)
                .is_err()
            {
                // Not one of those that it has: a driver that cannot count.
                continue;
            }
            if picture.error {
                self.pipeline.drop_newest(Counter::DroppedCamera);
            } else if self.pipeline.lent() < CAMERA_RESERVE {
                self.pipeline.drop_behind(time);
            }
            if let Some(left) = &mut feed.frames {
                *left -= 1;
                if *left == 0 {
                    life.end_wanted = true;
                    return Ok(());
                }
            }
        }
        fill(camera, self.pipeline)
    }

    /// The camera failed. The first time since the latest picture it is started again; if that does not help, it has to be
    /// opened anew.
    fn restart_camera(&mut self, mut error: IoctlError) -> Result<(), Failure> {
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
            match self.start_again() {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        self.camera_left(&error.into())
    }

    /// Stops the camera, which gives back what it has, and starts it again.
    fn start_again(&mut self) -> Result<(), IoctlError> {
        self.stats.count(Counter::CameraRestarts);
        let Some(camera) = self.camera.as_ref().and_then(|feed| feed.camera.as_ref()) else {
            return Ok(());
        };
        camera.stop()?;
        self.pipeline.reclaim();
        fill(camera, self.pipeline)?;
        camera.start()
    }

    /// The camera is no use as it is: it is closed, and opened again after a pause.
    fn camera_left(&mut self, error: &Refused) -> Result<(), Failure> {
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
        let pause = gone.clamp(u64::from(least) * MS, u64::from(most) * MS);
        feed.health = Health::Away(time.saturating_add(pause.min(patience - gone)));
        Ok(())
    }

    /// Closes the camera; it is opened again after `pause` ms, when the encoder is done with its pictures.
    pub(super) fn detach(&mut self, pause: u32) {
        let Some(feed) = &mut self.camera else {
            return;
        };
        feed.camera = None;
        feed.health = Health::Away(now().saturating_add(u64::from(pause) * MS));
        // A mapping would keep it open. What was to be copied from there is lost.
        self.memory.clear();
        self.pipeline.drop_filled(Counter::DroppedCamera);
        self.pipeline.reclaim();
        self.set_state(State::NoCamera);
    }

    fn keep_camera(&mut self, camera: Camera, health: Health) {
        if let Some(feed) = &mut self.camera {
            feed.attached = now();
            if let Health::NoSignal(_) = health {
                // It works, as far as it can.
                feed.failed = 0;
            }
            feed.camera = Some(camera);
            feed.health = health;
        }
    }

    /// Opens and attaches the camera, if it is there and has a signal: a new generation.
    #[inline(never)]
    fn revive_camera(&mut self, life: &mut Life) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        let (terms, health) = (feed.terms, feed.health);
        let opened = match feed.camera.take() {
            Some(camera) => Ok(camera),
            None => Camera::open(terms.path),
        };
        let mut camera = match opened {
            Ok(camera) => camera,
            Err(NotUsable::Call(error)) => return self.camera_left(&error.into()),
            Err(NotUsable::NotM2m(_)) => {
                let error = IoctlError::new(Call::QueryCap, Errno::NODEV);
                return self.camera_left(&error.into());
            }
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
                match (self.attach_camera(&mut camera, terms, &wanted), signal) {
                    (Ok(()), _) => {
                        self.stats.count(Counter::CameraRestarts);
                        self.want_key_frame(life);
                        self.set_state(State::Running);
                        self.keep_camera(camera, Health::Streaming);
                        return Ok(());
                    }
                    // The source may send another size again.
                    (Err(NotAttached::Camera(error @ Refused::Size(..))), Signal::Steady) => error,
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
        if !matches!(health, Health::NoSignal(_)) {
            note!(warn, "{terms}: {lost}: waiting for a signal");
        }
        self.keep_camera(camera, Health::NoSignal(again));
        self.set_state(State::NoSignal);
        Ok(())
    }
}
