//! A packet ring in which any word may be anything: refused, or read to its end within bounds, in a bounded number of steps.
#![no_main]

use std::sync::OnceLock;

use framemill::internals::limits::{CODEC_HEADER_BYTES, PACKET_DESCRIPTORS};
use framemill::internals::shm::layout::{PACKET_DATA_OFFSET, State, flag};
use framemill::internals::shm::map::PacketMap;
use framemill::internals::shm::packet_ring::{
    Next, Packet, Reader, Start, Writer, load_codec_headers, store_codec_headers,
};
use framemill::internals::shm::stats::percentile;
use framemill_fuzz::{Input, memfd};
use rustix::fs::SealFlags;
use rustix::io::pread;

const DATA: usize = 4096;
const TOTAL: usize = PACKET_DATA_OFFSET + DATA;

/// A ring as an engine leaves it after so many packets.
fn honest(packets: u64) -> Vec<u8> {
    let (map, fd) = PacketMap::create(DATA).expect("a ring");
    let mut writer = Writer::new(map.ring());
    for number in 0..packets {
        writer.append(&[number as u8; 100]).expect("it fits");
        let flags = if number % 5 == 0 { flag::KEY } else { 0 };
        writer.publish(&Packet {
            flags,
            ..Packet::default()
        });
    }
    store_codec_headers(&map.header().codec_headers, b"headers");
    let mut bytes = vec![0; TOTAL];
    assert_eq!(pread(&fd, &mut bytes[..], 0), Ok(TOTAL));
    bytes
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static HONEST: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    let rings = HONEST.get_or_init(|| [honest(3), honest(37), honest(600)]);
    let mut input = Input(data);
    let mut ring = rings[usize::from(input.byte()) % rings.len()].clone();
    let shape = input.byte();
    let start = match shape & 3 {
        0 => Start::Oldest,
        1 => Start::Key,
        _ => Start::Live,
    };
    let seals = if shape & 4 == 0 {
        SealFlags::SHRINK
    } else {
        SealFlags::empty()
    };
    let length = match shape >> 3 & 7 {
        0 => usize::from(input.half()) * 8,
        1 => PACKET_DATA_OFFSET,
        2 => TOTAL - 1,
        _ => TOTAL,
    };
    let mut target = vec![
        0;
        if shape & 64 == 0 {
            DATA
        } else {
            usize::from(input.byte())
        }
    ];
    input.patch(&mut ring, 64);
    let Ok(map) = PacketMap::open(memfd(&ring, length, seals)) else {
        return;
    };
    assert!(seals.contains(SealFlags::SHRINK) && length >= PACKET_DATA_OFFSET + map.data_bytes());
    let ring = map.ring();
    let mut reader = Reader::new(&ring, start);
    let mut steps = 0;
    loop {
        let next = if shape & 128 == 0 {
            reader.next(&ring, &mut target)
        } else {
            let mut piece = [0; 64];
            let at = usize::from(input.byte()) * 31;
            reader.next_in_place(&ring, |payload| {
                let count = payload.read(at, &mut piece);
                assert_eq!(count, payload.len().saturating_sub(at).min(piece.len()));
            })
        };
        match next {
            Next::Empty => break,
            Next::TooSmall(length) => {
                assert!(length as usize > target.len().min(map.data_bytes()));
                reader.skip();
            }
            Next::Packet(packet) => assert!(packet.length as usize <= map.data_bytes()),
            Next::Lapped(lost) => assert!(lost > 0),
        }
        // A descriptor is the packet of one sequence: a ring that stands still has no more packets than descriptors.
        steps += 1;
        assert!(steps <= PACKET_DESCRIPTORS + 2, "a reader without an end");
    }
    let header = map.header();
    assert!(
        load_codec_headers(&header.codec_headers, &mut [0; CODEC_HEADER_BYTES])
            <= CODEC_HEADER_BYTES
    );
    for histogram in &header.latency {
        let _ = percentile(histogram, 999);
    }
    let _ = State::name(
        header
            .status
            .state
            .load(framemill::internals::shm::atomic::Ordering::Relaxed),
    );
});
