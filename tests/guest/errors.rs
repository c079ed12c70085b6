//! Every way to fail that the guest can show: the tabled exit code, and one sentence that names what is wrong.

use crate::phases::Phase;
use crate::support::{Api, Guest, Outcome};

/// A name, a command line, its exit code, and words that its sentence must have.
type Case = (&'static str, &'static str, u64, &'static [&'static str]);

/// Runs each, after `before`; looks at the rest, too.
fn check(
    phase: Phase,
    before: &str,
    cases: &'static [Case],
    after: &str,
    rest: impl Fn(&Outcome) + 'static,
) -> Phase {
    let mut script = before.to_owned();
    for (name, command, ..) in cases {
        script += &format!("\ncase_{name}() {{ {command} >out; }}\ntry {name} case_{name}\n");
    }
    phase.run(&(script + after), move |outcome| {
        for (name, _, exit, words) in cases {
            assert_eq!(outcome.number(name), *exit, "{name}: {}", outcome.story());
            one_sentence(outcome, &format!("{name}.log"), words);
        }
        rest(outcome);
    })
}

/// That a log has one line of reason, with these words; a tap also tells what it has taken until then.
fn one_sentence(outcome: &Outcome, log: &str, words: &[&str]) {
    let text = outcome.text(log);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.contains(" packets taken, "))
        .collect();
    assert_eq!(lines.len(), 1, "{log}: one line: {text}");
    assert!(
        lines[0].starts_with("framemill: ") && lines[0].len() < 400,
        "{log}: {text}"
    );
    for word in words {
        assert!(lines[0].contains(word), "{log}: \"{word}\": {text}");
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn each_failure_has_its_exit_code_and_one_sentence() {
    Guest::new("errors", Api::Single).phases(&[
        wrong_command_lines_and_devices_are_told(),
        what_the_encoder_cannot_do_is_a_warning(),
        missing_engines_second_engines_and_bad_input_are_told(),
        device_that_appears_late_is_waited_for(),
    ]);
}

fn wrong_command_lines_and_devices_are_told() -> Phase {
    let cases: &[Case] = &[
        ("command", "framemill", 2, &[]),
        ("unknown", "framemill flush", 2, &["flush"]),
        (
            "option",
            "framemill run --sise 640x368",
            2,
            &["--sise", "--size"],
        ),
        ("value", "framemill run --size 640", 2, &["--size", "640"]),
        (
            "range",
            "framemill run --size 640x368 --frame-slots 1",
            2,
            &["--frame-slots"],
        ),
        (
            "raw_format",
            "framemill run --size 640x368 --format H265",
            2,
            &["H265"],
        ),
        (
            "no_node",
            "framemill run --codec FWHT --size 640x368 --device /dev/video99",
            3,
            &["/dev/video99", "ENOENT"],
        ),
        (
            "camera",
            "framemill run --codec FWHT --size 640x368 --device /dev/video4",
            3,
            &["/dev/video4", "vivid"],
        ),
        (
            "file",
            "framemill run --codec FWHT --size 640x368 --device /host/script.sh",
            3,
            &["/host/script.sh"],
        ),
        (
            "no_codec",
            "framemill run --size 640x368 --codec HEVC",
            3,
            &["HEVC", "raw frames"],
        ),
        (
            "other_codec",
            "framemill run --size 640x368 --device /dev/video0 --codec H264",
            3,
            &["/dev/video0", "H264", "FWHT"],
        ),
        (
            "decoder",
            "framemill run --size 640x368 --device /dev/video1 --codec FWHT",
            3,
            &["/dev/video1"],
        ),
        (
            "other_format",
            "framemill run --size 640x368 --codec FWHT --device /dev/video0 --format RGBP",
            4,
            &["RGBP"],
        ),
        (
            "too_large",
            "framemill run --size 8192x8192 --codec FWHT --device /dev/video0",
            4,
            &["8192x8192", "4096x2160"],
        ),
        (
            "too_small",
            "framemill run --size 320x200 --codec FWHT --device /dev/video0",
            4,
            &["320x200", "640x"],
        ),
        (
            "control_range",
            "framemill run --codec FWHT --size 640x368 --control fwht_i_frame_qp_value=32",
            4,
            &["fwht_i_frame_qp_value", "32", "31"],
        ),
        (
            "control_name",
            "framemill run --codec FWHT --size 640x368 --control no_such_control=1",
            4,
            &["no_such_control"],
        ),
        (
            "gop_range",
            "framemill run --codec FWHT --size 640x368 --gop 17",
            4,
            &["--gop", "17"],
        ),
        (
            "probe_none",
            "framemill probe --device /dev/video99",
            3,
            &["/dev/video99"],
        ),
    ];
    let phase = Phase::new("wrong_command_lines_and_devices");
    check(phase, "", cases, "", |_| ())
}

/// And the driver is found by itself.
fn what_the_encoder_cannot_do_is_a_warning() -> Phase {
    let script = r"
        start run framemill run --codec FWHT --size 640x368 --bitrate 1M --once
        try push framemill push --wait 5000 --frames 1 --fps max
        ended run
        ";
    Phase::new("what_the_encoder_cannot_do_is_a_warning").run(script, |outcome| {
        outcome.succeeded(&["push", "run"]);
        let log = outcome.text("run.log");
        assert!(
            log.contains("--bitrate has no effect") && log.contains("running: /dev/video0"),
            "{log}"
        );
    })
}

fn missing_engines_second_engines_and_bad_input_are_told() -> Phase {
    let mut phase = Phase::new("missing_engines_second_engines_and_bad_input");
    let bytes = crate::frames::Picture::new("YU12", 640, 368).frame_bytes();
    phase.put("short", &vec![0; bytes + 1000]);
    phase.put("empty", &[]);
    phase.put("small.y4m", b"YUV4MPEG2 W320 H240 F25:1\nFRAME\n");
    phase.put("text.y4m", b"YUV4MPEG1 W640 H368\n");
    let cases: &[Case] = &[
        (
            "push_alone",
            "framemill push --socket /run/none",
            9,
            &["/run/none", "framemill run"],
        ),
        (
            "tap_alone",
            "framemill tap --socket @none",
            9,
            &["@none", "framemill run"],
        ),
        (
            "stat_alone",
            "framemill stat --socket /run/none",
            9,
            &["/run/none"],
        ),
        (
            "push_waits",
            "framemill push --socket /run/none --wait 200",
            15,
            &["/run/none", "200 ms"],
        ),
        (
            "tap_waits",
            "framemill tap --socket /run/none --wait 200",
            15,
            &["/run/none", "200 ms"],
        ),
        (
            "second_engine",
            "framemill run --codec FWHT --size 640x368",
            9,
            &["/run/framemill.sock", "another engine"],
        ),
        (
            "socket_folder",
            "framemill run --codec FWHT --size 640x368 --socket /none/s",
            9,
            &["/none/s", "ENOENT"],
        ),
        (
            "no_input",
            "framemill push --from /host/none",
            11,
            &["/host/none", "ENOENT"],
        ),
        (
            "no_frame",
            "framemill push --from /host/empty",
            11,
            &["0 bytes"],
        ),
        (
            "remainder",
            "framemill push --from /host/short",
            11,
            &["1000 bytes", "353280"],
        ),
        (
            "y4m_size",
            "framemill push --from /host/small.y4m",
            11,
            &["320x240", "640x368"],
        ),
        (
            "y4m_text",
            "framemill push --y4m --from /host/text.y4m",
            11,
            &[],
        ),
        (
            "full_disk",
            "framemill tap --from oldest --frames 1 --to /dev/full",
            12,
            &["ENOSPC"],
        ),
        (
            "no_folder",
            "framemill tap --to /none/out",
            12,
            &["/none/out"],
        ),
    ];
    check(
        phase,
        "engine run --size 640x368\nframemill push --frames 1 --fps max 2>push.log || give_up push\n",
        cases,
        r"
        # A pipe's remainder shows only at its end. The frame before it is held back, unless the pipe was silent for long.
        cp /host/short /tmp/short
        cat /tmp/short | framemill push --from - --raw --fps max 2>pipe.log
        say pipe $?
        kill $run
        ended run
        ",
        |outcome| {
            // The engine was not disturbed.
            outcome.succeeded(&["run"]);
            assert_eq!(outcome.number("pipe"), 11);
            let log = outcome.text("pipe.log");
            assert!(
                (log.contains("1 whole frames of the input not pushed")
                    || log.contains("1 frames pushed: 1 published"))
                    && log.contains("1000 bytes more"),
                "{log}"
            );
        },
    )
}

fn device_that_appears_late_is_waited_for() -> Phase {
    let script = r"
        start run framemill run --device /tmp/encoder --codec FWHT --size 640x368 --once --wait-device 20000
        sleep 0.5
        [ -e /run/framemill.sock ] && give_up 'it runs without a device'
        ln -s /dev/video0 /tmp/encoder
        try push framemill push --wait 10000 --frames 1 --fps max
        ended run
        try never framemill run --device /dev/video99 --codec FWHT --size 640x368 --wait-device 300
        start told framemill run --device /dev/video99 --codec FWHT --size 640x368 --wait-device 60000
        # SIGTERM is blocked: it is for the descriptor that says so.
        until_true grep -q '^SigBlk:.*[4-7c-f]...$' /proc/$told/status
        kill $told
        ended told
        ";
    Phase::new("device_that_appears_late_is_waited_for").run(script, |outcome| {
        outcome.succeeded(&["push", "run"]);
        assert_eq!(outcome.number("never"), 3);
        one_sentence(outcome, "never.log", &["/dev/video99"]);
        assert_eq!(outcome.number("told"), 3);
        one_sentence(outcome, "told.log", &["waiting"]);
    })
}
