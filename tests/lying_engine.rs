//! Clients of an engine that lies: sizes beyond the ABI's, memory that does not exist, descriptors of wrong kinds or in wrong
//! numbers, and wake descriptors that are always readable. Each client gets an error, and none waits in vain or spins.

#[path = "liar/mod.rs"]
mod liar;

use framemill::client::{ClientError, FrameProducer, Observer, PacketConsumer, Start, Wait};
use framemill::control::message::{Message, SlotMemory};
use framemill::internals::engine::clients::new_wake;
use framemill::internals::limits::{FRAME_BYTES_MAX, PACKET_RING_MAX, PACKET_RING_MIN};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::layout::PACKET_DATA_OFFSET;
use framemill::internals::shm::map::{FrameMap, PacketMap};
use liar::{Engine, SLOTS, frame_ring, packet_ring, slot_memory, sparse_ring, wrong_kinds};
use rustix::fd::OwnedFd;
use rustix::net::{SendFlags, send};

fn observed(name: &str, ring: OwnedFd) -> Result<Observer, ClientError> {
    let engine = Engine::start(name, Message::Packets { wake: false }, vec![ring]);
    Observer::connect(&engine.name())
}

fn consumed(name: &str, descriptors: Vec<OwnedFd>) -> Result<PacketConsumer, ClientError> {
    let engine = Engine::start(name, Message::Packets { wake: true }, descriptors);
    PacketConsumer::connect(&engine.name(), Start::Live)
}

/// Bytes of the largest mapping of a memfd of this name that cannot be written.
fn largest_mapping(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |digits| u64::from_str_radix(digits, 16).unwrap();
    text.lines()
        .filter(|line| line.contains(name) && line.contains(" r--s "))
        .filter_map(|line| line.split(' ').next()?.split_once('-'))
        .map(|(start, end)| number(end) - number(start))
        .max()
        .unwrap_or(0)
}

#[test]
fn an_observer_maps_no_more_than_the_header() {
    let ring = PacketMap::create(PACKET_RING_MAX as usize).unwrap().1;
    let observer = observed("header", ring).unwrap();
    assert!(largest_mapping("framemill-packets") < 1 << 20);
    assert_eq!(
        observer.header().data_bytes.load(Relaxed),
        u64::from(PACKET_RING_MAX)
    );
}

#[test]
fn a_ring_beyond_the_limit_or_of_memory_that_does_not_exist_is_refused_by_all() {
    let gib = 1 << 30;
    let offset = PACKET_DATA_OFFSET as u64;
    for (size, data) in [
        (offset + 16 * gib, 16 * gib),
        (offset + 16 * gib, u64::from(PACKET_RING_MIN)),
        (
            offset + u64::from(PACKET_RING_MAX),
            u64::from(PACKET_RING_MAX),
        ),
        (offset + u64::from(PACKET_RING_MIN), u64::MAX),
        (offset + u64::from(PACKET_RING_MIN), 1 << 63),
    ] {
        let answer = observed("sparse", sparse_ring(size, data)).err();
        assert_eq!(answer, Some(ClientError::Protocol), "{size} {data}");
        let (wake, _ours) = new_wake().unwrap();
        let answer = consumed("sparse", vec![sparse_ring(size, data), wake]).err();
        assert_eq!(answer, Some(ClientError::Protocol), "{size} {data}");
        assert_eq!(largest_mapping("liar"), 0);
    }
}

#[test]
fn no_wake_descriptor_makes_a_consumer_spin_or_wait_in_vain() {
    for (kind, wake) in wrong_kinds() {
        let consumer = match consumed("wake", vec![packet_ring(), wake]) {
            Ok(consumer) => consumer,
            Err(error) => {
                assert_eq!(error, ClientError::Protocol, "{kind}");
                continue;
            }
        };
        let answer = consumer.wait(Some(10_000_000_000));
        assert_eq!(answer, Ok(Wait::Gone), "{kind}");
    }
}

#[test]
fn the_connections_end_is_seen_beside_a_wake_socket_that_never_falls_silent() {
    let (wake, ours) = new_wake().unwrap();
    let engine = Engine::start(
        "flood",
        Message::Packets { wake: true },
        vec![packet_ring(), wake],
    );
    let consumer = PacketConsumer::connect(&engine.name(), Start::Live).unwrap();
    // More than one look takes.
    while send(&ours, &[1; 4096], SendFlags::DONTWAIT).is_ok() {}
    assert_eq!(consumer.wait(None), Ok(Wait::Ready));
    // The engine closes the connection when it hears something.
    consumer.request_key_frame().unwrap();
    let end = (0..1_000_000).find_map(|_| match consumer.wait(None) {
        Ok(Wait::Ready) => send(&ours, &[1], SendFlags::DONTWAIT).err().and(None),
        answer => Some(answer),
    });
    assert_eq!(end, Some(Ok(Wait::Gone)));
}

#[test]
fn a_ring_of_a_wrong_kind_and_descriptors_in_a_wrong_number_are_refused() {
    for (kind, ring) in wrong_kinds() {
        assert_eq!(
            observed("kind", ring).err(),
            Some(ClientError::Protocol),
            "{kind}"
        );
    }
    let more = vec![packet_ring(), packet_ring()];
    let engine = Engine::start("more", Message::Packets { wake: false }, more);
    assert_eq!(
        Observer::connect(&engine.name()).err(),
        Some(ClientError::Protocol)
    );
    let fewer = consumed("fewer", vec![packet_ring()]);
    assert_eq!(fewer.err(), Some(ClientError::Protocol));
}

fn produced(
    name: &str,
    memory: SlotMemory,
    ring: OwnedFd,
    wakes: [OwnedFd; 2],
    slots: Vec<OwnedFd>,
) -> Result<(), ClientError> {
    let answer = Message::Frames {
        slots: SLOTS,
        memory_planes: 1,
        memory,
    };
    let [filled, free] = wakes;
    let mut descriptors = vec![ring, filled, free];
    descriptors.extend(slots);
    let engine = Engine::start(name, answer, descriptors);
    FrameProducer::connect(&engine.name()).map(|_| ())
}

#[test]
fn a_producer_maps_only_memory_that_exists_and_frames_that_can_be() {
    let wakes = || [new_wake().unwrap().0, new_wake().unwrap().0];
    let copied = |name, change: &dyn Fn(&FrameMap), bytes: Option<usize>, sparse| {
        let (ring, slot) = frame_ring(change);
        let memory = slot_memory(bytes.unwrap_or(slot * SLOTS as usize), sparse);
        produced(name, SlotMemory::Copied, ring, wakes(), vec![memory])
    };
    let honest = |_: &FrameMap| {};
    assert_eq!(copied("honest", &honest, None, false), Ok(()));
    let refused = Err(ClientError::Protocol);
    assert_eq!(copied("holes", &honest, None, true), refused);
    assert_eq!(copied("short", &honest, Some(4096), false), refused);
    let longest = |map: &FrameMap| map.ring().memory_bytes[0].store(FRAME_BYTES_MAX + 1, Relaxed);
    assert_eq!(copied("huge", &longest, Some(16 << 30), true), refused);
    // Exported slots are dma-bufs, and nothing else.
    for (kind, _) in wrong_kinds() {
        let slots = wrong_kinds()
            .into_iter()
            .filter(|(other, _)| *other == kind);
        let slots: Vec<OwnedFd> = slots.map(|(_, fd)| fd).collect();
        let slots = [
            slots,
            vec![slot_memory(8192, false), slot_memory(8192, false)],
        ]
        .into_iter()
        .flatten()
        .collect();
        let answer = produced(
            "export",
            SlotMemory::Exported,
            frame_ring(honest).0,
            wakes(),
            slots,
        );
        assert_eq!(answer, refused, "{kind}");
    }
}

#[test]
fn a_producers_rings_and_wake_sockets_are_of_their_kinds() {
    let slots = || {
        let slot = frame_ring(|_| {}).1;
        vec![slot_memory(slot * SLOTS as usize, false)]
    };
    for (kind, odd) in wrong_kinds() {
        if kind == "wake socket at its end" {
            continue;
        }
        let wakes = [odd.try_clone().unwrap(), new_wake().unwrap().0];
        let ring = frame_ring(|_| {}).0;
        let answer = produced("filled", SlotMemory::Copied, ring, wakes, slots());
        assert_eq!(answer, Err(ClientError::Protocol), "filled: {kind}");
        let wakes = [new_wake().unwrap().0, odd.try_clone().unwrap()];
        let ring = frame_ring(|_| {}).0;
        let answer = produced("free", SlotMemory::Copied, ring, wakes, slots());
        assert_eq!(answer, Err(ClientError::Protocol), "free: {kind}");
        let wakes = [new_wake().unwrap().0, new_wake().unwrap().0];
        let answer = produced("ring", SlotMemory::Copied, odd, wakes, slots());
        assert_eq!(answer, Err(ClientError::Protocol), "ring: {kind}");
    }
}
