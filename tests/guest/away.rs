//! The encoder is lost at a bad moment: while producers, changes, the end or the kernel's own memory need it.

use crate::accounting::{stat, summary};
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producer_with_memory_of_its_own_goes_on_when_the_encoder_is_back() {
    let guest = Guest::h264("away-import");
    let outcome = guest.run(
        r"
        engine run --size 320x240
        start push framemill push --memory cma-heap --fps max --frames 300
        until_true reached packets 20
        knob away 1
        # It fills every slot meanwhile, and has nothing more to say then.
        sleep 0.5
        knob away 0
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    let json = outcome.text("stat.json");
    let (pushed, published, dropped) = summary(&outcome.text("push.log"));
    assert_eq!((pushed, published + dropped), (300, 300), "{json}");
    assert_eq!(
        (stat(&json, "reopens"), stat(&json, "producers_attached")),
        (1, 2),
        "{json}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn change_whose_time_is_up_waits_for_the_encoder_asleep() {
    let guest = Guest::h264("away-change").steady();
    let outcome = guest.run(
        r"
        ticks() { awk '{ print $14 + $15 }' /proc/$run/stat; }
        knob pause_at 25; knob pause_ms 60000
        engine run --wait-device 30000 --stall-ms 60000
        start dying framemill push --size 320x240 --fps max
        # It pauses, and is full.
        until_true reached packets 24
        until_true reached frames_in_flight 4
        kill -9 $dying
        # The next one may connect before the engine has seen its end.
        alone() { [ $(counter producers) = 0 ]; }
        until_true alone
        start push framemill push --size 640x480 --fps max --frames 5
        sleep 1
        knob away 1
        # Past the change's deadline.
        sleep 3
        before=$(ticks)
        sleep 2
        say ticks $(($(ticks) - before))
        say waited $(framemill stat --json | grep -c recovering)
        knob pause_at 0; knob away 0
        try again framemill push --size 640x480 --wait 10000 --frames 5
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["again", "run"]);
    assert_eq!(outcome.number("waited"), 1, "{}", outcome.story());
    // Of 200.
    assert!(outcome.number("ticks") < 40, "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn end_that_is_asked_for_while_a_change_drains_has_its_own_deadline() {
    let guest = Guest::h264("away-end").steady();
    let outcome = guest.run(
        r"
        knob pause_at 25; knob pause_ms 60000
        engine run --drain-ms 300 --stall-ms 60000
        start dying framemill push --size 320x240 --fps max
        # It pauses, and is full.
        until_true reached packets 24
        until_true reached frames_in_flight 4
        kill -9 $dying
        # The next one may connect before the engine has seen its end.
        alone() { [ $(counter producers) = 0 ]; }
        until_true alone
        start push framemill push --size 640x480 --frames 5
        until_true sh -c 'framemill stat --json | grep -q draining'
        begin=$(sed 's/\..*//' /proc/uptime)
        kill $run
        ended run
        say seconds $(($(sed 's/\..*//' /proc/uptime) - begin))
        ",
    );
    assert_eq!(outcome.number("run"), 8, "{}", outcome.story());
    assert!(outcome.number("seconds") < 2, "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn poll_that_fails_while_the_encoder_is_away_is_survived() {
    let guest = Guest::h264("away-poll");
    let outcome = guest.run(
        r"
        engine run --wait-device 30000
        knob away 1
        until_true sh -c 'framemill stat --json | grep -q recovering'
        start trace strace -p $run -o /host/trace -e trace=$ppoll -e inject=$ppoll:error=ENOMEM:when=1..3
        # What strace wrote is there when it has ended.
        sleep 2
        kill $trace
        wait $trace
        say struck $(grep -c INJECTED /host/trace)
        knob away 0
        try push framemill push --wait 10000 --frames 5
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    assert_eq!(outcome.number("struck"), 3, "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn end_that_is_asked_for_while_nothing_is_inside_does_not_wait_for_the_encoder() {
    let guest = Guest::h264("away-empty");
    let outcome = guest.run(
        r"
        engine run --wait-device 30000 --drain-ms 20000
        knob away 1
        until_true sh -c 'framemill stat --json | grep -q recovering'
        begin=$(sed 's/\..*//' /proc/uptime)
        kill $run
        ended run
        say seconds $(($(sed 's/\..*//' /proc/uptime) - begin))
        ",
    );
    outcome.succeeded(&["run"]);
    assert!(outcome.number("seconds") < 3, "{}", outcome.story());
}
