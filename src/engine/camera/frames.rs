//! Frames of the camera go into the pipeline: at once, or when they come out of what is between it and the encoder.
//!
//! Knows what is counted for each frame that does not. Knows no failure's remedy.

use super::config::{CameraConfig, Fault, Part};
use super::intake::Fed;
use super::{CameraSource, give_slots};
use crate::engine::poll::{FILLED, Ready};
use crate::flow::frame_clock::{Checked, Claimed};
use crate::flow::inside::Passing;
use crate::flow::pipeline::Pipeline;
use crate::limits::CAMERA_RESERVE;
use crate::log::note;
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::camera::{Camera, CameraFrame};

impl CameraSource<'_> {
    /// Takes at most one round of frames. Whether there was any, and whether that was the last.
    pub(super) fn take_frames(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        ready: Ready,
        now_ns: u64,
    ) -> Result<(bool, bool), Fault> {
        let mut taken = self.take_made(pipeline, ready, now_ns)?;
        let rounds = match &self.camera {
            // Should there be another one, the next wait shows it.
            Some(_) if ready.at(FILLED) && self.chain.is_absent() => 1,
            Some(camera) if ready.at(FILLED) => camera.capture.slots(),
            _ => 0,
        };
        if rounds > 0 && !self.chain.is_absent() {
            // What comes has somewhere to go.
            self.give_slots(pipeline, now_ns)?;
        }
        for _ in 0..rounds {
            let Some(frame) = self.dequeue()? else {
                break;
            };
            taken = true;
            let is_frame = match self.chain.is_absent() {
                true => self.take_frame(&frame, pipeline, now_ns),
                false => self.feed_chain(&frame, pipeline, now_ns)?,
            };
            if !is_frame {
                continue;
            }
            if let Some(left) = &mut self.frames {
                *left -= 1;
                if *left == 0 {
                    return Ok((taken, true));
                }
            }
        }
        self.give_slots(pipeline, now_ns)?;
        Ok((taken, false))
    }

    fn dequeue(&self) -> Result<Option<CameraFrame>, Fault> {
        let frame = self.camera.as_ref().map(Camera::dequeue).transpose();
        let frame = frame.map_err(|error| Part::Camera.failed(error))?;
        Ok(frame.flatten())
    }

    /// Gives every free slot to whoever fills them.
    pub(super) fn give_slots(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), Fault> {
        match &self.camera {
            Some(camera) if self.chain.is_absent() => {
                let given = give_slots(&camera.capture, pipeline, now_ns);
                given.map_err(|error| Part::Camera.failed(error))
            }
            _ => self.chain.give_buffers(pipeline, now_ns),
        }
    }

    /// Checks a frame's time and number.
    fn check(&mut self, frame: &CameraFrame, now_ns: u64) -> u64 {
        let claimed = Claimed {
            timestamp: frame.micros.map(|micros| micros.saturating_mul(1000)),
            sequence: frame.sequence,
        };
        let checked = self.clock.check(claimed, now_ns);
        self.discontinuity |= checked.discontinuity;
        report_clock(self.stats, self.config, &checked);
        checked.timestamp
    }

    /// A frame that is raw, or passed on: its buffer is a slot. False when it is not one of those that the camera has: a driver that cannot count.
    fn take_frame(
        &mut self,
        frame: &CameraFrame,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> bool {
        let timestamp = self.check(frame, now_ns);
        self.coded.filled(frame.slot, frame.bytes);
        let committed = pipeline.commit(frame.slot, timestamp, now_ns, now_ns);
        if committed.is_err() {
            return false;
        }
        if frame.damaged {
            pipeline.drop_newest(Counter::DroppedCamera);
            self.discontinuity = true;
            return true;
        }
        self.works();
        if pipeline.held_by_source() < CAMERA_RESERVE {
            pipeline.drop_behind(now_ns);
            self.discontinuity = true;
        } else if core::mem::take(&mut self.discontinuity) {
            pipeline.mark_newest();
        }
        true
    }

    /// A frame for what is between the camera and the encoder. Unless that keeps it, the camera has its buffer back. False as above.
    fn feed_chain(
        &mut self,
        frame: &CameraFrame,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        let passing = Passing {
            timestamp: self.check(frame, now_ns),
            taken: now_ns,
            discontinuity: self.discontinuity,
        };
        let fed = match frame.damaged {
            true => Fed::Damaged,
            false => self.chain.feed(frame, &passing, now_ns)?,
        };
        self.discontinuity = !matches!(fed, Fed::In | Fed::Kept);
        match fed {
            Fed::In => {}
            Fed::Kept => return Ok(true),
            Fed::Foreign => return Ok(false),
            Fed::NoRoom => {
                self.stats.lost(Counter::DroppedBehind);
                // Where the encoder has each slot, it is the one who is waited for.
                pipeline.is_behind(now_ns);
            }
            Fed::Damaged => self.stats.lost(Counter::DroppedCamera),
        }
        if let Some(camera) = &self.camera {
            let again = camera.capture.queue(frame.slot);
            again.map_err(|error| Part::Camera.failed(error))?;
        }
        Ok(true)
    }

    /// What was made of the camera's frames goes into the pipeline. Whether there was any.
    pub(super) fn take_made(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        ready: Ready,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        let before = self.stats.get(Counter::FramesCommitted);
        let stall_ns = self.config.stall_ns;
        let taken = self.chain.take(ready, pipeline, stall_ns, now_ns)?;
        if let Some(camera) = self.camera.as_ref().filter(|_| !self.flushing) {
            let given = self.chain.give_camera(&camera.capture);
            given.map_err(|error| Part::Camera.failed(error))?;
        }
        if pipeline.filled() > 0 && self.stats.get(Counter::FramesCommitted) != before {
            self.works();
        }
        Ok(taken)
    }

    /// A frame came: whatever failed before works again.
    fn works(&mut self) {
        if core::mem::take(&mut self.failed) != 0 {
            note!(info, "{}: frames come again", self.config);
        }
    }
}

/// Counts what was wrong with a frame's time and number. A clock that steps on and on is not to fill the log: it is logged at
/// the 1st, 2nd, 4th, 8th, … correction.
fn report_clock(stats: Stats<'_>, config: CameraConfig<'_>, checked: &Checked) {
    stats.add(Counter::LostCamera, checked.lost.into());
    if !checked.corrected {
        return;
    }
    stats.count(Counter::CameraTimestampsCorrected);
    let corrected = stats.get(Counter::CameraTimestampsCorrected);
    if corrected.is_power_of_two() {
        note!(
            warn,
            "{config}: a timestamp steps back or is of the future: corrected, {corrected} so far"
        );
    }
}
