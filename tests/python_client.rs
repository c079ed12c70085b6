//! A Python client on `src/client/python/framemill.py`, against the double of the engine and one that lies: it does and says what the C
//! client does. And those of its examples that need no screen.
#![cfg(not(loom))]

#[path = "c_client.rs"]
mod cases;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cases::double::Engine;
use framemill::client::Change;
use framemill::control::message::Message;
use framemill::internals::control::socket::{Received, receive_plain};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::packet_ring::{Packet, store_codec_headers};
use framemill::internals::shm::stats::Counter;
use framemill::shm::layout::flag;

/// An example beside the module, with these words. Debian's Python has PyAV.
fn example(name: &str, words: &[&str]) -> Command {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/python");
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg("-B")
        .arg(python.join("examples").join(name))
        .args(words)
        .env("PYTHONPATH", &python);
    command
}

/// Waits until the newest client requests a key frame.
fn key_frame_requested(engine: &Engine) {
    let client = engine.client();
    let begun = Instant::now();
    loop {
        match receive_plain(&client).unwrap() {
            Received::Message(Message::Change(Change::KeyFrame), _) => return,
            Received::Nothing => thread::sleep(Duration::from_millis(2)),
            other => panic!("{other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no request");
    }
}

#[test]
fn module_has_every_counter_in_the_order_of_the_numbers() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/python");
    let output = Command::new("/usr/bin/python3")
        .args(["-B", "-c", "import framemill; print(*framemill.COUNTERS)"])
        .env("PYTHONPATH", module)
        .output()
        .expect("python3 is there: scripts/check installs it");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        Counter::NAMES
    );
}

#[test]
fn fan_out_serves_each_reader_from_a_key_frame_on() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    store_codec_headers(&engine.header().codec_headers, b"HEAD");
    let mut server = example("fan_out.py", &["0", &engine.socket()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there: scripts/check installs it");
    let mut line = String::new();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let port = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let join = || {
        let reader = TcpStream::connect(("127.0.0.1", port)).unwrap();
        reader
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        reader
    };
    let expect = |reader: &mut TcpStream, bytes: &[u8]| {
        let mut found = vec![0; bytes.len()];
        reader.read_exact(&mut found).unwrap();
        assert_eq!(found, bytes);
    };
    let mut publish = |bytes: &[u8], flags| {
        let packet = Packet {
            flags,
            ..Packet::default()
        };
        engine.publish_packet(&mut writer, bytes, &packet);
    };
    let mut first = join();
    // A newcomer has a key frame requested, so that it is known to be in.
    key_frame_requested(&engine);
    publish(b"-of no use-", 0);
    publish(b"-key-", flag::KEY);
    publish(b"-one-", 0);
    expect(&mut first, b"HEAD-key--one-");
    let mut second = join();
    key_frame_requested(&engine);
    publish(b"-two-", 0);
    publish(b"-key again-", flag::KEY | flag::CONFIG);
    publish(b"-three-", 0);
    publish(b"", flag::END);
    expect(&mut first, b"-two--key again--three-");
    expect(&mut second, b"-key again--three-");
    assert!(server.wait().unwrap().success());
}

#[test]
fn write_file_keeps_the_packets_times() {
    write_file(*b"MJPG", "-pix_fmt yuvj420p -f mjpeg -");
    write_file(*b"H264", "-pix_fmt yuv420p -c:v libx264 -bf 0 -f h264 -");
}

fn write_file(codec: [u8; 4], coder: &str) {
    let engine = Engine::start();
    let mut writer = engine.writer();
    engine.header().stream.change(|stream| {
        stream.codec.store(u32::from_le_bytes(codec), Relaxed);
        stream.width.store(64, Relaxed);
        stream.height.store(48, Relaxed);
    });
    let pictures = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48"])
        .args(["-frames:v", "1"])
        .args(coder.split(' '))
        .output()
        .expect("ffmpeg is there: scripts/check installs it");
    assert!(pictures.status.success());
    // A pause, and a second producer half a second after the first one's last frame.
    let ms = [
        (0, 100),
        (40, 140),
        (80, 180),
        (1080, 1180),
        (0, 1680),
        (40, 1720),
    ];
    for (number, (timestamp, committed)) in ms.into_iter().enumerate() {
        let cut = u32::from(number == 4) * flag::DISCONTINUITY;
        let packet = Packet {
            flags: flag::KEY | flag::CONFIG | cut,
            timestamp: timestamp * 1_000_000,
            committed: committed * 1_000_000,
            ..Packet::default()
        };
        engine.publish_packet(&mut writer, &pictures.stdout, &packet);
    }
    engine.publish(&mut writer, 0, flag::END);
    let name = format!("write_file-{}.mkv", codec[0]);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let file = path.to_str().unwrap();
    // The newest key packet would be the last one.
    let status = example("write_file.py", &[file, &engine.socket(), "oldest"]).status();
    assert!(status.unwrap().success());
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
            file,
        ])
        .output()
        .unwrap();
    let times: Vec<f64> = String::from_utf8_lossy(&probe.stdout)
        .split_whitespace()
        .map(|time| time.trim_matches(',').parse().unwrap())
        .collect();
    assert_eq!(times, [0.0, 0.04, 0.08, 1.08, 1.58, 1.62]);
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-i", file, "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&decoded.stderr);
    assert!(complaint.is_empty(), "{complaint}");
    let text = String::from_utf8_lossy(&decoded.stdout);
    assert_eq!(
        text.lines().filter(|line| line.starts_with("0,")).count(),
        6
    );
}
