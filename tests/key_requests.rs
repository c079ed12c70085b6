//! When a consumer requests a key frame by itself: whenever a decoder would have nothing to begin with, and no more often.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use framemill::client::SocketName;
use framemill::client::{Change, Next, PacketConsumer, Start};
use framemill::control::message::{MESSAGE_SIZE, Message};
use framemill::internals::control::socket::{Listener, Received, receive_plain, send};
use framemill::internals::engine::clients::new_wake;
use framemill::internals::limits::{KEY_FRAME_PAUSE_MS, PACKET_DESCRIPTORS, PACKET_RING_MIN};
use framemill::internals::shm::map::PacketMap;
use framemill::internals::shm::packet_ring::{Packet, Writer};
use framemill::shm::layout::flag;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::{RecvFlags, recv};

/// A consumer of this ring, and the engine's end of its connection.
fn join(ring: &OwnedFd, start: Start) -> (PacketConsumer, OwnedFd) {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let name = format!("framemill-keys-{}-{number}", std::process::id());
    let name = SocketName::Abstract(name.as_bytes());
    let listener = Listener::bind(name, 0o600, None).unwrap();
    fcntl_setfl(&listener, OFlags::empty()).unwrap();
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let listener = &listener;
        scope.spawn(move || {
            let client = listener.accept().unwrap().unwrap();
            fcntl_setfl(&client, OFlags::empty()).unwrap();
            recv(&client, &mut [0; MESSAGE_SIZE], RecvFlags::empty()).unwrap();
            let (wake, _) = new_wake().unwrap();
            let descriptors = [ring.as_fd(), wake.as_fd()];
            send(&client, &Message::Packets { wake: true }, &descriptors).unwrap();
            sender.send(client).unwrap();
        });
        let consumer = PacketConsumer::connect(&name, start).unwrap();
        (consumer, receiver.recv().unwrap())
    })
}

/// Requests for a key frame that came since the last call.
fn requests(client: &OwnedFd) -> usize {
    let mut count = 0;
    while let Received::Message(message, _) = receive_plain(client).unwrap() {
        assert_eq!(message, Message::Change(Change::KeyFrame));
        count += 1;
    }
    count
}

fn publish<B: framemill::internals::shm::circle::Bytes>(
    writer: &mut Writer<'_, B>,
    count: usize,
    key: bool,
) {
    for _ in 0..count {
        writer.append(&[1; 100]).unwrap();
        writer.publish(&Packet {
            flags: if key { flag::KEY } else { 0 },
            ..Packet::default()
        });
    }
}

#[test]
fn newcomer_requests_a_key_frame_only_where_the_ring_has_packets_and_no_key_packet() {
    let (map, ring) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
    let mut writer = Writer::new(map.ring());
    let requested = |start| {
        let (_consumer, client) = join(&ring, start);
        requests(&client)
    };
    // The first packet of a stream is a key packet.
    assert_eq!(requested(Start::Key), 0);
    publish(&mut writer, 1, true);
    assert_eq!(requested(Start::Key), 0);
    assert_eq!(requested(Start::Oldest), 0);
    // The key packet is overwritten.
    publish(&mut writer, PACKET_DESCRIPTORS, false);
    assert_eq!(requested(Start::Key), 1);
    assert_eq!(requested(Start::Oldest), 1);
    assert_eq!(requested(Start::Live), 0);
    publish(&mut writer, 1, true);
    assert_eq!(requested(Start::Key), 0);
}

#[test]
fn lapped_consumer_requests_a_key_frame_until_one_comes() {
    let (map, ring) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
    let mut writer = Writer::new(map.ring());
    publish(&mut writer, 1, true);
    for start in [Start::Key, Start::Live, Start::Oldest] {
        let (mut consumer, client) = join(&ring, start);
        let mut bytes = vec![0; consumer.largest_packet()];
        while consumer.next(&mut bytes) != Next::Empty {}
        // It falls behind, but there is a key packet where it goes on.
        publish(&mut writer, PACKET_DESCRIPTORS, false);
        publish(&mut writer, 1, true);
        assert!(matches!(consumer.next(&mut bytes), Next::Lapped(_)));
        assert!(matches!(consumer.next(&mut bytes), Next::Packet(_)));
        assert_eq!(requests(&client), 0, "{start:?}");

        publish(&mut writer, PACKET_DESCRIPTORS + 1, false);
        assert!(matches!(consumer.next(&mut bytes), Next::Lapped(_)));
        assert_eq!(requests(&client), 1, "{start:?}");
        // More packets that it cannot use are no more requests, until the pause is over.
        publish(&mut writer, 10, false);
        while consumer.next(&mut bytes) != Next::Empty {}
        assert!(requests(&client) <= 1, "{start:?}");
        thread::sleep(Duration::from_millis(u64::from(KEY_FRAME_PAUSE_MS) + 50));
        publish(&mut writer, 1, false);
        while consumer.next_in_place(|_| ()) != Next::Empty {}
        assert_eq!(requests(&client), 1, "{start:?}");

        publish(&mut writer, 1, true);
        assert!(
            matches!(consumer.next(&mut bytes), Next::Packet(packet) if packet.flags == flag::KEY)
        );
        publish(&mut writer, 1, false);
        assert!(matches!(consumer.next(&mut bytes), Next::Packet(_)));
        assert_eq!(requests(&client), 0, "{start:?}");
    }
}
