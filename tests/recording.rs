//! `tap --segment`: files one after the other, how they are cut, named and deleted, and what a full disk does.
//!
//! The engine is a double (tests/double), the H.264 that of the guest's encoder model, ffprobe Debian's.

#[path = "containers/clip.rs"]
#[allow(dead_code, reason = "made for containers.rs, which uses all of it")]
mod clip;
#[path = "containers/demux.rs"]
#[allow(dead_code, reason = "made for containers.rs, which uses all of it")]
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

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clip::{Clip, Part, SECOND};
use double::Engine;
use framemill::client::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::circle::Bytes;
use framemill::internals::shm::packet_ring::{Packet, Writer, store_codec_headers};
use framemill::internals::time::now;
use framemill::shm::layout::flag;

/// A path of this test's own.
fn path(name: &str) -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    let number = PATHS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recording");
    fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{}-{number}.{name}", std::process::id()))
}

/// An empty folder of this test's own.
fn folder() -> PathBuf {
    let folder = path("folder");
    fs::create_dir(&folder).unwrap();
    folder
}

fn command(engine: &Engine, words: &str, to: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framemill"));
    command
        .args(["tap", "--socket"])
        .arg(engine.socket())
        .args(words.split_whitespace())
        .arg("--to")
        .arg(to)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs `tap` to its end: its exit code, and what it said.
fn tap(engine: &Engine, words: &str, to: &Path) -> (Option<i32>, String) {
    ending(command(engine, words, to).output().unwrap())
}

fn ending(output: Output) -> (Option<i32>, String) {
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// A `tap` that runs. A test that fails leaves nobody behind.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(engine: &Engine, words: &str, to: &Path) -> Running {
    Running(Some(command(engine, words, to).spawn().unwrap()))
}

impl Running {
    /// Ends it with SIGTERM: its exit code, and what it said.
    fn terminate(mut self) -> (Option<i32>, String) {
        let child = self.0.take().unwrap();
        let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        ending(child.wait_with_output().unwrap())
    }
}

/// What is in a folder: names and bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

fn all_bytes(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    files.values().flatten().copied().collect()
}

#[track_caller]
fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not in a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A stream of packets that differ in their bytes: ten a second.
struct Stream<B: Bytes> {
    writer: Writer<'static, B>,
    number: u64,
    generation: u16,
}

fn stream(engine: &Engine) -> Stream<impl Bytes + use<>> {
    engine.header().stream.codec.store(Fourcc::H264.0, Relaxed);
    engine.header().status.generation.store(1, Relaxed);
    Stream {
        writer: engine.writer(),
        number: 0,
        generation: 1,
    }
}

impl<B: Bytes> Stream<B> {
    fn publish(&mut self, engine: &Engine, flags: u32, length: usize) -> Vec<u8> {
        self.number += 1;
        let bytes: Vec<u8> = (0..length as u64)
            .map(|at| (self.number * 31 + at * 7) as u8)
            .collect();
        let ns = self.number * SECOND / 10;
        let packet = Packet {
            flags,
            generation: self.generation,
            timestamp: ns,
            committed: ns,
            published: now(),
            ..Packet::default()
        };
        engine.publish_packet(&mut self.writer, &bytes, &packet);
        bytes
    }

    /// A key frame that begins with headers, and so many others, 1000 bytes each.
    fn gop(&mut self, engine: &Engine, others: usize) -> Vec<u8> {
        let mut bytes = self.publish(engine, flag::KEY | flag::CONFIG, 1000);
        for _ in 0..others {
            bytes.extend(self.publish(engine, 0, 1000));
        }
        bytes
    }
}

#[test]
fn segments_one_behind_the_other_are_the_single_file() {
    for mux in ["annexb", "ts", "packets"] {
        let engine = Engine::start();
        let mut stream = stream(&engine);
        // Six seconds, with a key frame each 0.7 s.
        for _ in 0..9 {
            stream.gop(&engine, 6);
        }
        stream.publish(&engine, flag::END, 0);
        let single = path(mux);
        let words = format!("--from oldest --mux {mux}");
        assert_eq!(tap(&engine, &words, &single).0, Some(0));
        let folder = folder();
        let words = format!("{words} --all --segment 2s");
        let (code, said) = tap(&engine, &words, &folder.join("rec-%n.x"));
        assert_eq!(code, Some(0), "{said}");
        let files = files(&folder);
        assert!(all_bytes(&files) == fs::read(single).unwrap(), "{mux}");
        // Cut at 2.1, 4.2 s: three key frames each.
        let names = ["rec-000001.x", "rec-000002.x", "rec-000003.x"];
        assert!(files.keys().eq(names), "{:?}", files.keys());
        if mux == "annexb" {
            assert!(files.values().all(|file| file.len() == 21_000));
        }
        assert!(said.contains("recording to "), "{said}");
        assert!(said.contains("3 segments written, 0 deleted"), "{said}");
    }
}

#[test]
fn a_segment_by_size_ends_with_the_first_key_frame_behind_it() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    for _ in 0..4 {
        // 64 KiB are 65,536 bytes.
        stream.gop(&engine, 65);
        stream.gop(&engine, 4);
    }
    stream.publish(&engine, flag::END, 0);
    let folder = folder();
    let (code, said) = tap(&engine, "--from oldest --segment 64K", &folder.join("%n"));
    assert_eq!(code, Some(0), "{said}");
    let sizes: Vec<_> = files(&folder).values().map(Vec::len).collect();
    assert_eq!(sizes, [66_000, 71_000, 71_000, 71_000, 5000]);
}

#[test]
fn each_segment_can_be_read_by_itself_also_without_headers_in_the_packets() {
    for (mux, begins) in [("annexb", &AVC[..8]), ("mp4", &b"\0\0\0\x24ftyp"[..])] {
        let engine = Engine::start();
        let mut stream = stream(&engine);
        assert!(store_codec_headers(&engine.header().codec_headers, AVC));
        for _ in 0..3 {
            stream.publish(&engine, flag::KEY, 100);
            for _ in 0..9 {
                stream.publish(&engine, 0, 100);
            }
        }
        stream.publish(&engine, flag::END, 0);
        let folder = folder();
        let words = format!("--from oldest --segment 1s --mux {mux}");
        let (code, said) = tap(&engine, &words, &folder.join("%n.x"));
        assert_eq!(code, Some(0), "{said}");
        let files = files(&folder);
        assert_eq!(files.len(), 3, "{said}");
        for file in files.values() {
            assert_eq!(&file[4..8], &begins[4..8]);
        }
        if mux == "mp4" {
            // One line for all of them: nothing changed.
            assert_eq!(said.matches("mp4: codecs=").count(), 1, "{said}");
        }
    }
}

#[test]
fn numbers_go_on_and_nothing_is_overwritten() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    stream.gop(&engine, 9);
    stream.gop(&engine, 9);
    stream.publish(&engine, flag::END, 0);
    let folder = folder();
    for name in ["a-000007.ts", "a-7.ts", "b-000009.ts", "a-000001.ts.old"] {
        fs::write(folder.join(name), name).unwrap();
    }
    fs::create_dir(folder.join("a-000012.ts")).unwrap();
    let pattern = folder.join("a-%n.ts");
    for _ in 0..2 {
        let (code, said) = tap(&engine, "--from oldest --segment 1s", &pattern);
        assert_eq!(code, Some(0), "{said}");
    }
    fs::remove_dir(folder.join("a-000012.ts")).unwrap();
    let files = files(&folder);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let expected = [
        "a-000001.ts.old",
        "a-000007.ts",
        "a-000013.ts",
        "a-000014.ts",
        "a-000015.ts",
        "a-000016.ts",
        "a-7.ts",
        "b-000009.ts",
    ];
    assert_eq!(names, expected);
    for name in ["a-000007.ts", "a-7.ts", "b-000009.ts", "a-000001.ts.old"] {
        assert_eq!(files[name], name.as_bytes());
    }
    fs::write(folder.join("a-4294967295.ts"), "").unwrap();
    let (code, said) = tap(&engine, "--from oldest --segment 1s", &pattern);
    assert_eq!(code, Some(12), "{said}");
    assert!(
        said.contains("a-4294967295.ts has the last number"),
        "{said}"
    );
}

#[test]
fn the_oldest_are_deleted_and_nothing_else() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    for _ in 0..20 {
        stream.gop(&engine, 9);
    }
    stream.publish(&engine, flag::END, 0);
    let folder = folder();
    let strangers = ["b-000001.ts", "a-1.ts", "note"];
    for name in strangers {
        fs::write(folder.join(name), vec![0; 100_000]).unwrap();
    }
    // Of a recording before.
    fs::write(folder.join("a-000003.ts"), vec![0; 40_000]).unwrap();
    fs::write(folder.join("a-000004.ts"), vec![0; 10_000]).unwrap();
    let words = "--from oldest --segment 1s --keep 65K";
    let (code, said) = tap(&engine, words, &folder.join("a-%n.ts"));
    assert_eq!(code, Some(0), "{said}");
    let mut files = files(&folder);
    for name in strangers {
        assert_eq!(files.remove(name).map(|bytes| bytes.len()), Some(100_000));
    }
    // 66,560 bytes: six of 10,000, and no more.
    let names = (19..=24).map(|number| format!("a-{number:06}.ts"));
    assert!(files.keys().cloned().eq(names), "{:?}", files.keys());
    assert!(said.contains("a-000003.ts (--keep)"), "{said}");
    assert!(said.contains("20 segments written, 16 deleted"), "{said}");
}

#[test]
fn the_past_begins_with_a_key_frame_that_is_old_enough() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    let mut publish = |flags, age: u64| {
        let mut packet = Packet {
            flags,
            timestamp: stream.number * SECOND,
            committed: stream.number * SECOND,
            ..Packet::default()
        };
        packet.published = now().saturating_sub(age * SECOND);
        engine.publish_packet(&mut stream.writer, &[stream.number as u8], &packet);
        stream.number += 1;
    };
    // Packet 0 is no key frame; 1, 3, 5, 7 are.
    for (flags, age) in [
        (0, 100),
        (flag::KEY, 90),
        (0, 85),
        (flag::KEY, 60),
        (0, 55),
        (flag::KEY, 30),
        (0, 20),
        (flag::KEY, 10),
        (0, 5),
    ] {
        publish(flags, age);
    }
    publish(flag::END, 0);
    for (from, first, said_so) in [
        ("-5s", 7, "beginning with the key frame of 10."),
        ("-11s", 5, "beginning with the key frame of 30."),
        ("-29s", 5, "of 30."),
        ("-1min", 3, "of 60."),
        ("-1h", 1, "s ago, the oldest one in the ring"),
    ] {
        let to = path("past");
        let (code, said) = tap(&engine, &format!("--all --from {from}"), &to);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(fs::read(&to).unwrap()[0], first, "{from}: {said}");
        assert!(said.contains(said_so), "{from}: {said}");
    }
    let engine = Engine::start();
    let tap = start(&engine, "--from -10s", &path("none"));
    engine.client();
    let (code, said) = tap.terminate();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no key frame yet"), "{said}");
}

#[test]
fn the_next_engine_and_another_generation_begin_another_segment() {
    let mut engine = Engine::start();
    let mut first = stream(&engine);
    let folder = folder();
    let words = "--from oldest --segment 1h --mux packets --reconnect 20";
    let tap = start(&engine, words, &folder.join("%n"));
    first.gop(&engine, 3);
    first.generation = 2;
    first.gop(&engine, 2);
    let size = |name: &str| fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    until(|| size("000002") == 3 * 1032);
    engine = engine.leave();
    // With the end mark of a stream, which is not that of the recording.
    let mut second = stream(&engine);
    second.gop(&engine, 1);
    second.publish(&engine, flag::END, 0);
    until(|| size("000003") == 2 * 1032);
    engine = engine.leave();
    stream(&engine).gop(&engine, 0);
    until(|| size("000004") == 1032);
    let (code, said) = tap.terminate();
    assert_eq!(code, Some(0), "{said}");
    let sizes: Vec<_> = files(&folder).values().map(Vec::len).collect();
    assert_eq!(sizes, [4 * 1032, 3 * 1032, 2 * 1032, 1032], "{said}");
    assert!(said.contains("4 segments written"), "{said}");
}

#[test]
fn a_recording_without_a_frame_makes_no_file() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    stream.publish(&engine, 0, 10);
    stream.publish(&engine, flag::END, 0);
    let folder = folder();
    let words = "--from oldest --segment 1s --mux packets";
    let (code, said) = tap(&engine, words, &folder.join("%n"));
    assert_eq!(code, Some(0), "{said}");
    assert!(files(&folder).is_empty(), "{said}");
    assert!(said.contains("0 segments written"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_recorded_in_is_named() {
    let engine = Engine::start();
    stream(&engine).gop(&engine, 0);
    let folder = folder();
    fs::write(folder.join("file"), "").unwrap();
    for (to, says) in [
        ("none/a-%n.ts", "none/: ENOENT"),
        ("file/a-%n.ts", "file/: ENOTDIR"),
    ] {
        let (code, said) = tap(&engine, "--segment 1s", &folder.join(to));
        assert_eq!(code, Some(12), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// A script in a mount namespace of its own, with a small disk at `disk`.
#[track_caller]
fn on_small_disk(disk: &Path, kib: u32, script: &str) -> (Option<i32>, String) {
    let mount = format!(
        "mount -t tmpfs -o size={kib}k,mode=755 disk '{}'",
        disk.display()
    );
    let root = rustix::process::getuid().is_root();
    let output = Command::new("unshare")
        .arg(if root { "-m" } else { "-Urm" })
        .args(["sh", "-c", &format!("{mount} || exit 99\n{script}")])
        .env("DISK", disk)
        .output()
        .expect("unshare is there");
    let ending = ending(output);
    assert_ne!(ending.0, Some(99), "no small disk: {}", ending.1);
    ending
}

/// Records on a small disk, and gives what was on it at the end: the exit code, what was said, files.
fn fill(
    engine: &Engine,
    words: &str,
    kib: u32,
) -> (Option<i32>, String, BTreeMap<String, Vec<u8>>) {
    let (disk, out) = (folder(), folder());
    let script = format!(
        "{} tap --socket {} --from oldest {words} --to \"$DISK/rec-%n.x\"; code=$?; cp \"$DISK\"/* '{}'; exit $code",
        env!("CARGO_BIN_EXE_framemill"),
        engine.socket(),
        out.display()
    );
    let (code, said) = on_small_disk(&disk, kib, &script);
    (code, said, files(&out))
}

#[test]
#[ignore = "mounts a small disk: scripts/check"]
fn a_full_disk_costs_the_oldest_segment_and_no_byte_of_the_others() {
    for mux in ["annexb", "ts", "packets"] {
        let engine = Engine::start();
        let mut stream = stream(&engine);
        // 400,000 bytes for a disk of 100 KiB: 25 pages, and three for a segment, so that it gets full in the middle of a write.
        for _ in 0..40 {
            stream.gop(&engine, 9);
        }
        stream.publish(&engine, flag::END, 0);
        let single = path(mux);
        let words = format!("--mux {mux} --segment 1s --keep 1G");
        let oldest = format!("--from oldest --mux {mux}");
        assert_eq!(tap(&engine, &oldest, &single).0, Some(0));
        let single = fs::read(single).unwrap();
        let (code, said, files) = fill(&engine, &words, 100);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("rec-000001.x (the disk is full)"), "{said}");
        let bytes = all_bytes(&files);
        assert!(files.len() > 3 && single.ends_with(&bytes), "{mux}: {said}");
        assert_eq!(files.keys().last().unwrap(), "rec-000040.x");
        let deleted = 40 - files.len();
        let summary = format!("40 segments written, {deleted} deleted");
        assert!(said.contains(&summary), "{said}");
    }
}

#[test]
#[ignore = "mounts a small disk: scripts/check"]
fn a_full_disk_is_the_end_where_nothing_may_be_deleted() {
    let engine = Engine::start();
    let mut stream = stream(&engine);
    for _ in 0..40 {
        stream.gop(&engine, 9);
    }
    stream.publish(&engine, flag::END, 0);
    let (code, said, files) = fill(&engine, "--segment 1s", 96);
    assert_eq!(code, Some(12), "{said}");
    assert!(files.contains_key("rec-000001.x"), "{said}");
    let sentence =
        "failed: ENOSPC: no space left; with --keep the oldest segments would be deleted";
    assert!(said.contains(sentence), "{said}");
    // One segment alone fills the disk.
    let (code, said, files) = fill(&engine, "--segment 1h --keep 1G", 96);
    assert_eq!(code, Some(12), "{said}");
    assert!(files.keys().eq(["rec-000001.x"]), "{said}");
    let sentence =
        "rec-000001.x failed: ENOSPC: no space left; there is no older segment to delete";
    assert!(said.contains(sentence), "{said}");
    // A folder that is there and cannot be written into.
    let disk = folder();
    let script = format!(
        "mount -o remount,ro \"$DISK\" && {} tap --socket {} --segment 1s --to \"$DISK/%n\"",
        env!("CARGO_BIN_EXE_framemill"),
        engine.socket()
    );
    let (code, said) = on_small_disk(&disk, 64, &script);
    assert_eq!(code, Some(12), "{said}");
    assert!(
        said.contains("EROFS: the file system is read-only"),
        "{said}"
    );
}

/// A recording that is killed at any moment: all but the end of the last segment is there.
#[test]
fn what_a_killed_recording_wrote_can_be_read() {
    for round in 0..12u64 {
        let engine = Engine::start();
        let mut stream = stream(&engine);
        let folder = folder();
        let words = "--from oldest --segment 1s --mux packets";
        let tap = start(&engine, words, &folder.join("%n"));
        engine.client();
        let until = Instant::now() + Duration::from_millis(5 + 7 * round);
        while Instant::now() < until && stream.number < 400 {
            stream.gop(&engine, 9);
        }
        drop(tap);
        let files = files(&folder);
        let bytes = all_bytes(&files);
        // Whole records, numbered one by one; of the last one perhaps a part.
        let mut rest = &bytes[..];
        let mut sequence = 0u64;
        while let Some((header, after)) = rest.split_first_chunk::<32>() {
            assert_eq!(&header[..4], b"FMp1");
            assert_eq!(header[24..], sequence.to_le_bytes());
            let Some(content) = after.get(..1000) else {
                break;
            };
            assert_eq!(content[0], ((sequence + 1) * 31) as u8);
            rest = &after[1000..];
            sequence += 1;
        }
        // Each file but the last one is whole.
        let whole = files.values().rev().skip(1);
        assert!(whole.clone().all(|file| file.len() == 10 * 1032));
        assert!(bytes.len().is_multiple_of(1032) || rest.len() < 1032);
    }
}

/// Each packet's time, ticks, and whether it is a key frame, as ffprobe reads them.
#[track_caller]
fn probed(arguments: &str, file: &Path) -> Vec<(u64, bool)> {
    let line = format!("-v error {arguments} -show_entries packet=pts,flags -of json");
    let output = Command::new("ffprobe")
        .args(line.split_whitespace())
        .arg(file)
        .output()
        .expect("scripts/check installs ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = found["packets"].as_array().unwrap().iter();
    packets
        .map(|packet| {
            let key = packet["flags"].as_str().unwrap().starts_with('K');
            (packet["pts"].as_u64().expect("a time"), key)
        })
        .collect()
}

/// Segments of real H.264: by themselves, and one behind the other as a player takes them.
#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn players_go_on_from_segment_to_segment_without_a_gap() {
    let clip = Clip::h264(&[Part::new(120, 30)]);
    let pictures = tools::decoded(&clip.bytes(), "h264");
    for (mux, demuxer) in [("ts", "mpegts"), ("mp4", "mov"), ("annexb", "h264")] {
        let engine = Engine::start();
        clip.publish(&engine);
        let folder = folder();
        let words = format!("--from oldest --all --segment 1s --mux {mux}");
        let (code, said) = tap(&engine, &words, &folder.join("rec-%n.x"));
        assert_eq!(code, Some(0), "{said}");
        let files = files(&folder);
        // Cut at frames 32, 64 and 96.
        assert_eq!(files.len(), 4, "{said}");
        let decoded: Vec<u8> = files
            .values()
            .flat_map(|file| tools::decoded(file, demuxer))
            .collect();
        assert!(decoded == pictures, "{mux}");
        let whole = path(mux);
        let list = match mux {
            "mp4" => {
                let lines = files
                    .keys()
                    .map(|name| format!("file '{}'\n", folder.join(name).display()));
                fs::write(&whole, lines.collect::<String>()).unwrap();
                "-f concat -safe 0"
            }
            _ => {
                fs::write(&whole, all_bytes(&files)).unwrap();
                ""
            }
        };
        if mux == "annexb" {
            assert!(fs::read(&whole).unwrap() == clip.bytes());
            continue;
        }
        let found = probed(list, &whole);
        let keys: Vec<_> = found.iter().map(|&(_, key)| key).collect();
        assert_eq!(keys, clip.keys(), "{mux}");
        // As the index has them: 1/30 s, rounded down.
        let times = found.iter().map(|&(pts, _)| pts - found[0].0);
        let expected = (0..120u64).map(|number| number * (SECOND / 30) * 9 / 100_000);
        let near = times.zip(expected).all(|(time, exact)| match mux {
            "ts" => time == exact,
            // The list's reader begins each file where the one before ends: its last frame's duration is rounded.
            _ => time.abs_diff(exact) <= 3,
        });
        assert!(near, "{mux}: {found:?}");
        // A file of MP4 begins at 0, one of MPEG-TS where the one before ended.
        for (name, at) in files.keys().zip([0, 32, 64, 96]) {
            let first = probed("", &folder.join(name))[0].0;
            let expected = match mux {
                "ts" => 9000 + at * (SECOND / 30) * 9 / 100_000,
                _ => 0,
            };
            assert_eq!(first, expected, "{mux} {name}");
        }
    }
}

/// SPS and PPS: High, 66x34.
const AVC: &[u8] = b"\0\0\0\x01\x67\x64\0\x0a\xac\xd9\x45\x7e\x22\x23\x01\x10\0\0\x03\0\x10\0\0\x03\0\xa0\xf1\x22\x59\x60\
\0\0\x01\x68\xeb\xe3\xcb\x22\xc0";
