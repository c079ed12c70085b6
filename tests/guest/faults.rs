//! An encoder that fails: strace makes calls on the device fail at chosen moments, and the engine copes or says why not.

use crate::accounting::{index, stat, summary};
use crate::frames::{Picture, fwht_packets};
use crate::phases::Phase;
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_encoder_that_fails_is_restarted_or_its_failure_told() {
    Guest::new("faults", Api::Single).phases(&[
        engine_restarts_an_encoder_that_failed_once_and_counts_what_was_lost(),
        failures_that_end_the_engine_have_their_exit_codes(),
        driver_that_cannot_export_gets_copies_with_the_same_bytes(),
    ]);
}

fn engine_restarts_an_encoder_that_failed_once_and_counts_what_was_lost() -> Phase {
    let script = r"
        # Some frames into the stream.
        n=$(($(nth VIDIOC_ENCODER_CMD) + 12))
        traced run inject=ioctl:error=EIO:when=$n --gop 16
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached consumers_attached 1
        try push framemill push --frames 12 --fps max
        framemill stat --json >/host/stat.json
        kill $(counter pid)
        ended run
        ended tap
        ";
    Phase::new("engine_restarts_an_encoder_that_failed_once_and_counts_what_was_lost").run(
        script,
        |outcome| {
            outcome.succeeded(&["push", "run", "tap"]);
            let (pushed, published, dropped) = summary(&outcome.text("push.log"));
            // How many were inside when the call failed is a matter of the moment. Each is counted.
            assert!(
                pushed == 12 && published + dropped == 12,
                "{}",
                outcome.story()
            );
            let json = outcome.text("stat.json");
            assert_eq!(stat(&json, "restarts"), 1);
            assert_eq!(stat(&json, "generation"), 2);
            assert_eq!(stat(&json, "frames_dropped_restart"), dropped);
            assert_eq!(stat(&json, "frames_in_flight"), 0);
            // The first of the new generation is a key frame, and marked.
            let lines = index(outcome, "index");
            let first = lines
                .iter()
                .find(|line| line.generation == 2)
                .expect("a second generation");
            assert!(first.is('K') && first.is('D'), "{first:?}");
            assert!(
                lines[0].generation == 1 && lines[0].is('K') && !lines[0].is('D'),
                "{lines:?}"
            );
            assert_eq!(
                fwht_packets(&outcome.bytes("coded")).len() as u64,
                published
            );
        },
    )
}

fn failures_that_end_the_engine_have_their_exit_codes() -> Phase {
    let script = r"
        traced buffers inject=ioctl:error=EIO:when=$(nth VIDIOC_REQBUFS); ended buffers
        traced memory inject=ioctl:error=ENOMEM:when=$(nth VIDIOC_REQBUFS)+; ended memory
        # Also with OUTPUT first, which some drivers want.
        traced stream inject=ioctl:error=EIO:when=$(nth VIDIOC_STREAMON)+; ended stream
        traced export inject=ioctl:error=ENOTTY:when=$(nth VIDIOC_EXPBUF) --memory export; ended export
        (ulimit -n 6; exec framemill run --codec FWHT --size 640x368) 2>files.log; say files $?

        # The command to stop is the first call when no frame was pushed. It is taken, but nothing comes of it.
        traced drain inject=ioctl:retval=0:when=$(nth VIDIOC_ENCODER_CMD)+ --drain-ms 300
        kill $(counter pid)
        ended drain

        traced lost inject=ioctl:error=ENODEV:when=$(($(nth VIDIOC_ENCODER_CMD) + 4))+
        start lost_tap framemill tap --from oldest --to /dev/null --index /host/lost.index
        until_true reached consumers_attached 1
        framemill push --frames 4 --fps max 2>lost_push.log
        ended lost
        ended lost_tap

        traced failing inject=ioctl:error=EIO:when=$(($(nth VIDIOC_ENCODER_CMD) + 4))+
        framemill push --frames 4 --fps max 2>failing_push.log
        ended failing
        ";
    Phase::new("failures_that_end_the_engine_have_their_exit_codes").run(script, |outcome| {
        let cases: [(&str, u64, &[&str]); 8] = [
            ("buffers", 5, &["/dev/video0", "VIDIOC_REQBUFS", "EIO"]),
            ("memory", 14, &["/dev/video0", "VIDIOC_REQBUFS", "ENOMEM"]),
            ("stream", 5, &["/dev/video0", "VIDIOC_STREAM", "EIO"]),
            ("export", 4, &["/dev/video0", "VIDIOC_EXPBUF", "ENOTTY"]),
            ("files", 14, &["EMFILE"]),
            ("drain", 8, &["drain"]),
            ("lost", 6, &["ENODEV"]),
            ("failing", 7, &["EIO"]),
        ];
        for (name, exit, words) in cases {
            assert_eq!(outcome.number(name), exit, "{name}: {}", outcome.story());
            let log = outcome.text(&format!("{name}.log"));
            for word in words {
                assert!(log.contains(word), "{name}: \"{word}\": {log}");
            }
        }
        // Those that ran ended in good order all the same.
        assert_eq!(outcome.number("lost_tap"), 0);
        assert!(
            index(outcome, "lost.index")
                .last()
                .is_some_and(|line| line.is('E'))
        );
        for name in ["lost_push.log", "failing_push.log"] {
            let (pushed, published, dropped) = summary(&outcome.text(name));
            assert_eq!(pushed, published + dropped, "{}", outcome.story());
        }
    })
}

fn driver_that_cannot_export_gets_copies_with_the_same_bytes() -> Phase {
    let mut phase = Phase::new("driver_that_cannot_export_gets_copies_with_the_same_bytes");
    phase.put("in", &Picture::new("YU12", 640, 368).noisy(0..4));
    let script = r"
        traced run inject=ioctl:error=ENOTTY:when=$(nth VIDIOC_EXPBUF) --once
        until_true [ -S /run/framemill.sock ]
        start tap framemill tap --wait 5000 --from oldest --all --to /host/out
        until_true reached consumers_attached 1
        framemill stat --json >/host/stat.json
        try push framemill push --from /host/in --fps max
        ended tap
        ended run
        reference 640 368 YU12 /host/in /host/reference
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        outcome.same("out", "reference");
        assert!(outcome.text("stat.json").contains("\"memory\":\"copy\""));
        let log = outcome.text("run.log");
        assert!(
            log.contains("VIDIOC_EXPBUF") && log.contains("copied instead"),
            "{log}"
        );
    })
}
