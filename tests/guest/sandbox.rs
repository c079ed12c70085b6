//! What the engine may still do when its loop runs: a tracer in its place asks the kernel for what it never does itself.
//! And whom it becomes.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Api, Guest, Outcome};

/// `rights NAME`: what /proc says of the engine. `asked NAME CALL ARGUMENT…`: what the kernel answers to it. Calls are
/// numbers, which `Machine::words` names; -100 is AT_FDCWD.
const TOOLS: &str = r#"
    rights() {
        sed -n '/^Seccomp:\|^NoNewPrivs:\|^Uid:\|^Gid:\|^Groups:\|^CapEff:\|^VmLck:/p' /proc/$run/status | tr -s '\t ' ' ' >/host/$1
    }
    asked() {
        as=$1
        shift
        say $as "$(/host/puppet $run $@)"
    }
    here=-100
"#;

/// A line that `rights` left, without its trailing space.
fn right(outcome: &Outcome, name: &str, key: &str) -> String {
    let text = outcome.text(name);
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("no {key} in {text}"));
    line.trim_start_matches(':').trim().to_owned()
}

fn granted(outcome: &Outcome, name: &str) {
    let answer = outcome.said(name).strip_prefix("answer ");
    let number: Option<i64> = answer.and_then(|number| number.parse().ok());
    assert!(
        number.is_some_and(|number| number >= 0),
        "{name}: {}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn files_and_calls_that_the_loop_does_not_need_are_out_of_reach() {
    let guest = Guest::new("sandbox", Api::Single);
    guest.compile("tests/vm/puppet.c", "puppet");
    let outcome = guest.run(&format!(
        r"{TOOLS}
        echo text >/tmp/file
        engine run --size 640x368 --no-sandbox
        rights free
        asked free-socket $socket 1 1 0
        asked free-file $openat $here =/tmp/file 0
        asked free-make $openat $here =/tmp/made 0101 0600
        kill $run
        wait $run
        engine run --size 640x368
        rights caged
        asked file $openat $here =/tmp/file 0
        asked detour $openat $here =/dev/../tmp/file 1
        asked folder $openat $here =/ 0
        asked unlink $unlinkat $here =/tmp/file 0
        asked format $ioctl 1 $g_fmt 0
        asked node $openat $here =/dev/video0 2
        # A device that comes back has a new node.
        cp -a /dev/video0 /dev/back
        asked back $openat $here =/dev/back 2
        asked memory $mmap 0 4096 3 0x22 -1 0
        # It is none the worse for it.
        try push framemill push --frames 8 --fps max
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        say left $(ls /run/framemill.sock 2>/dev/null | wc -l)
        "
    ));
    for (name, seccomp, privileges) in [("free", "0", "0"), ("caged", "2", "1")] {
        assert_eq!(right(&outcome, name, "Seccomp"), seccomp);
        assert_eq!(right(&outcome, name, "NoNewPrivs"), privileges);
    }
    // Without a sandbox the kernel does all of it.
    for name in [
        "free-socket",
        "free-file",
        "free-make",
        "node",
        "back",
        "memory",
    ] {
        granted(&outcome, name);
    }
    for (name, answer) in [
        // EACCES
        ("file", "answer -13"),
        ("detour", "answer -13"),
        ("folder", "answer -13"),
        ("unlink", "answer -13"),
        // ENOTTY: the filter lets it pass, and the descriptor is no device.
        ("format", "answer -25"),
    ] {
        assert_eq!(outcome.said(name), answer, "{name}");
    }
    outcome.succeeded(&["push", "run"]);
    assert_eq!(stat(&outcome.text("stat.json"), "frames_published"), 8);
    assert_eq!(outcome.number("left"), 0, "the socket's file is removed");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_node_with_an_odd_path_is_opened_again_and_nothing_else_is() {
    let guest = Guest::h264("paths").steady();
    guest.compile("tests/vm/puppet.c", "puppet");
    let outcome = guest.run(&format!(
        r#"{TOOLS}
        echo text >/tmp/file
        long=/tmp/$(printf %070d 0 | tr 0 d)
        # lives NAME FOLDER NODE OPTION…: what an engine with the node in this folder may open.
        lives() {{
            what=$1 folder=$2 node=$3
            shift 3
            mkdir -p "$folder"
            cp -a /dev/video11 "$folder/$node"
            ln -sfn "$folder" /tmp/way
            engine run --size 160x128 --device "$folder/$node" "$@"
            asked $what.file $openat $here =/tmp/file 0
            asked $what.system $openat $here =/etc/passwd 0
            asked $what.node $openat $here =/tmp/way/$node 2
            framemill stat --json >/host/$what.json
            kill $run
            ended run
            cp run.log /host/$what.log
        }}
        lives long "$long" video11
        lives space "/tmp/my dev" 'video11'
        # A folder that a message shows as another one.
        lives bytes "$(printf '/tmp/aé')" video11
        lives root / video11
        # Whether the node can be opened again is asked of the node itself.
        chmod 600 "/tmp/my dev/video11"
        lives user "/tmp/my dev" video11 --user 1000
        "#
    ));
    outcome.succeeded(&["run"]);
    for name in ["long", "space", "bytes", "root", "user"] {
        for way in ["file", "system"] {
            assert_eq!(
                outcome.said(&format!("{name}.{way}")),
                "answer -13",
                "{name} {way}"
            );
        }
        let log = outcome.text(&format!("{name}.log"));
        assert!(!log.contains("not whole"), "{name}: {log}");
        if name != "user" {
            granted(&outcome, &format!("{name}.node"));
        }
        assert_eq!(
            log.contains("--user cannot open every device again"),
            name == "user",
            "{name}: {log}"
        );
    }
    // What is shown is the whole path, with what is no ASCII escaped.
    let log = outcome.text("long.log");
    assert!(
        log.contains(&format!("running: /tmp/{}/video11 ", "d".repeat(70))),
        "{log}"
    );
    let log = outcome.text("bytes.log");
    assert!(log.contains(r"running: /tmp/a\xc3\xa9/video11 "), "{log}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_forbidden_call_ends_the_process_before_it_is_made() {
    const CALLS: [(&str, &str); 16] = [
        ("execve", "$execve =/bin/sh 0 0"),
        ("clone", "$clone 17 0 0 0 0"),
        ("socket", "$socket 2 1 0"),
        ("kill", "$kill 1 0"),
        ("mprotect", "$mprotect 0 4096 7"),
        ("getpid", "$getpid"),
        ("ptrace", "$ptrace 16 1"),
        ("setuid", "$setuid 0"),
        ("unknown", "0x40000027"),
        ("make", "$openat $here =/tmp/made 0101 0600"),
        ("truncate", "$openat $here =/dev/video11 01002"),
        ("code", "$mmap 0 4096 5 0x22 -1 0"),
        ("terminal", "$ioctl 0 0x5412 0"),
        ("heap", "$ioctl 1 0xc0184800 0"),
        ("sleep", "$futex 0 0"),
        ("inet", "$socketpair 2 1 0"),
    ];
    let guest = Guest::h264("forbidden");
    guest.compile("tests/vm/puppet.c", "puppet");
    let mut script = TOOLS.to_owned();
    for (name, call) in CALLS {
        script += &format!(
            "engine run --size 160x128\nasked {name} {call}\nkill -9 $run\nwait $run\nsay {name}-status $?\n"
        );
    }
    script += "say made $(ls /tmp/made 2>/dev/null | wc -l)";
    let outcome = guest.run(&script);
    for (name, _) in CALLS {
        // SIGSYS
        assert_eq!(outcome.said(name), "killed 31", "{name}");
        assert_eq!(outcome.number(&format!("{name}-status")), 128 + 31);
    }
    assert_eq!(outcome.number("made"), 0);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_kernel_without_landlock_or_seccomp_is_warned_of_once_by_each_program_and_used() {
    let guest = Guest::new("no-landlock", Api::Single).append("lsm=");
    let outcome = guest.run(&format!(
        r"{TOOLS}
        engine run --size 640x368
        rights one
        # tap, which goes on with each engine.
        mkdir rec
        start tap framemill tap --from oldest --segment 1h --to '/tmp/rec/%n' --reconnect 50
        until_true reached consumers_attached 1
        try push framemill push --frames 8 --fps max
        kill $run
        ended run
        cp run.log /host/one.log
        start neither strace -D -o trace -e trace=seccomp -e inject=seccomp:error=ENOSYS framemill run $encoder --size 640x368
        until_true grep -q 'running: ' neither.log
        run=$neither
        rights two
        framemill push --frames 8 --fps max 2>push.log || give_up push
        until_true test -s rec/000002
        kill $tap
        ended tap
        kill $run
        ended neither
        cp neither.log /host/two.log
        "
    ));
    outcome.succeeded(&["push", "run", "tap", "neither"]);
    let not_whole = |name: &str, warnings: &str, said: &str| {
        let log = outcome.text(&format!("{name}.log"));
        let warnings: Vec<_> = log.lines().filter(|line| line.contains(warnings)).collect();
        let expected = format!("framemill: warning: the sandbox is not whole: {said}");
        assert_eq!(warnings, [expected], "{log}");
    };
    not_whole(
        "tap",
        "not whole",
        "Landlock is not in this kernel, seccomp on",
    );
    for (name, seccomp, said) in [
        ("one", "2", "Landlock is not in this kernel, seccomp on"),
        (
            "two",
            "0",
            "Landlock is not in this kernel, seccomp is not in this kernel",
        ),
    ] {
        assert_eq!(right(&outcome, name, "Seccomp"), seccomp);
        not_whole(name, "warning", said);
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn the_engine_becomes_its_user_for_good() {
    let guest = Guest::h264("user");
    guest.compile("tests/vm/puppet.c", "puppet");
    let picture = Picture::new("YU12", 160, 128);
    guest.put("in", &picture.noisy(0..8));
    let outcome = guest.run(&format!(
        r"{TOOLS}
        engine run --size 160x128 --user 1000:44
        rights user
        say owner $(stat -c %u:%g:%a /run/framemill.sock)
        start tap framemill tap --from oldest --all --to /host/out
        until_true reached consumers_attached 1
        # Root may bring memory, as before; so may the user.
        for kind in export cma-heap export; do
            framemill push --memory $kind --wait 5000 --from /host/in --fps max 2>push.log || give_up push $kind
        done
        # Opening the node again is for the node's group or owner.
        chmod 600 /dev/video11
        asked refused $openat $here =/dev/video11 2
        chgrp 44 /dev/video11
        chmod 660 /dev/video11
        asked node $openat $here =/dev/video11 2
        # Locked memory has no limit: an ordinary user may have 8 MiB.
        asked memory $mmap 0 50000000 3 0x22 -1 0
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        engine run --size 160x128 --user 1000 --no-sandbox --memory copy
        rights alone
        framemill push --frames 8 --fps max 2>push.log || give_up push copy
        kill $run
        wait $run || give_up copy
        chmod 666 /dev/video11
        chmod 777 /run
        su nobody -s /bin/sh -c 'framemill run --device /dev/video11 --size 160x128 --socket @x --user 7' 2>refused.log
        say status $?
        cp refused.log /host/
        "
    ));
    outcome.succeeded(&["run", "tap"]);
    for (name, ids, group, cage) in [("user", "1000", "44", "2"), ("alone", "1000", "1000", "0")] {
        assert_eq!(right(&outcome, name, "Uid"), [ids; 4].join(" "));
        assert_eq!(right(&outcome, name, "Gid"), [group; 4].join(" "));
        assert_eq!(right(&outcome, name, "Groups"), "");
        assert_eq!(right(&outcome, name, "CapEff"), "0000000000000000");
        assert_eq!(right(&outcome, name, "Seccomp"), cage);
        assert_ne!(right(&outcome, name, "VmLck"), "0 kB");
    }
    assert_eq!(outcome.said("owner"), "1000:44:660");
    assert_eq!(outcome.said("refused"), "answer -13");
    granted(&outcome, "node");
    granted(&outcome, "memory");
    let json = outcome.text("stat.json");
    assert_eq!(
        (
            stat(&json, "frames_published"),
            stat(&json, "raw_bytes_copied")
        ),
        (24, 0),
        "{json}"
    );
    assert!(outcome.decoded("out").starts_with(&outcome.bytes("in")));
    let log = outcome.text("refused.log");
    assert_eq!(outcome.number("status"), 14, "{log}");
    assert!(
        log.contains("--user: EPERM: only root can become somebody else"),
        "{log}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_ordinary_user_sets_the_encoder_up_again_and_opens_it_where_the_node_lets_it() {
    let guest = Guest::h264("user-again").steady();
    let outcome = guest.run(
        r"
        chgrp 44 /dev/video11
        chmod 660 /dev/video11
        knob null_mode Y
        engine run --user 1000:44 --stall-ms 200
        # More memory than an ordinary user may lock.
        for size in 320x240 1920x1080 640x480; do
            framemill push --wait 5000 --size $size --frames 2 --fps max 2>push.log || give_up push $size
        done
        knob hang_after 12; knob streamoff_ms 10
        start push framemill push --wait 5000 --frames 40 --fps 60
        until_true reached stalls 1
        knob hang_after 0
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        wait $run || give_up run
        cp run.log /host/open.log
        # The encoder's node is open to it, the camera's is not; the camera is open already.
        chmod 600 /dev/video4
        engine run --user 1000:44 --camera /dev/video4 --size 320x180 --format YUYV --frames 4
        cp run.log /host/camera.log
        ended run
        # The same camera by another name.
        engine run --user 1000:44 --camera bus:platform:vivid-000 --size 320x180 --format YUYV --frames 4
        cp run.log /host/bus.log
        ended run
        chmod 666 /dev/video4
        engine run --user 1000:44 --camera bus:platform:vivid-000 --size 320x180 --format YUYV --frames 4
        cp run.log /host/bus-open.log
        ended run
        chmod 600 /dev/video11
        engine run --user 1000:44 --stall-ms 200
        knob hang_after 12
        framemill push --wait 5000 --frames 40 --fps 60 2>push.log
        say shut $?
        wait $run
        say code $?
        cp run.log /host/shut.log
        ",
    );
    outcome.succeeded(&["push", "run"]);
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "reopens"), 1, "{json}");
    let warning = "--user cannot open every device again after a fault";
    let (open, shut) = (outcome.text("open.log"), outcome.text("shut.log"));
    assert!(
        !open.contains(warning) && open.contains("it runs again"),
        "{open}"
    );
    assert!(shut.contains(warning), "{shut}");
    for (log, warned) in [
        ("camera.log", true),
        ("bus.log", true),
        ("bus-open.log", false),
    ] {
        assert_eq!(outcome.text(log).contains(warning), warned, "{log}");
    }
    // Stalled, and not revived.
    assert_eq!(outcome.number("code"), 7, "{shut}");
}
