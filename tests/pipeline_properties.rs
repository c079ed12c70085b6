//! A frame, from its commit to its packet, under every order of events that a driver, a producer and a clock can bring about.
#![cfg(not(loom))]

use framemill::internals::flow::pipeline::{Holders, Pipeline, SlotNotOwned};
use framemill::internals::limits::{
    COUNTERS, HISTOGRAM_BUCKETS, MUTE_FRAMES, MUTE_FRAMES_HELD, PENDING_FRAMES, REORDER_FRAMES,
};
use framemill::internals::shm::layout::Histogram;
use framemill::internals::shm::stats::{Counter, Stats};
use framemill::internals::shm::word::Word64;
use proptest::prelude::*;

struct Memory {
    counters: [Word64; COUNTERS],
    latency: [Histogram; 3],
}

impl Memory {
    fn new() -> Self {
        Self {
            counters: [const { Word64::new(0) }; COUNTERS],
            latency: core::array::from_fn(|_| Histogram {
                count: Word64::new(0),
                max: Word64::new(0),
                buckets: [const { Word64::new(0) }; HISTOGRAM_BUCKETS],
            }),
        }
    }
    fn stats(&self) -> Stats<'_> {
        Stats {
            counters: &self.counters,
            latency: &self.latency,
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Attach,
    Leave,
    Lend,
    Commit(u32),
    Queue,
    Refuse,
    /// The driver returns the nth slot it has.
    Return(usize),
    /// A packet of the nth frame in the encoder, published or dropped as damaged.
    Packet(usize, bool),
    /// A packet of no frame.
    Stray(u64),
    Wait(u64),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Attach),
        1 => Just(Event::Leave),
        8 => Just(Event::Lend),
        8 => (0u32..6).prop_map(Event::Commit),
        8 => Just(Event::Queue),
        1 => Just(Event::Refuse),
        8 => (0usize..4).prop_map(Event::Return),
        8 => (0usize..8, any::<bool>()).prop_map(|(n, good)| Event::Packet(n, good)),
        1 => any::<u64>().prop_map(Event::Stray),
        2 => (0u64..300).prop_map(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

const LIMIT: u64 = 1000;

/// Clocks, ns: a fresh one, and ones about to pass 31 and 32 bits of microseconds, 31 bits of seconds, and the 63 bits of ns that the
/// kernel has.
const CLOCKS: [u64; 5] = [
    1,
    (1 << 31) * 1000 - 500,
    (1 << 32) * 1000 - 500,
    (1 << 31) * 1_000_000_000 - 500,
    (1 << 63) - 500,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_committed_frame_is_published_dropped_or_in_flight(
        events in proptest::collection::vec(event(), 1..200), slots in 1u32..5,
        clock in proptest::sample::select(&CLOCKS[..]),
    ) {
        let memory = Memory::new();
        let stats = memory.stats();
        let mut pipeline = Pipeline::new(slots, stats);
        let mut now = clock;
        let mut returned = 0;
        // What the driver has: (slot, key, slot returned).
        let mut inside: Vec<(u32, u64, bool)> = Vec::new();
        for event in events {
            now += 1;
            match event {
                Event::Attach => pipeline.attach(),
                Event::Leave => { pipeline.reclaim(); }
                Event::Lend => {
                    if let Some(slot) = pipeline.acquire(now) {
                        prop_assert_eq!(pipeline.holders(slot), Some(Holders::SOURCE));
                    }
                }
                Event::Commit(slot) => {
                    let lent = pipeline.holders(slot) == Some(Holders::SOURCE);
                    let before = stats.get(Counter::FramesCommitted);
                    let result = pipeline.commit(slot, 5, u64::MAX, now);
                    prop_assert_eq!(result, if lent { Ok(()) } else { Err(SlotNotOwned) });
                    prop_assert_eq!(stats.get(Counter::FramesCommitted) - before, u64::from(lent));
                }
                Event::Queue => {
                    if let Some((slot, key)) = pipeline.next() {
                        prop_assert!(inside.iter().all(|other| other.1 < key), "keys rise");
                        pipeline.queued(now);
                        inside.push((slot, key, false));
                        prop_assert_eq!(pipeline.holders(slot), Some(Holders::STAGE));
                    }
                }
                Event::Refuse => if pipeline.next().is_some() { pipeline.refused() },
                Event::Return(n) => {
                    if let Some(place) = inside.iter_mut().filter(|f| !f.2).nth(n) {
                        place.2 = true;
                        pipeline.returned(place.0, now);
                        returned += 1;
                        prop_assert_ne!(pipeline.holders(place.0), Some(Holders::STAGE));
                    }
                }
                Event::Packet(n, good) => {
                    if n < inside.len() {
                        let (slot, key, back) = inside[n];
                        let awaited = pipeline.awaits(key);
                        let late = stats.get(Counter::FramesLate);
                        let claimed = pipeline.claim(key, now);
                        let late = stats.get(Counter::FramesLate) - late;
                        prop_assert_eq!(claimed.is_some(), awaited || late == 1);
                        if let Some(frame) = claimed {
                            prop_assert!(frame.committed <= frame.queued, "a commit in the future is taken for now");
                            if good { pipeline.published(&frame) }
                            else { pipeline.dropped(Counter::DroppedError, &frame) }
                        }
                        if back { inside.remove(n); } else { inside[n] = (slot, key, back); }
                    }
                }
                Event::Stray(key) => {
                    if inside.iter().all(|frame| frame.1 != key) {
                        prop_assert!(pipeline.claim(key, now).is_none());
                    }
                }
                Event::Wait(time) => { now += time; pipeline.expire(now, LIMIT); }
                Event::Restart => { pipeline.restart(Counter::DroppedRestart, now); inside.clear(); }
            }
            prop_assert_eq!(
                stats.get(Counter::FramesCommitted),
                stats.get(Counter::FramesPublished) + stats.dropped() + pipeline.in_flight()
            );
            prop_assert_eq!(stats.get(Counter::FramesReturned), returned);
            let queued = inside.iter().filter(|f| !f.2).count();
            let have = (0..slots).filter(|&slot| pipeline.holders(slot) == Some(Holders::STAGE)).count();
            prop_assert_eq!(queued, have, "the slots are where the driver says");
            prop_assert_eq!(pipeline.busy(), queued > 0);
            prop_assert!(pipeline.busy() || pipeline.stalls(LIMIT).is_none());
        }
        // The end of everything: nothing is left.
        pipeline.restart(Counter::DroppedStopping, now);
        pipeline.drop_filled(Counter::DroppedStopping);
        pipeline.reclaim();
        prop_assert_eq!(pipeline.in_flight(), 0);
        prop_assert!((0..slots).all(|slot| pipeline.holders(slot) == Some(Holders::NONE)));
    }
}

/// Puts `count` frames through a pipeline of one slot each up to the return of their slots; gives their keys.
fn encode(pipeline: &mut Pipeline<'_>, count: u64, now: u64) -> Vec<u64> {
    let mut keys = Vec::new();
    for n in 0..count {
        let slot = pipeline.acquire(now).unwrap();
        pipeline.commit(slot, n, now, now).unwrap();
        let (slot, key) = pipeline.next().unwrap();
        pipeline.queued(now);
        pipeline.returned(slot, now);
        keys.push(key);
    }
    keys
}

#[test]
fn a_frame_that_the_encoder_swallowed_is_dropped_when_enough_later_ones_have_come() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    pipeline.attach();
    let keys = encode(&mut pipeline, 2 + u64::from(REORDER_FRAMES), 10);
    for &key in &keys[1..] {
        assert_eq!(memory.stats().get(Counter::DroppedEncoder), 0);
        let frame = pipeline.claim(key, 20).unwrap();
        pipeline.published(&frame);
    }
    assert_eq!(memory.stats().get(Counter::DroppedEncoder), 1);
    assert_eq!(pipeline.accounts(), (1 + u64::from(REORDER_FRAMES), 1));
}

#[test]
fn a_late_packet_takes_the_drop_back_and_keeps_its_timestamp() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    pipeline.attach();
    let keys = encode(&mut pipeline, 2 + u64::from(REORDER_FRAMES), 10);
    for &key in &keys[1..] {
        let frame = pipeline.claim(key, 20).unwrap();
        pipeline.published(&frame);
    }
    assert_eq!(pipeline.accounts(), (1 + u64::from(REORDER_FRAMES), 1));
    let frame = pipeline.claim(keys[0], 30).unwrap();
    assert_eq!(frame.timestamp, 0);
    pipeline.published(&frame);
    assert_eq!(pipeline.accounts(), (2 + u64::from(REORDER_FRAMES), 0));
    assert_eq!(memory.stats().dropped(), 0);
    assert_eq!(memory.stats().get(Counter::FramesLate), 1);
    assert!(
        pipeline.claim(keys[0], 40).is_none(),
        "a second time it is a stranger's"
    );
}

#[test]
fn a_swallowed_frame_is_dropped_in_time_once_a_later_one_has_come() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    let keys = encode(&mut pipeline, 2, 10);
    assert_eq!(pipeline.expires(LIMIT), None);
    pipeline.expire(u64::MAX, LIMIT);
    assert_eq!(
        memory.stats().get(Counter::DroppedEncoder),
        0,
        "it may be held back"
    );
    assert!(pipeline.claim(keys[1], 20).is_some());
    assert_eq!(pipeline.expires(LIMIT), Some(10 + LIMIT));
    pipeline.expire(9 + LIMIT, LIMIT);
    assert_eq!(memory.stats().get(Counter::DroppedEncoder), 0);
    pipeline.expire(10 + LIMIT, LIMIT);
    assert_eq!(memory.stats().get(Counter::DroppedEncoder), 1);
    assert_eq!(pipeline.expires(LIMIT), None);
}

/// One frame to the driver, which keeps its slot.
fn queue(pipeline: &mut Pipeline<'_>, now: u64) -> (u32, u64) {
    let slot = pipeline.acquire(10).unwrap();
    pipeline.commit(slot, now, now, now).unwrap();
    let next = pipeline.next().unwrap();
    pipeline.queued(now);
    next
}

#[test]
fn an_encoder_that_holds_slots_back_stalls_only_when_it_has_all_of_them() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(3, memory.stats());
    queue(&mut pipeline, 10);
    queue(&mut pipeline, 20);
    assert!(pipeline.busy());
    assert_eq!(pipeline.stalls(LIMIT), None, "it may wait for the third");
    queue(&mut pipeline, 5000);
    // Its time begins when it can wait for nothing more.
    assert_eq!(pipeline.stalls(LIMIT), Some(5000 + LIMIT));
}

#[test]
fn an_encoder_that_holds_slots_back_stalls_when_it_is_drained_or_frames_are_dropped_for_it() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    queue(&mut pipeline, 10);
    pipeline.drain(5000);
    assert_eq!(pipeline.stalls(LIMIT), Some(5000 + LIMIT));
    pipeline.restart(Counter::DroppedRestart, 6000);
    queue(&mut pipeline, 7000);
    assert_eq!(pipeline.stalls(LIMIT), None);
    let slot = pipeline.acquire(10).unwrap();
    pipeline.commit(slot, 0, 8000, 8000).unwrap();
    pipeline.drop_behind(8000);
    assert_eq!(pipeline.stalls(LIMIT), Some(8000 + LIMIT));
}

#[test]
fn an_encoder_that_is_given_one_frame_at_a_time_stalls_when_the_next_one_waits_for_it() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    let fill = |pipeline: &mut Pipeline<'_>, now| {
        let slot = pipeline.acquire(10).unwrap();
        pipeline.commit(slot, 0, now, now).unwrap();
    };
    let (first, _) = queue(&mut pipeline, 10);
    pipeline.withhold(20);
    assert_eq!(pipeline.stalls(LIMIT), None, "no frame waits");
    fill(&mut pipeline, 5000);
    for now in [5000, 5500] {
        pipeline.withhold(now);
        assert_eq!(pipeline.stalls(LIMIT), Some(5000 + LIMIT));
    }
    // A change of the encoder's settings gives it no more time.
    pipeline.forget_habits();
    pipeline.withhold(5600);
    assert_eq!(pipeline.stalls(LIMIT), Some(5000 + LIMIT));
    pipeline.returned(first, 5900);
    pipeline.queued(5900);
    assert_eq!(pipeline.stalls(LIMIT), None, "it may wait for the third");
    fill(&mut pipeline, 6000);
    pipeline.withhold(6000);
    assert_eq!(pipeline.stalls(LIMIT), Some(6000 + LIMIT));
    pipeline.drop_filled(Counter::DroppedRefused);
    assert_eq!(pipeline.stalls(LIMIT), None, "no frame waits any more");
}

#[test]
fn slots_that_an_encoder_keeps_when_their_frames_are_accounted_for_are_flushed() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    // A frame that it cannot be told to give, and one whose packet came.
    for (answered, now) in [(false, 10), (true, 30)] {
        let (_, key) = queue(&mut pipeline, now);
        assert!(!pipeline.keeps_slots());
        if answered {
            assert!(pipeline.claim(key, now).is_some());
        } else {
            pipeline.expire_held();
        }
        assert!(pipeline.keeps_slots());
        assert_eq!(pipeline.stalls(LIMIT), None);
        assert_eq!(pipeline.flush(LIMIT), Some(now + LIMIT));
        pipeline.restart(Counter::DroppedEncoder, now + 10);
        assert!(!pipeline.keeps_slots());
        assert_eq!(pipeline.flush(LIMIT), None);
    }
}

#[test]
fn an_encoder_that_was_seen_empty_stalls_with_one_slot() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    // The packet comes before the slot, and after it.
    for (slot_first, now) in [(true, 0), (false, 103)] {
        pipeline.forget_habits();
        let (slot, key) = queue(&mut pipeline, now + 10);
        if slot_first {
            pipeline.returned(slot, now + 11);
        }
        assert!(pipeline.claim(key, now + 12).is_some());
        pipeline.returned(slot, now + 13);
        let (slot, key) = queue(&mut pipeline, now + 50);
        assert_eq!(pipeline.stalls(LIMIT), Some(now + 50 + LIMIT));
        pipeline.returned(slot, now + 51);
        assert!(pipeline.claim(key, now + 52).is_some());
    }
    // Emptied by a drain, it says nothing of itself.
    pipeline.forget_habits();
    let (slot, key) = queue(&mut pipeline, 200);
    pipeline.drain(201);
    pipeline.returned(slot, 202);
    assert!(pipeline.claim(key, 203).is_some());
    pipeline.restart(Counter::DroppedEncoder, 204);
    queue(&mut pipeline, 205);
    assert_eq!(pipeline.stalls(LIMIT), None);
}

#[test]
fn a_slow_source_makes_no_encoder_mute_that_looks_ahead() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    let look_ahead = u64::from(MUTE_FRAMES_HELD) - 1;
    let mut keys = Vec::new();
    for n in 0..3 * look_ahead {
        // Each frame comes long after the one before.
        let now = 10 * LIMIT * (n + 1);
        keys.extend(encode(&mut pipeline, 1, now));
        if n >= look_ahead {
            assert!(pipeline.claim(keys.remove(0), now).is_some());
        }
        assert_eq!(pipeline.mute(LIMIT), None, "{n}");
    }
}

#[test]
fn an_encoder_that_returns_slots_and_gives_nothing_is_mute_sooner_when_it_holds_nothing_back() {
    for (answers, enough) in [(false, MUTE_FRAMES_HELD), (true, MUTE_FRAMES)] {
        let memory = Memory::new();
        let mut pipeline = Pipeline::new(4, memory.stats());
        if answers {
            let keys = encode(&mut pipeline, 1, 10);
            assert!(pipeline.claim(keys[0], 20).is_some());
        }
        encode(&mut pipeline, u64::from(enough) - 1, 30);
        assert_eq!(pipeline.mute(LIMIT), None);
        encode(&mut pipeline, 1, 5000);
        assert_eq!(pipeline.mute(LIMIT), Some(5000 + LIMIT));
    }
}

#[test]
fn what_is_inside_is_flushed_soon_unless_the_encoder_holds_nothing_back() {
    const STALL: u64 = 2_000_000_000;
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    assert_eq!(pipeline.flush(STALL), None);
    let keys = encode(&mut pipeline, 2, 10);
    assert!(
        pipeline
            .flush(STALL)
            .is_some_and(|at| at > 10 && at < STALL)
    );
    for key in keys {
        assert!(pipeline.claim(key, 20).is_some());
    }
    assert_eq!(pipeline.flush(STALL), None);
    encode(&mut pipeline, 1, 30);
    assert_eq!(pipeline.flush(STALL), Some(30 + STALL));
}

#[test]
fn no_more_frames_are_queued_than_can_be_kept_track_of() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    encode(&mut pipeline, PENDING_FRAMES as u64, 10);
    let slot = pipeline.acquire(10).unwrap();
    pipeline.commit(slot, 0, 0, 10).unwrap();
    assert_eq!(pipeline.next(), None);
    pipeline.expire(u64::MAX, LIMIT);
    assert!(pipeline.next().is_some());
}

#[test]
fn frames_of_a_producer_that_left_are_not_counted_for_the_next() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    pipeline.attach();
    let keys = encode(&mut pipeline, 1, 10);
    pipeline.reclaim();
    pipeline.attach();
    let frame = pipeline.claim(keys[0], 20).unwrap();
    pipeline.published(&frame);
    assert_eq!(pipeline.accounts(), (0, 0));
    assert_eq!(memory.stats().get(Counter::FramesPublished), 1);
}

#[test]
fn a_commit_lies_between_the_slots_handing_over_and_now_whatever_a_producer_says() {
    for (claimed, looked, expected) in [
        (60, 0, 60),
        // In the future; before it had the slot; before the engine saw that nothing was committed.
        (u64::MAX, 0, 90),
        (0, 0, 50),
        (51, 70, 70),
        (80, 70, 80),
    ] {
        let memory = Memory::new();
        let mut pipeline = Pipeline::new(2, memory.stats());
        pipeline.attach();
        let slot = pipeline.acquire(50).unwrap();
        pipeline.nothing_committed(looked);
        pipeline.commit(slot, 1, claimed, 90).unwrap();
        let (_, key) = pipeline.next().unwrap();
        pipeline.queued(95);
        let frame = pipeline.claim(key, 99).unwrap();
        assert_eq!(frame.committed, expected, "{claimed} {looked}");
    }
}

#[test]
fn the_first_frame_after_another_producers_is_known_until_the_encoder_starts_again() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(4, memory.stats());
    let fill = |pipeline: &mut Pipeline<'_>| {
        let slot = pipeline.acquire(1).unwrap();
        pipeline.commit(slot, 0, 1, 1).unwrap();
    };
    pipeline.attach();
    fill(&mut pipeline);
    assert!(!pipeline.has_queued() && !pipeline.next_is_anothers());
    pipeline.queued(2);
    // Its last frame waits when the next one comes.
    fill(&mut pipeline);
    pipeline.reclaim();
    pipeline.attach();
    fill(&mut pipeline);
    assert!(pipeline.has_queued() && !pipeline.next_is_anothers());
    pipeline.queued(3);
    assert!(pipeline.next_is_anothers());
    pipeline.queued(4);
    fill(&mut pipeline);
    assert!(!pipeline.next_is_anothers());
    pipeline.reclaim();
    pipeline.attach();
    pipeline.drop_filled(Counter::DroppedRestart);
    fill(&mut pipeline);
    assert!(pipeline.next_is_anothers());
    pipeline.restart(Counter::DroppedRestart, 5);
    assert!(!pipeline.next_is_anothers() && !pipeline.has_queued());
}

#[test]
fn a_time_that_was_read_before_a_long_call_does_not_set_the_encoders_time_back() {
    let memory = Memory::new();
    let mut pipeline = Pipeline::new(2, memory.stats());
    queue(&mut pipeline, 100);
    pipeline.drain(50);
    assert_eq!(pipeline.stalls(LIMIT), Some(100 + LIMIT));
    pipeline.drain(200);
    assert_eq!(pipeline.stalls(LIMIT), Some(200 + LIMIT));
}
