//! The example `appsrc.c`: packets go through a real GStreamer pipeline with the times that `tap` gives them.
//!
//! The engine is a double (tests/double), the H.264 that of the guest's encoder model; ffprobe reads what GStreamer's muxer wrote.
#![cfg(not(loom))]

#[allow(
    dead_code,
    reason = "made for the containers' tests, which use all of it"
)]
#[path = "containers/clip.rs"]
mod clip;
mod double;
#[allow(
    dead_code,
    reason = "made for the coder's own tests, which use all of it"
)]
#[path = "model_coder/raw.rs"]
mod raw;
#[allow(
    dead_code,
    reason = "made for the coder's own tests, which use all of it"
)]
#[path = "model_coder/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use clip::{Clip, Part, SECOND};
use double::Engine;
use framemill::shm::layout::flag;

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("appsrc");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Runs a program to its end, which has to be a good one; gives what it prints.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/check installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn example() -> PathBuf {
    let program = path("appsrc");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client/examples/appsrc.c");
    let flags = run(Command::new("pkg-config").args(["--cflags", "--libs", "gstreamer-app-1.0"]));
    run(Command::new("gcc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
        .args([&program, &source])
        .args(flags.split_whitespace()));
    program
}

/// Each packet's time since the first, ticks of 1/90000 s.
fn times(file: &Path) -> Vec<i64> {
    let words = "-v error -show_entries packet=pts -of csv=p=0";
    let text = run(Command::new("ffprobe").args(words.split(' ')).arg(file));
    let times = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(',').parse::<i64>());
    let times: Vec<_> = times.map(|time| time.expect(&text)).collect();
    times.iter().map(|time| time - times[0]).collect()
}

#[test]
#[ignore = "needs GStreamer and ffmpeg: scripts/check"]
fn gstreamer_gets_the_times_and_the_pictures_of_the_packets() {
    let program = example();
    // After three seconds the producer's times go on; then another producer counts from 0.
    let pause = Part {
        first_ns: 4 * SECOND,
        committed_ns: 104 * SECOND,
        ..Part::new(16, 30)
    };
    let second = Part {
        flags: flag::DISCONTINUITY,
        committed_ns: 107 * SECOND + 1_234_567,
        ..Part::new(10, 5)
    };
    let clip = Clip::h264(&[Part::new(16, 30), pause, second]);
    let (ours, theirs) = (path("tap.ts"), path("gst.ts"));
    for (file, tap) in [(&ours, true), (&theirs, false)] {
        let engine = Engine::start();
        clip.publish(&engine);
        let mut command = if tap {
            let mut command = Command::new(env!("CARGO_BIN_EXE_framemill"));
            command.args(["tap", "--from", "oldest", "--mux", "ts", "--to"]);
            command.arg(file).arg("--socket").arg(engine.socket());
            command
        } else {
            let mut command = Command::new(&program);
            let pipeline = format!(
                "h264parse ! mpegtsmux ! filesink location={}",
                file.display()
            );
            command.arg(engine.socket()).arg(pipeline).arg("oldest");
            command
        };
        run(&mut command);
    }
    let (ours, theirs) = (times(&ours), times(&theirs));
    assert_eq!(ours.len(), 42);
    assert_eq!(ours.len(), theirs.len());
    // Each rounds in its own way.
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert!((ours - theirs).abs() <= 1, "{number}: {ours} {theirs}");
    }
    let pictures = |name| tools::decoded(&std::fs::read(path(name)).unwrap(), "mpegts");
    assert!(pictures("tap.ts") == pictures("gst.ts"));
}
