//! The packet ring against a simple model: a list of all packets, of which the newest that fit are readable.
#![cfg(not(loom))]

use framemill::internals::limits::PACKET_DESCRIPTORS;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::circle::Bytes;
use framemill::internals::shm::layout::{Cursors, Descriptor, flag};
use framemill::internals::shm::memfd::sealed_memfd;
use framemill::internals::shm::packet_ring::{Next, Packet, Reader, Ring, Start, TooLarge, Writer};
use framemill::internals::shm::region::Region;
use framemill::internals::shm::word::{Word32, Word64};
use proptest::prelude::*;
use rustix::fs::SealFlags;

const SIZE: usize = 256;

fn word() -> Word64 {
    Word64::new(0)
}

fn cursors() -> Cursors {
    Cursors {
        head: word(),
        tail: word(),
        newest_key: word(),
        wake: Word32::new(0),
        reserved: Word32::new(0),
    }
}

fn descriptors() -> Box<[Descriptor; PACKET_DESCRIPTORS]> {
    Box::new(core::array::from_fn(|_| Descriptor {
        sequence: word(),
        position: word(),
        length: Word32::new(0),
        flags: Word32::new(0),
        timestamp: word(),
        committed: word(),
        queued: word(),
        dequeued: word(),
        published: word(),
    }))
}

#[derive(Clone, Debug)]
enum Step {
    /// A packet in these pieces, key or not.
    Publish(Vec<usize>, bool),
    /// A packet that is begun and forgotten.
    Discard(usize),
    /// The reader takes so many packets.
    Read(usize),
    /// Another reader joins.
    Join(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (proptest::collection::vec(0usize..140, 1..4), any::<bool>()).prop_map(|(p, k)| Step::Publish(p, k)),
        1 => (0usize..300).prop_map(Step::Discard),
        3 => (0usize..6).prop_map(Step::Read),
        1 => (0u8..3).prop_map(Step::Join),
    ]
}

/// All packets ever published: their bytes and whether they are key packets.
#[derive(Default)]
struct Model {
    packets: Vec<(Vec<u8>, bool)>,
    /// Oldest packet that the writer has not overwritten.
    tail: usize,
}

impl Model {
    /// Space for `bytes` more behind the newest packet.
    fn make_room(&mut self, bytes: usize) {
        let held = |from: usize, packets: &[(Vec<u8>, bool)]| {
            packets[from..].iter().map(|p| p.0.len()).sum::<usize>()
        };
        while self.tail < self.packets.len() && held(self.tail, &self.packets) + bytes > SIZE {
            self.tail += 1;
        }
    }

    fn newest_key(&self) -> Option<usize> {
        let key = self.packets.iter().rposition(|p| p.1)?;
        (key >= self.tail).then_some(key)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_each_packet_whole_in_order_or_are_told_how_many_they_lost(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
        let region = Region::map(&fd, 4096, true).unwrap();
        let (cursors, descriptors) = (cursors(), descriptors());
        let ring = Ring { cursors: &cursors, descriptors: &descriptors, data: region.circle(0, SIZE).unwrap() };
        prop_assert_eq!(ring.data.size(), SIZE as u64);
        let mut writer = Writer::new(ring);
        let mut model = Model::default();
        let mut reader = Reader::new(&ring, Start::Oldest);
        let mut wanted = 0usize;
        let mut waits_for_key = false;
        let mut started = false;
        let mut target = [0; SIZE];
        for step in steps {
            match step {
                Step::Publish(pieces, key) => {
                    let seed = model.packets.len() as u8;
                    let bytes: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|i| (i as u8) ^ seed).collect();
                    let mut done = 0;
                    let mut result = Ok(());
                    for piece in pieces {
                        result = writer.append(&bytes[done..done + piece]);
                        if result.is_err() { break; }
                        done += piece;
                        model.make_room(done);
                    }
                    prop_assert_eq!(result.is_err(), bytes.len() > SIZE);
                    if result == Err(TooLarge) { writer.discard(); continue; }
                    let flags = if key { flag::KEY } else { 0 };
                    let sequence = writer.publish(&Packet { flags, timestamp: u64::from(seed), ..Packet::default() });
                    prop_assert_eq!(sequence, model.packets.len() as u64);
                    model.packets.push((bytes, key));
                }
                Step::Discard(bytes) => {
                    if writer.append(&vec![0xee; bytes][..]).is_ok() { model.make_room(bytes); }
                    writer.discard();
                }
                Step::Read(count) => for _ in 0..count {
                    match reader.next(&ring, &mut target) {
                        Next::Packet(packet) => {
                            if waits_for_key && !started {
                                // A newcomer skips to the first key packet without a word.
                                while !model.packets[wanted].1 { wanted += 1; }
                            }
                            prop_assert!(wanted >= model.tail);
                            prop_assert_eq!(packet.sequence, wanted as u64);
                            prop_assert_eq!(&target[..packet.length as usize], &model.packets[wanted].0[..]);
                            prop_assert_eq!(packet.timestamp, u64::from(wanted as u8));
                            prop_assert!(!waits_for_key || model.packets[wanted].1);
                            waits_for_key = false;
                            started = true;
                            wanted += 1;
                        }
                        Next::Lapped(lost) => {
                            if wanted < model.tail {
                                let resume = match model.newest_key() {
                                    Some(key) if key > wanted => key,
                                    _ => { waits_for_key = true; model.packets.len() }
                                };
                                prop_assert_eq!(lost as usize, resume - wanted);
                                wanted = resume;
                            } else {
                                prop_assert!(waits_for_key && started && !model.packets[wanted].1);
                                prop_assert_eq!(lost, 1);
                                wanted += 1;
                            }
                            started = true;
                        }
                        Next::Empty => {
                            prop_assert!(model.packets[wanted.min(model.packets.len())..].iter()
                                .all(|p| waits_for_key && !started && !p.1));
                            wanted = model.packets.len();
                            break;
                        }
                        Next::TooSmall(_) => prop_assert!(false, "the target holds the largest packet"),
                    }
                },
                Step::Join(at) => {
                    let start = [Start::Oldest, Start::Key, Start::Live][at as usize];
                    reader = Reader::new(&ring, start);
                    started = false;
                    (wanted, waits_for_key) = match start {
                        Start::Oldest => (model.tail, false),
                        Start::Live => (model.packets.len(), false),
                        Start::Key => model.newest_key().map_or((model.packets.len(), true), |key| (key, false)),
                    };
                }
            }
        }
    }
}

#[test]
fn descriptors_run_out_before_bytes_do_and_the_oldest_packets_go() {
    let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
    let region = Region::map(&fd, 4096, true).unwrap();
    let (cursors, descriptors) = (cursors(), descriptors());
    let ring = Ring {
        cursors: &cursors,
        descriptors: &descriptors,
        data: region.circle(0, SIZE).unwrap(),
    };
    let mut writer = Writer::new(ring);
    for _ in 0..PACKET_DESCRIPTORS + 10 {
        writer.publish(&Packet::default());
    }
    let mut reader = Reader::new(&ring, Start::Oldest);
    assert_eq!(reader.position(), 10);
    let mut seen = 0;
    while let Next::Packet(_) = reader.next(&ring, &mut []) {
        seen += 1;
    }
    assert_eq!(seen, PACKET_DESCRIPTORS);
}

#[test]
fn a_packet_that_is_larger_than_the_readers_buffer_is_not_consumed() {
    let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
    let region = Region::map(&fd, 4096, true).unwrap();
    let (cursors, descriptors) = (cursors(), descriptors());
    let ring = Ring {
        cursors: &cursors,
        descriptors: &descriptors,
        data: region.circle(0, SIZE).unwrap(),
    };
    let mut writer = Writer::new(ring);
    writer.append(&[1; 100]).unwrap();
    writer.publish(&Packet::default());
    let mut reader = Reader::new(&ring, Start::Oldest);
    assert_eq!(reader.next(&ring, &mut [0; 99]), Next::TooSmall(100));
    assert!(matches!(reader.next(&ring, &mut [0; 100]), Next::Packet(_)));
}

#[test]
fn a_packet_seen_in_place_is_the_packet_unless_it_was_overwritten_meanwhile() {
    let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
    let region = Region::map(&fd, 4096, true).unwrap();
    let (cursors, descriptors) = (cursors(), descriptors());
    let ring = Ring {
        cursors: &cursors,
        descriptors: &descriptors,
        data: region.circle(0, SIZE).unwrap(),
    };
    let mut writer = Writer::new(ring);
    let mut publish = |byte| {
        writer.append(&[byte; 100]).unwrap();
        writer.publish(&Packet::default());
    };
    let mut reader = Reader::new(&ring, Start::Oldest);
    // The third one wraps; the fourth takes the place of the second.
    for byte in 0..3 {
        publish(byte);
        let mut seen = Vec::new();
        let next = reader.next_in_place(&ring, |payload| {
            assert_eq!((payload.len(), payload.packet().length), (100, 100));
            let mut piece = [0; 30];
            let mut at = 0;
            loop {
                match payload.read(at, &mut piece) {
                    0 => break,
                    count => seen.extend_from_slice(&piece[..count]),
                }
                at += 30;
            }
        });
        assert!(matches!(next, Next::Packet(_)));
        assert_eq!(seen, [byte; 100]);
    }
    publish(3);
    let next = reader.next_in_place(&ring, |_| {
        for byte in 4..8 {
            publish(byte);
        }
    });
    assert!(matches!(next, Next::Lapped(_)), "{next:?}");
}

#[test]
fn generations_wrap_after_16_bits_and_leave_the_flags_alone() {
    let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
    let region = Region::map(&fd, 4096, true).unwrap();
    let (cursors, descriptors) = (cursors(), descriptors());
    // The word that readers sleep on wraps, too.
    cursors.wake.store(u32::MAX, Relaxed);
    let ring = Ring {
        cursors: &cursors,
        descriptors: &descriptors,
        data: region.circle(0, SIZE).unwrap(),
    };
    let mut writer = Writer::new(ring);
    let mut reader = Reader::new(&ring, Start::Oldest);
    for (generation, flags) in [
        (u16::MAX - 1, flag::KEY),
        (u16::MAX, flag::ALL),
        (0, 0),
        (1, flag::KEY),
    ] {
        let word = ring.wake_word();
        writer.publish(&Packet {
            generation,
            flags,
            ..Packet::default()
        });
        assert_ne!(ring.wake_word(), word);
        match reader.next(&ring, &mut []) {
            Next::Packet(packet) => {
                assert_eq!((packet.generation, packet.flags), (generation, flags));
            }
            other => panic!("{other:?}"),
        }
    }
}
