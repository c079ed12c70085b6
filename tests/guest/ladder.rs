//! When each step of the recovery is taken for an encoder that no longer works: in instruction-counted time, so that it repeats.

use crate::accounting::{balance, stat};
use crate::support::{Guest, Outcome};

/// When the engine said this, ms of the guest's time, by its lines in the kernel's log; each time.
fn said_at(outcome: &Outcome, words: &str) -> Vec<u64> {
    let log = outcome.text("dmesg");
    let lines = log
        .lines()
        .filter(|line| line.contains("framemill: ") && line.contains(words));
    lines
        .map(|line| {
            let time = line.trim_start_matches(['[', ' ']).split(']').next();
            let seconds: f64 = time.expect("a time").parse().expect(line);
            (seconds * 1000.0) as u64
        })
        .collect()
}

/// That a step took at least `least` ms, and no more than what the machine adds. The engine counts from the time at which its turn began,
/// and strace makes the line of that turn a few ms late.
fn within(what: &str, took: u64, least: u64) {
    println!("{what}: {took} ms, of {least}");
    assert!(
        (least - 5..least + 100).contains(&took),
        "{what}: {took} ms, not {least}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn stalled_encoder_is_restarted_reopened_and_given_up_in_its_time() {
    let guest = Guest::h264("ladder").steady();
    let outcome = guest.run(
        r"
        # Restarts do not help; nor does opening it. STREAMOFF takes 200 ms, for each of the two queues.
        knob hang_after 3; knob streamoff_ms 100
        start run framemill run $encoder --size 320x240 --stall-ms 300 --log-to kmsg
        until_true framemill stat --check
        start push framemill push --fps 60
        until_true reached restarts 2
        knob streamoff_ms 0; knob hang_after 0; knob pause_at 1; knob pause_ms 3600000
        ended run
        ended push
        dmesg >/host/dmesg
        ",
    );
    assert_eq!(outcome.number("run"), 7, "{}", outcome.text("dmesg"));
    let restarts = said_at(&outcome, "no progress for 300 ms: restarting the encoder");
    let anew = said_at(&outcome, "nothing else helps: reopening it");
    let back = said_at(&outcome, "it runs again");
    let given_up = said_at(&outcome, "the encoder stalled again");
    assert_eq!(
        [restarts.len(), anew.len(), back.len(), given_up.len()],
        [2, 1, 1, 1],
        "{}",
        outcome.text("dmesg")
    );
    within("second restart", restarts[1] - restarts[0], 300 + 200);
    within("reopened", anew[0] - restarts[1], 300 + 200);
    within("there again", back[0] - anew[0], 50);
    within("given up", given_up[0] - back[0], 300);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_that_is_gone_is_looked_for_with_growing_pauses_and_then_given_up() {
    let guest = Guest::h264("ladder-gone").steady();
    let outcome = guest.run(
        r"
        start run strace -o /tmp/trace -e trace=openat framemill run $encoder --size 320x240 --log-to kmsg
        until_true framemill stat --check
        start push framemill push --fps 60
        until_true reached packets 5
        before=$(grep -c /dev/video11 trace)
        knob away 1
        ended run
        ended push
        say tries $(($(grep -c /dev/video11 trace) - before))
        dmesg >/host/dmesg
        ",
    );
    assert_eq!(outcome.number("run"), 6, "{}", outcome.text("dmesg"));
    // After 50, 100, 200, 400, 800, 1000 ms, and when the three seconds are over.
    assert_eq!(outcome.number("tries"), 7, "{}", outcome.story());
    let gone = said_at(&outcome, "reopening it");
    let given_up = said_at(&outcome, "the encoder is gone");
    assert_eq!([gone.len(), given_up.len()], [1, 1]);
    within("given up", given_up[0] - gone[0], 3000);
}

/// Where each frame is to be a key frame, the next one waits for the packet of the one before. An encoder that hangs on the first has one
/// slot then, and not all that it could have.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_that_is_given_one_frame_at_a_time_and_hangs_on_the_first_is_restarted() {
    let guest = Guest::h264("ladder-intra").steady();
    let outcome = guest.run(
        r"
        knob pause_at 1; knob pause_ms 3600000
        engine run --size 320x240 --gop 1 --stall-ms 300
        start push framemill push --fps 60 --frames 30
        until_true reached stalls 1
        knob pause_at 0
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    let json = outcome.text("stat.json");
    // Perhaps it hung once more before it was told not to. The frames that hung are lost, and no others.
    let lost = stat(&json, "frames_dropped_restart");
    assert!((1..=2).contains(&lost), "{json}");
    for name in ["stalls", "restarts"] {
        assert_eq!(stat(&json, name), lost, "{name}: {json}");
    }
    assert_eq!(balance(&json), (30, 30 - lost, lost), "{json}");
}
