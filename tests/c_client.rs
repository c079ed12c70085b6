//! A C client on `src/client/framemill.h`, with the sanitizers, against the double of the engine and one that lies. `python_client.rs`
//! does the same with one in Python.
//!
//! Whatever an engine passes or writes, the client ends, with an error or without; it reads and writes nothing that is not its own, and
//! leaves no descriptor and no mapping behind.
#![cfg(not(loom))]

#[path = "c_client/capacities.rs"]
mod capacities;
#[path = "double/mod.rs"]
pub mod double;
#[path = "liar/mod.rs"]
mod liar;
#[allow(dead_code, reason = "not all structures are made here")]
#[path = "protocol/words.rs"]
mod words;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use double::Engine;
use framemill::client::Outcome;
use framemill::control::message::{Message, Refusal, SlotMemory};
use framemill::internals::engine::clients::new_wake;
use framemill::internals::limits::{PACKET_RING_MAX, PACKET_RING_MIN};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::layout::{PACKET_DATA_OFFSET, State};
use framemill::internals::shm::map::{FrameMap, PacketMap};
use framemill::internals::shm::packet_ring::{Packet, store_codec_headers};
use framemill::internals::shm::region::Region;
use framemill::internals::shm::stats::Counter;
use framemill::shm::layout::flag;
use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{pread, pwrite};
use rustix::net::{SendFlags, send};

const PROTOCOL: i32 = -3;
const GONE: i32 = -2;
const OLDEST: &str = "1";
const LIVE: &str = "2";

/// The client's program.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-client");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c_client/client.c");
        let output = Command::new("gcc")
            .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g"])
            .args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
            .arg("-o")
            .args([&program, &source])
            .output()
            .expect("gcc is there: scripts/check installs it");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        program
    })
}

/// How the client is started.
fn command() -> Command {
    if env!("CARGO_CRATE_NAME") != "python_client" {
        return Command::new(program());
    }
    let mut python = Command::new("python3");
    python
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_client/client.py"));
    python
}

/// The client, running, and the code that it was let in with.
struct Client {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    opened: i32,
}

impl Client {
    fn start(socket: &str, words: &[&str]) -> Self {
        let mut child = command()
            .arg(words[0])
            .arg(socket)
            .args(&words[1..])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let opened = line.trim().strip_prefix("open ").map(str::parse);
        Self {
            opened: opened.map_or(i32::MIN, Result::unwrap),
            child,
            out,
        }
    }

    /// Waits for its end, which has to be a clean one; gives what it said besides.
    fn ended(mut self) -> String {
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaint.is_empty(),
            "{said}{complaint}"
        );
        said.strip_suffix("left 0 fds 0 maps\n")
            .unwrap_or_else(|| panic!("something is left: {said}"))
            .to_owned()
    }
}

/// The code that a client is let in with, and what it says at its end.
fn client(socket: &str, words: &[&str]) -> (i32, String) {
    let client = Client::start(socket, words);
    (client.opened, client.ended())
}

fn lied_to(engine: &liar::Engine, words: &[&str]) -> (i32, String) {
    client(&format!("@{}", engine.socket()), words)
}

#[test]
fn takes_every_packet_to_the_end_and_knows_the_headers() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    store_codec_headers(&engine.header().codec_headers, &[7; 31]);
    engine.publish(&mut writer, 100, flag::KEY);
    let consumer = Client::start(&engine.socket(), &["consume", "100000", OLDEST]);
    assert_eq!(consumer.opened, 0);
    // More than the payload circle holds, in step with the reader's wake-ups or not: nothing wraps without being noticed.
    for number in 1..20 {
        engine.publish(&mut writer, 1000 + number, u32::from(number % 5 == 0));
    }
    engine.publish(&mut writer, 0, flag::END);
    let bytes: usize = 100 + (1..20).map(|number| 1000 + number).sum::<usize>();
    assert_eq!(
        consumer.ended(),
        format!("end 0\npackets 20 lost 0 bytes {bytes} sum {bytes} headers 31\n")
    );
}

#[test]
fn wrapped_and_lapped_packets_are_whole_or_lost() {
    // A client that begins when all is written was not lapped, and another one is asked.
    for _ in 0..20 {
        let engine = Engine::start();
        let mut writer = engine.writer();
        for _ in 0..3 {
            engine.publish_gop(&mut writer, 9, 33_333);
        }
        let consumer = Client::start(&engine.socket(), &["consume", "10000000", OLDEST]);
        // The ring holds 31 of these: 400 go around it a dozen times, while the client reads.
        for _ in 0..40 {
            engine.publish_gop(&mut writer, 9, 33_333);
        }
        engine.publish(&mut writer, 0, flag::END);
        let said = consumer.ended();
        let numbers: Vec<u64> = said
            .split(|byte: char| !byte.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let [0, packets, lost, bytes, sum, 0] = numbers[..] else {
            panic!("{said}");
        };
        assert_eq!((bytes, sum), (packets * 33_333, bytes), "{said}");
        assert!((30..=430).contains(&(packets + lost)), "{said}");
        if packets + lost == 430 && lost > 0 {
            return;
        }
    }
    panic!("no client was lapped");
}

#[test]
fn what_the_tail_has_passed_or_is_longer_than_the_ring_is_no_packet() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    let consumer = Client::start(&engine.socket(), &["consume", "1000", LIVE]);
    let key = Packet {
        flags: flag::KEY,
        ..Packet::default()
    };
    // It sleeps, and is not woken yet.
    for _ in 0..3 {
        writer.append(&[1; 10]).unwrap();
        writer.publish(&key);
    }
    engine.header().cursors.tail.store(2, Relaxed);
    engine.descriptor(2).length.store(3 << 19, Relaxed);
    engine.publish(&mut writer, 0, flag::END);
    assert_eq!(
        consumer.ended(),
        "end 0\npackets 0 lost 3 bytes 0 sum 0 headers 0\n"
    );
}

#[test]
fn more_free_slots_than_there_are_end_the_connection() {
    let (fd, slot) = liar::frame_ring(|map| map.ring().free.head.store(4, Relaxed));
    let memory = liar::slot_memory(slot * liar::SLOTS as usize, false);
    let (opened, said) = produced("more-slots", SlotMemory::Copied, fd, vec![memory]);
    assert_eq!(opened, 0);
    assert!(
        said.starts_with(&format!("end {PROTOCOL}\npublished 0")),
        "{said}"
    );
}

#[test]
fn sends_frames_and_learns_what_became_of_them() {
    let engine = Engine::start();
    let (opened, said) = client(&engine.socket(), &["produce", "200"]);
    assert_eq!(
        (opened, &*said),
        (0, "end 1\npublished 200 dropped 0 size 64x48 slots 3\n")
    );
    engine.be_scarce(double::REOPENED);
    let (opened, said) = client(&engine.socket(), &["produce", "200"]);
    // It may commit its one slot before it hears of it.
    assert_eq!(opened, 0);
    let reopened = -100 - Refusal::Reopened as i32;
    assert!(said.starts_with(&format!("end {reopened}\n")), "{said}");
}

#[test]
fn sees_the_engines_state() {
    let engine = Engine::start();
    let header = engine.header();
    header.stream.change(|stream| {
        stream.width.store(640, Relaxed);
        stream.height.store(480, Relaxed);
        framemill::shm::layout::store_text(&stream.device, b"/dev/video11");
    });
    header.counters[Counter::FramesCommitted as usize].store(5, Relaxed);
    header.status.state.store(State::NoCamera as u32, Relaxed);
    let (opened, said) = client(&engine.socket(), &["stat"]);
    assert_eq!(opened, 0);
    assert_eq!(
        said,
        "state no-camera packets 0 frames_committed 5 size 640x480 device /dev/video11\n"
    );
    // Words that are being written, for good.
    header.stream.version.store(7, Relaxed);
    assert_eq!(client(&engine.socket(), &["stat"]).0, PROTOCOL);
}

#[test]
fn hears_what_came_of_a_change() {
    let mut name = [0; 32];
    name[..4].copy_from_slice(b"High");
    let outcomes = [
        (
            Outcome::Done(5000),
            0,
            "outcome 1 value 5000 range 0 to 0 name \n",
        ),
        (
            Outcome::Absent,
            -9,
            "outcome 2 value 0 range 0 to 0 name \n",
        ),
        (
            Outcome::Fixed(-3, name),
            -9,
            "outcome 9 value -3 range 0 to 0 name High\n",
        ),
        (
            Outcome::Refused {
                errno: 34,
                device: true,
                range: (-25, 1 << 40),
                step: 25,
            },
            -9,
            "outcome 4 value 0 range -25 to 1099511627776 name \n",
        ),
        (
            Outcome::AboveLevel {
                level: 9,
                max_bitrate: 4_000_000_000,
                needed: None,
            },
            -9,
            "outcome 8 value 4000000000 range 0 to 0 name \n",
        ),
    ];
    for (outcome, code, said) in outcomes {
        let engine = liar::Engine::start("change", Message::Changed(outcome), vec![]);
        assert_eq!(
            lied_to(&engine, &["bitrate", "5000"]),
            (code, said.to_owned())
        );
    }
    let engine = liar::Engine::start("item", Message::Changed(Outcome::NoControl(name)), vec![]);
    let answer = lied_to(&engine, &["item", "Hihg", "x"]);
    assert_eq!(
        answer,
        (-9, "outcome 6 value 0 range 0 to 0 name High\n".to_owned())
    );
    let refused = Message::Refused(Refusal::NotAllowed);
    let engine = liar::Engine::start("refused", refused, vec![]);
    assert_eq!(
        lied_to(&engine, &["bitrate", "1"]).0,
        -100 - Refusal::NotAllowed as i32
    );
}

#[test]
fn rings_beyond_the_limit_of_other_kinds_or_in_wrong_numbers_are_refused() {
    let wake = || new_wake().unwrap().0;
    let (gib, offset) = (1 << 30, PACKET_DATA_OFFSET as u64);
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
        let ring = liar::sparse_ring(size, data);
        refused_consumer("sparse", vec![ring, wake()]);
    }
    for (_, ring) in liar::wrong_kinds() {
        refused_consumer("kind", vec![ring, wake()]);
    }
    // Whole, and could be cut off under the client.
    let sealed = liar::recorded_ring(include_str!("recorded/packets-v1.txt"), 131_072);
    let unsealed = memfd_create("unsealed", MemfdFlags::CLOEXEC).unwrap();
    let mut bytes = vec![0; 131_072];
    for at in (0..).step_by(bytes.len()) {
        match pread(&sealed, &mut bytes[..], at).unwrap() {
            0 => break,
            length => assert_eq!(pwrite(&unsealed, &bytes[..length], at), Ok(length)),
        }
    }
    refused_consumer("unsealed", vec![unsealed, wake()]);
    refused_consumer("fewer", vec![liar::packet_ring()]);
    refused_consumer("more", vec![liar::packet_ring(), wake(), wake()]);
}

fn refused_consumer(name: &str, descriptors: Vec<OwnedFd>) {
    let engine = liar::Engine::start(name, Message::Packets { wake: true }, descriptors);
    assert_eq!(
        lied_to(&engine, &["consume", "1", LIVE]),
        (PROTOCOL, String::new()),
        "{name}"
    );
}

#[test]
fn no_wake_descriptor_makes_it_spin_or_wait_in_vain() {
    for (kind, wake) in liar::wrong_kinds() {
        let descriptors = vec![liar::packet_ring(), wake];
        let engine = liar::Engine::start("wake", Message::Packets { wake: true }, descriptors);
        let (opened, said) = lied_to(&engine, &["consume", "1000", LIVE]);
        assert!(
            opened == PROTOCOL || (opened == 0 && said.starts_with(&format!("end {GONE}\n"))),
            "{kind}: {opened} {said}"
        );
    }
}

fn produced(name: &str, memory: SlotMemory, ring: OwnedFd, slots: Vec<OwnedFd>) -> (i32, String) {
    let answer = Message::Frames {
        slots: liar::SLOTS,
        memory_planes: 1,
        memory,
    };
    let mut descriptors = vec![ring, new_wake().unwrap().0, new_wake().unwrap().0];
    descriptors.extend(slots);
    lied_to(
        &liar::Engine::start(name, answer, descriptors),
        &["produce", "10"],
    )
}

#[test]
fn slots_that_do_not_exist_and_rows_outside_are_refused() {
    type Change = fn(&FrameMap);
    let changes: [(&str, Change); 9] = [
        ("planes", |map| map.ring().planes.store(4, Relaxed)),
        ("rows", |map| {
            map.ring().geometry[2].rows.store(u32::MAX, Relaxed)
        }),
        ("offset", |map| {
            map.ring().geometry[1].offset.store(u32::MAX, Relaxed)
        }),
        ("row", |map| {
            map.ring().geometry[0].row_bytes.store(65, Relaxed)
        }),
        ("plane", |map| {
            map.ring().geometry[0].memory_plane.store(1, Relaxed)
        }),
        ("entries", |map| {
            map.ring().queue_entries.store(1 << 30, Relaxed)
        }),
        ("filled", |map| {
            map.ring().filled_offset.store(8128, Relaxed)
        }),
        ("free", |map| map.ring().free_offset.store(0, Relaxed)),
        ("alignment", |map| {
            map.ring().copy_alignment.store(0, Relaxed)
        }),
    ];
    let memory = |bytes, sparse| vec![liar::slot_memory(bytes, sparse)];
    let all = liar::frame_ring(|_| {}).1 * liar::SLOTS as usize;
    for (name, change) in changes {
        let ring = liar::frame_ring(change).0;
        let answer = produced(name, SlotMemory::Copied, ring, memory(all, false));
        assert_eq!(answer, (PROTOCOL, String::new()), "{name}");
    }
    let ring = || liar::frame_ring(|_| {}).0;
    for (name, slots) in [("short", memory(4096, false)), ("holes", memory(all, true))] {
        let answer = produced(name, SlotMemory::Copied, ring(), slots);
        assert_eq!(answer, (PROTOCOL, String::new()), "{name}");
    }
    let files = (0..liar::SLOTS).map(|_| liar::slot_memory(65536, false));
    let answer = produced("files", SlotMemory::Exported, ring(), files.collect());
    assert_eq!(answer, (PROTOCOL, String::new()));
}

/// xorshift: the same nonsense each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// An engine that writes anything anywhere while its client works. The client comes to an end, and stays within its bounds.
fn scribble(region: &Region, noise: &mut Noise, bytes: u64, mut child: Client) -> String {
    let mut number = 0u32;
    while child.child.try_wait().unwrap().is_none() {
        number += 1;
        let at = (noise.next() % (bytes / 4)) as usize * 4;
        let value = match noise.next() % 4 {
            0 => 0,
            1 => noise.next() as u32,
            2 => u32::MAX,
            _ => noise.next() as u32 % 70_000,
        };
        let _ = region.bytes().copy_in(at, &value.to_le_bytes());
        if number.is_multiple_of(1024) {
            thread::yield_now();
        }
    }
    child.ended()
}

#[test]
fn a_packet_ring_full_of_nonsense_does_no_harm() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut seen = 0;
    for _ in 0..12 {
        let (map, fd) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
        let region = Region::map(&fd, PACKET_DATA_OFFSET, true).unwrap();
        let (wake, ours) = new_wake().unwrap();
        // It never falls silent, so that the client looks as often as it may.
        while send(&ours, &[1; 4096], SendFlags::DONTWAIT).is_ok() {}
        map.header()
            .cursors
            .head
            .store(u64::MAX - noise.next() % 1000, Relaxed);
        let answer = Message::Packets { wake: true };
        let engine = liar::Engine::start("nonsense", answer, vec![fd, wake]);
        let child = Client::start(
            &format!("@{}", engine.socket()),
            &["consume", "20000", OLDEST],
        );
        assert_eq!(child.opened, 0);
        seen += usize::from(
            !scribble(&region, &mut noise, PACKET_DATA_OFFSET as u64, child).is_empty(),
        );
    }
    assert_eq!(seen, 12);
}

#[test]
fn a_frame_ring_full_of_nonsense_does_no_harm() {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for round in 0..12 {
        let (fd, slot) = liar::frame_ring(|map| {
            map.ring().free.head.store(round % 4, Relaxed);
            for (number, entry) in map.ring().free.entries.iter().enumerate() {
                entry.slot.store(number as u32 % 3, Relaxed);
            }
        });
        let region = Region::map(&fd, 8192, true).unwrap();
        let memory = liar::slot_memory(slot * liar::SLOTS as usize, false);
        let (free, ours) = new_wake().unwrap();
        while send(&ours, &[1; 4096], SendFlags::DONTWAIT).is_ok() {}
        let answer = Message::Frames {
            slots: liar::SLOTS,
            memory_planes: 1,
            memory: SlotMemory::Copied,
        };
        let descriptors = vec![fd, new_wake().unwrap().0, free, memory];
        let engine = liar::Engine::start("nonsense-frames", answer, descriptors);
        let child = Client::start(&format!("@{}", engine.socket()), &["produce", "100000"]);
        assert_eq!(child.opened, 0);
        // Sooner or later the head of its queue is nonsense.
        let said = scribble(&region, &mut noise, 8192, child);
        assert!(said.starts_with("end "), "{said}");
    }
}

#[test]
fn a_recorded_ring_is_read_as_it_was_written() {
    let ring = liar::recorded_ring(include_str!("recorded/packets-v1.txt"), 131_072);
    let descriptors = vec![ring, new_wake().unwrap().0];
    let engine = liar::Engine::start("recorded", Message::Packets { wake: true }, descriptors);
    let sum = 16_000 * (0x44 + 0x55 + 0x66 + 0x77);
    let said = format!("end 0\npackets 4 lost 0 bytes 64000 sum {sum} headers 0\n");
    assert_eq!(lied_to(&engine, &["consume", "100", OLDEST]), (0, said));
}

#[test]
fn an_engine_that_dies_is_gone() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    engine.publish_packet(
        &mut writer,
        &[1; 10],
        &Packet {
            flags: flag::KEY,
            ..Packet::default()
        },
    );
    let consumer = Client::start(&engine.socket(), &["consume", "1000", OLDEST]);
    let connection = engine.client();
    rustix::net::shutdown(&connection, rustix::net::Shutdown::Both).unwrap();
    assert_eq!(
        consumer.ended(),
        format!("end {GONE}\npackets 1 lost 0 bytes 10 sum 10 headers 0\n")
    );
    let nobody = client("@framemill-nobody-listens-there", &["consume", "1"]);
    assert_eq!(nobody, (-1, String::new()));
}
