//! `framemill push`: a producer. Raw frames, Y4M or the built-in pattern into the frame ring, at a steady pace.

use ::log::LevelFilter;
use core::mem::ManuallyDrop;
use rustix::event::PollFlags;

use crate::cli::{Pace, PushMemory, PushOptions, Source, Timestamps};
use crate::client::{ClientError, EngineAddress, FrameProducer, Wish};
use crate::command::connect::{connect, lost};
use crate::command::frames::{draw, read, skip};
use crate::command::geometry::{
    InputFrame, read_as_progressive, refused_size, requested_formats, requested_size,
};
use crate::command::heap::{allocate, shape};
use crate::command::hold::Hold;
use crate::command::input::Input;
use crate::command::pace::{Cause, Pacer, Timing};
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::control::message::Refusal;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{ATTACH_AGAIN_MS, FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR, INPUT_HOLD_MS};
use crate::log;
use crate::log::note;
use crate::media::colour::Colour;
use crate::media::format::{RawFormat, lookup};
use crate::media::fourcc::Fourcc;
use crate::media::y4m::Y4mHeader;
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;

#[inline(never)]
pub(super) fn push(options: &PushOptions<'_>) -> Result<(), Failure> {
    // Without a logger `info!` writes nothing; standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    let stop = Stop::on_signals()?;
    let result = push_input(options, &stop);
    if result == Err(STOPPED) {
        note!(info, "0 frames pushed: 0 published, 0 dropped");
    }
    result
}

/// Opens the input, pushes its frames, and tells what came of them.
fn push_input(options: &PushOptions<'_>, stop: &Stop) -> Result<(), Failure> {
    // The input first: a mistake in it should not occupy the engine.
    let mut frames = match options.from {
        Source::Pattern => None,
        source => Some(Input::open(source, options.container, stop)?),
    };
    let wish = wish(options, frames.as_ref())?;
    let mut job = Job {
        options,
        stop,
        wish,
        frame: 0,
        begun: false,
        times: None,
        pacer: Pacer::new(timing(options, frames.as_ref()), FrameRate::DEFAULT),
    };
    let (mut pushed, mut accounts) = (0, (0u64, 0u64));
    let mut wait_ms = options.wait_ms;
    let result = loop {
        let header = frames.as_ref().and_then(Input::header);
        let producer = match attach(options, stop, &wish, header, wait_ms) {
            Ok(producer) => producer,
            Err(failure) => break Err(Ended::Failed(failure)),
        };
        // Not taken apart: the process ends with it, or the engine's slots are gone.
        let mut producer = ManuallyDrop::new(producer);
        let result = job.push_all(&mut producer, &mut frames);
        // Whatever ended it: what was committed is waited for, and told.
        let finished = finish(&mut producer, stop);
        let (published, dropped) = producer.accounts();
        pushed += producer.committed();
        // What stands in the ring is what the engine says.
        accounts.0 = accounts.0.saturating_add(published);
        accounts.1 = accounts.1.saturating_add(dropped);
        let result = match result {
            Err(Ended::Failed(STOPPED)) | Ok(()) => finished,
            failed => failed,
        };
        match result {
            Err(Ended::Lost(ClientError::Refused(Refusal::Reopened))) if !stop.asked()? => {
                note!(info, "{}: attaching again", Refusal::Reopened.text());
                wait_ms = wait_ms.max(ATTACH_AGAIN_MS);
                drop(ManuallyDrop::into_inner(producer));
            }
            result => break result,
        }
    };
    if pushed == 0
        && let Err(Ended::Failed(failure)) = result
    {
        return Err(failure);
    }
    let (published, dropped) = accounts;
    note!(
        info,
        "{pushed} frames pushed: {published} published, {dropped} dropped"
    );
    let skipped = job.pacer.dropped();
    if skipped > 0 {
        note!(
            info,
            "{skipped} frames of the input not pushed: no slot was free at their time (--live)"
        );
    }
    // Committed when the engine had looked for the last time: it cannot count them.
    let late = pushed.saturating_sub(published.saturating_add(dropped));
    if late > 0 {
        note!(
            info,
            "{late} frames were not taken: the connection had ended"
        );
    }
    result.map_err(|ended| match ended {
        Ended::Lost(error) => lost(&options.socket, error),
        Ended::Failed(failure) => failure,
    })
}

/// Why pushing ended early.
enum Ended {
    /// The connection failed.
    Lost(ClientError),
    /// Something else did, and was told.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What is asked of the engine: what the options say, or the input.
///
/// # Errors
/// When the input says otherwise, or nobody could take its frames.
fn wish(options: &PushOptions<'_>, input: Option<&Input<'_>>) -> Result<Wish, Failure> {
    let header = input.and_then(Input::header);
    let size = requested_size(options, header)?;
    if let Some(header) = header {
        read_as_progressive(options, header)?;
    }
    let rate = match options.pace {
        Pace::Rate(rate) => Some((rate.numerator, rate.denominator)),
        _ => header.and_then(|header| header.frame_rate),
    };
    if let Some((numerator, denominator)) = rate
        && FrameRate::new(numerator.into(), denominator.into()).is_none()
    {
        return Err(failure!(
            Exit::Input,
            "the input says {numerator}/{denominator} frames/s, and 1/{FRAME_RATE_MIN_DIVISOR} to {FRAME_RATE_MAX} are possible; give --fps N"
        ));
    }
    Ok(Wish {
        format: options.format.map_or(0, |format| format.0),
        size,
        rate: rate.unwrap_or_default(),
        copied: options.memory == PushMemory::Copy,
        colour: header
            .map_or(Colour::UNKNOWN, Y4mHeader::colour)
            .overridden_by(options.colour),
    })
}

/// Connects, with memory of its own where that was asked for and the encoder can use it.
#[inline(never)]
fn attach(
    options: &PushOptions<'_>,
    stop: &Stop,
    wish: &Wish,
    header: Option<&Y4mHeader>,
    wait_ms: u32,
) -> Result<FrameProducer, Failure> {
    let uid = options.engine_uid;
    let attached = connect(&options.socket, uid, wait_ms, stop, |engine| {
        let producer = match request(engine, wish, header) {
            // The engine knows the format; the size is better named here.
            Err(ClientError::Refused(Refusal::OddSize)) => return Ok(None),
            // What does not fit is told better when it is known what the engine takes.
            Err(ClientError::Refused(Refusal::Fixed)) => {
                let (copied, colour) = (wish.copied, wish.colour);
                let wish = Wish {
                    copied,
                    colour,
                    ..Wish::default()
                };
                FrameProducer::connect_with(engine, &wish)?
            }
            answer => answer?,
        };
        match options.memory {
            PushMemory::Export => Ok(producer),
            PushMemory::Copy => {
                if !producer.copied() {
                    note!(warn, "the engine does not copy: its own slots instead");
                }
                Ok(producer)
            }
            kind => with_own_slots(producer, kind, stop),
        }
        .map(Some)
    })?;
    attached.ok_or_else(|| refused_size(wish.size))
}

/// Asks the engine for frames of the wanted format. A Y4M stream's is its own, or one into which its rows can be put.
fn request(
    engine: &EngineAddress<'_>,
    wish: &Wish,
    header: Option<&Y4mHeader>,
) -> Result<FrameProducer, ClientError> {
    let mut answer = Err(ClientError::Refused(Refusal::Format));
    let formats = header.filter(|_| wish.format == 0).map(requested_formats);
    for format in formats.into_iter().flatten() {
        let format = format.fourcc.0;
        answer = FrameProducer::connect_with(engine, &Wish { format, ..*wish });
        if !matches!(answer, Err(ClientError::Refused(Refusal::Format))) {
            return answer;
        }
    }
    match header {
        Some(_) if wish.format == 0 => answer,
        _ => FrameProducer::connect_with(engine, wish),
    }
}

/// Offers slots of its own in place of the engine's. A refusal is told, and costs no more than the memory that the engine has.
fn with_own_slots(
    producer: FrameProducer,
    kind: PushMemory,
    stop: &Stop,
) -> Result<FrameProducer, ClientError> {
    let rows = producer.layout().planes[0].allocated_rows;
    let shape = lookup(producer.format())
        .and_then(|format| shape(format, producer.size(), rows).ok())
        .ok_or(ClientError::Protocol)?;
    let buffers = match allocate(kind, producer.slots(), &shape) {
        Ok(buffers) => buffers,
        Err(error) => {
            note!(
                warn,
                "no memory of its own ({error}): the engine's slots instead"
            );
            return Ok(producer);
        }
    };
    let producer = producer.import_unless(stop.descriptor(), shape.rows, buffers)?;
    if !producer.imported() {
        note!(
            warn,
            "this memory is not taken, as the engine's log says: the engine's slots instead"
        );
    }
    Ok(producer)
}

/// Whether the engine takes the frames; says how they lie in the input.
#[inline(never)]
fn check(
    options: &PushOptions<'_>,
    input: Option<&Input<'_>>,
    wish: &Wish,
    producer: &FrameProducer,
    format: &'static RawFormat,
) -> Result<Option<InputFrame>, Failure> {
    let (width, height) = producer.size();
    let (exit, who) = match input {
        Some(input) if input.header().is_some() => (Exit::Input, "the input has"),
        _ => (Exit::Rejected, "asked for were"),
    };
    if wish.size != (0, 0) && wish.size != (width, height) {
        return Err(failure!(
            exit,
            "{who} frames of {}x{}, the engine takes {width}x{height}",
            wish.size.0,
            wish.size.1
        ));
    }
    if wish.format != 0 && wish.format != format.fourcc.0 {
        return Err(failure!(
            Exit::Rejected,
            "asked for were frames in {}, the engine takes {}",
            Fourcc(wish.format),
            format.fourcc
        ));
    }
    let Some(input) = input else {
        return Ok(None);
    };
    let frame = InputFrame::new(options, input, (format, (width, height)))?;
    let rows = frame.rows(format, producer.layout());
    rows.map_err(|error| failure!(Exit::Input, "{error}"))?;
    Ok(Some(frame))
}

/// Whether the input is raw, and its end cannot be known before.
fn endless(input: Option<&Input>) -> bool {
    input.is_some_and(|input| input.header().is_none() && input.size().is_none())
}

/// Where the frames' timestamps come from, and whether frames wait for their time.
fn timing(options: &PushOptions<'_>, input: Option<&Input<'_>>) -> Timing {
    let rateless = options.pace == Pace::Engine
        && input.is_some_and(|input| input.header().is_none() && input.live());
    match options.timestamps {
        Some(Timestamps::Arrival) => Timing::Arrival,
        None if rateless => {
            note!(
                info,
                "raw frames from a pipe without a rate: their timestamps are the times of arrival (else give --fps)"
            );
            Timing::Arrival
        }
        _ if options.pace == Pace::Max => Timing::Unpaced,
        _ => Timing::Paced,
    }
}

/// Says that no more frames come, and waits until each that was committed is accounted for.
fn finish(producer: &mut FrameProducer, stop: &Stop) -> Result<(), Ended> {
    while !producer.finish(Some(0)).map_err(Ended::Lost)? {
        wait(producer, stop)?;
    }
    Ok(())
}

/// Waits until the engine has something for the producer, or a signal came.
fn wait(producer: &FrameProducer, stop: &Stop) -> Result<Woken, Failure> {
    let (socket, free) = producer.descriptors();
    stop.wait(&[(socket, PollFlags::IN), (free, PollFlags::IN)], None)
}

/// How far it has come.
struct Job<'a> {
    options: &'a PushOptions<'a>,
    stop: &'a Stop,
    wish: Wish,
    /// Number of the next frame.
    frame: u64,
    /// The input stands at its bytes.
    begun: bool,
    /// Its times, once a slot was asked for: waiting for one does not change them.
    times: Option<Times>,
    pacer: Pacer,
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

impl Job<'_> {
    #[inline(never)]
    fn push_all(
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
        let source = check(options, input.as_ref(), &self.wish, producer, format)?;
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
        while options.frames.is_none_or(|limit| self.frame < limit) && !self.stop.asked()? {
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
            let Some(mut slot) = producer.acquire(Some(0)).map_err(Ended::Lost)? else {
                if options.live {
                    if let Some((input, source)) = input.as_mut().zip(source) {
                        skip(input, source, self.frame)?;
                    }
                    self.drop_frame();
                } else {
                    // The engine may be waiting for these.
                    hold.release(producer).map_err(Ended::Lost)?;
                    wait(producer, self.stop)?;
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

    /// The frames' rate: the one asked for or the input's, else the engine's, which is said where it counts.
    fn rate(&self, producer: &FrameProducer, from_input: bool) -> FrameRate {
        let assumed = self.wish.rate == (0, 0);
        let (numerator, denominator) = if assumed {
            producer.frame_rate()
        } else {
            self.wish.rate
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
