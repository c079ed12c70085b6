//! What `stat` prints of an engine that runs: the page, the line of `--watch`, and the screen at a terminal. The engine is a double
//! (tests/double).

mod double;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use double::Engine;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::packet_ring::Packet;
use framemill::internals::shm::stats::{Counter, Stats};
use framemill::internals::time::now;
use framemill::shm::layout::flag;

fn stats(engine: &Engine) -> Stats<'static> {
    Stats {
        counters: &engine.header().counters,
        latency: &engine.header().latency,
    }
}

fn stat(engine: &Engine, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framemill"));
    command
        .arg("stat")
        .args(words.split_whitespace())
        .arg("--socket")
        .arg(engine.socket())
        .stdin(Stdio::null());
    command
}

#[test]
fn the_page_leaves_out_counters_that_are_zero_unless_they_are_asked_for() {
    let engine = Engine::start();
    stats(&engine).add(Counter::Restarts, 3);
    let page = |words| {
        let output = stat(&engine, words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (some, all) = (page(""), page("--all"));
    assert!(
        some.contains("restarts: 3") && all.contains("restarts: 3"),
        "{some}"
    );
    assert!(
        !some.contains("stalls:") && all.contains("stalls: 0"),
        "{some}"
    );
    assert!(page("--json").contains("\"stalls\":0"));
    let names = |text: &str| text.matches(": ").count();
    assert_eq!(names(&all) - names(&some), Counter::ALL.len() - 1);
}

#[test]
fn a_line_says_what_happened_since_the_one_before() {
    let engine = Engine::start();
    let mut writer = engine.writer();
    let mut child = stat(&engine, "--watch 100")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let idle = "0.0 fps  0.0 Mbit/s  no key  in flight 0  dropped 0  consumers 0  running";
    assert_eq!(line(), idle);
    let committed = now();
    let packet = Packet {
        flags: flag::KEY,
        committed,
        published: committed + 24_000,
        ..Packet::default()
    };
    engine.publish_packet(&mut writer, &[1; 100], &packet);
    let stats = stats(&engine);
    stats.add(Counter::FramesCommitted, 3);
    stats.add(Counter::FramesPublished, 1);
    stats.add(Counter::PacketBytes, 1_000_000);
    stats.add(Counter::DroppedError, 1);
    engine.header().status.consumers.store(2, Relaxed);
    let mut busy = line();
    while busy == idle {
        busy = line();
    }
    // What is read in the middle of these writes is told by the next line.
    while !busy.contains("dropped") || busy.contains("consumers 0") {
        busy = line();
    }
    assert!(
        busy.ends_with("consumers 2  p50 24 us  max 24 us  running")
            || busy.ends_with("consumers 2  running"),
        "{busy}"
    );
    assert!(busy.contains("in flight 1"), "{busy}");
    let later = line();
    assert!(later.starts_with("0.0 fps  0.0 Mbit/s  key "), "{later}");
    assert!(
        later.ends_with("ago  in flight 1  dropped 0  consumers 2  running"),
        "{later}"
    );
    engine
        .header()
        .status
        .state
        .store(framemill::shm::layout::State::Ended as u32, Relaxed);
    let mut last = line();
    while let Some(Ok(next)) = lines.next() {
        last = next;
    }
    assert!(last.ends_with("ended"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_shows_one_screen() {
    let engine = Engine::start();
    // script(1) of util-linux gives the program a terminal.
    let program = env!("CARGO_BIN_EXE_framemill");
    let line = format!("{program} stat --watch 100 --socket {}", engine.socket());
    let mut child = Command::new("timeout")
        .args(["60", "script", "-q", "-e", "-c", &line, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut screens = Vec::new();
    for _ in 0..3 {
        let mut screen = Vec::new();
        output.read_until(0x1b, &mut screen).unwrap();
        output.read_until(0x1b, &mut screen).unwrap();
        screens.push(String::from_utf8(screen).unwrap());
    }
    engine
        .header()
        .status
        .state
        .store(framemill::shm::layout::State::Ended as u32, Relaxed);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // From the top, then the rest of the screen is cleared.
    let screen = &screens[2];
    assert!(screen.contains("[J0.0 fps"), "{screens:?}");
    assert!(screen.contains("state: running"), "{screens:?}");
    assert!(!screen.contains("stalls"), "{screens:?}");
    assert!(rest.contains("state: ended"), "{rest:?}");
}

/// What `tap` says on standard error while packets come, at a terminal or not.
fn tap_says(words: &str, terminal: bool) -> String {
    let engine = Engine::start();
    let mut writer = engine.writer();
    let program = env!("CARGO_BIN_EXE_framemill");
    let line = format!(
        "{program} tap {words} --to /dev/null --socket {}",
        engine.socket()
    );
    let mut command = match terminal {
        // script(1) of util-linux gives the program a terminal.
        true => {
            let mut command = Command::new("script");
            command.args(["-qec", &line, "/dev/null"]);
            command
        }
        false => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("{line} 2>&1")]);
            command
        }
    };
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stats = stats(&engine);
    for _ in 0..25 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let packet = Packet {
            flags: flag::KEY,
            committed: now(),
            published: now(),
            ..Packet::default()
        };
        engine.publish_packet(&mut writer, &[1; 100], &packet);
        stats.add(Counter::FramesCommitted, 1);
        stats.add(Counter::FramesPublished, 1);
    }
    let end = Packet {
        flags: flag::END,
        ..Packet::default()
    };
    engine.publish_packet(&mut writer, &[], &end);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tap_shows_at_a_terminal_how_it_goes_in_one_line() {
    let shown = tap_says("", true);
    assert!(shown.matches(" fps  ").count() >= 2, "{shown:?}");
    assert!(
        shown.starts_with('\r') || shown.contains("\n\r"),
        "{shown:?}"
    );
    // Each takes the place of the one before, and so does what is logged.
    assert_eq!(
        shown.matches("\x1b[K").count(),
        shown.matches('\r').count() - 1
    );
    assert!(
        shown.contains("\r\x1b[Kframemill: 25 packets taken"),
        "{shown:?}"
    );
    for (words, terminal) in [("", false), ("--progress off", true)] {
        let said = tap_says(words, terminal);
        assert!(!said.contains("fps") && !said.contains('\x1b'), "{said:?}");
    }
    let lines = tap_says("--progress on", false);
    assert!(!lines.contains('\x1b'), "{lines:?}");
    let shown = lines
        .lines()
        .filter(|line| line.starts_with("framemill: ") && line.contains(" fps  "));
    assert!(shown.count() >= 2, "{lines}");
}
