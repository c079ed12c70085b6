//! Counters and latency histograms: their names, their order in shared memory, and their arithmetic.
//!
//! Knows numbers; knows no clock and no mapping. One process writes them (the engine), any number read them.

use crate::limits::{COUNTERS, HISTOGRAM_BUCKETS};
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::Histogram;
use crate::shm::word::{Access, LoadStore, Word64};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is counted. The number is the index in shared memory; the name is what `stat` prints. Both are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl Counter {
            /// Every counter with its stable name, in the order of the numbers.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, $text),)*];

            /// The names alone, in the same order, with spaces between: a tenth of the table's size.
            pub const NAMES: &str = concat!($($text, " ",)*).trim_ascii_end();
        }
    };
}

counters! {
    /// Frames that a producer committed and the engine took out of the frame ring.
    FramesCommitted = "frames_committed",
    /// Frames queued to the encoder.
    FramesQueued = "frames_queued",
    /// Slots that the encoder gave back.
    FramesReturned = "frames_returned",
    /// Frames that became a packet.
    FramesPublished = "frames_published",
    /// Frames that the encoder took and gave no packet for, though later frames' packets came, or the end of a drain.
    DroppedEncoder = "frames_dropped_encoder",
    /// Frames whose coded buffer came back empty and marked with an error.
    DroppedError = "frames_dropped_error",
    /// Frames that the driver refused to queue.
    DroppedRefused = "frames_dropped_refused",
    /// Frames inside the encoder when it was restarted or reopened, or when the time for a change was up.
    DroppedRestart = "frames_dropped_restart",
    /// Frames committed after the end was announced, or still inside when the drain's deadline passed.
    DroppedStopping = "frames_dropped_stopping",
    /// Frames whose packet was larger than the packet ring.
    DroppedTooLarge = "frames_dropped_too_large",
    /// Packets published, the end mark not counted.
    Packets = "packets",
    /// Payload bytes published.
    PacketBytes = "packet_bytes",
    /// Packets with the key flag.
    KeyFrames = "key_frames",
    /// Coded buffers joined to the one before them.
    FragmentsJoined = "fragments_joined",
    /// Packets that the driver marked as damaged.
    PacketsCorrupt = "packets_corrupt",
    /// Packets whose timestamp belongs to no frame that is waited for.
    PacketsUnmatched = "packets_unmatched",
    /// Bytes of raw frames copied by the engine, for whatever cause; 0 where slots are the encoder's buffers or imported.
    RawBytesCopied = "raw_bytes_copied",
    /// Producers that attached.
    Producers = "producers_attached",
    /// Producers disconnected because what they wrote was malformed.
    ProducersCutOff = "producers_cut_off",
    /// Slots that came back from a producer that died or left without committing them.
    SlotsReclaimed = "slots_reclaimed",
    /// Consumers that attached.
    Consumers = "consumers_attached",
    /// Clients refused, for whatever reason.
    ClientsRefused = "clients_refused",
    /// Times that no progress was seen for `--stall-ms`.
    Stalls = "stalls",
    /// Restarts of the encoder's queues.
    Restarts = "restarts",
    /// Requests for a key frame, by clients or because a packet was damaged or lost.
    KeyRequests = "key_frames_requested",
    /// Key frames that the encoder was forced to make.
    KeyForced = "key_frames_forced",
    /// Changes that clients asked for: bit rate, key-frame distance, controls.
    Changes = "changes",
    /// Frames that the camera marked as damaged or that are shorter than a frame, or that the encoder did not have yet when the camera left.
    DroppedCamera = "frames_dropped_camera",
    /// Frames that came while the encoder had as many buffers as the camera can spare.
    DroppedBehind = "frames_dropped_behind",
    /// Times that the encoder was reopened, because restarts did not help or it was gone.
    Reopens = "reopens",
    /// Of the raw bytes copied: those because nothing else works; the others were asked for.
    RawBytesCopiedForced = "raw_bytes_copied_forced",
    /// Coded bytes copied from the encoder's buffers to the packet ring: each once.
    CodedBytesCopied = "coded_bytes_copied",
    /// Times that the camera was restarted, or attached again.
    CameraRestarts = "camera_restarts",
    /// Clients refused or disconnected, by the reason that they were sent: a counter for each `Refusal`, in the order of its numbers.
    RefusedProducerPresent = "refused_producer_present",
    /// `Refusal::Ending`
    RefusedEnding = "refused_ending",
    /// `Refusal::TooManyClients`
    RefusedTooMany = "refused_too_many",
    /// `Refusal::BadMessage`
    RefusedBadMessage = "refused_bad_message",
    /// `Refusal::BadFrameRing`
    RefusedBadFrameRing = "refused_bad_frame_ring",
    /// `Refusal::Resources`
    RefusedResources = "refused_resources",
    /// `Refusal::Busy`
    RefusedBusy = "refused_busy",
    /// `Refusal::Fixed`
    RefusedFixed = "refused_fixed",
    /// `Refusal::NotEncoded`
    RefusedNotEncoded = "refused_not_encoded",
    /// `Refusal::Reopened`
    RefusedReopened = "refused_reopened",
    /// `Refusal::NotAllowed`
    RefusedNotAllowed = "refused_not_allowed",
    /// `Refusal::CameraFeeds`
    RefusedCameraFeeds = "refused_camera_feeds",
    /// `Refusal::Costly`
    RefusedCostly = "refused_costly",
    /// `Refusal::OddSize`
    RefusedOddSize = "refused_odd_size",
    /// `Refusal::Format`
    RefusedFormat = "refused_format",
    /// Frames whose packet came after they were counted as `frames_dropped_encoder`, which was taken back: the sum of the two never falls.
    FramesLate = "frames_late",
    /// Frames that a camera counted and did not deliver: gaps in `sequence`. No frame of the engine's, so none of those committed.
    LostCamera = "frames_lost_camera",
    /// Timestamps of a camera that stepped back or lay in the future, and were replaced.
    CameraTimestampsCorrected = "camera_timestamps_corrected",
    /// Turns after which the frames committed were not those published, dropped and inside: a mistake in the engine.
    Unbalanced = "turns_unbalanced",
    /// Bytes of the encoder's buffers that former producers still kept when the encoder replaced them.
    SlotBytesRetained = "slot_bytes_retained",
    /// Frames that came while the engine was idle, because it had no consumer (`run --idle`).
    DroppedIdle = "frames_dropped_idle",
    /// Coded frames of a camera of which the decoder made no raw one, or a damaged one; and those inside when it was restarted.
    DroppedDecoder = "frames_dropped_decoder",
    /// Times that the decoder was restarted, or opened again.
    DecoderRestarts = "decoder_restarts",
    /// Coded bytes that were copied from the camera to the decoder: each once.
    CameraBytesCopied = "camera_bytes_copied",
    /// JPEG frames of a camera that had no Huffman tables, and got the standard ones.
    JpegTablesAdded = "jpeg_tables_added",
    /// From the camera's coded frames to the decoder's raw ones, microseconds, all frames together.
    DecodeUs = "decode_us",
    /// Raw frames of a camera or decoder of which the converter made no other, or a damaged one; and those inside when it was restarted.
    DroppedConverter = "frames_dropped_converter",
    /// Times that the converter was restarted because it failed.
    ConverterRestarts = "converter_restarts",
    /// From the frames that went into the converter to those that came out, microseconds, all frames together.
    ConvertUs = "convert_us",
}

const _: () = assert!(
    Counter::ALL.len() <= COUNTERS,
    "the ABI has room for COUNTERS"
);

/// Reasons for which a frame is dropped; the sum of these and `FramesPublished` and those inside is `FramesCommitted`.
pub const DROPS: &[Counter] = &[
    Counter::DroppedEncoder,
    Counter::DroppedError,
    Counter::DroppedRefused,
    Counter::DroppedRestart,
    Counter::DroppedStopping,
    Counter::DroppedTooLarge,
    Counter::DroppedCamera,
    Counter::DroppedBehind,
    Counter::DroppedIdle,
    Counter::DroppedDecoder,
    Counter::DroppedConverter,
];

/// The stages of a frame's way whose latency is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// From the producer's commit to QBUF.
    CommitToQueue,
    /// From QBUF to the DQBUF of the coded buffer.
    QueueToDequeue,
    /// From DQBUF to the packet's being visible to consumers.
    DequeueToPublish,
}

impl Stage {
    /// Every stage with its stable name, in the order of the numbers.
    pub const ALL: [(Self, &str); 3] = [
        (Self::CommitToQueue, "commit_to_queue"),
        (Self::QueueToDequeue, "queue_to_dequeue"),
        (Self::DequeueToPublish, "dequeue_to_publish"),
    ];
}

/// The counters and histograms, as their one writer sees them or a reader. No read-modify-write: nobody else writes.
#[derive(Clone, Copy)]
pub struct Stats<'a, A: Access = LoadStore> {
    /// The counters' words.
    pub counters: &'a [Word64<A>; COUNTERS],
    /// The histograms, in the order of `Stage`.
    pub latency: &'a [Histogram<A>; 3],
}

impl<A: Access> Stats<'_, A> {
    /// The counter's value.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// Frames dropped so far, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        DROPS
            .iter()
            .fold(0, |sum: u64, &reason| sum.wrapping_add(self.get(reason)))
    }
}

impl Stats<'_> {
    /// Adds `amount` to a counter; wraps at 2^64.
    pub fn add(&self, counter: Counter, amount: u64) {
        bump(&self.counters[counter as usize], amount);
    }

    /// Adds one to a counter.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts a frame that was dropped before it had a slot.
    pub fn lost(&self, reason: Counter) {
        self.count(Counter::FramesCommitted);
        self.count(reason);
    }

    /// Takes one from a counter that counted too early.
    pub fn take_back(&self, counter: Counter) {
        self.add(counter, u64::MAX);
    }

    /// Adds one to the counter that stands so many places behind `first`.
    pub fn count_behind(&self, first: Counter, places: usize) {
        bump(&self.counters[first as usize + places], 1);
    }

    /// Counts a latency of `ns`.
    pub fn record(&self, stage: Stage, ns: u64) {
        let histogram = &self.latency[stage as usize];
        bump(&histogram.count, 1);
        bump(&histogram.buckets[bucket_of(ns)], 1);
        if ns > histogram.max.load(Relaxed) {
            histogram.max.store(ns, Relaxed);
        }
    }
}

fn bump(word: &Word64, amount: u64) {
    word.store(word.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// The bucket of a latency: 0 to 3 us have one each, then four an octave; the last holds everything from 29 s up.
#[must_use]
pub const fn bucket_of(ns: u64) -> usize {
    let us = ns / 1000;
    if us < 4 {
        return us as usize;
    }
    let octave = us.ilog2();
    let quarter = (us >> (octave - 2)) & 3;
    let bucket = 4 * (octave as usize - 1) + quarter as usize;
    if bucket < HISTOGRAM_BUCKETS {
        bucket
    } else {
        HISTOGRAM_BUCKETS - 1
    }
}

/// The smallest latency, ns, that is above every value of the bucket.
#[must_use]
pub const fn bucket_limit(bucket: usize) -> u64 {
    if bucket < 4 {
        return (bucket as u64 + 1) * 1000;
    }
    let octave = bucket / 4 + 1;
    let quarter = bucket as u64 % 4;
    ((5 + quarter) << (octave - 2)) * 1000
}

/// The latency, ns, that `per_mille` thousandths of the values do not exceed: the limit of the bucket in which that
/// value lies, or the maximum where that is smaller. 0 when nothing was counted.
#[must_use]
pub fn percentile<A: Access>(histogram: &Histogram<A>, per_mille: u64) -> u64 {
    let total: u64 = histogram
        .buckets
        .iter()
        .fold(0u64, |sum, bucket| sum.saturating_add(bucket.load(Relaxed)));
    if total == 0 {
        return 0;
    }
    // Exact below 2^54 values: half a million years at 1000 frames/s.
    let rank = total.saturating_mul(per_mille).div_ceil(1000).max(1);
    let mut seen = 0u64;
    for (index, bucket) in histogram.buckets.iter().enumerate() {
        seen = seen.saturating_add(bucket.load(Relaxed));
        if seen >= rank {
            return bucket_limit(index).min(histogram.max.load(Relaxed));
        }
    }
    histogram.max.load(Relaxed)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        Histogram {
            count: Word64::new(0),
            max: Word64::new(0),
            buckets: [const { Word64::new(0) }; HISTOGRAM_BUCKETS],
        }
    }

    #[test]
    fn every_latency_lies_below_its_buckets_limit_and_not_below_the_one_before() {
        for shift in 0..35 {
            for offset in [0, 1, 999, 1000, 1001] {
                let ns = (1u64 << shift) + offset;
                let bucket = bucket_of(ns);
                assert!(
                    ns < bucket_limit(bucket) || bucket == HISTOGRAM_BUCKETS - 1,
                    "{ns}"
                );
                assert!(bucket == 0 || ns >= bucket_limit(bucket - 1), "{ns}");
            }
        }
    }

    #[test]
    fn buckets_are_at_most_a_quarter_wide() {
        for bucket in 4..HISTOGRAM_BUCKETS {
            let (low, high) = (bucket_limit(bucket - 1), bucket_limit(bucket));
            assert!(
                high > low && (high - low) * 4 <= low,
                "{bucket}: {low} to {high}"
            );
        }
    }

    #[test]
    fn percentiles_come_from_the_bucket_that_holds_the_rank_and_never_pass_the_maximum() {
        let counters = [const { Word64::new(0) }; COUNTERS];
        let latency = [histogram(), histogram(), histogram()];
        let stats = Stats {
            counters: &counters,
            latency: &latency,
        };
        assert_eq!(percentile(&latency[0], 500), 0);
        for us in 1..=100 {
            stats.record(Stage::CommitToQueue, us * 1000);
        }
        assert_eq!(percentile(&latency[0], 500), 56_000);
        assert_eq!(percentile(&latency[0], 1000), 100_000);
        assert_eq!(percentile(&latency[0], 0), 2_000);
        assert_eq!(latency[1].count.load(Relaxed), 0);
    }

    #[test]
    fn names_are_unique_and_in_the_order_of_the_numbers() {
        for (index, (counter, name)) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index);
            assert!(Counter::ALL[..index].iter().all(|(_, other)| other != name));
        }
        assert!(
            Counter::NAMES
                .split(' ')
                .eq(Counter::ALL.iter().map(|row| row.1))
        );
    }
}
