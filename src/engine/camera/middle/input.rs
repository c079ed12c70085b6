//! What comes into a decoder or converter: frames of the camera, or of the device before it.
//!
//! Knows whose buffers they lie in. Knows not what comes out.

use rustix::io::Errno;

use super::Middle;
use crate::engine::camera::config::{Fault, Part};
use crate::engine::camera::intake::{Fed, Intake, NotDecoded};
use crate::engine::camera::onward::Onward;
use crate::errno::call::{Call, IoctlError};
use crate::flow::inside::Passing;
use crate::limits::CAMERA_RESERVE;
use crate::shm::stats::Counter;
use crate::v4l2::camera::CameraFrame;
use crate::v4l2::capture::CaptureQueue;

impl Middle<'_> {
    /// Has a frame of the camera: a coded one is copied, a raw one's buffer is kept, unless the camera would be left with too few.
    ///
    /// # Errors
    /// When the device fails, or the camera.
    pub(in crate::engine::camera) fn feed(
        &mut self,
        frame: &CameraFrame,
        passing: &Passing,
        now_ns: u64,
    ) -> Result<Fed, Fault> {
        let Intake::Raw(link) = &self.intake else {
            return self.copy_in(frame, passing, now_ns);
        };
        if link.spare() <= CAMERA_RESERVE || !self.has_room() {
            return Ok(Fed::NoRoom);
        }
        let entered = self.pass_on(frame.slot, passing, now_ns)?;
        Ok(if entered { Fed::Kept } else { Fed::Foreign })
    }

    /// Copies a coded frame of the camera into the decoder.
    fn copy_in(
        &mut self,
        frame: &CameraFrame,
        passing: &Passing,
        now_ns: u64,
    ) -> Result<Fed, Fault> {
        if self.device.free_input().is_none() {
            self.take_inputs().map_err(|error| self.failed(error))?;
        }
        let Intake::Coded(intake) = &mut self.intake else {
            return Ok(Fed::Foreign);
        };
        let (jpeg, source) = match intake.inspect(frame) {
            Ok(found) => found,
            Err(NotDecoded::Damaged) => return Ok(Fed::Damaged),
            Err(NotDecoded::Another) => {
                self.stats.lost(Counter::DroppedCamera);
                return Err(Part::Camera.failed(IoctlError::new(Call::Frame, Errno::PROTO)));
            }
        };
        let room = self.device.free_input();
        let Some((index, input)) = room.filter(|_| !self.inside.is_full()) else {
            return Ok(Fed::NoRoom);
        };
        let Some(bytes) = jpeg.write(source, input.bytes()) else {
            // Larger than the driver's buffer.
            return Ok(Fed::Damaged);
        };
        self.stats.add(Counter::CameraBytesCopied, bytes as u64);
        if jpeg.lacks_tables {
            self.stats.count(Counter::JpegTablesAdded);
        }
        let key = self.inside.next_key(now_ns);
        let queued = self.device.queue_coded(index, bytes as u32, key);
        self.entered(queued, key, passing, now_ns)?;
        Ok(Fed::In)
    }

    /// Whether there is a buffer to convert one more frame to: firmware of the Raspberry Pi throws away what has none.
    fn has_room(&self) -> bool {
        (self.device.held() as usize) < self.queued && !self.inside.is_full()
    }

    /// Gives a converter the frames that wait for it, as far as it has room.
    ///
    /// # Errors
    /// When the driver refuses one.
    pub(super) fn feed_waiting(&mut self, now_ns: u64) -> Result<(), Fault> {
        while self.has_room()
            && let Intake::Raw(link) = &mut self.intake
            && let Some((slot, frame)) = link.take()
        {
            let key = self.inside.next_key(now_ns);
            let queued = self.device.queue_raw(slot, key);
            self.entered(queued, key, &frame, now_ns)?;
        }
        Ok(())
    }

    /// A frame was given to the driver, or refused by it.
    fn entered(
        &mut self,
        queued: Result<(), IoctlError>,
        key: u64,
        passing: &Passing,
        now_ns: u64,
    ) -> Result<(), Fault> {
        if let Err(error) = queued {
            self.lose(1);
            return Err(self.failed(error));
        }
        self.inside.entered(key, *passing, now_ns);
        Ok(())
    }

    /// Gives a camera the buffers that are free for it.
    ///
    /// # Errors
    /// When the camera refuses one.
    pub(in crate::engine::camera) fn give_camera(
        &mut self,
        camera: &CaptureQueue,
    ) -> Result<(), IoctlError> {
        if let Intake::Raw(link) = &mut self.intake {
            while let Some(slot) = link.acquire() {
                camera.queue(slot)?;
            }
        }
        Ok(())
    }

    /// Gives a camera whose frames are copied all its buffers, and any other one those that are free: it is about to be started.
    ///
    /// # Errors
    /// When the camera refuses one.
    pub(in crate::engine::camera) fn give_camera_all(
        &mut self,
        camera: &CaptureQueue,
    ) -> Result<(), IoctlError> {
        match &self.intake {
            Intake::Coded(_) => (0..camera.slots()).try_for_each(|slot| camera.queue(slot)),
            Intake::Raw(_) => self.give_camera(camera),
        }
    }

    /// Takes the OUTPUT buffers that it is done with. Whether there was any.
    pub(super) fn take_inputs(&mut self) -> Result<bool, IoctlError> {
        let taken = self.device.take_inputs()?;
        let freed = self.device.take_freed();
        if let Intake::Raw(link) = &mut self.intake {
            let slots = (0..u32::BITS).filter(|slot| freed >> slot & 1 == 1);
            slots.for_each(|slot| link.release(slot));
        }
        Ok(taken)
    }
}

/// A converter takes the frames of the decoder before it.
impl Onward for Middle<'_> {
    fn acquire(&mut self, _: u64) -> Option<u32> {
        match &mut self.intake {
            Intake::Raw(link) => link.acquire(),
            Intake::Coded(_) => None,
        }
    }

    fn pass_on(&mut self, slot: u32, frame: &Passing, now_ns: u64) -> Result<bool, Fault> {
        let Intake::Raw(link) = &mut self.intake else {
            return Ok(false);
        };
        if link.commit(slot, frame).is_err() {
            return Ok(false);
        }
        self.feed_waiting(now_ns)?;
        Ok(true)
    }

    fn reclaim(&mut self) {
        if let Intake::Raw(link) = &mut self.intake {
            link.reclaim();
        }
    }
}
