//! A camera as the producer, in the engine's own loop: its buffers are the slots, and go round between camera and encoder.
//!
//! The camera never starves: when the encoder holds so many buffers that fewer than `CAMERA_RESERVE` would be left to
//! fill, the picture just taken is dropped, and counted.

pub mod attach;
pub mod identity;
mod recovery;

use rustix::io::Errno;

use crate::engine::engine::Engine;
use crate::engine::life::{Life, Phase};
use crate::engine::reactor::{CAMERA_EVENT, FILLED, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::flow::frame_clock::{Checked, Claimed, FrameClock};
use crate::flow::pipeline::Pipeline;
use crate::limits::{CAMERA_RESERVE, CAMERA_SETTLE_MS};
use crate::log::note;
use crate::shm::stats::{Counter, Stats};
use crate::time::now;
use crate::v4l2::camera::Camera;
use crate::v4l2::negotiate::Refused;
use attach::{NotAttached, Terms};
use identity::Identity;

/// The camera while the engine runs.
#[derive(Debug)]
pub struct CameraFeed<'a> {
    /// How it is used.
    pub terms: Terms<'a>,
    /// Who it is.
    pub identity: Identity,
    /// The camera that was found in its place, and reported.
    pub stranger: Option<Identity>,
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
    /// When the try to start it that is under way began, `CLOCK_MONOTONIC` ns.
    pub tried: Option<u64>,
    /// Checks its timestamps and its count.
    pub clock: FrameClock,
    /// A frame is missing since the latest one that was kept.
    pub discontinuity: bool,
}

/// How the camera is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Pictures come, or will.
    Streaming,
    /// It was stopped, and is to be started again at this time, `CLOCK_MONOTONIC` ns.
    Stopped(u64),
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
            Health::Stopped(at) | Health::Away(at) | Health::NoSignal(at) => Some(at),
        }
    }
}

/// Counts what was wrong with a frame's time and number. A clock that steps on and on is not to fill the log: it is logged at
/// the 1st, 2nd, 4th, 8th, … correction.
fn report_clock(stats: Stats<'_>, terms: Terms<'_>, checked: &Checked) {
    stats.add(Counter::LostCamera, checked.lost.into());
    if !checked.corrected {
        return;
    }
    stats.count(Counter::CameraTimestampsCorrected);
    let corrected = stats.get(Counter::CameraTimestampsCorrected);
    if corrected.is_power_of_two() {
        note!(
            warn,
            "{terms}: a timestamp steps back or is of the future: corrected, {corrected} so far"
        );
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
                let exit = match error {
                    // Reached only where `--memory export` insists.
                    Refused::Call(error) if error.call == Call::ExpBuf => Exit::Refused,
                    _ => error.exit(),
                };
                return Err(failure!(exit, "{terms}: {error}"));
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
        let mut brought = false;
        if ready.at(CAMERA_EVENT)
            && let Some(feed) = &self.camera
            && let Some(camera) = &feed.camera
        {
            let changed = camera.changed();
            brought = changed.is_ok_and(|changed| changed);
            match changed {
                Ok(false) => {}
                // A driver may have stopped all the same.
                Ok(true) if feed.due().is_none() && camera.unchanged() => {
                    if let Err(error) = self.stop_camera() {
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
                Ok(taken) => brought |= taken,
                Err(error) => {
                    brought = true;
                    self.restart_camera(error)?;
                }
            },
            Some(Some(at)) if at <= now() && self.may_attach(life) => {
                match self.camera.as_ref().map(|feed| feed.health) {
                    Some(Health::Stopped(_)) => self.start_camera()?,
                    _ => self.revive_camera(life)?,
                }
            }
            _ => {}
        }
        self.watch_camera(life, ready, brought)
    }

    /// Notes whether the camera woke the loop for nothing. One that does nothing else has failed.
    fn watch_camera(
        &mut self,
        life: &mut Life,
        ready: Ready,
        brought: bool,
    ) -> Result<(), Failure> {
        let woke = ready.at(FILLED) || ready.at(CAMERA_EVENT);
        let Some(feed) = &self.camera else {
            return Ok(());
        };
        if brought || feed.camera.is_none() {
            life.camera_wakeups.fine();
        } else if woke
            && !ready.guessed()
            && life
                .camera_wakeups
                .brought_nothing(now(), self.settings.stall)
        {
            let error = IoctlError::new(Call::Poll, Errno::IO);
            return match feed.due() {
                None => self.restart_camera(error),
                Some(_) => self.camera_left(&error.into()),
            };
        }
        Ok(())
    }

    /// Whether the encoder is there, and has no frame.
    pub(super) fn may_attach(&self, life: &Life) -> bool {
        life.away.is_none() && self.pipeline.in_flight() == 0 && !self.pipeline.busy()
    }

    /// Takes at most one round of pictures. Whether there was any.
    fn take_pictures(&mut self, life: &mut Life, ready: bool) -> Result<bool, IoctlError> {
        let mut taken = false;
        let Some(feed) = &mut self.camera else {
            return Ok(taken);
        };
        let Some(camera) = &feed.camera else {
            return Ok(taken);
        };
        for _ in 0..camera.slots() {
            if !ready {
                break;
            }
            let Some(picture) = camera.dequeue()? else {
                break;
            };
            taken = true;
            let time = now();
            let claimed = Claimed {
                timestamp: picture.micros.map(|micros| micros.saturating_mul(1000)),
                sequence: picture.sequence,
            };
            let checked = feed.clock.check(claimed, time);
            let committed = self
                .pipeline
                .commit(picture.slot, checked.timestamp, time, time);
            if committed.is_err() {
                // Not one of those that it has: a driver that cannot count.
                continue;
            }
            feed.discontinuity |= checked.discontinuity;
            report_clock(self.stats, feed.terms, &checked);
            if picture.damaged {
                self.pipeline.drop_newest(Counter::DroppedCamera);
                feed.discontinuity = true;
            } else {
                if core::mem::take(&mut feed.failed) != 0 {
                    note!(info, "{}: pictures come again", feed.terms);
                }
                if self.pipeline.lent() < CAMERA_RESERVE {
                    self.pipeline.drop_behind(time);
                    feed.discontinuity = true;
                } else if core::mem::take(&mut feed.discontinuity) {
                    self.pipeline.mark_newest();
                }
            }
            if let Some(left) = &mut feed.frames {
                *left -= 1;
                if *left == 0 {
                    life.end_wanted = true;
                    return Ok(taken);
                }
            }
        }
        fill(camera, self.pipeline)?;
        Ok(taken)
    }
}
