//! The recipes of `src/command/README.md`: each block is run as it stands there, with the real program. The engine is a double
//! (tests/double) that publishes pictures with numbers, in real time.

mod double;
#[path = "recipes/kitchen.rs"]
mod kitchen;
mod live;
mod program;
#[path = "recipes/text.rs"]
mod text;

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kitchen::{Kitchen, Running, free_port, within};
use live::pictures::{self, FRAMES, HEIGHT, KEYS_EVERY, WIDTH};
use live::{UNEVEN, time};

/// Recipes, and how many lines their blocks have at most.
const NAMES: &[&str] = &[
    "FFmpeg: a file",
    "FFmpeg: an RTSP server",
    "GStreamer",
    "PyAV",
    "OpenCV",
    "A browser",
    "mediamtx",
    "go2rtc",
];
const LINES: usize = 5;

/// How long readers read.
const RUN: Duration = Duration::from_secs(4);
/// Programs are slow to start on a busy machine, and take the stream from its newest key frame on: frames that each of them gets.
const LEAST: usize = 60;

/// That a file has pictures one after the other from a key frame on, none missing, at their times.
#[track_caller]
fn each_picture_is_there(file: &str) {
    let numbers = pictures::numbers(file);
    assert!(numbers.len() >= LEAST, "{}", numbers.len());
    let first = numbers[0].expect("a picture with a number");
    assert_eq!(first % KEYS_EVERY, 0);
    let expected = (first..).map(|number| Some(number % FRAMES));
    assert!(expected.zip(&numbers).all(|(a, b)| a == *b), "{numbers:?}");
}

/// The times of a file's frames, ms.
fn times(file: &str) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "default=nk=1:nw=1",
            file,
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seconds = text.lines().map(|line| line.parse::<f64>().expect(line));
    seconds.map(|seconds| seconds * 1000.0).collect()
}

#[track_caller]
fn at_their_times(ms: &[f64]) {
    let passed = |at: usize| (time(at + 1) - time(at)).as_millis() as f64;
    let right = |first: usize| {
        let pairs = ms.windows(2).enumerate();
        pairs
            .into_iter()
            .all(|(at, pair)| (pair[1] - pair[0] - passed(first + at)).abs() < 1.01)
    };
    // Which frame came first is not known here.
    assert!((0..UNEVEN).any(right), "{ms:?}");
}

/// The browser's is in tests/view.rs.
#[test]
fn recipes_are_short_and_each_has_a_test() {
    assert_eq!(text::names(), NAMES);
    for name in NAMES {
        let blocks = text::blocks(name);
        assert!(!blocks.is_empty(), "{name}");
        for block in blocks {
            assert!(
                (1..=LINES).contains(&block.lines().count()),
                "{name}: {block}"
            );
        }
    }
}

#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn ffmpeg_writes_a_file() {
    let kitchen = Kitchen::new();
    let recipe = kitchen.start(text::blocks("FFmpeg: a file")[0], &[]);
    kitchen.finish(recipe);
    each_picture_is_there(&kitchen.path("clip.mkv"));
    at_their_times(&times(&kitchen.path("clip.mkv")));
}

/// The server is an ffmpeg that listens.
#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn ffmpeg_announces_to_an_rtsp_server() {
    let kitchen = Kitchen::new();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut server = kitchen.command("ffmpeg");
    server
        .args(["-v", "error", "-rtsp_flags", "listen", "-i"])
        .arg(format!("rtsp://{address}/camera"))
        .args(["-c", "copy", "received.mkv"]);
    let mut server = Running::spawn(&mut server);
    let listens = format!(":{port:04X} 00000000:0000 0A");
    within("a server that listens", || {
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.contains(&listens).then_some(())
    });
    let block = text::blocks("FFmpeg: an RTSP server")[0];
    let recipe = kitchen.start(block, &[("192.0.2.1:8554", &address)]);
    kitchen.finish(recipe);
    server.end();
    let received = kitchen.path("received.mkv");
    each_picture_is_there(&received);
    // A receiver of RTP knows times from the sender's first report on.
    at_their_times(&times(&received)[2..]);
}

#[test]
#[ignore = "needs ffmpeg and GStreamer: scripts/check"]
fn gstreamer_writes_a_file() {
    let kitchen = Kitchen::new();
    let recipe = kitchen.start(text::blocks("GStreamer")[0], &[]);
    kitchen.finish(recipe);
    each_picture_is_there(&kitchen.path("clip.mkv"));
    at_their_times(&times(&kitchen.path("clip.mkv")));
}

#[test]
#[ignore = "needs ffmpeg and PyAV: scripts/check"]
fn pyav_has_pictures_with_times() {
    let kitchen = Kitchen::new();
    let recipe = kitchen.start(text::blocks("PyAV")[0], &[]);
    let printed = kitchen.finish(recipe);
    let size = format!(" {WIDTH} {HEIGHT}");
    let times = printed
        .lines()
        .map(|line| line.strip_suffix(&size).expect(line));
    let ms: Vec<f64> = times
        .map(|time| time.parse::<f64>().unwrap() * 1000.0)
        .collect();
    assert!(ms.len() >= LEAST, "{printed}");
    at_their_times(&ms);
}

#[test]
#[ignore = "needs ffmpeg and OpenCV: scripts/check"]
fn opencv_has_pictures_with_times() {
    let kitchen = Kitchen::new();
    let recipe = kitchen.start(text::blocks("OpenCV")[0], &[]);
    let printed = kitchen.finish(recipe);
    let shape = format!(" ({HEIGHT}, {WIDTH}, 3)");
    let times = printed
        .lines()
        .map(|line| line.strip_suffix(&shape).expect(line));
    let ms: Vec<f64> = times.map(|time| time.parse().unwrap()).collect();
    assert!(ms.len() >= LEAST, "{printed}");
    at_their_times(&ms);
}

/// As mediamtx's source: it takes one connection, removes its socket, and listens again when the reader before it is gone.
#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn a_listener_of_mediamtx_gets_a_stream_of_its_own_each_time() {
    let kitchen = Kitchen::new();
    let socket = kitchen.path("mediamtx.sock");
    let [config, command] = text::blocks("mediamtx")[..] else {
        panic!()
    };
    let source = config
        .split("unix+mpegts://")
        .nth(1)
        .expect("a source")
        .trim();
    assert!(command.contains(&format!("unix:{source} ")));
    let _recipe = kitchen.start(command, &[(source, &socket)]);
    for connection in ["first.ts", "second.ts"] {
        let listener = UnixListener::bind(&socket).unwrap();
        let mut reader = listener.accept().unwrap().0;
        fs::remove_file(&socket).unwrap();
        let begun = Instant::now();
        let (mut taken, mut some) = (Vec::new(), [0; 8192]);
        while begun.elapsed() < RUN {
            let length = reader.read(&mut some).unwrap();
            assert!(length > 0, "the recipe has ended");
            taken.extend(&some[..length]);
        }
        fs::write(kitchen.path(connection), taken).unwrap();
        each_picture_is_there(&kitchen.path(connection));
        at_their_times(&times(&kitchen.path(connection)));
    }
}

/// go2rtc starts the words after `exec:` without a shell, knows MPEG-TS by its first byte, and closes the pipe in the end.
#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn a_command_of_go2rtc_prints_a_stream_and_ends_with_its_reader() {
    let kitchen = Kitchen::new();
    let config = text::blocks("go2rtc")[0];
    let command = config.split("shared: exec:").nth(1);
    let mut words = command.expect("a command").split_whitespace();
    let mut command = kitchen.command(&kitchen.path(words.next().unwrap()));
    let mut recipe = Running::spawn(command.args(words).stdout(Stdio::piped()));
    let mut pipe = recipe.0.stdout.take().unwrap();
    let begun = Instant::now();
    let (mut taken, mut some) = (Vec::new(), [0; 8192]);
    while begun.elapsed() < RUN {
        let length = pipe.read(&mut some).unwrap();
        taken.extend(&some[..length]);
    }
    drop(pipe);
    recipe.end();
    assert_eq!(taken[0], 0x47);
    fs::write(kitchen.path("taken.ts"), taken).unwrap();
    each_picture_is_there(&kitchen.path("taken.ts"));
}
