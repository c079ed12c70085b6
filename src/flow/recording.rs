//! A recording in segments: when the next file begins, which ones are deleted, and when what was written has to be on the disk.
//!
//! Pure: the stream's time and `CLOCK_MONOTONIC` are arguments, ns; files are numbers and sizes. Knows no name and no folder.

use crate::limits::SYNC_MS;
use crate::time::MS;
use crate::types::segments::SegmentLimit;

/// The plan of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    limit: SegmentLimit,
    /// Most bytes of all segments.
    keep: Option<u64>,
    /// The one being written.
    segment: Option<Segment>,
    /// Bytes of the older ones, as far as they were found.
    older: u64,
    /// When the oldest of what is not yet on the disk was written.
    unsynced_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u32,
    /// The time of its first frame, on the stream's line of time.
    since_ns: u64,
    generation: u16,
    bytes: u64,
}

impl Recording {
    /// With segments that end at this limit, and so many bytes at most; `None` deletes none.
    #[must_use]
    pub fn new(limit: SegmentLimit, keep: Option<u64>) -> Self {
        Self {
            limit,
            keep,
            segment: None,
            older: 0,
            unsynced_ns: None,
        }
    }

    /// Whether a key frame with this time, of this generation of the encoder, begins the next segment.
    #[must_use]
    pub fn is_due(&self, time_ns: u64, generation: u16) -> bool {
        self.segment.is_none_or(|segment| {
            segment.generation != generation
                || match self.limit {
                    SegmentLimit::Time(ms) => {
                        time_ns.saturating_sub(segment.since_ns) >= u64::from(ms) * MS
                    }
                    SegmentLimit::Bytes(bytes) => segment.bytes >= bytes,
                }
        })
    }

    /// The segment with this number has begun. What it replaced is on the disk.
    pub fn begin(&mut self, number: u32, time_ns: u64, generation: u16) {
        self.segment = Some(Segment {
            number,
            since_ns: time_ns,
            generation,
            bytes: 0,
        });
        self.unsynced_ns = None;
    }

    /// The segment is at its end, and on the disk: the next key frame begins another one.
    pub fn end(&mut self) {
        self.segment = None;
        self.unsynced_ns = None;
    }

    /// The number of the segment being written; 0 when there is none.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.segment.map_or(0, |segment| segment.number)
    }

    /// So many bytes were written into the segment.
    pub fn wrote(&mut self, bytes: u64, now_ns: u64) {
        if let Some(segment) = &mut self.segment {
            segment.bytes = segment.bytes.saturating_add(bytes);
            self.unsynced_ns = self.unsynced_ns.or(Some(now_ns));
        }
    }

    /// When what was written has to be on the disk; `None` when it is.
    #[must_use]
    pub fn sync_ns(&self) -> Option<u64> {
        let until = |at: u64| at.saturating_add(u64::from(SYNC_MS) * MS);
        self.unsynced_ns.map(until)
    }

    /// Everything that was written is on the disk.
    pub fn synced(&mut self) {
        self.unsynced_ns = None;
    }

    /// Whether segments may be deleted.
    #[must_use]
    pub fn may_delete(&self) -> bool {
        self.keep.is_some()
    }

    /// Whether there are more bytes than are to be kept, and some that could be deleted.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let present = self.segment.map_or(0, |segment| segment.bytes);
        self.older > 0
            && self
                .keep
                .is_some_and(|keep| self.older.saturating_add(present) > keep)
    }

    /// So many bytes of older segments there are.
    pub fn found(&mut self, survey: &Survey) {
        self.older = survey.bytes;
    }
}

/// What there is in the folder: made of its files one by one, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The highest number, also of what is no file; 0 when there is none.
    pub highest: u32,
    /// The oldest segment.
    pub oldest: Option<(u32, u64)>,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Survey {
    /// There is a file with this number and so many bytes; `None` is something else, such as a folder. Segments are those below the
    /// number `below`, the one that is being written: what is above is not ours.
    pub fn see(&mut self, number: u32, bytes: Option<u64>, below: u32) {
        self.highest = self.highest.max(number);
        let Some(bytes) = bytes.filter(|_| number < below) else {
            return;
        };
        self.bytes = self.bytes.saturating_add(bytes);
        if self.oldest.is_none_or(|(oldest, _)| number < oldest) {
            self.oldest = Some((number, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_segment_ends_with_the_first_key_frame_at_its_limit() {
        let mut plan = Recording::new(SegmentLimit::Time(2000), None);
        assert!(plan.is_due(7, 1), "the first");
        plan.begin(4, 7, 1);
        assert_eq!(plan.number(), 4);
        assert!(!plan.is_due(7, 1) && !plan.is_due(2 * SECOND + 6, 1));
        assert!(plan.is_due(2 * SECOND + 7, 1) && plan.is_due(u64::MAX, 1));
        // Another size, or the encoder began again.
        assert!(plan.is_due(8, 2));
        plan.end();
        assert!(plan.is_due(8, 1) && plan.number() == 0);

        let mut plan = Recording::new(SegmentLimit::Bytes(100), None);
        plan.begin(1, 0, 1);
        plan.wrote(99, 0);
        assert!(!plan.is_due(u64::MAX, 1));
        plan.wrote(1, 0);
        assert!(plan.is_due(0, 1));
    }

    #[test]
    fn what_was_written_is_on_the_disk_a_second_later() {
        let mut plan = Recording::new(SegmentLimit::Time(2000), None);
        plan.wrote(5, 1);
        assert_eq!(plan.sync_ns(), None, "there is no segment");
        plan.begin(1, 0, 1);
        plan.wrote(5, 7);
        plan.wrote(5, 8);
        assert_eq!(plan.sync_ns(), Some(7 + u64::from(SYNC_MS) * MS));
        plan.synced();
        assert_eq!(plan.sync_ns(), None);
        plan.wrote(5, 9);
        plan.begin(2, 0, 1);
        assert_eq!(plan.sync_ns(), None);
    }

    #[test]
    fn only_older_files_can_be_deleted() {
        let mut survey = Survey::default();
        for (number, bytes) in [
            (9, Some(50)),
            (3, Some(20)),
            (2, None),
            (5, Some(10)),
            (7, Some(1)),
        ] {
            survey.see(number, bytes, 7);
        }
        let found = Survey {
            highest: 9,
            oldest: Some((3, 20)),
            bytes: 30,
        };
        assert_eq!(survey, found);
    }

    /// What is in a folder, and what a recording does there.
    fn survey(files: &BTreeMap<u32, u64>, below: u32) -> Survey {
        let mut survey = Survey::default();
        for (&number, &bytes) in files {
            survey.see(number, Some(bytes), below);
        }
        survey
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_allowed_but_for_the_segment_being_written(
            before in proptest::collection::btree_map(1u32..20, 0u64..50, 0..9),
            keep in 1u64..300, limit in 1u64..60,
            writes in proptest::collection::vec((1u64..40, any::<bool>()), 1..200)
        ) {
            let mut files = before;
            let mut plan = Recording::new(SegmentLimit::Bytes(limit), Some(keep));
            for (bytes, key) in writes {
                if key && plan.is_due(0, 1) {
                    let number = survey(&files, 0).highest + 1;
                    files.insert(number, 0);
                    plan.begin(number, 0, 1);
                    plan.found(&survey(&files, number));
                }
                let number = plan.number();
                let Some(file) = files.get_mut(&number) else { continue };
                *file += bytes;
                plan.wrote(bytes, 0);
                while plan.is_over() {
                    let found = survey(&files, number);
                    let (oldest, _) = found.oldest.expect("there is one");
                    let others: Vec<_> = files.keys().copied().collect();
                    prop_assert_eq!(oldest, others[0]);
                    prop_assert!(oldest < number);
                    // Not one too many.
                    prop_assert!(files.values().sum::<u64>() > keep);
                    files.remove(&oldest);
                    plan.found(&survey(&files, number));
                }
                let older: u64 = files.range(..number).map(|(_, &bytes)| bytes).sum();
                prop_assert!(older == 0 || older + files[&number] <= keep);
            }
        }

        #[test]
        fn the_order_in_which_files_are_seen_does_not_matter(
            mut files in proptest::collection::vec((1u32..99, proptest::option::of(0u64..99)), 0..20), below in 0u32..99
        ) {
            files.sort_unstable();
            files.dedup_by_key(|file| file.0);
            let look = |files: &[(u32, Option<u64>)]| {
                let mut survey = Survey::default();
                files.iter().for_each(|&(number, bytes)| survey.see(number, bytes, below));
                survey
            };
            let forwards = look(&files);
            files.reverse();
            prop_assert_eq!(look(&files), forwards);
        }
    }
}
