//! From coded buffers to packets: joins what belongs together, finds key frames and codec headers, writes the ring.
//!
//! Knows the packet ring and the bitstream. Each coded byte is read once, from front to back: the driver's memory is
//! uncached on some boards.

mod whole;

use arrayvec::ArrayVec;
use rustix::thread::futex;

use crate::flow::pipeline::Pipeline;
use crate::limits::{CODEC_HEADER_BYTES, FRAGMENT_WAIT_MS};
use crate::media::bitstream::{BITSTREAM_SCAN_BYTES, inspect_start};
use crate::media::fourcc::Fourcc;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::bytes::SharedBytes;
use crate::shm::circle::Circle;
use crate::shm::layout::{PacketHeader, flag};
use crate::shm::packet_ring::{Packet, TooLarge, Writer, store_codec_headers};
use crate::shm::stats::{Counter, Stage, Stats};
use crate::time::MS;
use crate::v4l2::encoder::Coded;

/// The packet being put together.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// V4L2 timestamp of its frame, us; `None` while there are only codec headers, which have no frame.
    key: Option<u64>,
    flags: u32,
    too_large: bool,
    /// When its latest buffer was dequeued, `CLOCK_MONOTONIC` ns.
    dequeued: u64,
}

/// The writing end of the stream.
pub struct Publisher<'a> {
    header: &'a PacketHeader,
    writer: Writer<'a, Circle<'a>>,
    stats: Stats<'a>,
    codec: Fourcc,
    open: Option<Open>,
    headers: ArrayVec<u8, CODEC_HEADER_BYTES>,
    /// Codec headers came since they were last asked for.
    headers_came: bool,
    /// Codec headers that wait for their frame: they may come in several buffers.
    gathered: ArrayVec<u8, CODEC_HEADER_BYTES>,
    /// Frames dropped when the latest packet was published: more of them make the next one discontinuous.
    dropped: u64,
    restarted: bool,
    /// Whose the frame was that was published last.
    published_of: Option<u32>,
    lost_reference: bool,
}

impl<'a> Publisher<'a> {
    /// A publisher for a fresh ring.
    pub fn new(
        header: &'a PacketHeader,
        writer: Writer<'a, Circle<'a>>,
        stats: Stats<'a>,
        codec: Fourcc,
    ) -> Self {
        Self {
            header,
            writer,
            stats,
            codec,
            open: None,
            headers: ArrayVec::new(),
            headers_came: false,
            gathered: ArrayVec::new(),
            dropped: 0,
            restarted: false,
            published_of: None,
            lost_reference: false,
        }
    }

    /// Takes a coded buffer that was dequeued at `dequeued`. Packets that are whole by now are published; gives how many.
    #[inline(never)]
    pub fn take(
        &mut self,
        coded: &Coded,
        payload: SharedBytes<'_>,
        dequeued: u64,
        pipeline: &mut Pipeline<'_>,
    ) -> u32 {
        let mut published = 0;
        let begun = self.open.and_then(|open| open.key);
        // Keys are never 0: with it a driver says that it does not know. The oldest frame's packet comes first.
        let key = match coded.key {
            0 => begun.or(pipeline.oldest()).unwrap_or(0),
            key => key,
        };
        if begun.is_some_and(|begun| begun != key) {
            published += self.finish(pipeline);
        }
        if coded.is_empty() {
            if begun == Some(key) {
                // The end of a packet whose last part was full to the last byte.
                return published + self.finish(pipeline);
            }
            self.take_empty(coded, dequeued, pipeline);
            return published;
        }
        // The part that is looked into is copied first, so that the driver's memory is read once.
        let mut first = ArrayVec::<u8, BITSTREAM_SCAN_BYTES>::new();
        payload.append_start_to(&mut first);
        let first = &first[..];
        // It lies within.
        let rest = payload
            .part(first.len(), payload.len() - first.len())
            .unwrap_or(payload);
        let continues = begun == Some(key);
        let mut open = self.open.unwrap_or(Open {
            key: None,
            flags: 0,
            too_large: false,
            dequeued,
        });
        let mut headers_only = false;
        if continues {
            self.stats.count(Counter::FragmentsJoined);
        } else {
            headers_only = self.inspect(
                coded.keyframe,
                coded.error,
                first,
                rest.is_empty(),
                &mut open,
            );
        }
        if coded.error {
            open.flags |= flag::CORRUPT;
        }
        if !open.too_large {
            self.append(first, rest, &mut open);
        }
        open.dequeued = dequeued;
        if !headers_only {
            open.key = Some(key);
        }
        self.open = Some(open);
        if headers_only || (coded.full && !coded.last) {
            return published;
        }
        published + self.finish(pipeline)
    }

    /// Looks into the first buffer of a packet: key frame or not, codec headers. Whether there is nothing but codec headers.
    fn inspect(
        &mut self,
        keyframe: bool,
        error: bool,
        first: &[u8],
        whole: bool,
        open: &mut Open,
    ) -> bool {
        let found = inspect_start(self.codec, first, whole);
        if found.key.unwrap_or(false) || keyframe {
            open.flags |= flag::KEY;
        }
        if let Some(span) = found.headers {
            open.flags |= flag::CONFIG;
            if !error && self.gathered.try_extend_from_slice(&first[span]).is_err() {
                // More than any codec has: no headers.
                self.gathered.clear();
            }
        }
        if !found.headers_only {
            self.keep_headers();
        }
        found.headers_only
    }

    /// Copies a buffer into the packet ring.
    fn append(&mut self, first: &[u8], rest: SharedBytes<'_>, open: &mut Open) {
        let before = self.writer.open_bytes();
        if self.writer.append(first).is_err() || self.writer.append(rest) == Err(TooLarge) {
            self.writer.discard();
            open.too_large = true;
        }
        let copied = self.writer.open_bytes().saturating_sub(before);
        self.stats.add(Counter::CodedBytesCopied, copied);
    }

    /// A buffer without payload: the end of a drain, or a frame that came to nothing.
    fn take_empty(&mut self, coded: &Coded, now: u64, pipeline: &mut Pipeline<'_>) {
        self.lost_reference |= coded.error;
        let frame = pipeline
            .awaits(coded.key)
            .then(|| pipeline.claim(coded.key, now))
            .flatten();
        if let Some(frame) = frame {
            let reason = if coded.error {
                Counter::DroppedError
            } else {
                Counter::DroppedEncoder
            };
            pipeline.dropped(reason, &frame);
        }
    }

    /// Publishes the packet that waits for more bytes, if it has waited long enough; gives how many were published.
    pub fn expire(&mut self, now: u64, pipeline: &mut Pipeline<'_>) -> u32 {
        if self.expires().is_some_and(|at| at <= now) {
            self.finish(pipeline)
        } else {
            0
        }
    }

    /// When `expire` has something to do, `CLOCK_MONOTONIC` ns.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        let open = self.open.filter(|open| open.key.is_some())?;
        Some(open.dequeued + u64::from(FRAGMENT_WAIT_MS) * MS)
    }

    /// Publishes the packet being put together, whatever may still have come; gives how many were published.
    pub fn finish(&mut self, pipeline: &mut Pipeline<'_>) -> u32 {
        let Some(open) = self.open.take() else {
            return 0;
        };
        let Some(key) = open.key else {
            // Codec headers with no frame behind them: kept beside the ring, no packet.
            self.keep_headers();
            self.writer.discard();
            return 0;
        };
        let now = crate::time::now();
        let frame = pipeline.claim(key, now);
        self.lost_reference |= open.too_large || open.flags & flag::CORRUPT != 0;
        if open.too_large {
            match &frame {
                Some(frame) => pipeline.dropped(Counter::DroppedTooLarge, frame),
                None => self.stats.count(Counter::PacketsUnmatched),
            }
            return 0;
        }
        match &frame {
            Some(frame) => {
                pipeline.published(frame);
                let before = self.published_of.replace(frame.attachment);
                // Another producer's frames have nothing to do with those before.
                self.restarted |= before.is_some_and(|before| before != frame.attachment);
                self.stats.record(
                    Stage::QueueToDequeue,
                    open.dequeued.saturating_sub(frame.queued),
                );
            }
            None => {
                self.stats.count(Counter::PacketsUnmatched);
            }
        }
        self.stats.count(Counter::Packets);
        self.stats
            .add(Counter::PacketBytes, self.writer.open_bytes());
        if open.flags & flag::KEY != 0 {
            self.stats.count(Counter::KeyFrames);
        }
        if open.flags & flag::CORRUPT != 0 {
            self.stats.count(Counter::PacketsCorrupt);
        }
        let frame = frame.unwrap_or_default();
        let mut flags = open.flags;
        if frame.discontinuity {
            flags |= flag::DISCONTINUITY;
        }
        self.publish(&Packet {
            flags,
            timestamp: frame.timestamp,
            committed: frame.committed,
            queued: frame.queued,
            dequeued: open.dequeued,
            published: now,
            ..Packet::default()
        });
        self.stats
            .record(Stage::DequeueToPublish, now.saturating_sub(open.dequeued));
        1
    }

    /// Publishes the end mark: nothing follows.
    pub fn end(&mut self, now: u64) {
        self.writer.discard();
        self.open = None;
        self.publish(&Packet {
            flags: flag::END,
            published: now,
            ..Packet::default()
        });
    }

    /// The encoder was restarted: what was begun is lost, and the next packet says so.
    pub fn restarted(&mut self) {
        self.writer.discard();
        self.open = None;
        self.gathered.clear();
        self.restarted = true;
    }

    /// Retires what is in the ring: who comes later begins with what comes then, not with what was long ago.
    pub fn forget(&mut self) {
        self.writer.retire_all();
    }

    /// Whether decoders lost a frame that later ones build on, since this was last asked.
    pub fn lost_reference(&mut self) -> bool {
        core::mem::take(&mut self.lost_reference)
    }

    /// Wakes at most `sleepers` consumers that sleep on the futex word. Anybody who has the ring can wait there, as often as it likes:
    /// to wake all of them could take the engine a tenth of a second.
    pub fn wake(&self, sleepers: u32) {
        // It cannot fail: the word is mapped and aligned.
        let _ = futex::wake(
            self.header.cursors.wake.futex(),
            futex::Flags::empty(),
            sleepers,
        );
    }

    fn publish(&mut self, packet: &Packet) {
        let mut packet = *packet;
        // A drop that was taken back lost nothing; the sum never falls.
        let late = self.stats.get(Counter::FramesLate);
        let dropped = self.stats.dropped().wrapping_add(late);
        if core::mem::take(&mut self.restarted) || dropped != self.dropped {
            packet.flags |= flag::DISCONTINUITY;
        }
        self.dropped = dropped;
        packet.generation = self.header.status.generation.load(Relaxed) as u16;
        self.writer.publish(&packet);
    }

    /// The codec headers, if some came since the last call, the same or others.
    pub fn latest_headers(&mut self) -> Option<&[u8]> {
        core::mem::take(&mut self.headers_came).then_some(&self.headers)
    }

    /// What was gathered becomes the stream's headers, for consumers that come later.
    fn keep_headers(&mut self) {
        self.headers_came |= !self.gathered.is_empty();
        if !self.gathered.is_empty() && self.headers != self.gathered {
            self.headers.clone_from(&self.gathered);
            store_codec_headers(&self.header.codec_headers, &self.headers);
        }
        self.gathered.clear();
    }
}

#[cfg(test)]
mod tests;
