//! What a client gets from an engine that is busy, stopped, at its end, or set up for something else: the right code, one sentence, and
//! bytes that can be decoded.

use crate::accounting::{index, stat, summary};
use crate::camera::ended;
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// That the command ended so, and said this in one sentence.
fn told(outcome: &Outcome, name: &str, exit: u64, sentence: &str) {
    let log = outcome.text(&format!("{name}.log"));
    assert_eq!(outcome.number(name), exit, "{name}: {log}");
    assert!(log.contains(sentence), "{name}: {log}");
    assert_eq!(log.lines().count(), 1, "{name}: {log}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn each_client_gets_the_right_code_and_one_sentence() {
    let guest = Guest::h264("answers").steady();
    guest.compile("tests/vm/load.c", "load");
    guest.phases(&[
        engine_that_is_stopped_does_not_answer_and_may_be_waited_for(),
        input_of_another_size_than_asked_for_or_than_any_encoder_takes_is_refused_at_once(),
        key_frames_that_a_consumer_asks_for_in_a_row_are_one(),
        packets_of_a_size_that_was_are_not_given_the_headers_of_the_present_one(),
        frames_that_are_accounted_for_are_no_failure_when_the_engine_ended_meanwhile(),
        once_is_over_when_the_producer_does_not_attach_again(),
        encoder_that_left_while_it_was_reopened_is_gone_and_not_stalled(),
    ]);
}

fn engine_that_is_stopped_does_not_answer_and_may_be_waited_for() -> Phase {
    let script = r"
        engine run --size 320x240
        kill -STOP $run
        try tap framemill tap --to /dev/null
        try push framemill push --frames 1
        try ctl framemill ctl gop 30
        try stat framemill stat
        start patient framemill push --wait 60000 --frames 3
        # Its first try is over by then.
        sleep 8
        kill -0 $patient || give_up patient
        kill -CONT $run
        ended patient
        kill $run
        ended run
        ";
    Phase::new("engine_that_is_stopped_does_not_answer_and_may_be_waited_for").run(
        script,
        |outcome| {
            for name in ["tap", "push", "ctl", "stat"] {
                let sentence = "/run/framemill.sock: the engine does not answer";
                told(outcome, name, 9, sentence);
            }
            outcome.succeeded(&["patient", "run"]);
        },
    )
}

fn input_of_another_size_than_asked_for_or_than_any_encoder_takes_is_refused_at_once() -> Phase {
    let mut phase = Phase::new(
        "input_of_another_size_than_asked_for_or_than_any_encoder_takes_is_refused_at_once",
    );
    let header = |size: &str| format!("YUV4MPEG2 {size} C420jpeg\nFRAME\n").into_bytes();
    phase.put(
        "small.y4m",
        &[header("W320 H240"), vec![0; 115_200]].concat(),
    );
    phase.put("tiny.y4m", &header("W8 H8"));
    phase.put("huge.y4m", &header("W16 H100000"));
    // No engine is there: none is asked.
    let script = r"
        try other framemill push --from /host/small.y4m --size 640x480
        try tiny framemill push --from /host/tiny.y4m
        try huge framemill push --from /host/huge.y4m
        engine run
        try same framemill push --from /host/small.y4m --size 320x240
        try unknown framemill push --size 320x240 --format YU21
        kill $run
        ended run
        ";
    phase.run(script, move |outcome| {
        told(
            outcome,
            "other",
            11,
            "--size 640x480: the input has frames of 320x240",
        );
        told(
            outcome,
            "tiny",
            11,
            "the input has frames of 8x8; encoders take 16x16 to 8192x8192",
        );
        told(
            outcome,
            "huge",
            11,
            "the input has frames of 16x100000; encoders take ",
        );
        outcome.succeeded(&["same", "run"]);
        told(outcome, "unknown", 2, "not \"YU21\"; did you mean ");
    })
}

fn key_frames_that_a_consumer_asks_for_in_a_row_are_one() -> Phase {
    let script = r"
        engine run --size 160x128 --gop 600
        start push framemill push --fps 30
        until_true reached packets 3
        start keys /host/load keys /run/framemill.sock 7
        until_true reached key_frames_requested 7
        sleep 1.5
        framemill stat --json >/host/stat.json
        kill $keys $push
        kill $run
        ended run
        ";
    Phase::new("key_frames_that_a_consumer_asks_for_in_a_row_are_one").run(script, |outcome| {
        outcome.succeeded(&["run"]);
        let json = outcome.text("stat.json");
        // The engine may begin to listen in the middle of them.
        assert_eq!(stat(&json, "key_frames_requested"), 7, "{json}");
        assert!(
            (1..=2).contains(&stat(&json, "key_frames_forced")),
            "{json}"
        );
    })
}

/// The first packets of the first size are not in the ring any more, and the codec headers with them.
fn packets_of_a_size_that_was_are_not_given_the_headers_of_the_present_one() -> Phase {
    let mut phase =
        Phase::new("packets_of_a_size_that_was_are_not_given_the_headers_of_the_present_one");
    phase.put("in", &Picture::new("YU12", 160, 128).noisy(0..24));
    let script = r"
        engine run --gop 4 --repeat-headers off --packet-ring 512K
        framemill push --size 160x128 --from /host/in --fps max 2>push.log || give_up push
        framemill push --size 192x128 --frames 1 2>push.log || give_up push
        start tap framemill tap --from oldest --to /host/out --index /host/index
        until_true reached consumers_attached 1
        kill $run
        ended run
        ended tap
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let lines = index(outcome, "index");
        let old = lines[0].generation;
        assert!(
            lines[0].sequence > 0
                && lines
                    .iter()
                    .any(|line| line.generation == old && line.is('K') && !line.is('C')),
            "{}",
            outcome.text("index")
        );
        // Nothing was added.
        let bytes: usize = lines.iter().map(|line| line.bytes as usize).sum();
        assert_eq!(outcome.bytes("out").len(), bytes);
    })
}

fn frames_that_are_accounted_for_are_no_failure_when_the_engine_ended_meanwhile() -> Phase {
    let mut phase =
        Phase::new("frames_that_are_accounted_for_are_no_failure_when_the_engine_ended_meanwhile");
    phase.put("in", &Picture::new("YU12", 320, 240).noisy(0..8));
    let script = r"
        # While the guest waits for the host its clock runs on.
        cp /host/in .
        engine run --size 320x240
        rest() { cat in; until [ -e /tmp/over ]; do sleep 0.1; done; }
        rest | framemill push --from - 2>push.log &
        push=$!
        until_true reached frames_published 8
        try drain framemill ctl drain
        ended run
        touch /tmp/over
        ended push
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["drain", "run", "push"]);
        assert_eq!(summary(&outcome.text("push.log")), (8, 8, 0));
    })
}

/// Its slots were the encoder's own, and it does not read what the engine says: it waits for its input.
fn once_is_over_when_the_producer_does_not_attach_again() -> Phase {
    let mut phase = Phase::new("once_is_over_when_the_producer_does_not_attach_again");
    phase.put("in", &Picture::new("YU12", 320, 240).noisy(0..8));
    let script = r"
        cp /host/in .
        engine run --size 320x240 --memory export --once
        rest() { cat in; until [ -e /tmp/over ]; do sleep 0.1; done; }
        rest | framemill push --from - 2>push.log &
        until_true reached frames_published 8
        knob away 1; sleep 0.2; knob away 0
        until_true grep -q 'it runs again' run.log
        from=$(awk '{ print int($1 * 1000) }' /proc/uptime)
                ended run
        say took $(($(awk '{ print int($1 * 1000) }' /proc/uptime) - from))
        touch /tmp/over
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run"]);
        let took = outcome.number("took");
        assert!((5500..7000).contains(&took), "{took} ms");
        assert_eq!(ended(outcome), [8, 8, 0], "{}", outcome.story());
        assert!(
            outcome
                .text("run.log")
                .contains("the producer did not attach again"),
            "{}",
            outcome.story()
        );
    })
}

/// It could not be opened for want of memory, and then it left.
fn encoder_that_left_while_it_was_reopened_is_gone_and_not_stalled() -> Phase {
    let script = r"
        knob hang_after 5; knob streamoff_ms 0
        engine run --size 320x240 --stall-ms 200
        start push framemill push --fps 60
        until_true grep -q 'restarting the encoder' run.log
        knob refuse_errno 12
        until_true grep -q 'reopening it' run.log
        sleep 0.2
        knob away 1
        ended run
        kill $push
        ";
    Phase::new("encoder_that_left_while_it_was_reopened_is_gone_and_not_stalled").run(
        script,
        |outcome| {
            assert_eq!(outcome.number("run"), 6, "{}", outcome.story());
            let log = outcome.text("run.log");
            assert!(
                log.contains("/dev/video11: the encoder is gone: open: "),
                "{log}"
            );
        },
    )
}
