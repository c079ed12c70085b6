//! Packets that come whole, in pieces of memory that lie apart: coded frames of a camera.
//!
//! Knows pieces in order. Each byte is read once, from front to back.

use arrayvec::ArrayVec;

use super::{Open, Publisher};
use crate::flow::pipeline::Pipeline;
use crate::media::bitstream::BITSTREAM_SCAN_BYTES;
use crate::shm::bytes::SharedBytes;

impl Publisher<'_> {
    /// Publishes the packet of the frame with this V4L2 timestamp, which was dequeued at `dequeued`; gives how many were published.
    #[inline(never)]
    pub fn pass(
        &mut self,
        key: u64,
        pieces: &mut dyn Iterator<Item = SharedBytes<'_>>,
        dequeued: u64,
        pipeline: &mut Pipeline<'_>,
    ) -> u32 {
        let mut open = Open {
            key: Some(key),
            flags: 0,
            too_large: false,
            dequeued,
        };
        let mut inspected = false;
        for piece in pieces {
            // The part that is looked into is copied first, so that the camera's memory is read once.
            let mut first = ArrayVec::<u8, BITSTREAM_SCAN_BYTES>::new();
            let mut rest = piece;
            if !core::mem::replace(&mut inspected, true) {
                piece.append_start_to(&mut first);
                // It lies within.
                let behind = piece.part(first.len(), piece.len() - first.len());
                rest = behind.unwrap_or(piece);
                if self.inspect(false, false, &first, rest.is_empty(), &mut open) {
                    // Codec headers alone are a frame of the camera's, too.
                    self.keep_headers();
                }
            }
            if !open.too_large {
                self.append(&first, rest, &mut open);
            }
        }
        self.open = Some(open);
        self.finish(pipeline)
    }
}
