//! From coded buffers to packets: joins what belongs together, finds key frames and codec headers, writes the ring.
//!
//! Knows the packet ring and the bitstream. Each coded byte is read once, from front to back: the driver's memory is
//! uncached on some boards.

use arrayvec::ArrayVec;
use rustix::thread::futex;

use crate::engine::pipeline::Pipeline;
use crate::limits::{CODEC_HEADER_BYTES, FRAGMENT_WAIT_MS};
use crate::media::bitstream::{BITSTREAM_SCAN_BYTES, inspect};
use crate::media::fourcc::Fourcc;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, flag};
use crate::shm::packet_ring::{Packet, TooLarge, Writer, store_codec_headers};
use crate::shm::region::Circle;
use crate::stats::{Counter, Stage, Stats};
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
    /// Frames dropped when the latest packet was published: more of them make the next one discontinuous.
    dropped: u64,
    restarted: bool,
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
            dropped: 0,
            restarted: false,
        }
    }

    /// Takes a coded buffer that was dequeued at `dequeued`. Packets that are whole by now are published; gives how many.
    #[inline(never)]
    pub fn take(
        &mut self,
        coded: &Coded,
        payload: &[u8],
        dequeued: u64,
        pipeline: &mut Pipeline<'_>,
    ) -> u32 {
        let mut published = 0;
        if self
            .open
            .is_some_and(|open| open.key.is_some_and(|key| key != coded.key))
        {
            published += self.finish(pipeline);
        }
        if coded.is_empty() {
            self.take_empty(coded, dequeued, pipeline);
            return published;
        }
        // The part that is looked into is copied first, so that the driver's memory is read once.
        let mut scan = [0; BITSTREAM_SCAN_BYTES];
        let (first, rest) = payload.split_at(payload.len().min(scan.len()));
        let first = {
            let scan = &mut scan[..first.len()];
            scan.copy_from_slice(first);
            &*scan
        };
        let continues = self.open.is_some_and(|open| open.key.is_some());
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
            let found = inspect(self.codec, first);
            headers_only = found.headers_only && rest.is_empty();
            if found.key.unwrap_or(false) || coded.keyframe {
                open.flags |= flag::KEY;
            }
            if let Some(span) = found.headers {
                open.flags |= flag::CONFIG;
                self.keep_headers(&first[span]);
            }
        }
        if coded.error {
            open.flags |= flag::CORRUPT;
        }
        if !open.too_large
            && (self.writer.append(first).is_err() || self.writer.append(rest) == Err(TooLarge))
        {
            self.writer.discard();
            open.too_large = true;
        }
        open.dequeued = dequeued;
        if !headers_only {
            open.key = Some(coded.key);
        }
        self.open = Some(open);
        if headers_only || (coded.full && !coded.last) {
            return published;
        }
        published + self.finish(pipeline)
    }

    /// A buffer without payload: the end of a drain, or a frame that came to nothing.
    fn take_empty(&mut self, coded: &Coded, now: u64, pipeline: &mut Pipeline<'_>) {
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
            // Codec headers with no picture behind them: kept beside the ring, no packet.
            self.writer.discard();
            return 0;
        };
        let now = crate::time::now();
        let frame = pipeline.claim(key, now);
        if open.too_large {
            if let Some(frame) = &frame {
                pipeline.dropped(Counter::DroppedTooLarge, frame);
            }
            return 0;
        }
        match &frame {
            Some(frame) => {
                pipeline.published(frame);
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
        self.publish(&Packet {
            flags: open.flags,
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
        self.wake();
    }

    /// The encoder was restarted: what was begun is lost, and the next packet says so.
    pub fn restarted(&mut self) {
        self.writer.discard();
        self.open = None;
        self.restarted = true;
    }

    /// Wakes the consumers that sleep on the futex word: one system call for all of them.
    pub fn wake(&self) {
        // It cannot fail: the word is mapped and aligned.
        let _ = futex::wake(
            &self.header.cursors.wake,
            futex::Flags::empty(),
            i32::MAX as u32,
        );
    }

    fn publish(&mut self, packet: &Packet) {
        let mut packet = *packet;
        let dropped = self.stats.dropped();
        if core::mem::take(&mut self.restarted) || dropped != self.dropped {
            packet.flags |= flag::DISCONTINUITY;
        }
        self.dropped = dropped;
        packet.generation = self.header.status.generation.load(Relaxed) as u16;
        self.writer.publish(&packet);
    }

    fn keep_headers(&mut self, headers: &[u8]) {
        if self.headers.as_slice() == headers {
            return;
        }
        self.headers.clear();
        if self.headers.try_extend_from_slice(headers).is_ok() {
            store_codec_headers(&self.header.codec_headers, headers);
        }
    }
}
