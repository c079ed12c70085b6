//! When each step of the recovery is taken for an encoder that no longer works: in instruction-counted time, so that it repeats. What else may
//! fail, and when, are plans of the simulation (`src/simulation/recovery_plans.rs`).

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
    let guest = Guest::h264("escalation").steady();
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
    let reopened = said_at(&outcome, "nothing else helps: reopening it");
    let back = said_at(&outcome, "it runs again");
    let given_up = said_at(&outcome, "the encoder stalled again");
    assert_eq!(
        [restarts.len(), reopened.len(), back.len(), given_up.len()],
        [2, 1, 1, 1],
        "{}",
        outcome.text("dmesg")
    );
    within("second restart", restarts[1] - restarts[0], 300 + 200);
    within("reopened", reopened[0] - restarts[1], 300 + 200);
    within("there again", back[0] - reopened[0], 50);
    within("given up", given_up[0] - back[0], 300);
}
