//! `run --stdout`: an engine and one consumer that a caller takes for one process, which ends with its reader, with signals, and with its engine.

use crate::accounting::stat;
use crate::camera::CAMERA;
use crate::support::{Api, Guest, Outcome};

/// Ends of two processes that are to look like one.
const PIPED: &str = r#"
    left() { grep -lx framemill /proc/[0-9]*/comm 2>/dev/null | wc -l; }
    nobody() { [ $(left) = 0 ]; }
    # piped NAME READER OPTION…: the engine with a reader, and its code as NAME=CODE.
    piped() {
        name=$1 reader=$2
        shift 2
        { framemill run $encoder "$@" --stdout 2>/tmp/$name.log; echo $name=$? >/tmp/$name.code; } | sh -c "$reader"
        until_true [ -s /tmp/$name.code ]
        cat /tmp/$name.code
        until_true nobody
    }
    # open NAME OPTION…: the engine in the background, its output in the file NAME.out.
    open() {
        name=$1
        shift
        start $name setsid sh -c "exec framemill run $encoder $* --stdout >/tmp/$name.out"
        until_true grep -q 'running: ' /tmp/$name.log
        until_true [ -s /tmp/$name.out ]
    }
    # What setsid started: the consumer is the older one.
    consumer() { grep -lx framemill /proc/[0-9]*/comm | sed 's/[^0-9]//g' | sort -n | head -n 1; }
"#;

/// Packets that the consumer took, and that the engine published.
fn packets(outcome: &Outcome, name: &str) -> (u64, u64) {
    let log = outcome.text(&format!("{name}.log"));
    let before = |text: &str| {
        let at = log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
        let word = log[..at].rsplit(' ').next().unwrap();
        word.parse().unwrap()
    };
    (before(" packets taken"), before(" packets out"))
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn engine_and_consumer_end_with_their_reader() {
    let guest = Guest::h264("piped-reader");
    let outcome = guest.run(&format!(
        "{CAMERA}{PIPED}{}",
        r#"
        camera="--camera /dev/video4 --size 320x180"
        # Another engine has the usual socket.
        engine other --size 320x180
        { framemill run $encoder $camera --stdout 2>/tmp/beside.log; echo beside=$? >/tmp/beside.code; } | head -c 200000 >/host/beside
        until_true [ -s beside.code ]
        cat beside.code
        framemill stat --json >/host/other.json
        kill $other
        ended other
        until_true nobody
        # One that has read enough, one that never reads, one that goes away while nothing comes.
        piped reads 'head -c 200000 >/host/head' $camera --mux ts
        piped deaf 'sleep 2' $camera
        piped quiet 'sleep 1' --size 320x180
        # One that pauses: packets are lost, and the engine does not wait.
        piped pauses 'head -c 1000 >/dev/null; sleep 4; cat >/dev/null' $camera --packet-ring 256K --gop 5 --frames 250
        # The encoder is free, and the end is the engine's own.
        piped whole 'cat >/host/whole' $camera --frames 20 --mux packets
        "#,
    ));
    for name in [
        "beside", "other", "reads", "deaf", "quiet", "pauses", "whole",
    ] {
        assert_eq!(outcome.number(name), 0, "{name}: {}", outcome.story());
    }
    let other = outcome.text("other.json");
    assert_eq!(stat(&other, "consumers_attached"), 0, "{other}");
    assert_eq!(outcome.bytes("head").len(), 200_000);
    assert_eq!(outcome.bytes("head")[0], 0x47);
    assert_eq!(packets(&outcome, "whole"), (20, 20));
    let (taken, published) = packets(&outcome, "pauses");
    assert!(published == 250 && taken < 250, "{taken} of {published}");
    let log = outcome.text("pauses.log");
    assert!(!log.contains(" 0 packets lost"), "{log}");
    // One line of each, and nothing of the output.
    let log = outcome.text("whole.log");
    assert_eq!(log.matches("running: ").count(), 1, "{log}");
    assert!(log.contains("listening at @framemill-stdout-"), "{log}");
    // Records of 32 bytes, the last one the end mark.
    assert_eq!(guest_records(&outcome.bytes("whole")), 21);
}

/// The records of `--mux packets`.
fn guest_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = word(8) as usize;
        bytes = &bytes[32 + length..];
        count += 1;
    }
    count
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn signals_end_both_and_what_was_taken_is_written() {
    let guest = Guest::h264("piped-signals");
    let outcome = guest.run(&format!(
        "{CAMERA}{PIPED}{}",
        r#"
        camera="--camera /dev/video4 --size 320x180 --mux packets"
        for signal in TERM INT HUP; do
            open $signal $camera
            kill -$signal $(consumer)
            ended $signal
            until_true nobody
            cp $signal.out /host/
        done
        # To everybody in the group, as a terminal sends it.
        open group $camera
        kill -INT -$group
        ended group
        until_true nobody
        # Neither can do anything about it.
        open killed $camera
        kill -KILL $(consumer)
        until_true nobody
        say killed 0
        open user $camera --user 1000:1000
        kill -KILL $(consumer)
        until_true nobody
        say user 0
        # The engine alone.
        open engine $camera
        kill -KILL $(grep -lx framemill /proc/[0-9]*/comm | sed 's/[^0-9]//g' | sort -n | tail -n 1)
        ended engine
        until_true nobody
        "#,
    ));
    outcome.succeeded(&["TERM", "INT", "HUP", "group", "killed", "user"]);
    for signal in ["TERM", "INT", "HUP"] {
        let (taken, published) = packets(&outcome, signal);
        assert_eq!(taken, published, "{signal}: {}", outcome.story());
        let records = guest_records(&outcome.bytes(&format!("{signal}.out")));
        assert_eq!(records as u64, published + 1, "{signal}");
    }
    assert_eq!(outcome.number("engine"), 9, "{}", outcome.story());
    let log = outcome.text("engine.log");
    assert!(log.contains("went away without an end mark"), "{log}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn the_engines_failure_is_the_processs_and_a_producer_may_feed_it() {
    let guest = Guest::new("piped-engine", Api::Single);
    let outcome = guest.run(&format!(
        "{CAMERA}{PIPED}{}",
        r#"
        piped refused 'cat >/host/refused' --size 8192x8192
        piped mux 'cat >/host/mux' --size 640x368 --mux ts
        # A producer at the socket; the end after it.
        framemill push --wait 20000 --frames 12 --fps max 2>push.log &
        piped fed 'cat >/host/fed' --size 640x368 --once
        # The camera leaves for good.
        { framemill run $encoder --camera /dev/video4 --camera-wait 300 --stdout 2>/tmp/lost.log; echo lost=$? >/tmp/lost.code; } | cat >/host/lost &
        until_true grep -q 'running: ' lost.log
        sleep 1
        exec 9</dev/video4
        inject disconnect
        until_true [ -s lost.code ]
        cat lost.code
        "#,
    ));
    assert_eq!(outcome.number("refused"), 4, "{}", outcome.story());
    assert!(outcome.bytes("refused").is_empty());
    let log = outcome.text("refused.log");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert_eq!(outcome.number("mux"), 11, "{}", outcome.story());
    assert_eq!(outcome.number("fed"), 0, "{}", outcome.story());
    assert_eq!(packets(&outcome, "fed"), (12, 12));
    assert_eq!(outcome.number("lost"), 6, "{}", outcome.story());
}
