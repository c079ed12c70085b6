//! The encoder in the loop: open or closed, how it is set up, and which commands it gets.
//!
//! A device that is closed is not a device: `encoder` gives it only while it is open. Knows the encoder, its session and its failures.
//! Knows no client, no camera and no packet: what comes out of it is the sink's.

mod closed;
mod none;

pub use closed::Closed;

use core::cell::Cell;

use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::engine::error::EngineError;
use crate::engine::poll::{ENCODER, PollSet, Ready};
use crate::engine::request::Buffers;
use crate::engine::session::Session;
use crate::engine::slot_memory::SlotMemory;
use crate::errno::call::{Call, IoctlError};
use crate::flow::key_frame::KeyFrame;
use crate::flow::pipeline::Pipeline;
use crate::flow::recovery::Recovery;
use crate::flow::wakeups::Wakeups;
use crate::limits::REFUSED_FRAMES;
use crate::log::note;
use crate::shm::stats::{Counter, Stats};
use crate::time::{MS, now};
use crate::types::memory::MemoryChoice;
use crate::v4l2::controls;
use crate::v4l2::encoder::Encoder;
use crate::v4l2::negotiate::Wanted;

/// Whether the device is open.
#[derive(Debug)]
enum State {
    Up(Encoder),
    Down(Closed),
    /// There is none: the camera's frames are coded.
    Relay,
}

/// The encoder in the loop.
pub struct Stage<'a> {
    /// What it is set up by.
    pub session: Session<'a>,
    /// What it encodes, or is to encode when it is reopened.
    pub wanted: Wanted,
    /// Its failures since it worked.
    pub recovery: Recovery,
    /// The key frame that was requested.
    pub key: KeyFrame<IoctlError>,
    /// Until then no name is proposed for one that is not known, ns.
    pub(super) propose_again_ns: Cell<u64>,
    /// It has a control that forces a key frame.
    pub can_force: bool,
    /// No progress for so long is a stall, ns.
    pub stall_ns: u64,
    state: State,
    wakeups: Wakeups,
    /// Frames that the driver refused in a row.
    refused: u32,
    pub(super) stats: Stats<'a>,
}

impl<'a> Stage<'a> {
    /// An encoder that is set up for `wanted`.
    pub fn new(session: Session<'a>, encoder: Encoder, wanted: Wanted, stats: Stats<'a>) -> Self {
        let (options, device) = (session.options, encoder.device());
        let all_intra = options
            .gop
            .is_some_and(|gop| controls::all_intra_by_force(device, gop));
        Self {
            stall_ns: u64::from(options.stall_ms) * MS,
            can_force: controls::has_force_key_frame(device),
            session,
            wanted,
            recovery: Recovery::default(),
            key: KeyFrame::new(all_intra),
            propose_again_ns: Cell::new(0),
            state: State::Up(encoder),
            wakeups: Wakeups::default(),
            refused: 0,
            stats,
        }
    }

    /// The encoder, while it is open.
    #[must_use]
    pub fn encoder(&self) -> Option<&Encoder> {
        match &self.state {
            State::Up(encoder) => Some(encoder),
            State::Down(_) | State::Relay => None,
        }
    }

    /// The encoder, while it is open.
    pub fn encoder_mut(&mut self) -> Option<&mut Encoder> {
        match &mut self.state {
            State::Up(encoder) => Some(encoder),
            State::Down(_) | State::Relay => None,
        }
    }

    /// Whether the device is open, or none is needed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_) | State::Relay)
    }

    /// Whether it is open, and its queues stream.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.encoder().is_some_and(Encoder::streams)
    }

    /// Whether the OUTPUT queue is made of buffers that the encoder allocated.
    #[must_use]
    pub fn has_own_buffers(&self) -> bool {
        self.encoder()
            .is_some_and(|encoder| encoder.slots() != 0 && !encoder.imports())
    }

    /// What the OUTPUT queue is made of where nobody has a buffer: the memory that a camera uses is settled when it is attached.
    #[must_use]
    pub fn fresh_buffers(&self) -> Buffers {
        match self.session.options.camera {
            Some(_) => Buffers::Unbound,
            None => Buffers::Driver(self.session.options.memory),
        }
    }

    /// Adds what is waited for; `slots`: also those that the encoder gives back; `end`: also its word for the end of a drain.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, slots: bool, end: bool, now_ns: u64) {
        match &self.state {
            State::Down(closed) => set.until(Some(closed.next_ns())),
            State::Relay => {}
            State::Up(encoder) if !encoder.streams() => {}
            State::Up(encoder) => {
                if let Some(quiet) = self.wakeups.quiet_until(now_ns) {
                    return set.until(Some(quiet));
                }
                let mut events = PollFlags::IN;
                events.set(PollFlags::OUT, slots);
                events.set(PollFlags::PRI, end);
                set.add(ENCODER, encoder.as_fd(), events);
            }
        }
    }

    /// Whether it woke the loop. While it is closed, nobody can say that it is ready; when ppoll fails, nobody says that it is not.
    #[must_use]
    pub fn has_news(&self, ready: Ready) -> bool {
        ready.at(ENCODER) && self.streams()
    }

    /// Takes the slots that the encoder gives back, each once. Gives whether there was any.
    ///
    /// # Errors
    /// When the queue is in error.
    pub fn take_returned(
        &self,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, IoctlError> {
        let Some(encoder) = self.encoder() else {
            return Ok(false);
        };
        let mut returned = 0;
        // The queue is not asked for what it does not have.
        while returned < encoder.slots()
            && pipeline.busy()
            && let Some(slot) = encoder.dequeue_frame()?
        {
            pipeline.returned(slot, now_ns);
            returned += 1;
        }
        Ok(returned > 0)
    }

    /// The encoder did not wake the loop. When nobody did, slots that came back and were not waited for are taken: they are signs of life.
    ///
    /// # Errors
    /// As `take_returned` and `woke`.
    pub fn not_ready(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), IoctlError> {
        if ready.nothing() {
            self.take_returned(pipeline, now_ns)?;
        }
        self.woke(ready, false, now_ns)
    }

    /// Notes what a wake-up by the encoder brought.
    ///
    /// # Errors
    /// When it woke the loop for nothing, and did nothing else for the time of a stall.
    pub fn woke(&mut self, ready: Ready, brought: bool, now_ns: u64) -> Result<(), IoctlError> {
        if brought || ready.quiet_at(ENCODER) {
            self.wakeups.fine();
        } else if ready.at(ENCODER)
            && !ready.guessed()
            && self.wakeups.brought_nothing(now_ns, self.stall_ns)
        {
            return Err(IoctlError::new(Call::Poll, Errno::IO));
        }
        Ok(())
    }

    /// Whether a frame may be queued now. A forced key frame is the next one that the encoder *begins*: where all are
    /// to be key frames, there is never a second one in the queue, and a producer's first frame waits for those of the one before.
    #[must_use]
    pub fn may_queue(&self, pipeline: &Pipeline<'_>) -> bool {
        let alone = self.key.always() || self.begins_with_key_frame(pipeline);
        !(alone && pipeline.busy())
    }

    /// Whether the next frame is a producer's first one, and has to be a key frame: decoders see that it has nothing to do with
    /// those before. An encoder without the control is restarted for each producer.
    fn begins_with_key_frame(&self, pipeline: &Pipeline<'_>) -> bool {
        self.can_force && pipeline.next_is_anothers()
    }

    /// Before a frame is queued: makes it a key frame, if that is due.
    fn force_key_frame(&mut self, pipeline: &Pipeline<'_>, now_ns: u64) {
        if !self.key.due(now_ns) && !self.begins_with_key_frame(pipeline) {
            return;
        }
        let Some(encoder) = self.encoder() else {
            return;
        };
        let answer = controls::force_key_frame(encoder.device());
        if answer.is_ok() {
            self.stats.count(Counter::KeyForced);
        }
        if self.key.answered(answer, now_ns)
            && let Err(error) = answer
        {
            note!(warn, "no key frame on request: {error}");
        }
    }

    /// Queues the frames that wait. Gives the error of a driver that refuses each frame.
    ///
    /// # Errors
    /// When the queue is in error, or the device is gone.
    pub fn feed(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        memory: &SlotMemory,
        now_ns: u64,
    ) -> Result<Option<IoctlError>, IoctlError> {
        while let Some((slot, key)) = pipeline.next()
            && self.may_queue(pipeline)
        {
            self.force_key_frame(pipeline, now_ns);
            let copied = memory.load(slot);
            if copied > 0 {
                self.stats.add(Counter::RawBytesCopied, copied);
                if memory.choice() != Some(MemoryChoice::Copy) {
                    self.stats.add(Counter::RawBytesCopiedForced, copied);
                }
            }
            let Some(encoder) = self.encoder() else {
                break;
            };
            match encoder.queue_frame(slot, key) {
                Ok(()) => {
                    self.refused = 0;
                    // Packets may have been copied in this turn, and the frame itself.
                    pipeline.queued(now());
                }
                Err(error) if error.is_loss() || error.errno == Errno::IO => return Err(error),
                Err(error) => {
                    pipeline.refused();
                    if self.refuses_all(error) {
                        return Ok(Some(error));
                    }
                }
            }
        }
        if pipeline.filled() > 0 && !self.may_queue(pipeline) {
            pipeline.withhold(now_ns);
        }
        Ok(None)
    }

    /// Counts a frame that the driver refused; whether it refuses each one.
    fn refuses_all(&mut self, error: IoctlError) -> bool {
        // A driver that refuses each frame is not to fill the log: at the 1st, 2nd, 4th, 8th, …
        let refused = self.stats.get(Counter::DroppedRefused);
        if refused.is_power_of_two() {
            note!(
                warn,
                "{}: {refused} frames refused so far: {error}",
                self.session.path
            );
        }
        self.refused = (self.refused + 1) % REFUSED_FRAMES;
        self.refused == 0
    }

    /// Starts the stream that it is set up for. Gives how many slots there are.
    ///
    /// # Errors
    /// When the driver refuses, or the device is closed.
    pub fn start(&mut self) -> Result<u32, EngineError<'a>> {
        let State::Up(encoder) = &mut self.state else {
            return Err(self.final_error(None));
        };
        self.session.start(encoder, &self.wanted)?;
        Ok(encoder.slots())
    }

    /// Begins the drain. Gives whether the encoder will mark its last buffer; `None` while it is closed.
    ///
    /// # Errors
    /// When the driver refuses a command that it knows.
    pub fn drain(&self) -> Result<Option<bool>, IoctlError> {
        match &self.state {
            State::Up(encoder) => encoder.drain().map(Some),
            // Nothing stays inside.
            State::Relay => Ok(Some(false)),
            State::Down(_) => Ok(None),
        }
    }

    /// Stops and starts both queues: a new stream, with headers and a key frame.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn restart(&mut self) -> Result<(), IoctlError> {
        let Some(encoder) = self.encoder_mut() else {
            return Ok(());
        };
        encoder.stop()?;
        encoder.start()
    }

    /// Logs an error that the engine survives.
    pub fn log(&self, error: EngineError<'a>) {
        error.log(self.session.path);
    }

    /// Why the engine ends when nothing helps. `None`: the encoder stalled.
    pub fn final_error(&self, error: Option<IoctlError>) -> EngineError<'a> {
        match error {
            Some(error) => EngineError::Failed(error),
            None if self.recovery.restarted() => EngineError::Stalled,
            None => EngineError::NotSetUpAgain,
        }
    }
}
