//! Who may do what: users by their numbers, as the kernel tells them of a connection.

use crate::accounting::stat;
use crate::support::{Api, Guest};

/// Users besides root and nobody, and `each NAME WORDS…`: framemill with these words as each of them.
const USERS: &str = r#"
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
fn only_users_that_are_named_produce_and_change_and_all_consume() {
    let guest = Guest::new("users", Api::Single).with_setup(USERS);
    let outcome = guest.run(
        r#"
        engine run --size 640x368 --socket-mode 777 --producer-uid 1000 --control-uid 1001 --control-uid=1002
        each push 'push --frames 2 --fps max'
        each gop 'ctl gop 7'
        each key 'ctl key'
        each tap 'tap --from oldest --frames 1 --to /dev/null'
        each stat 'stat --json >/dev/null'
        framemill stat --json >/host/stat.json
        try drain_nobody su nobody -s /bin/sh -c 'framemill ctl drain'
        try drain su user1002 -s /bin/sh -c 'framemill ctl drain'
        ended run
        "#,
    );
    outcome.succeeded(&["drain", "run"]);
    may(&outcome, "push", &["root", "user1000"]);
    may(&outcome, "gop", &["root", "user1001", "user1002"]);
    may(&outcome, "tap", &NAMES);
    may(&outcome, "stat", &NAMES);
    // This encoder has no such control, and says so to those who may ask.
    for (name, exit) in NAMES.iter().zip([4, 10, 4, 4, 10]) {
        assert_eq!(
            outcome.number(&format!("key_{name}")),
            exit,
            "{}",
            outcome.story()
        );
    }
    assert_eq!(outcome.number("drain_nobody"), 10);
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_published"), 4, "{json}");
    assert_eq!(stat(&json, "changes"), 3, "{json}");
    // Three producers, and two users that asked for two changes each.
    assert_eq!(stat(&json, "clients_refused"), 7, "{json}");
    assert_eq!(stat(&json, "producers_cut_off"), 0, "{json}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_engine_of_a_user_serves_that_user_and_root_and_nobody_named_means_all() {
    let guest = Guest::new("users-own", Api::Single).with_setup(USERS);
    let outcome = guest.run(
        r#"
        chmod 666 /dev/video0
        mkdir -m 777 /run/own
        start run su user1002 -s /bin/sh -c 'exec framemill run --device /dev/video0 --codec FWHT --size 640x368 \
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
}

/// An abstract name has no file, and so no mode: without it anybody could do anything.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_abstract_engine_serves_root_its_own_user_and_those_that_are_named_and_nobody_else() {
    let guest = Guest::new("users-abstract", Api::Single).with_setup(USERS);
    let outcome = guest.run(
        r#"
        try mode framemill run $encoder --size 640x368 --socket @fm --socket-mode 600
        # all KIND OPTION…: what each user may do at an engine with these options.
        all() {
            kind=$1
            shift
            engine run --size 640x368 --socket @fm "$@"
            each push$kind 'push --socket @fm --frames 1 --fps max'
            each gop$kind 'ctl --socket @fm gop 7'
            each tap$kind 'tap --socket @fm --from oldest --frames 1 --to /dev/null'
            each stat$kind 'stat --socket @fm --json >/dev/null'
            framemill ctl --socket @fm drain >/dev/null
            ended run
        }
        all ''
        all _named --producer-uid 1000 --control-uid 1001
        "#,
    );
    outcome.succeeded(&["run"]);
    assert_eq!(outcome.number("mode"), 2, "{}", outcome.story());
    for what in ["push", "gop", "tap", "stat"] {
        may(&outcome, what, &["root"]);
    }
    may(&outcome, "push_named", &["root", "user1000"]);
    may(&outcome, "gop_named", &["root", "user1001"]);
    may(&outcome, "tap_named", &["root", "user1000", "user1001"]);
    may(&outcome, "stat_named", &["root", "user1000", "user1001"]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_producer_that_is_named_may_bring_its_own_memory() {
    let guest = Guest::h264("users-import");
    guest.put(
        "in",
        &crate::frames::Picture::new("YU12", 640, 480).noisy(0..4),
    );
    let outcome = guest.run(
        r#"
        echo user1000:x:1000:1000::/:/bin/sh >>/etc/passwd
        chmod 666 /dev/dma_heap/*
        for named in 1000 1001; do
            engine run --size 640x480 --socket-mode 777 --producer-uid $named
            try push$named su user1000 -s /bin/sh -c 'framemill push --memory cma-heap --from /host/in --fps max'
            framemill stat --json >/host/$named.json
            kill $run
            ended run
        done
        "#,
    );
    outcome.succeeded(&["push1000", "run"]);
    assert!(
        outcome.text("1000.json").contains("\"memory\":\"import\""),
        "{}",
        outcome.story()
    );
    // The descriptors of anybody else are not even taken from the socket.
    assert_eq!(outcome.number("push1001"), 10, "{}", outcome.story());
    assert!(outcome.text("1001.json").contains("\"memory\":\"export\""));
}
