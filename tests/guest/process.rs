//! The engine as a process: what signals, closed descriptors and limits do to it. What needs no device is in tests/process.rs.

use crate::accounting::stat;
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn only_term_int_and_hup_end_an_engine_and_they_do_in_good_order() {
    let guest = Guest::h264("signals").steady();
    let outcome = guest.run(
        r#"
        # alive NAME SIGNAL…: a signal that ends the process does so before the next message is answered.
        engine run --size 160x128
        for signal in PIPE XFSZ USR1 USR2 ALRM VTALRM PROF IO PWR STKFLT XCPU TTOU CHLD URG WINCH 34 50 64; do
            kill -$signal $run
            framemill stat --json >/dev/null || give_up "no engine after $signal"
        done
        try push framemill push --frames 8 --fps max
        framemill stat --json >/host/stat.json
        # A reader that has seen enough.
        (framemill stat --json --watch 100 2>head.log; say head $? >&2) | head -n 1 >/dev/null
        say words $(wc -c <head.log)
        kill $run
        ended run
        for signal in HUP INT TERM; do
            engine run --size 160x128
            start watch framemill stat --json --watch 100 >/host/$signal.json
            until_true test -s /host/$signal.json
            kill -$signal $run
            ended run
            ended watch
            say left $(ls /run/framemill.sock 2>/dev/null | wc -l)
        done
        # As nohup starts a program.
        trap '' HUP
        engine run --size 160x128
        kill -HUP $run
        try nohup framemill push --frames 8 --fps max
        kill $run
        ended run
        "#,
    );
    outcome.succeeded(&["push", "nohup", "run", "watch", "left", "head", "words"]);
    assert_eq!(stat(&outcome.text("stat.json"), "frames_published"), 8);
    for signal in ["HUP", "INT", "TERM"] {
        let json = outcome.text(&format!("{signal}.json"));
        let last = json.lines().last().unwrap_or_default();
        assert!(last.contains("\"state\":\"ended\""), "{signal}: {json}");
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn commands_work_whichever_standard_descriptors_are_closed_and_without_dev_null() {
    let guest = Guest::h264("closed").steady();
    guest.compile("tests/vm/with.c", "with");
    let outcome = guest.run(
        r#"
        for closed in 0 "1 2" "0 1 2"; do
            without=
            for number in $closed; do without="$without close $number"; done
            # A shell opens /dev/null itself for what it starts in the background.
            (mv /dev/null /dev/hidden; exec /host/with $without framemill run $encoder --size 160x128 2>/tmp/run.log) &
            run=$!
            until framemill stat --check 2>/tmp/check.log; do sleep 0.05; done
            # Refused clients make the engine write to its log.
            framemill push --size 16x16 --frames 1 2>/tmp/small.log
            try push /host/with $without framemill push --frames 8 --fps max
            try tap /host/with $without framemill tap --from oldest --frames 4 --to /tmp/packets
            try check /host/with $without framemill stat --check
            # told FILE COMMAND…: runs it with its output in the file, but for what is closed.
            told() { out=$1; shift; "$@" >$out; }
            try stat told /tmp/stat /host/with $without framemill stat --json
            try ctl /host/with $without framemill ctl gop 7
            case $closed in *1*) ;; *) [ -s /tmp/stat ] || give_up "stat said nothing" ;; esac
            # Not even a memfd is needed by those that make no memory.
            try spare /host/with $without refuse 279 1 framemill stat --check
            say published $(framemill stat --json | sed 's/.*"frames_published":\([0-9]*\).*/\1/')
            mv /dev/hidden /dev/null
            kill $run
            ended run
        done
        try refused /host/with refuse 279 1 framemill run $encoder --size 160x128
        "#,
    );
    outcome.succeeded(&["run", "push", "tap", "check", "stat", "ctl", "spare"]);
    let published: Vec<_> = outcome
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("published="))
        .collect();
    assert_eq!(published, ["8"; 3], "{}", outcome.story());
    // The call that failed, and that no device had a part in it.
    assert_eq!(outcome.number("refused"), 14);
    assert_eq!(
        outcome.text("refused.log").lines().last(),
        Some("framemill: no packet ring of 4194304 bytes: memfd_create: EPERM: no permission")
    );
}

/// Resources by their numbers: 1 FSIZE, 3 STACK, 7 NOFILE, 8 MEMLOCK, 9 AS.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn limits_end_in_a_sentence_and_an_exit_code() {
    let guest = Guest::h264("limits").steady();
    guest.compile("tests/vm/with.c", "with");
    let outcome = guest.run(
        r#"
        mkfifo pipe
        # ready NAME PID: whether it runs, or has ended.
        ready() { grep -q 'running: ' $1.log || [ ! -e /proc/$2/exe ]; }
        # short NAME WITH…: an engine that runs for a moment, if it can; how it ended. Its log goes through a pipe, which no limit
        # holds.
        short() {
            name=$1
            shift
            cat <pipe >$name.log &
            log=$!
            /host/with "$@" framemill run $encoder --size 160x128 2>pipe &
            pid=$!
            until_true ready $name $pid
            kill $pid 2>/dev/null
            wait $pid
            say "limit $name" $?
            wait $log
        }
        for bytes in 32768 131071 131072; do short stack$bytes limit 3 $bytes; done
        for bytes in 0 100000 5000000; do short fsize$bytes limit 1 $bytes; done
        for count in 3 8 12 20; do short nofile$count limit 7 $count; done
        for bytes in 1000000 8000000; do short as$bytes limit 9 $bytes; done
        for bytes in 0 8000000; do short memlock$bytes limit 8 $bytes; done
        chmod 666 /dev/video11
        mkdir -m 777 /run/own
        start small /host/with limit 8 65536 uid 1000 44 framemill run $encoder --size 160x128 --socket /run/own/s
        until_true grep -q 'running: ' small.log
        kill $small
        ended small
        # Each command.
        for bytes in 32768 131072; do
            for command in help push tap stat ctl probe; do
                quiet() { "$@" >out; }
                try "$command.$bytes" quiet /host/with limit 3 $bytes framemill $command
            done
        done
        # A log at its limit: what clients do makes it longer, and ends nobody.
        dd if=/dev/zero of=full.log bs=1000 count=5000 2>/dev/null
        /host/with limit 1 5000000 framemill run $encoder --size 160x128 2>>full.log &
        run=$!
        until_true framemill stat --check
        for each in 1 2; do
            framemill push --size 16x16 --frames 1 2>refused.log
            sleep 1.1
        done
        try push framemill push --frames 30 --fps max
        try tap /host/with limit 1 2000 framemill tap --from oldest --to out
        try index /host/with limit 1 200 framemill tap --from oldest --frames 20 --to /dev/null --index index
        kill $run
        ended run
        rm full.log
        "#,
    );
    outcome.succeeded(&["run", "push", "small"]);
    let mut seen = 0;
    for line in outcome.text.lines() {
        let Some((name, code)) = line
            .strip_prefix("limit ")
            .and_then(|line| line.split_once('='))
        else {
            continue;
        };
        seen += 1;
        let log = outcome.text(&format!("{name}.log"));
        let expected = if log.contains("running: ") { "0" } else { "14" };
        assert!(
            code == expected && log.starts_with("framemill: "),
            "{name}: {code}: {log}"
        );
    }
    assert_eq!(seen, 14, "{}", outcome.story());
    for (name, words) in [
        (
            "stack32768",
            "32768 bytes, and 131072 are needed: raise ulimit -s",
        ),
        (
            "fsize0",
            "EFBIG: larger than a file may become here: raise ulimit -f",
        ),
        ("nofile3", "EMFILE: too many open files: raise ulimit -n"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains(words), "{name}: {log}");
    }
    for name in ["stack131072", "fsize5000000", "nofile20", "memlock0"] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains("running: "), "{name}: {log}");
    }
    let log = outcome.text("small.log");
    assert!(
        log.contains("memory is not locked")
            && log.contains(
                " bytes are mapped and 65536 may be locked: raise ulimit -l (systemd: LimitMEMLOCK)"
            ),
        "{log}"
    );
    for name in ["tap", "index"] {
        assert_eq!(outcome.number(name), 12, "{}", outcome.story());
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            log.contains("EFBIG: larger than a file may become here: raise ulimit -f"),
            "{log}"
        );
    }
    for command in ["help", "push", "tap", "stat", "ctl", "probe"] {
        let code = outcome.number(&format!("{command}.32768"));
        assert_eq!(code, 14, "{command}");
        let code = outcome.number(&format!("{command}.131072"));
        let expected = match command {
            "help" | "probe" => 0,
            "ctl" => 2,
            _ => 9,
        };
        assert_eq!(code, expected, "{command}");
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_ring_larger_than_what_is_free_is_refused_and_nobody_is_killed() {
    let guest = Guest::new("memory", Api::Single).steady();
    let outcome = guest.run(
        r#"
        say shared $(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
        # What other programs have: all but 160 MiB.
        free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
        dd if=/dev/zero of=/dev/shm/others bs=1024k count=$((free / 1024 - 160)) 2>/dev/null
        try large framemill run $encoder --size 640x368 --packet-ring 256M
        mount -t tmpfs nothing /proc
        try no_proc framemill run $encoder --size 640x368 --packet-ring 256M
        umount /proc
        engine run --size 640x368 --packet-ring 64M
        try push framemill push --frames 8 --fps max
        kill $run
        ended run
        say killed $(dmesg | grep -c 'Out of memory')
        "#,
    );
    outcome.succeeded(&["run", "push"]);
    for name in ["large", "no_proc"] {
        assert_eq!(outcome.number(name), 14, "{}", outcome.story());
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            log.starts_with("framemill: no packet ring of 268435456 bytes: ENOMEM: ")
                && log.trim_end().ends_with(" bytes of memory are free")
                && log.lines().count() == 1,
            "{log}"
        );
    }
    assert_eq!(outcome.number("killed"), 0);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn of_engines_that_start_at_once_on_a_dead_ones_socket_one_runs() {
    let guest = Guest::h264("claim").steady();
    let outcome = guest.run(
        r#"
        mkdir /ramfs
        mount -t ramfs ramfs /ramfs
        # With fs.protected_regular nobody's files are made in a folder of all.
        for socket in /run/s /ramfs/s /tmp/s; do
            for options in "" "--user 1000"; do
                [ "$socket$options" != "/run/s--user 1000" ] || continue
                chmod 666 /dev/video11
                engine dead --size 160x128 --socket $socket
                kill -9 $dead
                wait $dead
                for each in a b c; do start $each framemill run $encoder --size 160x128 --socket $socket $options; done
                # The losers say so.
                until_true sh -c '[ $(cat a.log b.log c.log | grep -c "another engine listens there") = 2 ]'
                until_true framemill stat --check --socket $socket
                pid=$(framemill stat --json --socket $socket | sed 's/.*"pid":\([0-9]*\).*/\1/')
                say lock $(ls $socket.lock 2>/dev/null | wc -l)
                kill $pid
                codes=
                for each in $a $b $c; do wait $each; codes="$codes $?"; done
                say codes "$codes"
                say left $(ls $socket 2>/dev/null | wc -l)
            done
        done
        # Whatever is in the way is named, and stays.
        echo theirs >/run/file
        mkdir /run/folder
        ln -s /run/none /run/link
        mkfifo /run/pipe
        for kind in file folder link pipe; do
            try $kind framemill run $encoder --size 160x128 --socket /run/$kind
        done
        try stat framemill stat --socket /run/file
        cat /run/file >/host/file
        say kept "$([ -d /run/folder ] && [ -L /run/link ] && [ -p /run/pipe ] && echo all)"
        "#,
    );
    let all = |name: &str| {
        let prefix = format!("{name}=");
        let lines = outcome.text.lines();
        lines
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|words| {
                let mut words: Vec<_> = words.split_whitespace().collect();
                words.sort_unstable();
                words.join(" ")
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(all("codes"), ["0 9 9"; 5], "{}", outcome.story());
    assert_eq!(all("lock"), ["0"; 5], "{}", outcome.story());
    // A user that is not the folder's owner cannot remove its file.
    assert_eq!(all("left").len(), 5);
    for (name, kind) in [
        ("file", "a regular file"),
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("pipe", "a pipe"),
    ] {
        assert_eq!(outcome.number(name), 9, "{name}");
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            log.contains(&format!("/run/{name} is {kind}, not a socket: remove it")),
            "{log}"
        );
    }
    assert_eq!(outcome.number("stat"), 9);
    assert!(
        outcome
            .text("stat.log")
            .contains("/run/file is a regular file, not an engine's socket")
    );
    assert_eq!(outcome.text("file"), "theirs\n");
    assert_eq!(outcome.said("kept"), "all");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_node_that_may_not_be_opened_or_that_another_program_uses_is_told() {
    let guest = Guest::new("shut", Api::Single);
    guest.compile("tests/vm/with.c", "with");
    let outcome = guest.run(
        r#"
        chmod 660 /dev/video*
        chgrp 44 /dev/video*
        mkdir -m 777 /run/own
        user="uid 1000 1000"
        try run /host/with $user framemill run --codec FWHT --size 640x368 --socket /run/own/s
        try named /host/with $user framemill run $encoder --size 640x368 --socket /run/own/s
        try probe /host/with $user framemill probe --json
        try contained /host/with refuse 56 1 framemill run $encoder --size 640x368
        # One of them is open to all, and does not do it.
        chmod 666 /dev/video3
        try some /host/with $user framemill run --codec FWHT --size 640x368 --socket /run/own/s
        start in_group /host/with uid 1000 44 framemill run --codec FWHT --size 640x368 --socket /run/own/s
        until_true grep -q 'running: ' in_group.log
        kill $in_group
        ended in_group
        v4l2-ctl -d /dev/video4 --stream-mmap --stream-to=/dev/null >/dev/null 2>&1 &
        other=$!
        until_true sh -c '! v4l2-ctl -d /dev/video4 --set-fmt-video=width=320,height=180 2>/dev/null'
        try busy framemill run $encoder --camera /dev/video4 --size 640x360
        kill $other
        "#,
    );
    outcome.succeeded(&["in_group"]);
    let cause = "EACCES: no permission: be root or in group video";
    for (name, words) in [
        ("run", format!(" could not be opened: open: {cause}")),
        ("some", format!(" could not be opened: open: {cause}")),
        ("probe", format!(" could not be opened: open: {cause}")),
        ("named", format!("/dev/video0: open: {cause}")),
        (
            "contained",
            "/dev/video0: open: EPERM: not permitted: a container has to be given the device"
                .to_owned(),
        ),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert_eq!(outcome.number(name), 3, "{name}: {log}");
        assert!(log.contains(&words), "{name}: {log}");
    }
    let log = outcome.text("busy.log");
    assert!(
        outcome.number("busy") == 5
            && log.contains("/dev/video4: VIDIOC_")
            && log.contains("EBUSY: another program uses the device"),
        "{log}"
    );
}
