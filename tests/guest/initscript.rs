//! `S60framemill`, which Buildroot's package installs for BusyBox's init: it starts, stops and restarts the engine in a root laid out as
//! Buildroot's.
//!
//! Knows the script's words and exit statuses; knows nothing of what the engine does with frames.

use std::fs;

use crate::support::{Guest, Outcome, root};

/// The root, and `service NAME ARGUMENT…`, which runs the script in it as BusyBox's rcS does: what it prints is said as NAME.words, its
/// exit status as NAME.
const ROOT: &str = r#"
    encoder='--device /dev/video11 --codec H264'
    new=/tmp/new
    mkdir -p $new/bin $new/sbin $new/dev $new/proc $new/run $new/tmp $new/usr/bin $new/etc/init.d $new/etc/default $new/var
    ln -s ../run $new/var/run
    cp /bin/busybox $new/bin/
    for applet in sh sleep rm; do ln -s busybox $new/bin/$applet; done
    ln -s ../bin/busybox $new/sbin/start-stop-daemon
    cp /bin/framemill $new/usr/bin/
    cp /host/S60framemill $new/etc/init.d/ && chmod 755 $new/etc/init.d/S60framemill
    mount -t devtmpfs dev $new/dev
    mount -t proc proc $new/proc
    mount -t tmpfs run $new/run
    options() { echo "FRAMEMILL_OPTIONS='$*'" >$new/etc/default/framemill; }
    service() {
        service=$1
        shift
        env -i PATH=/sbin:/bin:/usr/sbin:/usr/bin chroot $new /etc/init.d/S60framemill "$@" >words 2>&1 </dev/null
        say $service $?
        say $service.words "$(tr '\n' ' ' <words)"
    }
    file=$new/var/run/framemill.pid
    socket=$new/run/framemill.sock
    check() { framemill stat --socket $socket --check 2000; }
    gone() { [ ! -e /proc/$1 ]; }
"#;

fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).with_setup(ROOT);
    let script = root().join("scripts/packaging/buildroot/package/framemill/S60framemill");
    guest.put("S60framemill", &fs::read(script).unwrap());
    guest
}

fn words<'a>(outcome: &'a Outcome, service: &str) -> &'a str {
    outcome.said(&format!("{service}.words")).trim()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn the_script_starts_stops_and_restarts_the_engine_or_says_why_not() {
    // Its clock jumps over the seconds in which nothing happens.
    let guest = guest("initscript").steady();
    let outcome = guest.run(
        r#"
        options $encoder --size 320x240 --log-to kmsg
        service start start
        until_true check
        first=$(cat $file)
        try push framemill push --socket $socket --frames 8 --fps max
        service twice start
        say same $(($(cat $file) - first))
        service restart restart
        second=$(cat $file)
        gone $first
        say first.gone $?
        until_true check
        try push framemill push --socket $socket --frames 8 --fps max
        service reload reload
        third=$(cat $file)
        gone $second
        say second.gone $?
        until_true check
        # It was killed, and its number is another program's now.
        kill -9 $third
        until_true gone $third
        sleep 1000 &
        stranger=$!
        echo $stranger >$file
        service strangers stop
        kill -0 $stranger
        say spared $?
        service again start
        until_true check
        fourth=$(cat $file)
        say another $((fourth != stranger))
        service stop stop
        gone $fourth
        say fourth.gone $?
        say left $(ls $file $socket 2>/dev/null | wc -l)
        service stopped stop
        # As at the next boot; and when nothing runs, restart is start.
        service boot restart
        until_true check
        service end stop
        service nonsense
        dmesg >/host/dmesg
        # An engine that does not start, and one that does not stop.
        options $encoder --size 320x240 --log-to kmsg --bogus
        service wrong start
        options $encoder --size 320x240 --log-to kmsg
        service starts start
        until_true check
        stuck=$(cat $file)
        # It hears no signal but the last one.
        kill -STOP $stuck
        service stops stop
        gone $stuck
        say stuck.gone $?
        say stuck.left $(ls $file 2>/dev/null | wc -l)
        "#,
    );
    outcome.succeeded(&[
        "start",
        "push",
        "same",
        "restart",
        "first.gone",
        "reload",
        "second.gone",
        "spared",
        "again",
        "stop",
        "fourth.gone",
        "left",
        "boot",
        "end",
    ]);
    assert_eq!(outcome.number("another"), 1);
    assert_eq!(words(&outcome, "start"), "Starting framemill: OK");
    // BusyBox says which process it stopped.
    let restarted = words(&outcome, "restart");
    assert!(
        restarted.starts_with("Stopping framemill: stopped /usr/bin/framemill (pid ")
            && restarted.ends_with(") OK Starting framemill: OK"),
        "{restarted}"
    );
    // There is one already, or none.
    for service in ["twice", "strangers", "stopped"] {
        assert_eq!(outcome.number(service), 1, "{service}: {}", outcome.story());
        assert!(
            words(&outcome, service).ends_with("FAIL"),
            "{service}: {}",
            outcome.story()
        );
    }
    assert_eq!(outcome.number("nonsense"), 1);
    assert!(words(&outcome, "nonsense").contains("{start|stop|restart|reload}"));
    // Each engine that was asked to end did so in good order, with all that it had.
    let log = outcome.text("dmesg");
    let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("framemill: running: "), 5, "{log}");
    assert_eq!(
        count("framemill: a signal ends the engine: draining"),
        4,
        "{log}"
    );
    assert_eq!(
        count("framemill: ended: 8 frames in, 8 packets out, 0 "),
        2,
        "{log}"
    );
    assert_eq!(
        count("framemill: ended: 0 frames in, 0 packets out, 0 "),
        2,
        "{log}"
    );
    assert_eq!(outcome.number("wrong"), 1, "{}", outcome.story());
    assert_eq!(words(&outcome, "wrong"), "Starting framemill: FAIL");
    outcome.succeeded(&["starts", "stops", "stuck.gone", "stuck.left"]);
    assert!(words(&outcome, "stops").ends_with(" OK"));
}
