//! An engine that lies: it gives one client one answer with descriptors of any kind. And what it may pass: rings with wrong sizes, memory
//! that does not exist, descriptors that are something else.

#![allow(
    dead_code,
    reason = "not every test that has this module tells every lie"
)]

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use framemill::client::SocketName;
use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message};
use framemill::internals::control::socket::Listener;
use framemill::internals::engine::clients::new_wake;
use framemill::internals::limits::PACKET_RING_MIN;
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
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};

/// A socket's name that no other has.
pub fn unique(name: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("framemill-liar-{}-{number}-{name}", std::process::id())
}

/// An engine that gives one client one answer, and keeps the connection until the client is gone.
pub struct Engine {
    name: String,
}

impl Engine {
    pub fn start(name: &str, answer: Message, descriptors: Vec<OwnedFd>) -> Self {
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
            if !list.is_empty() {
                assert!(control.push(SendAncillaryMessage::ScmRights(&list)));
            }
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

    /// Its name in words.
    pub fn socket(&self) -> &str {
        &self.name
    }

    pub fn name(&self) -> SocketName<'_> {
        SocketName::Abstract(self.name.as_bytes())
    }
}

/// A packet ring as an engine makes it, and its memfd.
pub fn packet_ring() -> OwnedFd {
    PacketMap::create(PACKET_RING_MIN as usize).unwrap().1
}

/// A copy of a packet ring's header in a sealed memfd of `size` bytes, of which the others are holes, with another `data_bytes`.
pub fn sparse_ring(size: u64, data_bytes: u64) -> OwnedFd {
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

/// Descriptors that are neither memfds nor wake sockets.
pub fn wrong_kinds() -> Vec<(&'static str, OwnedFd)> {
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

/// A frame ring for three slots of 64x48 YU12, changed by `change`, and the bytes of a slot.
pub fn frame_ring(change: impl Fn(&FrameMap)) -> (OwnedFd, usize) {
    let (map, fd) = FrameMap::create().unwrap();
    let format = lookup(Fourcc::new(*b"YU12")).unwrap();
    let layout = format.tight(64, 48).unwrap();
    let ring = map.ring();
    ring.format.store(format.fourcc.0, Relaxed);
    ring.width.store(64, Relaxed);
    ring.height.store(48, Relaxed);
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
    change(&map);
    (fd, copy_slot_bytes(&layout.memory_length) as usize)
}

pub const SLOTS: u32 = 3;

/// A memfd as slots that are copied: `bytes` of it, with memory unless it is `sparse`.
pub fn slot_memory(bytes: usize, sparse: bool) -> OwnedFd {
    let fd = memfd_create("slots", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, bytes as u64).unwrap();
    if !sparse {
        assert_eq!(pwrite(&fd, &vec![0; bytes], 0), Ok(bytes));
    }
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
}

/// A ring of so many bytes as one of `tests/recorded` describes it.
pub fn recorded_ring(text: &str, size: usize) -> OwnedFd {
    let mut bytes = vec![0; size];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let at: usize = words.next().unwrap().parse().unwrap();
        let word = u64::from_str_radix(words.next().unwrap(), 16).unwrap();
        let count = words.next().map_or(1, |count| count[1..].parse().unwrap());
        for place in bytes[at..].chunks_exact_mut(8).take(count) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    let fd = memfd_create("recorded", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(pwrite(&fd, &bytes, 0), Ok(size));
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    fd
}
