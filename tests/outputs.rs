//! Where `tap` writes: files, sockets, and what becomes of it when somebody goes away. The engine is a double (tests/double), the peers are
//! sockets of these tests.

mod double;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use double::Engine;
use framemill::client::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::circle::Bytes;
use framemill::internals::shm::packet_ring::{Packet, Writer};
use framemill::shm::layout::flag;

/// Bytes of a packet of MPEG-TS.
const TS: usize = 188;

/// A path of this test's own.
fn path(name: &str) -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    let number = PATHS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outputs");
    fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}-{number}.{name}", std::process::id()))
}

/// A `tap` that runs, and what it has said.
struct Tap {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        // A test that fails leaves nobody behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tap {
    fn start(engine: &Engine, words: &str, to: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_framemill"))
            .args(["tap", "--socket"])
            .arg(engine.socket())
            .args(words.split_whitespace())
            .args(["--to", to])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Mutex<String>>::default();
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        let reader = thread::spawn(move || {
            for line in lines.lines() {
                let mut said = into.lock().unwrap();
                said.push_str(&line.unwrap());
                said.push('\n');
            }
        });
        Self {
            child,
            said,
            reader: Some(reader),
        }
    }

    /// Waits until it said so, and does something again and again meanwhile.
    #[track_caller]
    fn says(&self, words: &str, mut meanwhile: impl FnMut()) {
        let begun = Instant::now();
        while !self.said.lock().unwrap().contains(words) {
            let said = self.said.lock().unwrap().clone();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not {words:?}, but {said}"
            );
            meanwhile();
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end: the exit code, and all that it said.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reader.take().unwrap().join().unwrap();
        let said = self.said.lock().unwrap().clone();
        (code, said)
    }

    /// The same after SIGTERM.
    fn terminate(self) -> (Option<i32>, String) {
        let id = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.end()
    }
}

/// A stream of packets that are told apart by their bytes.
struct Stream<B: Bytes> {
    writer: Writer<'static, B>,
    number: u64,
}

fn stream(engine: &Engine) -> Stream<impl Bytes + use<>> {
    engine.header().stream.codec.store(Fourcc::H264.0, Relaxed);
    Stream {
        writer: engine.writer(),
        number: 0,
    }
}

impl<B: Bytes> Stream<B> {
    /// Publishes a packet of so many bytes: these bytes.
    fn publish(&mut self, engine: &Engine, flags: u32, length: usize) -> Vec<u8> {
        self.number += 1;
        let bytes = vec![self.number as u8; length];
        let packet = Packet {
            flags,
            timestamp: self.number * 33_000_000,
            committed: self.number * 33_000_000,
            ..Packet::default()
        };
        engine.publish_packet(&mut self.writer, &bytes, &packet);
        bytes
    }

    /// A key frame that begins with headers.
    fn key(&mut self, engine: &Engine) -> Vec<u8> {
        self.publish(engine, flag::KEY | flag::CONFIG, 3000)
    }

    fn other(&mut self, engine: &Engine) -> Vec<u8> {
        self.publish(engine, 0, 1000)
    }

    fn end(&mut self, engine: &Engine) {
        self.publish(engine, flag::END, 0);
    }
}

/// Ten frames and the end: their bytes.
fn ten_frames(engine: &Engine) -> Vec<u8> {
    let mut stream = stream(engine);
    let mut bytes = stream.key(engine);
    for _ in 0..9 {
        bytes.extend(stream.other(engine));
    }
    stream.end(engine);
    bytes
}

/// A listener at a port of the kernel's choice, and how `--to` names it.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp:{}", listener.local_addr().unwrap());
    (listener, to)
}

fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn peers_get_every_byte_and_the_end() {
    let engine = Engine::start();
    let bytes = ten_frames(&engine);
    let socket = path("socket");
    let unix = UnixListener::bind(&socket).unwrap();
    let tap = Tap::start(&engine, "", &format!("unix:{}", socket.display()));
    assert!(read_all(unix.accept().unwrap().0) == bytes);
    let (code, said) = tap.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("10 packets taken, 12000 bytes, 0 packets lost"),
        "{said}"
    );

    let (tcp, to) = listener();
    let tap = Tap::start(&engine, "", &to);
    assert!(read_all(tcp.accept().unwrap().0) == bytes);
    assert_eq!(tap.end().0, Some(0));
}

#[test]
fn a_datagram_has_at_most_seven_packets_and_none_is_missing() {
    let engine = Engine::start();
    ten_frames(&engine);
    let file = path("ts");
    let (code, said) = Tap::start(&engine, "--mux ts", file.to_str().unwrap()).end();
    assert_eq!(code, Some(0), "{said}");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = format!("udp:{}", socket.local_addr().unwrap());
    let (code, said) = Tap::start(&engine, "--mux ts", &to).end();
    assert_eq!(code, Some(0), "{said}");
    // The kernel keeps them: they are there now.
    socket.set_nonblocking(true).unwrap();
    let (mut whole, mut lengths, mut datagram) = (Vec::<u8>::new(), Vec::new(), [0; 4096]);
    while let Ok(length) = socket.recv(&mut datagram) {
        lengths.push(length);
        whole.extend(&datagram[..length]);
    }
    assert!(whole == fs::read(file).unwrap(), "{lengths:?}");
    // Two tables and seventeen packets of 3000 bytes; six of 1000.
    assert_eq!(lengths[..4], [7 * TS, 7 * TS, 5 * TS, 6 * TS]);
    assert_eq!(lengths.len(), 3 + 9);
}

#[test]
fn who_sends_datagrams_goes_on_when_nobody_is_there() {
    let engine = Engine::start();
    ten_frames(&engine);
    let to = format!(
        "udp:{}",
        UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    );
    let (code, said) = Tap::start(&engine, "--mux ts", &to).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("a datagram was not sent: ECONNREFUSED: nobody listens there"),
        "{said}"
    );
    assert!(said.contains("10 packets taken"), "{said}");
    let unsent = said.split(" datagrams were not sent").next().unwrap();
    let unsent: u32 = unsent
        .split([' ', '\n'])
        .next_back()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=12).contains(&unsent), "{said}");
}

#[test]
fn a_peer_that_is_not_there_or_goes_away_is_an_output_that_failed() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    stream.key(&engine);
    let (tcp, to) = listener();
    drop(tcp);
    let (code, said) = Tap::start(&engine, "", &to).end();
    assert_eq!(code, Some(12), "{said}");
    assert!(
        said.contains(&format!(
            "cannot connect to {to}: ECONNREFUSED: nobody listens there"
        )),
        "{said}"
    );
    let none = path("none");
    let (code, said) = Tap::start(&engine, "", &format!("unix:{}", none.display())).end();
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("none: ENOENT"), "{said}");

    let (tcp, to) = listener();
    let tap = Tap::start(&engine, "", &to);
    drop(tcp.accept().unwrap());
    tap.says("failed", || drop(stream.other(&engine)));
    let (code, said) = tap.end();
    assert_eq!(code, Some(12), "{said}");
    assert!(
        said.contains(&format!("writing to {to} failed: ")),
        "{said}"
    );
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    stream.key(&engine);
    let socket = path("hangs");
    let unix = UnixListener::bind(&socket).unwrap();
    let tap = Tap::start(&engine, "", &format!("unix:{}", socket.display()));
    let _peer = unix.accept().unwrap();
    // More than the socket keeps.
    for _ in 0..500 {
        stream.other(&engine);
        thread::sleep(Duration::from_millis(1));
    }
    let (code, said) = tap.end();
    assert_eq!(code, Some(12), "{said}");
    assert!(said.contains("hangs took nothing for 10000 ms"), "{said}");
}

/// Whether the first video packet of MPEG-TS says that it follows nothing, and that a reader can begin here.
fn begins_again(bytes: &[u8]) -> bool {
    let (tables, video) = bytes.split_at(2 * TS);
    tables.starts_with(&[0x47, 0x40, 0])
        && tables[TS..].starts_with(&[0x47, 0x50, 0])
        && video.starts_with(&[0x47, 0x41, 0])
        && video[5] & 0xc0 == 0xc0
}

#[test]
fn a_peer_that_comes_back_gets_the_stream_from_a_key_frame() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    stream.key(&engine);
    let (tcp, to) = listener();
    drop(tcp);
    let tap = Tap::start(&engine, "--mux ts --reconnect 20", &to);
    tap.says("nobody listens there; again every 20 ms", || {});
    // What is published before somebody is there is not what he gets.
    stream.other(&engine);
    stream.key(&engine);
    let tcp = TcpListener::bind(to.strip_prefix("tcp:").unwrap()).unwrap();
    let (mut peer, _) = tcp.accept().unwrap();
    let mut first = [0; 19 * TS];
    peer.read_exact(&mut first).unwrap();
    assert!(
        first[2 * TS + 5] & 0x40 != 0 && first[3 * TS - 1] == 3,
        "the newest key frame"
    );
    drop((peer, tcp));
    tap.says("writing to tcp:", || drop(stream.other(&engine)));
    for _ in 0..3 {
        stream.key(&engine);
    }
    let newest = stream.number as u8;
    let tcp = TcpListener::bind(to.strip_prefix("tcp:").unwrap()).unwrap();
    let (mut peer, _) = tcp.accept().unwrap();
    peer.read_exact(&mut first).unwrap();
    assert!(begins_again(&first) && first[3 * TS - 1] == newest);
    let (code, said) = tap.terminate();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("connected to tcp:").count(), 2, "{said}");
}

#[test]
fn an_output_goes_on_with_the_next_engine() {
    let mut engine = Engine::start();
    let mut first = stream(&engine);
    let mut expected = vec![(flag::KEY | flag::CONFIG, first.key(&engine))];
    expected.push((0, first.other(&engine)));
    let file = path("packets");
    let tap = Tap::start(
        &engine,
        "--mux packets --from oldest --reconnect 20",
        file.to_str().unwrap(),
    );
    let size = || fs::metadata(&file).map_or(0, |file| file.len());
    while size() < 2 * 32 + 4000 {
        thread::sleep(Duration::from_millis(2));
    }
    engine = engine.leave();
    tap.says("the engine went away; waiting for the next one", || {});
    // Nothing is decoded without a key frame.
    let mut second = stream(&engine);
    second.other(&engine);
    expected.push((
        flag::KEY | flag::CONFIG | flag::DISCONTINUITY,
        second.key(&engine),
    ));
    second.end(&engine);
    tap.says("the stream ended; waiting for the next engine", || {});
    engine = engine.leave();
    let mut third = stream(&engine);
    expected.push((
        flag::KEY | flag::CONFIG | flag::DISCONTINUITY,
        third.key(&engine),
    ));
    while size() < 4 * 32 + 10_000 {
        thread::sleep(Duration::from_millis(2));
    }
    let (code, said) = tap.terminate();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("4 packets taken"), "{said}");
    let bytes = fs::read(file).unwrap();
    let (mut rest, mut taken) = (&bytes[..], Vec::new());
    while let Some((header, after)) = rest.split_first_chunk::<32>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let flags = u16::from_le_bytes(header[12..14].try_into().unwrap());
        taken.push((u32::from(flags), after[..length].to_vec()));
        rest = &after[length..];
    }
    assert!(taken == expected, "{said}");
}

#[test]
fn an_engine_with_another_codec_does_not_go_on_in_the_same_output() {
    let mut engine = Engine::start();
    stream(&engine).key(&engine);
    let tap = Tap::start(&engine, "--reconnect 20", path("h264").to_str().unwrap());
    engine.client();
    engine = engine.leave();
    engine.header().stream.codec.store(Fourcc::HEVC.0, Relaxed);
    let (code, said) = tap.end();
    assert_eq!(code, Some(11), "{said}");
    assert!(
        said.contains("came back with HEVC, and the output has H264"),
        "{said}"
    );
}

#[test]
fn a_full_disk_and_a_pipe_without_a_reader_have_their_ends() {
    let engine = Engine::start();
    ten_frames(&engine);
    for words in ["", "--reconnect 20"] {
        let (code, said) = Tap::start(&engine, words, "/dev/full").end();
        assert_eq!(code, Some(12), "{said}");
        assert!(said.contains("no space left"), "{said}");
    }
    let fifo = path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let engine = Engine::start();
    ten_frames(&engine);
    let tap = Tap::start(&engine, "", fifo.to_str().unwrap());
    engine.client();
    assert_eq!(tap.terminate().0, Some(0));
    let tap = Tap::start(&engine, "", fifo.to_str().unwrap());
    assert_eq!(read_all(fs::File::open(&fifo).unwrap()).len(), 12_000);
    assert_eq!(tap.end().0, Some(0));
}
