//! `framemill sink` as a process: what readers of ustreamer's memory sink find, whatever they and the engine do. The engine is a double
//! (tests/double), the readers are written from the table of offsets. ustreamer's own reader is in the guest's tests.
#![cfg(target_pointer_width = "64")]

mod double;
mod program;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use double::Engine;
use framemill::client::Change;
use framemill::control::message::Message;
use framemill::internals::control::socket::{Received, receive_plain};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::packet_ring::{Packet, store_codec_headers};
use framemill::internals::time::now;
use framemill::shm::layout::flag;
use rustix::process::{Pid, Signal, kill_process};

/// Offsets of version 10, 64-bit.
const CLIENT: u64 = 32;
const WANTS_KEY: u64 = 64;
const DATA: u64 = 160;

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// An object of this test's own, and its removal.
struct Name(String);

impl Name {
    fn new() -> Self {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        Self(format!("framemill-{}-{number}:h264", std::process::id()))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.0)
    }

    fn start(&self, engine: &Engine, words: &str) -> Sink {
        static LOGS: AtomicU32 = AtomicU32::new(0);
        let number = LOGS.fetch_add(1, Ordering::Relaxed);
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("sink-{}-{number}.log", std::process::id()));
        let child = Command::new(program::program())
            .args(["sink", "--ustreamer", &self.0, "--socket", &engine.socket()])
            .args(words.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Sink { child, log }
    }
}

/// The program, and the file with what it says.
struct Sink {
    child: Child,
    log: PathBuf,
}

impl Sink {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it with a signal, if it is not to end by itself; gives its exit code and what it said.
    #[track_caller]
    fn ended(mut self, signal: Option<Signal>) -> (Option<i32>, String) {
        if let Some(signal) = signal {
            let process = Pid::from_raw(self.child.id().cast_signed()).unwrap();
            kill_process(process, signal).unwrap();
        }
        until("the sink ends", || self.child.try_wait().unwrap().is_some());
        let said = self.said();
        fs::remove_file(&self.log).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // A test that fails leaves nobody behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

/// A program that looks at the object again and again, as ustreamer's clients do.
struct Reader(File);

impl Reader {
    #[track_caller]
    fn open(name: &Name) -> Self {
        let path = name.path();
        until("the object has its size", || {
            fs::metadata(&path).is_ok_and(|file| file.len() == DATA + (2 << 20))
        });
        Self(
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .unwrap(),
        )
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn half(&self, at: u64) -> u32 {
        self.word(at) as u32
    }

    fn byte(&self, at: u64) -> u8 {
        self.word(at) as u8
    }

    /// Leaves its time.
    fn look(&self) {
        self.0
            .write_all_at(&now().to_le_bytes(), CLIENT + 8)
            .unwrap();
    }

    fn has_frame(&self) -> bool {
        assert_eq!((self.word(0), self.half(8)), (0xcafe_babe_cafe_babe, 10));
        // Without one they are both 0.
        assert_eq!(self.word(16) == 0, self.word(24) == 0);
        self.word(16) != 0
    }

    /// Waits for another frame than `id`; gives its id and bytes.
    #[track_caller]
    fn frame(&self, id: u64) -> (u64, Vec<u8>) {
        let mut found = (0, Vec::new());
        until("another frame", || {
            self.look();
            self.0.lock().unwrap();
            found.0 = self.word(16);
            let whole = self.has_frame() && found.0 != id;
            found.1 = vec![0; self.word(24) as usize];
            self.0.read_exact_at(&mut found.1, DATA).unwrap();
            self.0.unlock().unwrap();
            whole
        });
        found
    }
}

/// Waits until the sink is the engine's consumer because of a reader; gives how many requests for a key frame came.
#[track_caller]
fn joined(engine: &Engine, reader: &Reader, connections: usize) {
    until("the sink is a consumer", || {
        reader.look();
        engine.connections() == connections
    });
    until("a newcomer requests a key frame", || requests(engine) == 1);
}

/// Requests for a key frame that the newest client sent since the last call.
fn requests(engine: &Engine) -> usize {
    let client = engine.client();
    let mut count = 0;
    while let Received::Message(message, _) = receive_plain(&client).unwrap() {
        assert_eq!(message, Message::Change(Change::KeyFrame));
        count += 1;
    }
    count
}

/// The stream is H.264, 320x240, of so many frames in two seconds.
fn describe(engine: &Engine, frames: u32) {
    engine.header().stream.change(|stream| {
        stream.codec.store(u32::from_le_bytes(*b"H264"), Relaxed);
        stream.width.store(320, Relaxed);
        stream.height.store(240, Relaxed);
        stream.rate_numerator.store(frames, Relaxed);
        stream.rate_denominator.store(2, Relaxed);
    });
    engine.header().status.generation.store(1, Relaxed);
    store_codec_headers(&engine.header().codec_headers, b"headers");
}

fn packet(flags: u32) -> Packet {
    let time = now();
    Packet {
        flags,
        generation: 1,
        committed: time - 3,
        queued: time - 2,
        dequeued: time - 1,
        published: time,
        ..Packet::default()
    }
}

#[test]
fn readers_find_each_frame_from_a_key_frame_on_and_their_requests_are_passed_on() {
    let engine = Engine::start();
    describe(&engine, 60);
    let mut writer = engine.writer();
    let name = Name::new();
    let sink = name.start(&engine, "--mode 640");
    let reader = Reader::open(&name);
    // Nobody reads: the sink only observes.
    engine.publish_packet(&mut writer, b"before", &packet(flag::KEY));
    assert_eq!(engine.connections(), 1);
    assert!(!reader.has_frame());

    joined(&engine, &reader, 2);
    engine.publish_packet(&mut writer, b"of no use", &packet(0));
    let first = packet(flag::KEY);
    engine.publish_packet(&mut writer, b"key", &first);
    let (id, bytes) = reader.frame(0);
    assert_eq!(bytes, b"headerskey");
    assert_eq!(reader.half(8), 10, "the version");
    assert_eq!((reader.half(68), reader.half(72)), (320, 240));
    assert_eq!(reader.half(76).to_le_bytes(), *b"H264");
    assert_eq!(
        (reader.half(80), reader.byte(84), reader.byte(85)),
        (0, 1, 1)
    );
    let mode = fs::metadata(name.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);

    // Nobody asked since; then a reader does.
    engine.publish_packet(&mut writer, b"second", &packet(0));
    let (id, bytes) = reader.frame(id);
    assert_eq!((&bytes[..], reader.byte(85)), (&b"second"[..], 0));
    assert_eq!(requests(&engine), 0);
    thread::sleep(Duration::from_millis(600));
    reader.0.write_all_at(&[1], WANTS_KEY).unwrap();
    let mut id = id;
    until("the request arrives", || {
        engine.publish_packet(&mut writer, b"third", &packet(0));
        id = reader.frame(id).0;
        requests(&engine) == 1
    });
    assert_eq!(reader.byte(WANTS_KEY), 1, "no key frame came");
    engine.publish_packet(
        &mut writer,
        b"own headers",
        &packet(flag::KEY | flag::CONFIG),
    );
    let (_, bytes) = reader.frame(id);
    assert_eq!(
        (&bytes[..], reader.byte(WANTS_KEY)),
        (&b"own headers"[..], 0)
    );
    // Frames from one key frame to the next.
    assert!(reader.half(88) >= 3, "{}", reader.half(88));

    let end = sink.ended(Some(Signal::TERM));
    assert_eq!(end.0, Some(0), "{end:?}");
    assert!(end.1.contains(", 0 not put, 0 packets lost"), "{end:?}");
    assert!(!reader.has_frame(), "what is left is no frame");
}

#[test]
fn a_reader_that_keeps_the_lock_costs_frames_and_nothing_else() {
    let engine = Engine::start();
    describe(&engine, 60);
    let mut writer = engine.writer();
    let name = Name::new();
    let sink = name.start(&engine, "");
    let reader = Reader::open(&name);
    joined(&engine, &reader, 2);
    engine.publish_packet(&mut writer, b"key", &packet(flag::KEY));
    let (id, _) = reader.frame(0);
    thread::sleep(Duration::from_millis(600));
    reader.0.lock().unwrap();
    for _ in 0..5 {
        engine.publish_packet(&mut writer, b"left out", &packet(0));
    }
    until("it goes on without the lock", || {
        sink.said().contains("somebody has locked it")
    });
    assert_eq!(reader.word(16), id);
    assert_eq!(requests(&engine), 0, "what nobody reads is not made better");
    reader.0.unlock().unwrap();
    engine.publish_packet(&mut writer, b"again", &packet(0));
    let mut last = (id, Vec::new());
    until("the next frame", || {
        last = reader.frame(last.0);
        last.1 == b"again"
    });
    until("a key frame is requested", || requests(&engine) == 1);
    reader.0.lock().unwrap();
    let end = sink.ended(Some(Signal::TERM));
    assert_eq!(end.0, Some(0), "{end:?}");
    // On a busy machine not all five came to the lock while it was taken.
    let sums = (1..=5).map(|missed| {
        let put = 7 - missed;
        format!(
            "{put} packets put into {}, {missed} not put, 0 packets lost",
            name.path().display()
        )
    });
    assert!(sums.into_iter().any(|sum| end.1.contains(&sum)), "{end:?}");
    assert!(!reader.has_frame());
}

#[test]
fn what_is_larger_than_the_object_is_left_out_with_all_that_depends_on_it() {
    let engine = Engine::start_with(8 << 20);
    describe(&engine, 60);
    let mut writer = engine.writer();
    let name = Name::new();
    let sink = name.start(&engine, "");
    let reader = Reader::open(&name);
    joined(&engine, &reader, 2);
    engine.publish_packet(&mut writer, &[1; (2 << 20) - 6], &packet(flag::KEY));
    engine.publish_packet(&mut writer, b"depends on it", &packet(0));
    engine.publish_packet(&mut writer, &vec![2; (2 << 20) - 7], &packet(flag::KEY));
    let (_, bytes) = reader.frame(0);
    assert_eq!(
        (bytes.len(), bytes[7]),
        (2 << 20, 2),
        "with its seven bytes of headers"
    );
    let end = sink.ended(Some(Signal::INT));
    assert!(
        end.1.contains("room for 2097152 bytes: they are larger"),
        "{end:?}"
    );
    assert!(end.1.contains("1 packets put into"), "{end:?}");
}

#[test]
fn an_object_that_is_there_is_taken_over_empty_and_never_made_smaller() {
    let engine = Engine::start();
    let name = Name::new();
    let bytes = DATA + (2 << 20) + 4096;
    let stale = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(name.path())
        .unwrap();
    stale.set_len(bytes).unwrap();
    stale.write_all_at(&[0xee; 160], 0).unwrap();
    let sink = name.start(&engine, "--remove");
    until("the old frame is gone", || {
        fs::read(name.path()).unwrap()[16..32] == [0; 16]
    });
    assert_eq!(fs::metadata(name.path()).unwrap().len(), bytes);
    // The sink that is there stays alone.
    let end = name.start(&engine, "").ended(None);
    assert_eq!(end.0, Some(12));
    assert_eq!(
        end.1,
        format!(
            "framemill: {}: another sink writes to it\n",
            name.path().display()
        )
    );
    let end = sink.ended(Some(Signal::TERM));
    assert_eq!(end.0, Some(0), "{end:?}");
    assert!(!name.path().exists());
}

#[test]
fn what_is_no_file_is_refused_and_left_alone() {
    let engine = Engine::start();
    let name = Name::new();
    for make in [
        (|path| symlink("/dev/null", path).unwrap()) as fn(PathBuf),
        |path| fs::create_dir(path).unwrap(),
    ] {
        make(name.path());
        let end = name.start(&engine, "--remove").ended(None);
        assert_eq!(end.0, Some(12), "{end:?}");
        let sentence = format!(
            "framemill: {} is no regular file: remove it\n",
            name.path().display()
        );
        assert_eq!(end.1, sentence);
        if fs::remove_file(name.path()).is_err() {
            fs::remove_dir(name.path()).unwrap();
        }
    }
}

#[test]
fn without_an_engine_there_is_no_object() {
    let name = Name::new();
    let output = Command::new(program::program())
        .args([
            "sink",
            "--ustreamer",
            &name.0,
            "--socket",
            "@nobody-listens-here",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(!name.path().exists());
}

#[test]
fn the_end_of_the_stream_is_the_sinks_unless_it_waits_for_the_next() {
    let engine = Engine::start();
    describe(&engine, 60);
    let mut writer = engine.writer();
    let name = Name::new();
    let sink = name.start(&engine, "--reconnect 20");
    let reader = Reader::open(&name);
    joined(&engine, &reader, 2);
    engine.publish_packet(&mut writer, b"last", &packet(flag::KEY));
    let (id, _) = reader.frame(0);
    engine.publish_packet(&mut writer, b"", &packet(flag::END));
    // An observer again, and a consumer again.
    joined(&engine, &reader, 4);
    assert!(!reader.has_frame(), "it is of the engine before");
    engine.publish_packet(&mut writer, b"first", &packet(flag::KEY));
    let (_, bytes) = reader.frame(id);
    assert_eq!(bytes, b"headersfirst");
    let end = sink.ended(Some(Signal::TERM));
    assert_eq!(end.0, Some(0), "{end:?}");

    let sink = name.start(&engine, "");
    joined(&engine, &reader, 6);
    engine.publish_packet(&mut writer, b"", &packet(flag::END));
    let end = sink.ended(None);
    assert_eq!(end.0, Some(0), "{end:?}");
}
