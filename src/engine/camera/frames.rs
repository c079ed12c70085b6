//! Pictures of the camera become frames: raw ones at once, coded ones when the decoder gives them back raw.
//!
//! Knows what is counted for each picture that does not. Knows no failure's remedy.

use rustix::io::Errno;

use super::config::{CameraConfig, Fault, Part};
use super::decoding::Fed;
use super::{CameraSource, give_slots};
use crate::engine::poll::{FILLED, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::frame_clock::{Checked, Claimed};
use crate::flow::pipeline::Pipeline;
use crate::limits::CAMERA_RESERVE;
use crate::log::note;
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::camera::{Camera, Picture};

impl CameraSource<'_> {
    /// Takes at most one round of frames. Whether there was any, and whether that was the last.
    pub(super) fn take_frames(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        ready: Ready,
        now_ns: u64,
    ) -> Result<(bool, bool), Fault> {
        let mut taken = self.take_decoded(pipeline, ready, now_ns)?;
        let rounds = match &self.camera {
            // Should there be another one, the next wait shows it.
            Some(_) if ready.at(FILLED) && self.decoding.is_none() => 1,
            Some(camera) if ready.at(FILLED) => camera.pictures.slots(),
            _ => 0,
        };
        if rounds > 0 && self.decoding.is_some() {
            // What comes has somewhere to go.
            self.give_slots(pipeline, now_ns)?;
        }
        for _ in 0..rounds {
            let Some(picture) = self.dequeue()? else {
                break;
            };
            taken = true;
            match self.decoding {
                Some(_) => self.take_coded(&picture, pipeline, now_ns)?,
                None => {
                    if !self.take_raw(&picture, pipeline, now_ns) {
                        continue;
                    }
                }
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

    fn dequeue(&self) -> Result<Option<Picture>, Fault> {
        let picture = self.camera.as_ref().map(Camera::dequeue).transpose();
        let picture = picture.map_err(|error| Part::Camera.failed(error))?;
        Ok(picture.flatten())
    }

    /// Gives every free slot to whoever fills them.
    pub(super) fn give_slots(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), Fault> {
        match (&mut self.decoding, &self.camera) {
            (Some(decoding), _) => decoding
                .give_slots(pipeline, now_ns)
                .map_err(|error| Part::Decoder.failed(error)),
            (None, Some(camera)) => give_slots(&camera.pictures, pipeline, now_ns)
                .map_err(|error| Part::Camera.failed(error)),
            (None, None) => Ok(()),
        }
    }

    /// Checks a picture's time and number.
    fn check(&mut self, picture: &Picture, now_ns: u64) -> u64 {
        let claimed = Claimed {
            timestamp: picture.micros.map(|micros| micros.saturating_mul(1000)),
            sequence: picture.sequence,
        };
        let checked = self.clock.check(claimed, now_ns);
        self.discontinuity |= checked.discontinuity;
        report_clock(self.stats, self.config, &checked);
        checked.timestamp
    }

    /// A picture that is raw, or passed on: its buffer is a slot. False when it is not one of those that the camera has: a driver that cannot count.
    fn take_raw(&mut self, picture: &Picture, pipeline: &mut Pipeline<'_>, now_ns: u64) -> bool {
        let timestamp = self.check(picture, now_ns);
        self.coded.filled(picture.slot, picture.bytes);
        let committed = pipeline.commit(picture.slot, timestamp, now_ns, now_ns);
        if committed.is_err() {
            return false;
        }
        if picture.damaged {
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

    /// A coded picture: it is copied into the decoder, and the camera has its buffer back.
    fn take_coded(
        &mut self,
        picture: &Picture,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), Fault> {
        let timestamp = self.check(picture, now_ns);
        let fed = match &mut self.decoding {
            Some(decoding) if !picture.damaged => {
                decoding.feed(picture, timestamp, self.discontinuity, now_ns)
            }
            _ => Ok(Fed::Damaged),
        };
        let fed = fed.map_err(|error| {
            let (of, reason) = match error.call {
                Call::Picture => (Part::Camera, Counter::DroppedCamera),
                _ => (Part::Decoder, Counter::DroppedDecoder),
            };
            self.stats.lost(reason);
            of.failed(error)
        })?;
        self.discontinuity = !matches!(fed, Fed::In | Fed::Kept);
        match fed {
            Fed::In => {}
            Fed::Kept => return Ok(()),
            Fed::NoRoom => {
                self.stats.lost(Counter::DroppedBehind);
                // Where the encoder has each slot, it is the one who is waited for.
                pipeline.is_behind(now_ns);
            }
            Fed::Damaged => self.stats.lost(Counter::DroppedCamera),
        }
        let Some(camera) = &self.camera else {
            return Ok(());
        };
        let again = camera.pictures.queue(picture.slot);
        again.map_err(|error| Part::Camera.failed(error))
    }

    /// What the decoder made goes into the pipeline. Whether there was any.
    pub(super) fn take_decoded(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        ready: Ready,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        let Some(decoding) = &mut self.decoding else {
            return Ok(false);
        };
        let failed = |error| Part::Decoder.failed(error);
        let before = self.stats.get(Counter::FramesCommitted);
        let taken = decoding.take(ready, pipeline, now_ns).map_err(failed)?;
        if let Some(camera) = &self.camera {
            let given = decoding.give_back(camera);
            given.map_err(|error| Part::Camera.failed(error))?;
        }
        if decoding.is_stalled(self.config.stall_ns, now_ns) {
            return Err(failed(IoctlError::new(Call::Poll, Errno::TIMEDOUT)));
        }
        if pipeline.filled() > 0 && self.stats.get(Counter::FramesCommitted) != before {
            self.works();
        }
        Ok(taken)
    }

    /// A picture came: whatever failed before works again.
    fn works(&mut self) {
        if core::mem::take(&mut self.failed) != 0 {
            note!(info, "{}: pictures come again", self.config);
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
