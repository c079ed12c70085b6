//! A camera as the source, in the engine's own loop: its frames, or what a decoder and a converter make of them, fill the slots.
//!
//! The camera never starves: when the encoder holds so many buffers that fewer than `CAMERA_RESERVE` would be left to fill, the frame just
//! captured is dropped, and counted. Knows the camera and which slots are free. Knows no encoder: what both have to agree on is `attach`'s.

pub mod attach;
mod buffers;
mod chain;
mod chain_line;
pub mod coded;
pub mod config;
mod flush;
mod frames;
pub mod identity;
mod intake;
mod middle;
mod onward;
mod opening;
mod recovery;

use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::engine::error::EngineError;
use crate::engine::poll::{CAMERA_EVENT, FILLED, PollSet, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::frame_clock::FrameClock;
use crate::flow::pipeline::Pipeline;
use crate::flow::wakeups::Wakeups;
use crate::limits::CAMERA_SETTLE_MS;
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{NoSignal, PacketHeader};
use crate::shm::stats::Stats;
use crate::time::MS;
use crate::v4l2::camera::Camera;
use crate::v4l2::capture::CaptureQueue;
use chain::Chain;
use coded::CodedFrames;
use config::{CameraConfig, Fault, Part};
use identity::Identity;

/// How the camera is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Frames come, or will.
    Streaming,
    /// It was stopped, and is to be started again at this time, `CLOCK_MONOTONIC` ns.
    Stopped(u64),
    /// To be opened and attached at this time, `CLOCK_MONOTONIC` ns.
    Away(u64),
    /// There is no signal; it is looked at again at this time or at the next event.
    NoSignal(u64),
}

/// What the engine is to do about the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraEvent {
    /// Nothing.
    None,
    /// It is closed: its slots are gone.
    Closed,
    /// It is to be opened and attached.
    Attach,
    /// It gave all the frames that were wanted of it.
    Done,
}

/// The camera while the engine runs.
pub struct CameraSource<'a> {
    /// How it is used.
    pub config: CameraConfig<'a>,
    /// How it is.
    pub health: Health,
    identity: Identity,
    /// The camera that was found in its place, and logged.
    stranger: Option<Identity>,
    /// The device, with its buffers; `None` while it is away.
    camera: Option<Camera>,
    /// Its coded frames, where they are passed on.
    pub coded: CodedFrames,
    /// What is between it and the encoder, while it is attached.
    chain: Chain<'a>,
    /// Frames to take; the end comes after them.
    frames: Option<u64>,
    /// The first failure since the latest frame, `CLOCK_MONOTONIC` ns; 0: none.
    failed: u64,
    /// When it was attached, `CLOCK_MONOTONIC` ns; 0 while it is away.
    attached: u64,
    /// When the try to start it that is under way began, `CLOCK_MONOTONIC` ns.
    tried: Option<u64>,
    /// Checks its timestamps and its count.
    clock: FrameClock,
    wakeups: Wakeups,
    /// A frame is missing since the latest one that was kept.
    discontinuity: bool,
    /// The camera was stopped, and what is behind it gives what it has.
    flushing: bool,
    stats: Stats<'a>,
    header: &'a PacketHeader,
}

impl<'a> CameraSource<'a> {
    /// A camera that is there, and not attached yet. `frames`: after so many comes the end.
    pub fn new(
        camera: Camera,
        config: CameraConfig<'a>,
        frames: Option<u64>,
        stats: Stats<'a>,
        header: &'a PacketHeader,
    ) -> Self {
        Self {
            config,
            health: Health::Streaming,
            identity: Identity::of(&camera.capability),
            stranger: None,
            camera: Some(camera),
            coded: CodedFrames::default(),
            chain: Chain::default(),
            frames,
            failed: 0,
            attached: 0,
            tried: None,
            clock: FrameClock::default(),
            wakeups: Wakeups::default(),
            discontinuity: false,
            flushing: false,
            stats,
            header,
        }
    }

    /// When it is to be started or attached, `CLOCK_MONOTONIC` ns; `None` while it streams.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match self.health {
            Health::Streaming => None,
            Health::Stopped(at) | Health::Away(at) | Health::NoSignal(at) => Some(at),
        }
    }

    /// Adds what is waited for. `may_attach`: as for `serve`.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, may_attach: bool, now_ns: u64) {
        if let Some(quiet) = self.wakeups.quiet_until(now_ns) {
            set.until(Some(quiet));
        } else if let Some(camera) = &self.camera {
            set.add(CAMERA_EVENT, camera.as_fd(), PollFlags::PRI);
            if self.due().is_none() {
                // A queue that does not stream is an error to poll(2).
                if !self.flushing {
                    set.add(FILLED, camera.as_fd(), PollFlags::IN);
                }
                self.chain.add_to(set, self.config.stall_ns);
            }
        }
        if may_attach {
            set.until(self.due());
        }
    }

    /// Takes the frames that are there, and gives free slots to the camera. `may_attach`: the encoder is there and has no frame, so that
    /// the camera may be started and attached.
    ///
    /// # Errors
    /// When the camera did not come back in time.
    pub fn serve(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        may_attach: bool,
        now_ns: u64,
    ) -> Result<CameraEvent, EngineError<'a>> {
        let by_camera = ready.at(FILLED) || ready.at(CAMERA_EVENT);
        let by = match self.chain.woke(ready) {
            Some(of) if !by_camera => Some(of),
            _ => by_camera.then_some(Part::Camera),
        };
        let woke = by.is_some();
        if !woke && ready.quiet_at(CAMERA_EVENT) {
            self.wakeups.fine();
        }
        let mut brought = false;
        if ready.at(CAMERA_EVENT)
            && let Some(camera) = &self.camera
        {
            match camera.capture.changed() {
                Ok(false) => {}
                Ok(true) => {
                    brought = true;
                    // A driver may have stopped all the same.
                    if self.due().is_some() || !camera.unchanged() {
                        // What became of it is asked when it has settled.
                        return Ok(self.close(CAMERA_SETTLE_MS, now_ns));
                    }
                    if let Err(fault) = self.stop(pipeline, now_ns) {
                        return self.lose(fault.of, &fault.error.into(), now_ns);
                    }
                }
                Err(error) => return self.lose(Part::Camera, &error.into(), now_ns),
            }
        }
        match self.due() {
            None => match self.take_frames(pipeline, ready, now_ns) {
                Ok((_, true)) => return Ok(CameraEvent::Done),
                Ok((taken, false)) => brought |= taken,
                Err(fault) => return self.fail(fault, pipeline, now_ns),
            },
            Some(at) if at <= now_ns && may_attach => {
                if !matches!(self.health, Health::Stopped(_)) {
                    return Ok(CameraEvent::Attach);
                }
                brought = true;
                if let Err(fault) = self.start(pipeline) {
                    return self.lose(fault.of, &fault.error.into(), crate::time::now());
                }
            }
            Some(_) => {}
        }
        if brought || self.camera.is_none() {
            self.wakeups.fine();
        } else if woke
            && !ready.guessed()
            && self.wakeups.brought_nothing(now_ns, self.config.stall_ns)
        {
            // It did nothing else for a while.
            let of = by.unwrap_or(Part::Camera);
            let fault = of.failed(IoctlError::new(Call::Poll, Errno::IO));
            return match self.due() {
                None => self.fail(fault, pipeline, now_ns),
                Some(_) => self.lose(of, &fault.error.into(), now_ns),
            };
        }
        Ok(CameraEvent::None)
    }

    /// Closes the camera; it is reopened after `pause_ms`, when the encoder is done with its frames.
    pub fn close(&mut self, pause_ms: u32, now_ns: u64) -> CameraEvent {
        self.chain.clear();
        self.coded.clear();
        self.camera = None;
        self.flushing = false;
        self.set_no_signal(NoSignal::No);
        self.health = Health::Away(now_ns.saturating_add(u64::from(pause_ms) * MS));
        CameraEvent::Closed
    }

    /// Stops the camera, if it streams, until `serve` is called again. Where it cannot be stopped, it is closed.
    pub fn rest(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> CameraEvent {
        if self.due().is_some() {
            return CameraEvent::None;
        }
        match self.stop(pipeline, now_ns) {
            Ok(()) => CameraEvent::None,
            Err(Fault { of, error }) => {
                note!(warn, "{}: {error}: closing it", of.name(self.config));
                self.close(0, now_ns)
            }
        }
    }

    fn set_no_signal(&self, reason: NoSignal) {
        let word = &self.header.status.no_signal;
        word.store(reason as u32, Relaxed);
    }

    /// Has a camera that is attached, or waits for a signal.
    fn keep(&mut self, camera: Camera, health: Health, now_ns: u64) {
        self.attached = now_ns;
        self.tried = None;
        if let Health::NoSignal(_) = health {
            // It works, as far as it can.
            self.failed = 0;
        }
        self.camera = Some(camera);
        self.health = health;
        self.clock.restart();
    }
}

/// Gives every free slot to be filled.
fn give_slots(
    capture: &CaptureQueue,
    pipeline: &mut Pipeline<'_>,
    now_ns: u64,
) -> Result<(), IoctlError> {
    while let Some(slot) = pipeline.acquire(now_ns) {
        capture.queue(slot)?;
    }
    Ok(())
}

/// Starts the camera, and before that what is between it and the encoder.
fn start(
    camera: &Camera,
    chain: &mut Chain<'_>,
    pipeline: &mut Pipeline<'_>,
    now_ns: u64,
) -> Result<(), Fault> {
    let failed = |error| Part::Camera.failed(error);
    match chain.is_absent() {
        true => give_slots(&camera.capture, pipeline, now_ns).map_err(failed)?,
        false => chain.start(&camera.capture, pipeline, now_ns)?,
    }
    camera.capture.start().map_err(failed)
}
