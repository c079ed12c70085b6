//! Rings that are divided otherwise than the engine's are now, made by hand: version 1 allows them, and a C client goes by their words.

use framemill::control::message::{Message, SlotMemory};
use framemill::internals::engine::clients::new_wake;
use framemill::shm::layout::{FRAME_MAGIC, PACKET_MAGIC};
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::{pread, pwrite};

use super::{Client, OLDEST, liar, lied_to, words};

/// Words by their names.
type Values<'a> = &'a [(&'a str, u64)];

/// A sealed memfd with these words in so many bytes: the offset where the structure begins, its words, and their values by name.
fn made_by_hand(size: usize, parts: &[(usize, Vec<words::Word>, Values<'_>)]) -> OwnedFd {
    let mut bytes = vec![0; size];
    for (base, words, values) in parts {
        for (name, value) in *values {
            let word = words.iter().find(|word| word.name == *name).unwrap();
            let at = base + word.offset;
            bytes[at..at + word.bytes].copy_from_slice(&value.to_le_bytes()[..word.bytes]);
        }
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("by-hand", flags).unwrap();
    assert_eq!(pwrite(&fd, &bytes, 0), Ok(size));
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
}

/// Version 1 lets an engine divide its rings otherwise than any has done so far; the words say how.
#[test]
fn rings_of_other_capacities_are_used_as_their_words_say() {
    let descriptor = 16384 + 3 * 128;
    let values: Values<'_> = &[
        ("magic", PACKET_MAGIC),
        ("abi_version", 1),
        ("header_bytes", 16384),
        ("descriptors", 64),
        ("descriptor_bytes", 128),
        ("data_offset", 32768),
        ("data_bytes", 4096),
        ("codec_header_bytes", 2048),
        ("counter_words", 128),
        ("cursors.head", 68),
        ("cursors.tail", 67),
        ("cursors.newest_key", 68),
        ("codec_headers.length", 1500),
    ];
    // Number 67 of 64 descriptors; it wraps.
    let packet: Values<'_> = &[
        ("sequence", 67),
        ("position", 3 * 4096 + 4000),
        ("length", 500),
        ("flags", 1),
    ];
    let parts = [
        (0, words::packet_header(), values),
        (descriptor, words::descriptor(), packet),
    ];
    let ring = made_by_hand(32768 + 4096, &parts);
    assert_eq!(pwrite(&ring, &[2; 96], 32768 + 4000), Ok(96));
    assert_eq!(pwrite(&ring, &[3; 404], 32768), Ok(404));
    let descriptors = vec![ring, new_wake().unwrap().0];
    let engine = liar::Engine::start("capacities", Message::Packets { wake: true }, descriptors);
    let client = Client::start(&format!("@{}", engine.socket()), &["consume", "1", OLDEST]);
    let sum = 2 * 96 + 3 * 404;
    // It has room for 1024 bytes of headers, not for these: better none than half of them.
    assert_eq!(
        (client.opened, client.ended()),
        (
            0,
            format!("end 0\npackets 1 lost 0 bytes 500 sum {sum} headers 0\n")
        )
    );
}

#[test]
fn a_frame_ring_of_other_capacities_is_used_as_its_words_say() {
    let values: Values<'_> = &[
        ("magic", FRAME_MAGIC),
        ("abi_version", 1),
        ("total_bytes", 16384),
        ("width", 8),
        ("height", 2),
        ("slots", 3),
        ("planes", 1),
        ("memory_planes", 1),
        ("memory", 2),
        ("memory_bytes", 16),
        ("geometry[0].bytesperline", 8),
        ("geometry[0].row_bytes", 8),
        ("geometry[0].rows", 2),
        ("accounted", 10),
        ("published", 10),
        ("filled_offset", 256),
        ("free_offset", 8192),
        ("queue_entries", 128),
        ("queue_entry_bytes", 32),
        ("planes_max", 3),
        ("copy_alignment", 4096),
    ];
    let ring = made_by_hand(16384, &[(0, words::frame_ring(), values)]);
    for number in 0..3u32 {
        let at = 8192 + 8 + u64::from(number) * 32;
        assert_eq!(pwrite(&ring, &(2 - number).to_le_bytes(), at), Ok(4));
    }
    assert_eq!(pwrite(&ring, &3u32.to_le_bytes(), 8192), Ok(4));
    let (ours, memory) = (
        ring.try_clone().unwrap(),
        liar::slot_memory(3 * 4096, false),
    );
    let slots = memory.try_clone().unwrap();
    let (free, held) = (new_wake().unwrap(), new_wake().unwrap().0);
    let answer = Message::Frames {
        slots: 3,
        memory_planes: 1,
        memory: SlotMemory::Copied,
    };
    let engine = liar::Engine::start("capacities", answer, vec![ring, held, free.0, slots]);
    let (opened, said) = lied_to(&engine, &["produce", "3"]);
    let expected = "end 1\npublished 10 dropped 0 size 8x2 slots 3\n";
    assert_eq!((opened, &*said), (0, expected));
    let mut bytes = [0; 16384];
    assert_eq!(pread(&ours, &mut bytes[..], 0), Ok(16384));
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    assert_eq!((word(256), word(8192 + 4)), (3, 3));
    // Slots and timestamps, in the order in which they came.
    let entries = [0, 1, 2].map(|number| (word(264 + number * 32), word(264 + number * 32 + 8)));
    assert_eq!(entries, [(2, 3), (1, 2), (0, 1)]);
    for (slot, byte) in [(2, 3), (1, 2), (0, 1)] {
        let mut drawn = [0; 17];
        assert_eq!(pread(&memory, &mut drawn[..], slot * 4096), Ok(17));
        assert_eq!((&drawn[..16], drawn[16]), (&[byte; 16][..], 0));
    }
}
