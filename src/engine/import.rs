//! A producer's own dma-bufs as slots: the OUTPUT queue changes its memory when such a producer comes, and changes back
//! for the next one that brings none.
//!
//! It happens between two producers only, while the encoder is idle; the queue is stopped for it and starts again. Knows when, and what the others
//! must be told; how a queue changes its memory is the encoder's affair.

use arrayvec::ArrayVec;

use crate::control::message::{Offer, Refusal};
use crate::control::socket::Descriptors;
use crate::engine::engine::{Engine, Life, Phase};
use crate::error::Exit;
use crate::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::v4l2::encoder::NotImported;

impl Engine<'_> {
    /// Makes the producer's dma-bufs the slots.
    ///
    /// # Errors
    /// `Busy` while frames of the producer before are in the encoder; `NotImported` when the driver refuses them, with a
    /// line in the log that says why and what it costs.
    #[inline(never)]
    pub(super) fn import_slots(
        &mut self,
        life: &mut Life,
        offer: &Offer,
        buffers: Descriptors,
    ) -> Result<(), Refusal> {
        self.idle()?;
        let wanted = self.memory.wanted();
        let buffers: ArrayVec<_, _> = buffers.into_iter().collect();
        let answer = self
            .encoder
            .import(&wanted, offer.slots, &offer.bytesperline, buffers);
        if let Err(error) = answer {
            let (frames, seconds) = wanted.rate;
            let rate = self.encoder.agreed().layout.frame_bytes() * u64::from(frames)
                / u64::from(seconds.max(1));
            note!(
                warn,
                "the producer's memory cannot be imported ({error}): it has to copy, {rate} bytes a second"
            );
            self.take_back(life);
            return Err(Refusal::NotImported);
        }
        self.memory.import(self.encoder);
        self.changed_slots();
        Ok(())
    }

    /// Makes the encoder's own buffers the slots, if they are not.
    ///
    /// # Errors
    /// `Busy` while frames of the producer before are in the encoder.
    pub(super) fn own_slots(&mut self, life: &mut Life) -> Result<(), Refusal> {
        if self.encoder.imports() {
            self.idle()?;
            self.take_back(life);
        }
        Ok(())
    }

    /// Whether no frame is anywhere.
    fn idle(&self) -> Result<(), Refusal> {
        match self.pipeline.in_flight() {
            0 if self.pipeline.stalls(0).is_none() => Ok(()),
            _ => Err(Refusal::Busy),
        }
    }

    /// Back to the encoder's own buffers. When that fails there is nothing left to work with.
    fn take_back(&mut self, life: &mut Life) {
        let wanted = self.memory.wanted();
        let answer = self
            .encoder
            .own_buffers(&wanted)
            .and_then(|()| self.memory.export(self.encoder).map_err(NotImported::Call));
        if let Err(error) = answer {
            note!(
                warn,
                "the encoder does not give its own buffers again: {error}"
            );
            life.phase = Phase::Ended(Exit::Stalled);
        }
        self.changed_slots();
    }

    fn changed_slots(&mut self) {
        self.pipeline.replace_slots(self.encoder.slots());
        self.new_generation();
        let stream = &self.header.stream;
        stream.memory.store(self.memory.kind(), Relaxed);
        stream.frame_slots.store(self.encoder.slots(), Relaxed);
    }
}
