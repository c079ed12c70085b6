//! Pass-through: a camera's coded frames become packets as they are, without an encoder.
//!
//! Knows the way from a slot to the packet ring: one copy, in the turn in which the camera gave the frame, and the slot is free again.
//! What is a whole frame, `camera::coded` says.

use core::iter::once;

use super::Output;
use crate::engine::camera::CameraSource;
use crate::engine::camera::coded::CodedFrame;
use crate::flow::pipeline::Pipeline;
use crate::shm::stats::Counter;

impl Output<'_> {
    /// Frames of the camera to the packet ring; gives how many were published. Nothing stays inside, so there is nothing to be drained.
    pub fn relay(
        &mut self,
        camera: &mut CameraSource<'_>,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> u32 {
        let wanted = &self.stage.wanted;
        let (codec, size) = (wanted.codec, (wanted.width, wanted.height));
        let mut published = 0;
        while let Some((slot, key)) = pipeline.next() {
            pipeline.queued(now_ns);
            match camera.coded.frame(slot, codec, size) {
                Ok(CodedFrame { bytes, jpeg }) => {
                    if jpeg.as_ref().is_some_and(|jpeg| jpeg.lacks_tables) {
                        self.stage.stats.count(Counter::JpegTablesAdded);
                    }
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
                    if let Some(frame) = pipeline.claim(key, now_ns) {
                        pipeline.dropped(Counter::DroppedCamera, &frame);
                    }
                }
            }
            pipeline.returned(slot, now_ns);
        }
        self.works(published);
        published
    }
}
