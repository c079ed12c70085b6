//! `framemill push`: a producer. Raw frames, Y4M or the built-in pattern into the frame ring, at a steady pace.

use ::log::LevelFilter;
use core::mem::ManuallyDrop;

use rustix::thread::{ClockId, clock_nanosleep_absolute};

use crate::cli::{FrameRate, Pace, PushMemory, PushOptions, Source};
use crate::client::{ClientError, FrameProducer, PacketConsumer, SlotGuard};
use crate::command::connect::{connect, lost};
use crate::command::heap::{Shape, allocate, shape};
use crate::command::input::{Filled, Input};
use crate::control::message::Refusal;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::FRAME_SLOTS_MAX;
use crate::log;
use crate::media::format::{RawFormat, lookup};
use crate::media::fourcc::Fourcc;
use crate::media::pattern::fill_row;
use crate::media::rows::{Rows, SPREAD_BYTES, scatter};
use crate::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::time::{now, timespec};

/// Where the frames come from, opened.
enum Frames {
    Pattern,
    Input(Input, &'static RawFormat),
}

#[inline(never)]
pub(super) fn push(options: &PushOptions<'_>) -> Result<(), Failure> {
    // Without a logger `info!` writes nothing; standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    // The input first: a mistake in it should not occupy the engine.
    let mut frames = match options.from {
        Source::Pattern => None,
        source => Some(Input::open(source, options.container)?),
    };
    let producer = attach(options)?;
    // Not taken apart: the process ends with it.
    let mut producer = ManuallyDrop::new(producer);
    let format = lookup(producer.format()).ok_or_else(|| {
        failure!(
            Exit::Rejected,
            "the engine takes {}, which is unknown here",
            producer.format()
        )
    })?;
    let mut frames = match frames.take() {
        None => Frames::Pattern,
        Some(input) => {
            let source = check(&input, &producer, format)?;
            Frames::Input(input, source)
        }
    };
    let result = push_all(options, &mut producer, format, &mut frames);
    // Whatever ended it: what was committed is waited for, and told.
    let finished = producer.finish(None);
    let (published, dropped) = producer.accounts();
    let pushed = producer.committed();
    note!(
        info,
        "{pushed} frames pushed: {published} published, {dropped} dropped"
    );
    // Committed when the engine had looked for the last time: it cannot count them.
    let late = pushed.saturating_sub(published + dropped);
    if late > 0 {
        note!(info, "{late} frames were not taken: the engine had ended");
    }
    // The first failure is the cause, and has been told.
    result?;
    finished
        .map(|_| ())
        .map_err(|error| lost(&options.socket, error))
}

/// Connects, with memory of its own where that was asked for and the encoder can use it.
#[inline(never)]
fn attach(options: &PushOptions<'_>) -> Result<FrameProducer, Failure> {
    let own = match options.memory {
        PushMemory::Export => None,
        kind => Some(own_slots(options, kind)?),
    };
    connect(&options.socket, options.wait_ms, |socket| {
        let Some((shape, kind, slots)) = &own else {
            return FrameProducer::connect(socket);
        };
        // The heap's refusal is told, and costs no more than the memory that the engine has.
        let buffers = match allocate(*kind, *slots, shape) {
            Ok(buffers) => buffers,
            Err(error) => {
                note!(
                    warn,
                    "no memory of its own ({error}): the engine's slots instead"
                );
                return FrameProducer::connect(socket);
            }
        };
        match FrameProducer::import(socket, shape.memory_planes, shape.bytesperline, buffers) {
            Err(error @ ClientError::Refused(Refusal::NotImported | Refusal::BadMessage)) => {
                note!(warn, "{error}: the engine's slots instead");
                FrameProducer::connect(socket)
            }
            answer => answer,
        }
    })
}

/// The shape that slots of one's own must have, from what the engine says of its stream.
fn own_slots(
    options: &PushOptions<'_>,
    kind: PushMemory,
) -> Result<(Shape, PushMemory, u32), Failure> {
    let engine = connect(&options.socket, options.wait_ms, PacketConsumer::observe)?;
    let stream = &engine.header().stream;
    let size = (stream.width.load(Relaxed), stream.height.load(Relaxed));
    let code = Fourcc(stream.format.load(Relaxed));
    let shape = lookup(code)
        .and_then(|format| shape(format, size, stream.coded_height.load(Relaxed)).ok())
        .ok_or_else(|| {
            failure!(
                Exit::Rejected,
                "the engine takes {code}, which is unknown here"
            )
        })?;
    let slots = stream.frame_slots.load(Relaxed).clamp(1, FRAME_SLOTS_MAX);
    Ok((shape, kind, slots))
}

/// Whether the input's frames are the engine's; gives the format that they have in the file.
#[inline(never)]
fn check(
    input: &Input,
    producer: &FrameProducer,
    format: &'static RawFormat,
) -> Result<&'static RawFormat, Failure> {
    let (width, height) = producer.size();
    if let Some(header) = input.header() {
        if (header.width, header.height) != (width, height) {
            return Err(failure!(
                Exit::Input,
                "the input has frames of {}x{}, the engine takes {width}x{height}",
                header.width,
                header.height
            ));
        }
        let code = header.chroma.fourcc();
        let source = lookup(code)
            .ok_or_else(|| failure!(Exit::Input, "the input's format {code} is unknown here"))?;
        Rows::new(source, format, producer.layout())
            .map_err(|error| failure!(Exit::Input, "{error}"))?;
        return Ok(source);
    }
    let frame = producer.layout().frame_bytes();
    if let Some(size) = input.size() {
        let remainder = size % frame.max(1);
        if size == 0 || remainder != 0 {
            return Err(cut_short(size / frame.max(1), frame, remainder));
        }
    }
    Ok(format)
}

#[inline(never)]
fn push_all(
    options: &PushOptions<'_>,
    producer: &mut FrameProducer,
    format: &'static RawFormat,
    frames: &mut Frames,
) -> Result<(), Failure> {
    let (numerator, denominator) = producer.frame_rate();
    let declared = FrameRate {
        numerator,
        denominator,
    };
    let rate =
        match options.pace {
            Pace::Rate(rate) => rate,
            Pace::Engine | Pace::Max => match frames {
                Frames::Input(input, _) => input
                    .header()
                    .and_then(|header| header.frame_rate)
                    .map_or(declared, |(n, d)| FrameRate {
                        numerator: n,
                        denominator: d,
                    }),
                Frames::Pattern => declared,
            },
        };
    let start = now();
    let mut frame = 0;
    while options.frames.is_none_or(|limit| frame < limit) {
        if let Frames::Input(input, _) = frames
            && !input.next_frame()?
        {
            if !options.repeat || frame == 0 {
                break;
            }
            input.rewind()?;
            if !input.next_frame()? {
                break;
            }
        }
        let offset = media_time(frame, rate);
        if options.pace != Pace::Max {
            sleep_until(start.saturating_add(offset));
        }
        let gone = |error: ClientError| lost(&options.socket, error);
        let size = producer.size();
        let Some(mut slot) = producer.acquire(None).map_err(gone)? else {
            continue;
        };
        match frames {
            Frames::Pattern => draw(format, size, frame, &mut slot),
            Frames::Input(input, source) => read(input, source, format, &mut slot, frame)?,
        }
        slot.commit(offset).map_err(gone)?;
        frame += 1;
    }
    Ok(())
}

/// When frame `n` of the stream is due, ns from its start. Whole seconds and the rest are taken apart, so that no product
/// needs more than 64 bits.
fn media_time(n: u64, rate: FrameRate) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let (numerator, denominator) = (
        u64::from(rate.numerator.max(1)),
        u64::from(rate.denominator),
    );
    let ticks = n.saturating_mul(denominator);
    let rest = ticks % numerator * SECOND / numerator;
    (ticks / numerator)
        .saturating_mul(SECOND)
        .saturating_add(rest)
}

fn sleep_until(time: u64) {
    // An interrupted sleep makes one frame early, no more.
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &timespec(time));
}

/// Draws the pattern's frame into a slot.
#[inline(never)]
fn draw(format: &RawFormat, (width, height): (u32, u32), frame: u64, slot: &mut SlotGuard<'_>) {
    let layout = slot.layout();
    for (index, plane) in layout.planes().iter().enumerate() {
        let memory = slot.plane(plane.memory_plane as usize);
        for row in 0..plane.rows {
            let Some(start) = plane.row_start(row) else {
                break;
            };
            let Some(target) = memory.get_mut(start..start + plane.row_bytes as usize) else {
                break;
            };
            fill_row(format, index, row, width, height, frame, target);
        }
    }
}

/// Reads a frame of the input into a slot, row by row where the slot's rows lie further apart.
#[inline(never)]
fn read(
    input: &mut Input,
    source: &RawFormat,
    format: &RawFormat,
    slot: &mut SlotGuard<'_>,
    frame: u64,
) -> Result<(), Failure> {
    let layout = slot.layout();
    let rows =
        Rows::new(source, format, &layout).map_err(|error| failure!(Exit::Input, "{error}"))?;
    let mut done = 0;
    for target in rows {
        let memory = slot.plane(target.memory_plane as usize);
        let filled = if target.step == 1 {
            input.fill(memory.get_mut(target.span()).unwrap_or(&mut []))?
        } else {
            let mut run = [0; SPREAD_BYTES];
            let run = &mut run[..(target.bytes as usize).min(SPREAD_BYTES)];
            let filled = input.fill(run)?;
            // The target was checked against the layout, so it fits.
            let _ = scatter(run, &target, memory);
            filled
        };
        if let Filled::Short(count) = filled {
            return Err(cut_short(frame, layout.frame_bytes(), done + count as u64));
        }
        done += u64::from(target.bytes);
    }
    Ok(())
}

fn cut_short(frames: u64, frame_bytes: u64, remainder: u64) -> Failure {
    failure!(
        Exit::Input,
        "the input is no whole number of frames: after {frames} frames of {frame_bytes} bytes it has {remainder} bytes more"
    )
}
