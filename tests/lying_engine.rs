//! Clients of an engine that lies: sizes beyond the ABI's, memory that does not exist, descriptors of wrong kinds or in wrong
//! numbers, and wake descriptors that are always readable. Each client gets an error, and none waits in vain or spins.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use framemill::client::SocketName;
use framemill::client::{ClientError, FrameProducer, Observer, PacketConsumer, Start, Wait};
use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message, SlotMemory};
use framemill::internals::control::socket::Listener;
use framemill::internals::engine::clients::new_wake;
use framemill::internals::limits::{FRAME_BYTES_MAX, PACKET_RING_MAX, PACKET_RING_MIN};
use framemill::internals::media::format::lookup;
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::layout::{PACKET_DATA_OFFSET, copy_slot_bytes};
use framemill::internals::shm::map::{FrameMap, PacketMap};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_setfl, ftruncate, memfd_create,
    open,
};
use rustix::io::{IoSlice, pread, pwrite};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send, sendmsg,
};

/// A socket's name that no other has.
fn unique(name: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("framemill-liar-{}-{number}-{name}", std::process::id())
}

/// An engine that gives one client one answer, and keeps the connection until the client is gone.
struct Engine {
    name: String,
}

impl Engine {
    fn start(name: &str, answer: Message, descriptors: Vec<OwnedFd>) -> Self {
        let name = unique(name);
        let listener = Listener::bind(SocketName::Abstract(name.as_bytes()), 0o600, None).unwrap();
        fcntl_setfl(&listener, OFlags::empty()).unwrap();
        // Whoever listens lives as long as the thread: the name is a copy of its own.
        let held = listener.as_fd().try_clone_to_owned().unwrap();
        drop(listener);
        thread::spawn(move || {
            let client = rustix::net::accept(&held).unwrap();
            recv(&client, &mut [0; MESSAGE_SIZE], RecvFlags::empty()).unwrap();
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS + 1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let list: Vec<BorrowedFd> = descriptors.iter().map(AsFd::as_fd).collect();
            assert!(control.push(SendAncillaryMessage::ScmRights(&list)));
            let bytes = answer.encode();
            sendmsg(
                &client,
                &[IoSlice::new(&bytes)],
                &mut control,
                SendFlags::NOSIGNAL,
            )
            .unwrap();
            drop(descriptors);
            // Until the client closes, or says something.
            let _ = recv(&client, &mut [0; MESSAGE_SIZE], RecvFlags::empty());
        });
        Self { name }
    }

    fn name(&self) -> SocketName<'_> {
        SocketName::Abstract(self.name.as_bytes())
    }
}

/// A packet ring as an engine makes it, and its memfd.
fn packet_ring() -> OwnedFd {
    PacketMap::create(PACKET_RING_MIN as usize).unwrap().1
}

/// A copy of a packet ring's header in a sealed memfd of `size` bytes, of which the others are holes, with another `data_bytes`.
fn sparse_ring(size: u64, data_bytes: u64) -> OwnedFd {
    let mut header = vec![0; PACKET_DATA_OFFSET];
    assert_eq!(pread(packet_ring(), &mut header[..], 0), Ok(header.len()));
    let at = 48 - 8;
    assert_eq!(header[at..at + 8], u64::from(PACKET_RING_MIN).to_le_bytes());
    header[at..at + 8].copy_from_slice(&data_bytes.to_le_bytes());
    let fd = memfd_create("liar", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(pwrite(&fd, &header, 0), Ok(header.len()));
    ftruncate(&fd, size).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    fd
}

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

/// Descriptors that are neither memfds nor wake sockets.
fn wrong_kinds() -> Vec<(&'static str, OwnedFd)> {
    let file = |path: &str| open(path, OFlags::NONBLOCK, Mode::empty()).unwrap();
    let name = unique("kind");
    let listener = Listener::bind(SocketName::Abstract(name.as_bytes()), 0o600, None).unwrap();
    let listening = listener.as_fd().try_clone_to_owned().unwrap();
    let (reading, writing) = std::io::pipe().unwrap();
    let end = file(&format!("/proc/self/fd/{}", reading.as_raw_fd()));
    drop(writing);
    let (gone, other) = new_wake().unwrap();
    drop(gone);
    let datagrams = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::empty(),
        None,
    );
    vec![
        ("/dev/zero", file("/dev/zero")),
        ("/dev/null", file("/dev/null")),
        ("folder", file("/")),
        ("file", file("/proc/self/exe")),
        ("eventfd", eventfd(1, EventfdFlags::empty()).unwrap()),
        ("pipe at its end", end),
        ("listening socket", listening),
        ("datagrams", datagrams.unwrap().0),
        ("wake socket at its end", other),
    ]
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

/// A frame ring for three slots of 64x48 YU12, changed by `change`, and the bytes of a slot.
fn frame_ring(change: impl Fn(&FrameMap)) -> (OwnedFd, usize) {
    let (map, fd) = FrameMap::create().unwrap();
    let format = lookup(Fourcc::new(*b"YU12")).unwrap();
    let layout = format.tight(64, 48).unwrap();
    let ring = map.ring();
    ring.format.store(format.fourcc.0, Relaxed);
    ring.width.store(64, Relaxed);
    ring.height.store(48, Relaxed);
    ring.planes.store(layout.plane_count, Relaxed);
    ring.memory_planes.store(layout.memory_plane_count, Relaxed);
    for (word, &length) in ring.memory_bytes.iter().zip(&layout.memory_length) {
        word.store(length, Relaxed);
    }
    for (words, plane) in ring.geometry.iter().zip(&layout.planes) {
        words.memory_plane.store(plane.memory_plane, Relaxed);
        words.offset.store(plane.offset, Relaxed);
        words.bytesperline.store(plane.bytesperline, Relaxed);
        words.row_bytes.store(plane.row_bytes, Relaxed);
        words.rows.store(plane.rows, Relaxed);
    }
    change(&map);
    (fd, copy_slot_bytes(&layout.memory_length) as usize)
}

const SLOTS: u32 = 3;

/// A memfd as slots that are copied: `bytes` of it, with memory unless it is `sparse`.
fn slot_memory(bytes: usize, sparse: bool) -> OwnedFd {
    let fd = memfd_create("slots", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, bytes as u64).unwrap();
    if !sparse {
        assert_eq!(pwrite(&fd, &vec![0; bytes], 0), Ok(bytes));
    }
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
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
