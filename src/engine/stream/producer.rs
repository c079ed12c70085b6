//! What a producer needs of the stream: a frame ring and slots, a way for its frames, and another configuration of the encoder.
//!
//! Knows what is asked of the stream, and when it may be. Knows no connection.

use super::{Stream, change_limit};
use crate::control::message::{Change, Message, Offer, Outcome, Refusal};
use crate::control::socket::Descriptors;
use crate::engine::request::{Buffers, Request};
use crate::engine::ring_source::RingSource;
use crate::engine::slot_memory::SlotMemory;
use crate::engine::source::Source;
use crate::flow::run_state::NotNow;
use crate::shm::stats::Counter;

impl Stream<'_> {
    /// Takes every slot in the frame ring, at most one round. False when what stands there makes no sense.
    pub fn take_commits(&mut self, now_ns: u64) -> bool {
        let Some(ring) = self.source.ring() else {
            return true;
        };
        let taken = ring.take(&mut self.pipeline, now_ns);
        if self.run_state.is_idle() {
            self.pipeline.drop_filled(Counter::DroppedIdle);
        }
        taken.is_ok()
    }

    /// Free slots to the producer, and what became of its frames. Gives whether that is news. `attached`: there is a producer.
    pub fn give_slots(&mut self, attached: bool, now_ns: u64) -> bool {
        let Source::Ring(ring) = &mut self.source else {
            return false;
        };
        if !attached {
            if self.pipeline.filled() == 0 {
                self.memory.free_kept();
            }
            return false;
        }
        let mut news = ring.report(self.pipeline.accounts());
        while (self.run_state.takes_frames() || self.run_state.is_idle())
            && let Some(slot) = self.pipeline.acquire(now_ns)
        {
            ring.give(slot);
            news = true;
        }
        news
    }

    /// Tells the producer what became of its frames.
    pub fn report(&mut self) {
        if let Some(ring) = self.source.ring() {
            ring.report(self.pipeline.accounts());
        }
    }

    /// The source left, and what it held comes back.
    pub fn reclaim(&mut self) {
        let slots = self.pipeline.reclaim();
        self.stats.add(Counter::SlotsReclaimed, u64::from(slots));
    }

    /// A frame ring and slots for a new producer, and the message for it. `attached` follows, when it has them.
    ///
    /// # Errors
    /// When a camera is the source, or memory is short.
    pub fn make_room(&mut self) -> Result<(Message, &RingSource, &SlotMemory), Refusal> {
        let [output] = &self.outputs;
        let (ring, memory) = (self.source.ring(), &mut self.memory);
        let ring = ring.ok_or(Refusal::CameraFeeds)?;
        let slots = self.pipeline.slots();
        let made = memory.attach(slots).and_then(|()| {
            let (layout, kind) = (memory.layout(), memory.kind());
            ring.attach(&output.stage.wanted, layout, kind, slots)
        });
        made.map_err(|_| Refusal::Resources)?;
        let message = Message::Frames {
            slots,
            memory_planes: memory.layout().memory_plane_count,
            memory: memory.kind(),
        };
        Ok((message, ring, memory))
    }

    /// A producer of this user has the ring and the slots.
    pub fn attached(&mut self, uid: Option<u32>) {
        if let Some(ring) = self.source.ring() {
            ring.attached();
        }
        self.memory.given_to(uid);
        self.pipeline.attach();
        self.stats.count(Counter::Producers);
    }

    /// What a producer requests that offers dma-bufs in place of the slots that it was given.
    #[must_use]
    pub fn request_for(&self, offer: &Offer, planes: Descriptors) -> Request {
        let [output] = &self.outputs;
        let planes = planes.into_iter().collect();
        Request {
            wanted: output.stage.wanted,
            buffers: Buffers::Imported(offer.slots, offer.rows, planes),
        }
    }

    /// A producer's request is kept, until the encoder is drained for it.
    ///
    /// # Errors
    /// While another change is under way, or when the end has begun.
    pub fn request(&mut self, request: Request, now_ns: u64) -> Result<(), Refusal> {
        let (empty, limit_ns) = (self.pipeline.is_empty(), change_limit(now_ns));
        let answer = self.run_state.reconfigure(request, empty, limit_ns);
        answer.map_err(|not_now| match not_now {
            NotNow::Busy => Refusal::Busy,
            NotNow::Ending => Refusal::Ending,
        })
    }

    /// A change that a client asks for, between two frames.
    ///
    /// # Errors
    /// When the end has begun, or the encoder is closed.
    pub fn change(&mut self, change: Change, now_ns: u64) -> Result<Outcome, Refusal> {
        if self.run_state.ending() {
            return Err(Refusal::Ending);
        }
        let [output] = &mut self.outputs;
        output.stage.change(change, &mut self.pipeline, now_ns)
    }

    /// When the producer is not expected any longer, ns, unless one is about to be let in.
    #[must_use]
    pub fn reattach_deadline(&self) -> Option<u64> {
        match &self.source {
            Source::Ring(ring) if self.run_state.request().is_none() => ring.expected_ns,
            _ => None,
        }
    }
}
