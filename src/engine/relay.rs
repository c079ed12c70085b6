//! Pass-through: a camera's coded frames become packets as they are, without an encoder.
//!
//! Knows the way from a slot to the sink: one copy, in the turn in which the camera gave the frame, and the slot is free again. What is a
//! whole frame, `camera::coded` says.

use core::iter::once;

use crate::engine::camera::coded::CodedFrame;
use crate::engine::engine::Engine;
use crate::flow::run_state::Drain;
use crate::shm::stats::Counter;

impl Engine<'_> {
    /// Frames of the camera to the sink, where there is no encoder; false where there is one. Nothing stays inside, so there is nothing to be
    /// drained.
    pub(super) fn relay(&mut self, now_ns: u64) -> bool {
        if !self.stage.relays() {
            return false;
        }
        let (codec, size) = (
            self.stage.wanted.codec,
            (self.stage.wanted.width, self.stage.wanted.height),
        );
        let mut published = 0;
        while let Some((slot, key)) = self.pipeline.next() {
            let Some(camera) = self.source.camera() else {
                break;
            };
            self.pipeline.queued(now_ns);
            match camera.coded.frame(slot, codec, size) {
                Ok(CodedFrame { bytes, jpeg }) => {
                    if jpeg.as_ref().is_some_and(|jpeg| jpeg.lacks_tables) {
                        self.stats.count(Counter::JpegTablesAdded);
                    }
                    let pipeline = &mut self.pipeline;
                    published += match &jpeg {
                        Some(jpeg) => {
                            let mut pieces = jpeg.pieces(bytes);
                            self.sink.pass(key, &mut pieces, now_ns, pipeline)
                        }
                        None => self.sink.pass(key, &mut once(bytes), now_ns, pipeline),
                    };
                }
                Err(reason) => {
                    camera.coded.log_unfit(camera.config, reason);
                    if let Some(frame) = self.pipeline.claim(key, now_ns) {
                        self.pipeline.dropped(Counter::DroppedCamera, &frame);
                    }
                }
            }
            self.pipeline.returned(slot, now_ns);
        }
        self.announce(published, now_ns);
        if let Drain::Flushing { .. } = self.run_state.drain() {
            self.run_state.stop_sent(false);
            self.pipeline.drain(now_ns);
        }
        true
    }
}
