//! What a producer requests, and what comes of it under the engine's options: another configuration of the encoder, or a refusal.
//!
//! Knows requests, options and formats. Changes nothing, and knows neither the encoder nor a connection.

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;

use crate::control::message::{FormatRequest, Refusal};
use crate::flow::log_limit::LogLimit;
use crate::limits::{FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR};
use crate::log::note;
use crate::media::format::lookup;
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::media::layout::Placement;
use crate::text::Escaped;
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::types::run_options::RunOptions;
use crate::v4l2::encoder::OUTPUT_PLANES;
use crate::v4l2::negotiate::Wanted;

/// What the OUTPUT queue is to be made of.
#[derive(Debug)]
pub enum Buffers {
    /// The encoder's own buffers, newly allocated, written to directly or by copy.
    Driver(MemoryChoice),
    /// The encoder's own buffers that are there, written to directly or by copy.
    Kept(MemoryChoice),
    /// The encoder's own buffers; what is copied there is not known yet.
    Unbound,
    /// Dma-bufs of somebody else: how many slots, where the rows lie, and each slot's memory planes in order.
    Imported(u32, Placement, ArrayVec<OwnedFd, OUTPUT_PLANES>),
}

/// What a producer waits for.
#[derive(Debug)]
pub struct Request {
    /// What is to be encoded.
    pub wanted: Wanted,
    /// Where its frames lie.
    pub buffers: Buffers,
}

impl Request {
    /// Whether it is a producer already, which offered memory.
    #[must_use]
    pub fn imports(&self) -> bool {
        matches!(self.buffers, Buffers::Imported(..))
    }
}

/// What a request is held against.
#[derive(Clone, Debug)]
pub struct Terms<'s> {
    /// The engine's options.
    pub options: &'s RunOptions<'s>,
    /// What the options say where a producer requests nothing.
    pub configured: &'s Wanted,
    /// What is encoded now.
    pub present: &'s Wanted,
    /// The raw formats that the encoder takes.
    pub takes: FormatSet,
    /// The encoder's path, for the log.
    pub path: Escaped<'s>,
    /// How often the log speaks of clients.
    pub log_limit: &'s LogLimit,
    /// `CLOCK_MONOTONIC` ns.
    pub now_ns: u64,
}

impl Terms<'_> {
    /// What is to be encoded for a producer with this request.
    ///
    /// # Errors
    /// When it cannot be, which is logged.
    pub fn meet(&self, requested: &FormatRequest) -> Result<Wanted, Refusal> {
        let (options, present) = (self.options, self.present);
        let mut wanted = *self.configured;
        if requested.format != 0 {
            wanted.format =
                lookup(Fourcc(requested.format)).ok_or_else(|| self.unknown(requested))?;
        }
        // The format that runs was taken, whatever the list says.
        if wanted.format != present.format && !self.takes.contains(wanted.format) {
            if self.logs() {
                let (path, takes, format) = (self.path, self.takes, wanted.format.fourcc);
                note!(warn, "a producer requests {format}; {path} takes {takes}");
            }
            return Err(Refusal::Format);
        }
        if requested.size != (0, 0) {
            (wanted.width, wanted.height) = requested.size;
        }
        let fixed = options.size.width != 0;
        if fixed && wanted != *self.configured {
            return Err(Refusal::Fixed);
        }
        if let Err(odd) = wanted.format.check_size((wanted.width, wanted.height)) {
            if self.logs() {
                note!(warn, "a producer requests frames of {odd}");
            }
            return Err(Refusal::OddSize);
        }
        // What is the same by V4L2's defaults changes nothing.
        let colour = requested.colour.overridden_by(options.colour);
        let same = colour.resolved(wanted.format) == present.colour.resolved(wanted.format);
        wanted.colour = if same { present.colour } else { colour };
        if fixed {
            self.compare_rate(requested.rate);
        } else if requested.rate != (0, 0) {
            let rate = FrameRate::new(requested.rate.0.into(), requested.rate.1.into());
            let rate = rate.ok_or_else(|| self.unknown(requested))?;
            wanted.rate = (rate.numerator, rate.denominator);
        }
        Ok(wanted)
    }

    /// How the slots of a producer with this request are chosen.
    #[must_use]
    pub fn memory(&self, requested: &FormatRequest) -> MemoryChoice {
        match self.options.memory {
            MemoryChoice::Auto if requested.copied => MemoryChoice::Copy,
            choice => choice,
        }
    }

    fn logs(&self) -> bool {
        self.log_limit.may_log(self.now_ns)
    }

    /// Logs that a producer's frames come at another rate than the encoder was set up for, which `--size` keeps: the encoder's bit
    /// budget and the stream's times are wrong by that much.
    fn compare_rate(&self, declared: (u32, u32)) {
        let kept = self.present.rate;
        let across = |one: (u32, u32), other: (u32, u32)| u64::from(one.0) * u64::from(other.1);
        let differs = declared != (0, 0) && across(declared, kept) != across(kept, declared);
        if differs && self.logs() {
            note!(
                warn,
                "a producer declares {}/{} frames/s, the encoder is set up for {}/{}: give run --fps {}/{}",
                declared.0,
                declared.1,
                kept.0,
                kept.1,
                declared.0,
                declared.1
            );
        }
    }

    /// Frames that no encoder is asked for.
    fn unknown(&self, requested: &FormatRequest) -> Refusal {
        let (format, (numerator, denominator)) = (Fourcc(requested.format), requested.rate);
        if !self.logs() {
            return Refusal::NotEncoded;
        }
        if requested.format != 0 && lookup(format).is_none() {
            note!(
                warn,
                "a producer requests the format {format}, which is unknown here"
            );
        } else {
            note!(
                warn,
                "a producer requests {numerator}/{denominator} frames/s: 1/{FRAME_RATE_MIN_DIVISOR} to {FRAME_RATE_MAX} are possible"
            );
        }
        Refusal::NotEncoded
    }
}
