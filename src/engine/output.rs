//! One encoder and the packet ring that it fills: the way from a queued frame to a published packet.
//!
//! Knows its encoder (`stage`) and its packet ring (`publisher`), and what one means to the other. Gets slots, frames and the time as
//! arguments. Knows no client and not what the engine is about to do: it answers with what came of a call, and the engine acts on that.

mod coded;
pub mod recovery;
mod relay;

use crate::engine::colour::ColourCheck;
use crate::engine::poll::{PollSet, Ready};
use crate::engine::publisher::Publisher;
use crate::engine::stage::Stage;
use crate::errno::call::IoctlError;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::End;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State};
use crate::v4l2::encoder::Encoder;

/// An encoder and its packet ring.
pub struct Output<'a> {
    /// The encoder.
    pub stage: Stage<'a>,
    /// Where its packets go.
    pub sink: Publisher<'a>,
    /// The packet ring's header.
    pub header: &'a PacketHeader,
    /// Whether the stream says what its colours are.
    colour: ColourCheck,
}

/// What came of the coded buffers of one turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Packets that were published.
    pub published: u32,
    /// What the encoder said of its end, the latest.
    pub end: Option<End>,
}

impl<'a> Output<'a> {
    /// An encoder that is set up, and a packet ring that nobody has.
    pub fn new(stage: Stage<'a>, sink: Publisher<'a>, header: &'a PacketHeader) -> Self {
        Self {
            stage,
            sink,
            header,
            colour: ColourCheck::default(),
        }
    }

    /// Adds what is waited for; `slots` and `end` as for the encoder.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, slots: bool, end: bool, now_ns: u64) {
        self.stage.add_to(set, slots, end, now_ns);
        set.until(self.sink.expires());
    }

    /// After the coded buffers: takes the slots that the encoder gives back, and, with `end`, its word for the end of a drain. Whether it
    /// gave that word. `brought`: there were coded buffers.
    ///
    /// # Errors
    /// When the queue is in error, or the encoder wakes the loop for nothing.
    pub fn take_returned(
        &mut self,
        ready: Ready,
        brought: bool,
        end: bool,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, IoctlError> {
        let (wanted, device) = (&self.stage.wanted, self.stage.session.path);
        self.colour.inspect(&mut self.sink, wanted, device);
        let returned = self.stage.take_returned(pipeline, now_ns)?;
        let ends = end && self.stage.encoder().is_some_and(Encoder::take_end_event);
        self.stage.woke(ready, brought | returned | ends, now_ns)?;
        Ok(ends)
    }

    /// Publishes the packet that has waited long enough for more bytes; gives how many were published.
    pub fn expire(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> u32 {
        let published = self.sink.expire(now_ns, pipeline);
        self.works(published);
        self.request_key_frame_after_loss();
        published
    }

    /// Publishes what of a packet there is, whatever may still have come; gives how many were published.
    pub fn finish(&mut self, pipeline: &mut Pipeline<'_>) -> u32 {
        let published = self.sink.finish(pipeline);
        self.works(published);
        published
    }

    /// An encoder whose packets come works.
    fn works(&mut self, published: u32) {
        if published > 0 {
            self.stage.recovery.works();
        }
    }

    /// Requests a key frame when decoders lost a frame that later ones build on.
    fn request_key_frame_after_loss(&mut self) {
        if self.sink.lost_reference() {
            self.stage.request_key_frame();
        }
    }

    /// Publishes what the engine is doing.
    pub fn set_state(&self, state: State) {
        self.header.status.state.store(state as u32, Relaxed);
    }

    /// The encoder begins again as it was: consumers see it by a generation, a discontinuity and a key frame.
    pub fn new_generation(&mut self) {
        if self.header.status.state.load(Relaxed) == State::Starting as u32 {
            // The first is there, and nobody saw it.
            return;
        }
        self.sink.restarted();
        let generation = &self.header.status.generation;
        generation.store(generation.load(Relaxed).wrapping_add(1), Relaxed);
    }
}
