//! `stat --check`: whether an engine lives, told in a bounded time also when it is stuck.

use std::fs;

use crate::support::{Guest, root};

/// Milliseconds of the guest's time that a command takes: `took NAME COMMAND…`, which also says how it ended.
const TOOK: &str = r#"
    uptime() { awk '{ print int($1 * 1000 + 0.5) }' /proc/uptime; }
    took() {
        check=$1
        shift
        begun=$(uptime)
        try "$check" "$@"
        say "$check.ms" $(($(uptime) - begun))
    }
"#;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn check_tells_a_living_engine_from_a_stopped_a_hanging_an_ended_and_a_killed_one() {
    // Its clock jumps over the seconds in which nothing happens.
    let guest = Guest::h264("check").steady();
    let outcome = guest.run(&format!(
        r"{TOOK}
        try none framemill stat --check 2000
        engine run --size 160x128
        framemill stat --check >said 2>&1; say alive $?
        say silent $(wc -c <said)
        kill -STOP $run
        took stopped framemill stat --check 1000
        # The engine's queue of connections fills up, and then nobody can even connect.
        for each in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do framemill stat --check 100 2>many.log; done
        took full framemill stat --check 1000
        kill -CONT $run
        try continued framemill stat --check 2000
        start watched framemill stat --check 600 --watch 100
        sleep 1.5
        kill -0 $watched; say watching $?
        kill -STOP $run
        ended watched
        kill -CONT $run
        start to_the_end framemill stat --check --watch 60000
        until_true framemill stat --check
        kill $run
        ended run
        ended to_the_end
        engine again --size 160x128 --stall-ms 300
        # A hung firmware: each STREAMOFF blocks, and no signal ends it.
        knob hang_after 3
        knob streamoff_ms 4000
        start push framemill push --frames 8 --fps max
        until_true grep -q 'restarting the encoder' again.log
        took hangs framemill stat --check 1000
        # It comes back by itself within what is allowed by default.
        took patient framemill stat --check
        kill -9 $again
        ended again
        wait $push
        try killed framemill stat --check
        ",
    ));
    outcome.succeeded(&["alive", "silent", "continued", "watching", "patient", "run"]);
    for name in ["stopped", "full", "watched", "hangs"] {
        assert_eq!(outcome.number(name), 16, "{name}: {}", outcome.story());
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            log.contains("the engine is stuck: no sign of life for "),
            "{log}"
        );
        assert_eq!(log.lines().count(), 1, "{log}");
    }
    for name in ["none", "killed", "to_the_end"] {
        assert_eq!(outcome.number(name), 9, "{name}: {}", outcome.story());
    }
    // A second, and what a busy host adds.
    for name in ["stopped.ms", "full.ms", "hangs.ms"] {
        let took = outcome.number(name);
        // /proc/uptime counts 10 ms.
        assert!((990..3000).contains(&took), "{name}: {took} ms");
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_initramfs_of_three_files_replaces_a_stuck_engine() {
    // Its clock jumps over the seconds in which nothing happens.
    let guest = Guest::h264("supervised").steady();
    guest.put(
        "init",
        &fs::read(root().join("scripts/packaging/init")).unwrap(),
    );
    let outcome = guest.run(
        r#"
        new=/tmp/new
        # Few frames in each second, and none of their pixels is read: drawing and coding 1280x720 is dear here.
        knob null_mode Y; knob encode_us 400000
        mkdir -p $new/bin $new/dev $new/run
        cp /host/init $new/ && chmod 755 $new/init && cp /bin/busybox /bin/framemill $new/bin/
        say files $(find $new -type f | wc -l)
        chroot $new /init >init.log 2>&1 &
        socket=$new/run/framemill.sock pid=$new/run/framemill.pid
        until_true framemill stat --socket $socket --check 2000
        first=$(cat $pid)
        moving() { framemill stat --socket $socket --json | grep -q '"packets":[3-9]'; }
        until_true moving
        # It is looked at every two seconds.
        sleep 5
        say kept $(($(cat $pid) - first))
        kill -STOP $first
        replaced() { read -r second <$pid && [ $second != $first ]; }
        sleep 4
        until_true replaced
        until_true framemill stat --socket $socket --check 2000
        say mounted $(grep -c " $new/" /proc/mounts)
        dmesg | grep -c 'framemill ended with code 137' >ends
        say ends $(cat ends)
        "#,
    );
    outcome.succeeded(&["kept"]);
    assert_eq!(
        ["files", "mounted", "ends"].map(|name| outcome.number(name)),
        [3, 2, 1],
        "{}",
        outcome.story()
    );
}
