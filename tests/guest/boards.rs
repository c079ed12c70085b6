//! Encoders of other boards, as the model's knobs make them: how a drain ends, what STREAMOFF loses, which queue has to stream first, where
//! the payload of a buffer begins. And what is said of a device that is no encoder.

use crate::accounting::{balance, stat};
use crate::phases::Phase;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoders_of_other_boards_are_used_as_they_are() {
    Guest::h264("boards").steady().phases(&[
        a_drain_ends_with_an_empty_buffer_an_event_or_epipe(),
        an_encoder_that_streamoff_makes_forget_is_neither_reopened_nor_copied_for(),
        capture_streams_first_and_a_payload_is_read_from_where_it_begins(),
        run_says_of_a_device_what_it_is_and_which_one_encodes(),
    ]);
}

/// A drain at the end, and a change of size, which is another one. What the encoder says of the end is less than LAST.
fn a_drain_ends_with_an_empty_buffer_an_event_or_epipe() -> Phase {
    let script = r"
        for without in 0 1 3 4 6 12; do
            knob end_without $without
            engine run --fps 60
            # The changes are drains, too; look-ahead has frames inside then.
            try a$without framemill push --fps 60 --frames 6 --size 128x96
            knob look_ahead 2
            try b$without framemill push --fps 60 --frames 6 --size 160x128
            knob look_ahead 0
            framemill stat --json >/host/stat-$without.json
            framemill ctl drain
            ended run
            mv /tmp/run.log /tmp/run-$without.log
        done
        ";
    Phase::new("a_drain_ends_with_an_empty_buffer_an_event_or_epipe").run(script, |outcome| {
        for without in ["0", "1", "3", "4", "6", "12"] {
            let name = |what: &str| format!("{what}{without}");
            outcome.succeeded(&[&name("a"), &name("b")]);
            let json = outcome.text(&format!("stat-{without}.json"));
            assert_eq!(balance(&json), (12, 12, 0), "{without}: {json}");
            for counter in ["stalls", "restarts", "reopens"] {
                assert_eq!(stat(&json, counter), 0, "{without}: {counter}: {json}");
            }
            let log = outcome.text(&format!("run-{without}.log"));
            assert!(
                log.contains("12 frames in, 12 packets out"),
                "{without}: {log}"
            );
        }
        outcome.succeeded(&["run"]);
    })
}

/// Both queues stop for a change of the producer's memory, for a drain of what the encoder holds, and for a restart.
fn an_encoder_that_streamoff_makes_forget_is_neither_reopened_nor_copied_for() -> Phase {
    let script = r"
        knob forgets 1
        engine run --camera /dev/video4 --size 320x180 --frames 40 --stall-ms 300
        until_true reached packets 5
        knob pause_at 10; knob pause_ms 3600000
        until_true reached restarts 1
        knob pause_at 0
        until_true reached packets 25
        # To memory: the guest's clock runs on while it waits for the host, and the camera's 40 frames with it.
        framemill stat --json >camera.json
        ended run
        cp camera.json /host/
        mv /tmp/run.log /tmp/camera.log
        engine run --size 160x128
        knob look_ahead 3
        try held framemill push --fps 60 --frames 12
        framemill stat --json >/host/held.json
        framemill ctl drain
        ended run
        ";
    Phase::new("an_encoder_that_streamoff_makes_forget_is_neither_reopened_nor_copied_for").run(
        script,
        |outcome| {
            outcome.succeeded(&["run", "held"]);
            let camera = outcome.text("camera.json");
            assert_eq!(stat(&camera, "raw_bytes_copied"), 0, "{camera}");
            assert!(stat(&camera, "restarts") >= 1, "{camera}");
            assert_eq!(stat(&camera, "reopens"), 0, "{camera}");
            let held = outcome.text("held.json");
            assert_eq!(balance(&held), (12, 12, 0), "{held}");
            assert_eq!(stat(&held, "reopens"), 0, "{held}");
        },
    )
}

/// wave5 begins a sequence only if CAPTURE streams when OUTPUT starts; venus and allegro put the payload behind the buffer's beginning.
fn capture_streams_first_and_a_payload_is_read_from_where_it_begins() -> Phase {
    let script = r"
        knob capture_first 1; knob data_offset 4099
        start run framemill run $encoder --size 160x128 --once --stall-ms 1000
        start tap framemill tap --wait 60000 --from oldest --all --to /host/offset.h264
        until_true reached consumers_attached 1
        try push framemill push --fps 60 --frames 6
        ended tap
        ended run
        knob capture_first 0; knob data_offset 0
        start run framemill run $encoder --size 160x128 --once
        start tap framemill tap --wait 60000 --from oldest --all --to /host/plain.h264
        until_true reached consumers_attached 1
        try push framemill push --fps 60 --frames 6
        ended tap
        ended run
        ";
    Phase::new("capture_streams_first_and_a_payload_is_read_from_where_it_begins").run(
        script,
        |outcome| {
            outcome.succeeded(&["push", "tap", "run"]);
            let (offset, plain) = (outcome.bytes("offset.h264"), outcome.bytes("plain.h264"));
            assert!(plain.len() > 1000);
            assert!(
                offset == plain,
                "{} and {} bytes",
                offset.len(),
                plain.len()
            );
        },
    )
}

/// What a device is, that it does not encode, and which one does: one sentence, exit code 3.
fn run_says_of_a_device_what_it_is_and_which_one_encodes() -> Phase {
    let script = r"
        for node in 1 2 3 4 5; do
            try n$node framemill run --device /dev/video$node --size 640x480
        done
        try f framemill run --device /dev/video1 --codec FWHT --size 640x480
        try x framemill run --device /dev/video2 --codec HEVC --size 640x480
        ";
    Phase::new("run_says_of_a_device_what_it_is_and_which_one_encodes").run(script, |outcome| {
        let why = |name: &str| {
            let log = outcome.text(&format!("{name}.log"));
            assert_eq!(outcome.number(name), 3, "{name}: {log}");
            log.trim().to_owned()
        };
        let encoder = "an encoder is needed: /dev/video11";
        for (name, is) in [
            ("n1", "/dev/video1 is a decoder (vicodec)"),
            ("n2", "/dev/video2 is a stateless decoder (vicodec)"),
            ("n3", "/dev/video3 is a converter (vim2m)"),
            ("n4", "/dev/video4 is a camera (vivid)"),
        ] {
            let log = why(name);
            assert!(log.contains(&format!("{is}; {encoder}")), "{log}");
            assert_eq!(log.lines().count(), 1, "{log}");
        }
        let log = why("n5");
        assert!(
            log.contains("/dev/video5 is no encoder: it is vivid"),
            "{log}"
        );
        let log = why("f");
        assert!(log.contains("an encoder is needed: /dev/video0"), "{log}");
        let log = why("x");
        assert!(
            log.contains("none here encodes to HEVC (see framemill probe)"),
            "{log}"
        );
    })
}
