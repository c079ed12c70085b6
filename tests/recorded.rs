//! Version 1 is stable: rings that its first stable version wrote are read by what the code is now, and written to as then.
//!
//! The rings in `recorded/` are never made again. A test that fails here means that clients and engines of today do not understand those
//! of before: change the code, or the version.
#![cfg(not(loom))]

#[path = "liar/mod.rs"]
mod liar;

use framemill::client::{
    ClientError, Colour, FormatRequest, FrameProducer, Next, Observer, PacketConsumer, Start,
};
use framemill::control::message::{Message, Refusal, SlotMemory};
use framemill::internals::engine::clients::new_wake;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::stats::Counter;
use framemill::shm::layout::flag;
use liar::recorded_ring;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{pread, pwrite};

const PACKETS: &str = include_str!("recorded/packets-v1.txt");
const FRAMES: &str = include_str!("recorded/frames-v1.txt");

fn packets() -> OwnedFd {
    recorded_ring(PACKETS, 131_072)
}

fn consumer(ring: OwnedFd, start: Start) -> Result<PacketConsumer, ClientError> {
    let descriptors = vec![ring, new_wake().unwrap().0];
    let engine = liar::Engine::start("recorded", Message::Packets { wake: true }, descriptors);
    PacketConsumer::connect(&engine.name(), start)
}

#[test]
fn packets_of_a_recorded_ring_are_read_as_they_were_written() {
    let mut consumer = consumer(packets(), Start::Oldest).unwrap();
    assert_eq!(consumer.largest_packet(), 65536);
    let mut bytes = [0; 65536];
    let flags = [
        flag::KEY | flag::CONFIG | flag::DISCONTINUITY,
        0,
        flag::CORRUPT,
        0,
    ];
    for (number, flags) in (3..7).zip(flags) {
        let Next::Packet(packet) = consumer.next(&mut bytes) else {
            panic!("{number}");
        };
        // Packet 4 wraps.
        assert!(
            bytes[..16_000]
                .iter()
                .all(|&byte| byte == 0x11 * (number as u8 + 1))
        );
        assert_eq!(
            (
                packet.sequence,
                packet.length,
                packet.flags,
                packet.generation
            ),
            (number, 16_000, flags, 2)
        );
        let times = (
            packet.timestamp,
            packet.committed,
            packet.queued,
            packet.dequeued,
            packet.published,
        );
        let since = number * 33_000_000;
        assert_eq!(
            times,
            (
                number * 33_366_666,
                8_000_000_000 + since,
                8_000_100_000 + since,
                8_010_000_000 + since,
                8_010_050_000 + since
            )
        );
    }
    let Next::Packet(end) = consumer.next(&mut bytes) else {
        panic!("no end");
    };
    assert_eq!(
        (end.flags, end.length, end.published),
        (flag::END, 0, 8_500_000_000)
    );
    assert_eq!(consumer.next(&mut bytes), Next::Empty);
    let mut headers = [0; 1024];
    let length = consumer.codec_headers(&mut headers);
    assert_eq!(
        headers[..length],
        [
            0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0, 0, 0, 1, 0x68, 0xee, 0x3c
        ]
    );
}

#[test]
fn a_newcomer_begins_at_the_recorded_key_packet() {
    let consumer = consumer(packets(), Start::Key).unwrap();
    assert_eq!(
        (
            consumer.position(),
            self::consumer(packets(), Start::Live).unwrap().position()
        ),
        (3, 8)
    );
}

#[test]
fn the_recorded_state_is_what_it_was() {
    let engine = liar::Engine::start("state", Message::Packets { wake: false }, vec![packets()]);
    let observer = Observer::connect(&engine.name()).unwrap();
    let header = observer.header();
    let status = &header.status;
    assert_eq!(
        (status.created.load(Relaxed), status.heartbeat.load(Relaxed)),
        (1_000_000_000, 9_000_000_000)
    );
    let words = [
        &status.pid,
        &status.state,
        &status.generation,
        &status.consumers,
        &status.producers,
    ];
    assert_eq!(
        words.map(|word| word.load(Relaxed)),
        [4711, 1, 0x1_0002, 3, 1]
    );
    let stream = header.stream.snapshot().unwrap();
    let words = [
        &stream.codec,
        &stream.format,
        &stream.width,
        &stream.height,
        &stream.coded_width,
        &stream.coded_height,
        &stream.rate_numerator,
        &stream.rate_denominator,
        &stream.memory,
        &stream.frame_slots,
        &stream.multiplanar,
        &stream.generation,
        &stream.colorspace,
        &stream.transfer,
        &stream.matrix,
        &stream.range,
    ];
    let fourcc = |name: &[u8; 4]| u32::from_le_bytes(*name);
    assert_eq!(
        words.map(|word| word.load(Relaxed)),
        [
            fourcc(b"H264"),
            fourcc(b"YU12"),
            1920,
            1080,
            1920,
            1088,
            30_000,
            1001,
            1,
            4,
            1,
            0x1_0002,
            3,
            1,
            2,
            2
        ]
    );
    assert_eq!(stream.device[0].load(Relaxed).to_le_bytes(), *b"/dev/vid");
    // Counters that are new since then are zero; those of then have their numbers.
    for (number, &(counter, name)) in Counter::ALL.iter().enumerate() {
        let value = header.counters[counter as usize].load(Relaxed);
        let expected = if number < 53 { 100 + number as u64 } else { 0 };
        assert_eq!(value, expected, "{name}");
    }
    assert_eq!(Counter::ALL[52].1, "slot_bytes_retained");
    assert_eq!(
        (
            header.latency[1].count.load(Relaxed),
            header.latency[1].max.load(Relaxed)
        ),
        (3, 4_000_000)
    );
}

#[test]
fn slots_of_a_recorded_frame_ring_are_taken_and_committed_as_then() {
    let ring = recorded_ring(FRAMES, 8192);
    let ours = ring.as_fd().try_clone_to_owned().unwrap();
    let memory = liar::slot_memory(3 * 65536, false);
    let answer = Message::Frames {
        slots: 3,
        memory_planes: 1,
        memory: SlotMemory::Copied,
    };
    let ((heard, filled), (free, _ours)) = (new_wake().unwrap(), new_wake().unwrap());
    let copy = memory.as_fd().try_clone_to_owned().unwrap();
    let descriptors = vec![ring, filled, free, copy];
    let engine = liar::Engine::start("recorded", answer, descriptors);
    let mut producer = FrameProducer::connect(&engine.name()).unwrap();
    assert_eq!(
        (producer.size(), producer.frame_rate()),
        ((64, 48), (25, 1))
    );
    for (slot, timestamp) in [(2, 7), (0, 8), (1, 0x1234_5678_9abc_def0)] {
        let taken = producer.acquire(Some(0)).unwrap().unwrap();
        assert_eq!(taken.index(), slot);
        let plane = taken.layout().planes()[2];
        assert!(
            taken
                .plane(0)
                .fill(plane.offset as usize, 1, slot as u8 + 1)
        );
        taken.commit(timestamp).unwrap();
    }
    assert!(producer.acquire(Some(0)).unwrap().is_none());
    let mut bytes = [0; 8192];
    assert_eq!(pread(&ours, &mut bytes[..], 0), Ok(8192));
    let word = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    // Pushed 3; entries of 24 bytes: slot, timestamp, time.
    assert_eq!((word(192), word(200), word(208)), (3, 2, 7));
    assert_eq!((word(224), word(232)), (0, 8));
    assert_eq!((word(248), word(256)), (1, 0x1234_5678_9abc_def0));
    assert!(word(264) >= word(240) && word(240) > 0);
    // Of the free queue three are popped.
    assert_eq!(word(1792), 3 << 32 | 3);
    let mut bytes_heard = [0; 16];
    assert_eq!(rustix::io::read(&heard, &mut bytes_heard), Ok(3));
    for slot in 0..3u8 {
        let mut drawn = [0];
        let at = u64::from(slot) * 65536 + 0xf00;
        assert_eq!(pread(&memory, &mut drawn, at), Ok(1));
        assert_eq!(drawn, [slot + 1]);
    }
}

/// The messages, as words.
#[test]
fn messages_are_the_bytes_that_they_were() {
    let words = |message: Message| {
        let bytes = message.encode();
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert_eq!(words[..2], [0x7463_4d46, 1]);
        assert_eq!(Message::decode(&bytes), Some(message));
        let end = words.iter().rposition(|&word| word != 0).unwrap();
        words[2..=end].to_vec()
    };
    let request = FormatRequest {
        format: 0x3231_5559,
        size: (640, 480),
        rate: (25, 1),
        copied: true,
        colour: Colour::new(3, 1, 2, 2),
    };
    let asked = [1, 0, 0x3231_5559, 640, 480, 25, 1, 1, 0x0202_0103];
    assert_eq!(words(Message::Produce(request)), asked);
    assert_eq!(words(Message::Consume { wake: true }), [2, 0, 1]);
    assert_eq!(words(Message::Observe), [3]);
    assert_eq!(words(Message::Finish), [4]);
    let frames = Message::Frames {
        slots: 4,
        memory_planes: 2,
        memory: SlotMemory::Exported,
    };
    assert_eq!(words(frames), [16, 0, 4, 2, 1]);
    assert_eq!(words(Message::Packets { wake: true }), [17, 0, 1]);
    assert_eq!(words(Message::Refused(Refusal::Reopened)), [18, 0, 10]);
}

#[test]
fn another_version_or_other_capacities_are_refused() {
    for (at, value) in [(8, 2u32), (24, 1024), (28, 128), (48, 2048), (52, 128)] {
        let ring = packets();
        assert_eq!(pwrite(&ring, &value.to_le_bytes(), at), Ok(4));
        let answer = consumer(ring, Start::Live).err();
        assert_eq!(answer, Some(ClientError::Protocol), "{at}");
    }
}
