//! A double of the engine, for tests of its clients on any host: real rings and a real control socket, but no device. Packets are
//! published when the test says so; frames are taken and accounted for at once, unless it is frozen.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use framemill::client::SocketName;
use framemill::control::message::{MESSAGE_SIZE, Message, Refusal, SlotMemory};
use framemill::internals::control::socket::{Listener, send};
use framemill::internals::engine::clients::{new_wake, signal};
use framemill::internals::media::format::lookup;
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::shm::atomic::Ordering::{Relaxed, Release};
use framemill::internals::shm::frame_ring::{Entry, Popper, Pusher};
use framemill::internals::shm::layout::{
    Descriptor, FrameRing, PacketHeader, State, copy_slot_bytes, flag,
};
use framemill::internals::shm::map::{FrameMap, PacketMap};
use framemill::internals::shm::packet_ring::{Packet, Writer};
use framemill::internals::time::now;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fcntl_setfl, ftruncate, memfd_create,
};
use rustix::io::pwrite;
use rustix::net::{RecvFlags, recv};

const SLOTS: u32 = 3;

const RING_BYTES: usize = 1 << 20;

/// The engine's end of a connection, and what wakes the client, unless it is an observer.
type Client = (OwnedFd, Option<OwnedFd>);

/// The double. Its threads live as long as the test's process.
pub struct Engine {
    name: String,
    map: &'static PacketMap,
    clients: Arc<Mutex<Vec<Client>>>,
    frozen: Arc<AtomicBool>,
    scarce: Arc<AtomicU32>,
    committed: Arc<AtomicU32>,
    left: Arc<AtomicBool>,
}

/// `Engine::scarce`: nothing of the kind.
const PLENTY: u32 = 0;
/// The next producer gets one free slot, and the others after its first frame.
#[allow(dead_code, reason = "not every test that has this module produces")]
pub const ONE_SLOT: u32 = 1;
/// The next producer gets one free slot, and is disconnected as when the device is reopened.
#[allow(dead_code, reason = "not every test that has this module produces")]
pub const REOPENED: u32 = 2;

impl Engine {
    /// Listens at an abstract name of its own.
    pub fn start() -> Self {
        Self::start_with(RING_BYTES)
    }

    /// The same, with so many bytes for packets.
    pub fn start_with(ring_bytes: usize) -> Self {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        Self::start_as(
            format!("framemill-double-{}-{number}", std::process::id()),
            ring_bytes,
        )
    }

    /// Ends without an end mark, as an engine that is killed: the next one can have the name.
    #[allow(
        dead_code,
        reason = "not every test that has this module needs another"
    )]
    pub fn leave(self) -> Self {
        self.leave_for(Duration::ZERO)
    }

    /// The same, and nobody has the name for so long.
    #[allow(
        dead_code,
        reason = "not every test that has this module needs another"
    )]
    pub fn leave_for(self, pause: Duration) -> Self {
        self.left.store(true, Ordering::Relaxed);
        // It waits for a client.
        let _ = framemill::client::Observer::connect(&self.address());
        while Arc::strong_count(&self.left) > 1 {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(pause);
        Self::start_as(self.name, RING_BYTES)
    }

    fn start_as(name: String, ring_bytes: usize) -> Self {
        let bytes: &'static [u8] = name.clone().leak().as_bytes();
        let listener = Listener::bind(SocketName::Abstract(bytes), 0o600, None).unwrap();
        fcntl_setfl(&listener, OFlags::empty()).unwrap();
        let (map, ring) = PacketMap::create(ring_bytes).unwrap();
        let map: &'static PacketMap = Box::leak(Box::new(map));
        let status = &map.header().status;
        status.state.store(State::Running as u32, Relaxed);
        // Young enough for ten seconds.
        status.heartbeat.store(now(), Relaxed);
        let engine = Self {
            name,
            map,
            clients: Arc::default(),
            frozen: Arc::default(),
            scarce: Arc::default(),
            committed: Arc::default(),
            left: Arc::default(),
        };
        let left = engine.left.clone();
        let (clients, frozen) = (engine.clients.clone(), engine.frozen.clone());
        let (committed, scarce) = (engine.committed.clone(), engine.scarce.clone());
        thread::spawn(move || {
            loop {
                let client = listener.accept().unwrap().unwrap();
                if left.load(Ordering::Relaxed) {
                    clients.lock().unwrap().clear();
                    drop(listener);
                    return;
                }
                fcntl_setfl(&client, OFlags::empty()).unwrap();
                let mut bytes = [0; MESSAGE_SIZE];
                let heard = recv(&client, &mut bytes[..], RecvFlags::empty());
                // A client that a signal ended may have said nothing, or not wait for the answer.
                if !matches!(heard, Ok((MESSAGE_SIZE, _))) {
                    continue;
                }
                match Message::decode(&bytes) {
                    Some(Message::Consume { .. }) => {
                        let (theirs, ours) = new_wake().unwrap();
                        let answer = Message::Packets { wake: true };
                        let _ = send(&client, &answer, &[ring.as_fd(), theirs.as_fd()]);
                        clients.lock().unwrap().push((client, Some(ours)));
                    }
                    Some(Message::Observe) => {
                        let answer = Message::Packets { wake: false };
                        let _ = send(&client, &answer, &[ring.as_fd()]);
                        clients.lock().unwrap().push((client, None));
                    }
                    Some(Message::Produce(_)) => {
                        let (frozen, committed) = (frozen.clone(), committed.clone());
                        let scarce = scarce.swap(PLENTY, Ordering::Relaxed);
                        thread::spawn(move || take_frames(&client, scarce, &frozen, &committed));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        engine
    }

    /// The value of `--socket`.
    pub fn socket(&self) -> String {
        format!("@{}", self.name)
    }

    /// Its name.
    #[allow(
        dead_code,
        reason = "not every test that has this module connects by itself"
    )]
    pub fn address(&self) -> SocketName<'_> {
        SocketName::Abstract(self.name.as_bytes())
    }

    /// A writer of the packet ring: one for each engine.
    pub fn writer(&self) -> Writer<'static, impl framemill::internals::shm::circle::Bytes + use<>> {
        Writer::new(self.map.ring())
    }

    /// Publishes a packet of so many bytes, and wakes the consumers.
    pub fn publish<B: framemill::internals::shm::circle::Bytes>(
        &self,
        writer: &mut Writer<'_, B>,
        bytes: usize,
        flags: u32,
    ) {
        let packet = Packet {
            flags,
            ..Packet::default()
        };
        self.publish_packet(writer, &vec![1; bytes], &packet);
    }

    /// The same for these bytes, with all that is known of them.
    pub fn publish_packet<B: framemill::internals::shm::circle::Bytes>(
        &self,
        writer: &mut Writer<'_, B>,
        bytes: &[u8],
        packet: &Packet,
    ) {
        writer.append(bytes).unwrap();
        writer.publish(packet);
        for (_, wake) in self.clients.lock().unwrap().iter() {
            // An observer is not woken.
            if let Some(wake) = wake {
                signal(wake);
            }
        }
    }

    /// The ring's header, where the engine says what it is.
    #[allow(
        dead_code,
        reason = "not every test that has this module cares what the stream is"
    )]
    pub fn header(&self) -> &'static PacketHeader {
        self.map.header()
    }

    /// The descriptor of a packet, where the engine says what it is.
    #[allow(
        dead_code,
        reason = "not every test that has this module describes packets"
    )]
    pub fn descriptor(&self, sequence: u64) -> &'static Descriptor {
        let descriptors = self.map.ring().descriptors;
        &descriptors[sequence as usize % descriptors.len()]
    }

    /// The same for a key packet and `count` others.
    #[allow(
        dead_code,
        reason = "not every test that has this module publishes so many"
    )]
    pub fn publish_gop<B: framemill::internals::shm::circle::Bytes>(
        &self,
        writer: &mut Writer<'_, B>,
        count: usize,
        bytes: usize,
    ) {
        self.publish(writer, bytes, flag::KEY);
        for _ in 0..count {
            self.publish(writer, bytes, 0);
        }
    }

    /// Waits for the next client, and gives the engine's end of its connection.
    #[allow(
        dead_code,
        reason = "not every test that has this module listens to clients"
    )]
    pub fn client(&self) -> OwnedFd {
        loop {
            if let Some((client, _)) = self.clients.lock().unwrap().last() {
                return client.as_fd().try_clone_to_owned().unwrap();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Consumers and observers that connected so far.
    #[allow(
        dead_code,
        reason = "not every test that has this module counts clients"
    )]
    pub fn connections(&self) -> usize {
        self.clients.lock().unwrap().len()
    }

    /// Consumers that are connected now. The engine says so in its status, too.
    #[allow(
        dead_code,
        reason = "not every test that has this module counts clients"
    )]
    pub fn consumers(&self) -> usize {
        let mut clients = self.clients.lock().unwrap();
        clients.retain(|(client, _)| {
            let mut poll = [PollFd::new(client, PollFlags::empty())];
            rustix::event::poll(&mut poll, Some(&Timespec::default())) == Ok(0)
        });
        let consumers = clients.iter().filter(|(_, wake)| wake.is_some()).count();
        let status = &self.map.header().status;
        status.consumers.store(consumers as u32, Relaxed);
        consumers
    }

    /// Frames that the latest producer committed.
    #[allow(dead_code, reason = "not every test that has this module produces")]
    pub fn committed(&self) -> u32 {
        self.committed.load(Ordering::Relaxed)
    }

    /// From now on frames are taken by nobody.
    #[allow(dead_code, reason = "not every test that has this module produces")]
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    /// The next producer, and no other, gets fewer slots: `ONE_SLOT` or `REOPENED`.
    #[allow(dead_code, reason = "not every test that has this module produces")]
    pub fn be_scarce(&self, how: u32) {
        self.scarce.store(how, Ordering::Relaxed);
    }
}

/// Lets a producer in: three slots of 64x48 YU12 that are copied. Takes and accounts for its frames until it is gone.
fn take_frames(client: &OwnedFd, scarce: u32, frozen: &AtomicBool, committed: &AtomicU32) {
    let (map, ring) = FrameMap::create().unwrap();
    let words = map.ring();
    let bytes = describe(words);
    let memory = memfd_create("slots", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&memory, bytes as u64).unwrap();
    assert_eq!(pwrite(&memory, &vec![0; bytes], 0), Ok(bytes));
    fcntl_add_seals(&memory, SealFlags::SHRINK).unwrap();
    let (mut give, mut take) = (Pusher::default(), Popper::default());
    let free = |slot| Entry {
        slot,
        ..Entry::default()
    };
    let mut given = if scarce == PLENTY { SLOTS } else { 1 };
    for slot in 0..given {
        give.push(&words.free, free(slot));
    }
    let ((_filled, held), (refill, wake)) = (new_wake().unwrap(), new_wake().unwrap());
    let answer = Message::Frames {
        slots: SLOTS,
        memory_planes: 1,
        memory: SlotMemory::Copied,
    };
    let descriptors = [ring.as_fd(), held.as_fd(), refill.as_fd(), memory.as_fd()];
    // A client that a signal ended does not wait for it.
    if send(client, &answer, &descriptors).is_err() {
        return;
    }
    if scarce == REOPENED {
        send(client, &Message::Refused(Refusal::Reopened), &[]).unwrap();
        return;
    }
    let mut published = 0;
    loop {
        thread::sleep(Duration::from_millis(1));
        committed.store(words.filled.head.load(Relaxed), Ordering::Relaxed);
        while !frozen.load(Ordering::Relaxed)
            && let Some(entry) = take.pop(&words.filled).unwrap()
        {
            published += 1;
            words.published.store(published, Relaxed);
            words.accounted.store(published, Release);
            give.push(&words.free, free(entry.slot));
            while given < SLOTS {
                give.push(&words.free, free(given));
                given += 1;
            }
            signal(&wake);
        }
        if recv(client, &mut [0; MESSAGE_SIZE], RecvFlags::DONTWAIT)
            .is_ok_and(|(length, _)| length == 0)
        {
            return;
        }
    }
}

/// Describes the slots; gives the bytes of all of them.
fn describe(ring: &FrameRing) -> usize {
    let format = lookup(Fourcc::new(*b"YU12")).unwrap();
    let layout = format.tight(64, 48).unwrap();
    ring.format.store(format.fourcc.0, Relaxed);
    ring.width.store(64, Relaxed);
    ring.height.store(48, Relaxed);
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
        words.allocated_rows.store(plane.allocated_rows, Relaxed);
    }
    copy_slot_bytes(&layout.memory_length) as usize * SLOTS as usize
}
