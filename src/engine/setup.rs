//! The encoder and the memory of the slots are set up for each other: at the start, for a producer, for a camera, after a reopening.
//!
//! Knows the order of the steps, and what may stay as it is. Knows no client but by its request, and not whether a frame is on its way: the caller makes
//! sure that none is.

use crate::control::message::Refusal;
use crate::engine::error::EngineError;
use crate::engine::request::{Buffers, Request};
use crate::engine::slot_memory::SlotMemory;
use crate::engine::stage::Stage;
use crate::errno::call::{Call, IoctlError};
use crate::flow::log_limit::LogLimit;
use crate::free_memory::has_room;
use crate::limits::RETAINED_SETS;
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, SlotMemory as Kind, State};
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::encoder::{Encoder, buffer_bytes};
use crate::v4l2::negotiate::Wanted;
use rustix::io::Errno;

/// What is set up.
pub struct Setup<'e, 'a> {
    /// The encoder.
    pub stage: &'e mut Stage<'a>,
    /// The slots.
    pub memory: &'e mut SlotMemory,
    /// Counts what former producers keep.
    pub stats: Stats<'a>,
}

/// What came of a producer's request.
pub struct Change {
    /// How many slots there are; or the encoder runs no more, and why, where a reopening is not for a stall.
    pub slots: Result<u32, Option<IoctlError>>,
    /// Whether the producer gets what it requested, or the engine's slots in place of memory that is not taken.
    pub answer: Result<(), Refusal>,
}

impl<'a> Setup<'_, 'a> {
    /// What the OUTPUT queue is made of now.
    #[must_use]
    pub fn present_buffers(&self) -> Buffers {
        let default = self.stage.session.options.memory;
        let choice = self.memory.choice().unwrap_or(default);
        match self.stage.has_own_buffers() {
            true => Buffers::Kept(choice),
            false => Buffers::Driver(choice),
        }
    }

    /// Whether the OUTPUT buffers stay when the queue is made of these.
    fn keeps_buffers(&self, wanted: &Wanted, buffers: &Buffers) -> bool {
        let keeps = match buffers {
            Buffers::Kept(_) => true,
            // An import changes the one queue only, and has no need of the others' buffers.
            Buffers::Imported(..) => *wanted == self.stage.wanted,
            Buffers::Driver(_) | Buffers::Unbound => false,
        };
        keeps
            && self
                .stage
                .encoder()
                .is_some_and(|encoder| encoder.slots() != 0)
    }

    /// Whether former producers would keep more of the encoder's memory than they may if its buffers were replaced now. Takes
    /// the engine's own hold off the buffers: `set_up` has to follow.
    #[must_use]
    pub fn retains_too_much(
        &mut self,
        wanted: &Wanted,
        buffers: &Buffers,
        log_limit: &LogLimit,
        now_ns: u64,
    ) -> bool {
        if matches!(buffers, Buffers::Kept(_)) && self.keeps_buffers(wanted, buffers) {
            return false;
        }
        self.memory.clear();
        let Some(encoder) = self.stage.encoder() else {
            return false;
        };
        let retained = encoder.retained_bytes();
        let sum = retained.saturating_add(self.stats.get(Counter::SlotBytesRetained));
        let set = encoder.slot_bytes() * u64::from(encoder.slots());
        let too_much = retained > 0 && sum > RETAINED_SETS * set;
        if too_much && log_limit.may_log(now_ns) {
            note!(
                warn,
                "no change for a producer: a former one, of user {}, still has {retained} bytes of the encoder's buffers",
                self.memory.user().unwrap_or(u32::MAX)
            );
        }
        too_much
    }

    /// Sets the encoder up for a producer's request, or else as it was before. `None`: nobody has a request any more.
    #[must_use]
    pub fn change(
        &mut self,
        request: Option<Request>,
        log_limit: &LogLimit,
        now_ns: u64,
    ) -> Change {
        let present = self.stage.wanted;
        let mut back = self.present_buffers();
        let mut answer = Ok(());
        if let Some(mut request) = request {
            let Request { wanted, buffers } = &mut request;
            if self.retains_too_much(wanted, buffers, log_limit, now_ns) {
                answer = Err(Refusal::Busy);
            } else {
                match self.set_up(wanted, buffers) {
                    Ok(slots) => {
                        return Change {
                            slots: Ok(slots),
                            answer,
                        };
                    }
                    Err(error) => {
                        self.stage.log(error);
                        back = Buffers::Driver(self.stage.session.options.memory);
                        answer = match error.is_shortage() {
                            // Whose memory is not taken gets the engine's slots instead: that is no refusal.
                            _ if request.imports() => Ok(()),
                            true => Err(Refusal::Resources),
                            false => Err(Refusal::NotEncoded),
                        };
                    }
                }
            }
        }
        let slots = self.set_up(&present, &mut back).map_err(|error| {
            self.stage.log(error);
            self.stage.wanted = present;
            let short = IoctlError::new(Call::ReqBufs, Errno::NOMEM);
            error.is_shortage().then_some(short)
        });
        Change { slots, answer }
    }

    /// Sets the encoder up for `wanted` with these buffers, and starts it. No frame is inside, and no producer has a slot. Gives how many
    /// slots there are. The caller begins a generation when it has all that it wants.
    ///
    /// # Errors
    /// When that cannot be done; then nothing runs, and another try may follow.
    pub fn set_up(
        &mut self,
        wanted: &Wanted,
        buffers: &mut Buffers,
    ) -> Result<u32, EngineError<'a>> {
        self.memory.clear();
        let keeps = self.keeps_buffers(wanted, buffers);
        if !matches!(buffers, Buffers::Kept(_)) || !keeps {
            let retained = self.stage.encoder().map_or(0, Encoder::retained_bytes);
            self.stats.add(Counter::SlotBytesRetained, retained);
            self.memory.fresh();
        }
        if keeps {
            self.with_encoder(|encoder| encoder.stop())?;
        } else {
            self.allocate(wanted)?;
        }
        self.stage.wanted = *wanted;
        match buffers {
            Buffers::Imported(count, rows, planes) => {
                let answer =
                    self.with_encoder(|encoder| Ok(encoder.import(wanted, *count, rows, planes)))?;
                answer.map_err(|error| EngineError::NotImported(error, wanted.bytes_a_second()))?;
                self.bind(|memory, encoder| {
                    memory.unbound(encoder);
                    Ok(())
                })?;
            }
            Buffers::Unbound => self.bind(|memory, encoder| {
                memory.unbound(encoder);
                Ok(())
            })?,
            Buffers::Driver(choice) | Buffers::Kept(choice) => {
                self.bind(|memory, encoder| memory.fill(encoder, wanted, *choice))?;
            }
        }
        self.stage.start()
    }

    /// Replaces the buffers of both queues.
    fn allocate(&mut self, wanted: &Wanted) -> Result<(), EngineError<'a>> {
        self.with_encoder(Encoder::clear)?;
        let (agreed, bytes) = {
            let encoder = self.stage.encoder();
            let encoder = encoder.ok_or_else(|| self.stage.final_error(None))?;
            let agreed = self.stage.session.agree(encoder.device(), wanted)?;
            (agreed, buffer_bytes(&agreed, self.stage.session.slots))
        };
        if !has_room(usize::try_from(bytes).unwrap_or(usize::MAX)) {
            return Err(EngineError::NoRoom((wanted.width, wanted.height), bytes));
        }
        let slots = self.stage.session.slots;
        self.with_encoder(|encoder| encoder.allocate(agreed, slots))
    }

    /// Does something with the encoder.
    fn with_encoder<T>(
        &mut self,
        work: impl FnOnce(&mut Encoder) -> Result<T, IoctlError>,
    ) -> Result<T, EngineError<'a>> {
        let Some(encoder) = self.stage.encoder_mut() else {
            return Err(self.stage.final_error(None));
        };
        work(encoder).map_err(EngineError::Call)
    }

    /// Does something with the memory that needs the encoder.
    fn bind(
        &mut self,
        work: impl FnOnce(&mut SlotMemory, &Encoder) -> Result<(), IoctlError>,
    ) -> Result<(), EngineError<'a>> {
        let Some(encoder) = self.stage.encoder() else {
            return Err(self.stage.final_error(None));
        };
        work(self.memory, encoder).map_err(EngineError::Call)
    }
}

/// Writes what the stream is, for those who look; before the generation rises. Nothing while the encoder is closed.
pub fn describe(header: &PacketHeader, stage: &Stage<'_>, memory: Kind, slots: u32) {
    let Some((coded, colour)) = stage.agreed() else {
        return;
    };
    let (status, wanted) = (&header.status, &stage.wanted);
    let generation = match status.state.load(Relaxed) == State::Starting as u32 {
        true => 1,
        false => status.generation.load(Relaxed).wrapping_add(1),
    };
    header.stream.change(|stream| {
        stream.generation.store(generation, Relaxed);
        stream.codec.store(wanted.codec.0, Relaxed);
        stream.format.store(stage.source_format().0, Relaxed);
        stream.width.store(wanted.width, Relaxed);
        stream.height.store(wanted.height, Relaxed);
        stream.coded_width.store(coded.0, Relaxed);
        stream.coded_height.store(coded.1, Relaxed);
        stream.rate_numerator.store(wanted.rate.0, Relaxed);
        stream.rate_denominator.store(wanted.rate.1, Relaxed);
        stream.colorspace.store(colour.colorspace.into(), Relaxed);
        stream.transfer.store(colour.transfer.into(), Relaxed);
        stream.matrix.store(colour.matrix.into(), Relaxed);
        stream.range.store(colour.range.into(), Relaxed);
        stream.memory.store(memory as u32, Relaxed);
        stream.frame_slots.store(slots, Relaxed);
    });
}
