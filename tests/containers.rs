//! `tap --mux` against programs that know nothing of Framemill: FFmpeg, GStreamer and PyAV read the times that the ring has.
//!
//! The engine is a double (tests/double), the H.264 that of the guest's encoder model, the programs are Debian's.

#[path = "containers/clip.rs"]
mod clip;
#[path = "containers/demux.rs"]
mod demux;
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

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use clip::{Clip, Part, SECOND};
use double::Engine;
use framemill::client::Fourcc;
use framemill::internals::shm::packet_ring::store_codec_headers;
use framemill::shm::layout::flag;

/// A path of this test's own.
fn path(name: &str) -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    let number = PATHS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers");
    fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}-{number}.{name}", std::process::id()))
}

/// What a program of somebody else's prints.
#[track_caller]
fn printed(program: &str, arguments: &[&str], input: Option<&Path>) -> String {
    let stdin = input.map_or(Stdio::null(), |path| File::open(path).unwrap().into());
    let output = Command::new(program)
        .args(arguments)
        .stdin(stdin)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; scripts/check installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `tap` made of a clip.
struct Taken {
    file: PathBuf,
    /// The time of each frame, ticks of 1/90000 s since the first, as it follows from the index.
    ticks: Vec<u64>,
    said: String,
}

/// Has `tap` write a clip with these options; files beside the output have its name and an end of their own.
#[track_caller]
fn taken(clip: &Clip, words: &str) -> Taken {
    let engine = Engine::start();
    clip.publish(&engine);
    let file = path("out");
    let (code, said) = tap(&engine, words, &file);
    assert_eq!(code, Some(0), "{said}");
    let lines = fs::read_to_string(file.with_extension("index")).unwrap();
    Taken {
        file,
        ticks: ticks(&lines),
        said,
    }
}

/// Runs `tap` to its end: its exit code, and what it said.
fn tap(engine: &Engine, words: &str, file: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_framemill"))
        .args(["tap", "--from", "oldest", "--socket"])
        .arg(engine.socket())
        .args(words.split(' '))
        .arg("--to")
        .arg(file)
        .arg("--index")
        .arg(file.with_extension("index"))
        .arg("--pts")
        .arg(file.with_extension("pts"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// The rule: a timestamp that goes on is kept, and one that steps back goes on by what passed between the commits.
fn ticks(index: &str) -> Vec<u64> {
    let mut ticks = Vec::new();
    let (mut ns, mut before) = (0i64, None);
    for line in index.lines().skip(1) {
        let words: Vec<_> = line.split(' ').collect();
        if words[2].contains('E') {
            break;
        }
        let [timestamp, committed]: [i64; 2] = [4, 5].map(|at| words[at].parse().unwrap());
        if let Some((earlier, committed_before)) = before.replace((timestamp, committed)) {
            // Reordered frames were committed in another order, too.
            ns += match timestamp > earlier || committed < committed_before {
                true => timestamp - earlier,
                false => committed - committed_before,
            };
        }
        ticks.push(ns.cast_unsigned() * 9 / 100_000);
    }
    ticks
}

/// Each packet's time since the first, ticks, and whether it is a key frame, as ffprobe reads them.
#[track_caller]
fn probed(file: &Path) -> (Vec<u64>, Vec<bool>) {
    let arguments = "-v error -show_entries stream=time_base:packet=pts,flags -of json";
    let mut arguments: Vec<_> = arguments.split(' ').collect();
    arguments.push(file.to_str().unwrap());
    let text = printed("ffprobe", &arguments, None);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["streams"][0]["time_base"], "1/90000", "{text}");
    let packets = found["packets"].as_array().unwrap();
    let times = packets.iter().map(|packet| packet["pts"].as_u64());
    let times: Vec<_> = times.map(|pts| pts.expect(&text)).collect();
    let keys = packets
        .iter()
        .map(|packet| packet["flags"].as_str().unwrap());
    let keys = keys.map(|flags| flags.starts_with('K')).collect();
    (times.iter().map(|time| time - times[0]).collect(), keys)
}

/// The clips of which every container has to have the times.
fn clips() -> Vec<(&'static str, Clip)> {
    let five = Part::new(20, 5);
    let thirty = Part::new(40, 30);
    // The producer's timestamps go on after three seconds.
    let pause = Part {
        first_ns: 4 * SECOND,
        committed_ns: 104 * SECOND,
        ..Part::new(20, 30)
    };
    let larger = Part {
        size: (96, 64),
        generation: 2,
        flags: flag::DISCONTINUITY,
        first_ns: 2 * SECOND,
        committed_ns: 102 * SECOND,
        ..Part::new(20, 30)
    };
    // It counts from 0, three seconds later.
    let second = Part {
        flags: flag::DISCONTINUITY,
        committed_ns: 103 * SECOND + 1_234_567,
        ..Part::new(20, 5)
    };
    let short = Part::new(20, 30);
    vec![
        ("5/s", Clip::h264(&[five])),
        ("30/s", Clip::h264(&[thirty])),
        ("pause", Clip::h264(&[short, pause])),
        ("size", Clip::h264(&[short, larger])),
        ("producer", Clip::h264(&[short, second])),
    ]
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn ffprobe_reads_the_times_of_the_index() {
    for (name, clip) in clips() {
        for mux in ["ts", "mp4"] {
            let taken = taken(&clip, &format!("--all --mux {mux}"));
            let (times, keys) = probed(&taken.file);
            assert_eq!(times, taken.ticks, "{mux} {name}: {}", taken.said);
            assert_eq!(keys, clip.keys(), "{mux} {name}");
        }
    }
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn decoders_find_the_same_pictures_in_each_form() {
    let clip = Clip::h264(&[Part::new(20, 5)]);
    let bare = fs::read(taken(&clip, "--mux annexb").file).unwrap();
    assert_eq!(bare, clip.bytes());
    let pictures = tools::decoded(&bare, "h264");
    assert_eq!(pictures.len(), 20 * 64 * 48 * 3 / 2);
    for (mux, demuxer) in [("ts", "mpegts"), ("mp4", "mov")] {
        let file = fs::read(taken(&clip, &format!("--mux {mux}")).file).unwrap();
        assert!(tools::decoded(&file, demuxer) == pictures, "{mux}");
    }
}

/// Seconds between the first and the last frame of a file, and their number.
#[track_caller]
fn span(file: &Path) -> (f64, usize) {
    let arguments = "-v error -select_streams v -show_entries packet=pts_time -of json";
    let mut arguments: Vec<_> = arguments.split(' ').collect();
    arguments.push(file.to_str().unwrap());
    let text = printed("ffprobe", &arguments, None);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packets = found["packets"].as_array().unwrap();
    let times = packets.iter().map(|packet| packet["pts_time"].as_str());
    let times: Vec<f64> = times.map(|time| time.unwrap().parse().unwrap()).collect();
    (times[times.len() - 1] - times[0], times.len())
}

#[test]
#[ignore = "needs gcc, ffmpeg and GStreamer: scripts/check"]
fn gstreamer_makes_mp4_of_the_stream_with_the_right_times() {
    for (name, clip) in clips() {
        let taken = taken(&clip, "--mux ts");
        let file = path("mp4");
        let line = "-q fdsrc ! tsdemux ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! mp4mux ! filesink";
        let location = format!("location={}", file.display());
        let mut arguments: Vec<_> = line.split(' ').collect();
        arguments.push(&location);
        printed("gst-launch-1.0", &arguments, Some(&taken.file));
        let (seconds, frames) = span(&file);
        let last = *taken.ticks.last().unwrap() as f64 / 90_000.0;
        println!("{name}: {seconds} {last}");
        assert_eq!(frames, taken.ticks.len(), "{name}");
        assert!(
            (seconds - last).abs() < 0.001,
            "{name}: {seconds} s, not {last}"
        );
    }
}

#[test]
#[ignore = "needs gcc, ffmpeg and PyAV: scripts/check"]
fn pyav_reads_the_times_from_a_pipe() {
    let program = "import av, sys\n\
        for packet in av.open(sys.stdin.buffer, format=sys.argv[1]).demux():\n    \
        if packet.pts is not None: print(packet.pts, packet.time_base)";
    for (name, clip) in clips() {
        for (mux, format) in [("ts", "mpegts"), ("mp4", "mp4")] {
            let taken = taken(&clip, &format!("--mux {mux}"));
            // Debian's own: another Python of the PATH has no Debian packages.
            let text = printed(
                "/usr/bin/python3",
                &["-c", program, format],
                Some(&taken.file),
            );
            let pts = text
                .lines()
                .map(|line| line.strip_suffix(" 1/90000").expect(line));
            let times: Vec<u64> = pts.map(|pts| pts.parse().unwrap()).collect();
            let since: Vec<_> = times.iter().map(|time| time - times[0]).collect();
            assert_eq!(since, taken.ticks, "{mux} {name}");
        }
    }
}

/// The times in a file that `tap --pts` wrote, us.
fn pts_file(file: &Path) -> Vec<u64> {
    let text = fs::read_to_string(file.with_extension("pts")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("# timestamp format v2"));
    let us = |line: &str| {
        let (ms, us) = line.split_once('.').unwrap();
        assert_eq!(us.len(), 3, "{line}");
        ms.parse::<u64>().unwrap() * 1000 + us.parse::<u64>().unwrap()
    };
    lines.map(us).collect()
}

#[test]
#[ignore = "needs gcc: scripts/check"]
fn file_of_times_has_a_line_for_each_frame() {
    for (name, clip) in clips() {
        let taken = taken(&clip, "--mux annexb");
        let times = pts_file(&taken.file);
        let expected: Vec<_> = times.iter().map(|us| us * 9 / 100).collect();
        assert_eq!(taken.ticks.len(), expected.len(), "{name}");
        let near = |(found, expected): (&u64, u64)| expected.abs_diff(*found) <= 1;
        assert!(
            taken.ticks.iter().zip(expected).all(near),
            "{name}: {times:?}"
        );
    }
}

/// HEVC, with delimiters of its own and without; and pictures that are decoded in another order than shown.
#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn ffprobe_reads_the_times_of_hevc_and_of_reordered_frames() {
    let hevc = |delimiters: u8| {
        let parameters =
            format!("log-level=none:keyint=5:bframes=0:repeat-headers=1:aud={delimiters}");
        Clip::of_ffmpeg(
            Fourcc::HEVC,
            &["-c:v", "libx265", "-x265-params", &parameters],
        )
    };
    let reordered = Clip::of_ffmpeg(
        Fourcc::H264,
        &[
            "-c:v",
            "libx264",
            "-g",
            "12",
            "-bf",
            "2",
            "-b_strategy",
            "0",
        ],
    );
    let clips = [
        ("hevc", hevc(0)),
        ("delimiters", hevc(1)),
        ("reordered", reordered),
    ];
    for (name, clip) in clips {
        for (mux, demuxer) in [("ts", "mpegts"), ("mp4", "mov")] {
            let taken = taken(&clip, &format!("--mux {mux}"));
            let (times, keys) = probed(&taken.file);
            assert_eq!(times, taken.ticks, "{mux} {name}");
            assert_eq!(keys, clip.keys(), "{mux} {name}");
            if name == "reordered" {
                // Their times of decoding are made up, which FFmpeg remarks.
                continue;
            }
            let bytes = fs::read(&taken.file).unwrap();
            let pictures = tools::decoded(&bytes, demuxer);
            assert_eq!(
                pictures.len(),
                keys.len() * 320 * 180 * 3 / 2,
                "{mux} {name}"
            );
        }
    }
}

#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn jpeg_goes_into_mp4() {
    let clip = Clip::of_ffmpeg(Fourcc::MJPG, &["-c:v", "mjpeg"]);
    let taken = taken(&clip, "--mux mp4");
    assert_eq!(probed(&taken.file).0, taken.ticks);
    let line = "framemill: mp4: codecs=\"mp4v.6c\" 320x180";
    assert_eq!(taken.said.lines().next(), Some(line));
    let pictures = tools::decoded(&fs::read(&taken.file).unwrap(), "mov");
    assert_eq!(pictures.len(), 12 * 320 * 180 * 3 / 2);
}

/// As servers of webcams send it: FFmpeg's demuxer reads each picture, and the lines around them are what the table says.
#[test]
#[ignore = "needs ffmpeg: scripts/check"]
fn jpeg_becomes_parts_that_browsers_and_ffmpeg_read() {
    let clip = Clip::of_ffmpeg(Fourcc::MJPG, &["-c:v", "mjpeg"]);
    let taken = taken(&clip, "--mux mjpeg");
    let bytes = fs::read(&taken.file).unwrap();
    // FFmpeg complains of the line behind the last part, which its own muxer writes, too.
    let parts = bytes.strip_suffix(b"\r\n--framemill\r\n");
    let pictures = tools::decoded(parts.expect("a boundary"), "mpjpeg");
    assert_eq!(pictures.len(), 12 * 320 * 180 * 3 / 2);
    let bare = tools::decoded(
        &fs::read(self::taken(&clip, "--mux annexb").file).unwrap(),
        "mjpeg",
    );
    assert!(pictures == bare);
    let mut rest = bytes.strip_prefix(b"--framemill\r\n").expect("a boundary");
    let mut times = Vec::new();
    while !rest.is_empty() {
        let end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a header");
        let header = str::from_utf8(&rest[..end]).unwrap();
        let lines: Vec<_> = header.lines().collect();
        let [kind, length, time] = lines[..] else {
            panic!("{header}")
        };
        assert_eq!(kind, "Content-Type: image/jpeg");
        let number = |line: &str, name: &str| {
            line.strip_prefix(name)
                .expect(header)
                .parse::<f64>()
                .unwrap()
        };
        let length = number(length, "Content-Length: ") as usize;
        times.push(number(time, "X-Timestamp: "));
        let (picture, behind) = rest[end + 4..].split_at(length);
        assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]));
        rest = behind
            .strip_prefix(b"\r\n--framemill\r\n")
            .expect("a boundary");
    }
    assert_eq!(times.len(), 12);
    for (time, ticks) in times.iter().zip(&taken.ticks) {
        let passed = *ticks as f64 / 90_000.0;
        assert!((time - times[0] - passed).abs() < 0.000_03, "{times:?}");
    }
}

#[test]
fn codec_that_a_container_has_no_place_for_is_rejected() {
    for (mux, codec, carries) in [
        ("ts", Fourcc::MJPG, "H264 and HEVC"),
        ("ts", Fourcc::FWHT, "H264 and HEVC"),
        ("mp4", Fourcc::FWHT, "H264, HEVC and MJPG"),
        ("mjpeg", Fourcc::H264, "MJPG and JPEG"),
    ] {
        let engine = Engine::start();
        Clip::made_up(codec, &[flag::KEY, 0]).publish(&engine);
        let file = path("out");
        let (code, said) = tap(&engine, &format!("--mux {mux}"), &file);
        assert_eq!(code, Some(11), "{said}");
        let sentence = format!(
            "framemill: this container carries {carries}, and the stream is {codec}: give --mux annexb or --mux packets\n"
        );
        assert!(said.starts_with(&sentence), "{said}");
        assert!(!file.exists());
    }
}

/// Bytes of a packet of `Clip::made_up`.
fn made_up(number: u8) -> Vec<u8> {
    vec![0, 0, 0, 1, 0x41, number]
}

#[test]
fn packets_have_headers_that_say_what_is_known() {
    let engine = Engine::start();
    let clip = Clip::made_up(Fourcc::FWHT, &[0, flag::KEY, flag::DISCONTINUITY, 0]);
    clip.publish(&engine);
    let file = path("out");
    let (code, said) = tap(&engine, "--mux packets", &file);
    assert_eq!(code, Some(0), "{said}");
    let bytes = fs::read(&file).unwrap();
    let mut rest = &bytes[..];
    for number in 0..5u8 {
        let end = number == 4;
        let (header, content) = rest.split_at(32);
        assert_eq!(&header[..8], b"FMp1FWHT");
        let length = if end { 0 } else { 6 };
        assert_eq!(header[8..12], [length, 0, 0, 0]);
        let flags = [0, 1, 8, 0, 16][usize::from(number)];
        assert_eq!(header[12..16], [flags, 0, u8::from(!end), 0], "{number}");
        let time = u64::from_le_bytes(header[16..24].try_into().unwrap());
        let expected =
            7_000_000_000 + 40_000_000 * u64::from(number.min(3)) + u64::from(end) * 11_112;
        assert_eq!(time, expected);
        assert_eq!(header[24..], u64::from(number).to_le_bytes());
        let (content, behind) = content.split_at(length.into());
        assert!(end || content == made_up(number));
        rest = behind;
    }
    assert!(rest.is_empty());
}

#[test]
fn containers_begin_with_a_key_frame_and_what_comes_before_is_counted() {
    for mux in ["ts", "mp4"] {
        let engine = Engine::start();
        let clip = Clip::made_up(Fourcc::H264, &[0, 0, flag::KEY, 0, flag::DISCONTINUITY, 0]);
        // Headers that the packets do not have.
        assert!(store_codec_headers(&engine.header().codec_headers, AVC));
        clip.publish(&engine);
        let file = path("out");
        let (code, said) = tap(&engine, &format!("--mux {mux}"), &file);
        assert_eq!(code, Some(0), "{said}");
        let summary = "4 packets taken, 24 bytes, 2 packets lost";
        assert!(said.contains(summary), "{said}");
        let bytes = fs::read(&file).unwrap();
        let ticks = [0, 3600, 7200, 10_800];
        if mux == "ts" {
            let found = demux::ts(&bytes, 0x1b);
            assert_eq!(
                found
                    .iter()
                    .map(|frame| frame.pts - 9000)
                    .collect::<Vec<_>>(),
                ticks
            );
            let cuts = found.iter().map(|frame| frame.cut);
            assert!(cuts.eq([true, false, true, false]));
            assert_eq!(found[0].bytes[6..], [AVC, &made_up(2)].concat());
            assert_eq!(found[1].bytes[6..], made_up(3));
        } else {
            let found = demux::mp4(&bytes);
            assert!(matches!(found[0], demux::Piece::Description(_)));
            let times = found[1..].iter().map(|piece| match piece {
                demux::Piece::Frame(frame) => frame.pts,
                other => panic!("{other:?}"),
            });
            assert!(times.eq(ticks));
            assert!(said.contains("mp4: codecs=\"avc1.64000a\" 66x34"), "{said}");
        }
        let (code, said) = tap(&engine, &format!("--all --mux {mux}"), &file);
        assert_eq!(code, Some(13), "{said}");
    }
}

/// A generation's packets begin with what describes them.
#[test]
#[ignore = "needs gcc: scripts/check"]
fn each_generation_of_mp4_has_a_description_and_each_of_ts_a_discontinuity() {
    let (_, clip) = clips()
        .into_iter()
        .find(|(name, _)| *name == "size")
        .unwrap();
    let pieces = demux::mp4(&fs::read(taken(&clip, "--mux mp4").file).unwrap());
    let described = pieces.iter().enumerate();
    let described = described.filter(|(_, piece)| matches!(piece, demux::Piece::Description(_)));
    assert!(described.map(|(at, _)| at).eq([0, 21]));
    let frames = demux::ts(&fs::read(taken(&clip, "--mux ts").file).unwrap(), 0x1b);
    let cuts = frames.iter().enumerate().filter(|(_, frame)| frame.cut);
    assert!(cuts.map(|(at, _)| at).eq([20]));
    assert!(frames.iter().all(|frame| frame.has_length));
}

/// SPS and PPS: High, 66x34.
const AVC: &[u8] = b"\0\0\0\x01\x67\x64\0\x0a\xac\xd9\x45\x7e\x22\x23\x01\x10\0\0\x03\0\x10\0\0\x03\0\xa0\xf1\x22\x59\x60\
\0\0\x01\x68\xeb\xe3\xcb\x22\xc0";
