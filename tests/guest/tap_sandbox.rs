//! What `tap` may still do when its outputs are open: a tracer in its place asks the kernel for what it never does itself.

use crate::support::{Guest, Outcome};

/// `asked NAME CALL ARGUMENT…`: what the kernel answers to `tap`. `taps OPTION…`: one that takes packets; `gone`: the end of it.
const TOOLS: &str = r#"
    mkdir -p rec
    echo text >/tmp/file
    here=-100
    asked() {
        as=$1
        shift
        say $as "$(/host/puppet $tap $@)"
    }
    taps() {
        rm -f rec/*
        start tap framemill tap --from oldest --segment 1h --to '/tmp/rec/%n' "$@"
        until_true test -s rec/000001
    }
    gone() {
        kill -9 $tap
        wait $tap
        say $1-status $?
    }
    engine run --size 160x128
    framemill push --frames 8 --fps max 2>push.log || give_up push
"#;

fn status(outcome: &Outcome, key: &str) -> String {
    let text = outcome.text("status");
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key} in {text}"))
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn tap_makes_and_removes_files_in_its_folder_alone_and_a_call_that_it_never_makes_ends_it() {
    const CALLS: [(&str, &str); 10] = [
        ("execve", "$execve =/bin/sh 0 0"),
        ("clone", "$clone 17 0 0 0 0"),
        ("kill", "$kill 1 0"),
        ("mprotect", "$mprotect 0 4096 7"),
        ("getpid", "$getpid"),
        ("ptrace", "$ptrace 16 1"),
        ("ioctl", "$ioctl 0 0x5412 0"),
        ("socketpair", "$socketpair 1 1 0"),
        ("code", "$mmap 0 4096 5 0x22 -1 0"),
        // AF_NETLINK
        ("netlink", "$socket 16 3 0"),
    ];
    /// Only with `--reconnect`.
    const AGAIN: [(&str, &str); 2] = [
        ("socket", "$socket 1 1 0"),
        ("memory", "$mmap 0 4096 3 0x22 -1 0"),
    ];
    let guest = Guest::h264("tap-files");
    guest.compile("tests/vm/puppet.c", "puppet");
    let mut calls = String::new();
    for (how, option) in [("once", ""), ("again", "--reconnect 1000")] {
        for (name, call) in CALLS.into_iter().chain(AGAIN) {
            calls += &format!("taps {option}\nasked {how}-{name} {call}\ngone {how}-{name}\n");
        }
    }
    let outcome = guest.run(&format!(
        r"{TOOLS}
        taps
        cat /proc/$tap/status >/host/status
        asked file $openat $here =/tmp/file 0
        asked detour $openat $here =/tmp/rec/../file 1
        asked own $openat $here =/tmp/rec/000001 0
        asked make $openat $here =/tmp/made 0101 0600
        asked unlink $unlinkat $here =/tmp/file 0
        asked node $openat $here =/dev/video0 2
        asked mine $openat $here =/tmp/rec/000002 0301 0600
        asked away $unlinkat $here =/tmp/rec/000002 0
        # It is none the worse for it.
        framemill push --frames 8 --fps max 2>push.log || give_up push
        whole() {{ [ $(stat -c %s rec/000001) -ge $(counter packet_bytes) ]; }}
        until_true whole
        kill $tap
        ended tap
        cp tap.log /host/files.log
        # Without a recording there is no folder.
        start tap framemill tap --from oldest --to /tmp/rec/bare
        until_true test -s rec/bare
        asked none $openat $here =/tmp/rec/000003 0301 0600
        kill $tap
        ended tap
        {calls}
        kill $run
        ended run
        "
    ));
    assert_eq!(status(&outcome, "Seccomp"), "2");
    assert_eq!(status(&outcome, "NoNewPrivs"), "1");
    for name in ["file", "detour", "own", "make", "unlink", "node", "none"] {
        // EACCES
        assert_eq!(outcome.said(name), "answer -13", "{name}");
    }
    assert!(outcome.said("mine").starts_with("answer "));
    assert!(!outcome.said("mine").contains('-'));
    assert_eq!(outcome.said("away"), "answer 0");
    outcome.succeeded(&["tap", "run"]);
    let log = outcome.text("files.log");
    assert!(log.contains("16 packets taken"), "{log}");
    assert!(!log.contains("not whole"), "{log}");
    let killed = |name: &str| {
        // SIGSYS
        assert_eq!(outcome.said(name), "killed 31", "{name}");
        assert_eq!(outcome.number(&format!("{name}-status")), 128 + 31);
    };
    for (name, _) in CALLS {
        killed(&format!("once-{name}"));
        killed(&format!("again-{name}"));
    }
    for (name, _) in AGAIN {
        killed(&format!("once-{name}"));
        let said = outcome.said(&format!("again-{name}"));
        assert!(said.starts_with("answer ") && !said.contains('-'), "{said}");
    }
}
