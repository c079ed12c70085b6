//! What is between a camera and the encoder: nothing, a decoder, a converter, or a converter behind a decoder, in one loop.
//!
//! ```text
//!  camera ──▶ decoder ──▶ converter ──▶ encoder       a buffer that comes free behind a device is given to it in the same turn:
//!         copy        raw link      slots             from the end to the front
//! ```
//!
//! Knows the order of the devices. Knows no queue and no frame, and not what a failure leads to.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use super::config::{CameraConfig, Fault, Part};
use super::intake::{Fed, Intake};
use super::middle::Middle;
use super::onward::Onward;
use super::opening::Opened;
use crate::engine::poll::{PollSet, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::inside::Passing;
use crate::flow::pipeline::Pipeline;
use crate::limits::MIDDLE_STAGES;
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::camera::{Camera, CameraFrame};
use crate::v4l2::capture::CaptureQueue;

/// The devices, in the order in which frames go through them.
#[derive(Default)]
pub struct Chain<'a> {
    stages: ArrayVec<Middle<'a>, MIDDLE_STAGES>,
}

impl<'a> Chain<'a> {
    /// Has these devices, which are set up for each other and for a camera, whose stream has this size.
    ///
    /// # Errors
    /// When the camera's buffers cannot be mapped.
    #[inline(never)]
    pub(super) fn set_up(
        &mut self,
        opened: &mut Opened,
        camera: &Camera,
        config: CameraConfig<'_>,
        of_stream: (u32, u32),
        stats: Stats<'a>,
    ) -> Result<(), Fault> {
        self.clear();
        let mut filled = camera.capture.slots();
        for (at, one) in config.middle.iter().enumerate() {
            let Some(device) = opened.pop_at(0) else {
                break;
            };
            let slots = device.capture.slots();
            let size = config.size_into(at, of_stream);
            let (queue, input) = (&camera.capture, one.input);
            let intake = Intake::new(input, queue, filled, size);
            let intake = intake.map_err(|error| Part::Camera.failed(error))?;
            self.stages.push(Middle::new(device, at, intake, stats));
            filled = slots;
        }
        Ok(())
    }

    /// Closes all devices. What is inside is lost.
    pub fn clear(&mut self) {
        self.stages.clear();
    }

    /// Whether there is nothing: the camera itself fills the slots.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.stages.is_empty()
    }

    /// Frames that are inside, or wait.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.stages.iter().map(Middle::count).sum()
    }

    /// The device, nearest to the encoder, that has frames and does not give them.
    #[must_use]
    pub(super) fn keeper(&self) -> Option<Part> {
        let keeper = self.stages.iter().rev().find(|one| one.keeps());
        keeper.map(Middle::part)
    }

    /// Adds what is waited for.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, stall_ns: u64) {
        for one in &self.stages {
            one.add_to(set, stall_ns);
        }
    }

    /// The device, nearest to the encoder, that woke the loop.
    #[must_use]
    pub(super) fn woke(&self, ready: Ready) -> Option<Part> {
        let woke = self.stages.iter().rev().find(|one| ready.at(one.token()));
        woke.map(Middle::part)
    }

    /// Does something with each device and what is behind it, from the end to the front.
    fn each(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        work: &mut dyn FnMut(&mut Middle<'a>, &mut dyn Onward) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut rest = &mut self.stages[..];
        let mut next: Option<&mut Middle<'a>> = None;
        while let Some((one, before)) = rest.split_last_mut() {
            match next {
                Some(next) => work(one, next)?,
                None => work(one, pipeline)?,
            }
            (next, rest) = (Some(one), before);
        }
        Ok(())
    }

    /// Passes on the frames that are there. Whether there was any, or any other sign of life.
    ///
    /// # Errors
    /// When a device fails, or owes a frame for too long.
    pub(super) fn take(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        stall_ns: u64,
        now_ns: u64,
    ) -> Result<bool, Fault> {
        let mut taken = false;
        self.each(pipeline, &mut |one, onward| {
            taken |= one.take(ready, onward, now_ns)?;
            match one.is_stalled(stall_ns, now_ns) {
                true => Err(one
                    .part()
                    .failed(IoctlError::new(Call::Poll, Errno::TIMEDOUT))),
                false => Ok(()),
            }
        })?;
        Ok(taken)
    }

    /// Gives each device every buffer that is free behind it.
    ///
    /// # Errors
    /// When a driver refuses one.
    pub(super) fn give_buffers(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), Fault> {
        self.each(pipeline, &mut |one, onward| {
            one.give_buffers(onward, now_ns)
        })
    }

    /// The first device has a frame of the camera.
    ///
    /// # Errors
    /// When a device fails, or the camera.
    pub(super) fn feed(
        &mut self,
        frame: &CameraFrame,
        passing: &Passing,
        now_ns: u64,
    ) -> Result<Fed, Fault> {
        match self.stages.first_mut() {
            Some(first) => first.feed(frame, passing, now_ns),
            None => Ok(Fed::Foreign),
        }
    }

    /// Gives a camera the buffers of the first device that are free for it.
    ///
    /// # Errors
    /// When the camera refuses one.
    pub(super) fn give_camera(&mut self, camera: &CaptureQueue) -> Result<(), IoctlError> {
        let first = self.stages.first_mut();
        first.map_or(Ok(()), |first| first.give_camera(camera))
    }

    /// Starts all devices, from the end to the front, so that nothing that comes finds one standing still; and gives the camera its buffers.
    ///
    /// # Errors
    /// When a driver refuses.
    pub(super) fn start(
        &mut self,
        camera: &CaptureQueue,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), Fault> {
        self.each(pipeline, &mut |one, onward| one.start(onward, now_ns))?;
        let first = self.stages.first_mut();
        let given = first.map_or(Ok(()), |first| first.give_camera_all(camera));
        given.map_err(|error| Part::Camera.failed(error))
    }

    /// Stops all devices. What is inside is lost.
    ///
    /// # Errors
    /// When a driver refuses.
    pub(super) fn stop(&mut self) -> Result<(), Fault> {
        self.stages.iter_mut().try_for_each(Middle::stop)
    }

    /// Has each device give what it has, as soon as nothing comes from the one before it. The camera is stopped.
    ///
    /// # Errors
    /// When a device is gone.
    pub(super) fn drain(&mut self) -> Result<(), Fault> {
        for one in &mut self.stages {
            one.drain()?;
            if !one.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// What is inside is dropped, for this reason.
    pub fn abandon(&mut self, reason: Counter) {
        for one in &mut self.stages {
            one.abandon(reason);
        }
    }

    /// This part of the source is started again because it failed.
    pub(super) fn count_restart(&self, of: Part) {
        for one in self.stages.iter().filter(|one| one.part() == of) {
            one.count_restart();
        }
    }
}
