//! A camera that fails, leaves, comes back, or has no signal: the engine goes on, and no frame is lost without a count.

use crate::accounting::{index, stat};
use crate::camera::{CAMERA, ended, every_frame_is, only_the_picture, only_the_picture_copied};
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// What the camera costs at the end: its restarts, and the generation of the last packet.
fn restarts_and_generation(outcome: &Outcome) -> (u64, u64) {
    let json = outcome.text("stat.json");
    (stat(&json, "camera_restarts"), stat(&json, "generation"))
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_camera_that_fails_or_leaves_costs_no_frame_without_a_count() {
    // Another camera, which comes into the place of the first once.
    let two = "vivid.n_devs=2 vivid.vid_cap_nr=4,40 vivid.node_types=0xe1d3d,0x1";
    Guest::h264("camera-trouble").append(two).phases(&[
        camera_that_fails_at_the_start_ends_it_with_a_sentence(),
        camera_that_fails_is_started_again_and_damaged_pictures_are_dropped(),
        camera_that_leaves_and_comes_back_goes_on_where_it_was(),
        camera_that_stays_away_is_waited_for_and_then_ends_the_engine(),
        crate::camera_identity::another_camera_in_the_place_of_the_first_is_not_taken(),
        encoder_reopened("filled_again", "", "", "export"),
        encoder_reopened("imported_again", "knob false_answers 1", "", "import"),
        encoder_reopened("copied_again", "", "--memory copy", "copy"),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_signal_that_is_lost_or_changes_is_followed() {
    Guest::h264("camera-signal").phases(&[
        signal_that_is_lost_is_waited_for(),
        change_of_the_signals_size_is_followed(),
        size_that_the_user_fixed_is_waited_for(),
    ]);
}

fn camera_that_fails_at_the_start_ends_it_with_a_sentence() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        for call in reqbufs qbuf streamon; do
            inject inject_vidioc_${call}_error
            framemill run $encoder --camera /dev/video4 --memory copy 2>/host/$call.log
            say $call $?
        done
        # The encoder reads the camera's buffers when the camera does not fill the encoder's.
        for call in reqbufs qbuf; do
            inject inject_vidioc_${call}_error
            framemill run $encoder --camera /dev/video4 --frames 5 2>/host/$call.other.log
            say other $?
        done
        start run framemill run $encoder --camera /dev/video4 --frames 5
        ended run
        ",
    );
    Phase::new("camera_that_fails_at_the_start_ends_it_with_a_sentence").run(&script, |outcome| {
        for (call, name) in [
            ("reqbufs", "REQBUFS"),
            ("qbuf", "QBUF"),
            ("streamon", "STREAMON"),
        ] {
            let log = outcome.text(&format!("{call}.log"));
            let sentence = format!("framemill: /dev/video4: VIDIOC_{name}: EINVAL\n");
            assert!(log.ends_with(&sentence), "{call}: {log}");
            assert_eq!(outcome.number(call), 5, "{call}: {log}");
        }
        for (call, name) in [("reqbufs", "REQBUFS"), ("qbuf", "PREPARE_BUF")] {
            let log = outcome.text(&format!("{call}.other.log"));
            let line = format!("does not fill the encoder's buffers (VIDIOC_{name}: EINVAL");
            assert!(log.contains(&line) && !log.contains("copied"), "{log}");
        }
        // It was nothing that stays.
        outcome.succeeded(&["other", "run"]);
    })
}

fn camera_that_fails_is_started_again_and_damaged_pictures_are_dropped() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        camera --size 320x180
        until_true reached packets 5
        inject inject_v4l2_buf_flag_error
        until_true reached frames_dropped_camera 1
        for error in fatal_streaming vidioc_qbuf; do
            inject inject_${error}_error
            restarts=$((restarts + 1))
            until_true reached camera_restarts $restarts
            more 10
        done
        # The first try to start it again fails, too: the second reopens it.
        v4l2-ctl -d /dev/video4 --set-ctrl inject_vidioc_streamon_error=1 --set-ctrl inject_fatal_streaming_error=1
        until_true reached generation 2
        more 10
        # And so do the next two.
        v4l2-ctl -d /dev/video4 --set-ctrl inject_vidioc_streamon_error=1 --set-ctrl inject_vidioc_reqbufs_error=1 \
            --set-ctrl inject_fatal_streaming_error=1
        until_true reached generation 3
        more 10
        over
        "
        .replace("for error", "restarts=0; for error"),
    );
    Phase::new("camera_that_fails_is_started_again_and_damaged_pictures_are_dropped").run(
        &script,
        |outcome| {
            outcome.succeeded(&["run", "tap"]);
            every_frame_is(outcome, &Picture::new("YU12", 320, 180));
            // A busy machine drops some because the encoder is behind.
            let json = outcome.text("stat.json");
            // The call that failed at the last attachment may have been the one with the encoder's buffers.
            assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
            assert!(stat(&json, "frames_dropped_camera") >= 1, "{json}");
            assert_eq!(
                stat(&json, "frames_dropped"),
                stat(&json, "frames_dropped_camera") + stat(&json, "frames_dropped_behind"),
                "{json}"
            );
            assert_eq!(
                restarts_and_generation(outcome),
                (6, 3),
                "{}",
                outcome.story()
            );
            let log = outcome.text("run.log");
            let told = |words| log.matches(words).count();
            assert_eq!(told("/dev/video4: the camera failed (VIDIOC_"), 4, "{log}");
            assert_eq!(told("/dev/video4: frames come again"), 4, "{log}");
            // Each new generation begins with a key frame, and says so.
            let lines = index(outcome, "index");
            for generation in [2, 3] {
                let first = lines.iter().find(|line| line.generation == generation);
                let first = first.expect("a packet of each generation");
                assert!(first.is('K') && first.is('D'), "{first:?}");
            }
        },
    )
}

fn camera_that_leaves_and_comes_back_goes_on_where_it_was() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        camera --size 320x180
        until_true reached packets 5
        files=$(descriptors $run)
        for generation in 2 3 4; do
            inject disconnect
            until_true reached generation $generation
            more 5
        done
        say files $(($(descriptors $run) - files))
        over
        ",
    );
    Phase::new("camera_that_leaves_and_comes_back_goes_on_where_it_was").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture(outcome, &Picture::new("YU12", 320, 180));
        assert_eq!(
            restarts_and_generation(outcome),
            (3, 4),
            "{}",
            outcome.story()
        );
        assert_eq!(outcome.number("files"), 0, "{}", outcome.story());
        let log = outcome.text("run.log");
        assert!(
            log.contains("/dev/video4: the camera is gone (VIDIOC_DQ") && log.contains("ENODEV"),
            "{log}"
        );
    })
}

pub fn camera_whose_pictures_are_copied_comes_back_too() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        knob false_answers 1
        picture 320 180 NV12
        camera --size 320x180 --format NV12
        until_true reached packets 5
        inject disconnect
        until_true reached generation 2
        more 5
        over
        ",
    );
    Phase::new("camera_whose_pictures_are_copied_comes_back_too").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture_copied(outcome, &Picture::new("NV12", 320, 180));
        assert_eq!(
            restarts_and_generation(outcome),
            (1, 2),
            "{}",
            outcome.story()
        );
    })
}

fn camera_that_stays_away_is_waited_for_and_then_ends_the_engine() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        # While somebody else has it open it does not come back.
        hold() { exec 9</dev/video4; }
        release() { exec 9<&-; }
        picture 320 180 YU12
        camera --size 320x180 --camera-wait 60000
        until_true reached packets 5
        hold
        inject disconnect
        until_true in_state no-camera
        sleep 1
        say late $(framemill tap --from live --frames 1 --wait 100 >/dev/null & sleep 0.5; kill $! && echo waits)
        release
        until_true reached generation 2
        more 5
        over

        # The end in good order, while it is away.
        engine stopped --camera /dev/video4
        until_true reached packets 2
        hold
        inject disconnect
        until_true in_state no-camera
        kill $stopped
        ended stopped
        release

        engine lost --camera /dev/video4 --camera-wait 700
        until_true reached packets 2
        hold
        inject disconnect
        ended lost
        release
        ",
    );
    Phase::new("camera_that_stays_away_is_waited_for_and_then_ends_the_engine").run(
        &script,
        |outcome| {
            outcome.succeeded(&["run", "tap", "stopped"]);
            assert_eq!(outcome.said("late"), "waits");
            only_the_picture(outcome, &Picture::new("YU12", 320, 180));
            assert_eq!(
                restarts_and_generation(outcome),
                (1, 2),
                "{}",
                outcome.story()
            );
            assert_eq!(outcome.number("lost"), 6, "{}", outcome.story());
            let log = outcome.text("lost.log");
            assert!(
                log.contains("/dev/video4: the camera did not come back within 700 ms: open: "),
                "{log}"
            );
            assert!(log.contains("framemill: ended: "), "{log}");
        },
    )
}

fn signal_that_is_lost_is_waited_for() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        bridge
        source_sends 0
        camera --camera-wait 300
        until_true reached packets 5
        for mode in 1 2 3; do
            source_is $mode
            until_true in_state no-signal
            say reason$mode $(framemill stat --json | sed 's/.*.no_signal.:.\([a-z-]*\).,.*/\1/')
            at=$(counter packets)
            sleep 1
            [ $(counter packets) = $at ] || give_up packets without a signal
            source_is 4
            until_true in_state running
            more 5
        done
        over
        picture 640 480 YU12

        source_is 1
        framemill run $encoder --camera /dev/video4 2>/host/none.log
        say none $?
        start late framemill run $encoder --camera /dev/video4 --frames 3 --wait-device 20000
        sleep 0.5
        source_is 4
        ended late
        ",
    );
    Phase::new("signal_that_is_lost_is_waited_for").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap", "late"]);
        only_the_picture(outcome, &Picture::new("YU12", 640, 480));
        // The camera may have been started again once more: vivid tells of a change when the timings are set.
        let (restarts, generation) = restarts_and_generation(outcome);
        assert!(restarts >= 3 && generation == 4, "{}", outcome.story());
        let log = outcome.text("run.log");
        for (mode, reason) in [(1, "no-cable"), (2, "unstable"), (3, "out-of-range")] {
            assert_eq!(outcome.said(&format!("reason{mode}")), reason);
        }
        assert!(
            outcome.text("stat.json").contains("\"no_signal\":\"\""),
            "{}",
            outcome.story()
        );
        for errno in ["ENOLINK", "ENOLCK", "ERANGE"] {
            let sentence = format!("/dev/video4: VIDIOC_QUERY_DV_TIMINGS: {errno}: the");
            assert_eq!(log.matches(&sentence).count(), 1, "{sentence}: {log}");
        }
        let log = outcome.text("none.log");
        assert!(
        outcome.number("none") == 3
            && log.contains(
                "/dev/video4: VIDIOC_QUERY_DV_TIMINGS: ENOLINK: there is no signal: no cable, or"
            )
            && log.ends_with("EDID (v4l2-ctl --set-edid)\n"),
        "{log}"
    );
    })
}

fn change_of_the_signals_size_is_followed() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        bridge
        source_sends 0
        camera --format NV12
        until_true reached packets 5
        # 800x600, then a size that this encoder does not take, then the first again.
        source_sends 23
        until_true reached generation 2
        more 5
        framemill stat --json >/host/larger.json
        source_sends 96
        until_true in_state no-signal
        sleep 1
        source_sends 0
        until_true in_state running
        more 5
        over
        picture 640 480 NV12
        cp /host/picture /host/small
        source_sends 23
        v4l2-ctl -d /dev/video4 --set-dv-bt-timings query || give_up timings
        picture 800 600 NV12
        ",
    );
    Phase::new("change_of_the_signals_size_is_followed").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("larger.json");
        assert!(
            json.contains("\"width\":800,\"height\":600") && json.contains("\"memory\":\"export\""),
            "{json}"
        );
        let json = outcome.text("stat.json");
        assert!(json.contains("\"width\":640,\"height\":480"), "{json}");
        assert_eq!(stat(&json, "raw_bytes_copied"), 0);
        let [frames, packets, dropped] = ended(outcome);
        assert_eq!(frames, packets + dropped);
        // Frame by frame, the stream holds the pictures in the sizes that they had.
        let coded = outcome.bytes("coded");
        let lines = index(outcome, "index");
        let mut at = 0;
        // The third was of the encoder alone, on its way back from the size that it did not take.
        for generation in [1, 2, 4] {
            let bytes: u64 = lines
                .iter()
                .filter(|line| line.generation == generation)
                .map(|line| line.bytes)
                .sum();
            let part = &coded[at..at + bytes as usize];
            at += bytes as usize;
            std::fs::write(outcome.path("part"), part).unwrap();
            let (picture, width, height) = match generation {
                2 => ("picture", 800, 600),
                _ => ("small", 640, 480),
            };
            let expected = Picture::new("NV12", width, height).subsampled(&outcome.bytes(picture));
            let decoded = outcome.decoded("part");
            assert!(
                decoded.len() >= 5 * expected.len()
                    && decoded
                        .chunks(expected.len())
                        .all(|frame| frame == expected),
                "generation {generation}: {}",
                outcome.story()
            );
        }
        assert_eq!(at, coded.len());
    })
}

fn size_that_the_user_fixed_is_waited_for() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        bridge
        # It can scale otherwise.
        v4l2-ctl -d /dev/video4 --set-ctrl enable_capture_scaler=0 --set-ctrl enable_capture_cropping=0 \
            --set-ctrl enable_capture_composing=0 || give_up scaler
        source_sends 0
        camera --size 640x480
        until_true reached packets 5
        source_sends 23
        until_true in_state no-signal
        source_sends 0
        until_true reached generation 2
        more 5
        over
        picture 640 480 YU12
        ",
    );
    Phase::new("size_that_the_user_fixed_is_waited_for").run(&script, |outcome| {
    outcome.succeeded(&["run", "tap"]);
    only_the_picture(outcome, &Picture::new("YU12", 640, 480));
    let log = outcome.text("run.log");
    let sentence = "/dev/video4: the driver does not take 640x480: the nearest it offers is 800x600: waiting for a signal";
    assert_eq!(log.matches(sentence).count(), 1, "{log}");
    })
}

/// An engine whose encoder goes away and comes back, beside a camera; its frames lie in this memory. `setup` goes before the start.
fn encoder_reopened(name: &'static str, setup: &str, options: &str, memory: &'static str) -> Phase {
    let script = format!(
        "{CAMERA} {setup}
        picture 320 180 YU12
        camera --size 320x180 {options}
        until_true reached packets 5
        knob away 1
        until_true in_state recovering
        knob away 0
        until_true in_state running
        more 5
        over
        "
    );
    Phase::new(name).run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        every_frame_is(outcome, &Picture::new("YU12", 320, 180));
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "reopens"), 1, "{json}");
        assert!(json.contains(&format!(r#""memory":"{memory}""#)), "{json}");
        let copied = stat(&json, "raw_bytes_copied");
        assert_eq!(copied > 0, memory == "copy", "{json}");
    })
}
