//! The engine's side of a frame ring whose words a producer may set to anything at any time: each slot is its own as before,
//! each frame is accounted for, and no more entries are taken at once than there are slots.
#![no_main]

use framemill::internals::flow::pipeline::{Holders, Pipeline};
use framemill::internals::limits::{COUNTERS, FRAME_SLOTS_MAX, HISTOGRAM_BUCKETS};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::frame_ring::{Entry, Popper, Pusher};
use framemill::internals::shm::layout::{FRAME_RING_BYTES, Histogram};
use framemill::internals::shm::map::FrameMap;
use framemill::internals::shm::stats::{Counter, Stats};
use framemill::internals::shm::word::Word64;
use framemill_fuzz::Input;
use rustix::io::pwrite;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let counters = [const { Word64::new(0) }; COUNTERS];
    let latency = [const {
        Histogram {
            count: Word64::new(0),
            max: Word64::new(0),
            buckets: [const { Word64::new(0) }; HISTOGRAM_BUCKETS],
        }
    }; 3];
    let stats = Stats {
        counters: &counters,
        latency: &latency,
    };
    let mut input = Input(data);
    let slots = u32::from(input.byte()) % FRAME_SLOTS_MAX + 1;
    let mut pipeline = Pipeline::new(slots, stats);
    let (map, fd) = FrameMap::create().expect("a ring");
    let ring = map.ring();
    let (mut take, mut give) = (Popper::default(), Pusher::default());
    // What the driver has: slot and key.
    let mut inside: Vec<(u32, u64)> = Vec::new();
    // Entries that the engine has taken, as the producer counts them.
    let mut taken = 0u32;
    let mut now = 1;
    pipeline.attach();
    for _ in 0..500 {
        if input.is_empty() {
            break;
        }
        now += 1;
        match input.byte() % 6 {
            // The producer, honest or not.
            0 => {
                let at = u64::from(input.half()) * 4 % FRAME_RING_BYTES as u64;
                pwrite(&fd, &input.word().to_le_bytes(), at).expect("a word");
            }
            1 => {
                let head = ring.filled.head.load(Relaxed);
                let slot = u32::from(input.byte());
                let at = head as usize % ring.filled.entries.len();
                ring.filled.entries[at].slot.store(slot, Relaxed);
                ring.filled.head.store(head.wrapping_add(1), Relaxed);
            }
            // The engine, as `Engine::drain_commits` does it.
            2 => {
                let honest = loop {
                    // What the producer says is there: more than there can be slots is a bad cursor, before a single one is taken.
                    let there = ring.filled.head.load(Relaxed).wrapping_sub(taken);
                    match take.pop(&ring.filled) {
                        Ok(None) => {
                            assert_eq!(there, 0);
                            break true;
                        }
                        Ok(Some(entry)) => {
                            assert!((1..=FRAME_SLOTS_MAX).contains(&there));
                            taken = taken.wrapping_add(1);
                            let lent = pipeline.holders(entry.slot) == Some(Holders::SOURCE);
                            let answer =
                                pipeline.commit(entry.slot, entry.timestamp, entry.time, now);
                            assert_eq!(answer.is_ok(), lent);
                            if !lent {
                                break false;
                            }
                        }
                        Err(_) => {
                            assert!(there > FRAME_SLOTS_MAX);
                            break false;
                        }
                    }
                };
                if !honest {
                    pipeline.reclaim();
                    // The next one's, which is empty.
                    for queue in [&ring.filled, &ring.free] {
                        queue.head.store(0, Relaxed);
                        queue.tail.store(0, Relaxed);
                    }
                    (take, give) = (Popper::default(), Pusher::default());
                    taken = 0;
                    pipeline.attach();
                }
            }
            3 => {
                while let Some(slot) = pipeline.acquire(0) {
                    give.push(
                        &ring.free,
                        Entry {
                            slot,
                            ..Entry::default()
                        },
                    );
                }
            }
            4 => {
                if let Some((slot, key)) = pipeline.next() {
                    assert!(
                        inside.iter().all(|&(other, _)| other != slot),
                        "a slot twice"
                    );
                    assert_eq!(pipeline.holders(slot), Some(Holders::ENGINE));
                    pipeline.queued(now);
                    inside.push((slot, key));
                }
            }
            _ => {
                if !inside.is_empty() {
                    let (slot, key) = inside.remove(0);
                    pipeline.returned(slot, now);
                    if let Some(frame) = pipeline.claim(key, now) {
                        pipeline.published(&frame);
                    }
                }
            }
        }
        assert_eq!(
            stats.get(Counter::FramesCommitted),
            stats.get(Counter::FramesPublished) + stats.dropped() + pipeline.in_flight()
        );
    }
});
