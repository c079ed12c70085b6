//! `tap`, `push` and `stat --watch` as processes: how they finish when a signal asks them to, and how they wait for inputs and outputs
//! that are not ready. The engine is a double (tests/double).

mod double;
mod program;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use double::{Engine, ONE_SLOT, REOPENED};
use framemill::client::SocketName;
use framemill::internals::control::socket::{Listener, dial};
use framemill::shm::layout::flag;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// Bytes of the double's frames.
const FRAME_BYTES: usize = 64 * 48 * 3 / 2;

const SIGNALS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// The program, to which SIGHUP means something also where the tests run under `nohup`.
fn program() -> Command {
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP")
        .arg(self::program::program());
    command
}

/// A command on this engine.
fn framemill(engine: &Engine, words: &str) -> Command {
    let mut command = program();
    command
        .args(words.split(' '))
        .args(["--socket", &engine.socket()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn send(child: &Child, signal: Signal) {
    let process = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(process, signal).unwrap();
}

/// A path of this test's own.
fn path(name: &str) -> PathBuf {
    static PATHS: AtomicU32 = AtomicU32::new(0);
    let number = PATHS.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("finish");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{}-{number}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn fifo(name: &str) -> PathBuf {
    let path = path(name);
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, path.to_str().unwrap(), FileType::Fifo, mode, 0).unwrap();
    path
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn has_lines(path: &PathBuf, count: usize) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().count() >= count)
}

/// Its end: exit code and what it said.
#[track_caller]
fn ended(mut child: Child) -> (Option<i32>, String) {
    until("the process ends", || child.try_wait().unwrap().is_some());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Whether the process holds these signals back: then they reach it also as process 1 of a container, where the default action of
/// each is none.
fn waits_for_signals(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = u64::from_str_radix(line.unwrap().trim(), 16).unwrap();
    SIGNALS
        .iter()
        .all(|signal| blocked & 1 << (signal.as_raw() - 1) != 0)
}

/// The lengths and flags in an index; every line is whole.
fn index(path: &PathBuf) -> Vec<(u64, String)> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines()
        .skip(1)
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(words.len(), 9, "{line}");
            (words[1].parse().unwrap(), words[2].to_owned())
        })
        .collect()
}

#[test]
fn tap_that_is_asked_to_finish_leaves_whole_packets_and_an_index_of_all_of_them() {
    for signal in SIGNALS {
        let engine = Engine::start();
        let mut writer = engine.writer();
        let (to, lines) = (path("to"), path("index"));
        let words = format!(
            "tap --from oldest --to {} --index {}",
            to.display(),
            lines.display()
        );
        let tap = framemill(&engine, &words).spawn().unwrap();
        engine.publish_gop(&mut writer, 20, 1000);
        until("index", || has_lines(&lines, 22));
        assert!(waits_for_signals(&tap));
        send(&tap, signal);
        let (code, said) = ended(tap);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("21 packets taken, 21000 bytes, 0 packets lost"),
            "{said}"
        );
        assert_eq!(index(&lines).len(), 21);
        assert_eq!(fs::read(&to).unwrap().len(), 21000);
    }
}

/// With a limit of one descriptor, poll(2) takes no two: EINVAL. A poll that fails, and not because of a signal, ends a client and is not
/// tried again and again.
#[test]
fn poll_that_fails_ends_a_client() {
    let one = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    for words in ["tap", "push --fps 1000"] {
        let engine = Engine::start();
        engine.freeze();
        let mut client = framemill(&engine, words).spawn().unwrap();
        if words == "tap" {
            engine.client();
        } else {
            until("all slots are filled", || engine.committed() == 3);
        }
        // It waits for the engine in a poll that began before the limit.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(client.try_wait().unwrap(), None);
        let process = Pid::from_raw(client.id().cast_signed()).unwrap();
        prlimit(Some(process), Resource::Nofile, one).unwrap();
        send(&client, Signal::STOP);
        send(&client, Signal::CONT);
        let (code, said) = ended(client);
        assert_eq!(code, Some(14), "{words}: {said}");
        assert!(said.contains("poll failed: EINVAL"), "{words}: {said}");
    }
}

/// A tap that writes its second packet, larger than a pipe, to a pipe whose reader has read the first one and stopped. The pipe's
/// end, and the index.
fn stuck(engine: &Engine) -> (Child, std::io::PipeReader, PathBuf) {
    let mut writer = engine.writer();
    let lines = path("index");
    let (mut reader, pipe) = std::io::pipe().unwrap();
    let words = format!("tap --from oldest --index {}", lines.display());
    let tap = framemill(engine, &words).stdout(pipe).spawn().unwrap();
    engine.publish(&mut writer, 40_000, flag::KEY);
    engine.publish(&mut writer, 200_000, 0);
    engine.publish(&mut writer, 1_000, 0);
    reader.read_exact(&mut [0; 40_001]).unwrap();
    (tap, reader, lines)
}

#[test]
fn tap_ends_with_the_packet_that_it_has_begun() {
    let engine = Engine::start();
    let (tap, mut reader, lines) = stuck(&engine);
    send(&tap, Signal::TERM);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    let (code, said) = ended(tap);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(bytes.len(), 199_999);
    assert_eq!(index(&lines).len(), 2, "{said}");
}

#[test]
fn second_signal_ends_a_tap_whose_reader_never_reads() {
    let engine = Engine::start();
    let (mut tap, _reader, lines) = stuck(&engine);
    send(&tap, Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(tap.try_wait().unwrap(), None);
    send(&tap, Signal::INT);
    let (code, said) = ended(tap);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("a second signal"), "{said}");
    // The packet that was cut off has no line.
    assert_eq!(index(&lines).len(), 1);
}

#[test]
fn first_signal_alone_ends_it_within_the_time_for_that() {
    let engine = Engine::start();
    let (tap, _reader, _) = stuck(&engine);
    send(&tap, Signal::TERM);
    let (code, said) = ended(tap);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("not done after 5000 ms"), "{said}");
}

#[test]
fn nothing_holds_up_a_client_that_has_nothing_to_finish() {
    let engine = Engine::start();
    let (unread, unwritten) = (fifo("unread"), fifo("unwritten"));
    let nobody = format!("@framemill-nobody-{}", std::process::id());
    for words in [
        "tap --wait 60000 --socket NOBODY",
        "push --wait 60000 --socket NOBODY",
        "stat --watch 60000",
        "tap --to UNREAD",
        "tap --index UNREAD",
        "push --from UNWRITTEN --raw",
        "push --from UNWRITTEN",
        // Nothing comes on standard input.
        "push --from - --raw",
        "push --from -",
        // A frame in a thousand seconds.
        "push --fps 1/1000",
    ] {
        let words = words
            .replace("UNREAD", unread.to_str().unwrap())
            .replace("UNWRITTEN", unwritten.to_str().unwrap());
        let mut command;
        if words.contains("NOBODY") {
            command = program();
            command.stderr(Stdio::piped()).stdin(Stdio::null());
            command.args(words.replace("NOBODY", &nobody).split(' '));
        } else {
            command = framemill(&engine, &words);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        until("the signals are waited for", || waits_for_signals(&child));
        thread::sleep(Duration::from_millis(200));
        assert_eq!(child.try_wait().unwrap(), None, "{words}");
        send(&child, Signal::TERM);
        let (code, said) = ended(child);
        assert_eq!(code, Some(0), "{words}: {said}");
        let summary = match &words[..4] {
            "tap " => "0 packets taken, 0 bytes, 0 packets lost",
            "push" => " frames pushed: ",
            _ => "",
        };
        assert!(said.contains(summary), "{words}: {said}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_an_engine_that_does_not_answer() {
    for full in [false, true] {
        let name = format!("framemill-mute-{}-{full}", std::process::id());
        let address = SocketName::Abstract(name.as_bytes());
        // Nobody accepts.
        let _listener = Listener::bind(address, 0, None).unwrap();
        let mut waiting = Vec::new();
        while full && let Ok(client) = dial(&address, 0, None) {
            waiting.push(client);
        }
        for words in ["tap", "tap --wait 60000", "push", "stat --watch 100"] {
            let mut child = program()
                .args(words.split(' '))
                .args(["--socket", &format!("@{name}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            until("the signals are waited for", || waits_for_signals(&child));
            thread::sleep(Duration::from_millis(100));
            assert_eq!(child.try_wait().unwrap(), None, "{words}");
            let begun = Instant::now();
            send(&child, Signal::TERM);
            let (code, said) = ended(child);
            assert_eq!(code, Some(0), "{words}: {said}");
            // A tenth of a second, and time for a busy host; the answer is waited for fifty times as long.
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(1), "{words}: {took:?}");
        }
    }
}

#[test]
fn push_that_is_asked_to_finish_waits_for_its_frames_and_tells_their_number() {
    for signal in SIGNALS {
        for words in ["push --fps 100", "push --fps 1"] {
            let engine = Engine::start();
            let push = framemill(&engine, words).spawn().unwrap();
            until("a frame", || engine.committed() > 0);
            assert!(waits_for_signals(&push));
            send(&push, signal);
            let (code, said) = ended(push);
            assert_eq!(code, Some(0), "{said}");
            assert!(
                said.contains(" frames pushed: ") && said.contains(", 0 dropped"),
                "{said}"
            );
            assert!(!said.contains(": 0 frames pushed"), "{said}");
            assert!(!said.contains("were not taken"), "{said}");
        }
    }
}

#[test]
fn push_at_an_engine_that_takes_no_frames_ends_at_the_second_signal() {
    let engine = Engine::start();
    engine.freeze();
    let mut push = framemill(&engine, "push --fps 100").spawn().unwrap();
    until("all slots are filled", || engine.committed() == 3);
    send(&push, Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(push.try_wait().unwrap(), None);
    send(&push, Signal::TERM);
    let (code, said) = ended(push);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("3 frames pushed: 0 published"), "{said}");
}

/// A `push` of raw frames from a pipe, one in a thousand seconds, that has read the first of two and waits for the second one's time.
fn waiting_with_a_frame(engine: &Engine) -> (Child, fs::File) {
    let path = fifo("frames");
    let words = format!("push --raw --from {} --fps 1/1000", path.display());
    let push = framemill(engine, &words).spawn().unwrap();
    let left = open(path.to_str().unwrap(), OFlags::RDWR, Mode::empty()).unwrap();
    let mut pipe = fs::File::options().write(true).open(&path).unwrap();
    pipe.write_all(&[7; 2 * FRAME_BYTES]).unwrap();
    until("the second frame is looked at", || {
        rustix::io::ioctl_fionread(&left).unwrap() < FRAME_BYTES as u64
    });
    (push, pipe)
}

#[test]
fn push_that_is_asked_to_finish_commits_the_frames_that_it_keeps_back() {
    for signal in SIGNALS {
        let engine = Engine::start();
        let (push, _pipe) = waiting_with_a_frame(&engine);
        assert_eq!(engine.committed(), 0);
        send(&push, signal);
        let (code, said) = ended(push);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("1 frames pushed: 1 published, 0 dropped"),
            "{said}"
        );
    }
}

/// What `push` says of so many raw frames from a pipe.
fn pushed(engine: &Engine, frames: usize, bytes: usize) -> (Option<i32>, String) {
    let (reader, pipe) = std::io::pipe().unwrap();
    let mut pipe = fs::File::from(OwnedFd::from(pipe));
    pipe.write_all(&vec![7; frames * FRAME_BYTES + bytes])
        .unwrap();
    drop(pipe);
    let push = framemill(engine, "push --raw --from - --fps max")
        .stdin(reader)
        .spawn()
        .unwrap();
    ended(push)
}

#[test]
fn push_commits_the_frames_that_it_keeps_back_before_it_waits_for_a_slot() {
    let engine = Engine::start();
    engine.be_scarce(ONE_SLOT);
    let (code, said) = pushed(&engine, 3, 0);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("3 frames pushed: 3 published, 0 dropped"),
        "{said}"
    );
}

#[test]
fn frames_that_push_keeps_back_when_its_slots_are_lost_are_counted() {
    let engine = Engine::start();
    engine.be_scarce(REOPENED);
    let (code, said) = pushed(&engine, 3, 0);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("attaching again"), "{said}");
    assert!(
        said.contains("3 frames pushed: 2 published, 0 dropped"),
        "{said}"
    );
    assert!(said.contains(": 1 frames were not taken"), "{said}");
}

#[test]
fn frames_that_push_keeps_back_when_the_input_is_rejected_are_counted() {
    let engine = Engine::start();
    let (code, said) = pushed(&engine, 2, 5);
    assert_eq!(code, Some(11), "{said}");
    assert!(
        said.contains(": 2 whole frames of the input not pushed"),
        "{said}"
    );
    assert!(said.contains("then 5 bytes more"), "{said}");
    assert_eq!(engine.committed(), 0);
}

#[test]
fn stat_that_watches_ends_with_a_whole_report() {
    let engine = Engine::start();
    for words in [
        "stat --check --watch 100",
        "stat --watch 100 --json",
        "stat --watch 100",
    ] {
        let to = path("stat");
        let file = fs::File::create(&to).unwrap();
        let stat = framemill(&engine, words).stdout(file).spawn().unwrap();
        until("the signals are waited for", || waits_for_signals(&stat));
        let check = words.contains("check");
        until("two reports", || check || has_lines(&to, 2));
        send(&stat, Signal::TERM);
        let (code, said) = ended(stat);
        assert_eq!((code, &said[..]), (Some(0), ""), "{words}");
        let text = fs::read_to_string(&to).unwrap();
        assert!(
            check || text.ends_with("}\n") || text.ends_with("  running\n"),
            "{text:?}"
        );
    }
}

#[test]
fn outputs_that_do_not_block_are_waited_for() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    // More than it holds, read late.
    for socket in [false, true] {
        let (reader, output): (OwnedFd, OwnedFd) = if socket {
            let (theirs, ours) = UnixStream::pair().unwrap();
            (ours.into(), theirs.into())
        } else {
            let (reader, pipe) = std::io::pipe().unwrap();
            (reader.into(), pipe.into())
        };
        set_non_blocking(&output);
        let lines = path("index");
        let words = format!("tap --from live --frames 24 --index {}", lines.display());
        let tap = framemill(&engine, &words).stdout(output).spawn().unwrap();
        until("it has joined", || has_lines(&lines, 1));
        let mut reader = fs::File::from(reader);
        let mut bytes: Vec<u8> = Vec::new();
        for number in 0..24 {
            engine.publish(&mut writer, 20_000, flag::KEY);
            if number < 3 {
                continue;
            }
            thread::sleep(Duration::from_millis(20));
            let mut packet = vec![0; 20_000];
            reader.read_exact(&mut packet).unwrap();
            bytes.append(&mut packet);
        }
        reader.read_to_end(&mut bytes).unwrap();
        let (code, said) = ended(tap);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(bytes.len(), 24 * 20_000, "{said}");
    }
    // Text.
    let (reader, pipe) = std::io::pipe().unwrap();
    let pipe: OwnedFd = pipe.into();
    set_non_blocking(&pipe);
    fill(&pipe);
    let stat = framemill(&engine, "stat --json")
        .stdout(pipe)
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut bytes = Vec::new();
    fs::File::from(OwnedFd::from(reader))
        .read_to_end(&mut bytes)
        .unwrap();
    let (code, said) = ended(stat);
    assert_eq!(code, Some(0), "{said}");
    assert!(bytes.ends_with(b"}\n"));
}

#[test]
fn inputs_that_do_not_block_are_waited_for() {
    let engine = Engine::start();
    // Frames of 4608 bytes in pieces.
    for words in ["push --raw --from - --fps max", "push --from - --fps max"] {
        let (theirs, ours) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = OwnedFd::from(theirs);
        let push = framemill(&engine, words).stdin(theirs).spawn().unwrap();
        let mut ours = fs::File::from(OwnedFd::from(ours));
        if !words.contains("raw") {
            ours.write_all(b"YUV4MPEG2 W64 H48 F30:1 C420jpeg\n")
                .unwrap();
        }
        for _ in 0..8 {
            if !words.contains("raw") {
                ours.write_all(b"FRAME\n").unwrap();
            }
            for piece in [[7; 4608].as_slice()]
                .iter()
                .flat_map(|frame| frame.chunks(1500))
            {
                thread::sleep(Duration::from_millis(10));
                ours.write_all(piece).unwrap();
            }
        }
        drop(ours);
        let (code, said) = ended(push);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("8 frames pushed: 8 published, 0 dropped"),
            "{said}"
        );
    }
}

/// FIONBIO, which std issues for sockets only, is for every descriptor.
fn set_non_blocking(fd: &OwnedFd) {
    let copy = UnixStream::from(fd.try_clone().unwrap());
    copy.set_nonblocking(true).unwrap();
}

/// Fills a pipe that does not block.
fn fill(pipe: &OwnedFd) {
    let mut file = fs::File::from(pipe.try_clone().unwrap());
    while file.write(&[b' '; 4096]).is_ok() {}
}

#[test]
fn lost_packets_are_told_at_once_and_the_next_one_is_marked() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    let (to, lines, log) = (path("to"), path("index"), path("log"));
    let words = format!(
        "tap --from live --to {} --index {}",
        to.display(),
        lines.display()
    );
    let tap = framemill(&engine, &words)
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    until("the first packet", || {
        engine.publish(&mut writer, 100, flag::KEY);
        has_lines(&lines, 2)
    });
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    send(&tap, Signal::STOP);
    until("it is stopped", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", tap.id())).unwrap();
        stat.contains(") T ")
    });
    engine.publish_gop(&mut writer, 2000, 100);
    engine.publish(&mut writer, 100, flag::KEY | flag::DISCONTINUITY);
    engine.publish(&mut writer, 100, 0);
    send(&tap, Signal::CONT);
    until("a line", || {
        fs::read_to_string(&log)
            .unwrap()
            .contains(" packets lost before packet ")
    });
    until("packets after the loss", || {
        fs::read_to_string(&lines).unwrap().contains(" KDL ")
    });
    send(&tap, Signal::TERM);
    let (code, _) = ended(tap);
    assert_eq!(code, Some(0));
    let marked: Vec<_> = index(&lines)
        .into_iter()
        .filter(|(_, flags)| flags.contains('L'))
        .collect();
    assert_eq!(marked.len(), 1, "{marked:?}");
    let log = fs::read_to_string(&log).unwrap();
    assert_eq!(
        log.matches(" packets lost before packet ").count(),
        1,
        "{log}"
    );
}
