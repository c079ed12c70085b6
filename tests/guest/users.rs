//! Who may do what: users by their numbers, as the kernel tells them of a connection.

use crate::accounting::stat;
use crate::support::Guest;

/// Users besides root and nobody, and `each NAME WORDS…`: framemill with these words as each of them.
const USERS: &str = r#"
    encoder='--device /dev/video11 --codec H264'
    for user in 1000 1001 1002; do echo user$user:x:$user:$user::/:/bin/sh >>/etc/passwd; done
    each() {
        what=$1
        shift
        for who in root user1000 user1001 user1002 nobody; do
            try ${what}_$who su $who -s /bin/sh -c "framemill $*"
        done
    }
"#;

const NAMES: [&str; 5] = ["root", "user1000", "user1001", "user1002", "nobody"];

/// That these of `NAMES` may, and the others are told that they may not.
fn may(outcome: &crate::support::Outcome, what: &str, allowed: &[&str]) {
    for name in NAMES {
        let test = format!("{what}_{name}");
        let exit = if allowed.contains(&name) { 0 } else { 10 };
        assert_eq!(outcome.number(&test), exit, "{test}: {}", outcome.story());
        if exit != 0 {
            let log = outcome.text(&format!("{test}.log"));
            assert!(
                log.contains("the engine does not allow it to this user"),
                "{test}: {log}"
            );
        }
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn users_may_do_what_the_options_say_and_no_more() {
    let guest = Guest::h264("users").with_setup(USERS);
    let outcome = guest.run(
        r#"
        # Users that are named produce and change, and all consume.
        engine run --size 160x128 --socket-mode 777 --producer-uid 1000 --control-uid 1001 --control-uid=1002
        each push 'push --frames 2 --fps max'
        each gop 'ctl gop 7'
        each tap 'tap --from oldest --frames 1 --to /dev/null'
        each stat 'stat --json >/dev/null'
        framemill stat --json >/host/stat.json
        try drain_nobody su nobody -s /bin/sh -c 'framemill ctl drain'
        try drain su user1002 -s /bin/sh -c 'framemill ctl drain'
        ended run

        # An abstract name has no file, and so no mode: without it anybody could do anything.
        try mode framemill run $encoder --size 160x128 --socket @fm --socket-mode 600
        # abstract KIND OPTION…: what each user may do at an engine with these options.
        abstract() {
            kind=$1
            shift
            engine run --size 160x128 --socket @fm "$@"
            each $kind.push 'push --socket @fm --frames 1 --fps max'
            each $kind.gop 'ctl --socket @fm gop 7'
            each $kind.tap 'tap --socket @fm --from oldest --frames 1 --to /dev/null'
            each $kind.stat 'stat --socket @fm --json >/dev/null'
            framemill ctl --socket @fm drain >/dev/null
            ended run
        }
        abstract abstract
        abstract named --producer-uid 1000 --control-uid 1001
        "#,
    );
    outcome.succeeded(&["drain", "run"]);
    may(&outcome, "push", &["root", "user1000"]);
    may(&outcome, "gop", &["root", "user1001", "user1002"]);
    may(&outcome, "tap", &NAMES);
    may(&outcome, "stat", &NAMES);
    assert_eq!(outcome.number("drain_nobody"), 10);
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_published"), 4, "{json}");
    assert_eq!(stat(&json, "changes"), 3, "{json}");
    // Three producers, and two users that asked for a change.
    assert_eq!(stat(&json, "clients_refused"), 5, "{json}");
    assert_eq!(stat(&json, "producers_cut_off"), 0, "{json}");
    assert_eq!(outcome.number("mode"), 2, "{}", outcome.story());
    for what in ["push", "gop", "tap", "stat"] {
        may(&outcome, &format!("abstract.{what}"), &["root"]);
    }
    may(&outcome, "named.push", &["root", "user1000"]);
    may(&outcome, "named.gop", &["root", "user1001"]);
    may(&outcome, "named.tap", &["root", "user1000", "user1001"]);
    may(&outcome, "named.stat", &["root", "user1000", "user1001"]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_engine_of_a_user_serves_that_user_and_root_and_nobody_named_means_all() {
    let guest = Guest::h264("users-own").with_setup(USERS);
    guest.put(
        "in",
        &crate::frames::Picture::new("YU12", 160, 128).noisy(0..4),
    );
    let outcome = guest.run(
        r#"
        chmod 666 /dev/video11 /dev/dma_heap/*
        mkdir -m 777 /run/own
        start run su user1002 -s /bin/sh -c 'exec framemill run --device /dev/video11 --codec H264 --size 160x128 \
            --socket /run/own/s --socket-mode 777 --producer-uid 1000'
        until_true grep -q 'running: ' run.log
        each push 'push --socket /run/own/s --engine-uid 1002 --frames 1 --fps max'
        each gop 'ctl --socket /run/own/s --engine-uid=1002 gop 7'
        # Whoever does not name that user sees that it is neither root nor oneself.
        try check framemill stat --socket /run/own/s --check
        try produce framemill push --socket /run/own/s --frames 1
        try consume su user1001 -s /bin/sh -c 'framemill tap --socket /run/own/s --to /dev/null'
        try change su nobody -s /bin/sh -c 'framemill ctl --socket /run/own/s drain'
        try other framemill stat --socket /run/own/s --engine-uid 1001
        try own su user1002 -s /bin/sh -c 'framemill stat --socket /run/own/s --json >/dev/null'
        framemill ctl --socket /run/own/s --engine-uid 1002 drain >/host/drain
        ended run
        # A producer that is named may bring its own memory. The descriptors of anybody else are not even taken from the socket.
        for named in 1000 1001; do
            engine run --size 160x128 --socket-mode 777 --producer-uid $named
            try push$named su user1000 -s /bin/sh -c 'framemill push --memory cma-heap --from /host/in --fps max'
            framemill stat --json >/host/$named.json
            kill $run
            ended run
        done
        "#,
    );
    outcome.succeeded(&["run", "own"]);
    for name in ["check", "produce", "consume", "change", "other"] {
        assert_eq!(outcome.number(name), 9, "{name}: {}", outcome.story());
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains("user 1002 listens there"), "{name}: {log}");
    }
    may(&outcome, "push", &["root", "user1000", "user1002"]);
    may(&outcome, "gop", &NAMES);
    outcome.succeeded(&["push1000"]);
    assert!(
        outcome.text("1000.json").contains("\"memory\":\"import\""),
        "{}",
        outcome.story()
    );
    assert_eq!(outcome.number("push1001"), 10, "{}", outcome.story());
    assert!(outcome.text("1001.json").contains("\"memory\":\"export\""));
}
