//! A camera as the producer, in the engine's own loop: its buffers are the slots, and go round between camera and encoder.
//!
//! The camera never starves: when the encoder holds so many buffers that fewer than `CAMERA_RESERVE` would be left to
//! fill, the picture just taken is dropped, and counted. A camera that fails is started again, at most `RESTARTS` times
//! with no picture between.

use crate::engine::engine::{Engine, Life, Phase, lost};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::{CAMERA_RESERVE, RESTARTS};
use crate::note;
use crate::stats::Counter;
use crate::time::now;
use crate::v4l2::camera::Camera;
use crate::v4l2::errno::IoctlError;

/// The camera while the engine runs.
#[derive(Debug)]
pub struct CameraFeed {
    /// The device, with its buffers.
    pub camera: Camera,
    /// Pictures to take; the end comes after them.
    pub frames: Option<u64>,
    /// Restarts since the latest picture.
    pub restarts: u32,
}

impl Engine<'_> {
    /// Takes the pictures that are there, at most one round of slots, and gives free slots to the camera.
    ///
    /// # Errors
    /// When the camera is gone, or does not start again.
    #[inline(never)]
    pub(super) fn serve_camera(&mut self, life: &mut Life, ready: bool) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        if life.phase != Phase::Running {
            return Ok(());
        }
        let mut answer = Ok(());
        for _ in 0..feed.camera.slots() {
            if !ready {
                break;
            }
            let picture = match feed.camera.dequeue() {
                Ok(Some(picture)) => picture,
                Ok(None) => break,
                Err(error) => {
                    answer = Err(error);
                    break;
                }
            };
            feed.restarts = 0;
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
                self.pipeline.drop_newest(Counter::DroppedBehind);
            }
            if let Some(left) = &mut feed.frames {
                *left -= 1;
                if *left == 0 {
                    life.end_wanted = true;
                    break;
                }
            }
        }
        if answer.is_ok() && !life.end_wanted {
            while let Some(slot) = self.pipeline.lend() {
                answer = feed.camera.queue(slot);
                if answer.is_err() {
                    break;
                }
            }
        }
        answer.or_else(|error| self.restart_camera(&error))
    }

    /// Stops the camera, takes back what it had, and starts it again.
    fn restart_camera(&mut self, error: &IoctlError) -> Result<(), Failure> {
        let Some(feed) = &mut self.camera else {
            return Ok(());
        };
        feed.restarts += 1;
        if lost(error.errno) || feed.restarts > RESTARTS {
            return Err(failure!(Exit::DeviceLost, "the camera is gone: {error}"));
        }
        note!(warn, "the camera failed ({error}): starting it again");
        self.pipeline.reclaim();
        let camera = &feed.camera;
        let mut answer = camera.stop();
        while answer.is_ok()
            && let Some(slot) = self.pipeline.lend()
        {
            answer = camera.queue(slot);
        }
        answer
            .and_then(|()| camera.start())
            .map_err(|error| failure!(Exit::DeviceLost, "the camera does not start again: {error}"))
    }
}
