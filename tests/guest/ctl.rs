//! Changes while the engine runs: what `framemill ctl` says, and what it does to the stream.

use crate::accounting::{index, stat};
use crate::phases::Phase;
use crate::support::Guest;

/// A producer that goes on until it is killed, and a consumer.
const STREAM: &str = r"
    engine run --size 160x128 --gop 1000 --fps 60
    start tap framemill tap --from oldest --all --to /host/out --index /host/index
    until_true reached consumers_attached 1
    start push framemill push --fps 60
    until_true reached packets 5
";

fn streaming(script: &str) -> String {
    format!("{STREAM}{script}")
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn changes_reach_a_stream_that_goes_on_or_are_refused() {
    let guest = Guest::h264("ctl");
    guest.compile("tests/vm/peer.c", "peer");
    guest.phases(&[
        key_frames_on_request_are_merged_and_limited(),
        bitrate_gop_and_controls_change_without_a_teardown(),
        an_encoder_without_a_control_says_so(),
        a_consumer_may_ask_for_a_key_frame_and_for_nothing_else(),
        changes_that_would_outlive_the_level_are_refused(),
        a_drain_that_ends_a_bad_producer_too_is_no_harm(),
    ]);
}

fn key_frames_on_request_are_merged_and_limited() -> Phase {
    let script = &streaming(
        r"
        framemill ctl key >/host/answer || give_up key
        until_true reached key_frames 2
        # A storm.
        before=$(framemill stat --json | sed -n 's/.*uptime_ms.:\([0-9]*\).*/\1/p')
        for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            framemill ctl key >>/host/answers || give_up storm
        done
        until_true reached key_frames 3
        framemill stat --json >/host/stat.json
        say before $before
        kill $push; wait $push
        try drain framemill ctl drain
        ended run
        ended tap
        ",
    );
    Phase::new("key_frames_on_request_are_merged_and_limited").run(script, |outcome| {
        outcome.succeeded(&["drain", "run", "tap"]);
        assert_eq!(outcome.text("answer"), "key 1\n");
        assert_eq!(outcome.text("answers").lines().count(), 20);
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "key_frames_requested"), 21);
        // The first one at once, then at most two a second.
        let seconds = (stat(&json, "uptime_ms") - outcome.number("before")) / 1000;
        let forced = stat(&json, "key_frames_forced");
        assert!(
            (2..=3 + 2 * seconds).contains(&forced),
            "{forced} in {seconds} s: {json}"
        );
        let lines = index(outcome, "index");
        let keys = lines.iter().filter(|line| line.is('K')).count() as u64;
        assert!(
            (1 + forced..=2 + forced).contains(&keys),
            "{keys} key frames, {forced} forced"
        );
        assert!(outcome.decoded("out").len() > 4 * 160 * 128);
    })
}

fn bitrate_gop_and_controls_change_without_a_teardown() -> Phase {
    let script = &streaming(
        r"
        { framemill ctl bitrate 2M; framemill ctl bitrate 1999999; framemill ctl control video_bitrate=500000
          framemill ctl control 0x9909cf=750000; framemill ctl gop 3; } >/host/answers
        until_true reached key_frames 4
        try low framemill ctl bitrate 1
        try absent framemill ctl control no_such_thing=1
        try intra framemill ctl control h264_i_frame_period=1
        at=$(counter packets)
        try all framemill ctl gop 1
        until_true reached packets $((at + 20))
        try rare framemill ctl control h264_i_frame_period=100000
        keys=$(counter key_frames)
        at=$(counter packets)
        until_true reached packets $((at + 30))
        say keys $(($(counter key_frames) - keys))
        framemill stat --json >/host/stat.json
        kill $push; wait $push
        kill $run
        ended run
        ended tap
        try gone framemill ctl key
        ",
    );
    Phase::new("bitrate_gop_and_controls_change_without_a_teardown").run(script, |outcome| {
        outcome.succeeded(&["all", "rare", "run", "tap"]);
        // One or two that were on their way.
        assert!(outcome.number("keys") <= 4, "{}", outcome.story());
        // The driver rounds to its step.
        let answers = "bitrate 2000000\nbitrate 2000000\ncontrol 500000\ncontrol 750000\ngop 3\n";
        assert_eq!(outcome.text("answers"), answers);
        for (name, exit, sentence) in [
            (
                "low",
                4,
                "bitrate: the driver takes 25000 to 25000000 in steps of 25000",
            ),
            ("absent", 4, "control: the driver has no such control"),
            ("intra", 4, "control: the driver takes 2 to "),
            ("gone", 9, "/run/framemill.sock"),
        ] {
            let log = outcome.text(&format!("{name}.log"));
            assert_eq!(outcome.number(name), exit, "{log}");
            assert!(log.contains(sentence), "{log}");
        }
        let json = outcome.text("stat.json");
        assert_eq!((stat(&json, "generation"), stat(&json, "restarts")), (1, 0));
        assert_eq!(stat(&json, "changes"), 10);
        let lines = index(outcome, "index");
        // First one in a thousand, then one in three, in the end each.
        let keys: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].is('K')).collect();
        assert!(
            keys.windows(2).any(|pair| pair[1] - pair[0] == 3),
            "{keys:?}"
        );
        let end = &keys[keys.len() - 10..];
        assert!(
            end.windows(2).all(|pair| pair[1] - pair[0] == 1),
            "{keys:?}"
        );
        assert!(outcome.decoded("out").len() > 20 * 160 * 128);
    })
}

fn an_encoder_without_a_control_says_so() -> Phase {
    let script = r"
        encoder='--device /dev/video0 --codec FWHT'
            engine run --size 640x368
        try key framemill ctl key
        try bitrate framemill ctl bitrate 1M
        try gop framemill ctl gop 7
        try drain framemill ctl drain
        ended run
        ";
    Phase::new("an_encoder_without_a_control_says_so").run(script, |outcome| {
        outcome.succeeded(&["gop", "drain", "run"]);
        for name in ["key", "bitrate"] {
            assert_eq!(outcome.number(name), 4);
            let log = outcome.text(&format!("{name}.log"));
            assert!(log.contains("the driver has no such control"), "{log}");
        }
        assert!(
            outcome
                .text("run.log")
                .contains("a client ends the engine: draining")
        );
    })
}

fn a_consumer_may_ask_for_a_key_frame_and_for_nothing_else() -> Phase {
    let script = &streaming(
        r"
        /host/peer /run/framemill.sock 1 1 2 1 >/host/peer.said || give_up peer
        until_true reached key_frames 2
        framemill stat --json >/host/stat.json
        kill $push; wait $push
        try drain framemill ctl drain
        ended run
        ended tap
        ",
    );
    Phase::new("a_consumer_may_ask_for_a_key_frame_and_for_nothing_else").run(script, |outcome| {
        outcome.succeeded(&["drain", "run", "tap"]);
        // 4: the message does not fit the role.
        assert_eq!(outcome.text("peer.said"), "kept\nkept\nrefused 4\n");
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "key_frames_requested"), 2);
        assert_eq!(
            (stat(&json, "changes"), stat(&json, "clients_refused")),
            (0, 1)
        );
    })
}

fn changes_that_would_outlive_the_level_are_refused() -> Phase {
    let script = &streaming(
        r"
        try bits framemill ctl bitrate 25m
        { framemill ctl control h264_profile=high; framemill ctl control h264_profile=4
          framemill ctl control video_bitrate_mode=VBR; } >/host/answers
        try item framemill ctl control h264_profile=Hihg
        try control framemill ctl control h264_porfile=High
        try mode framemill ctl control video_bitrate_mode=CBR
        try level framemill ctl control h264_level=0
        # What remains can be started again.
        knob qbuf_eio_output $(($(counter frames_queued) + 30))
        until_true reached restarts 1
        knob qbuf_eio_output 0
        at=$(counter packets)
        until_true reached packets $((at + 5))
        # A key frame that the driver refuses is not promised again.
        knob refuse_control 0x9909e5
        framemill ctl key
        until_true grep -q 'no key frame on request' run.log
        try key framemill ctl key
        try button framemill ctl control force_key_frame=0
        kill $push; wait $push
        try drain framemill ctl drain
        ended run
        ended tap
        ",
    );
    Phase::new("changes_that_would_outlive_the_level_are_refused").run(script, |outcome| {
    outcome.succeeded(&["drain", "run", "tap"]);
    let high = "control 4 (High)\n";
    assert_eq!(
        outcome.text("answers"),
        format!("{high}{high}control 0 (Variable Bitrate)\n")
    );
    for (name, sentence) in [
        // 160x128 at 60 frames/s and 10 Mbit/s need level 3, which High allows 12.5 Mbit/s.
        (
            "bits",
            "bitrate: level 3 allows 12500000 bit/s and stays while the engine runs; for more start it with --level 3.2",
        ),
        ("item", "the control has no such item; did you mean High?"),
        (
            "control",
            "the driver has no such control; did you mean h264_profile?",
        ),
        (
            "mode",
            "control: it stays 0 (Variable Bitrate) while the engine runs",
        ),
        ("level", "control: it stays "),
        ("key", "EINVAL"),
        ("button", "EINVAL"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert_eq!(outcome.number(name), 4, "{name}: {log}");
        assert!(log.contains(sentence), "{name}: {log}");
    }
    })
}

fn a_drain_that_ends_a_bad_producer_too_is_no_harm() -> Phase {
    let script = r"
        engine run --size 320x240
        start tap framemill tap --from oldest --to /dev/null --index /host/index
        until_true reached consumers_attached 1
        /host/peer /run/framemill.sock bad >/host/peer.said &
        peer=$!
        until_true grep -q bad /host/peer.said
        try drain framemill ctl drain
        ended run
        ended tap
        wait $peer
        ";
    Phase::new("a_drain_that_ends_a_bad_producer_too_is_no_harm").run(script, |outcome| {
        outcome.succeeded(&["drain", "run", "tap"]);
        assert!(
            outcome.text("run.log").contains("the producer is cut off"),
            "{}",
            outcome.story()
        );
        assert!(index(outcome, "index").last().expect("a line").is('E'));
    })
}
