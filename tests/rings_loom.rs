//! The rings under the model checker: every interleaving of a writer and a reader that the memory model allows.
//!
//! Built and run with `RUSTFLAGS="--cfg loom" cargo test --profile checked --test rings_loom`; without that flag it is empty.
#![cfg(loom)]

#[path = "rings_loom/waking.rs"]
mod waking;

use framemill::internals::limits::{CODEC_HEADER_BYTES, PACKET_DESCRIPTORS, QUEUE_ENTRIES};
use framemill::internals::shm::atomic::{AtomicU32, Ordering};
use framemill::internals::shm::bytes::SharedBytes;
use framemill::internals::shm::circle::Bytes;
use framemill::internals::shm::frame_ring::{Entry, Popper, Pusher};
use framemill::internals::shm::layout::{
    CodecHeaders, Cursors, Descriptor, Queue, QueueEntry, flag,
};
use framemill::internals::shm::packet_ring::{
    Next, Packet, Reader, Ring, Start, Writer, load_codec_headers, store_codec_headers,
};
use framemill::internals::shm::sequence::{load_whole, store_whole};
use framemill::internals::shm::word::{Word32, Word64};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A payload circle of two words: each byte is an atomic, so that loom explores torn copies.
struct Circle([AtomicU32; 2]);

impl Bytes for &Circle {
    fn size(&self) -> u64 {
        2
    }
    fn write(&self, position: u64, source: SharedBytes<'_>) {
        let mut bytes = [0; 2];
        let bytes = &mut bytes[..source.len()];
        assert!(source.copy_out(0, bytes));
        for (index, &byte) in bytes.iter().enumerate() {
            self.0[(position as usize + index) % 2].store(u32::from(byte), Ordering::Relaxed);
        }
    }
    fn read(&self, position: u64, target: &mut [u8]) {
        for (index, byte) in target.iter_mut().enumerate() {
            *byte = self.0[(position as usize + index) % 2].load(Ordering::Relaxed) as u8;
        }
    }
}

struct Memory {
    cursors: Cursors,
    descriptors: [Descriptor; PACKET_DESCRIPTORS],
    circle: Circle,
}

fn word() -> Word64 {
    Word64::new(0)
}

fn memory() -> Memory {
    Memory {
        cursors: Cursors {
            head: word(),
            tail: word(),
            newest_key: word(),
            wake: Word32::new(0),
            reserved: Word32::new(0),
        },
        descriptors: core::array::from_fn(|_| Descriptor {
            sequence: word(),
            position: word(),
            length: Word32::new(0),
            flags: Word32::new(0),
            timestamp: word(),
            committed: word(),
            queued: word(),
            dequeued: word(),
            published: word(),
        }),
        circle: Circle([AtomicU32::new(0), AtomicU32::new(0)]),
    }
}

impl Memory {
    fn ring(&self) -> Ring<'_, &Circle> {
        Ring {
            cursors: &self.cursors,
            descriptors: &self.descriptors,
            data: &self.circle,
        }
    }
}

/// Publishes packet `n`: `bytes` times the byte `n + 1`, with timestamp `n`.
fn publish(writer: &mut Writer<'_, &Circle>, n: u64, bytes: usize, flags: u32) {
    let both = [n as u8 + 1; 2];
    writer.append(&both[..bytes]).unwrap();
    writer.publish(&Packet {
        flags,
        timestamp: n,
        ..Packet::default()
    });
}

/// What a reader must find in a packet, whatever the writer does meanwhile.
fn check(packet: &Packet, bytes: &[u8]) {
    assert_eq!(packet.timestamp, packet.sequence, "the descriptor is torn");
    for &byte in &bytes[..packet.length as usize] {
        assert_eq!(u64::from(byte), packet.sequence + 1, "the bytes are torn");
    }
}

/// One reader against one writer. What is published `before` the reader starts is history; `after` races with it. The
/// smaller the race, the more of its interleavings can be explored: those with at most `switches` preemptions are.
fn race(
    switches: usize,
    before: &[(usize, u32)],
    after: &[(usize, u32)],
    start: Start,
    look: fn(Look),
) {
    let (before, after) = (before.to_vec(), after.to_vec());
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches);
    model.check(move || {
        let memory = Arc::new(memory());
        let mut writer = Writer::new(memory.ring());
        let mut numbers = 0..;
        let mut publish_all = |packets: &[(usize, u32)]| {
            for (&(bytes, flags), n) in packets.iter().zip(&mut numbers) {
                publish(&mut writer, n, bytes, flags);
            }
        };
        publish_all(&before);
        let shared = memory.clone();
        let reading = thread::spawn(move || {
            let mut reader = Reader::new(&shared.ring(), start);
            let mut look = Look {
                from: reader.position(),
                ..Look::default()
            };
            look.once(&mut reader, &shared.ring());
            (reader, look)
        });
        publish_all(&after);
        let (mut reader, mut seen) = reading.join().unwrap();
        while seen.once(&mut reader, &memory.ring()) {}
        look(seen);
    });
}

/// What a reader saw.
#[derive(Default)]
struct Look {
    from: u64,
    had: u64,
    lost: u64,
    first_flags: Option<u32>,
}

impl Look {
    /// Asks for one packet; false when there is none.
    fn once(&mut self, reader: &mut Reader, ring: &Ring<'_, &Circle>) -> bool {
        let mut bytes = [0; 2];
        match reader.next(ring, &mut bytes) {
            Next::Packet(packet) => {
                check(&packet, &bytes);
                self.had += 1;
                self.first_flags.get_or_insert(packet.flags);
            }
            Next::Lapped(count) => self.lost += count,
            Next::Empty => return false,
            Next::TooSmall(_) => panic!("no packet is larger than two bytes"),
        }
        true
    }
}

#[test]
fn a_reader_never_has_bytes_that_are_being_overwritten_and_counts_what_it_lost() {
    race(
        3,
        &[(2, flag::KEY)],
        &[(2, flag::KEY)],
        Start::Oldest,
        |look| {
            assert_eq!(
                look.from + look.had + look.lost,
                2,
                "each packet is had or lost"
            );
        },
    );
}

#[test]
fn a_reader_never_has_a_description_that_is_being_overwritten_and_counts_what_it_lost() {
    let before = [(0, flag::KEY), (0, flag::KEY)];
    race(3, &before, &[(0, flag::KEY)], Start::Oldest, |look| {
        assert_eq!(
            look.from + look.had + look.lost,
            3,
            "each packet is had or lost"
        );
    });
}

#[test]
fn a_late_reader_starts_at_a_key_packet() {
    let before = [(1, flag::KEY), (1, 0)];
    race(2, &before, &[(1, flag::KEY)], Start::Key, |look| {
        let first = look.first_flags.expect("there is a key packet to start at");
        assert_ne!(
            first & flag::KEY,
            0,
            "the first packet of a newcomer is a key packet"
        );
    });
}

#[test]
fn a_reader_that_sleeps_on_the_wake_word_misses_no_packet() {
    loom::model(|| {
        let memory = Arc::new(memory());
        let shared = memory.clone();
        let writing =
            thread::spawn(move || publish(&mut Writer::new(shared.ring()), 0, 1, flag::KEY));
        let ring = memory.ring();
        let mut reader = Reader::new(&ring, Start::Oldest);
        let mut bytes = [0; 2];
        let word = ring.wake_word();
        let found = reader.next(&ring, &mut bytes);
        writing.join().unwrap();
        if found == Next::Empty {
            // A futex sleep on `word` now would end at once unless the packet was there to be found.
            assert_ne!(ring.wake_word(), word, "the wake-up is lost");
        }
    });
}

/// A futex as the kernel has it: a sleeper compares the word and lies down in one step, so that no wake-up falls in between.
#[derive(Default)]
struct Futex(Mutex<()>, Condvar);

impl Futex {
    fn sleep(&self, ring: &Ring<'_, &Circle>, word: u32) {
        let mut bed = self.0.lock().unwrap();
        while ring.wake_word() == word {
            bed = self.1.wait(bed).unwrap();
        }
    }

    fn wake(&self) {
        let _bed = self.0.lock().unwrap();
        self.1.notify_all();
    }
}

/// A lost wake-up would leave the reader asleep for good, which the checker calls a deadlock. The word wraps meanwhile.
#[test]
fn a_reader_that_sleeps_between_packets_has_all_of_them_past_the_wrap_of_the_word() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = Arc::new((memory(), Futex::default()));
        shared.0.cursors.wake.store(u32::MAX, Ordering::Relaxed);
        let others = shared.clone();
        let writing = thread::spawn(move || {
            let (memory, futex) = &*others;
            let mut writer = Writer::new(memory.ring());
            for n in 0..2 {
                publish(&mut writer, n, 1, flag::KEY);
                futex.wake();
            }
        });
        let (memory, futex) = &*shared;
        let ring = memory.ring();
        let mut reader = Reader::new(&ring, Start::Oldest);
        let mut seen = Look::default();
        while seen.had < 2 {
            let word = ring.wake_word();
            if !seen.once(&mut reader, &ring) {
                futex.sleep(&ring, word);
            }
        }
        assert_eq!(seen.lost, 0, "both fit into the ring");
        writing.join().unwrap();
    });
}

#[test]
fn codec_headers_are_whole_or_not_there() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let words = Arc::new(CodecHeaders {
            version: Word32::new(0),
            length: Word32::new(0),
            bytes: core::array::from_fn(|_| word()),
        });
        assert!(store_codec_headers(&words, &[7; CODEC_HEADER_BYTES]));
        let shared = words.clone();
        let writing = thread::spawn(move || {
            assert!(store_codec_headers(&shared, &[8; CODEC_HEADER_BYTES - 1]));
        });
        let mut target = [0; CODEC_HEADER_BYTES];
        match load_codec_headers(&words, &mut target) {
            // Every try met the writer.
            0 => {}
            CODEC_HEADER_BYTES => assert_eq!(target, [7; CODEC_HEADER_BYTES]),
            length => assert_eq!(target[..length], [8; CODEC_HEADER_BYTES - 1]),
        }
        writing.join().unwrap();
    });
}

/// Words that belong together, as the stream's do. With another word loaded before and after in place of the count, `torn` is seen.
#[test]
fn words_under_a_count_are_of_one_making() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let words = Arc::new([Word32::new(0), Word32::new(1), Word32::new(1)]);
        let shared = words.clone();
        let writing = thread::spawn(move || {
            let [version, width, height] = &*shared;
            for value in 2..4 {
                store_whole(version, || {
                    width.store(value, Ordering::Relaxed);
                    height.store(value, Ordering::Relaxed);
                });
            }
        });
        let [version, width, height] = &*words;
        let load = |word: &Word32| word.load(Ordering::Relaxed);
        if let Some((width, height)) = load_whole(version, || (load(width), load(height))) {
            assert_eq!(width, height, "torn");
        }
        writing.join().unwrap();
    });
}

fn queue() -> Queue {
    Queue {
        head: Word32::new(0),
        tail: Word32::new(0),
        entries: core::array::from_fn(|_| QueueEntry {
            slot: Word32::new(0),
            reserved: Word32::new(0),
            timestamp: word(),
            time: word(),
        }),
    }
}

/// A frame: slot and times are of one making.
fn frame(slot: u32) -> Entry {
    Entry {
        slot,
        timestamp: u64::from(slot) + 10,
        time: u64::from(slot) + 20,
    }
}

/// It died after it had written a part of an entry: nobody sees that.
#[test]
fn a_producer_that_dies_before_its_commit_leaves_nothing() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let filled = Arc::new(queue());
        let shared = filled.clone();
        let dying = thread::spawn(move || {
            let mut commit = Pusher::default();
            commit.push(&shared, frame(0));
            // As far into the second push as it gets.
            shared.entries[1].slot.store(7, Ordering::Relaxed);
            shared.entries[1].timestamp.store(7, Ordering::Relaxed);
        });
        let mut take = Popper::default();
        let mut taken = 0;
        if let Some(entry) = take.pop(&filled).unwrap() {
            assert_eq!(entry, frame(taken));
            taken += 1;
        }
        // The engine hears of the death, and looks once more for what was committed.
        dying.join().unwrap();
        while let Some(entry) = take.pop(&filled).unwrap() {
            assert_eq!(entry, frame(taken));
            taken += 1;
        }
        assert_eq!(taken, 1, "what was committed, and nothing else");
    });
}

#[test]
fn slots_pass_both_queues_whole_and_in_order() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queues = Arc::new((queue(), queue()));
        let shared = queues.clone();
        // The producer: commits two slots, then takes back what the engine returned.
        let producing = thread::spawn(move || {
            let (filled, free) = &*shared;
            let (mut commit, mut acquire) = (Pusher::default(), Popper::default());
            for slot in 0..QUEUE_ENTRIES as u32 {
                commit.push(
                    filled,
                    Entry {
                        slot,
                        timestamp: u64::from(slot) + 10,
                        time: 1,
                    },
                );
            }
            if let Some(entry) = acquire.pop(free).unwrap() {
                assert_eq!(entry.slot, 0, "slots come back in order");
                // Reusing the entry's place is what a full turn of the ring does.
                commit.push(
                    filled,
                    Entry {
                        slot: entry.slot,
                        timestamp: 99,
                        time: 1,
                    },
                );
            }
        });
        let (filled, free) = &*queues;
        let (mut take, mut give) = (Popper::default(), Pusher::default());
        let mut expected = 0;
        for _ in 0..2 {
            if let Some(entry) = take.pop(filled).unwrap() {
                assert_eq!(
                    (entry.slot, entry.timestamp, entry.time),
                    (expected, u64::from(expected) + 10, 1)
                );
                expected += 1;
                give.push(
                    free,
                    Entry {
                        slot: entry.slot,
                        ..Entry::default()
                    },
                );
            }
        }
        producing.join().unwrap();
    });
}
