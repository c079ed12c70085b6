//! Frames from the input into slots, each at its time, through one connection after the other.
//!
//! Knows a producer that is attached, and how far the input was read. How a connection is made, and what is said at the end, is not its
//! business.

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::cli::PushOptions;
use crate::client::{
    ClientError, EngineAddress, FormatRequest, FrameProducer, Observer, SlotGuard, Step,
};
use crate::command::frames::{draw, read, skip};
use crate::command::geometry::InputFrame;
use crate::command::hold::Hold;
use crate::command::input::Input;
use crate::command::pace::{Cause, Pacer, Timing};
use crate::command::progress::Progress;
use crate::command::push::attach::check;
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::limits::INPUT_HOLD_MS;
use crate::log::note;
use crate::media::format::{RawFormat, lookup};
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;

/// Why pushing ended early.
pub(super) enum Ended {
    /// The connection failed.
    Lost(ClientError),
    /// The slots are a device's memory, and the kernel does not let this process write to it.
    NotShared(Errno),
    /// Something else did, and was reported.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How far it has come.
pub(super) struct Job<'a> {
    options: &'a PushOptions<'a>,
    stop: &'a Stop,
    pub(super) requested: FormatRequest,
    /// Number of the next frame.
    frame: u64,
    /// The input stands at its bytes.
    begun: bool,
    /// Its times, once a slot was asked for: waiting for one does not change them.
    times: Option<Times>,
    pacer: Pacer,
    pub(super) progress: Progress,
    /// The engine, where progress is shown.
    pub(super) engine: Option<Observer>,
}

/// When a frame is pushed, `CLOCK_MONOTONIC` ns but for the timestamp.
#[derive(Clone, Copy)]
struct Times {
    /// When it is due by the pace, or else when it was there.
    due: u64,
    /// When the first slot was asked for.
    asked: u64,
    /// What is committed with it.
    timestamp: u64,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        options: &'a PushOptions<'a>,
        stop: &'a Stop,
        requested: FormatRequest,
        timing: Timing,
    ) -> Self {
        Self {
            options,
            stop,
            requested,
            frame: 0,
            begun: false,
            times: None,
            pacer: Pacer::new(timing, FrameRate::DEFAULT),
            progress: Progress::new(options.progress, false),
            engine: None,
        }
    }

    /// Where progress is shown, the engine is observed. One that has no place for that is not.
    pub(super) fn observe(&mut self) {
        if !self.progress.is_on() {
            return;
        }
        let address = EngineAddress {
            socket: self.options.socket,
            uid: self.options.engine_uid,
            stop: self.stop.descriptor(),
        };
        self.engine = Observer::connect(address).ok();
        if let Some(engine) = &self.engine {
            self.progress.begin(engine.header());
        }
    }

    /// Shows how it goes, if that is due. Gives how long nothing is, ns.
    pub(super) fn show(&mut self) -> Option<u64> {
        let engine = self.engine.as_ref()?;
        self.progress
            .tick(engine.header(), || engine.newest_first());
        self.progress.left_ns()
    }

    /// Frames of the input that went nowhere, because no slot was free at their time.
    pub(super) fn skipped(&self) -> u64 {
        self.pacer.dropped()
    }

    #[inline(never)]
    pub(super) fn push_all(
        &mut self,
        producer: &mut FrameProducer,
        input: &mut Option<Input<'_>>,
    ) -> Result<(), Ended> {
        let options = self.options;
        let code = producer.format();
        let format = lookup(code).ok_or_else(|| {
            failure!(
                Exit::Rejected,
                "the engine takes {code}, which is unknown here"
            )
        })?;
        let source = check(options, input.as_ref(), &self.requested, producer, format)?;
        self.pacer.restart(self.rate(producer, input.is_some()));
        self.times = None;
        let holds = self.frame == 0 && !options.live && endless(input.as_ref());
        let mut hold = Hold::new(holds, producer.slots());
        let result = self.push_frames(producer, (input, source.as_ref()), format, &mut hold);
        match result {
            // The input is rejected as a whole.
            Err(Ended::Failed(failure)) if failure != STOPPED => {
                let held = hold.len();
                if held > 0 {
                    note!(
                        info,
                        "{held} whole frames of the input not pushed: an input that fails so early is rejected as a whole"
                    );
                }
                Err(Ended::Failed(failure))
            }
            // Also where the connection has ended: what is committed is counted.
            result => {
                let released = hold.release(producer).map_err(Ended::Lost);
                result.and(released)
            }
        }
    }

    /// Pushes frames until the input ends, a signal comes or something fails. What `hold` keeps then is the caller's.
    fn push_frames(
        &mut self,
        producer: &mut FrameProducer,
        (input, source): (&mut Option<Input<'_>>, Option<&InputFrame>),
        format: &'static RawFormat,
        hold: &mut Hold,
    ) -> Result<(), Ended> {
        let options = self.options;
        let mut round = 0;
        while options.frames.is_none_or(|limit| self.frame < limit)
            && !self.stop.asked_in_round(&mut round)?
        {
            let left_ns = self.show();
            if let Some(input) = input
                && hold.waits()
                && !input.ready(INPUT_HOLD_MS)
            {
                hold.release(producer).map_err(Ended::Lost)?;
            }
            if let Some(input) = input
                && !self.begun
                && !next_frame(input, options.repeat && self.frame > 0)?
            {
                break;
            }
            self.begun = true;
            let times = match self.times {
                Some(times) => times,
                None => self.wait_for_time()?,
            };
            self.times = Some(times);
            let size = producer.size();
            let Some(mut slot) = self.acquire(producer, hold)? else {
                if options.live {
                    if let Some((input, source)) = input.as_mut().zip(source) {
                        skip(input, source, self.frame)?;
                    }
                    self.drop_frame();
                } else {
                    // The engine may be waiting for these.
                    hold.release(producer).map_err(Ended::Lost)?;
                    wait(producer, self.stop, left_ns)?;
                }
                continue;
            };
            self.tell_behind(times.due, times.asked);
            let committed = match input.as_mut().zip(source) {
                None => {
                    draw(format, size, self.frame, &mut slot);
                    slot.commit(times.timestamp)
                }
                Some((input, source)) => {
                    let slot = slot.hold();
                    input.patience_ms = hold.waits().then_some(INPUT_HOLD_MS);
                    read(
                        input,
                        source,
                        (producer, &slot),
                        self.frame,
                        &mut |producer| hold.release(producer).map_err(Ended::Lost),
                    )?;
                    hold.take(slot, times.timestamp, producer)
                }
            };
            committed.map_err(Ended::Lost)?;
            self.next();
        }
        Ok(())
    }

    /// A slot for the frame, if one is free.
    fn acquire<'p>(
        &self,
        producer: &'p mut FrameProducer,
        hold: &Hold,
    ) -> Result<Option<SlotGuard<'p>>, Ended> {
        producer.acquire(Some(0)).map_err(|error| match error {
            // Nothing of the frame was read yet.
            ClientError::System(Step::Sync, errno) if !self.requested.copied && !hold.waits() => {
                Ended::NotShared(errno)
            }
            error => Ended::Lost(error),
        })
    }

    /// The frames' rate: the one asked for or the input's, else the engine's, which is said where it counts.
    fn rate(&self, producer: &FrameProducer, from_input: bool) -> FrameRate {
        let assumed = self.requested.rate == (0, 0);
        let (numerator, denominator) = if assumed {
            producer.frame_rate()
        } else {
            self.requested.rate
        };
        if assumed && from_input && self.frame == 0 && !self.pacer.by_arrival() {
            note!(
                info,
                "the input does not say its rate: {numerator}/{denominator} frames/s assumed, as the engine has it (else give --fps)"
            );
        }
        FrameRate {
            numerator,
            denominator,
        }
    }

    /// Waits for the frame's time, or for a signal. The frame is there.
    fn wait_for_time(&mut self) -> Result<Times, Failure> {
        let ready = now();
        let due = self.pacer.due_ns(self.frame, ready);
        if let Some(due) = due {
            let left = due.saturating_sub(now());
            self.stop.wait_or_end(&[], Some(left))?;
        }
        let asked = now();
        Ok(Times {
            due: due.unwrap_or(ready),
            asked,
            timestamp: self.pacer.timestamp_ns(self.frame, asked),
        })
    }

    /// The frame that is due goes nowhere, because no slot is free.
    fn drop_frame(&mut self) {
        if let Some(count) = self.pacer.drop_frame() {
            note!(
                warn,
                "frame {} dropped, {count} so far: no slot was free at its time",
                self.frame
            );
        }
        self.next();
    }

    /// The next frame's turn.
    fn next(&mut self) {
        self.begun = false;
        self.times = None;
        self.frame += 1;
    }

    /// Says once that frames are late, when they are.
    fn tell_behind(&mut self, due: u64, asked: u64) {
        match self.pacer.got_slot(due, asked, now()) {
            Some((behind, Cause::Encoder)) => note!(
                warn,
                "{} ms behind: the encoder takes fewer frames than come; --live drops frames instead",
                behind / MS
            ),
            Some((behind, Cause::Input)) => note!(
                warn,
                "{} ms behind: fewer frames come than the rate says; --timestamps arrival keeps their times",
                behind / MS
            ),
            None => {}
        }
    }
}

/// Steps to the next frame's bytes, at the input's end to the first frame's if it is repeated. False at the end.
fn next_frame(input: &mut Input<'_>, repeat: bool) -> Result<bool, Failure> {
    if input.next_frame()? {
        return Ok(true);
    }
    if !repeat {
        return Ok(false);
    }
    input.rewind()?;
    input.next_frame()
}

/// Whether the input is raw, and its end cannot be known before.
fn endless(input: Option<&Input>) -> bool {
    input.is_some_and(|input| input.header().is_none() && input.size().is_none())
}

/// Waits until the engine has something for the producer, or a signal came.
pub(super) fn wait(
    producer: &FrameProducer,
    stop: &Stop,
    timeout_ns: Option<u64>,
) -> Result<Woken, Failure> {
    let (socket, free) = producer.descriptors();
    stop.wait(
        &[(socket, PollFlags::IN), (free, PollFlags::IN)],
        timeout_ns,
    )
}
