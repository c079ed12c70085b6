//! A producer comes, and wants another size, format or rate, or slots of another kind: the encoder is set up anew for it.
//!
//! What is inside is encoded first: the producer waits while the encoder drains. Then the queues stop, change and start
//! again. Consumers keep their ring, and see a generation, a discontinuity and a key frame. Knows when, and what the others
//! must be told; the encoder's steps are `session`'s and its own.

use arrayvec::ArrayVec;
use rustix::io::Errno;

use crate::control::message::{Offer, Refusal, Wish};
use crate::control::socket::{Descriptors, peer_uid};
use crate::engine::clients::Role;
use crate::engine::engine::Engine;
use crate::engine::life::{Life, Phase};
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::free_memory::{Free, has_room};
use crate::limits::{CHANGE_DRAIN_MS, FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR, RETAINED_SETS};
use crate::log::note;
use crate::media::format::lookup;
use crate::media::fourcc::Fourcc;
use crate::media::layout::Placement;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, SlotMemory, State};
use crate::shm::stats::Counter;
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::v4l2::encoder::{Encoder, OUTPUT_PLANES, buffer_bytes};
use crate::v4l2::negotiate::Wanted;

/// What the OUTPUT queue is to be made of.
#[derive(Debug)]
pub enum Slots {
    /// The encoder's own buffers, allocated for this, written to directly or by copy.
    Own(MemoryChoice),
    /// The encoder's own buffers that are there, written to directly or by copy.
    Kept(MemoryChoice),
    /// The encoder's own buffers; what is copied there is not known yet.
    Bare,
    /// Dma-bufs of somebody else: how many slots, where the rows lie, and each slot's memory planes in order.
    Given(u32, Placement, ArrayVec<rustix::fd::OwnedFd, OUTPUT_PLANES>),
}

/// What a producer waits for.
#[derive(Debug)]
pub(super) struct Request {
    wanted: Wanted,
    slots: Slots,
}

impl Request {
    /// Whether it is a producer already, which offered memory.
    pub(super) fn offers(&self) -> bool {
        matches!(self.slots, Slots::Given(..))
    }
}

impl Engine<'_> {
    /// A producer wants to be let in. It is, at once, when nothing has to change for it; else it waits.
    ///
    /// # Errors
    /// When its wish cannot be met.
    #[inline(never)]
    pub(super) fn wish(
        &mut self,
        life: &mut Life,
        place: usize,
        wish: &Wish,
    ) -> Result<(), Refusal> {
        let present = self.memory.wanted();
        let mut wanted = self.session.configured;
        if wish.format != 0 {
            wanted.format = lookup(Fourcc(wish.format)).ok_or_else(|| not_known(life, wish))?;
        }
        // Before what is inside is drained for it. The format that runs was taken, whatever the list says.
        if wanted.format != present.format && !self.session.takes.contains(wanted.format) {
            if life.may_tell(now()) {
                let (path, takes) = (self.session.path, self.session.takes);
                let format = wanted.format.fourcc;
                note!(warn, "a producer requests {format}; {path} takes {takes}");
            }
            return Err(Refusal::Format);
        }
        if wish.size != (0, 0) {
            (wanted.width, wanted.height) = wish.size;
        }
        let fixed = self.session.options.size.width != 0;
        if fixed && wanted != self.session.configured {
            return Err(Refusal::Fixed);
        }
        // Before what is inside is drained for it.
        if let Err(odd) = wanted.format.check_size((wanted.width, wanted.height)) {
            if life.may_tell(now()) {
                note!(warn, "a producer requests frames of {odd}");
            }
            return Err(Refusal::OddSize);
        }
        // What is the same by V4L2's defaults changes nothing.
        let colour = wish.colour.overridden_by(self.session.options.colour);
        wanted.colour = colour;
        let same = |format| colour.resolved(format) == present.colour.resolved(format);
        if same(wanted.format) {
            wanted.colour = present.colour;
        }
        if wish.rate != (0, 0) && !fixed {
            let rate = FrameRate::new(wish.rate.0.into(), wish.rate.1.into());
            let rate = rate.ok_or_else(|| not_known(life, wish))?;
            wanted.rate = (rate.numerator, rate.denominator);
        } else if fixed {
            warn_of_rate(life, wish.rate, present.rate);
        }
        let choice = match self.session.options.memory {
            MemoryChoice::Auto if wish.copied => MemoryChoice::Copy,
            choice => choice,
        };
        let mut slots = Slots::Own(choice);
        let uid = life
            .clients
            .list()
            .get(place)
            .and_then(|client| peer_uid(&client.socket).ok());
        // What one user's producer left in the buffers, and what it may have kept of them, is not for another's.
        let anothers = self.memory.had_by_another(uid);
        let open = life.away.is_none();
        if open && wanted == present && self.has_own_buffers() && !anothers {
            // An encoder that cannot be told to make a key frame makes one when it starts. So does one that may hold frames of the
            // producer before, or keeps their slots: they come first, and would wait for frames that wait for them.
            let starts = !self.settings.can_force && self.pipeline.has_queued()
                || self.pipeline.may_hold()
                || self.pipeline.keeps_slots();
            // What is still to be copied lies in the former producer's memfd.
            let waits = self.memory.copies() && self.pipeline.filled() > 0;
            if self.memory.choice() == Some(choice) && !starts && !waits {
                return self.admit_producer(life, place);
            }
            slots = Slots::Kept(choice);
        }
        self.wait_for_change(life, place, Request { wanted, slots })
    }

    /// Whether the OUTPUT queue is made of buffers that the encoder allocated.
    fn has_own_buffers(&self) -> bool {
        self.encoder.slots() != 0 && !self.encoder.imports()
    }

    /// A producer offers dma-bufs in place of the slots that it was given.
    ///
    /// # Errors
    /// `Busy` while there is no encoder, `Ending` when the end has begun.
    pub(super) fn offered(
        &mut self,
        life: &mut Life,
        place: usize,
        offer: &Offer,
        buffers: Descriptors,
    ) -> Result<(), Refusal> {
        let wanted = self.memory.wanted();
        let buffers = buffers.into_iter().collect();
        self.wait_for_change(
            life,
            place,
            Request {
                wanted,
                slots: Slots::Given(offer.slots, offer.rows, buffers),
            },
        )?;
        self.pipeline.reclaim();
        Ok(())
    }

    fn wait_for_change(
        &mut self,
        life: &mut Life,
        place: usize,
        request: Request,
    ) -> Result<(), Refusal> {
        // Whoever changes the phase now would undo the end.
        if life.ending {
            return Err(Refusal::Ending);
        }
        if life.request.is_some() || life.away.is_some() {
            return Err(Refusal::Busy);
        }
        let client = life.clients.get_mut(place).ok_or(Refusal::BadMessage)?;
        client.role = Role::Waiting;
        life.request = Some(request);
        life.phase = match life.phase {
            Phase::Running if self.pipeline.in_flight() == 0 && !self.pipeline.busy() => {
                Phase::Drained
            }
            Phase::Running => Phase::Emptying {
                deadline: now().saturating_add(u64::from(CHANGE_DRAIN_MS) * MS),
            },
            // It is being drained already.
            phase => phase,
        };
        self.set_state(State::Draining);
        Ok(())
    }

    /// Nothing is inside any more: the change that a producer waits for.
    ///
    /// # Errors
    /// When there is no way back either.
    #[inline(never)]
    pub(super) fn carry_out(&mut self, life: &mut Life) -> Result<(), Failure> {
        let Some(Request { wanted, mut slots }) = life.request.take() else {
            return self.resume(life);
        };
        // What the drain's deadline cut off.
        self.pipeline.restart(Counter::DroppedRestart, now());
        self.pipeline.drop_filled(Counter::DroppedRestart);
        life.phase = Phase::Running;
        self.set_state(State::Running);
        let present = self.memory.wanted();
        // Whose memory is not taken gets the engine's slots instead.
        let refusal = match slots {
            Slots::Given(..) => Ok(()),
            Slots::Own(_) | Slots::Kept(_) | Slots::Bare => Err(Refusal::NotEncoded),
        };
        let place = life.clients.waiting();
        let mut refused = Ok(());
        let mut back = self.present_slots();
        let mut answer = Ok(());
        if place.is_none() {
            // Where nobody waits any more the encoder has to start again all the same.
            answer = Err(refusal);
        } else if self.retains_too_much(life, &wanted, &slots) {
            answer = Err(Err(Refusal::Busy));
        } else if let Err(failure) = self.set_up(&wanted, &mut slots) {
            back = Slots::Own(self.session.options.memory);
            // Whatever is short may be there the next time.
            let short = failure.exit == Exit::Resource && !matches!(slots, Slots::Given(..));
            answer = Err(if short {
                Err(Refusal::Resources)
            } else {
                refusal
            });
        }
        if let Err(refusal) = answer {
            refused = refusal;
            if let Err(failure) = self.set_up(&present, &mut back) {
                self.memory.want(&present);
                let short = IoctlError::new(Call::ReqBufs, Errno::NOMEM);
                let error = (failure.exit == Exit::Resource).then_some(short);
                self.open_anew(life, error)?;
                refused = Err(Refusal::Reopened);
            }
        }
        if life.away.is_none() {
            self.new_generation();
        }
        self.pipeline.replace_slots(self.encoder.slots());
        if let Some(place) = place
            && let Err(refusal) = refused.and_then(|()| self.admit_producer(life, place))
        {
            self.refuse(life, place, refusal);
            match slots {
                // It was the producer until then.
                Slots::Given(..) if refusal == Refusal::Reopened => self.lost_its_slots(life),
                Slots::Given(..) => self.producer_left(life, now()),
                Slots::Own(_) | Slots::Kept(_) | Slots::Bare => {}
            }
        }
        Ok(())
    }

    /// What the OUTPUT queue is made of now.
    fn present_slots(&self) -> Slots {
        let choice = self.memory.choice().unwrap_or(self.session.options.memory);
        match self.has_own_buffers() {
            true => Slots::Kept(choice),
            false => Slots::Own(choice),
        }
    }

    /// Whether the OUTPUT buffers stay when the queue is made of these.
    fn keeps_buffers(&self, wanted: &Wanted, slots: &Slots) -> bool {
        let keeps = match slots {
            Slots::Kept(_) => true,
            // An import changes the one queue only, and has no need of the others' buffers.
            Slots::Given(..) => *wanted == self.memory.wanted(),
            Slots::Own(_) | Slots::Bare => false,
        };
        keeps && self.encoder.slots() != 0
    }

    /// Whether former producers would keep more of the encoder's memory than they may if its buffers were replaced now. Takes
    /// the engine's own hold off the buffers: `set_up` has to follow.
    fn retains_too_much(&mut self, life: &mut Life, wanted: &Wanted, slots: &Slots) -> bool {
        if matches!(slots, Slots::Kept(_)) && self.keeps_buffers(wanted, slots) {
            return false;
        }
        self.memory.clear();
        let retained = self.encoder.retained_bytes();
        let sum = retained.saturating_add(self.stats.get(Counter::SlotBytesRetained));
        let set = self.encoder.slot_bytes() * u64::from(self.encoder.slots());
        let too_much = retained > 0 && sum > RETAINED_SETS * set;
        if too_much && life.may_tell(now()) {
            note!(
                warn,
                "no change for a producer: a former one, of user {}, still has {retained} bytes of the encoder's buffers",
                self.memory.user().unwrap_or(u32::MAX)
            );
        }
        too_much
    }

    /// Sets the encoder up anew, and starts it. The caller raises the generation when it has all that it wants. No frame is inside, and no producer has a slot.
    ///
    /// # Errors
    /// When that cannot be done; then nothing runs, and another try may follow.
    #[inline(never)]
    pub(super) fn set_up(&mut self, wanted: &Wanted, slots: &mut Slots) -> Result<(), Failure> {
        let session = &self.session;
        let failed = |error| session.at_device(&error);
        self.memory.clear();
        let keeps = self.keeps_buffers(wanted, slots);
        if !matches!(slots, Slots::Kept(_)) || !keeps {
            let retained = self.encoder.retained_bytes();
            self.stats.add(Counter::SlotBytesRetained, retained);
            self.memory.fresh();
        }
        if keeps {
            self.encoder.stop().map_err(failed)?;
        } else {
            self.encoder.clear().map_err(failed)?;
            let agreed = session.agree(self.encoder.device(), wanted)?;
            let bytes = buffer_bytes(&agreed, session.slots);
            if !has_room(usize::try_from(bytes).unwrap_or(usize::MAX)) {
                return Err(failure!(
                    Exit::Resource,
                    "{}: {Free}, and buffers for {}x{} take {bytes}",
                    session.path,
                    wanted.width,
                    wanted.height
                ));
            }
            self.encoder
                .allocate(agreed, session.slots)
                .map_err(failed)?;
        }
        match slots {
            Slots::Given(count, rows, buffers) => {
                self.encoder
                    .import(wanted, *count, rows, buffers)
                    .map_err(|error| {
                        failure!(
                            Exit::Refused,
                            "the offered memory cannot be imported ({error}): it has to be copied, {} bytes a second",
                            wanted.bytes_a_second()
                        )
                    })?;
                self.memory.import(self.encoder, wanted);
            }
            Slots::Bare => self.memory.adopt(self.encoder, wanted),
            Slots::Own(choice) | Slots::Kept(choice) => self
                .memory
                .fill(self.encoder, wanted, *choice)
                .map_err(failed)?,
        }
        session.start(self.encoder, wanted)?;
        describe(self.header, wanted, self.encoder, self.memory.kind());
        Ok(())
    }
}

/// A producer whose frames come at another rate than the encoder was set up for, which `--size` keeps: the encoder's bit budget
/// and the stream's times are wrong by that much.
fn warn_of_rate(life: &mut Life, declared: (u32, u32), kept: (u32, u32)) {
    let across = |one: (u32, u32), other: (u32, u32)| u64::from(one.0) * u64::from(other.1);
    let differs = declared != (0, 0) && across(declared, kept) != across(kept, declared);
    if differs && life.may_tell(now()) {
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
#[inline(never)]
fn not_known(life: &mut Life, wish: &Wish) -> Refusal {
    if life.may_tell(now()) {
        let (format, (numerator, denominator)) = (Fourcc(wish.format), wish.rate);
        if wish.format != 0 && lookup(format).is_none() {
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
    }
    Refusal::NotEncoded
}

/// Writes what the stream is, for those who look; before the generation rises.
pub fn describe(header: &PacketHeader, wanted: &Wanted, encoder: &Encoder, memory: SlotMemory) {
    let agreed = encoder.agreed();
    let (status, colour) = (&header.status, agreed.colour);
    let generation = match status.state.load(Relaxed) == State::Starting as u32 {
        true => 1,
        false => status.generation.load(Relaxed).wrapping_add(1),
    };
    header.stream.change(|stream| {
        stream.generation.store(generation, Relaxed);
        stream.codec.store(wanted.codec.0, Relaxed);
        stream.format.store(wanted.format.fourcc.0, Relaxed);
        stream.width.store(wanted.width, Relaxed);
        stream.height.store(wanted.height, Relaxed);
        stream.coded_width.store(agreed.coded.0, Relaxed);
        stream.coded_height.store(agreed.coded.1, Relaxed);
        stream.rate_numerator.store(wanted.rate.0, Relaxed);
        stream.rate_denominator.store(wanted.rate.1, Relaxed);
        stream.colorspace.store(colour.colorspace.into(), Relaxed);
        stream.transfer.store(colour.transfer.into(), Relaxed);
        stream.matrix.store(colour.matrix.into(), Relaxed);
        stream.range.store(colour.range.into(), Relaxed);
        stream.memory.store(memory as u32, Relaxed);
        stream.frame_slots.store(encoder.slots(), Relaxed);
    });
}
