//! A producer that asks the engine for what its input needs, and checks what it gets.
//!
//! Knows options, the input's header and the engine's answer. Pushes no frame.

use rustix::io::Errno;

use crate::cli::{Pace, PushMemory, PushOptions};
use crate::client::{ClientError, EngineAddress, FormatRequest, FrameProducer, Step};
use crate::command::connect::{Patience, connect};
use crate::command::dmabuf_heap::{allocate, shape};
use crate::command::geometry::{
    InputFrame, read_as_progressive, refused_size, requested_formats, requested_size,
};
use crate::command::input::Input;
use crate::command::stop::Stop;
use crate::control::message::Refusal;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::limits::{ATTACH_AGAIN_MS, FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR};
use crate::log::note;
use crate::media::colour::Colour;
use crate::media::format::{RawFormat, lookup};
use crate::media::fourcc::Fourcc;
use crate::media::y4m::Y4mHeader;
use crate::types::frame_rate::FrameRate;

/// What is asked of the engine: what the options say, or the input.
///
/// # Errors
/// When the input says otherwise, or nobody could take its frames.
pub(super) fn requested(
    options: &PushOptions<'_>,
    input: Option<&Input<'_>>,
) -> Result<FormatRequest, Failure> {
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
    Ok(FormatRequest {
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
pub(super) fn attach(
    options: &PushOptions<'_>,
    stop: &Stop,
    requested: &FormatRequest,
    header: Option<&Y4mHeader>,
    wait_ms: u32,
) -> Result<FrameProducer, Failure> {
    let uid = options.engine_uid;
    let mut not_shared = None;
    let attached = connect(
        &options.socket,
        uid,
        Patience::Ms(wait_ms),
        stop,
        |engine| {
            let producer = match request(engine, requested, header) {
                // The engine knows the format; the size is better named here.
                Err(ClientError::Refused(Refusal::OddSize)) => return Ok(None),
                // What does not fit is reported better when it is known what the engine takes.
                Err(ClientError::Refused(Refusal::Fixed)) => {
                    let (copied, colour) = (requested.copied, requested.colour);
                    let requested = FormatRequest {
                        copied,
                        colour,
                        ..FormatRequest::default()
                    };
                    FrameProducer::connect_with(engine, &requested)?
                }
                Err(ClientError::System(Step::Sync, errno)) if !requested.copied => {
                    not_shared = Some(errno);
                    return Ok(None);
                }
                answer => answer?,
            };
            match options.memory {
                _ if requested.copied => {
                    if !producer.copied() {
                        note!(warn, "the engine does not copy: its own slots instead");
                    }
                    Ok(producer)
                }
                PushMemory::Export | PushMemory::Copy => Ok(producer),
                kind => with_own_slots(producer, kind, stop),
            }
            .map(Some)
        },
    )?;
    if let Some(errno) = not_shared {
        tell_copies(errno);
        let requested = FormatRequest {
            copied: true,
            ..*requested
        };
        return attach(
            options,
            stop,
            &requested,
            header,
            wait_ms.max(ATTACH_AGAIN_MS),
        );
    }
    attached.ok_or_else(|| refused_size(requested.size))
}

/// Says why the engine is asked to copy.
pub(super) fn tell_copies(errno: Errno) {
    note!(
        warn,
        "{}: the engine is asked to copy the frames",
        ClientError::System(Step::Sync, errno)
    );
}

/// Asks the engine for frames of the wanted format. A Y4M stream's is its own, or one into which its rows can be put.
fn request(
    engine: &EngineAddress<'_>,
    requested: &FormatRequest,
    header: Option<&Y4mHeader>,
) -> Result<FrameProducer, ClientError> {
    let mut answer = Err(ClientError::Refused(Refusal::Format));
    let formats = header
        .filter(|_| requested.format == 0)
        .map(requested_formats);
    for format in formats.into_iter().flatten() {
        let format = format.fourcc.0;
        answer = FrameProducer::connect_with(
            engine,
            &FormatRequest {
                format,
                ..*requested
            },
        );
        if !matches!(answer, Err(ClientError::Refused(Refusal::Format))) {
            return answer;
        }
    }
    match header {
        Some(_) if requested.format == 0 => answer,
        _ => FrameProducer::connect_with(engine, requested),
    }
}

/// Offers slots of its own in place of the engine's. A refusal is logged, and costs no more than the memory that the engine has.
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
pub(super) fn check(
    options: &PushOptions<'_>,
    input: Option<&Input<'_>>,
    requested: &FormatRequest,
    producer: &FrameProducer,
    format: &'static RawFormat,
) -> Result<Option<InputFrame>, Failure> {
    let (width, height) = producer.size();
    let (exit, who) = match input {
        Some(input) if input.header().is_some() => (Exit::Input, "the input has"),
        _ => (Exit::Rejected, "asked for were"),
    };
    if requested.size != (0, 0) && requested.size != (width, height) {
        return Err(failure!(
            exit,
            "{who} frames of {}x{}, the engine takes {width}x{height}",
            requested.size.0,
            requested.size.1
        ));
    }
    if requested.format != 0 && requested.format != format.fourcc.0 {
        return Err(failure!(
            Exit::Rejected,
            "asked for were frames in {}, the engine takes {}",
            Fourcc(requested.format),
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
