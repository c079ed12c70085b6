//! A producer at an engine that sends whatever it likes: refused, or its slots can be written as the layout says, within bounds.
#![no_main]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::mem::MaybeUninit;
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, OnceLock};
use std::thread;

use framemill::client::FrameProducer;
use framemill::client::SocketName;
use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message, SlotMemory};
use framemill::internals::control::socket::Listener;
use framemill::internals::engine::clients::new_wake;
use framemill::internals::media::format::lookup;
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::frame_ring::{Entry, Pusher};
use framemill::internals::shm::layout::{FRAME_RING_BYTES, copy_slot_bytes};
use framemill::internals::shm::map::FrameMap;
use framemill_fuzz::{Input, memfd};
use rustix::fs::{OFlags, SealFlags, fcntl_setfl};
use rustix::io::{IoSlice, pread};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};

const SLOTS: u32 = 3;
const SIZE: (u32, u32) = (64, 48);

/// What the engine answers: bytes, descriptors, and whether it closes the connection at once.
type Answer = (Vec<u8>, Vec<OwnedFd>, bool);

static NAME: LazyLock<String> = LazyLock::new(|| format!("framemill-fuzz-{}", std::process::id()));

/// Accepts one client after the other, each with the next answer. The connection before is closed with the next.
fn engine() -> Sender<Answer> {
    let listener =
        Listener::bind(SocketName::Abstract(NAME.as_bytes()), 0o600, None).expect("a socket");
    // It waits.
    fcntl_setfl(&listener, OFlags::empty()).expect("its flags");
    let (sender, answers) = channel::<Answer>();
    thread::spawn(move || {
        let mut before = None;
        for (bytes, fds, close) in answers {
            let client = listener.accept().expect("a client").expect("it waits");
            fcntl_setfl(&client, OFlags::empty()).expect("its flags");
            recv(&client, &mut [0; MESSAGE_SIZE], RecvFlags::empty()).expect("a message");
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_FDS + 1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let fds: Vec<BorrowedFd> = fds.iter().map(AsFd::as_fd).collect();
            if !fds.is_empty() {
                assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
            }
            let _ = sendmsg(
                &client,
                &[IoSlice::new(&bytes)],
                &mut control,
                SendFlags::NOSIGNAL,
            );
            before = (!close).then_some(client);
        }
        drop(before);
    });
    sender
}

/// A frame ring as an engine makes it for slots that are copied, with each slot free; and the bytes of a slot.
fn honest() -> (Vec<u8>, usize) {
    let (map, fd) = FrameMap::create().expect("a ring");
    let format = lookup(Fourcc::new(*b"YU12")).expect("a format");
    let layout = format.tight(SIZE.0, SIZE.1).expect("a layout");
    let ring = map.ring();
    ring.format.store(format.fourcc.0, Relaxed);
    ring.width.store(SIZE.0, Relaxed);
    ring.height.store(SIZE.1, Relaxed);
    ring.rate_numerator.store(30, Relaxed);
    ring.rate_denominator.store(1, Relaxed);
    ring.slots.store(SLOTS, Relaxed);
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
    let mut free = Pusher::default();
    for slot in 0..SLOTS {
        free.push(
            &ring.free,
            Entry {
                slot,
                ..Entry::default()
            },
        );
    }
    let mut bytes = vec![0; FRAME_RING_BYTES];
    assert_eq!(pread(&fd, &mut bytes[..], 0), Ok(FRAME_RING_BYTES));
    (bytes, copy_slot_bytes(&layout.memory_length) as usize)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static HONEST: OnceLock<(Vec<u8>, usize)> = OnceLock::new();
    static ENGINE: OnceLock<Sender<Answer>> = OnceLock::new();
    let (ring, slot_bytes) = HONEST.get_or_init(honest);
    let (mut ring, mut slots) = (ring.clone(), *slot_bytes * SLOTS as usize);
    let mut input = Input(data);
    let shape = input.byte();
    let mut message = Message::Frames {
        slots: SLOTS,
        memory_planes: 1,
        memory: SlotMemory::Copied,
    }
    .encode();
    if shape & 1 != 0 {
        let count = usize::from(input.byte() % 8);
        input.patch(&mut message, count);
    }
    let bytes = match shape >> 1 & 7 {
        0 => vec![0; 300],
        1 => message[..usize::from(input.byte()) % MESSAGE_SIZE].to_vec(),
        _ => message.to_vec(),
    };
    if shape & 16 != 0 {
        slots = (input.word() as usize) % (1 << 20);
    }
    let (mut ring_seals, mut slot_seals) = (SealFlags::SHRINK, SealFlags::SHRINK);
    let mut length = FRAME_RING_BYTES;
    let mut count = 4;
    if shape & 32 != 0 {
        let odd = input.byte();
        ring_seals.set(SealFlags::SHRINK, odd & 1 == 0);
        slot_seals.set(SealFlags::SHRINK, odd & 2 == 0);
        if odd & 4 != 0 {
            length = usize::from(input.half());
        }
        if odd & 8 != 0 {
            count = usize::from(input.byte());
        }
    }
    input.patch(&mut ring, 64);
    let (filled, held) = new_wake().expect("sockets");
    let (refill, free) = new_wake().expect("sockets");
    let mut fds = vec![
        memfd(&ring, length, ring_seals),
        held,
        refill,
        // With memory: holes are refused.
        memfd(&vec![0; slots], slots, slot_seals),
    ];
    while fds.len() < count.min(MESSAGE_FDS + 1) {
        let more = rustix::io::dup(&fds[3]).expect("a descriptor");
        fds.push(more);
    }
    fds.truncate(count);
    let engine = ENGINE.get_or_init(engine);
    engine
        .send((bytes, fds, shape & 64 != 0))
        .expect("the engine lives");
    let Ok(mut producer) = FrameProducer::connect(&SocketName::Abstract(NAME.as_bytes())) else {
        return;
    };
    let layout = *producer.layout();
    let _ = (
        producer.format(),
        producer.size(),
        producer.frame_rate(),
        producer.accounts(),
    );
    // What `push` asks.
    let _ = (layout.frame_bytes(), layout.is_packed());
    for number in 0..8 {
        let Ok(Some(slot)) = producer.acquire(Some(0)) else {
            break;
        };
        for plane in layout.planes() {
            let memory = slot.plane(plane.memory_plane as usize);
            let rows = usize::try_from(plane.rows).expect("rows");
            assert!(
                rows <= memory.len(),
                "more rows than bytes: whoever fills them is busy for long"
            );
            for row in [0, plane.rows / 2, plane.rows - 1] {
                let start = plane.row_start(row).expect("a row");
                assert!(memory.fill(start, plane.row_bytes as usize, 1));
            }
        }
        if number % 3 == 2 {
            continue;
        }
        if slot.commit(number).is_err() {
            break;
        }
    }
    let _ = producer.finish(Some(0));
    drop((filled, free));
});
