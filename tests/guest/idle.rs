//! `run --idle stop`: without a consumer the kernel's camera stops, and the first consumer starts everything again. A producer's frames, and
//! what a supervisor hears, are plans of the simulation (`src/simulation/idle_plans.rs`).

use crate::accounting::{index, stat};
use crate::camera::CAMERA;
use crate::support::Guest;

/// What the kernel and the engine say of an idle engine. vivid has a thread for as long as its camera streams.
const IDLE: &str = r"
    in_state() { framemill stat --json | grep -q '.state.:.'$1; }
    streams() { cat /proc/[0-9]*/comm | grep -q '^vivid.*-vid-cap\|^vivid-[0-9]*-vid-c'; }
    still() { ! streams; }
    # Seconds in which nothing may happen.
    quiet() {
        before=$(counter frames_committed) packets=$(counter packets)
        sleep 0.5
        in_state idle || give_up not idle
        say $1 $(($(counter frames_committed) - before)),$(($(counter packets) - packets))
    }
";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn camera_that_nobody_watches_stops_and_the_first_consumer_starts_it() {
    let guest = Guest::h264("idle-camera");
    let outcome = guest.run(&format!(
        "{CAMERA}{IDLE}{}",
        r"
        engine run --camera /dev/video4 --size 320x180 --idle stop:1s
        until_true streams
        until_true in_state idle
        until_true still
        quiet first
        framemill stat --json >/host/idle.json
        try check framemill stat --check
        # Nobody: neither who looks nor who changes something. A key frame is for whoever comes.
        try ctl framemill ctl bitrate 500k
        try key framemill ctl key
        in_state idle || give_up woken by nobody
        # An open camera can be asked, and its controls changed; it cannot be taken.
        v4l2-ctl -d /dev/video4 --set-ctrl brightness=100 || give_up brightness
        v4l2-ctl -d /dev/video4 --stream-mmap --stream-count=1 >/tmp/busy.log 2>&1
        say busy $(grep -c 'EBUSY\|busy' busy.log)
        # The oldest packet is new as well.
        start tap framemill tap --from oldest --to /host/coded --index /host/index
        until_true in_state running
        until_true streams
        more 10
        kill $tap
        ended tap
        until_true in_state idle
        until_true still
        quiet second
        # Away and back meanwhile: nobody notices.
        start tap framemill tap --from key --to /host/coded2 --index /host/index2
        until_true in_state running
        more 5
        framemill stat --json >/host/stat.json
        kill $tap
        ended tap
        until_true in_state idle
        kill $run
        ended run
        ",
    ));
    outcome.succeeded(&["check", "ctl", "key", "tap", "run"]);
    assert_eq!(
        (outcome.said("first"), outcome.said("second")),
        ("0,0", "0,0")
    );
    assert!(outcome.number("busy") >= 1, "{}", outcome.story());
    let idle = outcome.text("idle.json");
    assert!(idle.contains(r#""state":"idle""#), "{idle}");
    assert_eq!(stat(&idle, "frames_in_flight"), 0, "{idle}");
    assert_eq!(
        stat(&idle, "packet_head"),
        stat(&idle, "packet_tail"),
        "{idle}"
    );
    for (name, generation) in [("index", 2), ("index2", 3)] {
        let lines = index(&outcome, name);
        let first = &lines[0];
        assert!(
            first.flags.contains('K') && first.flags.contains('D'),
            "{first:?}"
        );
        assert!(
            lines.iter().all(|line| line.generation == generation),
            "{lines:?}"
        );
    }
    let json = outcome.text("stat.json");
    // A busy machine drops some because the encoder is behind.
    for name in [
        "stalls",
        "restarts",
        "reopens",
        "frames_dropped_idle",
        "frames_dropped_encoder",
        "frames_dropped_restart",
    ] {
        assert_eq!(stat(&json, name), 0, "{name}: {json}");
    }
    let log = outcome.text("run.log");
    assert_eq!(
        log.matches("no consumer: idle until one comes").count(),
        3,
        "{log}"
    );
    assert_eq!(
        log.matches("a consumer came: starting again").count(),
        2,
        "{log}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn what_changed_while_nobody_watched_is_found_by_who_comes() {
    let guest = Guest::h264("idle-changes");
    let outcome = guest.run(&format!(
        "{CAMERA}{IDLE}{}",
        r"
        bridge
        source_sends 0
        engine run --camera /dev/video4 --camera-wait 3000 --idle stop:1s
        until_true in_state idle
        source_sends 23
        start tap framemill tap --from key --to /host/coded --index /host/index
        until_true reached generation 3
        more 5
        framemill stat --json >/host/larger.json
        kill $tap
        ended tap
        until_true in_state idle
        source_is 1
        start tap framemill tap --from key --to /host/coded
        until_true in_state no-signal
        kill $tap
        ended tap
        # It does not become idle while it waits for a signal.
        sleep 2
        in_state no-signal || give_up no-signal
        source_is 4
        until_true in_state idle
        kill $run
        ended run
        ",
    ));
    outcome.succeeded(&["tap", "run"]);
    let json = outcome.text("larger.json");
    assert_eq!(
        (stat(&json, "width"), stat(&json, "height")),
        (800, 600),
        "{json}"
    );
}
