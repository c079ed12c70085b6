//! The sink, with coded buffers as drivers give them.

use super::*;
use crate::limits::PACKET_RING_MIN;
use crate::shm::map::PacketMap;
use crate::shm::packet_ring::{Next, Reader, Start, load_codec_headers};
use std::vec::Vec;

const SPS: &[u8] = b"\0\0\0\x01\x67\x42\0\0\0\x01\x68\xce";
const IDR: &[u8] = b"\0\0\0\x01\x65\x88\x84";
/// In place of a coded buffer: the encoder is restarted.
const RESTART: &[u8] = b"restart";

/// Puts `frames` frames into an encoder that answers with these coded buffers: key (counted from 1; 0 unknown), bytes,
/// full. Gives the packets, their bytes, and the counters asked for.
fn answer(
    frames: u32,
    buffers: &[(u64, &[u8], bool)],
    counters: &[Counter],
) -> (Vec<(Packet, Vec<u8>)>, Vec<u64>) {
    answer_and(frames, buffers, counters, |_| ())
}

/// The same, with a look at the ring's header after each coded buffer.
fn answer_and(
    frames: u32,
    buffers: &[(u64, &[u8], bool)],
    counters: &[Counter],
    mut look: impl FnMut(&PacketHeader),
) -> (Vec<(Packet, Vec<u8>)>, Vec<u64>) {
    let (map, _) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
    let header = map.header();
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    let mut pipeline = Pipeline::new(frames, stats);
    let mut keys = std::vec![0];
    for number in 0..frames {
        let slot = pipeline.acquire(0).unwrap();
        pipeline
            .commit(slot, u64::from(number) + 100, 5000, 5000)
            .unwrap();
        keys.push(pipeline.next().unwrap().1);
        pipeline.queued(6000);
    }
    let mut publisher = Publisher::new(header, Writer::new(map.ring()), stats, Fourcc::H264);
    for &(key, bytes, full) in buffers {
        if bytes == RESTART {
            publisher.restarted();
            continue;
        }
        let coded = Coded::sample(keys[key as usize], bytes.len(), full);
        publisher.take(&coded, bytes.into(), 7000, &mut pipeline);
        look(header);
    }
    publisher.expire(u64::MAX, &mut pipeline);
    let mut reader = Reader::new(&map.ring(), Start::Oldest);
    let mut target = std::vec![0; PACKET_RING_MIN as usize];
    let mut packets = Vec::new();
    while let Next::Packet(packet) = reader.next(&map.ring(), &mut target) {
        packets.push((packet, target[..packet.length as usize].to_vec()));
    }
    (
        packets,
        counters.iter().map(|&counter| stats.get(counter)).collect(),
    )
}

#[test]
fn parts_with_one_timestamp_become_one_packet() {
    let parts: &[(u64, &[u8], bool)] = &[
        (1, IDR, true),
        (1, b"more", true),
        (1, b"end", false),
        (2, IDR, true),
    ];
    let (packets, counts) = answer(
        2,
        parts,
        &[Counter::FragmentsJoined, Counter::FramesPublished],
    );
    assert_eq!(packets[0].1, [IDR, b"more", b"end"].concat());
    assert_eq!(
        (packets[0].0.timestamp, packets[0].0.flags),
        (100, flag::KEY)
    );
    assert_eq!(packets[1].1, IDR);
    assert_eq!((packets.len(), counts), (2, std::vec![2, 2]));
}

#[test]
fn an_empty_buffer_ends_a_packet_that_was_full_to_the_last_byte() {
    let parts: &[(u64, &[u8], bool)] = &[(1, IDR, true), (1, b"", false)];
    let (packets, counts) = answer(
        1,
        parts,
        &[Counter::FramesPublished, Counter::PacketsUnmatched],
    );
    assert_eq!((packets.len(), counts), (1, std::vec![1, 0]));
}

#[test]
fn another_producers_first_packet_is_discontinuous_and_nothing_else_is() {
    let (map, _) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
    let header = map.header();
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    let mut pipeline = Pipeline::new(4, stats);
    let mut publisher = Publisher::new(header, Writer::new(map.ring()), stats, Fourcc::H264);
    for producer in 0..2 {
        pipeline.attach();
        for _ in 0..2 {
            let slot = pipeline.acquire(0).unwrap();
            pipeline.commit(slot, producer, 1, 1).unwrap();
            let key = pipeline.next().unwrap().1;
            pipeline.queued(2);
            publisher.take(
                &Coded::sample(key, IDR.len(), false),
                IDR.into(),
                3,
                &mut pipeline,
            );
        }
        pipeline.reclaim();
    }
    let mut reader = Reader::new(&map.ring(), Start::Oldest);
    let mut target = std::vec![0; PACKET_RING_MIN as usize];
    let mut marks = Vec::new();
    while let Next::Packet(packet) = reader.next(&map.ring(), &mut target) {
        marks.push(packet.flags & flag::DISCONTINUITY != 0);
    }
    assert_eq!(marks, [false, false, true, false]);
}

#[test]
fn codec_headers_alone_are_put_before_the_first_packet() {
    let (packets, _) = answer(1, &[(0, SPS, false), (1, IDR, false)], &[]);
    assert_eq!(packets[0].1, [SPS, IDR].concat());
    assert_eq!(packets[0].0.flags, flag::KEY | flag::CONFIG);
}

#[test]
fn codec_headers_in_several_buffers_are_kept_whole() {
    let sps = b"\0\0\0\x01\x67\x42";
    let pps = b"\0\0\0\x01\x68\xce";
    let both = [&sps[..], pps].concat();
    let mut kept = Vec::new();
    let parts: &[(u64, &[u8], bool)] = &[
        (0, sps, false),
        (0, pps, false),
        (1, IDR, false),
        (0, sps, false),
    ];
    let (packets, _) = answer_and(1, parts, &[], |header| {
        let mut target = [0; CODEC_HEADER_BYTES];
        let length = load_codec_headers(&header.codec_headers, &mut target);
        kept.push(target[..length].to_vec());
    });
    assert_eq!(packets[0].1, [both.clone(), IDR.to_vec()].concat());
    // Nothing before the frame, and what comes after it is not whole yet.
    assert_eq!(kept, [std::vec![], std::vec![], both.clone(), both]);
}

#[test]
fn codec_headers_of_a_stream_that_was_cut_off_are_not_the_next_ones() {
    let (old, new) = (b"\0\0\0\x01\x67\x42", b"\0\0\0\x01\x67\x64");
    let parts: &[(u64, &[u8], bool)] = &[
        (0, old, false),
        (0, RESTART, false),
        (0, new, false),
        (1, IDR, false),
    ];
    let mut kept = Vec::new();
    let (packets, _) = answer_and(1, parts, &[], |header| {
        let mut target = [0; CODEC_HEADER_BYTES];
        let length = load_codec_headers(&header.codec_headers, &mut target);
        kept = target[..length].to_vec();
    });
    assert_eq!(packets[0].1, [&new[..], IDR].concat());
    assert_eq!(kept, new);
}

#[test]
fn a_first_packet_without_a_timestamp_is_the_oldest_frames() {
    let parts: &[(u64, &[u8], bool)] = &[(0, IDR, false), (2, b"\0\0\x01\x41", false)];
    let (packets, counts) = answer(
        2,
        parts,
        &[Counter::FramesPublished, Counter::PacketsUnmatched],
    );
    assert_eq!((packets[0].0.timestamp, packets[1].0.timestamp), (100, 101));
    assert_eq!(counts, [2, 0]);
}

#[test]
fn an_empty_buffer_is_a_dropped_frame_and_the_next_packet_says_so() {
    let (packets, counts) = answer(
        2,
        &[(1, b"", false), (2, IDR, false)],
        &[Counter::DroppedEncoder],
    );
    assert_eq!(
        (packets.len(), packets[0].0.flags),
        (1, flag::KEY | flag::DISCONTINUITY)
    );
    assert_eq!(counts, [1]);
}

#[test]
fn a_packet_larger_than_the_ring_is_dropped_and_counted() {
    let large = std::vec![1; PACKET_RING_MIN as usize + 1];
    let (packets, counts) = answer(
        2,
        &[(1, &large, false), (2, IDR, false)],
        &[Counter::DroppedTooLarge],
    );
    assert_eq!((packets.len(), counts), (1, std::vec![1]));
    assert_eq!(packets[0].1, IDR);
}

#[test]
fn a_frame_behind_a_gap_says_so_in_its_own_packet() {
    let (map, _) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
    let stats = Stats {
        counters: &map.header().counters,
        latency: &map.header().latency,
    };
    let mut pipeline = Pipeline::new(3, stats);
    let mut publisher = Publisher::new(map.header(), Writer::new(map.ring()), stats, Fourcc::H264);
    for number in 0..3 {
        let slot = pipeline.acquire(5000).unwrap();
        pipeline.commit(slot, number, 5000, 5000).unwrap();
        if number == 1 {
            pipeline.mark_newest();
        }
        let key = pipeline.next().unwrap().1;
        pipeline.queued(6000);
        let coded = Coded::sample(key, IDR.len(), false);
        publisher.take(&coded, IDR.into(), 7000, &mut pipeline);
    }
    let mut reader = Reader::new(&map.ring(), Start::Oldest);
    let mut flagged = Vec::new();
    while let Next::Packet(packet) = reader.next(&map.ring(), &mut [0; 100]) {
        flagged.push(packet.flags & flag::DISCONTINUITY != 0);
    }
    assert_eq!(flagged, [false, true, false]);
}
