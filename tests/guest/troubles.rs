//! Two troubles at once: an end, a change or a failure in the middle of another one.

use crate::accounting::{ends_as_it_was, stat, summary};
use crate::camera::{CAMERA, ended};
use crate::support::{Guest, Outcome};

/// The guest's own clock, ms, and what passed since; what the engine said so many times; and what the encoder does.
const STEPS: &str = r#"
    up() { awk '{ print int($1 * 1000) }' /proc/uptime; }
    since() { say took $(($(up) - $1)); }
    told() { [ "$(grep -c "$1" run.log)" -ge "$2" ]; }
    # Gone for so many seconds.
    leave() { knob away 1; sleep $1; knob away 0; }
    works() { try push framemill push --wait 10000 --fps 60 --frames 30; }
    # The encoder leaves, and refuses on its return the memory that it imported before.
    refused() {
        until_true reached packets 10
        say imported $(framemill stat --json | grep -c '.memory.:.import')
        knob away 1
        sleep 0.2
        knob refuse_memory 4; knob refuse_errno 12; knob away 0
        more 10
        framemill stat --json >/host/stat.json
    }
"#;

fn run(guest: &Guest, script: &str) -> Outcome {
    guest.run(&format!("{CAMERA}{STEPS}{script}"))
}

/// That every frame came out or was counted. Gives how many were dropped.
fn counted(outcome: &Outcome) -> u64 {
    let [frames, packets, dropped] = ended(outcome);
    assert_eq!(frames, packets + dropped, "{}", outcome.story());
    dropped as u64
}

/// The same, and that what was timed took less than so many ms.
fn within(outcome: &Outcome, most: u64) -> u64 {
    let took = outcome.number("took");
    println!("took {took} ms, of {most}");
    assert!(took < most, "took {took} ms: {}", outcome.story());
    counted(outcome)
}

/// That the engine's log holds this so many times.
fn says(outcome: &Outcome, times: usize, words: &str) {
    let log = outcome.text("run.log");
    assert_eq!(log.matches(words).count(), times, "{words}: {log}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn drain_of_a_driver_without_a_stop_command_ends_though_frames_keep_coming() {
    let guest = Guest::h264("troubles-unmarked").steady();
    let outcome = run(
        &guest,
        r"
        encoder='--device /dev/video3 --codec YUYV'
        # Slots enough for the producer to commit more all the time that the drain takes.
        engine run --format RGBP --size 320x240 --frame-slots 32 --control transaction_time_msec=50
        start push framemill push --fps 60
        until_true reached frames_in_flight 6
        begin=$(up)
        kill $run
        ended run
        since $begin
        ended push
        ",
    );
    outcome.succeeded(&["run"]);
    // Some ten frames were inside.
    let dropped = within(&outcome, 1500);
    assert!(dropped > 0, "{}", outcome.story());
    let (pushed, published, lost) = summary(&outcome.text("push.log"));
    assert_eq!(
        [pushed, published, lost],
        ended(&outcome).map(|number| number as u64),
        "{}",
        outcome.story()
    );
    says(&outcome, 0, "cut short");
}

/// An end in the middle of which the encoder stalls: what goes before it, what begins it, and what is to wait for after it. In good
/// order, with no frame lost before it. Gives the log's last sums.
fn stalled_end(name: &str, before: &str, begin: &str, after: &str) -> [usize; 3] {
    let guest = Guest::h264(name).steady();
    let outcome = run(
        &guest,
        &format!(
            r"
            knob hang_after 5; knob streamoff_ms 100
            {before}
            say before $(counter frames_dropped)
            begin=$(up)
            {begin}
            ended run
            since $begin
            {after}
            "
        ),
    );
    assert!(within(&outcome, 4000) > 0, "{}", outcome.story());
    let numbers = ["run", "before"].map(|name| outcome.number(name));
    assert_eq!(numbers, [0, 0], "{}", outcome.story());
    says(&outcome, 1, "no progress for 2000 ms");
    says(&outcome, 0, "cut short");
    ended(&outcome)
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn end_in_which_the_encoder_stalls_is_over_once_nothing_is_inside() {
    let before = r"
        engine run --size 320x240 --drain-ms 60000
        start push framemill push --fps 60
        until_true reached packets 5
        until_true reached frames_in_flight 4
    ";
    let sums = stalled_end("troubles-end-stall", before, "kill $run", "ended push");
    assert_eq!(sums, [9, 5, 4]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn last_frames_of_a_camera_that_the_encoder_keeps_are_lost_and_counted() {
    // Slots enough for the camera to go on: none is dropped before the end.
    let before = r"
        engine run --camera /dev/video4 --frames 10 --frame-slots 16 --drain-ms 60000
        until_true in_state draining
    ";
    assert_eq!(
        stalled_end("troubles-camera-stall", before, "", ""),
        [10, 5, 5]
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn second_signal_ends_an_end_that_takes_its_time() {
    let guest = Guest::h264("troubles-signals").steady();
    let outcome = run(
        &guest,
        r"
        knob hang_after 5; knob streamoff_ms 0
        engine run --size 320x240 --stall-ms 60000 --drain-ms 60000
        start push framemill push --fps 60
        until_true reached packets 5
        until_true reached frames_in_flight 4
        kill $run
        until_true in_state draining
        sleep 1
        begin=$(up)
        kill $run
        ended run
        since $begin
        ended push
        ",
    );
    assert_eq!(outcome.number("run"), 8, "{}", outcome.story());
    assert_eq!(within(&outcome, 500), 4, "{}", outcome.story());
    says(&outcome, 1, "the drain was cut short: 4 frames are lost");
}

/// Where each frame is to be a key frame by force, one is in the encoder and the others wait outside, in slots of the encoder's.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn end_in_which_the_encoder_leaves_is_over_once_the_frames_outside_are_lost_with_their_slots() {
    let guest = Guest::h264("troubles-end-away").steady();
    let outcome = run(
        &guest,
        r"
        knob encode_us 300000
        engine run --size 320x240 --gop 1 --drain-ms 60000 --wait-device 60000
        start push framemill push --fps 60
        until_true reached frames_in_flight 4
        kill $run
        until_true in_state draining
        begin=$(up)
        knob away 1
        ended run
        since $begin
        ended push
        ",
    );
    outcome.succeeded(&["run"]);
    assert!(within(&outcome, 1500) >= 3, "{}", outcome.story());
    says(&outcome, 1, "reopening it");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn change_in_which_the_encoder_stalls_is_made_once_nothing_is_inside() {
    let guest = Guest::h264("troubles-change-stall").steady();
    let outcome = run(
        &guest,
        r"
        knob hang_after 25; knob streamoff_ms 100
        engine run --stall-ms 300
        start dying framemill push --size 320x240 --fps max
        until_true reached packets 25
        until_true reached frames_in_flight 4
        kill -9 $dying
        # The next one may connect before the engine has seen its end.
        alone() { [ $(counter producers) = 0 ]; }
        until_true alone
        # What hangs goes on hanging until it is closed; what is reopened works.
        knob hang_after 0
        begin=$(up)
        start push framemill push --size 640x480 --fps 60 --frames 20
        until_true sh -c 'framemill stat --json | grep -q .width.:640'
        since $begin
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    // The drain's own deadline is three seconds.
    within(&outcome, 1500);
    let (pushed, published, dropped) = summary(&outcome.text("push.log"));
    assert_eq!((pushed, published + dropped), (20, 20));
    assert!(published > 10, "{}", outcome.story());
    ends_as_it_was(&outcome, &outcome.text("stat.json"));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn idle_engine_survives_each_time_that_the_device_leaves() {
    let guest = Guest::h264("troubles-idle").steady();
    let outcome = run(
        &guest,
        r"
        engine run --size 320x240 --wait-device 60000
        for time in 1 2 3; do
            leave 0.2
            until_true told 'it runs again' $time
            sleep 60
        done
        works
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    assert_eq!(ended(&outcome), [30, 30, 0], "{}", outcome.story());
    says(&outcome, 3, "it runs again");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn idle_engine_gives_up_a_device_that_leaves_again_at_once() {
    let guest = Guest::h264("troubles-flapping").steady();
    let outcome = run(
        &guest,
        r"
        engine run --size 320x240 --wait-device 60000
        leave 0.2
        until_true told 'it runs again' 1
        # --stall-ms is 2000: within ten seconds, and twice that.
        sleep 12
        begin=$(up)
        leave 0.2
        until_true told 'ended: ' 1
        since $begin
        ended run
        ",
    );
    assert_eq!(outcome.number("run"), 6, "{}", outcome.story());
    within(&outcome, 1500);
    says(&outcome, 1, "it runs again");
    says(&outcome, 1, "/dev/video11: the encoder is gone: ");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn camera_whose_memory_is_refused_on_the_encoders_return_is_copied() {
    let guest = Guest::h264("troubles-camera-copy").steady();
    let outcome = run(
        &guest,
        r"
        # EXPBUF has no answer: the encoder's buffers cannot be filled by the camera.
        knob false_answers 1
        engine run --camera /dev/video4 --size 640x480 --format YUYV
        refused
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["run"]);
    counted(&outcome);
    assert_eq!(outcome.number("imported"), 1, "{}", outcome.story());
    let json = outcome.text("stat.json");
    assert!(json.contains(r#""memory":"copy""#), "{json}");
    assert_eq!(stat(&json, "reopens"), 1, "{json}");
    assert!(stat(&json, "raw_bytes_copied") > 0, "{json}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producer_whose_memory_is_refused_on_the_encoders_return_attaches_again() {
    let guest = Guest::h264("troubles-push-copy").steady();
    let outcome = run(
        &guest,
        r"
        engine run --size 640x480
        start push framemill push --memory cma-heap --fps 30 --frames 200
        refused
        ended push
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    let dropped = counted(&outcome);
    assert_eq!(outcome.number("imported"), 1, "{}", outcome.story());
    let json = outcome.text("stat.json");
    assert!(!json.contains(r#""memory":"import""#), "{json}");
    assert!(stat(&json, "producers_attached") >= 2, "{json}");
    assert_eq!(
        summary(&outcome.text("push.log")),
        (200, 200 - dropped, dropped),
        "{}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn bridge_that_fails_now_and_then_while_there_is_no_signal_is_waited_for() {
    let guest = Guest::h264("troubles-bridge").steady();
    let outcome = run(
        &guest,
        r"
        # One call for the signal's timings fails, and no other.
        failure() {
            start trace strace -p $run -o /tmp/trace.$1 -e trace=ioctl -e inject=ioctl:error=EIO:when=1
            until_true grep -q INJECTED trace.$1
            kill $trace
            wait $trace
            say call$1 $(grep -c 'QUERY_DV_TIMINGS.*INJECTED\|_IOC_READ, 0x56, 0x63.*INJECTED' trace.$1)
        }
        bridge
        source_sends 0
        engine run --camera /dev/video4 --format YUYV --camera-wait 2000
        until_true reached packets 5
        source_is 1
        until_true in_state no-signal
        failure 1
        # Past --camera-wait.
        sleep 4
        failure 2
        sleep 1
        say waits $(framemill stat --json | grep -c no-signal)
        source_is 4
        more 10
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["run"]);
    counted(&outcome);
    let numbers = ["call1", "call2", "waits"].map(|name| outcome.number(name));
    assert_eq!(numbers, [1, 1, 1], "{}", outcome.story());
    says(&outcome, 0, "did not come back");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_that_comes_back_while_there_is_no_signal_does_not_make_one() {
    let guest = Guest::h264("troubles-bridge-away").steady();
    let outcome = run(
        &guest,
        r"
        bridge
        source_sends 0
        engine run --camera /dev/video4 --format YUYV
        until_true reached packets 5
        source_is 1
        until_true in_state no-signal
        leave 0.2
        until_true told 'it runs again' 1
        say running $(framemill stat --json | grep -c '.state.:.running')
        until_true in_state no-signal
        source_is 4
        more 10
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["running", "run"]);
    counted(&outcome);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_that_was_away_for_long_is_taken_up_soon_after_its_return() {
    let guest = Guest::h264("troubles-long").steady();
    let outcome = run(
        &guest,
        r"
        engine run --size 320x240 --wait-device 600000
        # Just past where pauses that are doubled each time make the longest ones.
        leave 27
        begin=$(up)
        until_true told 'it runs again' 1
        since $begin
        works
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    assert_eq!(within(&outcome, 1200), 0, "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn drain_that_a_client_asks_for_while_the_encoder_is_away_ends_the_engine() {
    let guest = Guest::h264("troubles-ctl").steady();
    let outcome = run(
        &guest,
        r"
        engine run --size 320x240 --wait-device 600000
        works
        knob away 1
        until_true in_state recovering
        begin=$(up)
        try drain framemill ctl drain
        until_true told 'ended: ' 1
        since $begin
        ended run
        ",
    );
    outcome.succeeded(&["push", "drain", "run"]);
    assert_eq!(within(&outcome, 500), 0, "{}", outcome.story());
    says(&outcome, 1, "a client ends the engine");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_behind_a_link_elsewhere_is_reopened() {
    let guest = Guest::h264("troubles-link").steady();
    let outcome = run(
        &guest,
        r"
        ln -s /dev/video11 /tmp/enc
        engine run --device /tmp/enc --size 320x240
        works
        leave 0.2
        begin=$(up)
        until_true told 'it runs again' 1
        since $begin
        works
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "run"]);
    within(&outcome, 1200);
    assert_eq!(ended(&outcome), [60, 60, 0], "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn listener_that_paused_after_a_failure_listens_again() {
    let guest = Guest::h264("troubles-accept");
    let outcome = guest.run(
        r"
        engine run --size 320x240
        until_true framemill stat --check
        # Nobody is connected for a while: nothing is left to be looked at.
        sleep 1
        start trace strace -p $run -o /host/trace -e trace=accept4 -e inject=accept4:error=EMFILE:when=1
        sleep 1
        start first framemill tap --wait 2000 --to /dev/null
        until_true grep -q 'cannot accept' run.log
        try push framemill push --frames 5 --wait 5000
        kill $run
        ended run
        wait $first
        say first $?
        ",
    );
    outcome.succeeded(&["push", "run", "first"]);
}
