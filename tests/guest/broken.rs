//! A driver that is broken, or lies, costs a restart or an exit code: never a spin, never a bug of our own.

use crate::accounting::{stat, summary};
use crate::phases::Phase;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_broken_driver_costs_a_restart_or_an_exit_code() {
    Guest::h264("broken").steady().phases(&[
        a_driver_whose_answers_make_no_sense_ends_the_start_with_a_code_and_a_sentence(),
        a_driver_that_breaks_while_it_runs_is_restarted_or_ends_the_engine_and_never_makes_it_spin(
        ),
    ]);
}

fn a_driver_whose_answers_make_no_sense_ends_the_start_with_a_code_and_a_sentence() -> Phase {
    let script = r"
        knob false_answers 1
        try export framemill run $encoder --size 320x240 --memory export
        knob false_answers 2
        try long framemill run $encoder --size 320x240
        knob false_answers 32
        try short framemill run $encoder --size 320x240 --memory copy
        knob false_answers 0
        knob crop_align 16
        try crop framemill run $encoder --size 324x248
        knob crop_align 0
        knob no_m2m 1; knob away 1; knob away 0
        there() { [ -e /dev/video11 ] && [ -e /dev/video31 ]; }
        until_true there
        try loopback framemill run $encoder --size 320x240
        say probe $(strace -o /host/trace -e trace=ioctl framemill probe --device /dev/video11 >/dev/null 2>probe.log; echo $?)
            knob no_m2m 0; knob away 1; knob away 0
            until_true there
        ";
    Phase::new("a_driver_whose_answers_make_no_sense_ends_the_start_with_a_code_and_a_sentence")
        .run(script, |outcome| {
            for (name, exit, words) in [
                ("export", 4, &["VIDIOC_EXPBUF: EBADF"][..]),
                ("long", 5, &["mmap: EINVAL"]),
                ("short", 5, &["VIDIOC_QUERYBUF: EPROTO"]),
                ("crop", 4, &["324x248", "320x240"]),
                ("loopback", 3, &["/dev/video11"]),
                ("probe", 3, &["/dev/video11"]),
            ] {
                let log = outcome.text(&format!("{name}.log"));
                assert_eq!(outcome.number(name), exit, "{name}: {log}");
                for word in words {
                    assert!(log.contains(word), "{name}: {word}: {log}");
                }
            }
            let trace = outcome.text("trace");
            assert!(trace.contains("VIDIOC_QUERYCAP"), "{trace}");
            assert!(!trace.contains("VIDIOC_REQBUFS"), "{trace}");
        })
}

/// The engine's own time in ticks of 10 ms.
const TICKS: &str = "ticks() { cut -d ' ' -f 14,15 /proc/$run/stat | tr ' ' '+' | xargs -I SUM sh -c 'echo $((SUM))'; }";

fn a_driver_that_breaks_while_it_runs_is_restarted_or_ends_the_engine_and_never_makes_it_spin()
-> Phase {
    let script = format!(
        r"{TICKS}
        # It refuses each frame for a while, then for good.
        engine run --size 160x128 --stall-ms 500
        start push framemill push --fps 30
        until_true reached packets 5
        knob qbuf_errno 22
        until_true reached restarts 1
        knob qbuf_errno 0
        packets=$(counter packets)
        until_true reached packets $((packets + 5))
        framemill stat --json >/host/refused.json
        knob qbuf_errno 22
        ended run
        ended push
        say refuses $(grep -c 'still fails.*VIDIOC_QBUF: EINVAL' run.log)
        knob qbuf_errno 0

        # It ends the stream by itself, also while the rest is being queued.
        knob end_early 5
        start run framemill run $encoder --size 160x128 --once
        start push framemill push --wait 5000 --frames 30 --fps max
        ended push
        ended run
        cp push.log /host/early.push; cp run.log /host/early.run
        knob end_early 0

        # It reports an error for ever while there is nothing to dequeue.
        engine run --size 160x128 --stall-ms 1000
        knob poll_error 1
        before=$(ticks)
        until_true reached restarts 1
        say spent $(($(ticks) - before))
        knob poll_error 0
        try pushed framemill push --frames 5 --fps 30
        knob poll_error 1
        ended run
        say polls $(grep -c 'poll: EIO' run.log)
        knob poll_error 0
        engine run --size 160x128
        knob poll_error 2
        ended run
        knob poll_error 0

        # Its buffers are none of ours.
        engine run --size 160x128
        start push framemill push --fps 30
        until_true reached packets 5
        knob false_answers 4
        ended run
        ended push
        knob false_answers 0
        # What it says of their contents is not so.
        engine run --size 160x128
        for answer in 8 16; do
            knob false_answers $answer
            try contents$answer framemill push --frames 10 --fps 30
        done
        framemill stat --json >/host/contents.json
        kill $run
        ended run
        "
    );
    Phase::new("a_driver_that_breaks_while_it_runs_is_restarted_or_ends_the_engine_and_never_makes_it_spin").run(&script, |outcome| {
    let all = |name: &str| -> Vec<u64> {
        let lines = outcome.text.lines();
        let values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values
            .map(|value| value.parse().expect("a number"))
            .collect()
    };
    assert_eq!(all("run"), [7, 0, 7, 7, 7, 0], "{}", outcome.story());
    assert_eq!(outcome.number("refuses"), 1, "{}", outcome.story());
    let json = outcome.text("refused.json");
    assert!(stat(&json, "frames_dropped_refused") >= 8, "{json}");
    let (pushed, published, dropped) = summary(&outcome.text("early.push"));
    assert_eq!(
        (pushed, published + dropped),
        (30, 30),
        "{}",
        outcome.story()
    );
    assert!(published >= 5, "{}", outcome.story());
    // A second passed, in which a loop that spins has a hundred ticks.
    assert!(outcome.number("spent") < 40, "{}", outcome.story());
    assert!(outcome.number("polls") >= 2, "{}", outcome.story());
    outcome.succeeded(&["pushed", "contents8", "contents16"]);
    let json = outcome.text("contents.json");
    assert_eq!(stat(&json, "frames_committed"), 20, "{json}");
    assert_eq!(stat(&json, "frames_in_flight"), 0, "{json}");
    })
}
